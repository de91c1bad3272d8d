"""JSON lines: an object a line, with the names of `columns`; amounts are text or numbers, read exactly."""

import io
import json
from collections.abc import Iterator
from decimal import Decimal
from typing import Any, BinaryIO

from omniroute.money.batches.columns import COLUMNS, read_line
from omniroute.money.batches.errors import UnreadableFile
from omniroute.money.batches.model import Defaults, FileLine, Problem

LINE_CHARS_MAX = 64 * 1024


class _Written(str):
    """A number as it was written."""


def _no_constant(text: str) -> Any:
    raise ValueError(f"{text} is not JSON")


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise ValueError("a member stands twice")
    return members


_decoder = json.JSONDecoder(
    parse_float=_Written, parse_int=_Written, parse_constant=_no_constant, object_pairs_hook=_unique
)


def read_json_lines(file: BinaryIO, encoding: str, defaults: Defaults) -> Iterator[FileLine]:
    """The payments of a file of JSON lines.

    Raises: UnreadableFile.
    """
    text = io.TextIOWrapper(file, encoding, newline=None)
    number = 0
    try:
        while line := text.readline(LINE_CHARS_MAX + 1):
            if not line.strip():
                continue
            number += 1
            if len(line) > LINE_CHARS_MAX:
                raise UnreadableFile(f"line {number} is longer than {LINE_CHARS_MAX} characters", line=number)
            yield _read(number, line, defaults)
    except UnicodeDecodeError as error:
        raise UnreadableFile("the text ends in the middle of a character") from error
    finally:
        text.detach()  # The file is somebody else's to close.


def _read(number: int, line: str, defaults: Defaults) -> FileLine:
    try:
        value = _decoder.decode(line.strip())
    except (ValueError, RecursionError) as error:
        if number == 1:
            raise UnreadableFile("the first line is not a JSON object", line=1) from error
        return _wrong(number, f"not a JSON object: {error}"[:200], None, defaults)
    if not isinstance(value, dict):
        if number == 1:
            raise UnreadableFile("the first line is not a JSON object", line=1)
        return _wrong(number, "not a JSON object", None, defaults)
    metadata = value.pop("metadata", None) or {}
    fields: dict[str, str] = {}
    for name, member in value.items():
        if name not in COLUMNS:
            return _wrong(number, f"there is no member {name[:40]}", name[:40], defaults)
        if member is None or member == "":
            continue
        if not isinstance(member, str) or (isinstance(member, _Written) and name not in ("amount", "amount_minor")):
            # A number of an account loses its zeros in the hands of others; it is text.
            return _wrong(number, f"{name}: text is needed", name, defaults)
        fields[name] = str(member).strip()
    if not isinstance(metadata, dict):
        return _wrong(number, "metadata: an object is needed", "metadata", defaults)
    return read_line(number, fields, {str(key): _plain(one) for key, one in metadata.items()}, defaults)


def _plain(value: Any) -> Any:
    """A member of the metadata, numbers as numbers where they are whole, else as text."""
    if isinstance(value, _Written):
        return int(value) if value.lstrip("-").isdigit() and len(value) < 19 else str(Decimal(value))
    return value if value is None or isinstance(value, bool | str) else json.dumps(value)


def _wrong(number: int, detail: str, field: str | None, defaults: Defaults) -> FileLine:
    detail = detail.encode("utf-8", "replace").decode().replace("\x00", "?")
    return FileLine(number, type=defaults.type, problem=Problem("payments.malformed", detail, field))

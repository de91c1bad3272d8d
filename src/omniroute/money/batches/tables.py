"""CSV: a line of names, then a line a payment. Comma, semicolon or tab; quotes, CRLF, line breaks in quotes."""

import csv
import io
import re
from collections.abc import Iterator, Sequence
from typing import BinaryIO

from omniroute.money.batches.columns import COLUMNS, METADATA, read_line
from omniroute.money.batches.errors import EmptyFile, UnknownColumn, UnreadableFile
from omniroute.money.batches.model import Defaults, FileLine, Problem

_METADATA_NAME = re.compile(r"metadata\.[A-Za-z0-9_-]{1,64}", re.ASCII)
_HEADER_CHARS_MAX = 10_000
LINE_CHARS_MAX = 64 * 1024


def read_csv(file: BinaryIO, encoding: str, defaults: Defaults) -> Iterator[FileLine]:
    """The payments of a CSV file.

    Raises: EmptyFile, UnknownColumn, UnreadableFile.
    """
    text = io.TextIOWrapper(file, encoding, newline="")
    try:
        yield from _read(text, defaults)
    except csv.Error as error:
        raise UnreadableFile(f"not CSV: {error}") from error
    except UnicodeDecodeError as error:
        raise UnreadableFile("the text ends in the middle of a character") from error
    finally:
        text.detach()  # The file is somebody else's to close.


def _read(text: io.TextIOWrapper, defaults: Defaults) -> Iterator[FileLine]:
    header = text.readline(_HEADER_CHARS_MAX)
    while header and not header.strip():
        header = text.readline(_HEADER_CHARS_MAX)
    if not header:
        raise EmptyFile()
    names = _names(header)
    number = 0
    for row in csv.reader(_lines(text), delimiter=delimiter_of(header), strict=True):
        if not any(cell.strip() for cell in row):
            continue
        number += 1
        cells = [cell.strip() for cell in row]
        if len(cells) != len(names):
            detail = f"the line has {len(cells)} columns, the file {len(names)}"
            yield FileLine(number, type=defaults.type, problem=Problem("payments.malformed", detail))
            continue
        given = {name: cell for name, cell in zip(names, cells, strict=True) if cell}
        metadata = {name[len(METADATA) :]: cell for name, cell in given.items() if name.startswith(METADATA)}
        fields = {name: cell for name, cell in given.items() if not name.startswith(METADATA)}
        yield read_line(number, fields, metadata, defaults)


def _lines(text: io.TextIOWrapper) -> Iterator[str]:
    """Line by line, none so long that it would fill the memory."""
    while line := text.readline(LINE_CHARS_MAX + 1):
        if len(line) > LINE_CHARS_MAX:
            raise UnreadableFile(f"a line is longer than {LINE_CHARS_MAX} characters")
        yield line


def delimiter_of(header: str) -> str:
    """What stands between the names; a comma when there is only one."""
    bare = re.sub(r'"[^"]*"', "", header)
    return max(",;\t", key=bare.count)


def _names(header: str) -> Sequence[str]:
    delimiter = delimiter_of(header)
    (row,) = csv.reader([header.rstrip("\r\n")], delimiter=delimiter, strict=True)
    names = [name.strip() for name in row]
    names = [name if name.startswith(METADATA) else name.casefold() for name in names]
    for name in names:
        if name not in COLUMNS and not _METADATA_NAME.fullmatch(name):
            raise UnknownColumn(f"there is no column {name[:40] or '(empty)'}", column=name[:40], allowed=list(COLUMNS))
        if names.count(name) > 1:
            raise UnknownColumn(f"column {name} stands twice", column=name, allowed=list(COLUMNS))
    if not {"amount", "amount_minor"} & set(names):
        raise UnknownColumn("a column amount or amount_minor is needed", column="amount", allowed=list(COLUMNS))
    if not {"identifier", "account_number", "msisdn"} & set(names):
        raise UnknownColumn(
            "a column identifier, account_number or msisdn is needed", column="identifier", allowed=list(COLUMNS)
        )
    return names

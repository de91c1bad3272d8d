"""Reading JSON bodies strictly: UTF-8, whole numbers, no member twice, bounded depth and size.

The standard library's scanner is used because it shows every number as written and every pair of an object;
`msgspec` then checks the shape. Both together take a few microseconds for a posting.
"""

import json
import re
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from hashlib import sha256
from tempfile import SpooledTemporaryFile
from typing import Any, BinaryIO, TypeVar, cast

import msgspec

from omniroute.api.errors import (
    BodyTooLarge,
    ContentTypeUnsupported,
    DuplicateMember,
    FractionalNumber,
    InvalidField,
    MalformedJson,
    MalformedRequest,
    MalformedText,
    TooDeep,
)

T = TypeVar("T")
Receive = Callable[[], Awaitable[Any]]

DEPTH_MAX = 32
_SHOWN_MAX = 80
_SPOOL_IN_MEMORY = 1024 * 1024
_OUTSIDE_STRINGS = re.compile(rb'"(?:[^"\\]|\\.)*"?|[\[\]{}]', re.DOTALL)
_PATH_PART = re.compile(r"\.([^.\[\]]+)|\[(\d+|\.\.\.)\]")


@dataclass(frozen=True, slots=True)
class Spooled:
    """A body that may be too large for the memory. `digest` is SHA-256 of its bytes."""

    file: BinaryIO
    byte_count: int
    digest: bytes


def check_content_type(value: bytes | None, wanted: str = "application/json") -> None:
    """Accept this type, with charset utf-8 or none.

    Raises: ContentTypeUnsupported.
    """
    if value is not None and value == wanted.encode():
        return
    essence, _, rest = (value or b"").decode("latin-1").partition(";")
    parameters = [part.strip().lower().replace('"', "") for part in rest.split(";") if part.strip()]
    if essence.strip().lower() != wanted or any(part != "charset=utf-8" for part in parameters):
        raise ContentTypeUnsupported(expected=wanted, content_type=(value or b"").decode("latin-1")[:_SHOWN_MAX])


async def receive_body(receive: Receive, length: bytes | None, bytes_max: int) -> bytes:
    """The whole body, refused as soon as it is seen to be too large.

    Raises: BodyTooLarge, MalformedRequest when the caller hangs up.
    """
    if length is not None and length.isdigit() and int(length[:19]) > bytes_max:
        raise BodyTooLarge(bytes_max=bytes_max)
    message = await receive()
    body = message.get("body", b"")
    parts = [body]
    size = len(body)
    # With the length declared, the end need not be asked for: that would be one more turn of the loop a request.
    whole = int(length[:19]) if length is not None and length.isdigit() else -1
    while message.get("more_body", False) and size <= bytes_max and size != whole:
        message = await receive()
        part = message.get("body", b"")
        parts.append(part)
        size += len(part)
    if message["type"] == "http.disconnect":
        raise MalformedRequest("the connection was closed before the body was complete")
    if size > bytes_max:
        raise BodyTooLarge(bytes_max=bytes_max)
    return b"".join(parts)


@asynccontextmanager
async def spooled(receive: Receive, length: bytes | None, bytes_max: int) -> AsyncIterator[Spooled]:
    """The whole body as a file that is gone afterwards, refused as soon as it is seen to be too large.

    Raises: BodyTooLarge, MalformedRequest when the caller hangs up.
    """
    if length is not None and length.isdigit() and int(length[:19]) > bytes_max:
        raise BodyTooLarge(bytes_max=bytes_max)
    size, digest = 0, sha256()
    with SpooledTemporaryFile(max_size=_SPOOL_IN_MEMORY) as file:
        more = True
        while more:
            message = await receive()
            if message["type"] == "http.disconnect":
                raise MalformedRequest("the connection was closed before the body was complete")
            part = message.get("body", b"")
            size += len(part)
            if size > bytes_max:
                raise BodyTooLarge(bytes_max=bytes_max)
            digest.update(part)
            file.write(part)
            more = message.get("more_body", False)
        yield Spooled(cast("BinaryIO", file), size, digest.digest())


def content_type_of(value: bytes | None, allowed: Sequence[str]) -> tuple[str, str | None]:
    """The type of a body, one of those allowed, and its charset if it says one.

    Raises: ContentTypeUnsupported.
    """
    essence, _, rest = (value or b"").decode("latin-1").partition(";")
    kind = essence.strip().lower()
    if kind not in allowed:
        raise ContentTypeUnsupported(expected=list(allowed), content_type=(value or b"").decode("latin-1")[:_SHOWN_MAX])
    for parameter in rest.split(";"):
        name, _, text = parameter.partition("=")
        if name.strip().lower() == "charset":
            return kind, text.strip().strip('"').lower()
    return kind, None


def _whole_only(text: str) -> Any:
    raise FractionalNumber(number=text[:_SHOWN_MAX])


def _no_constant(text: str) -> Any:
    raise MalformedJson(f"{text} is not JSON")


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) != len(pairs):
        seen: set[str] = set()
        for name, _ in pairs:
            if name in seen:
                raise DuplicateMember(member=shown(name))
            seen.add(name)
    return members


_decoder = json.JSONDecoder(object_pairs_hook=_unique, parse_float=_whole_only, parse_constant=_no_constant)


def shown(text: str) -> str:
    """Text of the caller's that may stand in an answer: cut short, always encodable."""
    return text[:_SHOWN_MAX].encode("utf-8", "replace").decode().replace("\x00", "?")


def _check_depth(body: bytes) -> None:
    if body.count(b"[") + body.count(b"{") <= DEPTH_MAX:
        return
    depth = 0
    for match in _OUTSIDE_STRINGS.finditer(body):
        mark = match[0]
        if mark in b"[{":
            depth += 1
            if depth > DEPTH_MAX:
                raise TooDeep(depth_max=DEPTH_MAX)
        elif mark in b"]}":
            depth -= 1


def check_text(text: str) -> None:
    """Refuse what PostgreSQL or UTF-8 cannot hold.

    Raises: MalformedText.
    """
    if "\x00" in text:
        raise MalformedText("text holds a NUL character")
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise MalformedText("text holds half of a surrogate pair") from error


def _check_texts(value: object) -> None:
    if isinstance(value, str):
        check_text(value)
    elif isinstance(value, list):
        for item in value:
            _check_texts(item)
    elif isinstance(value, dict):
        for name, item in value.items():
            check_text(name)
            _check_texts(item)


def decode(body: bytes) -> Any:
    """The JSON value of a body, strictly.

    Raises: MalformedText, MalformedJson, FractionalNumber, DuplicateMember, TooDeep.
    """
    try:
        text = body.decode()
    except UnicodeDecodeError as error:
        raise MalformedText("the body is not UTF-8", offset=error.start) from error
    _check_depth(body)
    try:
        value = _decoder.decode(text)
    except json.JSONDecodeError as error:
        raise MalformedJson(f"{error.msg} at character {error.pos}", offset=error.pos) from error
    except ValueError as error:
        raise MalformedJson("a number has too many digits") from error
    if "\\u" in text:
        _check_texts(value)
    return value


def shape(value: object, kind: type[T]) -> T:
    """The value as a `kind`, every field checked.

    Raises: InvalidField with the JSON pointer of the first field that is wrong.
    """
    try:
        return msgspec.convert(value, kind)
    except msgspec.ValidationError as error:
        message, _, path = str(error).rpartition(" - at `")
        raise InvalidField(shown(message or str(error)), pointer=pointer(path.removesuffix("`"))) from error


def pointer(path: str) -> str:
    """`$.legs[0].amount` as a JSON pointer: `/legs/0/amount`."""
    if not path.startswith("$"):
        return ""
    parts = [name or index for name, index in _PATH_PART.findall(path)]
    return "".join("/" + part.replace("~", "~0").replace("/", "~1").replace("...", "-") for part in parts)


def canonical(value: object) -> bytes:
    """One spelling for equal JSON values, to compare requests by."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()

"""Cursor paging: a page of a list that stays right while rows are added."""

import base64
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from hashlib import sha256
from typing import Any, Generic, TypeVar

from omniroute.kit.refusal import Kind, Refusal

T = TypeVar("T")
U = TypeVar("U")

LIMIT_DEFAULT = 50
LIMIT_MAX = 500


class MalformedCursor(Refusal):
    """The cursor is not one of ours; leave it out to start from the first page."""

    code = "kit.malformed_cursor"
    kind = Kind.INVALID


class ForeignCursor(Refusal):
    """The cursor was made under another sort or filter; go on with those it was made under, or start without it."""

    code = "kit.foreign_cursor"
    kind = Kind.INVALID


class UnknownSort(Refusal):
    """The list cannot be sorted by this; `allowed` names what it can be sorted by, with `-` for descending."""

    code = "kit.unknown_sort"
    kind = Kind.INVALID


class LimitOutOfRange(Refusal):
    """The page size is out of range; ask for 1 to 500 items."""

    code = "kit.limit_out_of_range"
    kind = Kind.INVALID


@dataclass(frozen=True, slots=True)
class Page(Generic[T]):
    """Some items in order, and the cursor of the next page (None: this is the last)."""

    items: list[T]
    next_cursor: str | None

    def map(self, make: Callable[[T], U]) -> "Page[U]":
        """The same page of what `make` makes of each item."""
        return Page([make(item) for item in self.items], self.next_cursor)


def fingerprint(name: str, asked: Mapping[str, object]) -> str:
    """Short text that is equal for the same list asked with the same sort and filters; what is None is not asked."""
    plain = {key: value for key, value in asked.items() if value is not None}
    text = json.dumps([name, plain], sort_keys=True, separators=(",", ":"), default=str)
    return base64.urlsafe_b64encode(sha256(text.encode()).digest()[:9]).decode()


def encode_cursor(*key: str | int) -> str:
    """Sort key of the last item shown -> opaque text."""
    text = json.dumps(key, separators=(",", ":"), ensure_ascii=False)
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


def cursor_parts(cursor: str) -> list[object]:
    """Opaque text -> what was put in, of any kind.

    Raises: MalformedCursor.
    """
    try:
        key = json.loads(base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True))
    except (ValueError, RecursionError) as error:
        raise MalformedCursor() from error
    if not isinstance(key, list):
        raise MalformedCursor()
    return key


def check_cursor(cursor: str, made_under: str) -> None:
    """That the cursor begins with this fingerprint.

    Raises: MalformedCursor, ForeignCursor.
    """
    if cursor_parts(cursor)[:1] != [made_under]:
        raise ForeignCursor()


def decode_cursor(cursor: str, *kinds: type[str] | type[int]) -> list[Any]:
    """Opaque text -> sort key, of exactly these kinds.

    Raises: MalformedCursor.
    """
    key = cursor_parts(cursor)
    if len(key) != len(kinds) or any(type(part) is not kind for part, kind in zip(key, kinds, strict=True)):
        raise MalformedCursor()
    return key


def check_limit(limit: int | None) -> int:
    """The page size to use.

    Raises: LimitOutOfRange.
    """
    if limit is None:
        return LIMIT_DEFAULT
    if not 1 <= limit <= LIMIT_MAX:
        raise LimitOutOfRange(limit=limit, limit_max=LIMIT_MAX)
    return limit

"""Cursor paging: a page of a list that stays right while rows are added."""

import base64
import json
from dataclasses import dataclass
from typing import Generic, TypeVar

from omniroute.kit.refusal import Kind, Refusal

T = TypeVar("T")

LIMIT_DEFAULT = 50
LIMIT_MAX = 500


class MalformedCursor(Refusal):
    """The cursor is not one of ours; leave it out to start from the first page."""

    code = "kit.malformed_cursor"
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


def encode_cursor(*key: str | int) -> str:
    """Sort key of the last item shown -> opaque text."""
    return base64.urlsafe_b64encode(json.dumps(key, separators=(",", ":")).encode()).decode().rstrip("=")


def decode_cursor(cursor: str, *kinds: type[str] | type[int]) -> list[str | int]:
    """Opaque text -> sort key, of exactly these kinds.

    Raises: MalformedCursor.
    """
    try:
        key = json.loads(base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True))
    except ValueError as error:
        raise MalformedCursor() from error
    if not isinstance(key, list) or len(key) != len(kinds):
        raise MalformedCursor()
    if any(type(part) is not kind for part, kind in zip(key, kinds, strict=True)):
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

"""Reading a listing page by page. The key of the last item shown travels in the cursor, so that rows that come or go
between two pages move nothing else.
"""

from collections.abc import Callable, Mapping
from datetime import date, datetime
from typing import Any
from uuid import UUID

from psycopg.types.json import Jsonb

from omniroute.infra.postgres.database import Tx
from omniroute.infra.postgres.sql import Listing, Order
from omniroute.kit.paging import (
    MalformedCursor,
    Page,
    check_cursor,
    check_limit,
    cursor_parts,
    encode_cursor,
    fingerprint,
)


async def read_page(
    tx: Tx, listing: Listing, *, sort: str | None, limit: int | None, cursor: str | None, **filters: object
) -> Page[Any]:
    """A page of rows in an order of the listing (None: the usual one); `filters` are the query's parameters.

    Each row that stays during a walk from page to page comes exactly once.

    Raises: UnknownSort, LimitOutOfRange, MalformedCursor, ForeignCursor.
    """
    order = listing.order(sort)
    size = check_limit(limit)
    print_ = fingerprint(listing.name, {name: _plain(value) for name, value in filters.items()} | {"sort": order.sort})
    if cursor is None:
        rows = await tx.all(order.first, **filters, limit=size + 1)
    else:
        rows = await tx.all(order.after, **filters, **_after(order, cursor, print_), limit=size + 1)
    if len(rows) <= size:
        return Page(rows, None)
    key = [_show(getattr(rows[size - 1], column)) for column in order.columns]
    return Page(rows[:size], encode_cursor(print_, *key))


def _after(order: Order, cursor: str, print_: str) -> Mapping[str, object]:
    """The parameters that begin a page behind a cursor."""
    check_cursor(cursor, print_)
    key = cursor_parts(cursor)[1:]
    if len(key) != len(order.kinds):
        raise MalformedCursor()
    values = [_read(kind, text) for kind, text in zip(order.kinds, key, strict=True)]
    return {f"after_{place}": value for place, value in enumerate(values)}


def _plain(value: object) -> object:
    return value.obj if isinstance(value, Jsonb) else value


def _show(value: object) -> str:
    return value.isoformat() if isinstance(value, datetime | date) else str(value)


def _instant(text: str) -> datetime:
    value = datetime.fromisoformat(text)
    if value.tzinfo is None:
        raise ValueError("no zone")
    return value


def _text(text: str) -> str:
    text.encode()  # Half a surrogate pair is a ValueError.
    if "\0" in text:
        raise ValueError("NUL")
    return text


def _integer(text: str) -> int:
    value = int(text)
    if not -(2**31) <= value < 2**31:
        raise ValueError("out of range")
    return value


_READ: Mapping[str, Callable[[str], object]] = {
    "text": _text,
    "integer": _integer,
    "uuid": UUID,
    "timestamptz": _instant,
    "date": date.fromisoformat,
}


def _read(kind: str, text: object) -> object:
    try:
        return _READ[kind](str(text))
    except ValueError as error:
        raise MalformedCursor() from error

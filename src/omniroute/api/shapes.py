"""Shapes that several modules send and receive: strict bodies, amounts, pages, ids."""

from collections.abc import Callable
from datetime import datetime
from enum import Enum
from typing import Annotated, Any, Generic, Literal, TypeVar
from uuid import UUID

import msgspec
from msgspec import Meta

from omniroute.kit import ids
from omniroute.kit.money import json_amount
from omniroute.kit.paging import LIMIT_MAX, Page
from omniroute.ledger import TxnKind

T = TypeVar("T")
U = TypeVar("U")

AmountIn = Annotated[
    int | Annotated[str, Meta(pattern=r"^-?[0-9]{1,19}$")],
    Meta(description="Whole minor units (kobo, cents): a number, or a string of digits.", examples=[150000]),
]
AmountOut = Annotated[
    int | str, Meta(description="Whole minor units; a string of digits beyond 2^53-1.", examples=[150000])
]
Currency = Annotated[str, Meta(pattern=r"^[A-Z]{3}$", description="ISO 4217 code.", examples=["NGN"])]
Instant = Annotated[datetime, Meta(tz=True, description="An instant (RFC 3339), with its offset.")]
Name = Annotated[str, Meta(min_length=1, max_length=200)]
Email = Annotated[str, Meta(min_length=3, max_length=320, examples=["amina@kano-foods.example"])]
Password = Annotated[str, Meta(min_length=1, max_length=1024)]
PermissionName = Annotated[str, Meta(min_length=1, max_length=64, examples=["ledger.read"])]
Metadata = Annotated[
    dict[
        Annotated[str, Meta(min_length=1, max_length=64)],
        Annotated[str, Meta(max_length=1000)] | Annotated[int, Meta(ge=-(2**63) + 1, le=2**63 - 1)] | bool | None,
    ],
    Meta(max_length=64, description="Facts of your own: flat, up to 64 members."),
]
Limit = Annotated[int, Meta(ge=1, le=LIMIT_MAX, description="How many items, 1 to 500; 50 when left out.")]
Cursor = Annotated[str, Meta(min_length=1, max_length=2000, description="`next_cursor` of the page before.")]
Sort = Annotated[str, Meta(min_length=1, max_length=40, description="The order; `-` turns it round.")]
Revision = Annotated[int, Meta(description="Grows with each change; also the ETag.", examples=[1])]


class In(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """A body or query: unknown members are refused."""


class Out(msgspec.Struct, kw_only=True):
    """An answer."""


class DoneOut(Out):
    """It is done."""

    done: Literal[True] = True


class PageIn(In):
    """Which page."""

    limit: Limit | None = None
    cursor: Cursor | None = None


class ListIn(PageIn):
    """Which page, in which order. A cursor goes on under the sort and the filters it was made under."""

    sort: Sort | None = None


class PageOut(msgspec.Struct, Generic[T], kw_only=True):
    """Some items in order; `next_cursor` is null on the last page."""

    items: list[T]
    next_cursor: str | None


def page(found: Page[Any], show: Callable[[Any], U]) -> PageOut[U]:
    """A page of things as a page of what is shown of them."""
    return PageOut(items=[show(item) for item in found.items], next_cursor=found.next_cursor)


def show_id(prefix: str, value: UUID | None) -> str | None:
    """The public id, or nothing."""
    return None if value is None else ids.show(prefix, value)


def parse_id(prefix: str, text: str | None) -> UUID | None:
    """The id behind a public text, or nothing.

    Raises: MalformedId.
    """
    return None if text is None else ids.parse(prefix, text)


def _id(prefix: str, what: str) -> Meta:
    pattern = f"^{prefix}_[0-7][0-9a-hjkmnp-tv-z]{{25}}$"
    return Meta(pattern=pattern, description=what, examples=[f"{prefix}_01jd3m8q4vv8k8x2n0c5t7yh6r"])


BranchId = Annotated[str, _id("brn", "A branch.")]
ApplicationId = Annotated[str, _id("app", "An application.")]
UserId = Annotated[str, _id("usr", "A person.")]
KeyId = Annotated[str, _id("key", "A key.")]
RoleId = Annotated[str, _id("rol", "A role.")]
HoldId = Annotated[str, _id("hld", "A hold.")]
TransactionId = Annotated[str, _id("txn", "A transaction.")]
AccountText = Annotated[
    str,
    Meta(
        min_length=1,
        max_length=128,
        description="The account: its code or its `acc_` id.",
        examples=["wallet:amina"],
    ),
]


def shown(kind: type[U], thing: object, prefixes: dict[str, str], **given: object) -> U:
    """A thing as an answer of this kind: fields by name, ids with their prefixes, sets in order."""
    values: dict[str, Any] = {}
    for name in kind.__struct_fields__:  # type: ignore[attr-defined]  # `kind` is a msgspec struct.
        if name in given:
            value = given[name]
        elif hasattr(thing, name):
            value = getattr(thing, name)
        else:  # An amount: `posted_minor` is shown as `posted`.
            minor = getattr(thing, f"{name}_minor")
            value = None if minor is None else json_amount(minor)
        if isinstance(value, Enum):
            value = value.label if isinstance(value, TxnKind) else value.value
        if name in prefixes and isinstance(value, UUID):
            value = ids.show(prefixes[name], value)
        elif isinstance(value, tuple | frozenset):
            value = [ids.show(prefixes[name], one) if isinstance(one, UUID) else str(one) for one in value]
            value.sort()
        values[name] = value
    return kind(**values)

"""Holds over HTTP: set aside, capture, let go."""

from datetime import date
from typing import Annotated
from uuid import UUID

import msgspec
from msgspec import Meta

from omniroute import ledger
from omniroute.api.call import Call
from omniroute.api.ledger_accounts import account_in
from omniroute.api.ledger_transactions import (
    CONDITION_REFUSALS,
    EXAMPLE_LEGS,
    FORM_REFUSALS,
    STATE_REFUSALS,
    Conditions,
    Late,
    Legs,
    Reference,
    TransactionOut,
    amount_in,
    book,
    conditions_in,
    legs_in,
    may_soft,
    transaction_out,
)
from omniroute.api.ledger_transactions import EXAMPLE as EXAMPLE_TRANSACTION
from omniroute.api.operations import Reply, operation
from omniroute.api.shapes import (
    AccountText,
    AmountIn,
    AmountOut,
    In,
    Instant,
    ListIn,
    Metadata,
    Out,
    PageOut,
    page,
)
from omniroute.infra.postgres import Tx
from omniroute.kit import ids
from omniroute.kit.money import json_amount
from omniroute.parties.access import Permission

_BASE = "/v1/{tenant}/ledger/holds"
_GROUP = "/v1/{tenant}/ledger/hold-groups/{group}"


class HoldIn(In):
    """Money to set aside. After `expires_at` nothing can be captured. `group_id`: yours, to resolve several at once."""

    legs: Legs
    value_on: date | None = None
    expires_at: Instant | None = None
    group_id: UUID | None = None
    reference: Reference | None = None
    metadata: Metadata = msgspec.field(default_factory=dict)
    conditions: Conditions = msgspec.field(default_factory=list)


class CaptureIn(In):
    """All that is left of the hold, or a part. `final` lets go of the rest."""

    amount: AmountIn | None = None
    legs: Legs = msgspec.field(default_factory=list)
    final: bool = False
    value_on: date | None = None
    reference: Reference | None = None
    metadata: Metadata = msgspec.field(default_factory=dict)
    late: Late = False


class VoidIn(In):
    """Nothing is to be said."""


class GroupIn(In):
    """Nothing is to be said."""


class HoldsIn(ListIn):
    """Which holds."""

    open: Annotated[bool, Meta(description="Something is left of it.")] | None = None
    group_id: UUID | None = None
    account: AccountText | None = None


class HoldLegOut(Out):
    """What became of one leg; captured + released + left = amount."""

    leg: int
    account_id: str
    side: str
    amount: AmountOut
    captured: AmountOut
    released: AmountOut
    left: AmountOut


class HoldOut(Out):
    """A hold as it stands."""

    id: str
    group_id: UUID | None
    open: bool
    created_at: Instant
    expires_at: Instant | None
    legs: list[HoldLegOut]


class GroupOut(Out):
    """What was booked, one transaction a hold."""

    transactions: list[TransactionOut]


def hold_out(hold: ledger.Hold) -> HoldOut:
    """A hold as shown."""
    return HoldOut(
        id=ids.show("hld", hold.hold_id),
        group_id=hold.group_id,
        open=hold.open,
        created_at=hold.created_at,
        expires_at=hold.expires_at,
        legs=[
            HoldLegOut(
                leg=leg.leg,
                account_id=ids.show("acc", leg.account_id),
                side=leg.side.value,
                amount=json_amount(leg.amount_minor),
                captured=json_amount(leg.captured_minor),
                released=json_amount(leg.released_minor),
                left=json_amount(leg.left_minor),
            )
            for leg in hold.legs
        ],
    )


_RESOLVING = ("ledger.unknown_hold", "ledger.hold_resolved")
_EXAMPLE_HELD = EXAMPLE_TRANSACTION | {"id": "hld_01jd3m8q4vv8k8x2n0c5t7yh6r", "kind": "hold"}
_EXAMPLE = {
    "id": "hld_01jd3m8q4vv8k8x2n0c5t7yh6r", "group_id": None, "open": True, "created_at": "2026-11-21T08:00:00Z",
    "expires_at": "2026-11-28T08:00:00Z",
    "legs": [{"leg": 1, "account_id": "acc_01jd3m8q4vv8k8x2n0c5t7yh6r", "side": "debit", "amount": 150000,
              "captured": 50000, "released": 0, "left": 100000}],
}  # fmt: skip


@operation(
    "POST", _BASE, tag="Holds", status=201, permission=Permission.LEDGER_POST, body=HoldIn, reply=TransactionOut,
    idempotent=True, key_kept_by="ledger", transaction=False, hot=True, example_reply=_EXAMPLE_HELD,
    refusals=FORM_REFUSALS + STATE_REFUSALS + CONDITION_REFUSALS,
    example={"legs": EXAMPLE_LEGS, "expires_at": "2026-11-28T08:00:00Z", "reference": "order-12"},
)  # fmt: skip
async def place_hold(call: Call, body: HoldIn) -> Reply:
    """Set money aside.

    Every limit counts it from now on, on both sides.
    """
    command = ledger.place_hold(
        legs_in(call.tenant_id, body.legs),
        value_on=body.value_on,
        expires_at=body.expires_at,
        group_id=body.group_id,
        reference=body.reference,
        metadata=body.metadata,
        conditions=conditions_in(call.tenant_id, body.conditions),
        key=call.key,
        may_soft=may_soft(call),
        meta=call.meta,
    )
    return await book(call, command)


@operation(
    "POST", _BASE + "/{hold}/capture", tag="Holds", status=201, permission=Permission.LEDGER_POST, body=CaptureIn,
    reply=TransactionOut, idempotent=True, key_kept_by="ledger", transaction=False,
    refusals=FORM_REFUSALS + STATE_REFUSALS + _RESOLVING + (
        "ledger.hold_expired", "ledger.capture_above_hold", "ledger.legs_needed", "ledger.leg_not_in_source"),
    example={"amount": 50000}, example_reply=EXAMPLE_TRANSACTION | {"kind": "capture"},
)  # fmt: skip
async def capture_hold(call: Call, body: CaptureIn) -> Reply:
    """Post what is held, or a part of it."""
    command = ledger.capture_hold(
        call.id("hold"),
        value_on=body.value_on,
        amount_minor=amount_in(body.amount),
        legs=legs_in(call.tenant_id, body.legs),
        final=body.final,
        reference=body.reference,
        metadata=body.metadata,
        late=body.late,
        key=call.key,
        may_soft=may_soft(call),
        meta=call.meta,
    )
    return await book(call, command)


@operation(
    "POST", _BASE + "/{hold}/void", tag="Holds", status=201, permission=Permission.LEDGER_POST, body=VoidIn,
    reply=TransactionOut, idempotent=True, key_kept_by="ledger", transaction=False,
    refusals=STATE_REFUSALS + _RESOLVING,
    example={}, example_reply=EXAMPLE_TRANSACTION | {"kind": "void"},
)  # fmt: skip
async def void_hold(call: Call, body: VoidIn) -> Reply:
    """Let go of all that is left of a hold."""
    return await book(call, ledger.void_hold(call.id("hold"), key=call.key, meta=call.meta))


async def _resolve(call: Call, tx: Tx, *, capture: bool) -> GroupOut:
    booked = await ledger.resolve_group(
        tx,
        call.uuid("group"),
        capture=capture,
        today=call.today,
        branches=call.caller.branches,
        may_soft=may_soft(call),
        meta=call.meta,
    )
    return GroupOut(transactions=[transaction_out(one) for one in booked])


@operation(
    "POST", _GROUP + "/capture", tag="Holds", status=201, permission=Permission.LEDGER_POST, body=GroupIn,
    reply=GroupOut, idempotent=True, refusals=STATE_REFUSALS + _RESOLVING + ("ledger.hold_expired",), example={},
)  # fmt: skip
async def capture_group(call: Call, tx: Tx, body: GroupIn) -> GroupOut:
    """Capture every open hold of a group, all or none."""
    return await _resolve(call, tx, capture=True)


@operation(
    "POST", _GROUP + "/void", tag="Holds", status=201, permission=Permission.LEDGER_POST, body=GroupIn,
    reply=GroupOut, idempotent=True, refusals=STATE_REFUSALS + _RESOLVING, example={},
)  # fmt: skip
async def void_group(call: Call, tx: Tx, body: GroupIn) -> GroupOut:
    """Let go of every open hold of a group, all or none."""
    return await _resolve(call, tx, capture=False)


@operation(
    "GET", _BASE, tag="Holds", permission=Permission.LEDGER_READ, query=HoldsIn, reply=PageOut[HoldOut],
    sorts=ledger.HOLDS.sorts, example_query={"open": "true"},
    example_reply={"items": [_EXAMPLE], "next_cursor": None},
)  # fmt: skip
async def list_holds(call: Call, tx: Tx, query: HoldsIn) -> PageOut[HoldOut]:
    """List holds, the latest first unless `sort` says otherwise."""
    found = await ledger.list_holds(
        tx,
        is_open=query.open,
        group_id=query.group_id,
        account_id=None if query.account is None else account_in(call.tenant_id, query.account),
        limit=query.limit,
        sort=query.sort,
        cursor=query.cursor,
    )
    return page(found, hold_out)


@operation(
    "GET", _BASE + "/{hold}", tag="Holds", permission=Permission.LEDGER_READ, reply=HoldOut,
    refusals=("ledger.unknown_hold",), example_reply=_EXAMPLE,
)  # fmt: skip
async def get_hold(call: Call, tx: Tx) -> HoldOut:
    """Show a hold and what became of its legs."""
    return hold_out(await ledger.find_hold(tx, call.id("hold")))

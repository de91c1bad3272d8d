"""Ledger transactions over HTTP: postings and reversals, and what every booking shares."""

from datetime import date
from typing import Annotated, Any, Literal, cast
from uuid import UUID

import msgspec
from msgspec import Meta

from omniroute import ledger
from omniroute.api import bodies
from omniroute.api.call import Call
from omniroute.api.ledger_accounts import account_in
from omniroute.api.operations import Reply, operation
from omniroute.api.shapes import (
    AccountText,
    AmountIn,
    AmountOut,
    Currency,
    In,
    Instant,
    ListIn,
    Metadata,
    Out,
    PageOut,
    page,
    show_id,
)
from omniroute.infra.idempotency import KeyReused
from omniroute.infra.postgres import Tx
from omniroute.kit import ids
from omniroute.kit.money import Money, json_amount, parse_amount
from omniroute.kit.refusal import Refusal
from omniroute.parties.access import Permission

REPLAYED = (("idempotency-replayed", "true"),)
_BASE = "/v1/{tenant}/ledger/transactions"

Kind = Literal["posting", "hold", "capture", "void", "expiry", "reversal"]
Reference = Annotated[
    str,
    Meta(min_length=1, max_length=128, description="Unique for ever in the organisation, such as a receipt number."),
]
Late = Annotated[bool, Meta(description="A value date in a closed period moves to the next open one.")]


class LegIn(In):
    """One side of a transaction."""

    account: AccountText
    side: Literal["debit", "credit"]
    amount: AmountIn
    currency: Currency


class ConditionIn(In):
    """What must be true of a strict account just before booking, else nothing is booked."""

    account: AccountText
    available_min: AmountIn | None = None
    version: Annotated[int, Meta(ge=0, le=2**63 - 1)] | None = None


Legs = Annotated[list[LegIn], Meta(max_length=1000, description="At least two; they balance in each currency.")]
Conditions = Annotated[list[ConditionIn], Meta(max_length=1000)]


class PostIn(In):
    """A posting."""

    legs: Legs
    value_on: date | None = None
    reference: Reference | None = None
    metadata: Metadata = msgspec.field(default_factory=dict)
    conditions: Conditions = msgspec.field(default_factory=list)
    late: Late = False
    dry_run: Annotated[bool, Meta(description="Answer as if booked, but book nothing; the key stays free.")] = False


class ReverseIn(In):
    """All that is left of the original, or a part: an amount (two legs), or legs written as in the original."""

    amount: AmountIn | None = None
    legs: Legs = msgspec.field(default_factory=list)
    value_on: date | None = None
    reference: Reference | None = None
    metadata: Metadata = msgspec.field(default_factory=dict)
    late: Late = False


class TransactionsIn(ListIn):
    """Which transactions; `booked_from` inclusive, `booked_to` exclusive."""

    kind: Kind | None = None
    account: AccountText | None = None
    reference: Reference | None = None
    booked_from: Instant | None = None
    booked_to: Instant | None = None


class EntryOut(Out):
    """One booked leg. `held` legs are set aside, not posted; a negative held amount lets go."""

    leg: int
    account_id: str
    side: Literal["debit", "credit"]
    held: bool
    amount: AmountOut
    currency: str
    balance_after: AmountOut | None
    version: int | None


class TransactionOut(Out):
    """A booked transaction; it never changes."""

    id: str
    kind: Kind
    value_on: date
    original_on: date | None
    booked_at: Instant
    source_id: str | None
    linked_id: str | None
    reference: str | None
    metadata: dict[str, Any]
    entries: list[EntryOut]


_SIDES = {side.value: side for side in ledger.Side}  # Half the time of asking the enumeration.
_HELD_SOURCE = frozenset({ledger.TxnKind.CAPTURE, ledger.TxnKind.VOID, ledger.TxnKind.EXPIRE})


def transaction_out(found: ledger.Transaction) -> TransactionOut:
    """A transaction as shown: a pure function of what is stored, so that a repeat has the same bytes."""
    is_hold = found.kind is ledger.TxnKind.HOLD
    return TransactionOut(
        id=ids.show("hld" if is_hold else "txn", found.transaction_id),
        kind=cast("Kind", found.kind.label),
        value_on=found.value_on,
        original_on=found.original_on,
        booked_at=found.booked_at,
        source_id=show_id("hld" if found.kind in _HELD_SOURCE else "txn", found.source_id),
        linked_id=None if found.linked_id is None else str(found.linked_id),
        reference=found.reference,
        metadata=dict(sorted(found.metadata.items())),
        entries=[
            EntryOut(
                leg=entry.leg,
                account_id=ids.show("acc", entry.account_id),
                side=entry.side.value,
                held=entry.held,
                amount=json_amount(entry.amount.amount_minor),
                currency=entry.amount.currency,
                balance_after=None if entry.balance_after_minor is None else json_amount(entry.balance_after_minor),
                version=entry.version,
            )
            for entry in found.entries
        ],
    )


def legs_in(tenant_id: UUID, legs: list[LegIn]) -> list[ledger.Leg]:
    """Legs as the ledger takes them.

    Raises: UnknownCurrency, MalformedAmount.
    """
    return [
        ledger.Leg(
            account_in(tenant_id, leg.account),
            _SIDES[leg.side],
            Money(parse_amount(leg.amount), leg.currency),
            leg.account,
        )
        for leg in legs
    ]


def conditions_in(tenant_id: UUID, conditions: list[ConditionIn]) -> list[ledger.Condition]:
    """Conditions as the ledger takes them."""
    return [
        ledger.Condition(
            account_in(tenant_id, one.account),
            None if one.available_min is None else parse_amount(one.available_min),
            one.version,
            one.account,
        )
        for one in conditions
    ]


def may_soft(call: Call) -> bool:
    """Whether the caller may post into soft-closed periods."""
    return Permission.LEDGER_POST_SOFT_CLOSED in call.caller.permissions


def amount_in(amount: int | str | None) -> int | None:
    """An optional amount."""
    return None if amount is None else parse_amount(amount)


async def book(call: Call, command: ledger.Command) -> Reply:
    """Book one command through the group commit; the ledger's own claim on the key makes a repeat equal.

    Raises: every refusal of the ledger.
    """
    outcome = await call.services.poster.post(call.tenant_id, command, branches=call.caller.branches)
    headers = REPLAYED if outcome.replayed else ()
    if isinstance(outcome, ledger.Refused):
        if outcome.refusal.code == "ledger.key_reused":
            raise KeyReused()
        return Reply(outcome.refusal, headers=headers)
    return Reply(transaction_out(outcome.transaction), headers=headers)


async def try_out(call: Call, command: ledger.Command) -> Reply:
    """What booking the command would answer; nothing is booked."""
    caller = call.caller
    async with call.services.db.tx(caller.tenant_id, branches=caller.branches) as tx:
        outcome = (await ledger.dry_run(tx, [command], today=call.today, branches=caller.branches))[0]
    if isinstance(outcome, ledger.Refused):
        raise outcome.refusal
    return Reply(transaction_out(outcome.transaction), status=200)


STATE_REFUSALS = (
    "ledger.unknown_account", "ledger.account_frozen", "ledger.account_closed", "ledger.currency_mismatch",
    "ledger.period_closed", "ledger.period_soft_closed", "ledger.balance_overflow", "ledger.insufficient_funds",
    "ledger.ceiling_exceeded", "ledger.duplicate_reference", "ledger.busy", "ledger.tenant_busy",
)  # fmt: skip
FORM_REFUSALS = (
    "kit.malformed_amount", "ledger.legs_out_of_range", "ledger.amount_not_positive", "ledger.unbalanced",
    "ledger.malformed_reference", "ledger.metadata_too_large",
)  # fmt: skip
CONDITION_REFUSALS = ("ledger.condition_failed", "ledger.condition_on_deferred")

EXAMPLE_LEGS = [
    {"account": "cash:kano", "side": "debit", "amount": 150000, "currency": "NGN"},
    {"account": "wallet:amina", "side": "credit", "amount": 150000, "currency": "NGN"},
]
EXAMPLE = {
    "id": "txn_01jd3m8q4vv8k8x2n0c5t7yh6r", "kind": "posting", "value_on": "2026-11-21", "original_on": None,
    "booked_at": "2026-11-21T08:00:00Z", "source_id": None, "linked_id": None, "reference": "receipt-4711",
    "metadata": {"till": "3"},
    "entries": [
        {"leg": 1, "account_id": "acc_01jd3m8q4vv8k8x2n0c5t7yh6r", "side": "debit", "held": False, "amount": 150000,
         "currency": "NGN", "balance_after": 150000, "version": 1},
        {"leg": 2, "account_id": "acc_01jd3m8q4vv8k8x2n0c5t7yh6s", "side": "credit", "held": False, "amount": 150000,
         "currency": "NGN", "balance_after": 150000, "version": 1},
    ],
}  # fmt: skip


@operation(
    "POST", _BASE, tag="Transactions", status=201, permission=Permission.LEDGER_POST, body=PostIn, reply=TransactionOut,
    idempotent=True, key_kept_by="ledger", transaction=False, hot=True, statuses=(200,),
    refusals=FORM_REFUSALS + STATE_REFUSALS + CONDITION_REFUSALS,
    example={"legs": EXAMPLE_LEGS, "reference": "receipt-4711", "metadata": {"till": "3"}}, example_reply=EXAMPLE,
)  # fmt: skip
async def post_transaction(call: Call, body: PostIn) -> Reply:
    """Book a transaction.

    Legs balance in each currency, limits hold with what is held, all of it is booked or nothing. The key counts for
    the whole organisation. A dry run answers 200.
    """
    command = ledger.post_transaction(
        legs_in(call.tenant_id, body.legs),
        value_on=body.value_on,
        reference=body.reference,
        metadata=body.metadata,
        conditions=conditions_in(call.tenant_id, body.conditions) if body.conditions else (),
        late=body.late,
        key=None if body.dry_run else call.key,
        may_soft=may_soft(call),
        meta=call.meta,
    )
    return await (try_out if body.dry_run else book)(call, command)


@operation(
    "POST", _BASE + "/{transaction}/reversals", tag="Transactions", status=201, permission=Permission.LEDGER_POST,
    body=ReverseIn, reply=TransactionOut, idempotent=True, key_kept_by="ledger", transaction=False,
    refusals=FORM_REFUSALS + STATE_REFUSALS + (
        "ledger.unknown_transaction", "ledger.already_reversed", "ledger.reversal_above_original",
        "ledger.not_reversible", "ledger.legs_needed", "ledger.leg_not_in_source"),
    example={"reference": "refund-4711"},
    example_reply=EXAMPLE | {"kind": "reversal", "source_id": "txn_01jd3m8q4vv8k8x2n0c5t7yh6q"},
)  # fmt: skip
async def reverse_transaction(call: Call, body: ReverseIn) -> Reply:
    """Reverse a transaction, wholly or in part.

    Books the opposite; the original stays. All reversals together never pass it.
    """
    command = ledger.reverse_transaction(
        call.id("transaction"),
        value_on=body.value_on,
        amount_minor=amount_in(body.amount),
        legs=legs_in(call.tenant_id, body.legs),
        reference=body.reference,
        metadata=body.metadata,
        late=body.late,
        key=call.key,
        may_soft=may_soft(call),
        meta=call.meta,
    )
    return await book(call, command)


@operation(
    "GET", _BASE, tag="Transactions", permission=Permission.LEDGER_READ, query=TransactionsIn,
    reply=PageOut[TransactionOut], sorts=ledger.TRANSACTIONS.sorts, example_query={"reference": "receipt-4711"},
    example_reply={"items": [EXAMPLE], "next_cursor": None},
)  # fmt: skip
async def list_transactions(call: Call, tx: Tx, query: TransactionsIn) -> PageOut[TransactionOut]:
    """List transactions, the latest first unless `sort` says otherwise."""
    if query.reference is not None:
        bodies.check_text(query.reference)
        ledger.TRANSACTIONS.order(query.sort)
        try:
            found = [await ledger.find_by_reference(tx, query.reference)]
        except Refusal:
            found = []
        return PageOut(items=[transaction_out(one) for one in found], next_cursor=None)
    kinds = {kind.label: kind for kind in ledger.TxnKind}
    listed = await ledger.list_transactions(
        tx,
        kind=None if query.kind is None else kinds[query.kind],
        account_id=None if query.account is None else account_in(call.tenant_id, query.account),
        booked_from=query.booked_from,
        booked_to=query.booked_to,
        limit=query.limit,
        sort=query.sort,
        cursor=query.cursor,
    )
    return page(listed, transaction_out)


@operation(
    "GET", _BASE + "/{transaction}", tag="Transactions", permission=Permission.LEDGER_READ, reply=TransactionOut,
    refusals=("ledger.unknown_transaction",), example_reply=EXAMPLE,
)  # fmt: skip
async def get_transaction(call: Call, tx: Tx) -> TransactionOut:
    """Show a transaction with its entries."""
    return transaction_out(await ledger.find_transaction(tx, call.id("transaction")))

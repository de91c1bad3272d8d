"""Batches over HTTP: many ledger transactions in one call, with a result for each."""

from datetime import date
from typing import Annotated, Any, Literal
from uuid import UUID

import msgspec
from msgspec import Meta

from omniroute import ledger
from omniroute.api.call import Call
from omniroute.api.ledger_transactions import (
    CONDITION_REFUSALS,
    EXAMPLE,
    EXAMPLE_LEGS,
    FORM_REFUSALS,
    STATE_REFUSALS,
    Conditions,
    Late,
    Legs,
    Reference,
    TransactionOut,
    amount_in,
    conditions_in,
    legs_in,
    may_soft,
    transaction_out,
)
from omniroute.api.operations import operation
from omniroute.api.problems import problem_body
from omniroute.api.shapes import AmountIn, HoldId, In, Instant, Metadata, Out, TransactionId
from omniroute.infra.postgres import Tx
from omniroute.kit import ids
from omniroute.kit.refusal import Refusal
from omniroute.parties.access import Permission


class _ItemIn(In, tag_field="kind", kw_only=True):
    key: Annotated[str, Meta(min_length=1, max_length=255)] | None = None
    linked: Annotated[
        int, Meta(ge=0, le=2**31 - 1, description="Neighbours with the same number above 0 are booked all or none.")
    ] = 0
    value_on: date | None = None
    reference: Reference | None = None
    metadata: Metadata = msgspec.field(default_factory=dict)


class PostItemIn(_ItemIn, tag="posting", kw_only=True):
    """A posting in a batch. `key`: its own idempotency key, good over all batches."""

    legs: Legs
    conditions: Conditions = msgspec.field(default_factory=list)
    late: Late = False


class HoldItemIn(_ItemIn, tag="hold", kw_only=True):
    """A hold in a batch."""

    legs: Legs
    conditions: Conditions = msgspec.field(default_factory=list)
    expires_at: Instant | None = None
    group_id: UUID | None = None


class CaptureItemIn(_ItemIn, tag="capture", kw_only=True):
    """A capture in a batch."""

    hold_id: HoldId
    amount: AmountIn | None = None
    legs: Legs = msgspec.field(default_factory=list)
    final: bool = False
    late: Late = False


class VoidItemIn(In, tag_field="kind", tag="void", kw_only=True):
    """A release of all that is left of a hold, in a batch."""

    hold_id: HoldId
    key: Annotated[str, Meta(min_length=1, max_length=255)] | None = None
    linked: Annotated[int, Meta(ge=0, le=2**31 - 1)] = 0


class ReverseItemIn(_ItemIn, tag="reversal", kw_only=True):
    """A reversal in a batch."""

    transaction_id: TransactionId
    amount: AmountIn | None = None
    legs: Legs = msgspec.field(default_factory=list)
    late: Late = False


ItemIn = PostItemIn | HoldItemIn | CaptureItemIn | VoidItemIn | ReverseItemIn


class BatchIn(In):
    """Up to 10,000 items, booked in their order. `atomic`: all or none; else each for itself."""

    items: Annotated[list[ItemIn], Meta(max_length=10_000)]
    atomic: bool = False


class ResultOut(Out, omit_defaults=True):
    """What became of one item of a batch."""

    outcome: Literal["booked", "refused"]
    replayed: bool = False
    transaction: TransactionOut | None = None
    problem: dict[str, Any] | None = None


class BatchOut(Out):
    """A result for each item, in their order."""

    booked: int
    refused: int
    results: list[ResultOut]


def _command(call: Call, item: ItemIn, linked: int) -> ledger.Command:
    given: dict[str, Any] = {"key": item.key, "linked": linked, "meta": call.meta}
    if isinstance(item, VoidItemIn):
        return ledger.void_hold(ids.parse("hld", item.hold_id), **given)
    given |= {"value_on": item.value_on, "reference": item.reference, "metadata": item.metadata}
    given["may_soft"] = may_soft(call)
    legs = legs_in(call.tenant_id, item.legs)
    match item:
        case PostItemIn():
            conditions = conditions_in(call.tenant_id, item.conditions)
            return ledger.post_transaction(legs, conditions=conditions, late=item.late, **given)
        case HoldItemIn():
            conditions = conditions_in(call.tenant_id, item.conditions)
            given |= {"expires_at": item.expires_at, "group_id": item.group_id}
            return ledger.place_hold(legs, conditions=conditions, **given)
        case CaptureItemIn():
            given |= {"amount_minor": amount_in(item.amount), "legs": legs, "late": item.late, "final": item.final}
            return ledger.capture_hold(ids.parse("hld", item.hold_id), **given)
        case ReverseItemIn():
            given |= {"amount_minor": amount_in(item.amount), "legs": legs, "late": item.late}
            return ledger.reverse_transaction(ids.parse("txn", item.transaction_id), **given)


def _result(outcome: ledger.Outcome) -> ResultOut:
    if isinstance(outcome, ledger.Refused):
        return ResultOut(outcome="refused", replayed=outcome.replayed, problem=problem_body(outcome.refusal))
    return ResultOut(outcome="booked", replayed=outcome.replayed, transaction=transaction_out(outcome.transaction))


@operation(
    "POST", "/v1/{tenant}/ledger/batches", tag="Transactions", status=200, permission=Permission.LEDGER_POST,
    body=BatchIn, reply=BatchOut, idempotent=True, bulk=True,
    refusals=FORM_REFUSALS + STATE_REFUSALS + CONDITION_REFUSALS + (
        "ledger.batch_out_of_range", "ledger.linked_group_broken", "ledger.malformed_key", "ledger.unknown_hold",
        "ledger.hold_resolved", "ledger.hold_expired", "ledger.capture_above_hold", "ledger.legs_needed",
        "ledger.leg_not_in_source", "ledger.unknown_transaction", "ledger.already_reversed",
        "ledger.reversal_above_original", "ledger.not_reversible", "ledger.key_reused"),
    example={"items": [{"kind": "posting", "key": "row-1", "legs": EXAMPLE_LEGS}]},
    example_reply={"booked": 1, "refused": 0, "results": [{"outcome": "booked", "transaction": EXAMPLE}]},
)  # fmt: skip
async def post_batch(call: Call, tx: Tx, body: BatchIn) -> BatchOut:
    """Book many items in one call.

    Exactly as if they came one after the other. A refused item stops only its own linked group; with `atomic` the
    first refusal refuses the whole batch.
    """
    results: dict[int, ResultOut] = {}
    commands: list[ledger.Command] = []
    places: list[int] = []
    for place, item in enumerate(body.items):
        try:
            command = _command(call, item, 1 if body.atomic else item.linked)
        except Refusal as refusal:
            if body.atomic or item.linked:
                refusal.facts["item"] = place
                raise
            results[place] = ResultOut(outcome="refused", problem=problem_body(refusal))
            continue
        commands.append(command)
        places.append(place)
    if commands or not body.items:
        outcomes = await ledger.post(tx, commands, today=call.today, branches=call.caller.branches)
        for place, outcome in zip(places, outcomes, strict=True):
            if body.atomic and isinstance(outcome, ledger.Refused) and outcome.refusal.code != "ledger.linked_refused":
                outcome.refusal.facts["item"] = place
                raise outcome.refusal
            results[place] = _result(outcome)
    ordered = [results[place] for place in range(len(body.items))]
    booked = sum(one.outcome == "booked" for one in ordered)
    return BatchOut(booked=booked, refused=len(ordered) - booked, results=ordered)

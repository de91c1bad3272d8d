"""Payments over HTTP: initiate one or many, list, show."""

from typing import Annotated, Any, Literal

from msgspec import Meta

from omniroute.api import bodies
from omniroute.api.call import Call
from omniroute.api.errors import InvalidField
from omniroute.api.operations import Reply, operation
from omniroute.api.payments_shapes import (
    EXAMPLE,
    EXAMPLE_IN,
    FORM_REFUSALS,
    InitiateIn,
    PaymentDetailOut,
    PaymentOut,
    Reference,
    State,
    Status,
    TypeOut,
    command_in,
    detail_out,
    fresh_out,
    payment_out,
    request_in,
)
from omniroute.api.problems import problem_body
from omniroute.api.shapes import In, Instant, ListIn, Out, PageOut, page, parse_id
from omniroute.infra.postgres import Tx
from omniroute.kit.refusal import Refusal
from omniroute.money import payments
from omniroute.money.payments import Initiated, InitiateOutcome, NotInitiated, PaymentState, PublicStatus
from omniroute.money.payments.errors import PaymentNotFound
from omniroute.parties.access import Permission

_BASE = "/v1/{tenant}/payments"
REPLAYED = (("idempotency-replayed", "true"),)
MANY_MAX = 500

INITIATE_REFUSALS = (
    *FORM_REFUSALS,
    "payments.reference_taken", "idempotency.key_reused", "payments.source_not_found", "payments.no_route",
    "payments.limit_exceeded", "payments.busy", "ledger.insufficient_funds", "ledger.account_frozen",
    "ledger.account_closed", "ledger.unknown_account", "ledger.currency_mismatch", "ledger.ceiling_exceeded",
    "ledger.balance_overflow", "ledger.period_closed", "ledger.period_soft_closed", "ledger.duplicate_reference",
)  # fmt: skip


class InitiateManyIn(In):
    """Up to 500 payments, each for itself. For more, send a file as a batch."""

    payments: Annotated[list[InitiateIn], Meta(min_length=1, max_length=MANY_MAX)]


class InitiatedOut(Out, omit_defaults=True):
    """What became of one item."""

    outcome: Literal["initiated", "refused"]
    replayed: bool = False
    payment: PaymentOut | None = None
    problem: dict[str, Any] | None = None


class InitiatedManyOut(Out):
    """A result for each item, in their order."""

    initiated: int
    refused: int
    results: list[InitiatedOut]


class PaymentsIn(ListIn):
    """Which payments; `created_from` inclusive, `created_to` exclusive."""

    reference: Reference | None = None
    status: Status | None = None
    state: State | None = None
    type: TypeOut | None = None
    connection_id: Annotated[str, Meta(pattern="^con_[0-7][0-9a-hjkmnp-tv-z]{25}$")] | None = None
    batch_id: Annotated[str, Meta(pattern="^bat_[0-7][0-9a-hjkmnp-tv-z]{25}$")] | None = None
    created_from: Instant | None = None
    created_to: Instant | None = None


@operation(
    "POST", _BASE, tag="Payments", status=201, permission=Permission.PAYMENTS_INITIATE, body=InitiateIn,
    reply=PaymentOut, idempotent=True, key_kept_by="ledger", transaction=False, hot=True, statuses=(200,),
    refusals=INITIATE_REFUSALS, example=EXAMPLE_IN, example_reply=EXAMPLE,
)  # fmt: skip
async def initiate_payment(call: Call, body: InitiateIn) -> Reply:
    """Initiate a payment.

    Route, fee, approvals and limits are decided, the money is set aside and the payment stands, all in one; sending
    follows. The same reference with the same content is the same payment, and so is the same key: a repeat gets 200
    and the payment as it stands by then. What is refused leaves no trace, so that both may be used again.
    """
    outcome = await call.services.payments.initiator.initiate(
        call.tenant_id, request_in(call, command_in(body), call.key)
    )
    if isinstance(outcome, NotInitiated):
        raise outcome.refusal
    if not outcome.replayed:
        return Reply(fresh_out(outcome.payment))
    standing = outcome.payment
    if standing.attempt_count:
        async with call.services.db.tx(call.tenant_id, branches=call.caller.branches, readonly=True) as tx:
            return Reply(
                payment_out(await payments.find_payment(tx, standing.payment_id)), status=200, headers=REPLAYED
            )
    return Reply(fresh_out(standing), status=200, headers=REPLAYED)


@operation(
    "POST", _BASE + "/many", tag="Payments", permission=Permission.PAYMENTS_INITIATE, body=InitiateManyIn,
    reply=InitiatedManyOut, idempotent=True, key_kept_by="ledger", transaction=False, refusals=("payments.busy",),
    example={"payments": [EXAMPLE_IN]},
    example_reply={"initiated": 1, "refused": 0, "results": [{"outcome": "initiated", "payment": EXAMPLE}]},
)  # fmt: skip
async def initiate_payments(call: Call, body: InitiateManyIn) -> InitiatedManyOut:
    """Initiate up to 500 payments, each for itself.

    The references make a repeat harmless: what exists is answered as `replayed`. Where a limit or the money lets only
    some through, those that stand first are preferred.
    """
    prepared: list[payments.Request | Refusal] = []
    for place, item in enumerate(body.payments):
        key = f"{call.key}\n{item.reference}"
        try:
            prepared.append(request_in(call, command_in(item), key))
        except Refusal as refusal:
            refusal.facts["pointer"] = f"/payments/{place}"
            prepared.append(refusal)
    asked = [one for one in prepared if isinstance(one, payments.Request)]
    outcomes = iter(await call.services.payments.initiator.initiate_all(call.tenant_id, asked) if asked else ())
    results = [
        InitiatedOut(outcome="refused", problem=problem_body(one))
        if isinstance(one, Refusal)
        else _result(next(outcomes))
        for one in prepared
    ]
    refused = sum(one.outcome == "refused" for one in results)
    return InitiatedManyOut(initiated=len(results) - refused, refused=refused, results=results)


def _result(outcome: InitiateOutcome) -> InitiatedOut:
    if isinstance(outcome, Initiated):
        return InitiatedOut(outcome="initiated", replayed=outcome.replayed, payment=fresh_out(outcome.payment))
    return InitiatedOut(outcome="refused", problem=problem_body(outcome.refusal))


@operation(
    "GET", _BASE, tag="Payments", permission=Permission.PAYMENTS_READ, query=PaymentsIn, reply=PageOut[PaymentOut],
    sorts=payments.PAYMENTS.sorts, refusals=("kit.malformed_id",), example_query={"reference": "salary-2026-11-0042"},
    example_reply={"items": [EXAMPLE], "next_cursor": None},
)  # fmt: skip
async def list_payments(call: Call, tx: Tx, query: PaymentsIn) -> PageOut[PaymentOut]:
    """List payments, the latest first; with `reference`, the one of this name."""
    if query.reference is not None:
        bodies.check_text(query.reference)
        payments.PAYMENTS.order(query.sort)
        try:
            found = [await payments.find_by_reference(tx, query.reference)]
        except PaymentNotFound:
            found = []
        return PageOut(items=[payment_out(one) for one in found], next_cursor=None)
    if query.created_from is not None and query.created_to is not None and query.created_to < query.created_from:
        raise InvalidField("created_to is before created_from", pointer="/created_to")
    listed = await payments.list_payments(
        tx,
        status=None if query.status is None else PublicStatus(query.status),
        state=None if query.state is None else PaymentState(query.state),
        type=query.type,
        connection_id=parse_id("con", query.connection_id),
        batch_id=parse_id("bat", query.batch_id),
        created_from=query.created_from,
        created_to=query.created_to,
        sort=query.sort,
        limit=query.limit,
        cursor=query.cursor,
    )
    return page(listed, payment_out)


@operation(
    "GET", _BASE + "/{payment}", tag="Payments", permission=Permission.PAYMENTS_READ, reply=PaymentDetailOut,
    refusals=("payments.not_found",),
    example_reply=EXAMPLE | {
        "route": ["nip: can carry it"], "attempts": [], "approvals": [],
        "status_history": [{"at": "2026-11-21T08:00:00Z", "state": "approved", "source": "request", "reason": None,
                            "actor": "key_01jd3m8q4vv8k8x2n0c5t7yh6r", "attempt_id": None, "evidence": None}]},
)  # fmt: skip
async def get_payment(call: Call, tx: Tx) -> PaymentDetailOut:
    """Show a payment with its attempts, its approvals and all that happened to it."""
    payment_id = call.id("payment")
    standing = await payments.find_payment(tx, payment_id)
    return detail_out(
        standing,
        await payments.find_attempts(tx, payment_id),
        await payments.find_approvals(tx, payment_id),
        await payments.find_steps(tx, payment_id),
    )

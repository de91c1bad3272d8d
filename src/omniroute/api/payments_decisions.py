"""Deciding about payments over HTTP: approve, reject, cancel; one or many."""

from collections.abc import Sequence
from typing import Annotated, Any
from uuid import UUID

from msgspec import Meta

from omniroute.api.call import Call
from omniroute.api.operations import Reply, operation
from omniroute.api.payments_shapes import EXAMPLE, PaymentId, PaymentOut, fresh_out
from omniroute.api.problems import problem_body
from omniroute.api.shapes import In, Out
from omniroute.infra.postgres import Tx
from omniroute.kit import ids
from omniroute.kit.refusal import Refusal
from omniroute.money import payments
from omniroute.money.payments import Payment
from omniroute.parties.access import Permission

_BASE = "/v1/{tenant}/payments"
Comment = Annotated[str, Meta(min_length=1, max_length=500, description="Kept with the payment for ever.")]
Ids = Annotated[list[PaymentId], Meta(min_length=1, max_length=500)]


class PaymentCommentIn(In):
    """Why, if you like."""

    comment: Comment | None = None


class PaymentReasonIn(In):
    """Why."""

    comment: Comment


class DecidePaymentsIn(In):
    """Which payments."""

    payment_ids: Ids
    comment: Comment | None = None


class RejectPaymentsIn(In):
    """Which payments, and why."""

    payment_ids: Ids
    comment: Comment


class PaymentDecisionOut(Out, omit_defaults=True):
    """What became of one: the payment, or why not."""

    payment_id: str
    payment: PaymentOut | None = None
    problem: dict[str, Any] | None = None


class PaymentDecisionsOut(Out):
    """A result for each, in their order."""

    done: int
    refused: int
    results: list[PaymentDecisionOut]


Answers = Sequence[Payment | Refusal]


async def approve_all(call: Call, tx: Tx, payment_ids: Sequence[UUID], comment: str | None) -> Answers:
    """The caller's yes to each, after one more look at the rules."""
    rules = await call.services.payments.rulebooks.get(call.tenant_id)
    return await payments.approve(
        tx,
        payment_ids,
        actor=call.caller.subject,
        comment=comment,
        recheck=rules.recheck,
        now=call.now,
        today=call.today,
        meta=call.meta,
    )


async def reject_all(call: Call, tx: Tx, payment_ids: Sequence[UUID], comment: str) -> Answers:
    """The caller's no to each."""
    return await payments.reject(
        tx, payment_ids, actor=call.caller.subject, comment=comment, now=call.now, today=call.today, meta=call.meta
    )


async def cancel_all(call: Call, tx: Tx, payment_ids: Sequence[UUID], comment: str | None) -> Answers:
    """Each is called off, if it has not left."""
    return await payments.cancel(
        tx, payment_ids, actor=call.caller.subject, comment=comment, now=call.now, today=call.today, meta=call.meta
    )


def _one(answers: Answers) -> Reply:
    (answer,) = answers
    if isinstance(answer, Refusal):
        raise answer
    return Reply(fresh_out(answer))


def _many(payment_ids: Sequence[UUID], answers: Answers) -> PaymentDecisionsOut:
    results = [
        PaymentDecisionOut(payment_id=ids.show("pay", payment_id), problem=problem_body(answer))
        if isinstance(answer, Refusal)
        else PaymentDecisionOut(payment_id=ids.show("pay", payment_id), payment=fresh_out(answer))
        for payment_id, answer in zip(payment_ids, answers, strict=True)
    ]
    refused = sum(one.problem is not None for one in results)
    return PaymentDecisionsOut(done=len(results) - refused, refused=refused, results=results)


def _ids(texts: Sequence[str]) -> list[UUID]:
    return [ids.parse("pay", text) for text in dict.fromkeys(texts)]


_APPROVING = (
    "payments.approver_is_initiator", "payments.already_decided", "payments.approval_expired", "payments.wrong_state",
)  # fmt: skip
_RECHECKED = (
    "payments.limit_exceeded", "payments.no_route", "policies.more_approvals_needed", "ledger.account_frozen",
    "ledger.account_closed", "ledger.period_closed", "ledger.period_soft_closed",
)  # fmt: skip
_EXAMPLE_MANY = {"payment_ids": ["pay_01jd3m8q4vv8k8x2n0c5t7yh6r"], "comment": "as agreed"}
_EXAMPLE_DONE = {
    "done": 1, "refused": 0, "results": [{"payment_id": "pay_01jd3m8q4vv8k8x2n0c5t7yh6r", "payment": EXAMPLE}],
}  # fmt: skip


@operation(
    "POST", _BASE + "/{payment}/approve", tag="Payments", permission=Permission.PAYMENTS_APPROVE, body=PaymentCommentIn,
    reply=PaymentOut, idempotent=True, refusals=("payments.not_found", *_APPROVING, *_RECHECKED),
    example={"comment": "as agreed"}, example_reply=EXAMPLE | {"approvals_needed": 1, "approvals_given": 1},
)  # fmt: skip
async def approve_payment(call: Call, tx: Tx, body: PaymentCommentIn) -> Reply:
    """Say yes to a payment.

    Never by who initiated it. With the last yes that is needed it goes on its way; the rules are looked at once more.
    """
    return _one(await approve_all(call, tx, [call.id("payment")], body.comment))


@operation(
    "POST", _BASE + "/{payment}/reject", tag="Payments", permission=Permission.PAYMENTS_APPROVE, body=PaymentReasonIn,
    reply=PaymentOut, idempotent=True, refusals=("payments.not_found", *_APPROVING),
    example={"comment": "not our supplier"},
    example_reply=EXAMPLE | {"status": "FAILED", "state": "cancelled", "reason": "rejected"},
)  # fmt: skip
async def reject_payment(call: Call, tx: Tx, body: PaymentReasonIn) -> Reply:
    """Say no to a payment; its money is free again."""
    return _one(await reject_all(call, tx, [call.id("payment")], body.comment))


@operation(
    "POST", _BASE + "/{payment}/cancel", tag="Payments", permission=Permission.PAYMENTS_CANCEL, body=PaymentCommentIn,
    reply=PaymentOut, idempotent=True,
    refusals=("payments.not_found", "payments.too_late_to_cancel", "payments.wrong_state"),
    example={}, example_reply=EXAMPLE | {"status": "FAILED", "state": "cancelled", "reason": "cancelled"},
)  # fmt: skip
async def cancel_payment(call: Call, tx: Tx, body: PaymentCommentIn) -> Reply:
    """Call a payment off that has not left; its money is free again."""
    return _one(await cancel_all(call, tx, [call.id("payment")], body.comment))


@operation(
    "POST", _BASE + "/approve", tag="Payments", permission=Permission.PAYMENTS_APPROVE, body=DecidePaymentsIn,
    reply=PaymentDecisionsOut, idempotent=True, refusals=("kit.malformed_id",), example=_EXAMPLE_MANY,
    example_reply=_EXAMPLE_DONE,
)  # fmt: skip
async def approve_payments(call: Call, tx: Tx, body: DecidePaymentsIn) -> PaymentDecisionsOut:
    """Say yes to many payments, each for itself."""
    payment_ids = _ids(body.payment_ids)
    return _many(payment_ids, await approve_all(call, tx, payment_ids, body.comment))


@operation(
    "POST", _BASE + "/reject", tag="Payments", permission=Permission.PAYMENTS_APPROVE, body=RejectPaymentsIn,
    reply=PaymentDecisionsOut, idempotent=True, refusals=("kit.malformed_id",), example=_EXAMPLE_MANY,
    example_reply=_EXAMPLE_DONE,
)  # fmt: skip
async def reject_payments(call: Call, tx: Tx, body: RejectPaymentsIn) -> PaymentDecisionsOut:
    """Say no to many payments, each for itself."""
    payment_ids = _ids(body.payment_ids)
    return _many(payment_ids, await reject_all(call, tx, payment_ids, body.comment))


@operation(
    "POST", _BASE + "/cancel", tag="Payments", permission=Permission.PAYMENTS_CANCEL, body=DecidePaymentsIn,
    reply=PaymentDecisionsOut, idempotent=True, refusals=("kit.malformed_id",), example=_EXAMPLE_MANY,
    example_reply=_EXAMPLE_DONE,
)  # fmt: skip
async def cancel_payments(call: Call, tx: Tx, body: DecidePaymentsIn) -> PaymentDecisionsOut:
    """Call many payments off, each for itself."""
    payment_ids = _ids(body.payment_ids)
    return _many(payment_ids, await cancel_all(call, tx, payment_ids, body.comment))

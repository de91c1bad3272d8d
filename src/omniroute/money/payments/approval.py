"""Approving, rejecting, cancelling and expiring payments. What was held is released, or sent on, in the same commit."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import date, datetime
from typing import Any
from uuid import UUID

from psycopg import errors as pg

from omniroute import ledger
from omniroute.infra import events
from omniroute.infra.events import Meta
from omniroute.infra.postgres import Tx
from omniroute.kit.refusal import Refusal
from omniroute.ledger import Refused
from omniroute.money.payments import books, journal, store
from omniroute.money.payments.errors import (
    AlreadyDecided,
    ApprovalExpired,
    ApproverIsInitiator,
    PaymentNotFound,
    TooLateToCancel,
    WrongState,
)
from omniroute.money.payments.model import BOOK, Payment, PaymentState, Source

Recheck = Callable[[Payment], None]
"""Looks once more at limits of a single payment and at the rules, as they are now. Raises: a Refusal."""

_CANCELLABLE = (PaymentState.AWAITING_APPROVAL, PaymentState.APPROVED, PaymentState.SCHEDULED)


async def approve(
    tx: Tx,
    payment_ids: Sequence[UUID],
    *,
    actor: str,
    comment: str | None = None,
    recheck: Recheck | None = None,
    now: datetime,
    today: date,
    meta: Meta,
) -> list[Payment | Refusal]:
    """One person's yes to each payment; with the last one that is needed it goes on its way. An answer for each.

    Refusals: PaymentNotFound, ApproverIsInitiator, AlreadyDecided, ApprovalExpired, WrongState, and what `recheck`
    raises.
    """
    found = await store.lock_payments(tx, payment_ids)
    answers: list[Payment | Refusal] = []
    changed: list[Payment] = []
    for payment_id in payment_ids:
        try:
            payment = _waiting(found.get(payment_id), actor, now)
            if recheck is not None:
                recheck(payment)
            await _decide(tx, payment, actor=actor, approved=True, comment=comment, now=now)
        except Refusal as refusal:
            answers.append(refusal)
            continue
        given = payment.approvals_given + 1
        if given < payment.approvals_needed:
            payment = replace(payment, approvals_given=given)
        else:
            payment = await _release(tx, replace(payment, approvals_given=given), now=now, today=today, meta=meta)
        found[payment_id] = payment
        answers.append(payment)
        changed.append(payment)
    await store.update_payments(tx, changed, now)
    steps = [store.NewStep(p.payment_id, p.state.value, Source.APPROVAL, reason=comment, actor=actor) for p in changed]
    await store.insert_steps(tx, steps, now)
    told = [journal.tell(p, meta) for p in changed if p.state is not PaymentState.AWAITING_APPROVAL]
    await events.append_each(tx, told)
    return answers


async def reject(
    tx: Tx, payment_ids: Sequence[UUID], *, actor: str, comment: str, now: datetime, today: date, meta: Meta
) -> list[Payment | Refusal]:
    """One person's no: the payment is over, its money free. An answer for each.

    Refusals: PaymentNotFound, ApproverIsInitiator, AlreadyDecided, WrongState.
    """
    found = await store.lock_payments(tx, payment_ids)
    answers: list[Payment | Refusal] = []
    for payment_id in payment_ids:
        try:
            payment = _waiting(found.get(payment_id), actor, now)
            await _decide(tx, payment, actor=actor, approved=False, comment=comment, now=now)
            answers.append(payment)
        except Refusal as refusal:
            answers.append(refusal)
    going = [answer for answer in answers if isinstance(answer, Payment)]
    ended = await end(
        tx,
        going,
        PaymentState.CANCELLED,
        "rejected",
        Source.APPROVAL,
        actor=actor,
        note=comment,
        now=now,
        today=today,
        meta=meta,
    )
    by_id = {payment.payment_id: payment for payment in ended}
    return [by_id[answer.payment_id] if isinstance(answer, Payment) else answer for answer in answers]


async def cancel(
    tx: Tx,
    payment_ids: Sequence[UUID],
    *,
    actor: str,
    comment: str | None = None,
    now: datetime,
    today: date,
    meta: Meta,
) -> list[Payment | Refusal]:
    """Call payments off that have not left. Between this and a sender, whoever locks the payment first wins.

    Refusals: PaymentNotFound, TooLateToCancel, WrongState.
    """
    found = await store.lock_payments(tx, payment_ids)
    answers: list[Payment | Refusal] = []
    going: list[Payment] = []
    for payment_id in payment_ids:
        payment = found.get(payment_id)
        if payment is None:
            answers.append(PaymentNotFound())
        elif payment.state in _CANCELLABLE:
            answers.append(payment)
            going.append(payment)
        elif payment.state.is_final:
            answers.append(WrongState(state=payment.state.value))
        else:
            answers.append(TooLateToCancel(state=payment.state.value))
    ended = await end(
        tx,
        going,
        PaymentState.CANCELLED,
        "cancelled",
        Source.REQUEST,
        actor=actor,
        note=comment,
        now=now,
        today=today,
        meta=meta,
    )
    by_id = {payment.payment_id: payment for payment in ended}
    return [by_id[answer.payment_id] if isinstance(answer, Payment) else answer for answer in answers]


async def expire(tx: Tx, payment_ids: Sequence[UUID], *, now: datetime, today: date) -> int:
    """End payments nobody approved in time; how many."""
    found = await store.lock_payments(tx, payment_ids)
    due = [
        payment
        for payment in found.values()
        if payment.state is PaymentState.AWAITING_APPROVAL
        and payment.expires_at is not None
        and payment.expires_at <= now
    ]
    meta = Meta(actor="system:payments", channel="worker")
    await end(tx, due, PaymentState.EXPIRED, "not_approved_in_time", Source.CLOCK, now=now, today=today, meta=meta)
    return len(due)


def _waiting(payment: Payment | None, actor: str, now: datetime) -> Payment:
    if payment is None:
        raise PaymentNotFound()
    if payment.state is not PaymentState.AWAITING_APPROVAL:
        raise WrongState(state=payment.state.value)
    if payment.expires_at is not None and payment.expires_at <= now:
        raise ApprovalExpired(expired_at=payment.expires_at.isoformat())
    if payment.initiated_by == actor:
        raise ApproverIsInitiator()
    return payment


async def _decide(tx: Tx, payment: Payment, *, actor: str, approved: bool, comment: str | None, now: datetime) -> None:
    try:
        async with tx.savepoint():
            written = await tx.execute(
                store.SQL.insert_approval,
                tenant=tx.tenant,
                payment=payment.payment_id,
                approver=actor,
                approved=approved,
                comment=comment,
                now=now,
            )
    except pg.IntegrityError as error:
        if error.diag.constraint_name == "payment_approval_four_eyes":
            raise ApproverIsInitiator() from error
        raise
    if not written:
        raise AlreadyDecided()


async def _release(tx: Tx, payment: Payment, *, now: datetime, today: date, meta: Meta) -> Payment:
    """Everybody has said yes: on its way, now or at its time. An internal transfer is booked here."""
    if payment.send_after > now:
        return replace(payment, state=PaymentState.SCHEDULED)
    if payment.rail != BOOK:
        return replace(payment, state=PaymentState.APPROVED)
    return await settle_transfer(tx, payment, now=now, today=today, meta=meta)


async def settle_transfer(tx: Tx, payment: Payment, *, now: datetime, today: date, meta: Meta) -> Payment:
    """The hold of an internal transfer becomes its posting. Raises: the ledger's refusal."""
    (command,) = books.capture(payment, linked=0, meta=meta)
    (booked,) = await ledger.book(tx, [command], today=today)
    if isinstance(booked, Refused):
        raise booked.refusal
    return replace(
        payment,
        state=PaymentState.SUCCEEDED,
        transaction_id=booked,
        completed_at=now,
    )


async def end(
    tx: Tx,
    payments: Sequence[Payment],
    state: PaymentState,
    reason: str,
    source: Source,
    *,
    actor: str | None = None,
    note: str | None = None,
    evidence: Mapping[str, Any] | None = None,
    now: datetime,
    today: date,
    meta: Meta,
) -> list[Payment]:
    """Payments that will not be made: holds released, limits given back, told. Raises: the ledger's refusal."""
    if not payments:
        return []
    commands = [
        command
        for number, payment in enumerate(payments, start=1)
        for command in books.void(payment, linked=number, meta=meta)
    ]
    for booked in await ledger.book(tx, commands, today=today):
        if isinstance(booked, Refused):
            raise booked.refusal
    ended = [replace(payment, state=state, reason=reason, completed_at=now) for payment in payments]
    await store.update_payments(tx, ended, now)
    await store.release_limit_uses(tx, ended)
    evidence = evidence or ({"comment": note} if note else None)
    steps = [
        store.NewStep(p.payment_id, state.value, source, reason=reason, actor=actor, evidence=evidence) for p in ended
    ]
    await store.insert_steps(tx, steps, now)
    await events.append_each(tx, [journal.tell(payment, meta) for payment in ended])
    return ended

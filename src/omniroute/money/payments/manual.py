"""What people do to payments by hand: release, accept a name, book again. Settling and resolving are next door.

Each act is asked for by one person and agreed to by another before it comes here (`money.desk`); the `Sanction` says
by whom, and on what evidence, and is kept in the timeline. Nothing here believes a person against the rail's own word.
"""

from dataclasses import replace
from datetime import date, datetime
from typing import Any
from uuid import UUID

from omniroute.infra import events
from omniroute.infra.events import Meta
from omniroute.infra.postgres import Tx
from omniroute.money.payments import acting, approval, books, journal, outcomes_booking, store
from omniroute.money.payments.acting import Sanction
from omniroute.money.payments.errors import AttemptAlive, ExceptionOpen, NothingToBook, WrongState
from omniroute.money.payments.model import (
    BOOK,
    Attempt,
    AttemptState,
    ExceptionKind,
    Payment,
    PaymentState,
    Source,
)

A, P = AttemptState, PaymentState


async def release(tx: Tx, payment_id: UUID, *, sanction: Sanction, now: datetime, today: date, meta: Meta) -> Payment:
    """Free the money of a payment that waits for a person and that no attempt can pay any more; it is cancelled.

    Raises: PaymentNotFound, WrongState, AttemptAlive while one may still pay or has, ExceptionOpen while a late
    success of it is unresolved, and the ledger's refusal.
    """
    payment = await acting.lock_payment(tx, payment_id)
    if payment.state is not P.NEEDS_REVIEW:
        raise WrongState(state=payment.state.value)
    for row in (await store.siblings(tx, [payment_id])).get(payment_id, []):
        state = AttemptState(row.state)
        if state.is_live or state is A.SUCCEEDED:
            raise AttemptAlive(attempt_state=state.value)
    for row in await acting.open_exceptions(tx, payment_id):
        if row.kind == ExceptionKind.LATE_SUCCESS:
            raise ExceptionOpen(exception_kind=row.kind)
    (ended,) = await approval.end(
        tx,
        [payment],
        P.CANCELLED,
        "released_by_operator",
        Source.OPERATOR,
        actor=sanction.actor,
        evidence=sanction.note,
        now=now,
        today=today,
        meta=meta,
    )
    await acting.close(tx, payment, (ExceptionKind.BOOKS_REFUSED,), "released", sanction, now, meta)
    return ended


async def accept_name(tx: Tx, payment_id: UUID, *, name: str, sanction: Sanction, now: datetime, meta: Meta) -> Payment:
    """Send a payment although the rail knows the payee under another name: this one, and no other.

    Raises: PaymentNotFound, WrongState when it does not wait for that.
    """
    payment = await acting.lock_payment(tx, payment_id)
    if payment.state is not P.NEEDS_REVIEW or payment.reason != "name_mismatch":
        raise WrongState(state=payment.state.value, reason=payment.reason)
    payment = replace(payment, state=P.APPROVED, reason="name_accepted", send_after=now, accepted_name=name)
    await store.update_payments(tx, [payment], now)
    await tx.execute(store.SQL.set_accepted_name, tenant=tx.tenant, payment=payment_id, name=name)
    await acting.note_step(tx, payment, "name_accepted", sanction=sanction, now=now, more={"name": name})
    await events.append_each(tx, [journal.tell(payment, meta)])
    return payment


async def book_again(
    tx: Tx, payment_id: UUID, *, sanction: Sanction, now: datetime, today: date, meta: Meta
) -> Payment:
    """Book what the ledger refused when it happened: all of it, or nothing.

    Raises: PaymentNotFound, NothingToBook, and the ledger's refusal when it still stands.
    """
    payment = await acting.lock_payment(tx, payment_id)
    refused = [row for row in await acting.open_exceptions(tx, payment_id) if row.kind == ExceptionKind.BOOKS_REFUSED]
    stuck = payment.state is P.NEEDS_REVIEW and (payment.reason or "").startswith("books_refused")
    if not refused and not stuck:
        raise NothingToBook()
    attempts = {one.attempt_id: one for one in await acting.attempts_of(tx, payment_id)}
    if payment.rail == BOOK:
        payment = await approval.settle_transfer(tx, payment, now=now, today=today, meta=meta)
        payment = replace(payment, reason=None)
    else:
        for row in refused:
            payment = await _book_one(tx, payment, attempts[row.attempt_id], row, now=now, today=today, meta=meta)
    await store.update_payments(tx, [payment], now)
    await acting.note_step(tx, payment, "booked_again", sanction=sanction, now=now)
    await events.append_each(tx, [journal.tell(payment, meta)])
    await acting.close(tx, payment, (ExceptionKind.BOOKS_REFUSED,), "booked again", sanction, now, meta)
    return payment


async def _book_one(
    tx: Tx, payment: Payment, attempt: Attempt, exception: Any, *, now: datetime, today: date, meta: Meta
) -> Payment:
    """What the state of the attempt asks of the books; the payment as it stands then."""
    routes = await store.find_routes(tx, [payment], [attempt])
    float_id = routes[attempt.connection_id].float_account_id
    if str(exception.detail.get("reason", "")).startswith("rail_fee"):
        assert attempt.rail_fee_minor is not None
        fee = replace(payment.amount, amount_minor=attempt.rail_fee_minor)
        await acting.post(tx, [books.rail_fee(tx.tenant, payment, float_id, fee, meta=meta)], today)
        return payment
    match attempt.state:
        case A.SUCCEEDED if payment.hold_id is not None and not payment.state.is_final:
            ids = await acting.post(tx, books.capture(payment, linked=1, meta=meta), today)
            fee_id = ids[1] if len(ids) > 1 else None
            return _ended(replace(payment, transaction_id=ids[0], fee_transaction_id=fee_id), P.SUCCEEDED, now)
        case A.LATE_SUCCESS:
            command = books.to_suspense(tx.tenant, payment, attempt.number, float_id, meta=meta)
            (transaction_id,) = await acting.post(tx, [command], today)
            await acting.open_exception(
                tx, payment, attempt, ExceptionKind.LATE_SUCCESS, transaction_id, now=now, meta=meta
            )
            return payment
        case A.REVERSED if payment.transaction_id is not None:
            await acting.post(tx, await outcomes_booking.reversals(tx, payment, attempt, 1, meta), today)
            return _ended(payment, P.REVERSED, now)
        case A.REVERSED | A.DECLINED | A.NOT_SENT | A.NOT_FOUND_CONFIRMED if not payment.state.is_final:
            await acting.post(tx, books.void(payment, linked=1, meta=meta), today)
            return _ended(payment, P.REVERSED if attempt.state is A.REVERSED else P.FAILED, now)
    raise NothingToBook(attempt_state=attempt.state.value, state=payment.state.value)


def _ended(payment: Payment, state: PaymentState, now: datetime) -> Payment:
    return replace(payment, state=state, reason="booked_again", completed_at=payment.completed_at or now)


__all__ = ["accept_name", "book_again", "release"]

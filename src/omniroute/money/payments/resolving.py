"""Closing what does not add up, with what is booked for it."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import date, datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

from omniroute.infra import events
from omniroute.infra.events import Meta
from omniroute.infra.postgres import Tx
from omniroute.kit.money import Money
from omniroute.money.payments import acting, books, journal, outcomes, settling, store
from omniroute.money.payments.acting import NO_POLICY, Sanction
from omniroute.money.payments.errors import ExceptionNotFound, ResolutionNotPossible
from omniroute.money.payments.model import AttemptState, ExceptionKind, Payment, PaymentState, Source
from omniroute.money.payments.outcomes import Evidence
from omniroute.money.payments.transitions import Books, Move
from omniroute.ports.rails import CodeClass, Outcome, Result

A, P = AttemptState, PaymentState


class Resolution(StrEnum):
    """What becomes of an exception."""

    NOTED = "noted"  # Understood; nothing is booked. What is in suspense stays there.
    GIVEN_BACK = "given_back"  # The payee returned it: the suspense posting is taken back.
    ATTRIBUTED = "attributed"  # It is charged to an account after all, first of all to the payer's.


async def resolve_exception(
    tx: Tx,
    exception_id: UUID,
    *,
    resolution: Resolution,
    account_code: str | None,
    sanction: Sanction,
    now: datetime,
    today: date,
    meta: Meta,
) -> Payment:
    """Close an exception, with what is booked for it. `account_code`: who bears what is in suspense; None: the payer.

    Raises: ExceptionNotFound when there is none that is open, ResolutionNotPossible, and the ledger's refusal.
    """
    row = await tx.one_or_none(store.SQL.lock_exception, tenant=tx.tenant, exception=exception_id)
    if row is None:
        raise ExceptionNotFound()
    payment = await acting.lock_payment(tx, row.payment_id)
    if resolution is not Resolution.NOTED and row.kind not in (ExceptionKind.LATE_SUCCESS, ExceptionKind.PAID_MORE):
        raise ResolutionNotPossible(
            "only what stands in suspense can be given back or attributed", exception_kind=row.kind
        )
    if resolution is not Resolution.NOTED and row.transaction_id is None:
        raise ResolutionNotPossible("nothing of it stands in suspense")
    more = row.kind == ExceptionKind.PAID_MORE
    match resolution:
        case Resolution.GIVEN_BACK if more:
            attempt, _ = await acting.lock_attempt(tx, row.attempt_id)
            what = f"{books.MORE}:{attempt.number}"
            await acting.post(tx, [books.reverse(row.transaction_id, payment.reference, what=what, meta=meta)], today)
        case Resolution.ATTRIBUTED if more:
            await _attribute_more(tx, payment, row, account_code, today=today, meta=meta)
        case Resolution.GIVEN_BACK:
            if not await take_back(
                tx,
                row.attempt_id,
                reason="given_back",
                source=Source.OPERATOR,
                actor=sanction.actor,
                note=sanction.note,
                now=now,
                today=today,
                meta=meta,
            ):
                raise ResolutionNotPossible("the attempt is not paid")
        case Resolution.ATTRIBUTED:
            payment = await _attribute(tx, payment, row, account_code, now=now, today=today, meta=meta)
    text = f"{resolution.value}: {sanction.evidence.get('text', '')}"
    await acting.note_step(
        tx, payment, f"exception_{resolution.value}", sanction=sanction, now=now, attempt_id=row.attempt_id
    )
    await acting.resolve(tx, [row], text, sanction.actor, now, meta)
    return await acting.read(tx, payment.payment_id)


async def _attribute(
    tx: Tx, payment: Payment, row: Any, account_code: str | None, *, now: datetime, today: date, meta: Meta
) -> Payment:
    """Suspense is cleared: by the hold that still stands behind the payment, or by a posting to whoever bears it."""
    (attempt,) = [one for one in await acting.attempts_of(tx, payment.payment_id) if one.attempt_id == row.attempt_id]
    if attempt.state is not A.LATE_SUCCESS:
        raise ResolutionNotPossible("the rail has given it back by now", attempt_state=attempt.state.value)
    moved = Money(int(row.detail.get("moved_minor", payment.amount.amount_minor)), payment.amount.currency)
    own = account_code is None or account_code == payment.source_code
    if own and payment.state is P.SUCCEEDED:
        raise ResolutionNotPossible("the payment was paid by another attempt; its payer does not pay twice")
    if own and payment.state is P.NEEDS_REVIEW:
        what = f"late:{attempt.number}"
        await acting.post(tx, [books.reverse(row.transaction_id, payment.reference, what=what, meta=meta)], today)
        payment = await settling.capture_moved(tx, payment, attempt, moved, now=now, today=today, meta=meta)
        payment = replace(payment, state=P.SUCCEEDED, reason="late_success", completed_at=payment.completed_at or now)
        await store.update_payments(tx, [payment], now)
        await events.append_each(tx, [journal.tell(payment, meta)])
        return payment
    code = account_code or payment.source_code
    command = books.attribute(tx.tenant, payment, attempt.number, code, moved, what=books.LATE, meta=meta)
    await acting.post(tx, [command], today)
    return payment


async def _attribute_more(
    tx: Tx, payment: Payment, row: Any, account_code: str | None, *, today: date, meta: Meta
) -> None:
    """What the rail moved beyond the order is charged to somebody: suspense is cleared."""
    attempt, _ = await acting.lock_attempt(tx, row.attempt_id)
    if attempt.state is A.REVERSED:
        raise ResolutionNotPossible("the rail has given it back by now", attempt_state=attempt.state.value)
    amount = Money(int(row.detail["surplus_minor"]), payment.amount.currency)
    code = account_code or payment.source_code
    command = books.attribute(tx.tenant, payment, attempt.number, code, amount, what=books.MORE, meta=meta)
    await acting.post(tx, [command], today)


async def take_back(
    tx: Tx,
    attempt_id: UUID,
    *,
    reason: str,
    source: Source,
    actor: str | None,
    note: Mapping[str, Any],
    now: datetime,
    today: date,
    meta: Meta,
) -> bool:
    """A paid order has come back as was asked for: the books take its posting back. False: it is not a paid one.

    Saying it twice is the same as once. Where the rail said so first, nobody needs to look at that any more.
    """
    attempt, payment = await acting.lock_attempt(tx, attempt_id)
    if attempt.state is A.REVERSED:
        rows = await acting.open_exceptions(tx, payment.payment_id)
        told = [row for row in rows if row.attempt_id == attempt_id and row.kind == ExceptionKind.REVERSED_BY_RAIL]
        await acting.resolve(tx, told, reason, actor or source.value, now, meta)
        return True
    if attempt.state not in (A.SUCCEEDED, A.LATE_SUCCESS):
        return False
    to = P.REVERSED if attempt.state is A.SUCCEEDED else None
    verdict = Move(A.REVERSED, to, reason, Books.REVERSE)
    evidence = Evidence(
        attempt_id, Result(Outcome.REVERSED), source, CodeClass.REVERSED, NO_POLICY, actor, note, verdict
    )
    await outcomes.record(tx, [evidence], now=now, today=today, meta=meta)
    return True

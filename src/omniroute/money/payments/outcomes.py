"""What rails, statements and people say about attempts becomes state, postings and events, in one transaction."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import date, datetime
from uuid import UUID

from omniroute.infra import events
from omniroute.infra.events import Meta
from omniroute.infra.postgres import Tx
from omniroute.kit.money import Money
from omniroute.money.payments import journal, outcomes_booking, store
from omniroute.money.payments.events import PaymentExceptionOpened, PaymentRetried
from omniroute.money.payments.model import (
    Attempt,
    AttemptState,
    Payment,
    PaymentState,
    Route,
)
from omniroute.money.payments.outcomes_model import Evidence, Recorded, Work
from omniroute.money.payments.transitions import Situation, weigh
from omniroute.ports.rails import Outcome

EVIDENCE_TEXT_MAX = 2_000


async def record(
    tx: Tx, said: Sequence[Evidence], *, now: datetime, today: date, meta: Meta | None = None
) -> list[Recorded | None]:
    """Apply evidence; what became of each, None for attempts that are not the tenant's.

    Several pieces about one payment are applied one after the other. What changes nothing is not written. Safe to say
    twice: states never move backwards, and the ledger books each reference once.
    """
    results: list[Recorded | None] = [None] * len(said)
    waiting = list(range(len(said)))
    while waiting:
        attempts, payments = await store.lock_attempts(tx, [said[i].attempt_id for i in waiting])
        now_ones: list[int] = []
        later: list[int] = []
        taken: set[UUID] = set()
        for i in waiting:
            attempt = attempts.get(said[i].attempt_id)
            if attempt is None:
                continue
            (later if attempt.payment_id in taken else now_ones).append(i)
            taken.add(attempt.payment_id)
        done = await _apply(tx, [said[i] for i in now_ones], attempts, payments, now=now, today=today, meta=meta)
        for i, recorded in zip(now_ones, done, strict=True):
            results[i] = recorded
        waiting = later
    return results


async def _apply(
    tx: Tx,
    said: Sequence[Evidence],
    attempts: Mapping[UUID, Attempt],
    payments: Mapping[UUID, Payment],
    *,
    now: datetime,
    today: date,
    meta: Meta | None,
) -> list[Recorded]:
    meta = meta or Meta(actor="system:payments", channel="worker")
    family: dict[UUID, list[Attempt]] = {}
    for one in attempts.values():
        family.setdefault(one.payment_id, []).append(one)
    routes = await store.find_routes(tx, payments.values(), attempts.values())
    works: list[Work] = []
    for evidence in said:
        attempt = attempts[evidence.attempt_id]
        payment = payments[attempt.payment_id]
        situation = _situation(payment, attempt, family[payment.payment_id], routes)
        move = evidence.verdict or weigh(
            now, situation, evidence.result, evidence.code_class, evidence.source, evidence.policy
        )
        works.append(Work(evidence, payment, attempt, routes, move))
    await outcomes_booking.book(tx, works, today=today, meta=meta)
    for work in works:
        _advance(work, now)
    await _write(tx, works, now=now, meta=meta)
    return [
        Recorded(
            work.attempt.attempt_id,
            work.attempt.state,
            work.payment.state,
            work.payment.reason,
            work.move.attempt is not None or work.move.payment is not None,
        )
        for work in works
    ]


def _situation(
    payment: Payment, attempt: Attempt, family: Sequence[Attempt], routes: Mapping[UUID, Route]
) -> Situation:
    others = [one for one in family if one.attempt_id != attempt.attempt_id]
    in_a_row = 0
    for one in reversed([one for one in others if one.number < attempt.number]):
        if one.state is not AttemptState.NOT_SENT or one.connection_id != attempt.connection_id:
            break
        in_a_row += 1
    return Situation(
        payment=payment.state,
        attempt=attempt.state,
        amount=payment.amount,
        payee_identifier=payment.payee.identifier,
        our_ref=attempt.our_ref,
        sent_at=attempt.sent_at,
        query_count=attempt.query_count,
        not_found_count=attempt.not_found_count,
        attempt_count=payment.attempt_count,
        candidate=payment.candidate,
        candidates=len(payment.connection_ids),
        not_sent_in_a_row=in_a_row,
        expires_at=payment.expires_at,
        statement_until=routes[attempt.connection_id].statement_until,
        alone=not any(one.state.is_live or one.state is AttemptState.SUCCEEDED for one in others),
    )


def _advance(work: Work, now: datetime) -> None:
    """Attempt and payment as they stand after the move."""
    move, result, attempt, payment = work.move, work.evidence.result, work.attempt, work.payment
    informs = result.outcome not in (Outcome.ASKED, Outcome.UNKNOWN) or attempt.code is None
    state = move.attempt or attempt.state
    next_query_at = move.next_query_at
    if next_query_at is None and state in (AttemptState.PENDING, AttemptState.UNKNOWN):
        next_query_at = attempt.next_query_at
    work.attempt = replace(
        attempt,
        state=state,
        provider_ref=result.provider_ref or attempt.provider_ref,
        code=(result.answer.code or attempt.code) if informs else attempt.code,
        code_class=work.evidence.code_class.value if informs else attempt.code_class,
        message=_cut(result.answer.message) or attempt.message,
        receipt=result.receipt or attempt.receipt,
        rail_fee_minor=result.fee.amount_minor if result.fee is not None else attempt.rail_fee_minor,
        evidence=dict(result.answer.raw) if informs and result.answer.raw else attempt.evidence,
        sent_at=attempt.sent_at or (None if state in (AttemptState.CREATED, AttemptState.NOT_SENT) else now),
        next_query_at=next_query_at,
        query_count=attempt.query_count + (1 if move.asked else 0),
        not_found_count=attempt.not_found_count + (1 if move.not_found else 0),
    )
    if move.payment is None and move.candidate is None:
        return
    to = move.payment or payment.state
    candidate = payment.candidate if move.candidate is None else move.candidate
    rail = payment.rail
    if move.candidate is not None:
        rail = work.routes[payment.connection_ids[candidate]].rail
    work.payment = replace(
        payment,
        state=to,
        reason=move.reason,
        candidate=candidate,
        rail=rail,
        send_after=move.send_after or payment.send_after,
        completed_at=(payment.completed_at or now) if to.is_final else None,
    )


def _cut(text: str | None) -> str | None:
    return None if text is None else text[:EVIDENCE_TEXT_MAX]


_UNMADE = (PaymentState.FAILED, PaymentState.CANCELLED, PaymentState.EXPIRED)


async def _write(tx: Tx, works: Sequence[Work], *, now: datetime, meta: Meta) -> None:
    opened = await store.insert_exceptions(tx, [_exception(work) for work in works if work.move.exception], now)
    moved = [work.payment for work in works if work.move.payment is not None or work.move.candidate is not None]
    told = [one for work in works if (one := _told(work, meta)) is not None]
    told += [(PaymentExceptionOpened(row.payment_id, row.exception_id, row.kind), meta) for row in opened]
    async with tx.pipelined():
        await store.update_attempts(tx, [work.attempt for work in works], now)
        await store.update_payments(tx, moved, now)
        await store.release_limit_uses(tx, [payment for payment in moved if payment.state in _UNMADE])
        await store.insert_steps(tx, [_step(work) for work in works if work.move.note], now)
        await events.append_each(tx, told)


def _told(work: Work, meta: Meta) -> tuple[events.Event, Meta] | None:
    """The event of a step, if it is worth one."""
    move = work.move
    if move.attempt is AttemptState.UNKNOWN and move.payment is None:
        return journal.tell(work.payment, meta, work.attempt)
    if move.payment is PaymentState.APPROVED:
        return journal.tell(work.payment, meta, work.attempt, kind=PaymentRetried)
    if move.payment is not None or move.attempt is AttemptState.PENDING:
        return journal.tell(work.payment, meta, work.attempt)
    return None


def _step(work: Work) -> store.NewStep:
    answer = work.evidence.result.answer
    evidence = {
        "outcome": work.evidence.result.outcome.value,
        "code": answer.code,
        "message": _cut(answer.message),
        "provider_ref": work.evidence.result.provider_ref,
        **(work.evidence.note or {}),
    }
    return store.NewStep(
        work.payment.payment_id,
        f"{work.payment.state.value}/{work.attempt.state.value}",
        work.evidence.source,
        reason=work.move.reason,
        actor=work.evidence.actor,
        attempt_id=work.attempt.attempt_id,
        evidence={name: value for name, value in evidence.items() if value is not None},
    )


def _exception(work: Work) -> store.NewException:
    assert work.move.exception is not None
    result = work.evidence.result
    told: Money | None = result.amount
    detail = {
        "reason": work.move.reason,
        "source": work.evidence.source.value,
        "code": result.answer.code,
        "told_minor": None if told is None else str(told.amount_minor),
        "ordered_minor": str(work.payment.amount.amount_minor),
        "our_ref": work.attempt.our_ref,
        "provider_ref": result.provider_ref,
    }
    return store.NewException(
        work.payment.payment_id,
        work.attempt.attempt_id,
        work.move.exception.value,
        {name: value for name, value in detail.items() if value is not None},
        work.suspense_id,
    )


__all__ = ["Evidence", "Recorded", "record"]

"""What rails, statements and people say about attempts becomes state, postings and events, in one transaction."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime
from typing import Any
from uuid import UUID

from omniroute import ledger
from omniroute.infra import events
from omniroute.infra.events import Meta
from omniroute.infra.postgres import Tx
from omniroute.kit.money import Money
from omniroute.kit.refusal import Refusal
from omniroute.ledger import Refused
from omniroute.money.payments import books, journal, store
from omniroute.money.payments.events import PaymentExceptionOpened, PaymentRetried
from omniroute.money.payments.model import (
    Attempt,
    AttemptState,
    ExceptionKind,
    Payment,
    PaymentState,
    Route,
    Source,
)
from omniroute.money.payments.transitions import Books, Move, Situation, weigh
from omniroute.ports.rails import CodeClass, Outcome, RailPolicy, Result

EVIDENCE_TEXT_MAX = 2_000


@dataclass(frozen=True, slots=True)
class Evidence:
    """What somebody says about an attempt."""

    attempt_id: UUID
    result: Result
    source: Source
    code_class: CodeClass
    policy: RailPolicy
    actor: str | None = None
    note: Mapping[str, Any] | None = None
    verdict: Move | None = None  # What to do, where no rail has a say: the payee check before anything is sent.


@dataclass(frozen=True, slots=True)
class Recorded:
    """What became of a piece of evidence."""

    attempt_id: UUID
    attempt: AttemptState
    payment: PaymentState
    reason: str | None
    changed: bool


@dataclass(slots=True)
class _Work:
    """One piece of evidence on its way into the books."""

    evidence: Evidence
    payment: Payment
    attempt: Attempt
    routes: Mapping[UUID, Route]
    move: Move
    commands: list[ledger.Command] = field(default_factory=list)
    start: int = 0
    suspense_id: UUID | None = None


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
    works: list[_Work] = []
    for evidence in said:
        attempt = attempts[evidence.attempt_id]
        payment = payments[attempt.payment_id]
        situation = _situation(payment, attempt, family[payment.payment_id], routes)
        move = evidence.verdict or weigh(
            now, situation, evidence.result, evidence.code_class, evidence.source, evidence.policy
        )
        works.append(_Work(evidence, payment, attempt, routes, move))
    await _book(tx, works, today=today, meta=meta)
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


# -- the ledger ---------------------------------------------------------------------------------------------------


async def _book(tx: Tx, works: Sequence[_Work], *, today: date, meta: Meta) -> None:
    """Book what the moves ask for. Where the ledger refuses, the move becomes one that a person looks at."""
    commands: list[ledger.Command] = []
    for number, work in enumerate(works, start=1):
        work.commands = await _commands(tx, work, number, meta)
        work.start = len(commands)
        commands += work.commands
    if not commands:
        return
    booked = await ledger.book(tx, commands, today=today)
    failed: list[_Work] = []
    for work in works:
        if not work.commands:
            continue
        mine = booked[work.start : work.start + len(work.commands)]
        refusals = [one.refusal for one in mine if isinstance(one, Refused)]
        if refusals:
            failed.append(work)
            _turn_down(work, next((r for r in refusals if r.code != "ledger.linked_refused"), refusals[0]))
        else:
            _note_ids(work, [one for one in mine if isinstance(one, UUID)])
    await _book_fees(tx, works, today=today, meta=meta)
    voids = [work for work in failed if work.move.books is Books.VOID]
    if voids:
        await _void_after_all(tx, voids, today=today, meta=meta)


async def _commands(tx: Tx, work: _Work, number: int, meta: Meta) -> list[ledger.Command]:
    payment, attempt = work.payment, work.attempt
    float_id = work.routes[attempt.connection_id].float_account_id
    match work.move.books:
        case Books.CAPTURE:
            return books.capture(payment, linked=number, meta=meta)
        case Books.VOID:
            return books.void(payment, linked=number, meta=meta)
        case Books.MOVE:
            assert work.move.candidate is not None
            to = work.routes[payment.connection_ids[work.move.candidate]]
            return books.move(payment, to.float_account_id, linked=number, meta=meta)
        case Books.SUSPENSE:
            return [books.to_suspense(tx.tenant, payment, attempt.number, float_id, meta=meta)]
        case Books.REVERSE:
            return await reversals(tx, payment, attempt, number, meta)
    return []


async def reversals(tx: Tx, payment: Payment, attempt: Attempt, number: int, meta: Meta) -> list[ledger.Command]:
    """What takes back whatever was posted for a paid attempt; nothing where nothing was."""
    if attempt.state is AttemptState.LATE_SUCCESS:
        posted = await tx.one_or_none(store.SQL.suspense_of, tenant=tx.tenant, attempt=attempt.attempt_id)
        if posted is None:
            return []
        what = f"late:{attempt.number}"
        return [books.reverse(posted.transaction_id, payment.reference, what=what, meta=meta)]
    assert payment.transaction_id is not None
    surplus = await tx.all(store.SQL.surplus_of, tenant=tx.tenant, attempt=attempt.attempt_id)
    linked = number if payment.fee_transaction_id is not None or surplus else 0
    commands = [books.reverse(payment.transaction_id, payment.reference, what="paid", linked=linked, meta=meta)]
    if payment.fee_transaction_id is not None:
        commands.append(
            books.reverse(payment.fee_transaction_id, payment.reference, what="fee", linked=linked, meta=meta)
        )
    what = f"{books.MORE}:{attempt.number}"
    commands += [
        books.reverse(row.transaction_id, payment.reference, what=what, linked=linked, meta=meta) for row in surplus
    ]
    return commands


def _note_ids(work: _Work, ids: Sequence[UUID]) -> None:
    match work.move.books:
        case Books.CAPTURE:
            fee = ids[1] if len(ids) > 1 else None
            work.payment = replace(work.payment, transaction_id=ids[0], fee_transaction_id=fee)
        case Books.MOVE:
            work.payment = replace(work.payment, hold_id=ids[1])
        case Books.SUSPENSE:
            work.suspense_id = ids[0]


def _turn_down(work: _Work, refusal: Refusal) -> None:
    """The ledger refused. What the rail did stays true: the attempt keeps its state, the payment waits for a person.

    A move to the next rail that its float cannot bear is no move: the payment has failed, and its hold is released.
    """
    if work.move.books is Books.MOVE:
        work.move = replace(
            work.move,
            payment=PaymentState.FAILED,
            reason="next_rail_refused",
            books=Books.VOID,
            candidate=None,
            send_after=None,
        )
        return
    payment = work.move.payment
    if payment is not None and not work.payment.state.is_final:
        payment = PaymentState.NEEDS_REVIEW
    elif payment is not None:
        payment = None
    if payment is work.payment.state:
        payment = None
    work.move = replace(
        work.move,
        payment=payment,
        reason=f"books_refused: {refusal.code}",
        exception=ExceptionKind.BOOKS_REFUSED,
        books=Books.NONE,
    )


async def _void_after_all(tx: Tx, works: Sequence[_Work], *, today: date, meta: Meta) -> None:
    commands = [
        command
        for number, work in enumerate(works, start=1)
        for command in books.void(work.payment, linked=number, meta=meta)
    ]
    for booked in await ledger.book(tx, commands, today=today):
        if isinstance(booked, Refused):
            raise booked.refusal  # A hold that cannot be released: better nothing than half.


async def _book_fees(tx: Tx, works: Sequence[_Work], *, today: date, meta: Meta) -> None:
    """What rails took for themselves. It never stands in the way of the payment; a refusal is an exception."""
    charged = [work for work in works if work.move.books is Books.CAPTURE and work.evidence.result.fee is not None]
    commands = []
    for work in charged:
        fee = work.evidence.result.fee
        assert fee is not None
        float_id = work.routes[work.attempt.connection_id].float_account_id
        if fee.amount_minor > 0:
            commands.append((work, books.rail_fee(tx.tenant, work.payment, float_id, fee, meta=meta)))
    if not commands:
        return
    outcomes = await ledger.book(tx, [command for _, command in commands], today=today)
    for (work, _), booked in zip(commands, outcomes, strict=True):
        if isinstance(booked, Refused):
            work.move = replace(
                work.move, exception=ExceptionKind.BOOKS_REFUSED, reason=f"rail_fee: {booked.refusal.code}"
            )


# -- the rows -----------------------------------------------------------------------------------------------------


def _advance(work: _Work, now: datetime) -> None:
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


async def _write(tx: Tx, works: Sequence[_Work], *, now: datetime, meta: Meta) -> None:
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


def _told(work: _Work, meta: Meta) -> tuple[events.Event, Meta] | None:
    """The event of a step, if it is worth one."""
    move = work.move
    if move.attempt is AttemptState.UNKNOWN and move.payment is None:
        return journal.tell(work.payment, meta, work.attempt)
    if move.payment is PaymentState.APPROVED:
        return journal.tell(work.payment, meta, work.attempt, kind=PaymentRetried)
    if move.payment is not None or move.attempt is AttemptState.PENDING:
        return journal.tell(work.payment, meta, work.attempt)
    return None


def _step(work: _Work) -> store.NewStep:
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


def _exception(work: _Work) -> store.NewException:
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

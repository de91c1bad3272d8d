"""What people do to payments by hand: settle an outcome, release, accept a name, book again, resolve an exception.

Each act is asked for by one person and agreed to by another before it comes here (`money.desk`); the `Sanction` says
by whom, and on what evidence, and is kept in the timeline. Nothing here believes a person against the rail's own word.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from enum import StrEnum
from typing import Any
from uuid import UUID

from omniroute import ledger
from omniroute.infra import events
from omniroute.infra.events import Meta
from omniroute.infra.postgres import Tx
from omniroute.ledger import Posted, Refused
from omniroute.money.payments import approval, books, journal, outcomes, store
from omniroute.money.payments.errors import (
    AttemptAlive,
    AttemptNotFound,
    ExceptionNotFound,
    ExceptionOpen,
    NothingToBook,
    PaymentNotFound,
    RailContradicts,
    ResolutionNotPossible,
    WrongState,
)
from omniroute.money.payments.events import PaymentExceptionOpened, PaymentExceptionResolved
from omniroute.money.payments.model import (
    BOOK,
    Attempt,
    AttemptState,
    ExceptionKind,
    Payment,
    PaymentState,
    Source,
)
from omniroute.money.payments.outcomes import Evidence
from omniroute.money.payments.transitions import Books, Move
from omniroute.ports.rails import Answer, CodeClass, Outcome, RailPolicy, Result

A, P = AttemptState, PaymentState

NO_POLICY = RailPolicy(
    query_after=(timedelta(days=1),), query_for=timedelta(days=1), not_found_times=1, not_found_after=timedelta(days=1)
)
"""People's words are final: nothing is asked or waited for after them."""


@dataclass(frozen=True, slots=True)
class Sanction:
    """Who asked for an act, who agreed to it, and on what evidence."""

    asked_by: str
    agreed_by: tuple[str, ...]
    evidence: Mapping[str, Any]

    @property
    def actor(self) -> str:
        """Whose word set it off: the last who agreed."""
        return self.agreed_by[-1] if self.agreed_by else self.asked_by

    @property
    def note(self) -> dict[str, Any]:
        """As it stands in the timeline."""
        return {"asked_by": self.asked_by, "agreed_by": list(self.agreed_by), "evidence": dict(self.evidence)}


class Resolution(StrEnum):
    """What becomes of an exception."""

    NOTED = "noted"  # Understood; nothing is booked. A late success stays in suspense.
    GIVEN_BACK = "given_back"  # The payee returned a late success: the suspense posting is taken back.
    ATTRIBUTED = "attributed"  # A late success is charged to an account after all, first of all to the payer's.


async def settle(
    tx: Tx,
    attempt_id: UUID,
    *,
    paid: bool,
    receipt: str | None,
    sanction: Sanction,
    now: datetime,
    today: date,
    meta: Meta,
) -> Payment:
    """The outcome of an attempt nobody can tell, decided by people.

    Raises: AttemptNotFound, WrongState when somebody can tell by now, RailContradicts when it shall count as not paid
    and the rail has said otherwise, and the ledger's refusal.
    """
    attempt, payment = await _lock_attempt(tx, attempt_id)
    if attempt.state not in (A.MANUAL, A.UNKNOWN):
        raise WrongState(state=attempt.state.value)
    text = str(sanction.evidence.get("text", ""))
    if paid:
        result = Result(
            Outcome.SUCCEEDED, Answer(message=text), receipt=receipt, amount=payment.amount, our_ref=attempt.our_ref
        )
    else:
        await _check_contradiction(tx, attempt)
        result = Result(Outcome.DECLINED, Answer(message=text), our_ref=attempt.our_ref)
    evidence = Evidence(
        attempt_id,
        result,
        Source.OPERATOR,
        CodeClass.OK if paid else CodeClass.HARD_DECLINE,
        NO_POLICY,
        sanction.actor,
        sanction.note,
    )
    (recorded,) = await outcomes.record(tx, [evidence], now=now, today=today, meta=meta)
    assert recorded is not None
    settled = (ExceptionKind.GIVEN_UP_ASKING, ExceptionKind.INTEGRITY_MISMATCH)
    await _close(tx, payment, settled, f"settled as {'paid' if paid else 'not paid'}: {text}", sanction, now, meta)
    return await _read(tx, payment.payment_id)


async def _check_contradiction(tx: Tx, attempt: Attempt) -> None:
    """Raises: RailContradicts when the rail itself says, or said last, that the order was paid or is under way."""
    told = await tx.one(
        store.SQL.rail_words,
        tenant=tx.tenant,
        connection=attempt.connection_id,
        our_ref=attempt.our_ref,
        attempt=attempt.attempt_id,
    )
    if told.booked > told.given_back:
        raise RailContradicts(says="its statement shows the debit")
    if told.doubtful:
        raise RailContradicts(says="it told a success that did not fit the order; resolve that exception first")
    if attempt.code_class == CodeClass.OK:
        raise RailContradicts(says="it said that it was paid")
    if attempt.state is A.UNKNOWN and attempt.code_class == CodeClass.IN_PROGRESS:
        raise RailContradicts(says="it said that it is working on it")


async def release(tx: Tx, payment_id: UUID, *, sanction: Sanction, now: datetime, today: date, meta: Meta) -> Payment:
    """Free the money of a payment that waits for a person and that no attempt can pay any more; it is cancelled.

    Raises: PaymentNotFound, WrongState, AttemptAlive while one may still pay or has, ExceptionOpen while a late
    success of it is unresolved, and the ledger's refusal.
    """
    payment = await _lock_payment(tx, payment_id)
    if payment.state is not P.NEEDS_REVIEW:
        raise WrongState(state=payment.state.value)
    for row in (await store.siblings(tx, [payment_id])).get(payment_id, []):
        state = AttemptState(row.state)
        if state.is_live or state is A.SUCCEEDED:
            raise AttemptAlive(attempt_state=state.value)
    for row in await _open_exceptions(tx, payment_id):
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
    await _close(tx, payment, (ExceptionKind.BOOKS_REFUSED,), "released", sanction, now, meta)
    return ended


async def accept_name(tx: Tx, payment_id: UUID, *, name: str, sanction: Sanction, now: datetime, meta: Meta) -> Payment:
    """Send a payment although the rail knows the payee under another name: this one, and no other.

    Raises: PaymentNotFound, WrongState when it does not wait for that.
    """
    payment = await _lock_payment(tx, payment_id)
    if payment.state is not P.NEEDS_REVIEW or payment.reason != "name_mismatch":
        raise WrongState(state=payment.state.value, reason=payment.reason)
    payment = replace(payment, state=P.APPROVED, reason="name_accepted", send_after=now, accepted_name=name)
    await store.update_payments(tx, [payment], now)
    await tx.execute(store.SQL.set_accepted_name, tenant=tx.tenant, payment=payment_id, name=name)
    await note_step(tx, payment, "name_accepted", sanction=sanction, now=now, more={"name": name})
    await events.append_each(tx, [journal.tell(payment, meta)])
    return payment


async def book_again(
    tx: Tx, payment_id: UUID, *, sanction: Sanction, now: datetime, today: date, meta: Meta
) -> Payment:
    """Book what the ledger refused when it happened: all of it, or nothing.

    Raises: PaymentNotFound, NothingToBook, and the ledger's refusal when it still stands.
    """
    payment = await _lock_payment(tx, payment_id)
    refused = [row for row in await _open_exceptions(tx, payment_id) if row.kind == ExceptionKind.BOOKS_REFUSED]
    stuck = payment.state is P.NEEDS_REVIEW and (payment.reason or "").startswith("books_refused")
    if not refused and not stuck:
        raise NothingToBook()
    attempts = {one.attempt_id: one for one in await _attempts(tx, payment_id)}
    if payment.rail == BOOK:
        payment = await approval.settle_transfer(tx, payment, now=now, today=today, meta=meta)
        payment = replace(payment, reason=None)
    else:
        for row in refused:
            payment = await _book_one(tx, payment, attempts[row.attempt_id], row, now=now, today=today, meta=meta)
    await store.update_payments(tx, [payment], now)
    await note_step(tx, payment, "booked_again", sanction=sanction, now=now)
    await events.append_each(tx, [journal.tell(payment, meta)])
    await _close(tx, payment, (ExceptionKind.BOOKS_REFUSED,), "booked again", sanction, now, meta)
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
        await _post(tx, [books.rail_fee(tx.tenant, payment, float_id, fee, meta=meta)], today)
        return payment
    match attempt.state:
        case A.SUCCEEDED if payment.hold_id is not None and not payment.state.is_final:
            ids = await _post(tx, books.capture(payment, linked=1, meta=meta), today)
            fee_id = ids[1] if len(ids) > 1 else None
            return _ended(replace(payment, transaction_id=ids[0], fee_transaction_id=fee_id), P.SUCCEEDED, now)
        case A.LATE_SUCCESS:
            command = books.to_suspense(tx.tenant, payment, attempt.number, float_id, meta=meta)
            (transaction_id,) = await _post(tx, [command], today)
            await _open_late(tx, payment, attempt, transaction_id, now, meta)
            return payment
        case A.REVERSED if payment.transaction_id is not None:
            await _post(tx, await outcomes.reversals(tx, payment, attempt, 1, meta), today)
            return _ended(payment, P.REVERSED, now)
        case A.REVERSED | A.DECLINED | A.NOT_SENT | A.NOT_FOUND_CONFIRMED if not payment.state.is_final:
            await _post(tx, books.void(payment, linked=1, meta=meta), today)
            return _ended(payment, P.REVERSED if attempt.state is A.REVERSED else P.FAILED, now)
    raise NothingToBook(attempt_state=attempt.state.value, state=payment.state.value)


def _ended(payment: Payment, state: PaymentState, now: datetime) -> Payment:
    return replace(payment, state=state, reason="booked_again", completed_at=payment.completed_at or now)


async def _open_late(
    tx: Tx, payment: Payment, attempt: Attempt, transaction_id: UUID, now: datetime, meta: Meta
) -> None:
    detail = {"reason": "late_success", "source": Source.OPERATOR.value, "our_ref": attempt.our_ref}
    new = store.NewException(
        payment.payment_id, attempt.attempt_id, ExceptionKind.LATE_SUCCESS.value, detail, transaction_id
    )
    opened = await store.insert_exceptions(tx, [new], now)
    await events.append_each(
        tx, [(PaymentExceptionOpened(row.payment_id, row.exception_id, row.kind), meta) for row in opened]
    )


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
    """Close an exception, with what is booked for it. `account_code`: who bears a late success; None: who ordered it.

    Raises: ExceptionNotFound when there is none that is open, ResolutionNotPossible, and the ledger's refusal.
    """
    row = await tx.one_or_none(store.SQL.lock_exception, tenant=tx.tenant, exception=exception_id)
    if row is None:
        raise ExceptionNotFound()
    payment = await _lock_payment(tx, row.payment_id)
    if resolution is not Resolution.NOTED and row.kind != ExceptionKind.LATE_SUCCESS:
        raise ResolutionNotPossible("only a late success can be given back or attributed", exception_kind=row.kind)
    if resolution is not Resolution.NOTED and row.transaction_id is None:
        raise ResolutionNotPossible("nothing of it stands in suspense")
    match resolution:
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
    await note_step(tx, payment, f"exception_{resolution.value}", sanction=sanction, now=now, attempt_id=row.attempt_id)
    await _resolve(tx, [row], text, sanction, now, meta)
    return await _read(tx, payment.payment_id)


async def _attribute(
    tx: Tx, payment: Payment, row: Any, account_code: str | None, *, now: datetime, today: date, meta: Meta
) -> Payment:
    """Suspense is cleared: by the hold that still stands behind the payment, or by a posting to whoever bears it."""
    (attempt,) = [one for one in await _attempts(tx, payment.payment_id) if one.attempt_id == row.attempt_id]
    if attempt.state is not A.LATE_SUCCESS:
        raise ResolutionNotPossible("the rail has given it back by now", attempt_state=attempt.state.value)
    own = account_code is None or account_code == payment.source_code
    if own and payment.state is P.SUCCEEDED:
        raise ResolutionNotPossible("the payment was paid by another attempt; its payer does not pay twice")
    if own and payment.state is P.NEEDS_REVIEW:
        what = f"late:{attempt.number}"
        await _post(tx, [books.reverse(row.transaction_id, payment.reference, what=what, meta=meta)], today)
        ids = await _post(tx, books.capture(payment, linked=1, meta=meta), today)
        fee_id = ids[1] if len(ids) > 1 else None
        payment = replace(payment, transaction_id=ids[0], fee_transaction_id=fee_id)
        payment = replace(_ended(payment, P.SUCCEEDED, now), reason="late_success")
        await store.update_payments(tx, [payment], now)
        await events.append_each(tx, [journal.tell(payment, meta)])
        return payment
    code = account_code or payment.source_code
    await _post(tx, [books.attribute(tx.tenant, payment, attempt.number, code, meta=meta)], today)
    return payment


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

    Saying it twice is the same as once.
    """
    attempt, _ = await _lock_attempt(tx, attempt_id)
    if attempt.state is A.REVERSED:
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


# -- rows ---------------------------------------------------------------------------------------------------------


async def _lock_attempt(tx: Tx, attempt_id: UUID) -> tuple[Attempt, Payment]:
    attempts, payments = await store.lock_attempts(tx, [attempt_id])
    attempt = attempts.get(attempt_id)
    if attempt is None:
        raise AttemptNotFound()
    return attempt, payments[attempt.payment_id]


async def _lock_payment(tx: Tx, payment_id: UUID) -> Payment:
    payment = (await store.lock_payments(tx, [payment_id])).get(payment_id)
    if payment is None:
        raise PaymentNotFound()
    return payment


async def _read(tx: Tx, payment_id: UUID) -> Payment:
    return store.payment_of(await tx.one(store.SQL.find_payment, tenant=tx.tenant, payment=payment_id))


async def _attempts(tx: Tx, payment_id: UUID) -> list[Attempt]:
    rows = await tx.all(store.SQL.find_attempts, tenant=tx.tenant, payment=payment_id)
    return [store.attempt_of(row) for row in rows]


async def _open_exceptions(tx: Tx, payment_id: UUID) -> list[Any]:
    return await tx.all(store.SQL.lock_open_exceptions, tenant=tx.tenant, payment=payment_id)


async def _post(tx: Tx, commands: Sequence[ledger.Command], today: date) -> list[UUID]:
    """The ids of what was booked, all of it. Raises: the ledger's refusal."""
    outcomes_ = await ledger.post(tx, commands, today=today) if commands else []
    refusals = [one.refusal for one in outcomes_ if isinstance(one, Refused)]
    if refusals:
        raise next((one for one in refusals if one.code != "ledger.linked_refused"), refusals[0])
    return [one.transaction.transaction_id for one in outcomes_ if isinstance(one, Posted)]


async def note_step(
    tx: Tx,
    payment: Payment,
    reason: str,
    *,
    sanction: Sanction,
    now: datetime,
    attempt_id: UUID | None = None,
    more: Mapping[str, Any] | None = None,
) -> None:
    """A line in the timeline of a payment: what people have done, or let be done."""
    step = store.NewStep(
        payment.payment_id,
        payment.state.value,
        Source.OPERATOR,
        reason=reason,
        actor=sanction.actor,
        attempt_id=attempt_id,
        evidence={**sanction.note, **(more or {})},
    )
    await store.insert_steps(tx, [step], now)


async def _close(
    tx: Tx,
    payment: Payment,
    kinds: Sequence[ExceptionKind],
    text: str,
    sanction: Sanction,
    now: datetime,
    meta: Meta,
) -> None:
    """Exceptions of these kinds are settled by what was done."""
    rows = [row for row in await _open_exceptions(tx, payment.payment_id) if row.kind in kinds]
    await _resolve(tx, rows, text, sanction, now, meta)


async def _resolve(tx: Tx, rows: Sequence[Any], text: str, sanction: Sanction, now: datetime, meta: Meta) -> None:
    if not rows:
        return
    await tx.execute(
        store.SQL.resolve_exceptions,
        tenant=tx.tenant,
        exceptions=[row.exception_id for row in rows],
        by=sanction.actor,
        text=text[:2_000],
        now=now,
    )
    told = [PaymentExceptionResolved(row.payment_id, row.exception_id, row.kind, text[:2_000]) for row in rows]
    await events.append_many(tx, told, meta)


__all__ = [
    "Resolution",
    "Sanction",
    "accept_name",
    "book_again",
    "note_step",
    "release",
    "resolve_exception",
    "settle",
    "take_back",
]

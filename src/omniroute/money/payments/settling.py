"""Settling by hand: the outcome of an attempt nobody can tell, decided by people, for the amount that really moved.

    as much as was ordered    the holds become postings
    less                      so much of the hold becomes a posting, the rest is free again
    more                      the holds become postings; what was too much goes to suspense, and an exception is opened

Either way what the ledger has taken from the float is what the rail has taken from our account.
"""

from dataclasses import replace
from datetime import date, datetime
from uuid import UUID

from omniroute.infra.events import Meta
from omniroute.infra.postgres import Tx
from omniroute.kit.money import Money
from omniroute.money.payments import acting, books, outcomes, store
from omniroute.money.payments.acting import NO_POLICY, Sanction
from omniroute.money.payments.errors import RailContradicts, WrongState
from omniroute.money.payments.model import Attempt, AttemptState, ExceptionKind, Payment, PaymentState, Source
from omniroute.money.payments.outcomes import Evidence
from omniroute.money.payments.transitions import Move
from omniroute.ports.rails import Answer, CodeClass, Outcome, Result

A, P = AttemptState, PaymentState


async def settle(
    tx: Tx,
    attempt_id: UUID,
    *,
    paid: bool,
    receipt: str | None,
    moved_minor: int | None = None,
    sanction: Sanction,
    now: datetime,
    today: date,
    meta: Meta,
) -> Payment:
    """The outcome of an attempt nobody can tell, decided by people. `moved_minor` None: as much as was ordered.

    An attempt that counts as not paid is settled only where the rail has told a success that did not fit the order.

    Raises: AttemptNotFound, WrongState when somebody can tell by now, RailContradicts when it shall count as not paid,
    or for another amount than its statement shows, and the rail has said otherwise; and the ledger's refusal.
    """
    attempt, payment = await acting.lock_attempt(tx, attempt_id)
    if attempt.state not in (A.MANUAL, A.UNKNOWN) and not (paid and await _told_otherwise(tx, attempt)):
        raise WrongState(state=attempt.state.value)
    moved = payment.amount if moved_minor is None else Money(moved_minor, payment.amount.currency)
    if paid:
        await _check_statement(tx, attempt, moved)
    else:
        await _check_contradiction(tx, attempt)
    if paid and moved != payment.amount:
        await _settle_moved(tx, payment, attempt, moved, receipt, sanction=sanction, now=now, today=today, meta=meta)
    else:
        evidence = _evidence(attempt, moved if paid else None, receipt, sanction)
        await outcomes.record(tx, [evidence], now=now, today=today, meta=meta)
    settled = (ExceptionKind.GIVEN_UP_ASKING, ExceptionKind.INTEGRITY_MISMATCH)
    told = f"paid ({moved})" if paid else "not paid"
    text = f"settled as {told}: {sanction.evidence.get('text', '')}"
    await acting.close(tx, payment, settled, text, sanction, now, meta)
    return await acting.read(tx, payment.payment_id)


def _evidence(
    attempt: Attempt, moved: Money | None, receipt: str | None, sanction: Sanction, verdict: Move | None = None
) -> Evidence:
    """What people say: so much was paid, or nothing."""
    text = str(sanction.evidence.get("text", ""))
    if moved is None:
        result = Result(Outcome.DECLINED, Answer(message=text), our_ref=attempt.our_ref)
    else:
        raw = {} if verdict is None else {"moved_minor": str(moved.amount_minor)}
        result = Result(
            Outcome.SUCCEEDED, Answer(message=text, raw=raw), receipt=receipt, amount=moved, our_ref=attempt.our_ref
        )
    return Evidence(
        attempt.attempt_id,
        result,
        Source.OPERATOR,
        CodeClass.HARD_DECLINE if moved is None else CodeClass.OK,
        NO_POLICY,
        sanction.actor,
        sanction.note,
        verdict,
    )


async def _settle_moved(
    tx: Tx,
    payment: Payment,
    attempt: Attempt,
    moved: Money,
    receipt: str | None,
    *,
    sanction: Sanction,
    now: datetime,
    today: date,
    meta: Meta,
) -> None:
    """Paid, but another amount. Where nothing is held any more, all of it goes to suspense."""
    others = [
        row
        for row in (await store.siblings(tx, [payment.payment_id]))[payment.payment_id]
        if row.attempt_id != attempt.attempt_id
    ]
    alone = not any(AttemptState(row.state).is_live or row.state == A.SUCCEEDED for row in others)
    if attempt.state.is_live or (alone and not payment.state.is_final):
        await capture_moved(tx, payment, attempt, moved, now=now, today=today, meta=meta)
        reason = "paid_less" if moved.amount_minor < payment.amount.amount_minor else "paid_more"
        verdict = Move(A.SUCCEEDED, P.SUCCEEDED, reason)
        said = _evidence(attempt, moved, receipt, sanction, verdict)
        await outcomes.record(tx, [said], now=now, today=today, meta=meta)
        return
    routes = await store.find_routes(tx, [payment], [attempt])
    float_id = routes[attempt.connection_id].float_account_id
    command = books.to_suspense(tx.tenant, payment, attempt.number, float_id, amount=moved, meta=meta)
    (transaction_id,) = await acting.post(tx, [command], today)
    stop = P.NEEDS_REVIEW if payment.state in (P.APPROVED, P.SCHEDULED, P.EXECUTING) else None
    said = _evidence(attempt, moved, receipt, sanction, Move(A.LATE_SUCCESS, stop, "late_success"))
    await outcomes.record(tx, [said], now=now, today=today, meta=meta)
    await acting.open_exception(
        tx,
        payment,
        attempt,
        ExceptionKind.LATE_SUCCESS,
        transaction_id,
        more={"moved_minor": str(moved.amount_minor)},
        now=now,
        meta=meta,
    )


async def capture_moved(
    tx: Tx, payment: Payment, attempt: Attempt, moved: Money, *, now: datetime, today: date, meta: Meta
) -> Payment:
    """What the rail moved is taken from what is held: the rest is free again, what is too much goes to suspense.

    The payment with its postings. Raises: the ledger's refusal.
    """
    over = moved.amount_minor - payment.amount.amount_minor
    surplus = None
    if over > 0:
        routes = await store.find_routes(tx, [payment], [attempt])
        surplus = books.to_suspense(
            tx.tenant,
            payment,
            attempt.number,
            routes[attempt.connection_id].float_account_id,
            amount=replace(moved, amount_minor=over),
            what=books.MORE,
            linked=1,
            meta=meta,
        )
    commands = books.capture(
        payment, linked=1, moved_minor=moved.amount_minor if over < 0 else None, surplus=surplus, meta=meta
    )
    ids = await acting.post(tx, commands, today)
    fee_id = ids[1] if payment.fee_hold_id is not None else None
    payment = replace(payment, transaction_id=ids[0], fee_transaction_id=fee_id)
    await store.update_payments(tx, [payment], now)
    if surplus is not None:
        more = {"surplus_minor": str(over), "moved_minor": str(moved.amount_minor)}
        await acting.open_exception(
            tx, payment, attempt, ExceptionKind.PAID_MORE, ids[-1], more=more, now=now, meta=meta
        )
    return payment


async def _told_otherwise(tx: Tx, attempt: Attempt) -> bool:
    """It counts as not paid, and the rail has told a success that did not fit the order."""
    if not attempt.state.is_unpaid:
        return False
    rows = await acting.open_exceptions(tx, attempt.payment_id)
    return any(row.attempt_id == attempt.attempt_id and row.kind == ExceptionKind.INTEGRITY_MISMATCH for row in rows)


async def _check_statement(tx: Tx, attempt: Attempt, moved: Money) -> None:
    """Raises: RailContradicts when the rail's statement shows debits of this order, and none of so much."""
    rows = await tx.all(
        store.SQL.statement_debits, tenant=tx.tenant, connection=attempt.connection_id, our_ref=attempt.our_ref
    )
    shown = [Money(row.amount_minor, row.currency) for row in rows]
    if shown and moved not in shown:
        raise RailContradicts(says=f"its statement shows {', '.join(map(str, shown))}")


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

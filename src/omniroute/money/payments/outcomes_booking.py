"""What an outcome asks of the ledger, and what becomes of it where the ledger refuses."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import date
from uuid import UUID

from omniroute import ledger
from omniroute.infra.events import Meta
from omniroute.infra.postgres import Tx
from omniroute.kit.refusal import Refusal
from omniroute.ledger import Refused
from omniroute.money.payments import books, store
from omniroute.money.payments.model import Attempt, AttemptState, ExceptionKind, Payment, PaymentState
from omniroute.money.payments.outcomes_model import Work
from omniroute.money.payments.transitions import Books


async def book(tx: Tx, works: Sequence[Work], *, today: date, meta: Meta) -> None:
    """Book what the moves ask for. Where the ledger refuses, the move becomes one that a person looks at."""
    commands: list[ledger.Command] = []
    for number, work in enumerate(works, start=1):
        work.commands = await _commands(tx, work, number, meta)
        work.start = len(commands)
        commands += work.commands
    if not commands:
        return
    booked = await ledger.book(tx, commands, today=today)
    failed: list[Work] = []
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


async def _commands(tx: Tx, work: Work, number: int, meta: Meta) -> list[ledger.Command]:
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


def _note_ids(work: Work, ids: Sequence[UUID]) -> None:
    match work.move.books:
        case Books.CAPTURE:
            fee = ids[1] if len(ids) > 1 else None
            work.payment = replace(work.payment, transaction_id=ids[0], fee_transaction_id=fee)
        case Books.MOVE:
            work.payment = replace(work.payment, hold_id=ids[1])
        case Books.SUSPENSE:
            work.suspense_id = ids[0]


def _turn_down(work: Work, refusal: Refusal) -> None:
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


async def _void_after_all(tx: Tx, works: Sequence[Work], *, today: date, meta: Meta) -> None:
    commands = [
        command
        for number, work in enumerate(works, start=1)
        for command in books.void(work.payment, linked=number, meta=meta)
    ]
    for booked in await ledger.book(tx, commands, today=today):
        if isinstance(booked, Refused):
            raise booked.refusal  # A hold that cannot be released: better nothing than half.


async def _book_fees(tx: Tx, works: Sequence[Work], *, today: date, meta: Meta) -> None:
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

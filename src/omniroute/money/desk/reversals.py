"""Asking a rail to take a paid order back: the request, what people say of it, and its row.

The money counts as paid until the rail has proven that it came back. Sending and asking is `returning`'s.
"""

from collections.abc import Mapping
from dataclasses import replace
from datetime import date, datetime
from typing import Any
from uuid import UUID

from psycopg import errors as pg

from omniroute.infra import events
from omniroute.infra.events import Meta
from omniroute.infra.postgres import Tx
from omniroute.kit.ids import uuid7
from omniroute.money import payments
from omniroute.money.desk.errors import NotReversible, ReversalNotFound, ReversalUnderWay
from omniroute.money.desk.events import ReversalDeclined, ReversalEvent, ReversalRequested, ReversalSucceeded
from omniroute.money.desk.model import Reversal, ReversalState
from omniroute.money.desk.store import SQL, reversal_of
from omniroute.money.payments import Attempt, AttemptState, Payment, Sanction, Source
from omniroute.money.payments.errors import WrongState
from omniroute.ports.rails import Connector, Operation

PAID = (AttemptState.SUCCEEDED, AttemptState.LATE_SUCCESS)


async def request(
    tx: Tx,
    payment_id: UUID,
    attempt_id: UUID | None,
    *,
    request_id: UUID,
    sanction: Sanction,
    rails: Mapping[str, Connector],
    now: datetime,
    meta: Meta,
) -> Reversal:
    """Let the rail be asked for a paid order back.

    Raises: PaymentNotFound, NotReversible, ReversalUnderWay.
    """
    payment = (await payments.find_payment(tx, payment_id)).payment
    attempt = _paid(await payments.find_attempts(tx, payment_id), attempt_id)
    rail_ref = check(payment, attempt, rails.get(attempt.rail))
    if await tx.all(SQL.live_reversals, tenant=tx.tenant, attempt=attempt.attempt_id):
        raise ReversalUnderWay()
    try:
        async with tx.savepoint():
            row = await tx.one(
                SQL.insert_reversal,
                tenant=tx.tenant,
                reversal=uuid7(),
                payment=payment_id,
                attempt=attempt.attempt_id,
                connection=attempt.connection_id,
                rail=attempt.rail,
                request=request_id,
                rail_ref=rail_ref,
                now=now,
            )
    except pg.UniqueViolation as error:
        raise ReversalUnderWay() from error
    reversal = reversal_of(row)
    await payments.note_step(
        tx, payment, "reversal_requested", sanction=sanction, attempt_id=attempt.attempt_id, now=now
    )
    await events.append(tx, told(ReversalRequested, reversal), meta)
    return reversal


def _paid(attempts: list[Attempt], attempt_id: UUID | None) -> Attempt:
    for attempt in attempts:
        if attempt_id is None and attempt.state is AttemptState.SUCCEEDED:
            return attempt
        if attempt.attempt_id == attempt_id and attempt.state in PAID:
            return attempt
    raise NotReversible("nothing of this payment is paid, or it came back already")


def check(payment: Payment, attempt: Attempt, connector: Connector | None) -> str:
    """What the rail calls the paid order. Raises: NotReversible."""
    if connector is None:
        raise NotReversible(f"{attempt.rail} is not spoken here", rail=attempt.rail)
    can = connector.capabilities()
    if Operation.REVERSAL not in can.operations:
        raise NotReversible(f"{attempt.rail} takes no payment back; ask the payee, or the bank", rail=attempt.rail)
    if can.reversible_kinds and payment.payee.kind not in can.reversible_kinds:
        raise NotReversible(
            f"{attempt.rail} takes nothing back from a payee of this kind ({payment.payee.kind.value})",
            rail=attempt.rail,
        )
    rail_ref = attempt.receipt if can.reversal_by_receipt else attempt.provider_ref
    if rail_ref is None:
        raise NotReversible("we do not know what the rail calls this payment", rail=attempt.rail)
    return rail_ref


async def settle(
    tx: Tx,
    reversal_id: UUID,
    *,
    given_back: bool,
    sanction: Sanction,
    now: datetime,
    today: date,
    meta: Meta,
) -> Reversal:
    """The outcome of a reversal nobody can tell, decided by people.

    Raises: ReversalNotFound, WrongState when somebody can tell by now, and the ledger's refusal.
    """
    reversal = await lock(tx, reversal_id)
    if reversal.state not in (ReversalState.MANUAL, ReversalState.UNKNOWN):
        raise WrongState(state=reversal.state.value)
    if given_back:
        await payments.take_back(
            tx,
            reversal.attempt_id,
            reason="reversed_on_request",
            source=Source.OPERATOR,
            actor=sanction.actor,
            note=sanction.note,
            now=now,
            today=today,
            meta=meta,
        )
    else:
        payment = (await payments.find_payment(tx, reversal.payment_id)).payment
        await payments.note_step(
            tx, payment, "reversal_declined", sanction=sanction, attempt_id=reversal.attempt_id, now=now
        )
    state = ReversalState.SUCCEEDED if given_back else ReversalState.DECLINED
    reversal = await write(tx, replace(reversal, state=state, next_query_at=None), now)
    await events.append(tx, told(ReversalSucceeded if given_back else ReversalDeclined, reversal), meta)
    return reversal


async def hear(tx: Tx, connection_id: UUID, ref: str, *, now: datetime) -> str | None:
    """A rail has called about the request it knows as `ref`: a hint, so that the order is asked about at once.

    What was made of it, in a word; None when no request has this name.
    """
    if await tx.all(SQL.hint_reversal, tenant=tx.tenant, connection=connection_id, ref=ref, now=now):
        return "reversal_asked"
    known = await tx.value(SQL.is_reversal, tenant=tx.tenant, connection=connection_id, ref=ref)
    return "reversal_over" if known else None


async def find_reversal(tx: Tx, reversal_id: UUID) -> Reversal:
    """One reversal. Raises: ReversalNotFound."""
    row = await tx.one_or_none(SQL.find_reversal, tenant=tx.tenant, reversal=reversal_id)
    if row is None:
        raise ReversalNotFound()
    return reversal_of(row)


async def find_reversals(tx: Tx, payment_id: UUID) -> list[Reversal]:
    """Every reversal of a payment, the first first. Raises: PaymentNotFound."""
    await payments.find_payment(tx, payment_id)
    rows = await tx.all(SQL.reversals_of_payment, tenant=tx.tenant, payment=payment_id)
    return [reversal_of(row) for row in rows]


async def lock(tx: Tx, reversal_id: UUID) -> Reversal:
    """One reversal, held until the transaction ends. Raises: ReversalNotFound."""
    row = await tx.one_or_none(SQL.lock_reversal, tenant=tx.tenant, reversal=reversal_id)
    if row is None:
        raise ReversalNotFound()
    return reversal_of(row)


async def write(tx: Tx, reversal: Reversal, now: datetime) -> Reversal:
    """Where a reversal stands now."""
    row: Any = await tx.one(
        SQL.update_reversal,
        tenant=tx.tenant,
        reversal=reversal.reversal_id,
        state=reversal.state.value,
        provider_ref=reversal.provider_ref,
        code=reversal.code,
        message=None if reversal.message is None else reversal.message[:2_000],
        send_after=reversal.send_after,
        sent_at=reversal.sent_at,
        next_query_at=reversal.next_query_at,
        query_count=reversal.query_count,
        now=now,
    )
    return reversal_of(row)


def told(kind: type[ReversalEvent], reversal: Reversal) -> ReversalEvent:
    """The event of a reversal as it stands."""
    return kind(
        reversal.reversal_id,
        reversal.payment_id,
        reversal.attempt_id,
        reversal.rail,
        reversal.state.value,
        reversal.our_ref,
        reversal.code,
        reversal.message,
    )

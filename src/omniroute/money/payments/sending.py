"""Taking up payments that are due: the attempt is named and committed before a byte of it leaves the house.

claim     payment approved -> executing; attempt `created` (the rail wants a name enquiry first) or `sending`
go        `created` -> `sending`, the last word before the order leaves; fails when the lease ran out
recover   whoever held a lease and did not come back: `created` was never sent, `sending` is unknown
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from uuid import UUID

from omniroute.infra import events
from omniroute.infra.events import Meta
from omniroute.infra.postgres import Tx
from omniroute.kit.ids import uuid7
from omniroute.kit.refusal import Refusal
from omniroute.money.payments import approval, journal, store
from omniroute.money.payments.links import Link
from omniroute.money.payments.model import (
    BOOK,
    Attempt,
    AttemptState,
    Payment,
    PaymentState,
    Source,
)
from omniroute.ports.rails import Holder, Operation, Payout

FILE_LEASE = timedelta(days=30)
"""Of attempts in a file: the file has a lease of its own, by which its orders are told to be unknown."""
META = Meta(actor="system:payments", channel="worker")


@dataclass(frozen=True, slots=True)
class Claimed:
    """A payment taken up by us, with the attempt that will carry it."""

    payment: Payment
    attempt: Attempt
    link: Link


def lease_until(link: Link, now: datetime) -> datetime:
    """How long we may take for it; after that anybody may declare it lost."""
    if link.files is not None:
        return now + FILE_LEASE
    return now + link.policy.send_max


async def claim(
    tx: Tx,
    payment_ids: Sequence[UUID],
    links: Mapping[UUID, Link],
    *,
    claimed_by: str,
    recheck: approval.Recheck | None = None,
    now: datetime,
    today: date,
) -> list[Claimed]:
    """Take up those payments that are still due and whose connection is among `links`.

    Internal transfers that were waiting for their time are booked here. What `recheck` refuses fails: the rules have
    changed since it was initiated, and nothing of it has left.
    """
    payments = await _allowed(tx, await store.lock_due(tx, payment_ids, now), recheck, now=now, today=today)
    transfers = [payment for payment in payments if payment.rail == BOOK]
    claimed: list[Claimed] = []
    for payment in payments:
        link = None if payment.connection_id is None else links.get(payment.connection_id)
        if payment.rail == BOOK or link is None:
            continue
        attempt = _attempt(payment, link, claimed_by=claimed_by, now=now)
        executing = replace(
            payment,
            state=PaymentState.EXECUTING,
            reason=None,
            rail=link.rail,
            attempt_count=attempt.number,
        )
        claimed.append(Claimed(executing, attempt, link))
    steps = [
        store.NewStep(
            one.payment.payment_id,
            f"{one.payment.state.value}/{one.attempt.state.value}",
            Source.WORKER,
            actor=claimed_by,
            attempt_id=one.attempt.attempt_id,
            evidence={"our_ref": one.attempt.our_ref, "rail": one.link.rail},
        )
        for one in claimed
    ]
    async with tx.pipelined():
        await store.update_payments(tx, [one.payment for one in claimed], now)
        await store.insert_attempts(tx, [one.attempt for one in claimed], now)
        await store.insert_steps(tx, steps, now)
    await _settle_transfers(tx, transfers, now=now, today=today)
    return claimed


async def _allowed(
    tx: Tx, payments: Sequence[Payment], recheck: approval.Recheck | None, *, now: datetime, today: date
) -> list[Payment]:
    """Those that the rules of now still allow; the others end here."""
    if recheck is None:
        return list(payments)
    allowed: list[Payment] = []
    refused: dict[str, list[Payment]] = {}
    for payment in payments:
        try:
            recheck(payment)
            allowed.append(payment)
        except Refusal as refusal:
            refused.setdefault(f"rules_refused: {refusal.code}", []).append(payment)
    for reason, ended in refused.items():
        await approval.end(tx, ended, PaymentState.FAILED, reason, Source.WORKER, now=now, today=today, meta=META)
    return allowed


def _attempt(payment: Payment, link: Link, *, claimed_by: str, now: datetime) -> Attempt:
    attempt_id = uuid7()
    asks_first = Operation.NAME_ENQUIRY in link.connector.capabilities().operations
    return Attempt(
        attempt_id=attempt_id,
        payment_id=payment.payment_id,
        number=payment.attempt_count + 1,
        rail=link.rail,
        connection_id=link.connection_id,
        our_ref=link.connector.build_reference(link.context.credentials.public, attempt_id, now),
        provider_ref=None,
        state=AttemptState.CREATED if asks_first else AttemptState.SENDING,
        holder=None,
        code=None,
        code_class=None,
        message=None,
        receipt=None,
        rail_fee_minor=None,
        evidence={},
        claimed_by=claimed_by,
        lease_until=lease_until(link, now),
        sent_at=None if asks_first else now,
        next_query_at=None,
        query_count=0,
        not_found_count=0,
        created_at=now,
        updated_at=now,
    )


async def _settle_transfers(tx: Tx, transfers: Sequence[Payment], *, now: datetime, today: date) -> None:
    if not transfers:
        return
    settled: list[Payment] = []
    for payment in transfers:
        try:
            settled.append(await approval.settle_transfer(tx, payment, now=now, today=today, meta=META))
        except Refusal as refusal:
            # The hold stands, only booking it was refused (a frozen account): a person decides.
            reason = f"books_refused: {refusal.code}"
            settled.append(replace(payment, state=PaymentState.NEEDS_REVIEW, reason=reason))
    await store.update_payments(tx, settled, now)
    steps = [store.NewStep(p.payment_id, p.state.value, Source.WORKER, reason=p.reason) for p in settled]
    await store.insert_steps(tx, steps, now)
    await events.append_each(tx, [journal.tell(payment, META) for payment in settled])


async def go(
    tx: Tx, ready: Sequence[tuple[Claimed, Holder | None]], *, claimed_by: str, now: datetime
) -> list[Claimed | None]:
    """The last word before the orders leave; None for those that are no longer ours."""
    marked = [
        replace(
            one.attempt,
            state=AttemptState.SENDING,
            holder=holder,
            sent_at=now,
            lease_until=lease_until(one.link, now),
        )
        for one, holder in ready
    ]
    ours = await store.mark_sending(tx, marked, claimed_by=claimed_by, now=now)
    return [
        replace(one, attempt=attempt) if attempt.attempt_id in ours else None
        for (one, _), attempt in zip(ready, marked, strict=True)
    ]


def payout(payment: Payment, attempt: Attempt) -> Payout:
    """The order as the rail's connector wants it."""
    return Payout(
        our_ref=attempt.our_ref,
        amount=payment.amount,
        payee=payment.payee,
        narration=payment.narration or payment.reference,
        purpose=payment.type.value,
        payment_reference=payment.reference,
        created_at=attempt.created_at,
        holder=attempt.holder,
    )


__all__ = ["Claimed", "claim", "go", "lease_until", "payout"]

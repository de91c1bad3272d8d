"""Settlements are paid: the payment of each is initiated once, and each follows what becomes of its payment.

A payment and the word that a settlement is under way are written in one transaction, and the payment's reference is the
settlement's: whoever dies in between, there is one payment or none. What nobody knows is not a failure.
"""

from collections.abc import Sequence
from dataclasses import replace
from datetime import date, datetime, timedelta
from uuid import UUID

from omniroute.infra import events
from omniroute.infra.events import Meta
from omniroute.infra.postgres import Tx
from omniroute.kit import ids
from omniroute.kit.money import Money
from omniroute.kit.refusal import Refusal
from omniroute.money import atc, payments
from omniroute.money.atc import SettlementStatus
from omniroute.money.payments import Initiated, InitiatePayment, PaymentState, PaymentType, Request, Rulebook
from omniroute.money.settlement.batches import told
from omniroute.money.settlement.events import (
    SettlementEvent,
    SettlementFailed,
    SettlementInitiated,
    SettlementSettled,
)
from omniroute.money.settlement.model import BatchState, SettlementBatch
from omniroute.money.settlement.store import SQL, batch_of
from omniroute.parties import partners
from omniroute.ports.rails import Party, PartyKind

META = Meta(actor="system:settlement", channel="worker")
PAUSES = tuple(timedelta(minutes=minutes) for minutes in (1, 5, 15, 60))
FEE_TRIES = 3
FEE_ABOVE_NET = "settlement.fee_above_net"

_NOT_PAID = {
    PaymentState.FAILED: "payment_failed",
    PaymentState.CANCELLED: "payment_cancelled",
    PaymentState.EXPIRED: "payment_expired",
    PaymentState.REVERSED: "payment_reversed",
}


async def pay(tx: Tx, batch_id: UUID, *, rules: Rulebook, now: datetime, today: date) -> SettlementBatch | None:
    """Initiate the payment of a settlement; None: it is not its turn, or somebody else is at it.

    A payment that is refused moves nothing: the settlement says why and is tried again later.
    """
    row = await tx.one_or_none(SQL.take_batch, tenant=tx.tenant, batch=batch_id, now=now)
    if row is None:
        return None
    batch = batch_of(row)
    if batch.net_minor == 0:  # All of it is commission.
        return await _move(tx, replace(batch, state=BatchState.SETTLED), now)
    grant = await atc.find_grant(tx, batch.grant_id)
    assert grant.settlement.account is not None, "a grant says where its grantor is paid"
    try:
        command = _order(batch, grant.settlement.account, rules, now=now, today=today)
    except Refusal as refusal:
        return await _later(tx, batch, refusal.code, now)
    if command is None:
        return await _later(tx, batch, FEE_ABOVE_NET, now)
    request = Request(command, batch.requested_by, None, _meta_of(batch))
    (outcome,) = await payments.initiate(tx, [request], rules=rules, now=now, today=today)
    if not isinstance(outcome, Initiated):
        return await _later(tx, batch, outcome.refusal.code, now)
    payment = outcome.payment
    paid = replace(
        batch, state=BatchState.PROCESSING, payment_id=payment.payment_id, fee_minor=payment.fee_minor, reason=None
    )
    return await _move(tx, paid, now)


def _meta_of(batch: SettlementBatch) -> Meta:
    """Who stands behind the payment of a settlement: who asked for it, or the calendar."""
    return Meta(actor=batch.requested_by, channel="settlement")


def _order(
    batch: SettlementBatch, account: Party, rules: Rulebook, *, now: datetime, today: date
) -> InitiatePayment | None:
    """The payment of a settlement: its net, less what the organisation takes for paying; None: nothing would be left.

    Raises: what rules refuse of a payment, MalformedPayment.
    """

    def order(amount_minor: int) -> InitiatePayment:
        ledger_account = account.kind is PartyKind.LEDGER
        return payments.initiate_payment(
            reference=batch.payment_reference,
            type=PaymentType.INTERNAL_TRANSFER if ledger_account else PaymentType.SUPPLIER_PAYMENT,
            amount=Money(amount_minor, batch.currency),
            source_code=partners.payable(batch.grantor_id, batch.currency),
            payee=account,
            narration=f"Settlement {batch.reference}",
            metadata={"settlement": ids.show("stl", batch.batch_id)},
        )

    taken, most = 0, 0
    for _ in range(FEE_TRIES):
        command = order(batch.net_minor - taken)
        fee = rules.decide(command, actor=batch.requested_by, now=now, today=today).fee_minor
        if fee == taken:
            return command
        taken, most = fee, max(most, fee)  # A smaller amount may cost another fee.
        if most >= batch.net_minor:
            return None
    return order(batch.net_minor - most)  # None fits exactly: what is left over stays owed.


async def _later(tx: Tx, batch: SettlementBatch, reason: str, now: datetime) -> SettlementBatch:
    pause = PAUSES[min(batch.tries, len(PAUSES) - 1)]
    return await _write(tx, replace(batch, reason=reason[:200], tries=batch.tries + 1, try_at=now + pause), now)


async def follow(tx: Tx, payment_ids: Sequence[UUID], *, now: datetime) -> int:
    """Settlements of these payments stand where their payments do; how many have moved. Saying it twice is harmless."""
    rows = await tx.all(SQL.lock_batches_of_payments, tenant=tx.tenant, payments=list(payment_ids))
    batches = [batch_of(row) for row in rows]
    wanted = [one.payment_id for one in batches if one.payment_id is not None]
    standing = {one.payment.payment_id: one.payment for one in await payments.find_payments(tx, wanted)}
    moved = 0
    for batch in batches:
        assert batch.payment_id is not None
        state = standing[batch.payment_id].state
        if state is PaymentState.SUCCEEDED and batch.state is BatchState.PROCESSING:
            await _move(tx, replace(batch, state=BatchState.SETTLED), now)
            moved += 1
        elif state in _NOT_PAID and batch.state in (BatchState.PROCESSING, BatchState.SETTLED):
            await _move(tx, replace(batch, state=BatchState.FAILED, reason=_NOT_PAID[state]), now)
            moved += 1
    return moved


_KINDS: dict[BatchState, tuple[type[SettlementEvent], SettlementStatus]] = {
    BatchState.PROCESSING: (SettlementInitiated, SettlementStatus.PROCESSING),
    BatchState.SETTLED: (SettlementSettled, SettlementStatus.SETTLED),
    BatchState.FAILED: (SettlementFailed, SettlementStatus.PENDING),
}


async def _move(tx: Tx, batch: SettlementBatch, now: datetime) -> SettlementBatch:
    """A settlement comes to stand somewhere else, and all its collections with it."""
    kind, status = _KINDS[batch.state]
    at = {BatchState.SETTLED: (now, None), BatchState.FAILED: (None, now)}.get(batch.state, (None, None))
    moved = await _write(tx, replace(batch, try_at=None, settled_at=at[0], failed_at=at[1]), now)
    await atc.follow_batch(tx, batch.batch_id, status, now=now)
    if batch.state is BatchState.FAILED:
        await tx.execute(SQL.release_items, tenant=tx.tenant, batch=batch.batch_id, now=now)
    await events.append(tx, told(kind, moved), META)
    return moved


async def _write(tx: Tx, batch: SettlementBatch, now: datetime) -> SettlementBatch:
    row = await tx.one(
        SQL.update_batch,
        tenant=tx.tenant,
        batch=batch.batch_id,
        state=batch.state.value,
        reason=batch.reason,
        tries=batch.tries,
        try_at=batch.try_at,
        payment=batch.payment_id,
        fee=batch.fee_minor,
        settled_at=batch.settled_at,
        failed_at=batch.failed_at,
        now=now,
    )
    return batch_of(row)

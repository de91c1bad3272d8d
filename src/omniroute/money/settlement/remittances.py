"""Collectors pay in what they have in hand.

    Dr float of a connection, or the collector's virtual account     what came in
    Dr commission of the collector                                   what they keep
    Cr in hand of the collector                                      both

It is for what was collected first. A collection of which all is paid in is with us, and may be settled. Commission may
be kept of collections that are with us then, and of no others: otherwise it would come out of money nobody has seen.
"""

import re
from datetime import date, datetime
from uuid import UUID

from omniroute import ledger
from omniroute.infra import events
from omniroute.infra.events import Meta
from omniroute.infra.postgres import Tx, read_page
from omniroute.kit.ids import uuid7
from omniroute.kit.money import MINOR_MAX, Money
from omniroute.kit.paging import Page
from omniroute.ledger import Leg, Side
from omniroute.money import atc, collections, connections
from omniroute.money.atc import Allocation
from omniroute.money.settlement.errors import (
    CreditOfAnother,
    KeptTooMuch,
    MalformedRemittance,
    MoreThanInHand,
    RemittanceExists,
    RemittanceNotFound,
)
from omniroute.money.settlement.events import RemittanceRecorded
from omniroute.money.settlement.model import RecordRemittance, Remittance, RemittanceItem
from omniroute.money.settlement.store import REMITTANCES, SQL, remittance_of
from omniroute.parties import partners

_REFERENCE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:/-]{0,63}", re.ASCII)
NOTE_MAX = 500


async def record_remittance(
    tx: Tx, command: RecordRemittance, *, actor: str, now: datetime, today: date, meta: Meta
) -> Remittance:
    """Book money that a collector has paid in, and put it against what they have in hand, the oldest first.

    Raises: MalformedRemittance, PartnerNotFound, RemittanceExists, MoreThanInHand, KeptTooMuch, CreditOfAnother;
    ConnectionNotFound; what collections refuse of a credit; what the ledger refuses.
    """
    _check(command)
    currency, partner_id = command.paid.currency, command.partner_id
    total = command.paid.amount_minor + command.kept_minor
    await partners.find_partner(tx, partner_id)
    await tx.all(SQL.wait_for_collector, partner=str(partner_id))
    if await tx.one_or_none(SQL.find_remittance_by_reference, tenant=tx.tenant, reference=command.reference):
        raise RemittanceExists(reference=command.reference)
    await partners.open_accounts(tx, [partner_id], currency, now=now, meta=meta)
    account_id, credit_id = await _arrived(tx, command, now)
    earned = await _earned(tx, command)
    allocations = await atc.allocate_remittance(
        tx, collector_id=partner_id, currency=currency, amount_minor=total, now=now
    )
    allocated = sum(one.amount_minor for one in allocations)
    if allocated < total:
        raise MoreThanInHand(in_hand_minor=allocated)
    await _check_kept(tx, command, earned)
    booked = await ledger.post_one(tx, _posting(tx.tenant, command, account_id, meta=meta), today=today)
    return await _write(
        tx, command, allocations, account_id, credit_id, booked.transaction_id, actor=actor, now=now, meta=meta
    )


def _check(command: RecordRemittance) -> None:
    if not _REFERENCE.fullmatch(command.reference):
        raise MalformedRemittance(
            "reference: 1 to 64 letters, digits and . _ : / -, the first a letter or digit", field="reference"
        )
    for name, amount in (("paid", command.paid.amount_minor), ("kept", command.kept_minor)):
        if not 0 <= amount <= MINOR_MAX // 2:
            raise MalformedRemittance(f"{name}: nothing or more", field=name)
    if command.paid.amount_minor + command.kept_minor == 0:
        raise MalformedRemittance("paid: something is paid in or kept", field="paid")
    ways = (command.connection_id is not None) + (command.credit is not None)
    if ways != (1 if command.paid.amount_minor else 0):
        raise MalformedRemittance(
            "connection, credit: what was paid in came over one of them; without it neither is named",
            field="connection",
        )
    if command.note is not None and not (1 <= len(command.note) <= NOTE_MAX and command.note.isprintable()):
        raise MalformedRemittance(f"note: 1 to {NOTE_MAX} printable characters", field="note")


async def _arrived(tx: Tx, command: RecordRemittance, now: datetime) -> tuple[UUID | None, UUID | None]:
    """The ledger account on which the money is, and the credit it came as."""
    if command.connection_id is not None:
        connection = await connections.find_connection(tx, command.connection_id)
        if connection.currency != command.paid.currency:
            raise MalformedRemittance(f"currency: the connection is kept in {connection.currency}", field="currency")
        return connection.float_account_id, None
    if command.credit is None:
        return None, None
    named = await collections.find_credit_by_reference(tx, command.credit)
    credit, account = await collections.use_credit(tx, named.credit_id, command.paid, now=now)
    if account.owner_id != command.partner_id:
        raise CreditOfAnother()
    return account.ledger_account_id, credit.credit_id


async def _earned(tx: Tx, command: RecordRemittance) -> int:
    """What stands on the collector's account of commission."""
    account_id = ledger.account_id(tx.tenant, partners.commission(command.partner_id, command.paid.currency))
    balances = await ledger.find_balances(tx, [account_id])
    return balances[account_id].available_minor


async def _check_kept(tx: Tx, command: RecordRemittance, earned_minor: int) -> None:
    """Refuse to keep commission of what is not with us. Looked at after what is earned, and after the allocation: what
    is collected meanwhile can only make it stricter."""
    if not command.kept_minor:
        return
    unfunded = await tx.value(
        SQL.unfunded_commission, tenant=tx.tenant, partner=command.partner_id, currency=command.paid.currency
    )
    if command.kept_minor > earned_minor - unfunded:
        raise KeptTooMuch(earned_minor=max(0, earned_minor - unfunded))


def _posting(tenant_id: UUID, command: RecordRemittance, account_id: UUID | None, *, meta: Meta) -> ledger.Command:
    currency, partner_id = command.paid.currency, command.partner_id
    kept = Money(command.kept_minor, currency)

    def own(code: str) -> UUID:
        return ledger.account_id(tenant_id, code)

    legs = [Leg(own(partners.in_hand(partner_id, currency)), Side.CREDIT, command.paid + kept)]
    if account_id is not None:
        legs.append(Leg(account_id, Side.DEBIT, command.paid))
    if command.kept_minor:
        legs.append(Leg(own(partners.commission(partner_id, currency)), Side.DEBIT, kept))
    return ledger.post_transaction(
        legs, reference=f"remittance:{command.reference}", metadata={"remittance": command.reference}, meta=meta
    )


async def _write(
    tx: Tx,
    command: RecordRemittance,
    allocations: list[Allocation],
    account_id: UUID | None,
    credit_id: UUID | None,
    transaction_id: UUID,
    *,
    actor: str,
    now: datetime,
    meta: Meta,
) -> Remittance:
    remittance_id = uuid7()
    row = await tx.one(
        SQL.insert_remittance,
        tenant=tx.tenant,
        remittance=remittance_id,
        reference=command.reference,
        partner=command.partner_id,
        currency=command.paid.currency,
        paid=command.paid.amount_minor,
        kept=command.kept_minor,
        connection=command.connection_id,
        credit=credit_id,
        account=account_id,
        transaction=transaction_id,
        note=command.note,
        actor=actor,
        now=now,
    )
    items = tuple(RemittanceItem(one.collection_id, one.amount_minor) for one in allocations)
    await tx.execute(
        SQL.insert_remittance_items,
        tenant=tx.tenant,
        remittance=remittance_id,
        collections=[one.collection_id for one in items],
        amounts=[one.amount_minor for one in items],
    )
    told = RemittanceRecorded(
        remittance_id,
        command.reference,
        command.partner_id,
        command.paid.currency,
        command.paid.amount_minor,
        command.kept_minor,
        len(items),
        transaction_id,
    )
    await events.append(tx, told, meta)
    return remittance_of(row, items)


async def find_remittance(tx: Tx, remittance_id: UUID) -> Remittance:
    """One remittance, with the collections it is for. Raises: RemittanceNotFound."""
    row = await tx.one_or_none(SQL.find_remittance, tenant=tx.tenant, remittance=remittance_id)
    if row is None:
        raise RemittanceNotFound()
    items = await tx.all(SQL.find_remittance_items, tenant=tx.tenant, remittance=remittance_id)
    return remittance_of(row, tuple(RemittanceItem(one.collection_id, one.amount_minor) for one in items))


async def list_remittances(
    tx: Tx,
    *,
    partner_id: UUID | None = None,
    sort: str | None = None,
    limit: int | None = None,
    cursor: str | None = None,
) -> Page[Remittance]:
    """A page of remittances, the latest first. Raises: UnknownSort, LimitOutOfRange, MalformedCursor, ForeignCursor."""
    page = await read_page(tx, REMITTANCES, sort=sort, limit=limit, cursor=cursor, tenant=tx.tenant, partner=partner_id)
    return page.map(remittance_of)

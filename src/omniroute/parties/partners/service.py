"""Use cases of partners."""

from collections.abc import Collection, Iterable
from datetime import datetime
from uuid import UUID

from psycopg import errors as pg
from psycopg.types.json import Jsonb

from omniroute import ledger
from omniroute.infra import events
from omniroute.infra.events import Meta
from omniroute.infra.postgres import Tx, read_page
from omniroute.kit import ids
from omniroute.kit.ids import uuid7
from omniroute.kit.paging import LIMIT_MAX, Page
from omniroute.parties.partners import books
from omniroute.parties.partners.errors import (
    PartnerChanged,
    PartnerClosed,
    PartnerCodeTaken,
    PartnerHasMoney,
    PartnerNotFound,
)
from omniroute.parties.partners.events import PartnerClosedForGood, PartnerCreated, PartnerEvent, PartnerUpdated
from omniroute.parties.partners.model import CreatePartner, Partner, PartnerKind, PartnerStatus, ReplacePartner
from omniroute.parties.partners.rules import check_code, check_contact, check_name, check_refs
from omniroute.parties.partners.store import PARTNERS, SQL, account_json, partner_of


async def create_partner(tx: Tx, command: CreatePartner, *, now: datetime, meta: Meta) -> Partner:
    """A new partner. Its accounts on the ledger are opened when they are first needed.

    Raises: MalformedPartner, PartnerCodeTaken.
    """
    check_code(command.code)
    check_contact(command.phone, command.email)
    try:
        async with tx.savepoint():
            row = await tx.one(
                SQL.insert_partner,
                tenant=tx.tenant,
                partner=uuid7(),
                code=command.code,
                kind=command.kind.value,
                name=check_name(command.name),
                phone=command.phone,
                email=command.email,
                account=account_json(command.account),
                refs=Jsonb(check_refs(command.external_refs)),
                now=now,
            )
    except pg.UniqueViolation as error:
        raise PartnerCodeTaken(code=command.code) from error
    partner = partner_of(row)
    await events.append(tx, _told(PartnerCreated, partner), meta)
    return partner


async def update_partner(
    tx: Tx, partner_id: UUID, command: ReplacePartner, *, version: int, now: datetime, meta: Meta
) -> Partner:
    """The partner as it shall be, if it is still as it was read.

    Raises: PartnerNotFound, PartnerClosed, PartnerChanged, MalformedPartner.
    """
    before = await _open(tx, partner_id, version)
    partner = await _store(tx, before, command, PartnerStatus.ACTIVE, now=now)
    await events.append(tx, _told(PartnerUpdated, partner), meta)
    return partner


async def close_partner(tx: Tx, partner_id: UUID, *, version: int, now: datetime, meta: Meta) -> Partner:
    """Nothing new is begun with the partner from now on. All its accounts must be empty.

    Raises: PartnerNotFound, PartnerClosed, PartnerChanged, PartnerHasMoney.
    """
    before = await _open(tx, partner_id, version)
    left = await _with_money(tx, partner_id)
    if left:
        raise PartnerHasMoney(accounts=left)
    kept = ReplacePartner(before.name, before.phone, before.email, before.account, before.external_refs)
    partner = await _store(tx, before, kept, PartnerStatus.CLOSED, now=now)
    await events.append(tx, _told(PartnerClosedForGood, partner), meta)
    return partner


async def _open(tx: Tx, partner_id: UUID, version: int) -> Partner:
    found = await find_partner(tx, partner_id)
    if not found.is_active:
        raise PartnerClosed(code=found.code)
    if found.version != version:
        raise PartnerChanged(version=found.version)
    return found


async def _store(tx: Tx, before: Partner, command: ReplacePartner, status: PartnerStatus, *, now: datetime) -> Partner:
    check_contact(command.phone, command.email)
    row = await tx.one_or_none(
        SQL.update_partner,
        tenant=tx.tenant,
        partner=before.partner_id,
        version=before.version,
        name=check_name(command.name),
        phone=command.phone,
        email=command.email,
        account=account_json(command.account),
        refs=Jsonb(check_refs(command.external_refs)),
        status=status.value,
        now=now,
    )
    if row is None:
        raise PartnerChanged()
    return partner_of(row)


async def _with_money(tx: Tx, partner_id: UUID) -> list[str]:
    """Codes of the partner's accounts that are not empty."""
    page = await ledger.list_accounts(tx, prefix=f"partner:{partner_id}:", limit=LIMIT_MAX)
    codes = {one.account_id: one.code for one in page.items}
    balances = await ledger.find_balances(tx, list(codes))
    return sorted(
        codes[one.account_id]
        for one in balances.values()
        if one.posted_minor or one.pending_debit or one.pending_credit
    )


async def find_partner(tx: Tx, partner_id: UUID) -> Partner:
    """One partner.

    Raises: PartnerNotFound.
    """
    return (await find_partners(tx, [partner_id]))[partner_id]


async def find_partners(tx: Tx, partner_ids: Iterable[UUID]) -> dict[UUID, Partner]:
    """These partners, by id.

    Raises: PartnerNotFound, when one of them is not there.
    """
    wanted = set(partner_ids)
    found = await look_up_partners(tx, wanted)
    if len(found) < len(wanted):
        raise PartnerNotFound(partner=ids.show("ptn", min(wanted - found.keys())))
    return found


async def look_up_partners(tx: Tx, partner_ids: Iterable[UUID]) -> dict[UUID, Partner]:
    """Those of these partners that are there, by id."""
    wanted = sorted(set(partner_ids))
    rows = await tx.all(SQL.find_partners, tenant=tx.tenant, partners=wanted) if wanted else []
    return {row.partner_id: partner_of(row) for row in rows}


async def find_partner_by_code(tx: Tx, code: str) -> Partner:
    """The partner of this code.

    Raises: PartnerNotFound.
    """
    row = await tx.one_or_none(SQL.find_partner_by_code, tenant=tx.tenant, code=code)
    if row is None:
        raise PartnerNotFound(code=code[:40])
    return partner_of(row)


async def list_partners(
    tx: Tx,
    *,
    kind: PartnerKind | None = None,
    status: PartnerStatus | None = None,
    sort: str | None = None,
    limit: int | None = None,
    cursor: str | None = None,
) -> Page[Partner]:
    """A page of partners, by name unless `sort` says otherwise.

    Raises: UnknownSort, LimitOutOfRange, MalformedCursor, ForeignCursor.
    """
    page = await read_page(
        tx,
        PARTNERS,
        sort=sort,
        limit=limit,
        cursor=cursor,
        tenant=tx.tenant,
        kind=None if kind is None else kind.value,
        status=None if status is None else status.value,
    )
    return page.map(partner_of)


async def open_accounts(tx: Tx, partner_ids: Collection[UUID], currency: str, *, now: datetime, meta: Meta) -> None:
    """Open what these partners do not have yet of their accounts in a currency; call it before posting to them.

    Raises: UnknownCurrency.
    """
    wanted = [one for partner_id in sorted(set(partner_ids)) for one in books.accounts(partner_id, currency)]
    await ledger.open_missing(tx, wanted, now=now, meta=meta)


def _told(kind: type[PartnerEvent], partner: Partner) -> PartnerEvent:
    return kind(partner.partner_id, partner.code, partner.kind.value, partner.name, partner.status.value)

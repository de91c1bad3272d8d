"""Writing grants, and looking at them."""

from collections.abc import Collection
from datetime import datetime
from uuid import UUID

from psycopg import errors as pg

from omniroute import ledger
from omniroute.infra import events
from omniroute.infra.events import Meta
from omniroute.infra.postgres import Tx, read_page
from omniroute.kit import ids
from omniroute.kit.ids import uuid7
from omniroute.kit.paging import Page
from omniroute.money.atc.commission import CommissionType
from omniroute.money.atc.conditions import active_parent, active_parties, no_rival
from omniroute.money.atc.errors import GrantExists, GrantNotFound, MalformedGrant
from omniroute.money.atc.events import GrantCreated
from omniroute.money.atc.model import (
    CreateGrant,
    Grant,
    GrantStatus,
    ScopeType,
    collected_code,
)
from omniroute.money.atc.rules import check_period, check_within, clean_grant
from omniroute.money.atc.scopes import customer_of
from omniroute.money.atc.standing import told
from omniroute.money.atc.store import GRANTS, SQL, grant_of, jsonb, read_grants
from omniroute.parties import partners
from omniroute.ports.rails import Party

TREE_MAX = 1_000


async def create_grant(tx: Tx, command: CreateGrant, *, actor: str, now: datetime, meta: Meta) -> Grant:
    """Write a grant; nothing is collected under it before somebody else has approved it.

    Raises: MalformedGrant, UnknownCurrency, PartnerNotFound, PartnerClosed, WrongParty, GrantNotFound (of the parent),
    ParentNotActive, BeyondParent, GrantConflict, GrantExists.
    """
    wanted = clean_grant(command)
    grantor, _ = await active_parties(tx, wanted.grantor_id, wanted.grantee_id)
    account = wanted.settlement.account or grantor.account
    if account is None:
        raise MalformedGrant("settlement_account: say where the grantor is paid", field="settlement_account")
    await _check_customers(tx, wanted)
    parent = await active_parent(tx, wanted.parent_id)
    start = wanted.effective_from or (now if parent is None else max(now, parent.effective_from))
    check_period(start, wanted.effective_to, now=now)
    if parent is not None:
        check_within(wanted, start, parent, await find_line(tx, parent.grant_id))
    grant_id = uuid7()
    if not wanted.is_draft:
        await no_rival(
            tx,
            grant_id=grant_id,
            grantor_id=wanted.grantor_id,
            grantee_id=wanted.grantee_id,
            currency=wanted.currency,
            collection_type=wanted.collection_type,
            scopes=wanted.scopes,
            effective_from=start,
            effective_to=wanted.effective_to,
        )
    depth = 0 if parent is None else parent.depth + 1
    await _insert(tx, grant_id, wanted, account, start=start, depth=depth, actor=actor, now=now)
    grant = await find_grant(tx, grant_id)
    await events.append(tx, told(GrantCreated, grant), meta)
    return grant


async def _check_customers(tx: Tx, wanted: CreateGrant) -> None:
    """Raises: PartnerNotFound."""
    for one in wanted.scopes:
        if one.scope_type is ScopeType.CUSTOMER_ID:
            await partners.find_partners(tx, [customer_of(value) for value in one.scope_values])


async def _insert(
    tx: Tx,
    grant_id: UUID,
    wanted: CreateGrant,
    account: Party,
    *,
    start: datetime,
    depth: int,
    actor: str,
    now: datetime,
) -> None:
    terms, settlement = wanted.commission, wanted.settlement
    reference = wanted.reference or f"ATC-{ids.show('atc', grant_id)[-12:].upper()}"
    is_rated = terms.type in (CommissionType.PERCENTAGE, CommissionType.HYBRID)
    is_flat = terms.type in (CommissionType.FLAT_FEE, CommissionType.HYBRID)
    try:
        async with tx.savepoint():
            await tx.execute(
                SQL.insert_grant,
                tenant=tx.tenant,
                grant=grant_id,
                reference=reference,
                grantor=wanted.grantor_id,
                grantee=wanted.grantee_id,
                scope=wanted.scope.value,
                collection_type=wanted.collection_type.value,
                currency=wanted.currency,
                max_amount=wanted.max_amount_minor,
                cumulative_limit=wanted.cumulative_limit_minor,
                collected_account=ledger.account_id(tx.tenant, collected_code(grant_id)),
                commission_type=terms.type.value,
                rate=terms.rate_ppm if is_rated else None,
                flat=terms.flat_minor if is_flat else None,
                min_commission=terms.min_minor,
                max_commission=terms.max_minor,
                frequency=settlement.frequency.value,
                day=settlement.day,
                delay_days=settlement.delay_days,
                account=jsonb(account),
                status=(GrantStatus.DRAFT if wanted.is_draft else GrantStatus.PENDING_APPROVAL).value,
                effective_from=start,
                effective_to=wanted.effective_to,
                parent=wanted.parent_id,
                depth=depth,
                url=wanted.terms_document_url,
                created_by=actor,
                now=now,
            )
    except pg.UniqueViolation as error:
        raise GrantExists(reference=reference) from error
    await _insert_terms(tx, grant_id, wanted, now)


async def _insert_terms(tx: Tx, grant_id: UUID, wanted: CreateGrant, now: datetime) -> None:
    if wanted.scopes:
        scopes = [
            {"id": str(uuid7()), "type": one.scope_type.value, "values": one.scope_values} for one in wanted.scopes
        ]
        await tx.execute(SQL.insert_scopes, tenant=tx.tenant, grant=grant_id, scopes=jsonb(scopes), now=now)
    tiers = wanted.commission.tiers
    if tiers:
        await tx.execute(
            SQL.insert_tiers,
            tenant=tx.tenant,
            grant=grant_id,
            ids=[uuid7() for _ in tiers],
            numbers=[one.tier_number for one in tiers],
            mins=[one.min_minor for one in tiers],
            maxs=[one.max_minor for one in tiers],
            rates=[one.rate_ppm for one in tiers],
            now=now,
        )


async def find_grant(tx: Tx, grant_id: UUID) -> Grant:
    """One grant. Raises: GrantNotFound."""
    found = (await read_grants(tx, [grant_id])).get(grant_id)
    if found is None:
        raise GrantNotFound()
    return found


async def find_grants(tx: Tx, grant_ids: Collection[UUID]) -> dict[UUID, Grant]:
    """Grants by id; those that are not there are left out."""
    return await read_grants(tx, grant_ids)


async def find_line(tx: Tx, grant_id: UUID) -> list[Grant]:
    """A grant and all above it, itself first, the root last. Raises: GrantNotFound."""
    order = [row.grant_id for row in await tx.all(SQL.find_line, tenant=tx.tenant, grant=grant_id)]
    if not order:
        raise GrantNotFound()
    found = await read_grants(tx, order)
    return [found[one] for one in order]


async def find_tree(tx: Tx, grant_id: UUID) -> list[Grant]:
    """A grant and those below it, parents before children: at most TREE_MAX. Raises: GrantNotFound."""
    rows = await tx.all(SQL.find_tree, tenant=tx.tenant, grant=grant_id, limit=TREE_MAX)
    if not rows:
        raise GrantNotFound()
    found = await read_grants(tx, [row.grant_id for row in rows])
    return [found[row.grant_id] for row in rows]


async def find_collected(tx: Tx, grants: Collection[Grant]) -> dict[UUID, int | None]:
    """What was collected under each grant so far, in minor units, as the ledger says.

    None: who asks does not see that account, because they are bound to branches.
    """
    accounts = {one.collected_account_id: one.grant_id for one in grants if one.approved_at is not None}
    balances = await ledger.find_balances(tx, list(accounts)) if accounts else {}
    found = {accounts[account]: balance.posted_minor for account, balance in balances.items()}
    return {one.grant_id: 0 if one.approved_at is None else found.get(one.grant_id) for one in grants}


async def list_grants(
    tx: Tx,
    *,
    status: GrantStatus | None = None,
    grantor_id: UUID | None = None,
    grantee_id: UUID | None = None,
    parent_id: UUID | None = None,
    sort: str | None = None,
    limit: int | None = None,
    cursor: str | None = None,
) -> Page[Grant]:
    """A page of grants, the latest first. Raises: UnknownSort, LimitOutOfRange, MalformedCursor, ForeignCursor."""
    page = await read_page(
        tx,
        GRANTS,
        sort=sort,
        limit=limit,
        cursor=cursor,
        tenant=tx.tenant,
        status=None if status is None else status.value,
        grantor=grantor_id,
        grantee=grantee_id,
        parent=parent_id,
    )
    return page.map(grant_of)

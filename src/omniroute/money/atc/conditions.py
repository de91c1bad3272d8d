"""What has to hold around a grant when it is written or moves on: its parent, its parties, other grants, two people."""

from datetime import datetime
from uuid import UUID

from omniroute.infra.postgres import Tx
from omniroute.kit import ids
from omniroute.money.atc.errors import ApproverIsAuthor, GrantConflict, GrantNotFound, ParentNotActive, WrongParty
from omniroute.money.atc.model import PARTY_KINDS, CollectionType, Grant, GrantStatus, ScopeConfig
from omniroute.money.atc.scopes import methods_overlap, overlap
from omniroute.money.atc.store import SQL, read_grants
from omniroute.parties import partners
from omniroute.parties.partners import Partner, PartnerClosed


async def active_parent(tx: Tx, parent_id: UUID | None) -> Grant | None:
    """The grant that is passed on, which stays as it is until the transaction ends.

    Raises: GrantNotFound, ParentNotActive.
    """
    if parent_id is None:
        return None
    await tx.one_or_none(SQL.share_grant, tenant=tx.tenant, grant=parent_id)
    parent = (await read_grants(tx, [parent_id])).get(parent_id)
    if parent is None:
        raise GrantNotFound(grant=ids.show("atc", parent_id))
    if parent.status is not GrantStatus.ACTIVE:
        raise ParentNotActive(reference=parent.reference, status=parent.status.value)
    return parent


async def active_parties(tx: Tx, grantor_id: UUID, grantee_id: UUID) -> tuple[Partner, Partner]:
    """Who gives and who receives. Raises: PartnerNotFound, PartnerClosed, WrongParty."""
    found = await partners.find_partners(tx, [grantor_id, grantee_id])
    for one in (found[grantor_id], found[grantee_id]):
        if not one.is_active:
            raise PartnerClosed(code=one.code)
        if one.kind not in PARTY_KINDS:
            kinds = ", ".join(sorted(PARTY_KINDS))
            raise WrongParty(f"{one.code} is a {one.kind}; authority is between {kinds}", code=one.code)
    return found[grantor_id], found[grantee_id]


async def no_rival(
    tx: Tx,
    *,
    grant_id: UUID,
    grantor_id: UUID,
    grantee_id: UUID,
    currency: str,
    collection_type: CollectionType,
    scopes: tuple[ScopeConfig, ...],
    effective_from: datetime,
    effective_to: datetime | None,
) -> None:
    """Refuse what another live grant of these two covers in part; nobody else writes one until the transaction ends.

    Raises: GrantConflict.
    """
    await tx.execute(SQL.one_at_a_time, key=f"{tx.tenant}.{grantor_id}.{grantee_id}.{currency}")
    rows = await tx.all(
        SQL.find_rivals,
        tenant=tx.tenant,
        grant=grant_id,
        grantor=grantor_id,
        grantee=grantee_id,
        currency=currency,
        effective_from=effective_from,
        effective_to=effective_to,
    )
    found = await read_grants(tx, [row.grant_id for row in rows])
    for rival in (found[row.grant_id] for row in rows):
        if methods_overlap(rival.collection_type, collection_type) and overlap(rival.scopes, scopes):
            raise GrantConflict(f"{rival.reference} covers some of this already", reference=rival.reference)


async def another_person(tx: Tx, grant: Grant, actor: str) -> None:
    """Refuse its author as the one who decides, by whatever key they come. Raises: ApproverIsAuthor."""
    if (await tx.one(SQL.same_person, one=grant.created_by, other=actor)).same:
        raise ApproverIsAuthor()

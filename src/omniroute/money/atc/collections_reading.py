"""Looking at collections."""

from datetime import datetime
from uuid import UUID

from omniroute.infra.postgres import Tx, read_page
from omniroute.kit.paging import Page
from omniroute.money.atc.collections_errors import CollectionNotFound
from omniroute.money.atc.collections_model import Collection, SettlementStatus
from omniroute.money.atc.collections_store import COLLECTIONS, SQL, collection_of


async def find_collection(tx: Tx, collection_id: UUID) -> tuple[Collection, ...]:
    """All levels of a collection, by the id of any of them; the collector's first. Raises: CollectionNotFound."""
    rows = await tx.all(SQL.find_levels, tenant=tx.tenant, collection=collection_id)
    if not rows:
        raise CollectionNotFound()
    return tuple(collection_of(row) for row in rows)


async def list_collections(
    tx: Tx,
    *,
    grant_id: UUID | None = None,
    grantee_id: UUID | None = None,
    collected_from_id: UUID | None = None,
    settlement_batch_id: UUID | None = None,
    status: SettlementStatus | None = None,
    reference: str | None = None,
    created_from: datetime | None = None,
    created_to: datetime | None = None,
    sort: str | None = None,
    limit: int | None = None,
    cursor: str | None = None,
) -> Page[Collection]:
    """A page of collections, each level by itself; `created_from` inclusive, `created_to` exclusive.

    Raises: UnknownSort, LimitOutOfRange, MalformedCursor, ForeignCursor.
    """
    page = await read_page(
        tx,
        COLLECTIONS,
        sort=sort,
        limit=limit,
        cursor=cursor,
        tenant=tx.tenant,
        grant=grant_id,
        grantee=grantee_id,
        payer=collected_from_id,
        batch=settlement_batch_id,
        status=None if status is None else status.value,
        reference=reference,
        created_from=created_from,
        created_to=created_to,
    )
    return page.map(collection_of)

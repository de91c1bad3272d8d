"""Settlements: which collections are paid out together, and where that stands."""

from datetime import date, datetime
from uuid import UUID
from zoneinfo import ZoneInfo

from omniroute.infra import events
from omniroute.infra.events import Meta
from omniroute.infra.postgres import Tx, read_page
from omniroute.kit import ids
from omniroute.kit.ids import uuid7
from omniroute.kit.paging import Page
from omniroute.money import atc
from omniroute.money.atc import Grant
from omniroute.money.settlement.errors import NotARootGrant, NothingDue, SettlementNotFound
from omniroute.money.settlement.events import SettlementCreated, SettlementEvent
from omniroute.money.settlement.model import BatchState, Cause, SettlementBatch
from omniroute.money.settlement.periods import Period
from omniroute.money.settlement.store import SETTLEMENTS, SQL, batch_of
from omniroute.parties import tenants

COLLECTIONS_MAX = 5_000
"""Collections of one settlement; what is more goes into another."""


async def settle_now(tx: Tx, grant_id: UUID, *, actor: str, now: datetime, meta: Meta) -> SettlementBatch:
    """Settle what is due under a root grant, whatever its calendar says. Its payment is initiated in the background.

    Raises: GrantNotFound, NotARootGrant, NothingDue.
    """
    grant = await atc.find_grant(tx, grant_id)
    if grant.parent_id is not None:
        root = (await atc.find_line(tx, grant_id))[-1]
        raise NotARootGrant(root=ids.show("atc", root.grant_id))
    await tx.all(SQL.wait_for_grant, grant=str(grant_id))
    zone = ZoneInfo((await tenants.get_organisation(tx)).time_zone)
    batch = await settle_up_to(tx, grant, Cause.DEMAND, zone=zone, actor=actor, now=now, meta=meta)
    if batch is None:
        raise NothingDue()
    return batch


async def settle_up_to(
    tx: Tx, grant: Grant, cause: Cause, *, zone: ZoneInfo, actor: str, now: datetime, meta: Meta
) -> SettlementBatch | None:
    """Settle what is due today; None: nothing is. Whoever calls has the grant to himself (`take_grant`)."""
    last = await tx.value(SQL.last_end, tenant=tx.tenant, grant=grant.grant_id)
    start = grant.effective_from if last is None else max(last, grant.effective_from)
    today = now.astimezone(zone).date()
    return await _create(tx, grant, cause, (min(start, now), now), today, None, actor=actor, now=now, meta=meta)


async def settle_period(
    tx: Tx, grant: Grant, period: Period, *, zone: ZoneInfo, actor: str, now: datetime, meta: Meta
) -> SettlementBatch | None:
    """Settle what was collected before the end of a period and is due by then; None: nothing is.

    Whoever calls has the grant to himself (`take_grant`).
    """
    span, end = period.instants(zone), period.end_on
    return await _create(tx, grant, Cause.CALENDAR, span, end, end, actor=actor, now=now, meta=meta)


async def _create(
    tx: Tx,
    grant: Grant,
    cause: Cause,
    span: tuple[datetime, datetime],
    until_on: date,
    before_on: date | None,
    *,
    actor: str,
    now: datetime,
    meta: Meta,
) -> SettlementBatch | None:
    found = await atc.lock_due_collections(tx, grant.grant_id, until_on=until_on, limit=COLLECTIONS_MAX)
    chosen = [one for one in found if before_on is None or one.collected_on < before_on]
    if not chosen:
        return None
    batch_id = uuid7()
    gross = [one.gross_minor for one in chosen]
    commission = [one.commission_minor for one in chosen]
    net = [one.net_minor for one in chosen]
    start, end = span
    row = await tx.one(
        SQL.insert_batch,
        tenant=tx.tenant,
        batch=batch_id,
        reference=f"STL-{now:%Y%m%d}-{batch_id.hex[-12:]}",
        grant=grant.grant_id,
        grantor=grant.grantor_id,
        currency=grant.currency,
        cause=cause.value,
        start=start,
        end=end,
        count=len(chosen),
        gross=sum(gross),
        commission=sum(commission),
        net=sum(net),
        actor=actor,
        now=now,
    )
    members = [one.collection_id for one in chosen]
    await tx.execute(
        SQL.insert_items,
        tenant=tx.tenant,
        batch=batch_id,
        collections=members,
        gross=gross,
        commission=commission,
        net=net,
    )
    await atc.place_in_batch(tx, members, batch_id)
    batch = batch_of(row)
    await events.append(tx, told(SettlementCreated, batch), meta)
    return batch


async def find_batch(tx: Tx, batch_id: UUID) -> SettlementBatch:
    """One settlement. Raises: SettlementNotFound."""
    row = await tx.one_or_none(SQL.find_batch, tenant=tx.tenant, batch=batch_id)
    if row is None:
        raise SettlementNotFound()
    return batch_of(row)


async def list_batches(
    tx: Tx,
    *,
    state: BatchState | None = None,
    grant_id: UUID | None = None,
    grantor_id: UUID | None = None,
    sort: str | None = None,
    limit: int | None = None,
    cursor: str | None = None,
) -> Page[SettlementBatch]:
    """A page of settlements, the latest first. Raises: UnknownSort, LimitOutOfRange, MalformedCursor, ForeignCursor."""
    page = await read_page(
        tx,
        SETTLEMENTS,
        sort=sort,
        limit=limit,
        cursor=cursor,
        tenant=tx.tenant,
        state=None if state is None else state.value,
        grant=grant_id,
        grantor=grantor_id,
    )
    return page.map(batch_of)


def told(kind: type[SettlementEvent], batch: SettlementBatch) -> SettlementEvent:
    """The event of a settlement as it stands."""
    return kind(
        batch.batch_id,
        batch.reference,
        batch.grant_id,
        batch.grantor_id,
        batch.currency,
        batch.collection_count,
        batch.gross_minor,
        batch.commission_minor,
        batch.net_minor,
        batch.fee_minor,
        batch.state.value,
        batch.reason,
        batch.payment_id,
    )

"""The log of deliveries, and sending again what is in it."""

from datetime import datetime, timedelta
from uuid import UUID

from omniroute.infra.events import Recorded, newest
from omniroute.infra.postgres import Database, Tx, read_page
from omniroute.kit.paging import Page
from omniroute.parties.webhooks.errors import DeliveryNotFound, EndpointDisabled, ReplayTooLarge
from omniroute.parties.webhooks.events import EndpointTested
from omniroute.parties.webhooks.model import (
    REPLAY_MAX,
    Attempt,
    Delivery,
    DeliveryStatus,
    Endpoint,
    EndpointStatus,
)
from omniroute.parties.webhooks.rules import wants
from omniroute.parties.webhooks.service import find_endpoint
from omniroute.parties.webhooks.store import DELIVERIES, SQL, attempt_of, delivery_of, queue

_PAGE = 1_000
_PAGES_MAX = 200
_MARGIN = timedelta(minutes=10)
"""An event is stamped when its transaction begins and numbered later; nothing of ours runs longer than this."""

_PURGE = 1_000


async def get_delivery(tx: Tx, delivery_id: UUID) -> tuple[Delivery, list[Attempt]]:
    """One delivery with its attempts, the first one first. Raises: DeliveryNotFound."""
    row = await tx.one_or_none(SQL.find_delivery, tenant=tx.tenant, delivery=delivery_id)
    if row is None:
        raise DeliveryNotFound()
    attempts = await tx.all(SQL.list_attempts, tenant=tx.tenant, delivery=delivery_id)
    return delivery_of(row), [attempt_of(one) for one in attempts]


async def list_deliveries(
    tx: Tx,
    *,
    endpoint_id: UUID | None = None,
    status: DeliveryStatus | None = None,
    event_type: str | None = None,
    subject: UUID | None = None,
    sort: str | None = None,
    limit: int | None = None,
    cursor: str | None = None,
) -> Page[Delivery]:
    """A page of deliveries, the newest event first unless `sort` says otherwise.

    Raises: UnknownSort, LimitOutOfRange, MalformedCursor, ForeignCursor.
    """
    page = await read_page(
        tx,
        DELIVERIES,
        sort=sort,
        limit=limit,
        cursor=cursor,
        tenant=tx.tenant,
        endpoint=endpoint_id,
        status=None if status is None else status.value,
        type=event_type,
        subject=subject,
    )
    return page.map(delivery_of)


async def replay_delivery(tx: Tx, delivery_id: UUID, *, now: datetime) -> Delivery:
    """Send a delivery again at once, out of turn and also while its endpoint is paused or disabled.

    One that waits for its next attempt gets it now, in turn. The message keeps its id: receivers know it again.

    Raises: DeliveryNotFound, EndpointNotFound.
    """
    row = await tx.one_or_none(SQL.find_delivery, tenant=tx.tenant, delivery=delivery_id)
    if row is None:
        raise DeliveryNotFound()
    await find_endpoint(tx, row.endpoint_id)
    return delivery_of(await tx.one(SQL.replay_delivery, tenant=tx.tenant, delivery=delivery_id, now=now))


async def replay_since(tx: Tx, endpoint_id: UUID, since: datetime, *, everything: bool, now: datetime) -> int:
    """Queue again, in their order, the events since an instant that the endpoint did not take; how many.

    Those it never saw, because it was disabled or chose other events then, are among them. `everything`: also those
    it took.

    Raises: EndpointNotFound, EndpointDisabled, ReplayTooLarge (nothing is queued).
    """
    endpoint = await find_endpoint(tx, endpoint_id)
    if endpoint.status is EndpointStatus.DISABLED:
        raise EndpointDisabled(reason=endpoint.status_reason)
    params = {"tenant": tx.tenant, "endpoint": endpoint_id, "since": since, "everything": everything}
    known = await tx.value(SQL.count_replay, **params, bound=REPLAY_MAX + 1)
    missed = await _missed(tx, endpoint, since, REPLAY_MAX - known)
    again = await tx.execute(SQL.replay_deliveries, **params, now=now)
    return again + await queue(tx, [(endpoint_id, event, False) for event in missed], now)


async def _missed(tx: Tx, endpoint: Endpoint, since: datetime, room: int) -> list[Recorded]:
    """Events since then that the endpoint wants now and has no delivery of, the oldest first."""
    found: list[Recorded] = []
    before: int | None = None
    for _ in range(_PAGES_MAX):
        if len(found) > room or room < 0:
            break
        page = await newest(tx, before=before, limit=_PAGE)
        wanted = [event for event in page if event.recorded_at >= since and _is_wanted(endpoint, event)]
        seqs = [event.position for event in wanted]
        rows = await tx.all(SQL.known_deliveries, tenant=tx.tenant, endpoint=endpoint.endpoint_id, seqs=seqs)
        known = {row.event_seq for row in rows}
        found += [event for event in wanted if event.position not in known]
        if len(page) < _PAGE or max(event.recorded_at for event in page) < since - _MARGIN:
            if len(found) > room:
                break
            return found[::-1]
        before = page[-1].position
    raise ReplayTooLarge(deliveries_max=REPLAY_MAX)


def _is_wanted(endpoint: Endpoint, event: Recorded) -> bool:
    return event.type != EndpointTested.topic and wants(endpoint.event_types, event.type)


async def purge(db: Database, *, before: datetime) -> int:
    """Forget deliveries that were over before this instant, with their attempts, and secrets that ended; how many
    deliveries. `db` is the background's."""
    total = 0
    while True:
        async with db.tx() as tx:
            gone = int(await tx.value(SQL.purge_deliveries, before=before, limit=_PURGE))
        total += gone
        if gone < _PURGE:
            break
    async with db.tx() as tx:
        await tx.value(SQL.purge_secrets, before=before)
    return total

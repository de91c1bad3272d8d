"""From the event log to the queues of endpoints: each committed event once for each endpoint that wants it.

The cursor moves only after the deliveries are queued, and an event is queued for an endpoint at most once, so a crash
in between is done again and changes nothing. Endpoints and events are read in one snapshot: whoever sees an event also
sees every endpoint that was committed before it.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from omniroute.infra.events import Recorded, advance, position, present, read
from omniroute.infra.postgres import Database, Tx
from omniroute.parties.webhooks.events import EndpointTested
from omniroute.parties.webhooks.model import EndpointStatus
from omniroute.parties.webhooks.rules import wants
from omniroute.parties.webhooks.store import SQL, queue

CONSUMER = "webhooks"
PAGE = 1_000
_IDLE_XIDS_MAX = 5_000


@dataclass(frozen=True, slots=True)
class Listener:
    """As much of an endpoint as deciding needs."""

    endpoint_id: UUID
    event_types: tuple[str, ...]
    is_queued: bool
    since_top: int
    since_open: frozenset[int]

    def hears(self, event: Recorded) -> bool:
        """Whether an event is queued for this endpoint."""
        if event.type == EndpointTested.topic:
            return event.subject == self.endpoint_id
        return self.is_queued and wants(self.event_types, event.type) and self._is_after(event)

    def _is_after(self, event: Recorded) -> bool:
        """The event was not yet committed when the endpoint was made."""
        return event.xid >= self.since_top or event.xid in self.since_open


async def feed(db: Database, *, now: datetime, page: int = PAGE) -> int:
    """Queue the next events; how many were read. `db` is the background's. Any number of processes may do it."""
    async with db.tx() as tx:
        was, stale = await position(tx, CONSUMER)
    async with db.tx(readonly=True) as tx:
        listeners = await _listeners(tx)
        if listeners:
            types = {one for group in listeners.values() for endpoint in group for one in endpoint.event_types}
            found, cursor = await read(
                tx,
                was,
                limit=page,
                types=sorted({*types, EndpointTested.topic}),
                tenants=list(listeners),
                bare=True,
            )
        else:
            found, cursor = [], await present(tx)
    by_tenant: dict[UUID, list[Recorded]] = {}
    for event in found:
        by_tenant.setdefault(event.tenant_id, []).append(event)
    for tenant_id, events in by_tenant.items():
        wanted = _wanted(listeners[tenant_id], events)
        if wanted:
            async with db.tx(tenant_id) as tx:
                await queue(tx, wanted, now)
    if found or stale or cursor.until.top - was.until.top > _IDLE_XIDS_MAX:
        async with db.tx() as tx:
            await advance(tx, CONSUMER, was, cursor)
    return len(found)


async def _listeners(tx: Tx) -> dict[UUID, list[Listener]]:
    found: dict[UUID, list[Listener]] = {}
    for row in await tx.all(SQL.listening_endpoints):
        found.setdefault(row.tenant_id, []).append(
            Listener(
                row.endpoint_id,
                tuple(row.event_types),
                row.status in (EndpointStatus.ACTIVE, EndpointStatus.PAUSED),
                row.since_top,
                frozenset(row.since_open),
            )
        )
    return found


def _wanted(listeners: Sequence[Listener], events: Sequence[Recorded]) -> list[tuple[UUID, Recorded, bool]]:
    return [
        (listener.endpoint_id, event, event.type == EndpointTested.topic)
        for event in events
        for listener in listeners
        if listener.hears(event)
    ]

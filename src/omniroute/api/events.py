"""The event log over HTTP: what happened, in order, from a cursor on."""

from typing import Annotated, Any
from uuid import UUID

from msgspec import Meta

from omniroute.api.call import Call
from omniroute.api.operations import operation
from omniroute.api.shapes import In, Out
from omniroute.infra import events
from omniroute.infra.postgres import Tx
from omniroute.kit.paging import check_limit
from omniroute.parties.access import Permission


class EventsIn(In):
    """Which events. `type` may end with a star: `ledger.*`."""

    limit: Annotated[int, Meta(ge=1, le=500)] | None = None
    cursor: Annotated[str, Meta(min_length=1, max_length=16_000)] | None = None
    type: Annotated[str, Meta(min_length=1, max_length=100)] | None = None
    subject: UUID | None = None


class EventsOut(Out):
    """Events in order (CloudEvents 1.0). Go on with `next_cursor`, also when nothing came: more will."""

    items: list[dict[str, Any]]
    next_cursor: str


@operation(
    "GET", "/v1/{tenant}/events", tag="Events", permission=Permission.AUDIT_READ, whole=True, query=EventsIn,
    reply=EventsOut, refusals=("kit.malformed_cursor",), example_query={"type": "ledger.*"},
)  # fmt: skip
async def list_events(call: Call, tx: Tx, query: EventsIn) -> EventsOut:
    """Read events from a cursor on.

    Each committed event comes once, never before its commit; events of one subject come in their order.
    """
    cursor = events.Cursor() if query.cursor is None else events.Cursor.parse(query.cursor)
    types = None if query.type is None else [query.type]
    found, following = await events.read(tx, cursor, limit=check_limit(query.limit), types=types, subject=query.subject)
    return EventsOut(items=[events.envelope(one) for one in found], next_cursor=following.show())

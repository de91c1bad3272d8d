"""Events into the log, and rows of it back into values."""

import json
from collections.abc import Sequence
from uuid import UUID

from omniroute.infra.events.encoding import event_data
from omniroute.infra.events.model import Event, Meta
from omniroute.infra.postgres import TextArray, Tx, UuidArray, load
from omniroute.kit.ids import uuid7

SQL = load("omniroute.infra.events")

NO_META = Meta()


async def append(tx: Tx, event: Event, meta: Meta = NO_META) -> UUID:
    """Record one event with the change that `tx` makes; its id.

    Call it after the rows of the change are locked: the order of events follows the order of locks.
    """
    return (await append_many(tx, [event], meta))[0]


async def append_many(tx: Tx, events: Sequence[Event], meta: Meta = NO_META) -> list[UUID]:
    """Record events, in this order, with the change that `tx` makes; their ids. One round trip."""
    if not events:
        return []
    ids = [uuid7() for _ in events]
    await tx.execute(
        SQL.append_events,
        ids=ids,
        types=[event.topic for event in events],
        versions=[event.version for event in events],
        subjects=[event.subject for event in events],
        data=[None if event.derived else json.dumps(event_data(event)) for event in events],
        correlation_id=meta.correlation_id,
        causation_id=meta.causation_id,
        actor=meta.actor,
        channel=meta.channel,
    )
    return ids


async def append_each(tx: Tx, events: Sequence[tuple[Event, Meta]]) -> list[UUID]:
    """Record events of several origins, in this order, with the change that `tx` makes; their ids. One round trip."""
    if not events:
        return []
    ids = [uuid7() for _ in events]
    await tx.execute(
        SQL.append_each_event,
        ids=UuidArray.of(ids),
        types=TextArray.of([event.topic for event, _ in events]),
        versions=[event.version for event, _ in events],
        subjects=UuidArray.of([event.subject for event, _ in events]),
        data=TextArray.of([None if event.derived else json.dumps(event_data(event)) for event, _ in events]),
        correlation_ids=UuidArray.of([meta.correlation_id for _, meta in events]),
        causation_ids=UuidArray.of([meta.causation_id for _, meta in events]),
        actors=TextArray.of([meta.actor for _, meta in events]),
        channels=TextArray.of([meta.channel for _, meta in events]),
    )
    return ids

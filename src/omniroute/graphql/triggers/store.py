"""Deliveries of event triggers as rows, and dead letters in the hands of people."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from omniroute.graphql.encoding import encode
from omniroute.graphql.metadata.tree import Metadata, Name
from omniroute.graphql.triggers.definitions import read_triggers
from omniroute.infra.postgres import Database, TextArray, Tx, UuidArray, load
from omniroute.kit.ids import uuid7
from omniroute.kit.refusal import Kind, Refusal

SQL = load("omniroute.graphql.triggers")

LIST_MAX = 1_000
PURGED_AT_ONCE = 5_000


class TriggerNotFound(Refusal):
    """There is no event trigger of this name that may be invoked by hand (`enable_manual`)."""

    code = "graphql.trigger_not_found"
    kind = Kind.NOT_FOUND


class DeliveryNotFound(Refusal):
    """There is no such delivery of an event trigger, or it is still under way."""

    code = "graphql.delivery_not_found"
    kind = Kind.NOT_FOUND


@dataclass(frozen=True, slots=True)
class Letter:
    """What a trigger has to tell. `position`: of the event in the log; None: asked for by hand."""

    trigger: str
    table: Name
    position: int | None
    subject: UUID
    event: Mapping[str, Any]
    happened_at: datetime


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """A delivery whose last attempt failed."""

    delivery_id: UUID
    trigger: str
    table: Name
    subject: UUID
    event: str
    try_count: int
    last_status: int | None
    last_reason: str | None
    happened_at: datetime
    failed_at: datetime


async def queue(tx: Tx, letters: Sequence[Letter], now: datetime) -> list[UUID]:
    """Queue letters, each event once for its trigger; the ids they would have."""
    ids = [uuid7() for _ in letters]
    await tx.execute(
        SQL.queue_deliveries,
        tenant=tx.tenant,
        deliveries=UuidArray.of(ids),
        triggers=TextArray.of([one.trigger for one in letters]),
        schemas=TextArray.of([one.table.schema for one in letters]),
        tables=TextArray.of([one.table.name for one in letters]),
        seqs=[one.position for one in letters],
        subjects=UuidArray.of([one.subject for one in letters]),
        events=TextArray.of([encode(dict(one.event)) for one in letters]),
        instants=[one.happened_at for one in letters],
        now=now,
    )
    return ids


async def invoke(
    tx: Tx, metadata: Metadata, trigger: str, payload: Any, *, session: Mapping[str, str], now: datetime
) -> UUID:
    """Have a trigger tell a payload, as Hasura's console does; the id of the delivery.

    Raises: TriggerNotFound.
    """
    found = [one for one in read_triggers(metadata) if one.name == trigger and one.is_manual]
    if not found:
        raise TriggerNotFound(trigger=trigger)
    event = {
        "session_variables": dict(session),
        "op": "MANUAL",
        "data": {"old": None, "new": payload},
        "trace_context": None,
    }
    [delivery_id] = await queue(tx, [Letter(trigger, found[0].table, None, uuid7(), event, now)], now)
    return delivery_id


async def dead_letters(
    tx: Tx, *, trigger: str | None = None, after: UUID | None = None, limit: int = 100
) -> list[DeadLetter]:
    """Deliveries of the organisation that failed for good, the oldest first; `after` is the last one seen."""
    rows = await tx.all(
        SQL.list_failed, tenant=tx.tenant, trigger=trigger, after=after, limit=max(1, min(limit, LIST_MAX))
    )
    return [
        DeadLetter(
            row.delivery_id,
            row.trigger_name,
            Name(row.table_schema, row.table_name),
            row.subject,
            row.event,
            row.try_count,
            row.last_status,
            row.last_reason,
            row.happened_at,
            row.finished_at,
        )
        for row in rows
    ]


async def redeliver(tx: Tx, delivery_id: UUID, *, now: datetime) -> None:
    """Send a delivery that is over again, with all its retries.

    Raises: DeliveryNotFound.
    """
    if not await tx.all(SQL.redeliver, tenant=tx.tenant, delivery=delivery_id, trigger=None, now=now):
        raise DeliveryNotFound()


async def redeliver_all(tx: Tx, trigger: str, *, now: datetime) -> int:
    """Send all dead letters of a trigger again; how many."""
    return len(await tx.all(SQL.redeliver, tenant=tx.tenant, delivery=None, trigger=trigger, now=now))


async def purge(db: Database, *, before: datetime) -> int:
    """Forget what was queued before this instant and is over, or waits for a trigger that is no more; how many."""
    async with db.tx() as tx:
        return int(await tx.value(SQL.purge, before=before, limit=PURGED_AT_ONCE))

"""From the event log to the queues of event triggers: each committed event once for each trigger that listens.

The cursor moves only after the deliveries are queued, and an event is queued for a trigger at most once, so a crash in
between is done again and changes nothing. The log never skips a late commit, and gives the events of one subject in
their order.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any
from uuid import UUID

from psycopg import sql
from psycopg.rows import tuple_row

from omniroute.graphql.calling import Calls
from omniroute.graphql.metadata.tree import Metadata, Name
from omniroute.graphql.triggers.definitions import Listened, Op, RowEvents, Trigger, read_triggers
from omniroute.graphql.triggers.store import Letter, queue
from omniroute.infra.events import Recorded, advance, enrol, history, position, present, read
from omniroute.infra.postgres import Database, Tx
from omniroute.kit.clock import Clock

CONSUMER = "graphql.triggers"
PAGE = 500
_IDLE_XIDS_MAX = 5_000
_LOOK_BACK = 20


@dataclass(frozen=True, slots=True)
class _Happened:
    """An event that a trigger listens to."""

    event: Recorded
    source: RowEvents
    trigger: Trigger
    op: Op
    listened: Listened


class Feeder:
    """Queues what event triggers have to tell. `db` is the doors' and reads rows, `worker_db` the background's.

    Triggers that need a variable without a value hear nothing until it has one.
    """

    def __init__(
        self,
        db: Database,
        worker_db: Database,
        metadata: Metadata,
        calls: Calls,
        sources: Sequence[RowEvents],
        *,
        clock: Clock,
    ) -> None:
        self._db, self._worker_db, self._clock = db, worker_db, clock
        triggers = [one for one in read_triggers(metadata) if one.ops and not calls.missing(one.address, one.headers)]
        self._heard = [(one, [trigger for trigger in triggers if trigger.table == one.table]) for one in sources]
        self._types = sorted({name for source, listening in self._heard if listening for name in source.types})
        self._enrolled = False

    async def feed(self) -> int:
        """Queue what the next events change; how many were read. Any number of processes may do it."""
        async with self._worker_db.tx() as tx:
            if not self._enrolled:
                # What was before the first start is nobody's to hear.
                await enrol(tx, CONSUMER, await present(tx))
            was, stale = await position(tx, CONSUMER)
        self._enrolled = True
        async with self._worker_db.tx(readonly=True) as tx:
            if self._types:
                found, cursor = await read(tx, was, limit=PAGE, types=self._types)
            else:
                found, cursor = [], await present(tx)
        by_tenant: dict[UUID, list[_Happened]] = {}
        for event in found:
            by_tenant.setdefault(event.tenant_id, []).extend(self._happened(event))
        for tenant_id, happened in by_tenant.items():
            letters = await self._letters(tenant_id, happened)
            if letters:
                async with self._worker_db.tx(tenant_id) as tx:
                    await queue(tx, letters, self._clock.now())
        if found or stale or cursor.until.top - was.until.top > _IDLE_XIDS_MAX:
            async with self._worker_db.tx() as tx:
                await advance(tx, CONSUMER, was, cursor)
        return len(found)

    def _happened(self, event: Recorded) -> list[_Happened]:
        found = []
        for source, triggers in self._heard:
            op = source.op(event.type)
            if op is not None:
                found += [_Happened(event, source, one, op, one.ops[op]) for one in triggers if op in one.ops]
        return found

    async def _letters(self, tenant_id: UUID, happened: Sequence[_Happened]) -> list[Letter]:
        letters = []
        async with self._db.tx(tenant_id, readonly=True) as tx:
            rows = await _rows(tx, happened)
            for one in happened:
                before = None if one.op == "INSERT" else await _before(tx, one)
                if _concerns(one, before):
                    row = rows.get((one.trigger.table, one.event.subject))
                    letters.append(_letter(one, before, row))
        return letters


async def _rows(tx: Tx, happened: Sequence[_Happened]) -> dict[tuple[Name, UUID], dict[str, Any]]:
    """The rows as they are now, one query a table."""
    wanted: dict[tuple[Name, str], set[UUID]] = {}
    for one in happened:
        if one.op != "DELETE":
            wanted.setdefault((one.source.table, one.source.key), set()).add(one.event.subject)
    found: dict[tuple[Name, UUID], dict[str, Any]] = {}
    for (table, key), subjects in wanted.items():
        text = sql.SQL("SELECT t.{key}::text, row_to_json(t)::text FROM {table} t WHERE t.{key} = ANY (%s)").format(
            key=sql.Identifier(key), table=sql.Identifier(table.schema, table.name)
        )
        async with tx.connection.cursor(row_factory=tuple_row) as cursor:
            await cursor.execute(text, [sorted(subjects)])
            for subject, row in await cursor.fetchall():
                found[table, UUID(subject)] = json.loads(row, parse_float=Decimal)
    return found


async def _before(tx: Tx, one: _Happened) -> dict[str, Any] | None:
    """What the event before told of the row; None: it told nothing, or is not in the log any more."""
    if not one.source.known:
        return None
    for event in await history(tx, one.event.subject, limit=_LOOK_BACK, before=one.event.position):
        if one.source.op(event.type) is not None:
            return one.source.told(event.data) | {one.source.key: str(event.subject)}
    return None


def _concerns(one: _Happened, before: Mapping[str, Any] | None) -> bool:
    """Whether a column the trigger listens to has changed. Where that cannot be known, it is told."""
    columns = one.listened.columns
    if one.op != "UPDATE" or columns is None or before is None:
        return True
    after = one.source.told(one.event.data)
    return any(name not in after or name not in before or after[name] != before[name] for name in columns)


def _letter(one: _Happened, before: Mapping[str, Any] | None, row: Mapping[str, Any] | None) -> Letter:
    event, meta = one.event, one.event.meta
    after = None
    if one.op != "DELETE":
        # The row as it is now, with what the event says of that moment.
        known = one.source.told(event.data)
        after = {one.source.key: str(event.subject), **known} if row is None else {**row, **known}
    session = {"x-hasura-tenant-id": str(event.tenant_id)}
    if meta.actor is not None:
        session["x-hasura-user-id"] = meta.actor
    trace = None
    if meta.correlation_id is not None:
        trace = {"trace_id": meta.correlation_id.hex, "span_id": event.id.hex[-16:]}
    told = {
        "session_variables": session,
        "op": one.op,
        "data": {"old": _cut(before, one.listened), "new": _cut(after, one.listened)},
        "trace_context": trace,
    }
    return Letter(one.trigger.name, one.trigger.table, event.position, event.subject, told, event.recorded_at)


def _cut(row: Mapping[str, Any] | None, listened: Listened) -> dict[str, Any] | None:
    """The columns that are sent."""
    if row is None or listened.payload is None:
        return None if row is None else dict(row)
    return {name: row[name] for name in listened.payload if name in row}

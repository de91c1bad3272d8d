"""Background effects of events: each exactly once, in order per subject; a bad event holds up only its own subject."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

import psycopg

from omniroute.infra.events import reader
from omniroute.infra.events.cursor import Cursor, Cut
from omniroute.infra.events.model import Recorded
from omniroute.infra.events.store import SQL
from omniroute.infra.postgres import Database, Tx
from omniroute.kit.refusal import Fault, Refusal

Handler = Callable[[Tx, Sequence[Recorded]], Awaitable[None]]
"""Gets events of one tenant, oldest first, in a transaction of that tenant. All effects through `tx`, no commit."""

# Whatever a handler may fail with. A poisonous event must not stop the others, whoever's mistake it is.
_FAILURES = (
    Refusal,
    Fault,
    psycopg.Error,
    ArithmeticError,
    AssertionError,
    AttributeError,
    LookupError,
    OSError,
    RuntimeError,
    TypeError,
    ValueError,
)
_MARK_EVERY = 1_000
_IDLE_XIDS_MAX = 5_000
_LAG_BOUND = 100_000


@dataclass(frozen=True, slots=True)
class Lag:
    """How far a consumer is behind. `event_count` is counted up to 100,000."""

    event_count: int
    oldest_age_ms: int


class Consumer:
    """One named reader of the log and what it does with each event.

    `types`: whole types or beginnings with a star; None takes all. A failing event is tried `attempts_max` times,
    `retry_s` seconds later and twice as long after each failure, then stays parked until `replay`.
    `event_count`, `failure_count` (attempts that failed) and `fault_count` (rounds that did) are totals of this
    process, for metrics.
    """

    def __init__(
        self,
        name: str,
        handler: Handler,
        *,
        types: Sequence[str] | None = None,
        batch: int = 500,
        attempts_max: int = 5,
        retry_s: int = 1,
    ) -> None:
        self.name = name
        self.handler = handler
        self.types = types
        self.batch = batch
        self.attempts_max = attempts_max
        self.retry_s = retry_s
        self.event_count = 0
        self.failure_count = 0
        self.fault_count = 0

    async def run(self, db: Database, stop: asyncio.Event, *, poll_ms: int = 250) -> None:
        """Work until told to stop. Of several processes one leads, the others wait to take over."""
        in_a_row = 0
        while not stop.is_set():
            try:
                async with leadership(db, f"event_consumer {self.name}") as leads:
                    while await leads() and not stop.is_set():
                        if not await self.run_once(db):
                            await pause(stop, poll_ms)
                        in_a_row = 0
            except Fault:
                in_a_row += 1
                self.fault_count += 1
            await pause(stop, min(30_000, poll_ms * 2 ** min(in_a_row, 10)))

    async def run_once(self, db: Database) -> int:
        """Handle one page and what is due for another attempt; the number of events taken on."""
        async with db.tx() as tx:
            await tx.value(SQL.mark_cut, every=_MARK_EVERY)
            was, stale = await position(tx, self.name)
            events, cursor = await reader.read(tx, was, limit=self.batch, types=self.types)
        tenants: dict[UUID, list[Recorded]] = {}
        for event in events:
            tenants.setdefault(event.tenant_id, []).append(event)
        for number, (tenant_id, group) in enumerate(tenants.items(), start=1):
            await self._deliver(db, tenant_id, group, was, cursor if number == len(tenants) else None)
        if not events and (stale or cursor.until.top - was.until.top > _IDLE_XIDS_MAX):
            async with db.tx() as tx:
                await advance(tx, self.name, was, cursor)
        self.event_count += len(events)
        return len(events) + await self._retry_due(db)

    async def _deliver(
        self, db: Database, tenant_id: UUID, group: Sequence[Recorded], was: Cursor, cursor: Cursor | None
    ) -> None:
        """Effects, inbox and (with the last group) the cursor commit together; on failure one by one."""
        try:
            async with db.tx(tenant_id) as tx:
                await self._handle(tx, group)
                if cursor is not None:
                    await advance(tx, self.name, was, cursor)
            return
        except _FAILURES:
            # Which of them it was is found out one by one, below.
            pass
        for event in group:
            try:
                async with db.tx(tenant_id) as tx:
                    await self._handle(tx, [event])
            except _FAILURES as error:
                self.failure_count += 1
                async with db.tx(tenant_id) as tx:
                    await self._park(tx, event, 1, self._delay_s(1), _reason(error))
        if cursor is not None:
            async with db.tx() as tx:
                await advance(tx, self.name, was, cursor)

    async def _handle(self, tx: Tx, group: Sequence[Recorded]) -> None:
        subjects = list({event.subject for event in group})
        rows = await tx.all(SQL.parked_subjects, consumer=self.name, subjects=subjects)
        blocked = {row.subject for row in rows}
        free = [event for event in group if event.subject not in blocked]
        fresh = await self._claim(tx, free)
        if fresh:
            await self.handler(tx, fresh)
        for event in group:
            if event.subject in blocked:
                await self._park(tx, event, 0, None, "waits behind an earlier event of its subject")

    async def _claim(self, tx: Tx, events: Sequence[Recorded]) -> list[Recorded]:
        rows = await tx.all(SQL.claim_events, consumer=self.name, ids=[event.id for event in events])
        claimed = {row.event_id for row in rows}
        return [event for event in events if event.id in claimed]

    async def _park(self, tx: Tx, event: Recorded, attempts: int, delay_s: int | None, reason: str) -> None:
        if not attempts and await self._is_handled(tx, event):
            return  # Read again after a crash; handled before.
        await tx.execute(
            SQL.park_event,
            consumer=self.name,
            seq=event.position,
            event_id=event.id,
            type=event.type,
            subject=event.subject,
            attempts=attempts,
            delay_s=delay_s,
            reason=reason,
        )

    async def _is_handled(self, tx: Tx, event: Recorded) -> bool:
        return await tx.one_or_none(SQL.find_handled, consumer=self.name, event_id=event.id) is not None

    async def _retry_due(self, db: Database) -> int:
        async with db.tx() as tx:
            due = await tx.all(SQL.due_parked, consumer=self.name, limit=self.batch)
        for row in due:
            try:
                async with db.tx(row.tenant_id) as tx:
                    fresh = await self._claim(tx, await reader.at(tx, [row.seq]))
                    if fresh:
                        await self.handler(tx, fresh)
                    await tx.execute(SQL.unpark_event, consumer=self.name, seq=row.seq)
            except _FAILURES as error:
                self.failure_count += 1
                attempts = row.attempts + 1
                async with db.tx(row.tenant_id) as tx:
                    await tx.execute(
                        SQL.retry_later,
                        consumer=self.name,
                        seq=row.seq,
                        attempts=attempts,
                        delay_s=self._delay_s(attempts),
                        reason=_reason(error),
                    )
        return len(due)

    def _delay_s(self, attempts: int) -> int | None:
        """Seconds until the next attempt; None: no more."""
        return None if attempts >= self.attempts_max else self.retry_s * 2 ** min(attempts - 1, 12)


def _reason(error: BaseException) -> str:
    return f"{type(error).__name__}: {error}"[:500]


async def position(tx: Tx, name: str) -> tuple[Cursor, bool]:
    """Where a consumer stands (the beginning, if it is new), and whether that was noted long ago."""
    row = await tx.one_or_none(SQL.consumer_position, name=name)
    if row is None:
        await enrol(tx, name)
        return Cursor(), False
    seen, until = Cut(row.seen_top, tuple(row.seen_open)), Cut(row.until_top, tuple(row.until_open))
    return Cursor(seen, until, row.after_seq), row.stale


async def enrol(tx: Tx, name: str, cursor: Cursor | None = None) -> None:
    """Make a consumer known, standing at `cursor` (None: the beginning). One that exists stays where it is.

    From then on retention keeps what it has not read.
    """
    await tx.execute(SQL.enrol_consumer, name=name, **reader.window(cursor or Cursor()))


async def advance(tx: Tx, name: str, was: Cursor, cursor: Cursor) -> None:
    """Move a consumer from where it was read to `cursor`."""
    await tx.execute(
        SQL.advance_consumer,
        name=name,
        was_top=was.seen.top,
        was_until=was.until.top,
        was_after=was.after_seq,
        **reader.window(cursor),
    )


async def lag(tx: Tx, name: str) -> Lag:
    """How far a consumer is behind; a worker's transaction."""
    row = await tx.one(SQL.lag, name=name, bound=_LAG_BOUND)
    return Lag(row.events, row.age_ms)


async def parked(tx: Tx, consumer: str, *, limit: int = 100) -> list[Any]:
    """Parked events of the tenant, oldest first, with attempts and reason."""
    return await tx.all(SQL.list_parked, consumer=consumer, limit=limit)


async def replay(tx: Tx, consumer: str, subject: UUID | None = None) -> int:
    """Have the parked events of the tenant (or of one subject) tried again; how many subjects that touches."""
    return await tx.execute(SQL.replay_parked, consumer=consumer, subject=subject)


async def prune_inbox(tx: Tx, *, before: datetime) -> int:
    """Forget what was handled before this instant. It must be older than any cursor that may be set back."""
    return await tx.execute(SQL.prune_inbox, before=before)


@asynccontextmanager
async def leadership(db: Database, name: str) -> AsyncIterator[Callable[[], Awaitable[bool]]]:
    """Try to be the only one with this name; the answer is asked again and again, for a connection may be lost."""
    async with db.connection() as connection:
        await connection.set_autocommit(True)
        tx = Tx(connection, None)
        won = bool(await tx.value(SQL.try_lead, name=name))

        async def leads() -> bool:
            if won:
                await connection.execute(b"SELECT 1")
            return won

        try:
            yield leads
        finally:
            if won and not connection.closed and not connection.broken:
                await tx.execute(SQL.stop_leading, name=name)


async def pause(stop: asyncio.Event, wait_ms: int) -> None:
    """Wait, or less when told to stop."""
    try:
        async with asyncio.timeout(wait_ms / 1000):
            await stop.wait()
    except TimeoutError:
        return

"""Effects happen exactly once, in order per subject, and a bad event holds up only its own subject."""

import asyncio
from collections.abc import Sequence
from uuid import UUID

import pytest

from omniroute.infra.events import Consumer, Recorded, lag, parked, prune_inbox, replay
from omniroute.infra.events.consumer import advance, leadership, position
from omniroute.infra.postgres import Database, DatabaseUnavailable, Query, Tx
from omniroute.kit.clock import SystemClock
from omniroute.kit.ids import uuid7
from tests.infra.events.conftest import Note, NoteMany

EFFECT = Query("effect", b"INSERT INTO test_effect (name, number) VALUES (%(name)s, %(number)s)", "")
EFFECTS = Query("effects", b"SELECT number FROM test_effect WHERE name = %(name)s ORDER BY id", "")
DUE_NOW = Query("due_now", b"UPDATE event_parked SET next_attempt_at = now() WHERE next_attempt_at IS NOT NULL", "")


@pytest.fixture(scope="module", autouse=True)
async def effects(owner_db: Database) -> None:
    async with owner_db.tx() as tx:
        await tx.connection.execute(
            "CREATE TABLE test_effect (id bigint GENERATED ALWAYS AS IDENTITY, name text, number int);"
            "GRANT ALL ON test_effect TO omniroute_worker"
        )


class Ledger:
    """A handler that notes what it handled, and fails on the numbers it is told to."""

    def __init__(self, name: str, tenant_id: UUID) -> None:
        self.name = name
        self.tenant_id = tenant_id
        self.bad: set[int] = set()
        self.consumer = Consumer(name, self.handle, types=["thing.*"], batch=4, attempts_max=2, retry_s=60)

    async def handle(self, tx: Tx, events: Sequence[Recorded]) -> None:
        for event in events:
            if event.tenant_id != self.tenant_id:
                continue
            await tx.execute(EFFECT, name=self.name, number=event.data["number"])
            if event.data["number"] in self.bad:
                raise ValueError(f"cannot handle {event.data['number']}")

    async def drain(self, db: Database) -> None:
        while await self.consumer.run_once(db):
            pass

    async def effects(self, db: Database) -> list[int]:
        async with db.tx() as tx:
            return [row.number for row in await tx.all(EFFECTS, name=self.name)]


@pytest.fixture
def ledger(tenant_id: UUID, request: pytest.FixtureRequest) -> Ledger:
    return Ledger(request.node.name, tenant_id)


async def make_due(db: Database, tenant_id: UUID) -> None:
    async with db.tx(tenant_id) as tx:
        await tx.execute(DUE_NOW)


async def test_each_event_once_in_order(
    app_db: Database, worker_db: Database, tenant_id: UUID, note_many: NoteMany, ledger: Ledger
) -> None:
    async with app_db.tx(tenant_id) as tx:
        await note_many(tx, 11)
    async with app_db.tx(uuid7()) as tx:
        await note_many(tx, 3)
    await ledger.drain(worker_db)
    assert await ledger.effects(worker_db) == list(range(1, 12))
    assert await ledger.consumer.run_once(worker_db) == 0


async def test_dies_between_handler_and_commit(
    app_db: Database, worker_db: Database, tenant_id: UUID, note_many: NoteMany, ledger: Ledger
) -> None:
    """The process is cancelled after the effect, before the commit: the effect is undone and done again, once."""
    async with app_db.tx(tenant_id) as tx:
        await note_many(tx, 3)
    handled = asyncio.Event()

    async def handle_and_hang(tx: Tx, events: Sequence[Recorded]) -> None:
        await ledger.handle(tx, events)
        if any(event.tenant_id == tenant_id for event in events):
            handled.set()
            await asyncio.sleep(60)

    dying = Consumer(ledger.name, handle_and_hang, types=["thing.*"], batch=4)

    async def work() -> None:
        while True:
            await dying.run_once(worker_db)

    task = asyncio.create_task(work())
    await handled.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert await ledger.effects(worker_db) == []
    await ledger.drain(worker_db)
    assert await ledger.effects(worker_db) == [1, 2, 3]


async def test_cursor_set_back_does_nothing_twice(
    app_db: Database, worker_db: Database, tenant_id: UUID, note_many: NoteMany, ledger: Ledger
) -> None:
    """The effect committed, the cursor did not: the inbox knows."""
    async with app_db.tx(tenant_id) as tx:
        await note_many(tx, 5)
    async with worker_db.tx() as tx:
        before, _ = await position(tx, ledger.name)
    await ledger.drain(worker_db)
    async with worker_db.tx() as tx:
        after, _ = await position(tx, ledger.name)
        await advance(tx, ledger.name, after, before)
    await ledger.drain(worker_db)
    assert await ledger.effects(worker_db) == [1, 2, 3, 4, 5]
    async with worker_db.tx() as tx:
        assert await prune_inbox(tx, before=SystemClock().now()) > 0


async def test_two_of_the_same_name_at_once(
    app_db: Database, worker_db: Database, tenant_id: UUID, note_many: NoteMany, ledger: Ledger
) -> None:
    async with app_db.tx(tenant_id) as tx:
        await note_many(tx, 30)
    await asyncio.gather(ledger.drain(worker_db), ledger.drain(worker_db), ledger.drain(worker_db))
    await ledger.drain(worker_db)
    assert sorted(await ledger.effects(worker_db)) == list(range(1, 31))


async def test_parked_subject_waits_and_others_go_on(
    app_db: Database, worker_db: Database, tenant_id: UUID, note: Note, ledger: Ledger
) -> None:
    sick, well = uuid7(), uuid7()
    for number, thing in enumerate([sick, well, sick, well, sick, well], start=1):
        async with app_db.tx(tenant_id) as tx:
            await note(tx, number, thing)
    ledger.bad = {1}
    await ledger.drain(worker_db)
    assert await ledger.effects(worker_db) == [2, 4, 6]
    async with worker_db.tx(tenant_id) as tx:
        first, *behind = await parked(tx, ledger.name)
    assert (first.attempts, first.reason) == (1, "ValueError: cannot handle 1")
    assert [(row.attempts, row.next_attempt_at) for row in behind] == [(0, None), (0, None)]

    # A second failure is the last: only a replay brings it back.
    await make_due(worker_db, tenant_id)
    await ledger.drain(worker_db)
    async with worker_db.tx(tenant_id) as tx:
        first = (await parked(tx, ledger.name))[0]
    assert (first.attempts, first.next_attempt_at) == (2, None)
    async with app_db.tx(tenant_id) as tx:
        await note(tx, 7, sick)
    ledger.bad = set()
    await ledger.drain(worker_db)
    assert await ledger.effects(worker_db) == [2, 4, 6]

    async with worker_db.tx(tenant_id) as tx:
        assert await replay(tx, ledger.name, uuid7()) == 0
        assert await replay(tx, ledger.name, sick) == 1
    await ledger.drain(worker_db)
    assert await ledger.effects(worker_db) == [2, 4, 6, 1, 3, 5, 7]
    async with worker_db.tx(tenant_id) as tx:
        assert await parked(tx, ledger.name) == []


async def test_failure_in_the_middle_of_a_parked_queue(
    app_db: Database, worker_db: Database, tenant_id: UUID, note: Note, ledger: Ledger
) -> None:
    thing = uuid7()
    for number in range(1, 5):
        async with app_db.tx(tenant_id) as tx:
            await note(tx, number, thing)
    ledger.bad = {1, 3}
    await ledger.drain(worker_db)
    ledger.bad = {3}
    await make_due(worker_db, tenant_id)
    await ledger.drain(worker_db)
    assert await ledger.effects(worker_db) == [1, 2]
    ledger.bad = set()
    await make_due(worker_db, tenant_id)
    await ledger.drain(worker_db)
    assert await ledger.effects(worker_db) == [1, 2, 3, 4]


async def test_lag_counts_what_is_not_handled(
    app_db: Database, worker_db: Database, tenant_id: UUID, note_many: NoteMany, ledger: Ledger
) -> None:
    await ledger.drain(worker_db)
    async with worker_db.tx() as tx:
        # Another worker's page is still open here and there; only committed events count.
        await tx.execute(Query("x", b"SELECT 1", ""))
        assert (await lag(tx, ledger.name)).event_count == 0
    async with app_db.tx(tenant_id) as tx:
        await note_many(tx, 6)
    async with worker_db.tx() as tx:
        behind = await lag(tx, ledger.name)
    assert behind.event_count == 6
    assert behind.oldest_age_ms >= 0
    assert await ledger.consumer.run_once(worker_db) == 4
    async with worker_db.tx() as tx:
        assert (await lag(tx, ledger.name)).event_count == 2


async def test_one_leads_and_the_next_takes_over(worker_db: Database) -> None:
    async with leadership(worker_db, "test leader") as first:
        assert await first()
        async with leadership(worker_db, "test leader") as second:
            assert not await second()
    async with leadership(worker_db, "test leader") as third:
        assert await third()


async def test_run_handles_and_stops(
    app_db: Database, worker_db: Database, tenant_id: UUID, note_many: NoteMany, ledger: Ledger
) -> None:
    """The loop works from outside: it takes over faults, handles, and ends when told."""
    async with app_db.tx(tenant_id) as tx:
        await note_many(tx, 5)
    stop = asyncio.Event()
    failing = [DatabaseUnavailable("once")]

    class Shaky(Consumer):
        async def run_once(self, db: Database) -> int:
            if failing:
                raise failing.pop()
            return await super().run_once(db)

    async def handle(tx: Tx, events: Sequence[Recorded]) -> None:
        await ledger.handle(tx, events)
        if any(event.tenant_id == tenant_id and event.data["number"] == 5 for event in events):
            stop.set()

    async with asyncio.timeout(30):
        await Shaky(ledger.name, handle, types=["thing.*"]).run(worker_db, stop, poll_ms=5)
    assert await ledger.effects(worker_db) == [1, 2, 3, 4, 5]

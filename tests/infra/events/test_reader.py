"""The reader's promise: each committed event once, never before its commit, in order per subject."""

import asyncio
import random
from collections import defaultdict
from collections.abc import Sequence
from uuid import UUID

import pytest

from omniroute.infra.events import Cursor, Meta, Recorded, at, envelope, history, present, read
from omniroute.infra.postgres import Database, Query
from omniroute.kit.ids import show, uuid7
from omniroute.kit.paging import MalformedCursor
from tests.infra.events.conftest import Note, NoteMany, ReadAll

TAKE_XID = Query("take_xid", b"SELECT pg_current_xact_id()", "")
MARK = Query("mark", b"SELECT event_mark_cut(7)", "")
NEXT_NUMBER = Query("next_number", b"UPDATE test_counter SET n = n + 1 WHERE id = %(id)s RETURNING n", "")
INITIAL = "CREATE TABLE test_counter (id uuid PRIMARY KEY, n int NOT NULL); GRANT ALL ON test_counter TO omniroute_app"
SEED = Query("seed", b"INSERT INTO test_counter SELECT unnest(%(ids)s::uuid[]), 0", "")


@pytest.fixture(scope="module")
async def counters(owner_db: Database) -> None:
    async with owner_db.tx() as tx:
        await tx.connection.execute(INITIAL)


def numbers(events: Sequence[Recorded]) -> list[int]:
    return [event.data["number"] for event in events]


async def test_late_commit_is_not_skipped(app_db: Database, tenant_id: UUID, note: Note, read_all: ReadAll) -> None:
    async with app_db.tx(tenant_id) as late:
        await note(late, 1)
        async with app_db.tx(tenant_id) as early:
            await note(early, 2)
        events, cursor = await read_all(app_db, tenant_id)
        assert numbers(events) == [2]
    events, cursor = await read_all(app_db, tenant_id, cursor)
    assert numbers(events) == [1]
    assert (await read_all(app_db, tenant_id, cursor))[0] == []


async def test_rolled_back_is_never_shown(app_db: Database, tenant_id: UUID, note: Note, read_all: ReadAll) -> None:
    async def fail() -> None:
        async with app_db.tx(tenant_id) as tx:
            await note(tx, 1)
            raise LookupError

    with pytest.raises(LookupError):
        await fail()
    async with app_db.tx(tenant_id) as tx:
        await note(tx, 2)
    assert numbers((await read_all(app_db, tenant_id))[0]) == [2]


async def test_long_transaction_holds_nobody_up(
    app_db: Database, tenant_id: UUID, note: Note, read_all: ReadAll
) -> None:
    seen: list[Recorded] = []
    cursor = Cursor()
    async with app_db.tx(tenant_id) as long:
        await note(long, 0)
        for number in range(1, 21):
            async with app_db.tx(tenant_id) as tx:
                await note(tx, number)
                await tx.value(MARK)
            events, cursor = await read_all(app_db, tenant_id, cursor, 3)
            assert numbers(events) == [number]
            seen += events
    events, cursor = await read_all(app_db, tenant_id, cursor)
    assert numbers(events) == [0]
    everything, _ = await read_all(app_db, tenant_id)
    assert sorted(numbers(everything)) == list(range(21))


async def test_subject_order_when_the_later_change_has_the_lower_xid(
    app_db: Database, tenant_id: UUID, note: Note, read_all: ReadAll, counters: None
) -> None:
    """The lower xid waits for the lock, an unrelated transaction stays open in between: the horizon would be no cut."""
    thing = uuid7()
    async with app_db.tx(tenant_id) as tx:
        await tx.execute(SEED, ids=[thing])

    async def second(ready: asyncio.Event) -> None:
        async with app_db.tx(tenant_id) as tx:
            await tx.value(TAKE_XID)
            ready.set()
            await locked.wait()
            number = await tx.value(NEXT_NUMBER, id=thing)
            await note(tx, number, thing)

    ready, locked = asyncio.Event(), asyncio.Event()
    waiting = asyncio.create_task(second(ready))
    await ready.wait()
    async with app_db.tx(tenant_id) as unrelated:
        await unrelated.value(TAKE_XID)
        async with app_db.tx(tenant_id) as first:
            number = await first.value(NEXT_NUMBER, id=thing)
            locked.set()
            await note(first, number, thing)
        await waiting
        events, cursor = await read_all(app_db, tenant_id, None, 1)
        assert numbers(events) == [1, 2]
        assert events[0].xid > events[1].xid
    assert (await read_all(app_db, tenant_id, cursor))[0] == []


async def test_own_events_are_not_passed_by_ones_own_cursor(app_db: Database, tenant_id: UUID, note: Note) -> None:
    """A transaction that writes, reads and keeps its cursor gets its own events later, not never."""
    async with app_db.tx(tenant_id) as tx:
        await note(tx, 1)
        async with app_db.tx(tenant_id) as other:
            await note(other, 2)
        events, cursor = await read(tx, Cursor(), limit=10)
        assert numbers(events) == [2]
        here = await present(tx)
    async with app_db.tx(tenant_id) as tx:
        assert numbers((await read(tx, cursor, limit=10))[0]) == [1]
        assert numbers((await read(tx, here, limit=10))[0]) == [1]


@pytest.mark.parametrize("seed", [1, 2])
async def test_storm_of_writers_against_the_truth(
    app_db: Database, worker_db: Database, note: Note, read_all: ReadAll, counters: None, seed: int
) -> None:
    dice = random.Random(seed)
    tenants = [uuid7(), uuid7()]
    things = [uuid7() for _ in range(3)]
    async with app_db.tx() as tx:
        await tx.execute(SEED, ids=things)
    committed: dict[UUID, set[UUID]] = {tenant: set() for tenant in tenants}
    async with app_db.tx() as tx:
        start = await present(tx)
    done = asyncio.Event()

    async def writer() -> None:
        for _ in range(40):
            thing = dice.choice(things)
            tenant = tenants[things.index(thing) % 2]
            ids = []
            try:
                async with app_db.tx(tenant) as tx:
                    if dice.random() < 0.5:
                        await tx.value(TAKE_XID)
                        await asyncio.sleep(dice.random() / 200)
                    if dice.random() < 0.3:
                        ids.append(await note(tx, 0))
                    for _ in range(dice.choice([1, 1, 3])):
                        number = await tx.value(NEXT_NUMBER, id=thing)
                        ids.append(await note(tx, number, thing))
                    await asyncio.sleep(dice.random() / 200)
                    if dice.random() < 0.3:
                        raise LookupError
                committed[tenant].update(ids)
            except LookupError:
                continue

    async def follow(db: Database, tenant: UUID | None, limit: int) -> list[Recorded]:
        events: list[Recorded] = []
        cursor = start
        while True:
            last = done.is_set()
            async with db.tx(tenant) as tx:
                if dice.random() < 0.3:
                    await tx.value(MARK)
                page, cursor = await read(tx, cursor, limit=limit)
            events += page
            if last and not page:
                return events
            await asyncio.sleep(0)

    readers = [
        asyncio.create_task(follow(app_db, tenants[0], 1)),
        asyncio.create_task(follow(app_db, tenants[1], 5)),
        asyncio.create_task(follow(worker_db, None, 4)),
    ]
    await asyncio.gather(*(writer() for _ in range(6)))
    done.set()
    first, second, everybody = await asyncio.gather(*readers)
    again, _ = await read_all(worker_db, tenants[0], None, 3)

    truth = [committed[tenants[0]], committed[tenants[1]], committed[tenants[0]] | committed[tenants[1]]]
    for events, expected in zip([first, second, everybody, again], [*truth, truth[0]], strict=True):
        ids = [event.id for event in events]
        assert len(ids) == len(set(ids))
        assert set(ids) == expected
        by_thing: dict[UUID, list[int]] = defaultdict(list)
        for event in events:
            by_thing[event.subject].append(event.data["number"])
        for thing in things:
            assert by_thing[thing] == list(range(1, len(by_thing[thing]) + 1))


async def test_pages_of_a_window_and_filters(
    app_db: Database, tenant_id: UUID, note: Note, note_many: NoteMany, read_all: ReadAll
) -> None:
    thing = uuid7()
    async with app_db.tx(tenant_id) as tx:
        await note_many(tx, 25)
        await note(tx, 26, thing)
    assert numbers((await read_all(app_db, tenant_id, None, 4))[0]) == list(range(1, 27))
    async with app_db.tx(tenant_id) as tx:
        only, _ = await read(tx, Cursor(), limit=10, subject=thing)
        assert numbers(only) == [26]
        assert len((await read(tx, Cursor(), limit=100, types=["thing.*"]))[0]) == 26
        assert (await read(tx, Cursor(), limit=100, types=["thing.number_d", "thing"]))[0] == []
        assert numbers(await history(tx, thing, limit=5)) == [26]
        assert numbers(await at(tx, [only[0].position])) == [26]


async def test_tenants_are_apart(app_db: Database, note: Note, read_all: ReadAll) -> None:
    mine, other = uuid7(), uuid7()
    async with app_db.tx(mine) as tx:
        await note(tx, 1)
    async with app_db.tx(other) as tx:
        await note(tx, 2)
    events, _ = await read_all(app_db, mine)
    assert numbers(events) == [1]
    async with app_db.tx(other) as tx:
        assert await at(tx, [events[0].position]) == []
    assert (await read_all(app_db, None))[0] == []


async def test_envelope(app_db: Database, tenant_id: UUID, note: Note, read_all: ReadAll) -> None:
    thing, cause = uuid7(), uuid7()
    async with app_db.tx(tenant_id) as tx:
        event_id = await note(tx, 2**53, thing, Meta(causation_id=cause, actor="usr_1", channel="api"))
    (event,), _ = await read_all(app_db, tenant_id)
    sent = envelope(event)
    assert sent.pop("time").endswith("Z")
    assert sent == {
        "specversion": "1.0",
        "id": show("evt", event_id),
        "source": "/omniroute/thing",
        "type": "thing.numbered",
        "version": 1,
        "tenant": show("org", tenant_id),
        "subject": str(thing),
        "position": event.position,
        "datacontenttype": "application/json",
        "data": {"thing_id": str(thing), "number": str(2**53)},
        "metadata": {"correlation_id": None, "causation_id": str(cause), "user_id": "usr_1", "channel": "api"},
    }


@pytest.mark.parametrize(
    "text", ["", "x", "WzFd", "WzEsIngiLDEsIiIsMV0", "Wy0xLCIiLDEsIiIsMV0", "WzEsIiIsMSwiIiwxLjVd"]
)
def test_a_bad_cursor_is_refused(text: str) -> None:
    with pytest.raises(MalformedCursor):
        Cursor.parse(text)


async def test_data_of_derived_events(
    app_db: Database, owner_db: Database, tenant_id: UUID, note: Note, read_all: ReadAll
) -> None:
    async with owner_db.tx() as tx:
        await tx.connection.execute(
            """CREATE FUNCTION test_detail(p_tenant uuid, p_subjects uuid[]) RETURNS TABLE (subject uuid, data jsonb)
               LANGUAGE sql STABLE AS $$
                   SELECT s, jsonb_build_object('tenant', p_tenant, 'of', s) FROM unnest(p_subjects) s $$"""
        )
        await tx.connection.execute("GRANT EXECUTE ON FUNCTION test_detail TO omniroute_app")
        await tx.connection.execute("INSERT INTO event_source VALUES ('derived.', 'test_detail'::regproc, NULL)")
    subject = uuid7()
    async with app_db.tx(tenant_id) as tx:
        await note(tx, 1)
        await tx.connection.execute(
            "INSERT INTO event_log (tenant_id, id, type, subject) VALUES (%s, %s, 'derived.made', %s)",
            [tenant_id, uuid7(), subject],
        )
    events, _ = await read_all(app_db, tenant_id)
    assert [event.data for event in events] == [events[0].data, {"tenant": str(tenant_id), "of": str(subject)}]

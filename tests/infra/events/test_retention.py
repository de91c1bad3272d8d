"""Old events leave, the ledger's stay, and the chain verifies over the rest. And: what a restore does to cursors."""

from collections.abc import Sequence
from datetime import timedelta
from uuid import UUID

import psycopg

from omniroute.infra.events import (
    ChainBuilder,
    Consumer,
    Cursor,
    Damage,
    Recorded,
    Retained,
    enrol,
    read,
    repair_epoch,
    retain,
    verify,
)
from omniroute.infra.events.consumer import advance, position
from omniroute.infra.postgres import Database, Query, Tx
from omniroute.kit.clock import SystemClock
from omniroute.kit.ids import uuid7
from tests.infra.events.conftest import Note, NoteMany, ReadAll

KEPT = b"INSERT INTO event_log (tenant_id, id, type, subject, data) VALUES (%s, %s, 'ledger.account.opened', %s, '{}')"
FORGET = Query("forget", b"DELETE FROM event_consumer WHERE name = %(name)s", "")


async def run_retention(db: Database) -> Retained:
    async with db.tx() as tx:
        return await retain(tx, before=SystemClock().now() + timedelta(hours=1))


async def test_retention_waits_for_readers_and_keeps_the_chain(
    app_db: Database,
    worker_db: Database,
    tenant_id: UUID,
    note_many: NoteMany,
    read_all: ReadAll,
    intruder: psycopg.AsyncConnection[tuple[object, ...]],
) -> None:
    async with worker_db.tx() as tx:
        await enrol(tx, "slow")
    async with app_db.tx(tenant_id) as tx:
        await note_many(tx, 3)
        await tx.connection.execute(KEPT, [tenant_id, uuid7(), uuid7()])
        await note_many(tx, 1)
    builder = ChainBuilder()
    await builder.run_once(worker_db)
    before, _ = await read_all(app_db, tenant_id)

    # Nothing leaves while a consumer has not passed it, nor before its time.
    assert await run_retention(worker_db) == Retained(0, 0)

    async def fail(tx: Tx, events: Sequence[Recorded]) -> None:
        raise ValueError("never")

    # Passed, but parked: a replay still needs it.
    slow = Consumer("slow", fail, attempts_max=1)
    await slow.run_once(worker_db)
    async with worker_db.tx() as tx:
        was, _ = await position(tx, "slow")
        _, end = await read(tx, was, limit=100)
        await advance(tx, "slow", was, end)
    assert await run_retention(worker_db) == Retained(0, 0)
    assert (await read_all(app_db, tenant_id))[0] == before

    async with worker_db.tx(tenant_id) as tx:
        await tx.execute(Query("unpark", b"DELETE FROM event_parked WHERE consumer = 'slow'", ""))
    async with worker_db.tx() as tx:
        assert await retain(tx, before=before[0].recorded_at) == Retained(0, 0)
    assert await run_retention(worker_db) == Retained(1, 4)
    assert await run_retention(worker_db) == Retained(0, 0)

    events, _ = await read_all(app_db, tenant_id)
    assert [event.type for event in events] == ["ledger.account.opened", "audit.events_retired"]
    assert events[1].data["removed"] == "11101"
    assert [finding async for finding in verify(worker_db, tenant_id)] == []
    await builder.run_once(worker_db)
    assert [finding async for finding in verify(worker_db, tenant_id)] == []

    # The rest is still guarded, and a removal that no sealed event vouches for is not believed.
    await intruder.execute(b"UPDATE event_log SET actor = 'x' WHERE seq = %s", [events[0].position])
    (found,) = [finding async for finding in verify(worker_db, tenant_id)]
    assert (found.damage, found.position) == (Damage.CHANGED, events[0].position)
    await intruder.execute(b"DELETE FROM event_log WHERE seq = %s", [events[0].position])
    await intruder.execute(b"UPDATE audit_retired SET removed = '11111' WHERE tenant_id = %s", [tenant_id])
    found_all = [finding async for finding in verify(worker_db, tenant_id)]
    assert {finding.damage for finding in found_all} == {Damage.MISSING}
    assert len(found_all) == 5
    async with worker_db.tx() as tx:
        await tx.execute(FORGET, name="slow")


async def test_a_restore_into_a_new_cluster_loses_no_reader(
    app_db: Database,
    worker_db: Database,
    tenant_id: UUID,
    note: Note,
    read_all: ReadAll,
    intruder: psycopg.AsyncConnection[tuple[object, ...]],
) -> None:
    """Stored ids far above the cluster's own are what a restored dump looks like."""
    async with worker_db.tx() as tx:
        assert await repair_epoch(tx) == 0
    async with app_db.tx(tenant_id) as tx:
        await note(tx, 1)
    await intruder.execute(b"UPDATE event_log SET xid = xid + 10000000 WHERE tenant_id = %s", [tenant_id])
    stored = Cursor.parse("WzAsIiIsMCwiPSIsMF0")
    async with worker_db.tx() as tx:
        epoch = await repair_epoch(tx)
        assert epoch > 10_000_000
    async with worker_db.tx() as tx:
        assert await repair_epoch(tx) == epoch
    old, cursor = await read_all(app_db, tenant_id, stored)
    assert [event.data["number"] for event in old] == [1]
    async with app_db.tx(tenant_id) as tx:
        await note(tx, 2)
    new, cursor = await read_all(app_db, tenant_id, cursor)
    assert [event.data["number"] for event in new] == [2]
    assert new[0].xid > old[0].xid
    await ChainBuilder().run_once(worker_db)
    assert [finding async for finding in verify(worker_db, tenant_id)] == []


async def test_repair_is_seen_by_statements_prepared_before(
    app_db: Database, worker_db: Database, tenant_id: UUID, note: Note, read_all: ReadAll
) -> None:
    """The number is folded into plans; a change of it must reach every connection's prepared statements."""
    for number in range(12):
        async with app_db.tx(tenant_id) as tx:
            await note(tx, number)
    higher = Query("higher", b"INSERT INTO event_consumer VALUES ('ahead', %(top)s, '{}', %(top)s, '{}', 0)", "")
    before, cursor = await read_all(app_db, tenant_id)
    async with worker_db.tx() as tx:
        await tx.execute(higher, top=before[-1].xid + 1_000_000)
        epoch = await repair_epoch(tx)
    for number in range(12):
        async with app_db.tx(tenant_id) as tx:
            await note(tx, number)
    after, _ = await read_all(app_db, tenant_id, cursor)
    assert len(after) == 12
    assert min(event.xid for event in after) > epoch
    async with worker_db.tx() as tx:
        await tx.execute(FORGET, name="ahead")

"""Whatever is done to a sealed row behind our back is found, and the row is named."""

import asyncio
import dataclasses
import hashlib
import random
from uuid import UUID

import psycopg
import pytest

from omniroute.infra.events import (
    ChainBuilder,
    Damage,
    EventNotFound,
    EventNotSealed,
    Finding,
    Verified,
    check_inclusion,
    head,
    inclusion_proof,
    merkle,
    verify,
)
from omniroute.infra.postgres import Database, Query
from omniroute.kit.ids import uuid7
from tests.infra.events.conftest import Note, NoteMany, ReadAll

Intruder = psycopg.AsyncConnection[tuple[object, ...]]

MARK = Query("mark", b"SELECT event_mark_cut(1)", "")


async def findings(db: Database, tenant_id: UUID | None) -> list[Finding]:
    return [finding async for finding in verify(db, tenant_id)]


@pytest.fixture
async def sealed(
    app_db: Database, worker_db: Database, tenant_id: UUID, note_many: NoteMany, read_all: ReadAll
) -> list[int]:
    """Positions of 10 sealed events of the tenant, in 2 blocks."""
    for _ in range(2):
        async with app_db.tx(tenant_id) as tx:
            await note_many(tx, 5)
        await ChainBuilder().run_once(worker_db)
    events, _ = await read_all(app_db, tenant_id)
    assert await findings(worker_db, tenant_id) == []
    return [event.position for event in events]


COLUMNS = {
    "id": "gen_random_uuid()",
    "type": "'thing.numbered '",
    "version": "2",
    "subject": "gen_random_uuid()",
    "data": """jsonb_set(data, '{number}', '"3"')""",
    "correlation_id": "gen_random_uuid()",
    "causation_id": "'00000000-0000-0000-0000-000000000000'",
    "actor": "''",
    "channel": "'x'",
    "recorded_at": "recorded_at + interval '1 microsecond'",
    "xid": "xid - 1",
}


@pytest.mark.parametrize("column", COLUMNS)
async def test_a_changed_column_is_named(
    worker_db: Database, tenant_id: UUID, sealed: list[int], intruder: Intruder, column: str
) -> None:
    victim = sealed[6]
    await intruder.execute(f"UPDATE event_log SET {column} = {COLUMNS[column]} WHERE seq = {victim}".encode())
    found = await findings(worker_db, tenant_id)
    assert (found[0].damage, found[0].table, found[0].key) == (Damage.CHANGED, "event_log", f"seq={victim}")
    assert (found[0].position, found[0].block_number) == (victim, 2)
    assert {finding.position for finding in found} == {victim}


async def test_the_first_of_several_comes_first(
    worker_db: Database, tenant_id: UUID, sealed: list[int], intruder: Intruder
) -> None:
    await intruder.execute(b"UPDATE event_log SET actor = 'x' WHERE seq = ANY (%s)", [[sealed[8], sealed[2]]])
    assert [finding.position for finding in await findings(worker_db, tenant_id)] == [sealed[2], sealed[8]]
    everything = await findings(worker_db, None)
    assert [f.position for f in everything if f.tenant_id == tenant_id] == [sealed[2], sealed[8]]


async def test_a_deleted_row_is_named(
    worker_db: Database, tenant_id: UUID, sealed: list[int], intruder: Intruder
) -> None:
    await intruder.execute(b"DELETE FROM event_log WHERE seq = %s", [sealed[3]])
    (found,) = await findings(worker_db, tenant_id)
    assert (found.damage, found.key, found.block_number) == (Damage.MISSING, f"seq={sealed[3]}", 1)


async def test_a_row_slipped_in_is_named(
    worker_db: Database, tenant_id: UUID, sealed: list[int], intruder: Intruder
) -> None:
    cursor = await intruder.execute(
        b"INSERT INTO event_log (tenant_id, id, xid, type, subject, data) SELECT tenant_id, gen_random_uuid(), xid,"
        b" type, subject, data FROM event_log WHERE seq = %s RETURNING seq, id",
        [sealed[0]],
    )
    row = await cursor.fetchone()
    assert row is not None
    (found,) = await findings(worker_db, tenant_id)
    assert (found.damage, found.position, found.event_id, found.block_number) == (Damage.INSERTED, *row, 1)


async def test_a_row_moved_to_another_tenant(
    app_db: Database, worker_db: Database, tenant_id: UUID, sealed: list[int], intruder: Intruder, note: Note
) -> None:
    other = uuid7()
    async with app_db.tx(other) as tx:
        await note(tx)
    await ChainBuilder().run_once(worker_db)
    await intruder.execute(b"UPDATE event_log SET tenant_id = %s WHERE seq = %s", [other, sealed[1]])
    (gone,) = await findings(worker_db, tenant_id)
    (came,) = await findings(worker_db, other)
    assert (gone.damage, gone.position) == (Damage.MISSING, sealed[1])
    assert (came.damage, came.position) == (Damage.INSERTED, sealed[1])


BLOCK_COLUMNS = {
    "until_seq": "until_seq - 1",
    "after_seq": "after_seq + 1",
    "parts": "set_byte(parts, 5, 255 - get_byte(parts, 5))",
    "leaves": "set_byte(leaves, 40, 255 - get_byte(leaves, 40))",
    "merkle_root": "set_byte(merkle_root, 0, 255 - get_byte(merkle_root, 0))",
    "hash": "set_byte(hash, 31, 255 - get_byte(hash, 31))",
    "built_at": "built_at - interval '1 microsecond'",
    "newest_at": "newest_at - interval '1 day'",
    "seqs": "seqs[2:] || seqs[1]",
    "until_open": "until_open || 1::bigint",
}


@pytest.mark.parametrize("column", BLOCK_COLUMNS)
async def test_an_altered_block_is_named(
    worker_db: Database, tenant_id: UUID, sealed: list[int], intruder: Intruder, column: str
) -> None:
    change = f"UPDATE audit_block SET {column} = {BLOCK_COLUMNS[column]} WHERE tenant_id = %s AND number = 1"
    await intruder.execute(change.encode(), [tenant_id])
    found = await findings(worker_db, tenant_id)
    assert (found[0].damage, found[0].table, found[0].key) == (Damage.BLOCK_ALTERED, "audit_block", "number=1")


async def test_a_missing_block_breaks_the_chain(
    worker_db: Database, tenant_id: UUID, sealed: list[int], intruder: Intruder
) -> None:
    await intruder.execute(b"DELETE FROM audit_block WHERE tenant_id = %s AND number = 1", [tenant_id])
    found = await findings(worker_db, tenant_id)
    assert {finding.damage for finding in found} == {Damage.CHAIN_BROKEN}
    assert {finding.key for finding in found} == {"number=2"}


async def test_blocks_of_any_size_cover_everything_once(
    app_db: Database, worker_db: Database, tenant_id: UUID, note_many: NoteMany
) -> None:
    """More than a block in one window, late commits, marks and two builders at once."""
    dice = random.Random(3)
    builder = ChainBuilder()

    async def writer() -> None:
        for _ in range(12):
            async with app_db.tx(tenant_id) as tx:
                await note_many(tx, dice.choice([1, 2, 700]))
                await asyncio.sleep(dice.random() / 50)

    async def build() -> None:
        for _ in range(15):
            async with worker_db.tx() as tx:
                await tx.value(MARK)
            await builder.run_once(worker_db)
            await asyncio.sleep(0.005)

    async with app_db.tx(tenant_id) as late:
        await note_many(late, 3)
        await asyncio.gather(writer(), writer(), build(), build())
    await builder.run_once(worker_db)
    verified = Verified()
    assert [finding async for finding in verify(worker_db, tenant_id, verified=verified)] == []
    async with worker_db.tx(tenant_id) as tx:
        count = Query("count", b"SELECT count(*) FROM event_log WHERE tenant_id = current_tenant()", "")
        assert verified.event_count == await tx.value(count)
        sizes = Query("sizes", b"SELECT event_count FROM audit_block WHERE tenant_id = current_tenant()", "")
        assert max(row.event_count for row in await tx.all(sizes)) <= 1024
    assert verified.block_count > 3


async def test_proof_of_inclusion(
    app_db: Database, worker_db: Database, tenant_id: UUID, sealed: list[int], note: Note, read_all: ReadAll
) -> None:
    async with app_db.tx(tenant_id) as tx:
        proof = await inclusion_proof(tx, sealed[7])
        top = await head(tx)
    assert top is not None
    assert proof.block_hash == top.hash
    assert check_inclusion(proof, top.merkle_root)
    assert not check_inclusion(dataclasses.replace(proof, leaf=bytes(32)), top.merkle_root)
    assert not check_inclusion(dataclasses.replace(proof, index=(proof.index + 1) % proof.size), top.merkle_root)
    async with app_db.tx(tenant_id) as tx:
        await note(tx)
        with pytest.raises(EventNotFound):
            await inclusion_proof(tx, 2**62)
    position = (await read_all(app_db, tenant_id))[0][-1].position
    async with app_db.tx(tenant_id) as tx:
        with pytest.raises(EventNotSealed):
            await inclusion_proof(tx, position)
    async with app_db.tx(uuid7()) as tx:
        with pytest.raises(EventNotFound):
            await inclusion_proof(tx, sealed[7])
        assert await head(tx) is None


@pytest.mark.parametrize("size", [1, 2, 3, 4, 5, 7, 8, 9, 31, 64, 100])
async def test_merkle_tree_is_the_same_here_and_there(worker_db: Database, size: int) -> None:
    leaves = [hashlib.sha256(bytes([n])).digest() for n in range(size)]
    async with worker_db.tx() as tx:
        assert await tx.value(Query("root", b"SELECT audit_merkle_root(%(leaves)s)", ""), leaves=b"".join(leaves)) == (
            merkle.root(leaves)
        )
    for index, leaf in enumerate(leaves):
        hashes = merkle.path(leaves, index)
        assert merkle.root_from(leaf, index, size, hashes) == merkle.root(leaves)
        assert merkle.root_from(leaf, index, size, [*hashes, leaf]) is None
    assert merkle.root_from(leaves[0], size, size, []) is None


EVIDENCE = """
CREATE TABLE test_leg (tenant_id uuid, txn_id uuid, leg int, amount bigint);
CREATE FUNCTION test_evidence(p_tenant uuid, p_subjects uuid[])
    RETURNS TABLE (subject uuid, ordinal int, row_name text, digest bytea) LANGUAGE sql STABLE AS $$
    SELECT txn_id, leg, 'test_leg txn=' || txn_id || ',leg=' || leg, sha256(int8send(amount) || int4send(leg))
      FROM test_leg WHERE tenant_id = p_tenant AND txn_id = ANY (p_subjects) $$;
GRANT SELECT, INSERT ON test_leg TO omniroute_app;
INSERT INTO event_source VALUES ('proved.', NULL, 'test_evidence'::regproc);
"""


@pytest.fixture(scope="module")
async def evidence(owner_db: Database) -> None:
    async with owner_db.tx() as tx:
        await tx.connection.execute(EVIDENCE.encode())


@pytest.mark.parametrize(
    ("damage", "statement", "key"),
    [
        (Damage.CHANGED, "UPDATE test_leg SET amount = 301 WHERE txn_id = '{txn}' AND leg = 3", "txn={txn},leg=3"),
        (Damage.MISSING, "DELETE FROM test_leg WHERE txn_id = '{txn}' AND leg = 2", "row=2"),
        (Damage.MISSING, "DELETE FROM test_leg WHERE txn_id = '{txn}' AND leg = 3", "row=3"),
        (Damage.INSERTED, "INSERT INTO test_leg VALUES ('{tenant}', '{txn}', 4, 1)", "txn={txn},leg=4"),
    ],
)
async def test_rows_that_belong_to_an_event_are_sealed_with_it(
    app_db: Database,
    worker_db: Database,
    tenant_id: UUID,
    intruder: Intruder,
    evidence: None,
    damage: Damage,
    statement: str,
    key: str,
) -> None:
    txns = [uuid7() for _ in range(3)]
    async with app_db.tx(tenant_id) as tx:
        for txn in txns:
            await tx.connection.execute(
                "INSERT INTO test_leg SELECT %s, %s, leg, leg * 100 FROM generate_series(1, 3) leg", [tenant_id, txn]
            )
            await tx.connection.execute(
                "INSERT INTO event_log (tenant_id, id, type, subject) VALUES (%s, %s, 'proved.posted', %s)",
                [tenant_id, txn, txn],
            )
    await ChainBuilder().run_once(worker_db)
    assert await findings(worker_db, tenant_id) == []
    await intruder.execute(statement.format(txn=txns[1], tenant=tenant_id).encode())
    (found,) = await findings(worker_db, tenant_id)
    assert (found.damage, found.event_id, found.key) == (damage, txns[1], key.format(txn=txns[1]))


async def test_the_builder_runs_and_stops(
    app_db: Database, worker_db: Database, tenant_id: UUID, note_many: NoteMany
) -> None:
    async with app_db.tx(tenant_id) as tx:
        await note_many(tx, 4)
    stop = asyncio.Event()

    class Once(ChainBuilder):
        async def run_once(self, db: Database) -> int:
            sealed = await super().run_once(db)
            stop.set()
            return sealed

    builder = Once()
    async with asyncio.timeout(30):
        await builder.run(worker_db, stop, poll_ms=5)
    assert builder.event_count >= 4
    assert await findings(worker_db, tenant_id) == []

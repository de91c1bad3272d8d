"""What nobody may do to the log, whoever they are."""

from uuid import UUID

import psycopg
import pytest

from omniroute.infra.events import Cursor, read
from omniroute.infra.postgres import Database
from omniroute.kit.ids import uuid7
from tests.infra.events.conftest import Note, ReadAll

CHANGES = [
    "UPDATE event_log SET version = 2",
    "DELETE FROM event_log",
    "TRUNCATE event_log",
    "UPDATE audit_block SET event_count = 1",
    "DELETE FROM audit_block",
    "TRUNCATE audit_block",
    "DELETE FROM audit_retired",
]


async def execute(db: Database, tenant_id: UUID, statement: str) -> None:
    async with db.tx(tenant_id) as tx:
        await tx.connection.execute(statement.encode())


@pytest.mark.parametrize("change", CHANGES)
async def test_roles_have_no_right_to_change(
    app_db: Database, worker_db: Database, tenant_id: UUID, note: Note, read_all: ReadAll, change: str
) -> None:
    async with app_db.tx(tenant_id) as tx:
        await note(tx)
    before, _ = await read_all(worker_db, None)
    for db in (app_db, worker_db):
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            await execute(db, tenant_id, f"SET LOCAL omniroute.event_retention = 'on'; {change}")
    assert (await read_all(worker_db, None))[0] == before


@pytest.mark.parametrize("change", CHANGES)
async def test_the_owner_is_stopped_too(
    app_db: Database,
    owner_db: Database,
    worker_db: Database,
    tenant_id: UUID,
    note: Note,
    read_all: ReadAll,
    change: str,
) -> None:
    async with app_db.tx(tenant_id) as tx:
        await note(tx)
    before, _ = await read_all(worker_db, None)
    with pytest.raises(psycopg.errors.RestrictViolation):
        async with owner_db.tx(tenant_id) as tx:
            await tx.connection.execute(change.encode())
    assert (await read_all(worker_db, None))[0] == before


@pytest.mark.parametrize(
    ("column", "value"), [("xid", "1"), ("xid", "event_xid() - 1"), ("xid", "event_xid() + 1"), ("tenant_id", "NULL")]
)
async def test_nobody_writes_for_another(
    app_db: Database, worker_db: Database, tenant_id: UUID, read_all: ReadAll, column: str, value: str
) -> None:
    """Neither under another transaction's id nor for another tenant."""
    stranger = uuid7()
    tenant = f"'{stranger}'" if column == "tenant_id" else "current_tenant()"
    xid = value if column == "xid" else "event_xid()"
    for db in (app_db, worker_db):
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            async with db.tx(tenant_id) as tx:
                await tx.connection.execute(
                    f"INSERT INTO event_log (tenant_id, id, xid, type, subject) "
                    f"VALUES ({tenant}, '{uuid7()}', {xid}, 'a.b', '{uuid7()}')".encode()
                )
    assert (await read_all(worker_db, tenant_id))[0] == []
    assert (await read_all(worker_db, stranger))[0] == []


async def test_only_the_worker_seals_and_retains(app_db: Database, tenant_id: UUID) -> None:
    for call in (
        "SELECT audit_seal(current_tenant(), 1)",
        "SELECT event_retain(now(), 1)",
        "SELECT * FROM audit_leaves(current_tenant(), 0, '{}', 9, '{}', 0, 9, 1)",
        "INSERT INTO audit_block SELECT",
        "SELECT * FROM event_consumer",
        "SELECT * FROM event_inbox",
    ):
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            async with app_db.tx(tenant_id) as tx:
                await tx.connection.execute(call.encode())


async def test_a_worker_in_a_tenants_transaction_reads_that_tenant(
    app_db: Database, worker_db: Database, tenant_id: UUID, note: Note
) -> None:
    async with app_db.tx(uuid7()) as tx:
        await note(tx, 1)
    async with app_db.tx(tenant_id) as tx:
        await note(tx, 2)
    async with worker_db.tx(tenant_id) as tx:
        assert [event.tenant_id for event in (await read(tx, Cursor(), limit=100))[0]] == [tenant_id]

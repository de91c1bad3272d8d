"""Reads of one round trip: as strong as the transaction they are, and nothing left of them, whatever happens."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from typing import Any
from uuid import UUID, uuid4

import psycopg
import pytest
from psycopg import errors

from omniroute.infra.postgres import (
    Database,
    DatabaseUnavailable,
    EmbeddedPostgres,
    PoolLimits,
    Query,
    StatementTimeout,
)

PrivatePostgres = Callable[..., Awaitable[EmbeddedPostgres]]

SCOPE = b"SELECT current_tenant(), current_branches(), current_setting('statement_timeout'), pg_backend_pid()"
ONE = b"SELECT $1::int8 + 1"


def q(text: str) -> Query:
    return Query("test", text.encode(), "A query of this test.")


@pytest.fixture(scope="module", autouse=True)
async def tables(owner_db: Database) -> None:
    async with owner_db.tx() as tx:
        await tx.execute(q("CREATE TABLE read_from (word text)"))
        await tx.execute(
            q("CREATE FUNCTION meddle() RETURNS int LANGUAGE sql AS $$INSERT INTO read_from VALUES ('x') RETURNING 1$$")
        )


@pytest.fixture
async def db(database_url: str) -> AsyncIterator[Database]:
    """One connection, so that what one read leaves behind would meet the next."""
    limits = PoolLimits(size_max=1, statement_timeout_ms=30_000, acquire_timeout_s=10)
    database = await Database.open(database_url, role="omniroute_owner", limits=limits)
    yield database
    await database.close()


async def read(
    db: Database, text: bytes, *given: Any, tenant: UUID | None = None, branches: Sequence[UUID] | None = None,
    limit_s: float = 20,
) -> list[tuple[bytes | None, ...]]:  # fmt: skip
    return await db.read(text, given, tenant_id=tenant, branches=branches, limit_s=limit_s)


async def plans(db: Database, like: str) -> int:
    async with db.tx() as tx:
        found: int = await tx.value(
            q("SELECT count(*) FROM pg_prepared_statements WHERE statement LIKE %(like)s"), like=like
        )
        return found


async def clean(db: Database) -> bytes | None:
    """The session that answers, with nothing of another's scope."""
    [(tenant, branches, limit, session)] = await read(db, SCOPE)
    assert (tenant, branches, limit) == (None, None, b"20s")
    async with db.connection() as connection:
        cursor = await connection.execute("SELECT current_setting('statement_timeout'), pg_backend_pid()::text")
        assert tuple(await cursor.fetchone() or ()) == ("30s", (session or b"").decode())
    return session


async def test_rows_come_as_postgresql_writes_them(db: Database) -> None:
    text = b"SELECT n, NULL, ($1::text[])[n], $2::text || '!' FROM generate_series(1, 2) AS n"
    assert await read(db, text, ["a", "\u00e9, \"{"], "o") == [
        (b"1", None, b"a", b"o!"), (b"2", None, "\u00e9, \"{".encode(), b"o!")
    ]  # fmt: skip
    assert await read(db, text, None, None) == [(b"1", None, None, None), (b"2", None, None, None)]
    assert await read(db, b"SELECT 1 WHERE false") == []


async def test_the_scope_is_that_of_the_read_and_ends_with_it(db: Database) -> None:
    tenant, branch = uuid4(), uuid4()
    session = await clean(db)
    [row] = await read(db, SCOPE, tenant=tenant, branches=[branch], limit_s=1.5)
    assert row == (str(tenant).encode(), f"{{{branch}}}".encode(), b"1500ms", session)
    # An empty list of branches sees nothing; it is not the same as the whole tenant.
    [row] = await read(db, SCOPE, tenant=tenant, branches=[])
    assert row[:2] == (str(tenant).encode(), b"{}")
    assert await clean(db) == session


async def test_a_read_may_not_write_and_sees_one_snapshot(db: Database) -> None:
    text = b"SELECT current_setting('transaction_isolation'), current_setting('transaction_read_only')"
    assert await read(db, text) == [(b"repeatable read", b"on")]
    session = await clean(db)
    with pytest.raises(errors.ReadOnlySqlTransaction):
        await read(db, b"SELECT meddle()")
    assert await clean(db) == session
    assert await read(db, b"SELECT count(*) FROM read_from") == [(b"0",)]


@pytest.mark.parametrize(("text", "given", "refused"), [
    (b"SELECT 1 / $1::int", ["0"], errors.DivisionByZero),
    (ONE, ["x"], errors.InvalidTextRepresentation),
    (b"SELEC 1", [], errors.SyntaxError),
    (b"SELECT $1::text", ["a\0b"], psycopg.DataError),
    (b"SELECT * FROM none_such", [], errors.UndefinedTable),
])  # fmt: skip
async def test_what_postgresql_refuses_is_raised_and_leaves_nothing(
    db: Database, text: bytes, given: list[Any], refused: type[psycopg.Error]
) -> None:
    session = await clean(db)
    for _ in range(8):  # Before it would be prepared, and after.
        with pytest.raises(refused):
            await read(db, text, *given, tenant=uuid4())
        assert await clean(db) == session
    assert await plans(db, text.decode().replace("%", "") + "%") == (1 if refused in PREPARABLE else 0)


PREPARABLE = (errors.DivisionByZero, errors.InvalidTextRepresentation)


async def test_what_takes_too_long_is_cut(db: Database) -> None:
    session = await clean(db)
    with pytest.raises(StatementTimeout):
        await read(db, b"SELECT pg_sleep(60)", limit_s=0.05)
    assert await clean(db) == session


async def test_what_is_asked_often_is_prepared_once(db: Database) -> None:
    for n in range(9):
        assert await read(db, ONE, str(n)) == [(str(n + 1).encode(),)]
        assert await plans(db, ONE.decode()) == (1 if n >= 5 else 0)


async def test_plans_that_are_taken_away_are_made_again(db: Database) -> None:
    for n in range(9):
        await read(db, ONE, str(n))
    session = await clean(db)
    async with db.connection() as connection:
        await connection.execute("DEALLOCATE ALL")
    for n in range(9):
        assert await read(db, ONE, str(n)) == [(str(n + 1).encode(),)]
    assert await plans(db, ONE.decode()) == 1
    assert await clean(db) == session


async def test_only_so_many_plans_are_kept(db: Database) -> None:
    texts = [f"SELECT {n} AS many".encode() for n in range(110)]
    for text in texts:
        for _ in range(6):
            await read(db, text)
    # Two of those of every read are used each time, and one is to go with the next.
    assert 90 <= await plans(db, "SELECT % AS many") <= 100
    assert await read(db, texts[0]) == [(b"0",)]


async def test_a_connection_that_died_in_the_pool_is_replaced_unseen(db: Database, admin_url: str) -> None:
    first = await clean(db)
    async with await psycopg.AsyncConnection.connect(admin_url, autocommit=True) as admin:
        await admin.execute("SELECT pg_terminate_backend(%s, 5000)", [int(first or b"")])
    assert await clean(db) != first


async def test_one_that_dies_under_a_read_is_told_and_replaced(db: Database, admin_url: str) -> None:
    first = await clean(db)
    task = asyncio.create_task(read(db, b"SELECT pg_sleep(60)"))
    async with await psycopg.AsyncConnection.connect(admin_url, autocommit=True) as admin:
        await _until_asleep(admin, first)
        await admin.execute("SELECT pg_terminate_backend(%s, 5000)", [int(first or b"")])
    with pytest.raises(DatabaseUnavailable):
        await task
    assert await clean(db) != first


async def _until_asleep(admin: psycopg.AsyncConnection[Any], session: bytes | None) -> None:
    while True:
        cursor = await admin.execute(
            "SELECT wait_event = 'PgSleep' FROM pg_stat_activity WHERE pid = %s", [int(session or b"")]
        )
        if (await cursor.fetchone() or [False])[0]:
            return
        await asyncio.sleep(0.01)


async def test_a_cancelled_read_is_stopped_and_leaves_a_clean_connection(db: Database, admin_url: str) -> None:
    first = await clean(db)
    task = asyncio.create_task(read(db, b"SELECT pg_sleep(60)", tenant=uuid4()))
    async with await psycopg.AsyncConnection.connect(admin_url, autocommit=True) as admin:
        await _until_asleep(admin, first)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert await clean(db) == first


async def test_cancelled_at_any_moment_the_pool_stays_whole(db: Database) -> None:
    for steps in range(40):
        task = asyncio.create_task(
            read(db, ONE if steps % 2 else b"SELECT 1 / 0", *["1"] * (steps % 2), tenant=uuid4())
        )
        for _ in range(steps // 2):
            await asyncio.sleep(0)
        task.cancel()
        await asyncio.wait([task])
        assert task.cancelled() or isinstance(task.exception(), errors.DivisionByZero | None)
        await clean(db)


async def test_reads_go_on_when_the_server_is_back(private_postgres: PrivatePostgres) -> None:
    server = await private_postgres()
    db = await Database.open(server.url("postgres", "postgres"), limits=PoolLimits(size_max=4, acquire_timeout_s=20))
    assert await asyncio.gather(*(read(db, ONE, "1") for _ in range(12))) == [[(b"2",)]] * 12
    await server.kill()
    await server.start()
    assert await asyncio.gather(*(read(db, ONE, "1") for _ in range(12))) == [[(b"2",)]] * 12
    await db.close()

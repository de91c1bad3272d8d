"""The pool and its transactions, on real connections that really commit, wait, break and come back."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from uuid import UUID, uuid4

import psycopg
import pytest
from psycopg import errors

from omniroute.infra.postgres import (
    Connection,
    Database,
    DatabaseUnavailable,
    EmbeddedPostgres,
    LockTimeout,
    PoolLimits,
    Query,
    StatementTimeout,
    Tx,
    WriteConflict,
    migrate,
)

PrivatePostgres = Callable[..., Awaitable[EmbeddedPostgres]]


def q(text: str) -> Query:
    return Query("test", text.encode(), "A query of this test.")


TENANT = q("SELECT current_tenant(), current_branches()")
COUNT = q("SELECT count(*) FROM noted WHERE word = %(word)s")
NOTE = q("INSERT INTO noted (word) VALUES (%(word)s)")
LOCK = q("SELECT n FROM slot WHERE n = %(n)s FOR UPDATE")


@pytest.fixture(scope="module", autouse=True)
async def tables(owner_db: Database) -> None:
    async with owner_db.tx() as tx:
        await tx.execute(q("CREATE TABLE noted (word text, CONSTRAINT noted_word_is_short CHECK (length(word) < 30))"))
        await tx.execute(q("CREATE TABLE slot (n int PRIMARY KEY, touched int DEFAULT 0)"))
        await tx.execute(q("INSERT INTO slot SELECT generate_series(1, 4)"))


@pytest.fixture
async def db(database_url: str) -> AsyncIterator[Database]:
    """One connection, so that what one transaction leaves behind would meet the next."""
    limits = PoolLimits(size_max=1, statement_timeout_ms=400, lock_timeout_ms=150, acquire_timeout_s=3)
    database = await Database.open(database_url, role="omniroute_owner", limits=limits)
    yield database
    await database.close()


async def count(db: Database, word: str) -> int:
    async with db.tx() as tx:
        found: int = await tx.value(COUNT, word=word)
        return found


@pytest.mark.parametrize("anew", [False, True], ids=["kept", "anew"])
async def test_a_plan_is_kept_unless_the_query_says_otherwise(db: Database, anew: bool) -> None:
    text = f"SELECT count(*) AS {'anew' if anew else 'kept'} FROM noted WHERE word = %(word)s"
    query = Query("test", text.encode(), "A query of this test.", False if anew else None)
    for _ in range(10):
        async with db.tx() as tx:
            await tx.all(query, word="nothing")
    async with db.tx() as tx:
        plans = await tx.value(q("SELECT count(*) FROM pg_prepared_statements WHERE statement LIKE %(like)s"),
                               like=text[:20] + "%")  # fmt: skip
    assert plans == (0 if anew else 1)


async def terminate(admin_url: str, victim: Connection) -> None:
    async with await psycopg.AsyncConnection.connect(admin_url, autocommit=True) as admin:
        await admin.execute("SELECT pg_terminate_backend(%s, 5000)", [victim.info.backend_pid])


async def test_tenant_and_branches_end_with_their_transaction(db: Database) -> None:
    tenant, branch = uuid4(), uuid4()
    async with db.tx(tenant, branches=[branch]) as tx:
        assert tuple(await tx.one(TENANT)) == (tenant, [branch])
        first = tx.connection.info.backend_pid
    for _ in range(2):
        async with db.tx() as tx:
            assert tuple(await tx.one(TENANT)) == (None, None)
            assert tx.connection.info.backend_pid == first
    # An empty list of branches sees nothing; it is not the same as the whole tenant.
    async with db.tx(tenant, branches=[]) as tx:
        assert tuple(await tx.one(TENANT)) == (tenant, [])
    async with db.connection() as connection:
        cursor = await connection.execute("SELECT current_setting('omniroute.tenant_id', true)")
        assert tuple(await cursor.fetchone() or ()) == ("",)


async def test_tenant_does_not_outlive_an_error(db: Database) -> None:
    async def work(tx: Tx) -> None:
        await tx.execute(NOTE, word="never")
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await db.run(work, tenant_id=uuid4(), idempotent=True)
    async with db.tx() as tx:
        assert tuple(await tx.one(TENANT)) == (None, None)
    assert await count(db, "never") == 0


async def test_constraint_violations_reach_the_service_by_name(db: Database) -> None:
    with pytest.raises(errors.CheckViolation) as seen:
        async with db.tx() as tx:
            await tx.execute(NOTE, word="x" * 30)
    assert seen.value.diag.constraint_name == "noted_word_is_short"
    assert await count(db, "x" * 30) == 0


async def test_a_savepoint_is_undone_alone(db: Database) -> None:
    async def part(tx: Tx) -> None:
        async with tx.savepoint():
            await tx.execute(NOTE, word="inner")
            await tx.execute(NOTE, word="x" * 30)

    async with db.tx() as tx:
        await tx.execute(NOTE, word="outer")
        with pytest.raises(errors.CheckViolation):
            await part(tx)
    assert (await count(db, "outer"), await count(db, "inner")) == (1, 0)


async def test_a_swallowed_error_is_never_called_a_commit(db: Database) -> None:
    async def work(tx: Tx) -> None:
        await tx.execute(NOTE, word="swallowed")
        with pytest.raises(errors.CheckViolation):
            await tx.execute(NOTE, word="x" * 30)

    with pytest.raises(AssertionError, match="swallowed"):
        await db.run(work, idempotent=True)
    assert await count(db, "swallowed") == 0


async def test_a_statement_that_takes_too_long(db: Database) -> None:
    async def work(tx: Tx) -> None:
        await tx.execute(NOTE, word="slow")
        await tx.execute(q("SELECT pg_sleep(5)"))

    with pytest.raises(StatementTimeout):
        await db.run(work, idempotent=True)
    assert await count(db, "slow") == 0


async def test_waiting_too_long_for_a_row_is_not_tried_again(db: Database, owner_db: Database) -> None:
    attempts = 0

    async def work(tx: Tx) -> None:
        nonlocal attempts
        attempts += 1
        await tx.execute(NOTE, word="locked")
        await tx.one(LOCK, n=1)

    async with owner_db.tx() as holder:
        await holder.one(LOCK, n=1)
        with pytest.raises(LockTimeout):
            await db.run(work, idempotent=True)
    assert attempts == 1
    assert await count(db, "locked") == 0


async def test_deadlocks_are_tried_again_until_both_are_done(owner_db: Database) -> None:
    both_hold = asyncio.Barrier(2)
    attempts = 0

    def work(first: int, second: int) -> Callable[[Tx], Awaitable[None]]:
        touch = q("UPDATE slot SET touched = touched + 1 WHERE n = %(n)s")

        async def run(tx: Tx) -> None:
            nonlocal attempts
            attempts += 1
            await tx.execute(touch, n=first)
            if attempts <= 2:
                await both_hold.wait()
            await tx.execute(touch, n=second)

        return run

    await asyncio.gather(
        owner_db.run(work(2, 3), idempotent=False),
        owner_db.run(work(3, 2), idempotent=False),
    )
    assert attempts == 3
    async with owner_db.tx() as tx:
        assert [row.touched for row in await tx.all(q("SELECT touched FROM slot WHERE n IN (2, 3)"))] == [2, 2]


async def test_a_conflict_that_stays_is_given_up(db: Database) -> None:
    attempts = 0

    async def work(tx: Tx) -> None:
        nonlocal attempts
        attempts += 1
        await tx.execute(q("DO $$ BEGIN RAISE serialization_failure; END $$"))

    with pytest.raises(WriteConflict):
        await db.run(work, idempotent=True)
    assert attempts == 5


@pytest.mark.parametrize(("idempotent", "attempts_wanted"), [(True, 2), (False, 1)])
async def test_a_lost_connection_is_tried_again_only_when_that_is_harmless(
    db: Database, admin_url: str, idempotent: bool, attempts_wanted: int
) -> None:
    attempts, word = 0, f"lost-{idempotent}"

    async def work(tx: Tx) -> None:
        nonlocal attempts
        attempts += 1
        await tx.execute(NOTE, word=word)
        if attempts == 1:
            await terminate(admin_url, tx.connection)
            await tx.execute(q("SELECT pg_sleep(1)"))

    if idempotent:
        await db.run(work, idempotent=True)
    else:
        with pytest.raises(DatabaseUnavailable):
            await db.run(work, idempotent=False)
    assert attempts == attempts_wanted
    assert await count(db, word) == (1 if idempotent else 0)


async def test_a_connection_that_died_in_the_pool_is_replaced_unseen(db: Database, admin_url: str) -> None:
    async with db.tx() as tx:
        first = tx.connection
    await terminate(admin_url, first)
    async with db.tx() as tx:
        assert tx.connection is not first


async def test_a_cancelled_task_leaves_a_clean_connection(db: Database) -> None:
    began = asyncio.Event()

    async def work() -> None:
        async with db.tx(uuid4()) as tx:
            await tx.execute(NOTE, word="cancelled")
            began.set()
            await tx.execute(q("SELECT pg_sleep(5)"))

    task = asyncio.create_task(work())
    await began.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    async with db.tx() as tx:
        assert tuple(await tx.one(TENANT)) == (None, None)
    assert await count(db, "cancelled") == 0


async def test_cancelled_at_any_moment_the_pool_stays_whole(db: Database) -> None:
    async def work() -> None:
        async with db.tx(uuid4()) as tx:
            await tx.execute(NOTE, word="any moment")
            raise ZeroDivisionError

    for steps in range(30):
        task = asyncio.create_task(work())
        for _ in range(steps):
            await asyncio.sleep(0)
        task.cancel()
        with pytest.raises((asyncio.CancelledError, ZeroDivisionError)):
            await task
        async with db.tx() as tx:
            assert tuple(await tx.one(TENANT)) == (None, None)
    assert await count(db, "any moment") == 0


async def test_reads_of_one_snapshot_agree_and_may_not_write(db: Database, owner_db: Database) -> None:
    async with db.tx(readonly=True) as tx:
        before = await tx.value(COUNT, word="later")
        async with owner_db.tx() as writer:
            await writer.execute(NOTE, word="later")
        assert await tx.value(COUNT, word="later") == before == 0
    with pytest.raises(errors.ReadOnlySqlTransaction):
        async with db.tx(readonly=True) as tx:
            await tx.execute(NOTE, word="later")
    assert await count(db, "later") == 1


async def test_copy_many_and_stream(db: Database) -> None:
    async with db.tx() as tx:
        assert await tx.copy_in(q("COPY noted (word) FROM STDIN"), ([f"copied {n % 2}"] for n in range(1000))) == 1000
        assert await tx.many(NOTE, [{"word": "many"}, {"word": "many"}]) == 2
        streamed = [row.word async for row in tx.stream(q("SELECT word FROM noted WHERE word ~ '^copied'"))]
    assert (len(streamed), set(streamed)) == (1000, {"copied 0", "copied 1"})
    assert await count(db, "many") == 2


async def test_close_waits_for_what_runs_and_refuses_what_comes(database_url: str) -> None:
    db = await Database.open(database_url, role="omniroute_owner")
    running, may_end = asyncio.Event(), asyncio.Event()

    async def work() -> None:
        async with db.tx() as tx:
            running.set()
            await may_end.wait()
            await tx.execute(NOTE, word="drained")

    task = asyncio.create_task(work())
    await running.wait()
    closing = asyncio.create_task(db.close(drain_s=30))
    await asyncio.sleep(0)
    with pytest.raises(DatabaseUnavailable, match="being closed"):
        async with db.tx():
            pass
    assert not closing.done()
    may_end.set()
    await task
    await closing

    again = await Database.open(database_url, role="omniroute_owner")
    assert await count(again, "drained") == 1
    await again.close()


async def test_close_cuts_what_does_not_end(database_url: str, owner_db: Database) -> None:
    db = await Database.open(database_url, role="omniroute_owner")
    running = asyncio.Event()

    async def work() -> None:
        async with db.tx() as tx:
            await tx.execute(NOTE, word="cut")
            running.set()
            await asyncio.sleep(0.5)
            await tx.execute(NOTE, word="cut")

    task = asyncio.create_task(work())
    await running.wait()
    await db.close(drain_s=0.05)
    with pytest.raises(DatabaseUnavailable):
        await task
    assert await count(owner_db, "cut") == 0


async def test_the_pool_comes_back_with_the_server(private_postgres: PrivatePostgres) -> None:
    server = await private_postgres()
    await migrate(server.url("omniroute_owner"))
    limits = PoolLimits(size_max=4, acquire_timeout_s=20)
    db = await Database.open(server.url("omniroute_owner"), limits=limits)
    async with db.tx() as tx:
        await tx.execute(q("CREATE TABLE noted (word text)"))
    hold = asyncio.Barrier(4)

    async def work(tx: Tx) -> int:
        if not killed.is_set():
            if await hold.wait() == 0:
                all_open.set()  # All four connections are open when the server dies.
            await killed.wait()
        return await tx.execute(NOTE, word="back")

    for _ in range(2):
        killed, all_open = asyncio.Event(), asyncio.Event()
        tasks = [asyncio.create_task(db.run(work, idempotent=True)) for _ in range(12)]
        await all_open.wait()
        await server.kill()
        killed.set()
        # Longer than the pool's own first attempts, so that it meets a server that is really away.
        await asyncio.sleep(2.5)
        await server.start()
        assert await asyncio.gather(*tasks) == [1] * 12
    assert await count(db, "back") == 24
    await db.close()


async def test_why_it_cannot_be_opened_is_said_at_once(database_url: str, private_postgres: PrivatePostgres) -> None:
    with pytest.raises(DatabaseUnavailable, match='database "none_such" does not exist'):
        await Database.open(database_url.rpartition("/")[0] + "/none_such")
    with pytest.raises(DatabaseUnavailable, match=r"role.*none_such"):
        await Database.open(database_url, role="none_such")
    server = await private_postgres(fast=True)
    wrong = f"postgresql://omniroute_app:wrong@127.0.0.1:{server.port}/omniroute"
    with pytest.raises(DatabaseUnavailable, match="password authentication failed"):
        await Database.open(wrong)
    with pytest.raises(DatabaseUnavailable, match="permission denied"):
        await Database.open(server.url("omniroute_app"), role="omniroute_owner")


async def test_the_doors_role_is_what_it_should_be(app_db: Database) -> None:
    async with app_db.tx(UUID(int=1)) as tx:
        assert tuple(await tx.one(q("SELECT current_user::text, current_tenant()"))) == ("omniroute_app", UUID(int=1))
        assert await tx.value(q("SELECT rolbypassrls OR rolsuper FROM pg_roles WHERE rolname = current_user")) is False
    for statement in ("CREATE TABLE omniroute.mine (n int)", "SELECT * FROM noted", "DROP TABLE noted"):
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            async with app_db.tx() as tx:
                await tx.execute(q(statement))

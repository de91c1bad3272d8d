"""The database as services see it: a pool, and transactions that carry their tenant.

A service receives an open `Tx` and never commits. The tenant, and for branch-scoped callers the branches,
are set for the transaction only, where row-level security reads them.

What the driver raises is sorted in `faults`.
"""

import asyncio
import random
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, TypeVar
from uuid import UUID

import psycopg
from psycopg import AsyncConnection
from psycopg.rows import namedtuple_row
from psycopg_pool import AsyncConnectionPool

from omniroute.infra.postgres import reading
from omniroute.infra.postgres.faults import DatabaseUnavailable, LockTimeout, WriteConflict, fault_of
from omniroute.infra.postgres.sql import Query
from omniroute.kit.refusal import Kind, Refusal

T = TypeVar("T")
Connection = AsyncConnection[Any]

VERSION_MIN = 15
RETRY_ATTEMPTS_MAX = 5
RECONNECT_S = 1.0  # How often each lost connection is tried again while the server is away.


class ServerTooOld(Refusal):
    """PostgreSQL 15 or newer is needed."""

    code = "postgres.server_too_old"
    kind = Kind.UNSUPPORTED


def check_version(connection: Connection) -> None:
    """Refuse a server we do not support.

    Raises: ServerTooOld.
    """
    version = connection.info.server_version // 10_000
    if version < VERSION_MIN:
        raise ServerTooOld(f"this is PostgreSQL {version}; {VERSION_MIN} or newer is needed", version=version)


@dataclass(frozen=True, slots=True)
class PoolLimits:
    """Limits of one process's pool. Times are in milliseconds, as PostgreSQL takes them."""

    size_max: int = 10
    statement_timeout_ms: int = 30_000
    lock_timeout_ms: int = 5_000
    idle_in_transaction_timeout_ms: int = 30_000
    acquire_timeout_s: int = 10


class Tx:
    """An open transaction of one tenant (or of none). Commits or rolls back where it was opened."""

    def __init__(self, connection: Connection, tenant_id: UUID | None) -> None:
        self.connection = connection
        self.tenant_id = tenant_id

    @property
    def tenant(self) -> UUID:
        """The tenant of this transaction; asking without one is a mistake of ours."""
        assert self.tenant_id is not None, "this transaction has no tenant"
        return self.tenant_id

    async def all(self, query: Query, /, **params: object) -> list[Any]:
        """Every row, as named tuples."""
        cursor = await self.connection.execute(query.text, params, prepare=query.prepare)
        return await cursor.fetchall()

    async def one_or_none(self, query: Query, /, **params: object) -> Any | None:
        """The only row, or None. More than one is a mistake of ours."""
        rows = await self.all(query, **params)
        assert len(rows) <= 1, f"{query.name} returned {len(rows)} rows"
        return rows[0] if rows else None

    async def one(self, query: Query, /, **params: object) -> Any:
        """The only row; its absence is a mistake of ours."""
        row = await self.one_or_none(query, **params)
        assert row is not None, f"{query.name} returned no row"
        return row

    async def value(self, query: Query, /, **params: object) -> Any:
        """The first column of the only row."""
        return (await self.one(query, **params))[0]

    async def execute(self, query: Query, /, **params: object) -> int:
        """Run a statement; the number of rows it touched."""
        cursor = await self.connection.execute(query.text, params, prepare=query.prepare)
        return cursor.rowcount

    async def all_of(self, *asked: tuple[Query, dict[str, object]]) -> list[list[Any]]:
        """The rows of each of several questions, in one round trip. They are answered one after the other."""
        async with self.connection.pipeline():
            cursors = [
                await self.connection.execute(query.text, params, prepare=query.prepare) for query, params in asked
            ]
            return [await cursor.fetchall() for cursor in cursors]

    @asynccontextmanager
    async def pipelined(self) -> AsyncIterator[None]:
        """Statements inside travel together: one round trip. What `execute` returns there means nothing, and what one
        of them raises is raised at the end."""
        async with self.connection.pipeline():
            yield

    async def many(self, query: Query, rows: Iterable[dict[str, Any]], /) -> int:
        """Run a statement once a row, pipelined; the number of rows touched in all."""
        async with self.connection.cursor() as cursor:
            await cursor.executemany(query.text, rows)
            return cursor.rowcount

    async def copy_in(self, query: Query, rows: Iterable[Sequence[Any]], /) -> int:
        """Feed rows to a COPY ... FROM STDIN, the fastest way in; the number of rows copied."""
        async with self.connection.cursor() as cursor:
            async with cursor.copy(query.text) as copy:
                for row in rows:
                    await copy.write_row(row)
            return cursor.rowcount

    async def stream(self, query: Query, /, **params: object) -> AsyncIterator[Any]:
        """Rows one by one through a server-side cursor, for results that must not fill the memory."""
        async with self.connection.cursor(name=f"stream_{query.name}") as cursor:
            await cursor.execute(query.text, params)
            async for row in cursor:
                yield row

    @asynccontextmanager
    async def savepoint(self) -> AsyncIterator[None]:
        """A part that may be undone alone (by raising out of it)."""
        async with self.connection.transaction():
            yield


_SET_SCOPE = b"""SELECT set_config('omniroute.tenant_id', %(tenant)s, true) AS tenant,
       set_config('omniroute.branch_ids', %(branches)s, true) AS branches"""


class Database:
    """A pool of connections for one role. Open it with `Database.open`, end it with `close`.

    The pool heals itself: connections that died with a killed server are found at their next use, before anything was
    done with them, and replaced; while the server is away each is tried again every second.
    """

    def __init__(self, pool: AsyncConnectionPool[Connection], limits: PoolLimits) -> None:
        self.pool = pool
        self.limits = limits
        self._borrowed: set[Connection] = set()
        self._all_returned = asyncio.Event()
        self._closing = False

    @classmethod
    async def open(
        cls,
        url: str,
        *,
        role: str | None = None,
        limits: PoolLimits | None = None,
        application_name: str = "omniroute",
    ) -> "Database":
        """Connect, and wait until at least one connection works.

        `role` is taken on at connect time (`SET ROLE`), for set-ups where one login owns everything.

        Raises: DatabaseUnavailable, ServerTooOld.
        """
        limits = limits or PoolLimits()
        options = (
            f"-c statement_timeout={limits.statement_timeout_ms} -c lock_timeout={limits.lock_timeout_ms} "
            f"-c idle_in_transaction_session_timeout={limits.idle_in_transaction_timeout_ms} "
            "-c TimeZone=UTC -c search_path=omniroute"
        )
        if role is not None:
            options += f" -c role={role}"
        kwargs: dict[str, Any] = {
            "options": options,
            "application_name": application_name,
            "row_factory": namedtuple_row,
            "connect_timeout": 5,
            # We say BEGIN ourselves, together with the scope.
            "autocommit": True,
        }
        await _probe(url, kwargs, patience_s=limits.acquire_timeout_s)
        pool: AsyncConnectionPool[Connection] = AsyncConnectionPool(
            url,
            min_size=1,
            max_size=limits.size_max,
            timeout=limits.acquire_timeout_s,
            kwargs=kwargs,
            open=False,
            reconnect_timeout=RECONNECT_S,
            reconnect_failed=_try_again,
        )
        try:
            await pool.open(wait=True, timeout=limits.acquire_timeout_s)
        except (psycopg.Error, OSError) as error:
            await pool.close()
            raise DatabaseUnavailable(str(error)) from error
        return cls(pool, limits)

    async def close(self, *, drain_s: float = 10) -> None:
        """Refuse new work, give what runs up to `drain_s` to end, then cut what is left and close the pool."""
        self._closing = True
        if self._borrowed:
            self._all_returned.clear()
            try:
                await asyncio.wait_for(self._all_returned.wait(), drain_s)
            except TimeoutError:
                for connection in list(self._borrowed):
                    await connection.close()
        await self.pool.close()

    @asynccontextmanager
    async def connection(self) -> AsyncIterator[Connection]:
        """A connection outside any transaction (autocommit), for LISTEN and administration.

        Raises: DatabaseUnavailable, WriteConflict, StatementTimeout.
        """
        async with self._borrow(AsyncConnectionPool.check_connection) as connection:
            yield connection

    @asynccontextmanager
    async def tx(
        self, tenant_id: UUID | None = None, *, branches: Sequence[UUID] | None = None, readonly: bool = False
    ) -> AsyncIterator[Tx]:
        """A transaction, READ COMMITTED; a read-only one is REPEATABLE READ, so that all its reads agree.

        `branches`: None sees the whole tenant; a list sees only what belongs to these branches.

        Raises: DatabaseUnavailable, WriteConflict, StatementTimeout.
        """
        begin = b"BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY" if readonly else b"BEGIN"
        tenant, within = _scope(tenant_id, branches)

        async def start(connection: Connection) -> None:
            # BEGIN and the scope travel together: one round trip.
            async with connection.pipeline():
                await connection.execute(begin)
                await connection.execute(_SET_SCOPE, {"tenant": tenant, "branches": within})

        async with self._borrow(start) as connection:
            try:
                yield Tx(connection, tenant_id)
            except BaseException:
                if not connection.closed:
                    await connection.rollback()
                raise
            done = await connection.execute(b"COMMIT")
            # PostgreSQL answers COMMIT of a failed transaction with ROLLBACK and no error: never call that success.
            assert done.statusmessage == "COMMIT", "an SQL error was swallowed inside a transaction; it is rolled back"

    async def read(
        self,
        text: bytes,
        given: Sequence[Any],
        *,
        tenant_id: UUID | None,
        branches: Sequence[UUID] | None,
        limit_s: float,
    ) -> list[reading.Row]:
        """The rows of one SELECT with numbered parameters, as `tx` would read them with `readonly`, but in one round
        trip. Values are as PostgreSQL writes them. `limit_s`: how long the SELECT may take.

        Raises: DatabaseUnavailable, WriteConflict, StatementTimeout.
        """
        tenant, within = _scope(tenant_id, branches)
        for _ in range(self.limits.size_max + 1):
            try:
                async with self._borrow(_find_out) as connection:
                    return await reading.read(
                        connection, text, given, tenant=tenant, branches=within, limit=f"{limit_s}s"
                    )
            except reading.EndedBefore:
                continue
        raise DatabaseUnavailable("the server ends every session")

    @asynccontextmanager
    async def _borrow(self, start: Callable[[Connection], Awaitable[None]]) -> AsyncIterator[Connection]:
        """A connection on which `start` has succeeded. One that proves dead there is replaced: nothing was done yet."""
        try:
            connection = await self._get(start)
            try:
                yield connection
            finally:
                await self._give_back(connection)
        except psycopg.Error as error:
            fault = fault_of(error)
            if fault is None:
                raise
            raise fault from error

    async def _get(self, start: Callable[[Connection], Awaitable[None]]) -> Connection:
        loop = asyncio.get_running_loop()
        deadline = loop.time() + self.limits.acquire_timeout_s
        while True:
            if self._closing:
                raise DatabaseUnavailable("the database is being closed")
            connection = await self.pool.getconn(timeout=max(0.001, deadline - loop.time()))
            self._borrowed.add(connection)
            try:
                await start(connection)
            except BaseException as error:
                if not connection.closed and connection.info.transaction_status != psycopg.pq.TransactionStatus.IDLE:
                    # Cut short between its words (a cancelled task): cheaper to replace than to reason about.
                    await connection.close()
                await self._give_back(connection)
                if isinstance(error, psycopg.Error) and connection.closed and loop.time() < deadline:
                    continue
                raise
            return connection

    async def _give_back(self, connection: Connection) -> None:
        try:
            await self.pool.putconn(connection)
        finally:
            self._borrowed.discard(connection)
            if not self._borrowed:
                self._all_returned.set()

    async def run(
        self,
        work: Callable[[Tx], Awaitable[T]],
        *,
        tenant_id: UUID | None = None,
        branches: Sequence[UUID] | None = None,
        idempotent: bool,
    ) -> T:
        """Run a unit of work in its own transaction.

        Serialisation failures and deadlocks (nothing happened) are always tried again. Connection faults (the commit
        may have happened) are tried again only when the work says that doing it twice is the same as once.
        Time-outs are not: they have waited long enough.

        Raises: DatabaseUnavailable, WriteConflict after the last attempt; LockTimeout, StatementTimeout at once.
        """
        for attempt in range(1, RETRY_ATTEMPTS_MAX + 1):
            try:
                async with self.tx(tenant_id, branches=branches) as tx:
                    return await work(tx)
            except LockTimeout:
                raise
            except WriteConflict:
                if attempt == RETRY_ATTEMPTS_MAX:
                    raise
            except DatabaseUnavailable:
                if not idempotent or attempt == RETRY_ATTEMPTS_MAX:
                    raise
            await asyncio.sleep(random.uniform(0, 0.02 * 2**attempt))  # noqa: S311 - spreads retries
        raise AssertionError("unreachable")


def _scope(tenant_id: UUID | None, branches: Sequence[UUID] | None) -> tuple[str, str]:
    """What row-level security reads."""
    return str(tenant_id) if tenant_id else "", "" if branches is None else "{" + ",".join(map(str, branches)) + "}"


async def _find_out(connection: Connection) -> None:
    reading.check_alive(connection)


async def _probe(url: str, kwargs: dict[str, Any], *, patience_s: float) -> None:
    """One plain connection first: it tells why it fails, where a pool would only say that it timed out."""
    loop = asyncio.get_running_loop()
    deadline = loop.time() + patience_s
    while True:
        try:
            connection = await AsyncConnection.connect(url, **kwargs)
        except (psycopg.Error, OSError) as error:
            # A server that starts, stops or is full will change its mind; a wrong password will not.
            said = str(error)
            passing = any(word in said for word in ("starting up", "shutting down", "recovery", "too many", "refused"))
            if ("FATAL" in said and not passing) or loop.time() > deadline:
                raise DatabaseUnavailable(said) from error
            await asyncio.sleep(0.2)
            continue
        async with connection:
            check_version(connection)
        return


async def _try_again(pool: AsyncConnectionPool[Connection]) -> None:
    """The pool gives up a connection after `RECONNECT_S`; ask for it anew, so that waiting callers are served as soon
    as the server is back. (Its own backing off doubles the pause each time, up to minutes.)"""
    if pool.closed:
        return
    size_min, size_max = pool.min_size, pool.max_size
    await pool.resize(0, size_max)  # A pool only opens connections when its minimum grows.
    await pool.resize(size_min or 1, size_max)

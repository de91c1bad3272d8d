"""The database as services see it: a pool, and transactions that carry their tenant.

A service receives an open `Tx` and never commits. The tenant, and for branch-scoped callers the branches,
are set for the transaction only, where row-level security reads them.
"""

import asyncio
import random
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, TypeVar
from uuid import UUID

import psycopg
from psycopg import AsyncConnection, errors
from psycopg.rows import namedtuple_row
from psycopg_pool import AsyncConnectionPool, PoolTimeout, TooManyRequests

from omniroute.infra.postgres.sql import Query
from omniroute.kit.refusal import Fault

T = TypeVar("T")
Connection = AsyncConnection[Any]

RETRY_ATTEMPTS_MAX = 5


class DatabaseUnavailable(Fault):
    """PostgreSQL cannot be reached, or the connection was lost; whether the work happened is not known."""


class WriteConflict(Fault):
    """PostgreSQL gave up on this transaction (serialisation, deadlock, lock time-out); nothing happened."""


# Connection faults leave the outcome of a commit unknown; conflicts do not.
CONNECTION_FAULTS = (
    errors.OperationalError,
    errors.InterfaceError,
    PoolTimeout,
    TooManyRequests,
    ConnectionError,
)
CONFLICTS = (
    errors.SerializationFailure,
    errors.DeadlockDetected,
    errors.LockNotAvailable,
)


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
        cursor = await self.connection.execute(query.text, params)
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
        cursor = await self.connection.execute(query.text, params)
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
    """A pool of connections for one role. Open it with `Database.open`, end it with `close`."""

    def __init__(self, pool: AsyncConnectionPool[Connection]) -> None:
        self.pool = pool

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

        Raises: DatabaseUnavailable.
        """
        limits = limits or PoolLimits()
        options = (
            f"-c statement_timeout={limits.statement_timeout_ms} -c lock_timeout={limits.lock_timeout_ms} "
            f"-c idle_in_transaction_session_timeout={limits.idle_in_transaction_timeout_ms} "
            "-c TimeZone=UTC -c search_path=omniroute"
        )
        if role is not None:
            options += f" -c role={role}"
        kwargs: Mapping[str, Any] = {
            "options": options,
            "application_name": application_name,
            "row_factory": namedtuple_row,
            "connect_timeout": 5,
        }
        pool: AsyncConnectionPool[Connection] = AsyncConnectionPool(
            url,
            min_size=1,
            max_size=limits.size_max,
            timeout=limits.acquire_timeout_s,
            kwargs=dict(kwargs),
            open=False,
            check=AsyncConnectionPool.check_connection,
        )
        try:
            await pool.open(wait=True, timeout=limits.acquire_timeout_s)
        except (psycopg.Error, PoolTimeout, OSError) as error:
            await pool.close()
            raise DatabaseUnavailable(str(error)) from error
        return cls(pool)

    async def close(self, *, drain_s: float = 10) -> None:
        """Wait for borrowed connections to come back, up to `drain_s`, then close them all."""
        await self.pool.close(timeout=drain_s)

    @asynccontextmanager
    async def connection(self) -> AsyncIterator[Connection]:
        """A connection outside any transaction, for LISTEN, COPY and administration.

        Raises: DatabaseUnavailable, WriteConflict.
        """
        try:
            async with self.pool.connection() as connection:
                yield connection
        except CONFLICTS as error:
            raise WriteConflict(str(error)) from error
        except CONNECTION_FAULTS as error:
            raise DatabaseUnavailable(str(error)) from error

    @asynccontextmanager
    async def tx(
        self, tenant_id: UUID | None = None, *, branches: Sequence[UUID] | None = None, readonly: bool = False
    ) -> AsyncIterator[Tx]:
        """A transaction, READ COMMITTED; a read-only one is REPEATABLE READ, so that all its reads agree.

        `branches`: None sees the whole tenant; a list sees only what belongs to these branches.

        Raises: DatabaseUnavailable, WriteConflict.
        """
        async with self.connection() as connection:
            begin = b"BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY" if readonly else b"BEGIN"
            scope = {
                "tenant": str(tenant_id) if tenant_id else "",
                "branches": "" if branches is None else "{" + ",".join(map(str, branches)) + "}",
            }
            await connection.set_autocommit(True)
            try:
                # BEGIN and the scope travel together: one round trip.
                async with connection.pipeline():
                    await connection.execute(begin)
                    await connection.execute(_SET_SCOPE, scope)
                yield Tx(connection, tenant_id)
                await connection.execute(b"COMMIT")
            except BaseException:
                if not connection.closed and not connection.broken:
                    await connection.rollback()
                raise

    async def run(
        self,
        work: Callable[[Tx], Awaitable[T]],
        *,
        tenant_id: UUID | None = None,
        branches: Sequence[UUID] | None = None,
        idempotent: bool,
    ) -> T:
        """Run a unit of work in its own transaction.

        Conflicts (nothing happened) are always tried again. Connection faults (the commit may have happened)
        are tried again only when the work says that doing it twice is the same as once.

        Raises: DatabaseUnavailable, WriteConflict after the last attempt.
        """
        for attempt in range(1, RETRY_ATTEMPTS_MAX + 1):
            try:
                async with self.tx(tenant_id, branches=branches) as tx:
                    return await work(tx)
            except WriteConflict:
                if attempt == RETRY_ATTEMPTS_MAX:
                    raise
            except DatabaseUnavailable:
                if not idempotent or attempt == RETRY_ATTEMPTS_MAX:
                    raise
            await asyncio.sleep(random.uniform(0, 0.02 * 2**attempt))  # noqa: S311 - spreads retries
        raise AssertionError("unreachable")

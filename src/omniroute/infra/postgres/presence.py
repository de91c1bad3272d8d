"""Which processes are alive: each holds a lock under its name for as long as it lives.

PostgreSQL lets go of a lock when the connection that took it ends, so a process that was killed is known to be gone at
once, and no clock is needed for it. What a free lock does not prove is that a process has ended: its connection alone
may have been lost. Whatever is done to those who are gone must therefore do no harm to somebody who was only cut off.
"""

import asyncio
from collections.abc import AsyncIterator, Collection
from contextlib import asynccontextmanager, suppress
from datetime import datetime, timedelta

import psycopg

from omniroute.infra.postgres.database import Connection, Tx
from omniroute.infra.postgres.faults import DatabaseUnavailable

MARK = "+"
"""Ends the names that are held so. A name without it never counts as gone."""
LOOK_S = 2.0
GRACE = timedelta(seconds=2)
"""So long a lock must have been free: who lost only his connection has it again by then."""
_OPTIONS = "-c tcp_keepalives_idle=10 -c tcp_keepalives_interval=5 -c tcp_keepalives_count=3 -c idle_session_timeout=0"
_HOLD = "SELECT pg_try_advisory_lock(hashtextextended('omniroute.process.' || %s, 0))"
_FREE = """
SELECT n.name FROM unnest(%(names)s::text[]) AS n (name)
 WHERE NOT EXISTS (
       SELECT FROM pg_locks l
        WHERE l.locktype = 'advisory' AND l.objsubid = 1 AND l.granted
          AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())
          AND (l.classid::bigint << 32 | l.objid::bigint) = hashtextextended('omniroute.process.' || n.name, 0))"""


@asynccontextmanager
async def present(url: str, name: str) -> AsyncIterator[str]:
    """Be there for others under a name as long as this block runs; the name as it is to be used.

    Raises: DatabaseUnavailable.
    """
    marked = name + MARK
    try:
        connection = await _hold(url, marked)
    except (psycopg.Error, OSError) as error:
        raise DatabaseUnavailable(str(error)) from error
    keeping = asyncio.create_task(_keep(url, marked, connection))
    try:
        yield marked
    finally:
        keeping.cancel()
        await asyncio.gather(keeping, return_exceptions=True)


class Departures:
    """Who of those that hold something is gone. One a process: it remembers since when a lock has been free."""

    def __init__(self, *, grace: timedelta = GRACE) -> None:
        self._grace = grace
        self._free_since: dict[str, datetime] = {}

    async def of(self, tx: Tx, names: Collection[str], *, now: datetime) -> list[str]:
        """Those of these names that are gone."""
        marked = [name for name in names if name.endswith(MARK)]
        if not marked:
            self._free_since.clear()
            return []
        cursor = await tx.connection.execute(_FREE, {"names": marked})
        free = [row[0] for row in await cursor.fetchall()]
        self._free_since = {name: self._free_since.get(name, now) for name in free}
        return [name for name, since in self._free_since.items() if now - since >= self._grace]


async def _hold(url: str, name: str) -> Connection:
    connection = await psycopg.AsyncConnection.connect(
        url, autocommit=True, options=_OPTIONS, application_name="omniroute-presence", connect_timeout=5
    )
    try:
        for _ in range(30):
            row = await (await connection.execute(_HOLD, [name])).fetchone()
            if row is not None and row[0]:
                return connection
            await asyncio.sleep(1)  # The server has not yet noticed that our last connection is gone.
    except BaseException:
        await connection.close()
        raise
    await connection.close()
    raise DatabaseUnavailable(f"the name {name} is held by another connection")


async def _keep(url: str, name: str, connection: Connection) -> None:
    """Notice when the connection is lost, and take the lock again."""
    try:
        while True:
            await asyncio.sleep(LOOK_S)
            try:
                await connection.execute("SELECT 1")
            except psycopg.Error:
                await connection.close()
                with suppress(psycopg.Error, OSError, DatabaseUnavailable):
                    connection = await _hold(url, name)
    finally:
        await connection.close()

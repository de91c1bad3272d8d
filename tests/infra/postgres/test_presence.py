"""Who is there is known by a lock, and who was killed is known to be gone."""

import asyncio
from datetime import UTC, datetime, timedelta

import psycopg
import pytest

from omniroute.infra.postgres import Database, DatabaseUnavailable, Departures, present
from tests.presences import victim

NOW = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
SOON = NOW + timedelta(seconds=2)


async def gone(db: Database, *names: str, seen: Departures | None = None) -> list[str]:
    """Which of them are gone, when they are looked at twice with the grace in between."""
    departures = seen or Departures()
    async with db.tx(readonly=True) as tx:
        await departures.of(tx, names, now=NOW)
        return sorted(await departures.of(tx, names, now=SOON))


async def test_who_is_there_is_not_gone(database_url: str, worker_db: Database) -> None:
    async with present(database_url, "host:1") as name:
        assert name == "host:1+"
        assert await gone(worker_db, name, "host:2+") == ["host:2+"]
    assert await gone(worker_db, name) == [name]


async def test_who_holds_no_lock_never_counts_as_gone(worker_db: Database) -> None:
    assert await gone(worker_db, "host:1", "worker-1") == []


async def test_a_lock_must_have_been_free_for_a_while(database_url: str, worker_db: Database) -> None:
    departures = Departures()
    async with worker_db.tx(readonly=True) as tx:
        assert await departures.of(tx, ["host:3+"], now=NOW) == []
        assert await departures.of(tx, ["host:3+"], now=SOON - timedelta(milliseconds=1)) == []
    async with present(database_url, "host:3"), worker_db.tx(readonly=True) as tx:
        assert await departures.of(tx, ["host:3+"], now=SOON) == []
    # It came back: the grace begins anew.
    async with worker_db.tx(readonly=True) as tx:
        assert await departures.of(tx, ["host:3+"], now=SOON) == []
        assert await departures.of(tx, ["host:3+"], now=SOON + timedelta(seconds=2)) == ["host:3+"]


async def test_a_killed_process_is_gone(database_url: str, worker_db: Database) -> None:
    with victim(database_url, "host:4") as other:
        name = other.name
        assert name == "host:4+"
        assert await gone(worker_db, name) == []
        other.kill()
    for _ in range(600):
        if await gone(worker_db, name) == [name]:
            return
        await asyncio.sleep(0.1)
    raise AssertionError("its lock is still held")


async def test_who_was_cut_off_comes_back(database_url: str, worker_db: Database, owner_db: Database) -> None:
    async def holder() -> int | None:
        found = await connection.execute(
            "SELECT a.pid FROM pg_locks l JOIN pg_stat_activity a USING (pid)"
            " WHERE l.locktype = 'advisory' AND a.application_name = 'omniroute-presence'"
            "   AND a.datname = current_database()"
        )
        row = await found.fetchone()
        return None if row is None else int(row[0])

    async with (
        await psycopg.AsyncConnection.connect(database_url, autocommit=True) as connection,
        present(database_url, "host:5") as name,
    ):
        before = await holder()
        await connection.execute("SELECT pg_terminate_backend(%s)", [before])
        for _ in range(600):
            after = await holder()
            if after not in (None, before):
                break
            await asyncio.sleep(0.1)
        assert after not in (None, before)
        assert await gone(worker_db, name) == []


async def test_without_a_database_nobody_is_there() -> None:
    with pytest.raises(DatabaseUnavailable):
        async with present("postgresql://nobody@127.0.0.1:1/nothing", "host:6"):
            pass

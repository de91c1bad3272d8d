"""The embedded server: started, stopped, killed, refused."""

import asyncio
import os
import signal
import stat
import subprocess
import sys
import textwrap
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

import psycopg
import pytest

from omniroute.infra.postgres import (
    AlreadyRunning,
    Database,
    EmbeddedPostgres,
    FolderDamaged,
    FolderUnreachable,
    ServerFailed,
    VersionMismatch,
)
from omniroute.infra.postgres.binaries import locate
from omniroute.infra.postgres.postmaster import read_lock

PrivatePostgres = Callable[..., Awaitable[EmbeddedPostgres]]
DEBIAN = Path("/usr/lib/postgresql/15/bin")
needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody else")
needs_debian = pytest.mark.skipif(not DEBIAN.exists(), reason="Debian's PostgreSQL 15 is not installed")
needs_proc = pytest.mark.skipif(not Path("/proc/self").exists(), reason="reads /proc")


async def ask(server: EmbeddedPostgres, sql: str, role: str = "omniroute_owner") -> list[tuple[object, ...]]:
    async with await psycopg.AsyncConnection.connect(server.url(role), autocommit=True) as connection:
        cursor = await connection.execute(sql.encode())
        return await cursor.fetchall() if cursor.description else []


def wait_until_ready(data: Path) -> None:
    while not (lock := read_lock(data)) or not lock.ready:
        time.sleep(0.02)


async def test_settings_are_durable_and_logins_are_what_they_should_be(private_postgres: PrivatePostgres) -> None:
    server = await private_postgres()

    names = ("fsync", "synchronous_commit", "full_page_writes", "jit", "wal_compression", "data_checksums")
    shown = [(await ask(server, f"SHOW {name}"))[0][0] for name in names]
    assert shown == ["on", "on", "on", "off", "off", "on"]
    assert (await ask(server, "SHOW server_encoding"))[0][0] == "UTF8"
    roles = await ask(
        server,
        "SELECT rolname, rolsuper, rolbypassrls, rolcreaterole FROM pg_roles WHERE rolname ~ '^omniroute' ORDER BY 1",
    )
    assert roles == [(f"omniroute_{name}", False, False, False) for name in ("app", "owner", "worker")]
    for role in ("omniroute_app", "omniroute_owner", "omniroute_worker"):
        assert await ask(server, "SELECT session_user::text", role) == [(role,)]


async def test_nobody_gets_in_without_the_password(private_postgres: PrivatePostgres) -> None:
    server = await private_postgres()
    methods = [line.split()[-1] for line in (server.data / "pg_hba.conf").read_text().splitlines() if line[0] != "#"]
    assert set(methods) == {"scram-sha-256"}
    wrong = server.url("postgres").replace(server.url("postgres").split(":")[2].split("@")[0], "wrong")
    with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
        await psycopg.AsyncConnection.connect(wrong)
    assert stat.S_IMODE((server.folder / "passwords.json").stat().st_mode) == 0o600
    assert stat.S_IMODE(server.data.stat().st_mode) == 0o700
    assert stat.S_IMODE(server.log.stat().st_mode) == 0o600


@pytest.mark.parametrize("children", [True, False], ids=["everything", "postmaster-only"])
async def test_kill_9_loses_nothing_committed(private_postgres: PrivatePostgres, children: bool) -> None:
    server = await private_postgres()
    await ask(server, "CREATE TABLE kept (n int)")
    committed = 0
    writer = await psycopg.AsyncConnection.connect(server.url("omniroute_owner"), autocommit=True)
    open_one = await psycopg.AsyncConnection.connect(server.url("omniroute_owner"))
    await open_one.execute("INSERT INTO kept VALUES (-1)")
    for committed in range(1, 51):
        await writer.execute("INSERT INTO kept VALUES (%s)", [committed])
    port = server.port

    await server.kill(children=children)
    assert server.pid is None
    await server.start()
    await writer.close()
    await open_one.close()

    assert server.port == port
    assert await ask(server, "SELECT count(*), min(n), max(n) FROM kept") == [(committed, 1, committed)]


async def test_a_watched_server_comes_back_by_itself(private_postgres: PrivatePostgres) -> None:
    server = await private_postgres()
    await ask(server, "CREATE TABLE kept AS SELECT 1 AS n")
    first = server.pid
    watch = asyncio.create_task(server.keep_running())
    await server.kill()
    db = await Database.open(server.url("omniroute_owner"))
    await db.close()
    assert server.pid not in (None, first)
    assert await ask(server, "SELECT n FROM kept") == [(1,)]

    await server.stop()
    await watch  # A server that was stopped stays down.
    assert server.pid is None


async def test_a_stop_is_the_last_word_for_whoever_watches(
    private_postgres: PrivatePostgres, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("omniroute.infra.postgres.server.WATCH_S", 0)  # Looks in every turn of the loop.
    server = await private_postgres(fast=True)
    for killed in (False, True):
        watch = asyncio.create_task(server.keep_running())
        if killed:
            await server.kill()
        await asyncio.sleep(0)
        await server.stop()
        await asyncio.wait_for(watch, 10)
        assert server.pid is None
        await server.start()


async def test_a_second_start_is_refused_and_names_folder_and_process(private_postgres: PrivatePostgres) -> None:
    server = await private_postgres()
    second = EmbeddedPostgres(server.folder)

    with pytest.raises(AlreadyRunning) as refused:
        await second.start()
    assert refused.value.facts == {"folder": str(server.folder), "pid": server.pid}
    assert str(server.folder) in refused.value.detail
    assert str(server.pid) in refused.value.detail
    with pytest.raises(AlreadyRunning):
        await server.start()
    assert await ask(server, "SELECT 1") == [(1,)]


async def test_a_server_started_by_other_hands_is_refused(private_postgres: PrivatePostgres) -> None:
    server = await private_postgres()
    await server.stop()
    (server.folder / "server.json").unlink()
    command = [str(locate(None) / "postgres"), "-D", str(server.data), "-p", str(server.port)]
    command += ["-c", "listen_addresses=127.0.0.1", "-c", "unix_socket_directories="]
    owner = server.data.stat()
    stranger = await asyncio.to_thread(
        subprocess.Popen,
        command,
        user=owner.st_uid if os.geteuid() == 0 else None,
        cwd="/",
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        await asyncio.to_thread(wait_until_ready, server.data)
        with pytest.raises(AlreadyRunning, match=f"process {stranger.pid}"):
            await server.start()
        assert stranger.poll() is None
    finally:
        stranger.send_signal(signal.SIGINT)
        await asyncio.to_thread(stranger.wait)


async def test_stop_is_clean_and_may_be_said_twice(private_postgres: PrivatePostgres) -> None:
    server = await private_postgres()
    await ask(server, "CREATE TABLE kept AS SELECT 1 AS n")
    await server.stop()
    await server.stop()

    assert server.pid is None
    assert not (server.data / "postmaster.pid").exists()
    assert "database system is shut down" in server.log.read_text()
    size = server.log.stat().st_size
    await server.start()
    assert "not properly shut down" not in server.log.read_text()[size:]
    assert await ask(server, "SELECT n FROM kept") == [(1,)]


@needs_proc
async def test_a_stale_lock_with_a_recycled_process_id_is_recognised(private_postgres: PrivatePostgres) -> None:
    server = await private_postgres()
    await server.kill()
    lock = server.data / "postmaster.pid"
    # This very process is alive and is not PostgreSQL.
    lines = lock.read_text().splitlines(keepends=True)
    lock.write_text("".join([f"{os.getpid()}\n", *lines[1:]]))

    await server.start()
    assert await ask(server, "SELECT 1") == [(1,)]


async def test_a_server_whose_starter_was_killed_is_taken_over(server_folder: Path) -> None:
    folder = server_folder / "postgres"
    script = f"""
        import asyncio, os, signal
        from pathlib import Path
        from omniroute.infra.postgres import EmbeddedPostgres

        async def main():
            server = EmbeddedPostgres(Path({str(folder)!r}), fast=True)
            await server.start()
            print(server.pid, flush=True)
            os.kill(os.getpid(), signal.SIGKILL)

        asyncio.run(main())
    """
    done = await asyncio.to_thread(
        subprocess.run, [sys.executable, "-c", textwrap.dedent(script)], capture_output=True, text=True, check=False
    )
    orphan = int(done.stdout)
    os.kill(orphan, 0)  # It survived its starter.

    async with EmbeddedPostgres(folder, fast=True) as server:
        assert server.pid != orphan
        assert await ask(server, "SELECT 1") == [(1,)]
        assert "database system was interrupted" not in server.log.read_text()


async def test_a_socket_instead_of_a_port(private_postgres: PrivatePostgres) -> None:
    server = await private_postgres(unix_socket=True, fast=True)
    assert await ask(server, "SELECT inet_server_addr() IS NULL") == [(True,)]
    assert await ask(server, "SHOW listen_addresses") == [("",)]
    await server.kill()
    await server.start()
    assert await ask(server, "SELECT 1") == [(1,)]


@needs_debian
async def test_debian_programs_and_a_version_mismatch(private_postgres: PrivatePostgres) -> None:
    server = await private_postgres(binaries=DEBIAN, fast=True)
    assert await ask(server, "SELECT current_setting('server_version_num')::int / 10000") == [(15,)]
    await server.stop()

    newer = EmbeddedPostgres(server.folder)
    with pytest.raises(VersionMismatch, match="made by PostgreSQL 15"):
        await newer.start()
    await server.start()  # Refused, and nothing was harmed.


async def test_a_server_that_dies_at_start_tells_why(server_folder: Path) -> None:
    server = EmbeddedPostgres(server_folder / "postgres", fast=True, settings={"shared_buffers": "nonsense"})
    with pytest.raises(ServerFailed, match='invalid value for parameter "shared_buffers": "nonsense"'):
        await server.start()
    assert server.pid is None

    # Nothing half made is left: with the mistake mended it starts.
    async with EmbeddedPostgres(server_folder / "postgres", fast=True) as mended:
        assert await ask(mended, "SELECT 1") == [(1,)]


async def test_a_folder_with_other_things_in_it_is_left_alone(server_folder: Path) -> None:
    data = server_folder / "postgres" / "data"
    data.mkdir(parents=True)
    (data / "thesis.txt").write_text("years of work")
    for folder in (data.parent, data):
        folder.chmod(0o755)

    with pytest.raises(FolderDamaged, match="not empty"):
        await EmbeddedPostgres(data.parent).start()
    assert [path.name for path in data.iterdir()] == ["thesis.txt"]


async def test_lost_passwords_are_refused_not_replaced(private_postgres: PrivatePostgres) -> None:
    server = await private_postgres(fast=True)
    await server.stop()
    (server.folder / "passwords.json").unlink()
    with pytest.raises(FolderDamaged, match=r"passwords\.json is missing"):
        await server.start()
    assert not (server.folder / "passwords.json").exists()


@needs_root
async def test_rights_of_parent_folders_are_never_widened(server_folder: Path) -> None:
    closed = server_folder / "closed"
    closed.mkdir(mode=0o700)
    with pytest.raises(FolderUnreachable) as refused:
        await EmbeddedPostgres(closed / "postgres").start()

    assert refused.value.facts["blocked_at"] == str(closed)
    assert stat.S_IMODE(closed.stat().st_mode) == 0o700
    assert list(closed.iterdir()) == []


@needs_root
async def test_programs_the_user_cannot_reach_are_copied(server_folder: Path) -> None:
    closed = server_folder / "root-home"
    closed.mkdir(mode=0o700)
    wheel = locate(None).parents[1]
    # As a virtual environment below /root would be.
    parts = [str(wheel), str(wheel.with_name(wheel.name + ".libs"))]
    await asyncio.to_thread(subprocess.run, ["/bin/cp", "-r", *parts, str(closed)], check=True)
    hidden = closed / wheel.name

    async with EmbeddedPostgres(server_folder / "postgres", fast=True, binaries=hidden / "pginstall/bin") as server:
        assert await ask(server, "SELECT 1") == [(1,)]
        assert list((server.folder / "binaries").iterdir())
    assert stat.S_IMODE(closed.stat().st_mode) == 0o700


@needs_root
async def test_as_an_ordinary_user(server_folder: Path) -> None:
    os.chown(server_folder, 65534, 65534)
    folder = server_folder / "own" / "postgres"
    script = f"""
        import asyncio, encodings.idna, os
        from pathlib import Path
        import psycopg
        from omniroute.infra.postgres import EmbeddedPostgres

        async def main():
            await asyncio.to_thread(int)  # What is imported late must be imported before rights are given up.
            os.setgroups([]); os.setgid(65534); os.setuid(65534)
            async with EmbeddedPostgres(Path({str(folder)!r}), binaries=Path(BINARIES)) as server:
                async with await psycopg.AsyncConnection.connect(server.url()) as connection:
                    row = await (await connection.execute("SELECT session_user::text")).fetchone()
                    print(row[0], os.stat(server.data).st_uid == os.geteuid() == 65534, flush=True)

        asyncio.run(main())
    """
    script = textwrap.dedent(script).replace("BINARIES", repr(str(locate(None))))
    done = await asyncio.to_thread(
        subprocess.run, [sys.executable, "-c", script], capture_output=True, text=True, check=False, cwd="/"
    )
    assert done.stderr == ""
    assert done.stdout.split() == ["omniroute_app", "True"]

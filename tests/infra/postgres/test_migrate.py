"""Migrations: forward only, once, by one runner at a time, and never by halves."""

import asyncio
import importlib
import os
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import psycopg
import pytest
from psycopg import AsyncConnection, sql

from omniroute.infra.postgres import (
    EmbeddedPostgres,
    MigrationFailed,
    MigrationRefused,
    MigrationUnreachable,
    migrate,
    status,
)
from omniroute.infra.postgres.migrate import default_folder, find

FIRST = "0001_infra_roles"
PrivatePostgres = Callable[..., Awaitable[EmbeddedPostgres]]
DEBIAN = Path("/usr/lib/postgresql/15/bin")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Migrations of one's own, after the real first one."""
    first = default_folder() / f"{FIRST}.sql"
    (tmp_path / first.name).write_text(first.read_text())
    return tmp_path


@pytest.fixture
async def empty(admin_url: str) -> AsyncIterator[str]:
    """An empty database on the server all tests share, as a superuser."""
    name = f"omniroute_empty_{secrets.token_hex(4)}"
    async with await AsyncConnection.connect(admin_url, autocommit=True) as admin:
        await admin.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
        yield urlsplit(admin_url)._replace(path=f"/{name}").geturl()
        await admin.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))


async def ask(url: str, text: str) -> list[tuple[Any, ...]]:
    async with await AsyncConnection.connect(url, autocommit=True) as connection:
        cursor = await connection.execute(text.encode())
        return await cursor.fetchall() if cursor.description else []


async def test_all_of_ours_apply_once_and_belong_to_the_owner(empty: str) -> None:
    ours = [each.path.stem for each in find()]
    assert (await status(empty)).pending == tuple(ours)

    assert await migrate(empty) == ours
    assert await migrate(empty) == []

    now = await status(empty)
    assert (now.applied, now.pending) == (tuple(ours), ())
    strangers = await ask(
        empty,
        """SELECT c.relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
            WHERE n.nspname = 'omniroute' AND c.relowner <> 'omniroute_owner'::regrole""",
    )
    assert strangers == []
    # Whoever is not granted a function may not call it.
    public = await ask(
        empty,
        """SELECT p.proname FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace
            WHERE n.nspname = 'omniroute' AND (p.proacl IS NULL OR p.proacl::text ~ '[{,]=X')""",
    )
    assert public == []


async def test_status_changes_nothing(empty: str, folder: Path) -> None:
    await status(empty, folder)
    assert await ask(empty, "SELECT to_regnamespace('omniroute') IS NULL") == [(True,)]


async def test_two_runners_at_once_apply_everything_once(empty: str, folder: Path) -> None:
    (folder / "0002_test_slow.sql").write_text(
        "CREATE TABLE slow (n int); SELECT pg_sleep(0.5); INSERT INTO slow VALUES (1);"
    )
    applied = await asyncio.gather(*(migrate(empty, folder) for _ in range(3)))
    assert sorted(map(len, applied)) == [0, 0, 2]
    assert await ask(empty, "SELECT count(*) FROM omniroute.slow") == [(1,)]


async def test_a_changed_file_is_refused_by_name(empty: str, folder: Path) -> None:
    file = folder / "0002_test_thing.sql"
    file.write_text("CREATE TABLE thing (n int);")
    await migrate(empty, folder)
    file.write_text("CREATE TABLE thing (n bigint);")
    (folder / "0003_test_more.sql").write_text("CREATE TABLE more (n int);")

    for attempt in (migrate, status):
        with pytest.raises(MigrationRefused, match=r"0002_test_thing\.sql was changed after it was applied"):
            await attempt(empty, folder)
    assert await ask(empty, "SELECT to_regclass('omniroute.more') IS NULL") == [(True,)]


async def test_a_number_before_the_newest_is_refused_by_name(empty: str, folder: Path) -> None:
    (folder / "0005_test_five.sql").write_text("CREATE TABLE five (n int);")
    await migrate(empty, folder)
    (folder / "0004_test_late.sql").write_text("CREATE TABLE late (n int);")
    with pytest.raises(MigrationRefused, match=r"0004_test_late\.sql comes before 0005"):
        await migrate(empty, folder)
    assert await ask(empty, "SELECT to_regclass('omniroute.late') IS NULL") == [(True,)]


async def test_a_database_newer_than_we_are_is_refused_by_name(empty: str, folder: Path) -> None:
    newer = folder / "0009_test_newer.sql"
    newer.write_text("CREATE TABLE newer (n int);")
    await migrate(empty, folder)
    newer.unlink()
    with pytest.raises(MigrationRefused, match="0009_test_newer, which this version does not know"):
        await migrate(empty, folder)


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("2_test_short.sql", "is not named"),
        ("0002-test.sql", "is not named"),
        ("0001_other_first.sql", "same number"),
    ],
)
async def test_names_and_numbers_are_checked_before_the_database_is_touched(
    empty: str, folder: Path, name: str, said: str
) -> None:
    (folder / name).write_text("SELECT 1;")
    with pytest.raises(MigrationRefused, match=said):
        await migrate(empty, folder)
    assert await ask(empty, "SELECT to_regnamespace('omniroute') IS NULL") == [(True,)]


@pytest.mark.parametrize(
    ("text", "line", "said"),
    [
        (
            "CREATE TABLE half (n int);\n\n-- A comment\nCREATE TABLE half2 (\n    n int,\n    m nonsense\n);",
            6,
            "nonsense",
        ),
        ("CREATE TABLE half (n int);\nINSERT INTO half\n  VALUES (1), ('x');", 3, "x"),
        ("CREATE TABLE half (n int PRIMARY KEY);\nINSERT INTO half VALUES (1), (1);", 2, "duplicate key"),
        ("CREATE TABLE half (n int);\nDO $$\nBEGIN\n  PERFORM 1 / 0;\nEND $$;", 2, "division by zero"),
    ],
    ids=["parse", "value", "constraint", "inside-do"],
)
async def test_a_broken_file_names_its_line_and_leaves_nothing(
    empty: str, folder: Path, text: str, line: int, said: str
) -> None:
    (folder / "0002_test_broken.sql").write_text(text)
    with pytest.raises(MigrationFailed, match=rf"^0002_test_broken\.sql:{line}: .*{said}"):
        await migrate(empty, folder)
    assert await ask(empty, "SELECT to_regclass('omniroute.half') IS NULL") == [(True,)]
    assert (await status(empty, folder)).pending == ("0002_test_broken",)


async def test_a_file_may_not_end_its_transaction(empty: str, folder: Path) -> None:
    (folder / "0002_test_commit.sql").write_text("CREATE TABLE early (n int);\nCOMMIT;\n")
    with pytest.raises(MigrationRefused, match=r"0002_test_commit\.sql:2"):
        await migrate(empty, folder)
    assert await ask(empty, "SELECT to_regclass('omniroute.early') IS NULL") == [(True,)]


async def test_an_index_built_concurrently_while_others_run(empty: str, folder: Path) -> None:
    (folder / "0002_test_table.sql").write_text("CREATE TABLE wide (n int);")
    (folder / "0003_test_index.sql").write_text(
        "-- Built without stopping writers.\n-- no-transaction\n"
        "CREATE INDEX CONCURRENTLY IF NOT EXISTS wide_n ON wide (n);\nANALYZE wide;\n"
    )
    applied = await asyncio.gather(migrate(empty, folder), migrate(empty, folder))
    assert sorted(map(len, applied)) == [0, 3]
    found = await ask(
        empty,
        "SELECT indisvalid, pg_get_userbyid(relowner) FROM pg_index JOIN pg_class c ON c.oid = indexrelid "
        "WHERE indexrelid = 'omniroute.wide_n'::regclass",
    )
    assert found == [(True, "omniroute_owner")]


async def test_waiting_for_a_lock_is_bounded(empty: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (folder / "0002_test_table.sql").write_text("CREATE TABLE busy (n int);")
    await migrate(empty, folder)
    (folder / "0003_test_alter.sql").write_text("ALTER TABLE busy ADD COLUMN m int;")
    module = importlib.import_module("omniroute.infra.postgres.migrate")  # The front door's `migrate` is the function.
    monkeypatch.setattr(module, "LOCK_TIMEOUT", b"SET lock_timeout = '100ms'")
    async with await AsyncConnection.connect(empty) as reader:
        await reader.execute("SELECT * FROM omniroute.busy")
        with pytest.raises(MigrationFailed, match=r"0003_test_alter\.sql:1: canceling statement due to lock timeout"):
            await migrate(empty, folder)
    assert await migrate(empty, folder) == ["0003_test_alter"]


async def test_a_server_that_is_not_there() -> None:
    with pytest.raises(MigrationUnreachable):
        await migrate("postgresql://nobody@127.0.0.1:1/none?connect_timeout=2")


@pytest.mark.parametrize("binaries", [None, DEBIAN], ids=["embedded", "debian-15"])
class TestLoginsThatAreNotSuperusers:
    """Each on a server of its own: roles belong to a server, and here they must not exist yet."""

    @pytest.fixture
    async def server(self, private_postgres: PrivatePostgres, binaries: Path | None) -> EmbeddedPostgres:
        if binaries is not None and not os.path.exists(binaries):  # noqa: ASYNC240 - a test may wait for the disk
            pytest.skip("Debian's PostgreSQL 15 is not installed")
        return await private_postgres(binaries=binaries, fast=True)

    async def test_the_embedded_owner_login(self, server: EmbeddedPostgres) -> None:
        applied = await migrate(server.url("omniroute_owner"))
        assert applied == [each.path.stem for each in find()]
        # The doors' login works at once, and is what it should be.
        assert await ask(server.url("omniroute_app"), "SELECT omniroute.current_tenant()") == [(None,)]
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            await ask(server.url("omniroute_app"), "SET ROLE omniroute_owner")

    async def test_a_login_with_createrole_makes_what_is_missing(self, server: EmbeddedPostgres) -> None:
        admin = server.url("postgres", "postgres")
        for statement in (
            "DROP DATABASE omniroute",
            "DROP ROLE omniroute_owner",
            "DROP ROLE omniroute_app",
            "DROP ROLE omniroute_worker",
            "CREATE ROLE deployer LOGIN CREATEROLE PASSWORD 'x'",
            "CREATE DATABASE ours OWNER deployer",
        ):
            await ask(admin, statement)
        url = f"postgresql://deployer:x@{server.host}:{server.port}/ours"
        assert await migrate(url) == [each.path.stem for each in find()]
        for role in ("omniroute_owner", "omniroute_app", "omniroute_worker"):
            assert await ask(f"{url}?options=-crole%3D{role}", "SELECT current_user::text") == [(role,)]

    async def test_a_login_without_createrole_uses_roles_made_beforehand(self, server: EmbeddedPostgres) -> None:
        admin = server.url("postgres", "postgres")
        await ask(admin, "CREATE ROLE deployer LOGIN PASSWORD 'x'")
        await ask(admin, "CREATE DATABASE ours")
        url = f"postgresql://deployer:x@{server.host}:{server.port}/ours"

        with pytest.raises(MigrationFailed, match="GRANT omniroute_owner TO deployer"):
            await migrate(url)
        assert await ask(url, "SELECT to_regnamespace('omniroute') IS NULL") == [(True,)]

        await ask(admin, "GRANT omniroute_owner TO deployer")
        await ask(admin, "GRANT CREATE ON DATABASE ours TO deployer")
        assert await migrate(url) == [each.path.stem for each in find()]
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            await ask(url, "SET ROLE omniroute_app")


def test_the_migrations_are_packaged_with_the_wheel() -> None:
    assert default_folder().is_dir()
    assert os.path.commonpath([default_folder(), Path(__file__).parents[3]]) == str(Path(__file__).parents[3])

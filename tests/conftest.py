"""A real PostgreSQL for every test: one server a session, one migrated template, one clone of it a module.

`OMNIROUTE_TEST_DATABASE_URL` names another server to use (a superuser's address, any PostgreSQL from 15 on).
"""

import os
import secrets
import shutil
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from hypothesis import HealthCheck, settings
from psycopg import AsyncConnection, sql

from omniroute.infra.postgres import Database, EmbeddedPostgres, migrate

# How long an example takes depends on what else the machine does; no test may fail for it.
settings.register_profile("untimed", parent=settings(), deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("untimed")

PrivatePostgres = Callable[..., Awaitable[EmbeddedPostgres]]


def _open_folder() -> Path:
    """A folder the server's own user can enter as well; pytest's are closed to everybody but us."""
    folder = Path(tempfile.mkdtemp(prefix="omniroute-test-"))
    folder.chmod(0o711)
    return folder


@pytest.fixture
def server_folder() -> Iterator[Path]:
    """An empty folder for a private server."""
    folder = _open_folder()
    yield folder
    shutil.rmtree(folder)


@pytest.fixture(scope="session")
async def admin_url() -> AsyncIterator[str]:
    """A superuser's address of the server all tests share. Not durable when it is our own: only tests that kill a
    server need that, and they start one with `private_postgres`."""
    given = os.environ.get("OMNIROUTE_TEST_DATABASE_URL")
    if given:
        yield given
        return
    folder = _open_folder()
    try:
        async with EmbeddedPostgres(folder / "postgres", fast=True) as server:
            yield server.url("postgres", "postgres")
    finally:
        shutil.rmtree(folder)


@pytest.fixture(scope="session")
async def template(admin_url: str) -> AsyncIterator[str]:
    """The name of a migrated database that is only ever copied."""
    name = f"omniroute_template_{secrets.token_hex(4)}"
    async with await AsyncConnection.connect(admin_url, autocommit=True) as admin:
        # Roles belong to the whole server: several test processes on one must not make them at once.
        await admin.execute("SELECT pg_advisory_lock(77)")
        await admin.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
        await migrate(_with_database(admin_url, name))
        await admin.execute("SELECT pg_advisory_unlock(77)")
    yield name
    await _drop(admin_url, name)


@pytest.fixture(scope="module")
async def database_url(admin_url: str, template: str) -> AsyncIterator[str]:
    """A fresh migrated database of this module, as a superuser (who may become owner, app and worker)."""
    name = f"omniroute_test_{secrets.token_hex(4)}"
    async with await AsyncConnection.connect(admin_url, autocommit=True) as admin:
        create = sql.SQL("CREATE DATABASE {} TEMPLATE {}")
        await admin.execute(create.format(sql.Identifier(name), sql.Identifier(template)))
    yield _with_database(admin_url, name)
    await _drop(admin_url, name)


@pytest.fixture(scope="module")
async def app_db(database_url: str) -> AsyncIterator[Database]:
    """The doors' role: row-level security applies."""
    database = await Database.open(database_url, role="omniroute_app")
    yield database
    await database.close()


@pytest.fixture(scope="module")
async def worker_db(database_url: str) -> AsyncIterator[Database]:
    """The background role: reads every tenant where a policy says so."""
    database = await Database.open(database_url, role="omniroute_worker")
    yield database
    await database.close()


@pytest.fixture(scope="module")
async def owner_db(database_url: str) -> AsyncIterator[Database]:
    """The owner of everything; row-level security does not apply."""
    database = await Database.open(database_url, role="omniroute_owner")
    yield database
    await database.close()


@pytest.fixture
async def private_postgres() -> AsyncIterator[PrivatePostgres]:
    """A maker of durable servers of one's own, to be killed at will: `server = await private_postgres()`.

    The server is started; arguments are those of `EmbeddedPostgres`. `await server.kill()` is kill -9, and
    `await server.start()` brings it back on the same port.
    """
    servers: list[EmbeddedPostgres] = []
    folders: list[Path] = []

    async def make(folder: Path | None = None, **options: Any) -> EmbeddedPostgres:
        if folder is None:
            folders.append(_open_folder())
            folder = folders[-1] / "postgres"
        server = EmbeddedPostgres(folder, **options)
        servers.append(server)
        await server.start()
        return server

    yield make
    for server in servers:
        await server.stop()
    for folder in folders:
        shutil.rmtree(folder)


def _with_database(url: str, name: str) -> str:
    """The same address with another database."""
    return urlsplit(url)._replace(path=f"/{name}").geturl()


async def _drop(admin_url: str, name: str) -> None:
    async with await AsyncConnection.connect(admin_url, autocommit=True) as admin:
        await admin.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))

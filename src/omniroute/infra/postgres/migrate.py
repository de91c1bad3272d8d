"""Plain SQL migrations, forward only: `migrations/NNNN_module_what.sql`, each in its own transaction.

Every file is recorded with its checksum. What a database has seen can no longer change, and new files only come after.
Two runners at once are safe: the second waits, then finds nothing left to do.

A file whose first comment lines hold `-- no-transaction` runs statement by statement outside a transaction, for
CREATE INDEX CONCURRENTLY; it must be safe to run again (IF NOT EXISTS), because it may stop half-way.
"""

import asyncio
import hashlib
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import psycopg
from psycopg import AsyncConnection

from omniroute.infra.postgres.database import check_version
from omniroute.infra.postgres.statements import Statement, split
from omniroute.kit.refusal import Fault, Kind, Refusal

LOCK_TIMEOUT = b"SET lock_timeout = '5s'"
LOCK_KEY = 0x6F6D6E69  # Any number nobody else uses for an advisory lock in this database.
LOCK_POLL_S = 0.1

_FILE = re.compile(r"(\d{4})_([a-z0-9]+(?:_[a-z0-9]+)*)\.sql")
_CONTROL = re.compile(r"(BEGIN|COMMIT|ROLLBACK|END|ABORT|START\s+TRANSACTION)\b", re.IGNORECASE)


class MigrationRefused(Refusal):
    """The migration files and the database do not fit together; nothing was changed."""

    code = "postgres.migration_refused"
    kind = Kind.REFUSED


class MigrationFailed(Fault):
    """A migration failed and was rolled back; the message names file and line."""


class MigrationUnreachable(Fault):
    """The database to migrate cannot be reached."""


@dataclass(frozen=True)
class Migration:
    """One file."""

    number: int
    name: str
    path: Path
    text: str

    @cached_property
    def checksum(self) -> bytes:
        return hashlib.sha256(self.text.encode()).digest()

    @cached_property
    def is_transactional(self) -> bool:
        comments = (line for line in self.text.splitlines() if line.strip())
        for line in comments:
            if not line.startswith("--"):
                break
            if line.strip() == "-- no-transaction":
                return False
        return True


@dataclass(frozen=True, slots=True)
class Status:
    """What the database has, and what it still lacks."""

    applied: tuple[str, ...]
    pending: tuple[str, ...]


def default_folder() -> Path:
    """The migrations that came with this package, installed or checked out.

    Raises: MigrationRefused.
    """
    package = Path(__file__).parents[2]
    for folder in (package / "migrations", package.parents[1] / "migrations"):
        if folder.is_dir():
            return folder
    raise MigrationRefused(f"no migrations beside {package}")


def find(folder: Path | None = None) -> list[Migration]:
    """The files of a folder in order.

    Raises: MigrationRefused for a name that is not NNNN_module_what.sql and for a number that stands twice.
    """
    folder = folder or default_folder()
    found: dict[int, Migration] = {}
    for path in sorted(folder.glob("*.sql")):
        match = _FILE.fullmatch(path.name)
        if match is None:
            raise MigrationRefused(f"{path.name} is not named NNNN_module_what.sql", file=path.name)
        number = int(match[1])
        if number in found:
            raise MigrationRefused(f"{found[number].path.name} and {path.name} have the same number", file=path.name)
        found[number] = Migration(number, match[2], path, path.read_text(encoding="utf-8"))
    return list(found.values())


async def status(url: str, folder: Path | None = None) -> Status:
    """What is applied and what is pending; changes nothing.

    Raises: MigrationRefused, ServerTooOld, MigrationUnreachable.
    """
    files = find(folder)
    async with _connection(url) as connection:
        applied = await _applied(connection)
    todo = _pending(files, applied)
    return Status(
        applied=tuple(f"{number:04}_{name}" for number, (name, _) in sorted(applied.items())),
        pending=tuple(each.path.stem for each in todo),
    )


async def migrate(url: str, folder: Path | None = None) -> list[str]:
    """Bring a database up to date; returns the names of what was applied, in order.

    The login needs what the first migration says: CREATEROLE, or roles that a DBA made and granted beforehand.

    Raises: MigrationRefused, ServerTooOld, MigrationFailed, MigrationUnreachable.
    """
    files = find(folder)
    async with _connection(url) as connection, _alone(connection):
        todo = _pending(files, await _applied(connection))
        for migration in todo:
            await _apply(connection, migration)
    return [each.path.stem for each in todo]


@asynccontextmanager
async def _connection(url: str) -> AsyncIterator[AsyncConnection[Any]]:
    try:
        connection = await AsyncConnection.connect(url, autocommit=True, application_name="omniroute migrate")
    except psycopg.OperationalError as error:
        raise MigrationUnreachable(str(error)) from error
    async with connection:
        check_version(connection)
        # The database's own defaults must not cut a migration short, only waiting for locks is bounded.
        await connection.execute(b"SET statement_timeout = 0")
        await connection.execute(b"SET idle_in_transaction_session_timeout = 0")
        await connection.execute(LOCK_TIMEOUT)
        yield connection


@asynccontextmanager
async def _alone(connection: AsyncConnection[Any]) -> AsyncIterator[None]:
    """Hold the advisory lock. Asked again and again rather than waited for: a waiting statement holds a snapshot,
    and CREATE INDEX CONCURRENTLY of the runner in front would wait for that snapshot for ever."""
    while True:
        cursor = await connection.execute("SELECT pg_try_advisory_lock(%s)", [LOCK_KEY])
        row = await cursor.fetchone()
        if row is not None and row[0]:
            break
        await asyncio.sleep(LOCK_POLL_S)
    try:
        yield
    finally:
        if not connection.closed:
            await connection.execute("SELECT pg_advisory_unlock(%s)", [LOCK_KEY])


async def _applied(connection: AsyncConnection[Any]) -> dict[int, tuple[str, bytes]]:
    cursor = await connection.execute("SELECT to_regclass('omniroute.schema_migration')")
    row = await cursor.fetchone()
    if row is None or row[0] is None:
        return {}
    cursor = await connection.execute("SELECT number, name, checksum FROM omniroute.schema_migration ORDER BY number")
    return {number: (name, bytes(checksum)) async for number, name, checksum in cursor}


def _pending(files: list[Migration], applied: dict[int, tuple[str, bytes]]) -> list[Migration]:
    """What is left to do, or a refusal that names the file which does not fit."""
    by_number = {each.number: each for each in files}
    newest = max(applied, default=0)
    for number, (name, checksum) in sorted(applied.items()):
        label, file = f"{number:04}_{name}", by_number.get(number)
        if file is None or file.name != name:
            raise MigrationRefused(
                f"the database has {label}, which this version does not know; use the version that made it, or a "
                "newer one",
                migration=label,
            )
        if file.checksum != checksum:
            raise MigrationRefused(
                f"{file.path.name} was changed after it was applied; restore it and put the change in a new file",
                migration=label,
            )
    for file in files:
        if file.number < newest and file.number not in applied:
            raise MigrationRefused(
                f"{file.path.name} comes before {newest:04}, which is already applied; give it a number above that",
                migration=file.path.stem,
            )
    return [each for each in files if each.number not in applied]


async def _apply(connection: AsyncConnection[Any], migration: Migration) -> None:
    statements = split(migration.text)
    if migration.is_transactional:
        for statement in statements:
            if _CONTROL.match(statement.text):
                raise MigrationRefused(
                    f"{migration.path.name}:{statement.line}: a migration is one transaction already; leave out "
                    f"{statement.text.split()[0]}",
                    migration=migration.path.stem,
                )
        async with connection.transaction():
            await _enter(connection, migration, local=True)
            for statement in statements:
                await _execute(connection, migration, statement)
            await _record(connection, migration)
        return
    await _enter(connection, migration, local=False)
    try:
        for statement in statements:
            await _execute(connection, migration, statement)
        await _record(connection, migration)
    finally:
        if not connection.closed:
            await connection.execute(b"RESET search_path")
            await connection.execute(b"RESET ROLE")


async def _enter(connection: AsyncConnection[Any], migration: Migration, *, local: bool) -> None:
    """Become the owner, in our schema. The first migration makes both, so it starts as the login itself."""
    if migration.number == 1:
        return
    word = b"SET LOCAL " if local else b"SET "
    await connection.execute(word + b"ROLE omniroute_owner")
    await connection.execute(word + b"search_path = omniroute")


async def _execute(connection: AsyncConnection[Any], migration: Migration, statement: Statement) -> None:
    try:
        await connection.execute(statement.text.encode())
    except psycopg.Error as error:
        line = statement.line
        if error.diag.statement_position:
            line += statement.text[: int(error.diag.statement_position) - 1].count("\n")
        lines = [f"{migration.path.name}:{line}: {error.diag.message_primary or error}"]
        for label, said in (("detail", error.diag.message_detail), ("hint", error.diag.message_hint)):
            if said:
                lines.append(f"  {label}: {said}")
        if error.diag.context:
            lines.append(f"  in: {error.diag.context.splitlines()[0]}")
        raise MigrationFailed("\n".join(lines)) from error


async def _record(connection: AsyncConnection[Any], migration: Migration) -> None:
    await connection.execute(
        "INSERT INTO omniroute.schema_migration (number, name, checksum) VALUES (%s, %s, %s)",
        [migration.number, migration.name, migration.checksum],
    )

"""Events of a thing with a number, and what every test of the log needs."""

from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from uuid import UUID

import psycopg
import pytest

from omniroute.infra.events import Cursor, Event, Meta, Recorded, append, append_many, read
from omniroute.infra.postgres import Database, Tx
from omniroute.kit.ids import uuid7

Note = Callable[..., Awaitable[UUID]]
NoteMany = Callable[..., Awaitable[list[UUID]]]
ReadAll = Callable[..., Awaitable[tuple[list[Recorded], Cursor]]]


@dataclass(frozen=True, slots=True)
class ThingNumbered(Event):
    """A thing has got its next number."""

    topic = "thing.numbered"
    thing_id: UUID
    number: int

    @property
    def subject(self) -> UUID:
        return self.thing_id


@pytest.fixture
def tenant_id() -> UUID:
    """A new tenant for each test."""
    return uuid7()


@pytest.fixture
def note() -> Note:
    """`await note(tx, number, thing_id)`: append one event."""

    async def write(tx: Tx, number: int = 1, thing_id: UUID | None = None, meta: Meta | None = None) -> UUID:
        return await append(tx, ThingNumbered(thing_id or uuid7(), number), meta or Meta())

    return write


@pytest.fixture
def note_many() -> NoteMany:
    """`await note_many(tx, count)`: append numbers 1 to count, each of its own thing."""

    async def write(tx: Tx, count: int) -> list[UUID]:
        return await append_many(tx, [ThingNumbered(uuid7(), n) for n in range(1, count + 1)])

    return write


@pytest.fixture
def read_all() -> ReadAll:
    """`await read_all(db, tenant_id, cursor)`: all there is, in pages."""

    async def pages(
        db: Database, tenant_id: UUID | None, cursor: Cursor | None = None, limit: int = 100
    ) -> tuple[list[Recorded], Cursor]:
        cursor = cursor or Cursor()
        events: list[Recorded] = []
        while True:
            async with db.tx(tenant_id) as tx:
                page, cursor = await read(tx, Cursor.parse(cursor.show()), limit=limit)
            events += page
            if not page:
                return events, cursor

    return pages


@pytest.fixture
async def intruder(database_url: str) -> AsyncIterator[psycopg.AsyncConnection[tuple[object, ...]]]:
    """A superuser who has switched the triggers off: what no right and no trigger can stop, the chain must show."""
    async with await psycopg.AsyncConnection.connect(
        database_url, autocommit=True, options="-c search_path=omniroute -c session_replication_role=replica"
    ) as connection:
        yield connection

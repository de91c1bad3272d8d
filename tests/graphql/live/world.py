"""Notes of two organisations behind a socket: a real server, real credentials, a client that says what it likes."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from granian.constants import Interfaces
from granian.server.embed import Server
from psycopg import AsyncConnection
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed
from websockets.typing import Subprotocol

from omniroute.graphql import (
    Engine,
    Gate,
    Hub,
    LiveLimits,
    Metadata,
    Serving,
    SocketDoor,
    SocketLimits,
    parse_metadata,
)
from omniroute.infra.events import Meta
from omniroute.infra.postgres import Database
from omniroute.kit.clock import Clock, SystemClock
from omniroute.kit.ids import uuid7
from omniroute.parties import access, tenants
from tests.ports import port_of_ours

PATIENCE_S = 60
CLOCK = SystemClock()
SECRET = "the secret of the administrator"
TRANSPORT, LEGACY = "graphql-transport-ws", "graphql-ws"

SCHEMA = b"""
CREATE SCHEMA live AUTHORIZATION omniroute_owner;
SET ROLE omniroute_owner;
CREATE TABLE live.note (
    id bigint PRIMARY KEY, tenant_id uuid NOT NULL DEFAULT omniroute.current_tenant(), branch_id uuid,
    owner text NOT NULL DEFAULT 'u1', body text NOT NULL DEFAULT '', weight numeric NOT NULL DEFAULT 0,
    at timestamptz NOT NULL DEFAULT now());
CREATE VIEW live.heavy WITH (security_invoker = true) AS SELECT weight, body FROM live.note;
ALTER TABLE live.note ENABLE ROW LEVEL SECURITY;
CREATE POLICY own ON live.note TO omniroute_app USING (tenant_id = omniroute.current_tenant()
    AND (omniroute.current_branches() IS NULL OR branch_id = ANY (omniroute.current_branches())));
GRANT USAGE ON SCHEMA live TO omniroute_app;
GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA live TO omniroute_app;
RESET ROLE;
"""

METADATA: dict[str, Any] = {
    "version": 3,
    "sources": [{
        "name": "default", "kind": "postgres",
        "tables": [
            {
                "table": {"schema": "live", "name": "note"},
                "configuration": {"custom_name": "notes", "custom_root_fields": {"select_by_pk": "note"}},
                "insert_permissions": [
                    {"role": "auditor", "permission": {"columns": ["id", "body"], "check": {}}},
                ],
                "select_permissions": [
                    {"role": "auditor", "permission": {"columns": "*", "filter": {}, "allow_aggregations": True}},
                    {"role": "user", "permission": {
                        "columns": ["id", "body"], "filter": {"owner": {"_eq": "X-Hasura-User-Id"}}}},
                ],
            },
            {"table": {"schema": "live", "name": "heavy"}, "configuration": {"custom_name": "heavy"},
             "select_permissions": [{"role": "auditor", "permission": {"columns": "*", "filter": {}}}]},
        ],
    }],
}  # fmt: skip


def metadata() -> Metadata:
    found, problems = parse_metadata(METADATA)
    assert [str(one) for one in problems] == []
    return found


@dataclass
class Organisation:
    """One organisation, and keys to it by name."""

    tenant_id: UUID
    keys: dict[str, str] = field(default_factory=dict)
    branches: list[UUID] = field(default_factory=list)


@dataclass
class World:
    """What the tests share."""

    database_url: str
    db: Database
    worker_db: Database
    serving: Serving
    gate: Gate
    one: Organisation
    other: Organisation

    async def change(self, organisation: Organisation, statement: str, **values: Any) -> None:
        """A committed change with its event, as services make them."""
        async with self.db.tx(organisation.tenant_id) as tx:
            await tx.connection.execute(statement.encode(), values)
            await record(tx.connection)

    async def write(self, organisation: Organisation, *ids: int, **columns: Any) -> None:
        """New notes, all in one transaction."""
        names = ["id", *columns]
        row = f"({', '.join(f'%({name})s' for name in names)})"
        async with self.db.tx(organisation.tenant_id) as tx:
            for id_ in ids:
                insert = f"INSERT INTO live.note ({', '.join(names)}) VALUES {row}"
                await tx.connection.execute(insert.encode(), {"id": id_, **columns})
            await record(tx.connection)


async def record(connection: AsyncConnection[Any]) -> None:
    """An event in the log."""
    await connection.execute(
        b"INSERT INTO omniroute.event_log (tenant_id, id, type, subject, data) "
        b"VALUES (omniroute.current_tenant(), %(id)s, 'note.changed', %(id)s, '{}')",
        {"id": uuid7()},
    )


async def open_world(database_url: str, owner: Database, db: Database, worker_db: Database) -> World:
    """Two organisations, the first with two branches; keys for auditors, users, and auditors of one branch."""
    async with owner.connection() as connection:
        await connection.execute(b"SET ROLE NONE")
        await connection.execute(SCHEMA)
    issued = await tenants.bootstrap_platform(db, now=CLOCK.now())
    assert issued is not None
    platform = await access.authenticate(db, f"Bearer {issued.secret.text}", now=CLOCK.now())
    found = []
    for slug in ("duka", "soko"):
        command = tenants.CreateOrganisation(slug, slug, "KE", "KES", "Africa/Nairobi")
        async with db.tx(tenants.PLATFORM_ID) as tx:
            made = await tenants.create_organisation(tx, command, caller=platform, now=CLOCK.now(), meta=Meta())
        found.append(Organisation(made.id))
    one, other = found
    async with db.tx(one.tenant_id) as tx:
        for code in ("north", "south"):
            root = root_of(one)
            branch = await tenants.create_branch(tx, code=code, name=code, caller=root, now=CLOCK.now(), meta=Meta())
            one.branches.append(branch.id)
    for organisation in found:
        for role in ("auditor", "user"):
            organisation.keys[role] = await make_key(db, organisation, role)
    for name, branch_id in zip(("north", "south"), one.branches, strict=True):
        one.keys[name] = await make_key(db, one, "auditor", branch_ids=[branch_id])

    async def opens() -> Engine:
        return await Engine.open(db, metadata())

    serving = await Serving.open(opens)
    gate = Gate(serving, access.Authenticator(db), CLOCK, admin_secret=SECRET)
    return World(database_url, db, worker_db, serving, gate, one, other)


def root_of(organisation: Organisation) -> access.Caller:
    """Who may do everything in an organisation."""
    everything = frozenset(map(str, access.Permission)) - frozenset(map(str, access.PLATFORM_PERMISSIONS))
    return access.Caller(organisation.tenant_id, "key_root", organisation.tenant_id, "api_key", everything)


async def make_key(db: Database, organisation: Organisation, role: str, **more: Any) -> str:
    """A key with the permissions of a role."""
    async with db.tx(organisation.tenant_id) as tx:
        command = access.CreateKey("test", frozenset(map(str, access.BUILT_IN[role][1])), **more)
        issued = await access.create_key(tx, command, caller=root_of(organisation), now=CLOCK.now(), meta=Meta())
    return issued.secret.text


@asynccontextmanager
async def listening(app: Any) -> AsyncIterator[str]:
    """A server of this application, and its address."""
    with port_of_ours() as port:
        server = Server(
            app, address="127.0.0.1", port=port, interface=Interfaces.ASGINL, log_enabled=False, backlog=4_096
        )
        serving = asyncio.create_task(server.serve())
        await until(lambda: _answers(port))
        try:
            yield f"ws://127.0.0.1:{port}"
        finally:
            server.stop()  # type: ignore[no-untyped-call]
            await serving


async def _answers(port: int) -> bool:
    try:
        _, writer = await asyncio.open_connection("127.0.0.1", port)
    except OSError:
        return False
    writer.close()
    with suppress(OSError):
        await writer.wait_closed()
    return True


@dataclass
class Door:
    """A door on a server."""

    url: str
    socket: SocketDoor
    hub: Hub


@asynccontextmanager
async def door(
    world: World,
    *,
    sockets: SocketLimits | None = None,
    live: LiveLimits | None = None,
    serving: Serving | None = None,
    clock: Clock = CLOCK,
) -> AsyncIterator[Door]:
    """A door of one's own."""
    hub = Hub(world.db, world.worker_db, limits=live or LiveLimits(poll_s=3_600))
    made = SocketDoor(world.gate, serving or world.serving, hub, limits=sockets, clock=clock)
    async with listening(made) as url:
        try:
            yield Door(url, made, hub)
        finally:
            await made.drain()


class Talk:
    """A connection of a client that says exactly what a test wants."""

    def __init__(self, connection: ClientConnection) -> None:
        self.connection = connection

    async def say(self, **message: Any) -> None:
        await self.connection.send(json.dumps(message))

    async def hear(self) -> Any:
        """The next message but pings and signs of life."""
        while True:
            async with asyncio.timeout(PATIENCE_S):
                message = json.loads(await self.connection.recv())
            if message["type"] not in ("ping", "ka"):
                return message

    async def end(self) -> tuple[int, str]:
        """The code and reason the server closes with; whatever it says before is skipped."""
        try:
            while True:
                async with asyncio.timeout(PATIENCE_S):
                    await self.connection.recv()
        except ConnectionClosed as closed:
            frame = closed.rcvd
        return (frame.code, frame.reason) if frame else (1006, "")

    async def init(self, key: str | None, **headers: str) -> None:
        """Show a key."""
        given = headers | ({} if key is None else {"Authorization": f"Bearer {key}"})
        await self.say(type="connection_init", payload={"headers": given})
        assert (await self.hear()) == {"type": "connection_ack"}

    async def subscribe(self, id_: str, query: str, **variables: Any) -> None:
        """Begin an operation."""
        kind = "start" if self.connection.subprotocol == LEGACY else "subscribe"
        await self.say(id=id_, type=kind, payload={"query": query, "variables": variables})

    async def data(self, id_: str) -> Any:
        """The data of the next result, which must be of this operation."""
        message = await self.hear()
        kind = "data" if self.connection.subprotocol == LEGACY else "next"
        assert (message["type"], message["id"]) == (kind, id_), message
        return message["payload"]["data"]


@asynccontextmanager
async def talking(url: str, *protocols: str, key: str | None = None, **options: Any) -> AsyncIterator[Talk]:
    """A connection; with a key it is past the first message."""
    names = [Subprotocol(name) for name in protocols or (TRANSPORT,)]
    async with connect(url, subprotocols=names, ping_interval=None, **options) as connection:
        talk = Talk(connection)
        if key is not None:
            await talk.init(key)
        yield talk


async def until(done: Callable[[], Awaitable[bool]]) -> None:
    """Wait for a condition."""
    async with asyncio.timeout(PATIENCE_S):
        while not await done():  # noqa: ASYNC110 - there is nothing that could tell.
            await asyncio.sleep(0.02)

"""1,000 live subscribers to one query: from the commit of a change to the message in each client's hands."""

import asyncio
import statistics
import time
from collections.abc import Awaitable, Callable

from psycopg import AsyncConnection

from bench.graphql_metadata import tracked
from bench.http import serving
from bench.network import Network, auditor_key
from bench.report import Figure, figure
from bench.sockets import Socket, connect, raise_file_limit
from bench.spent import Meter
from bench.started import started
from omniroute.infra.postgres import Database, EmbeddedPostgres
from omniroute.kit.ids import uuid7

SUBSCRIBERS = 1_000
CHANGES = 40
PAUSE_S = 0.25
PEER = "granian broadcast"

SCHEMA = b"""
CREATE SCHEMA bench;
CREATE TABLE bench.price (id bigint PRIMARY KEY, name text NOT NULL, price bigint NOT NULL);
INSERT INTO bench.price SELECT n, 'price ' || n, n FROM generate_series(1, 10) n;
GRANT USAGE ON SCHEMA bench TO omniroute_app;
GRANT SELECT, UPDATE ON bench.price TO omniroute_app;
"""
TABLES = {
    "bench_price": """
table: {schema: bench, name: price}
select_permissions:
  - role: auditor
    permission: {columns: "*", filter: {}}
"""
}
QUERY = "subscription { bench_price(order_by: {id: asc}) { id name price } }"


class Clients:
    """Many subscribers, and when each of them heard of a change."""

    def __init__(self) -> None:
        self.sockets: list[Socket] = []
        self.instants: list[float] = []
        self._acked: set[Socket] = set()
        self._wanted = b""
        self._complete = asyncio.Event()

    async def open(self, port: int, path: str) -> None:
        self.sockets = await connect(port, path, SUBSCRIBERS, self._heard)

    def close(self) -> None:
        for one in self.sockets:
            one.close()

    def _heard(self, sender: Socket, now: float, payload: bytes) -> None:
        if payload.startswith(b'{"type":"connection_ack"'):
            self._acked.add(sender)
        elif payload.startswith(b'{"type":"ping"'):
            sender.say({"type": "pong"})
        elif self._wanted and self._wanted in payload:
            self.instants.append(now)
        if max(len(self.instants), len(self._acked)) >= SUBSCRIBERS:
            self._complete.set()

    async def subscribe(self, secret: str) -> None:
        """All of them, and wait for the first answers."""
        for one in self.sockets:
            one.say({"type": "connection_init", "payload": {"headers": {"Authorization": f"Bearer {secret}"}}})
        await self._all()
        self._acked.clear()
        self.expect(b'"next"')
        for one in self.sockets:
            one.say({"type": "subscribe", "id": "a", "payload": {"query": QUERY}})
        await self._all()

    def expect(self, part: bytes) -> None:
        """The message that is waited for holds this."""
        self._wanted, self.instants = part, []
        self._complete.clear()

    async def _all(self) -> None:
        async with asyncio.timeout(120):
            await self._complete.wait()

    async def measure(self, change: Callable[[int], Awaitable[float]]) -> list[float]:
        """Milliseconds from a change, whose end `change` tells, until each has heard of it."""
        found: list[float] = []
        for number in range(1, CHANGES + 1):
            self.expect(str(10_000_000 + number).encode())
            began = await change(10_000_000 + number)
            await self._all()
            found += [1_000 * (instant - began) for instant in self.instants]
            await asyncio.sleep(PAUSE_S)
        return found


async def run(server: EmbeddedPostgres, db: Database, network: Network) -> list[Figure]:
    """Ours, and the peer on the same cores."""
    raise_file_limit(4 * SUBSCRIBERS)
    async with await AsyncConnection.connect(server.url("postgres"), autocommit=True) as admin:
        await admin.execute(SCHEMA)
    secret = await auditor_key(db, network)
    with tracked(TABLES) as folder:
        async with serving(server, graphql_metadata_dir=folder) as web:
            clients = Clients()
            await clients.open(int(web.url.rpartition(":")[2]), "/v1/graphql")
            await clients.subscribe(secret)
            meter = Meter(server, web=web.pid)
            ours = await clients.measure(lambda number: _change(db, network, number))
            spent = meter.told(CHANGES * SUBSCRIBERS)
            clients.close()
    theirs = await _peer()
    note = f"{SUBSCRIBERS} sockets on one query of 10 rows, {CHANGES} changes; commit to message. {spent}"
    return [
        figure(f"graphql.subscribers{SUBSCRIBERS}.{name}_ms", _percentile(ours, share), "ms", f"{PEER} {name}",
               _percentile(theirs, share), note)
        for name, share in (("p50", 50), ("p99", 99))
    ]  # fmt: skip


async def _change(db: Database, network: Network, number: int) -> float:
    """A price, with its event; when it was committed."""
    async with db.tx(network.tenant_id) as tx:
        await tx.connection.execute(b"UPDATE bench.price SET price = %(price)s WHERE id = 5", {"price": number})
        await tx.connection.execute(
            b"INSERT INTO event_log (tenant_id, id, type, subject, data) "
            b"VALUES (current_tenant(), %(id)s, 'price.changed', %(id)s, '{}')",
            {"id": uuid7()},
        )
    return time.perf_counter()


async def _peer() -> list[float]:
    """The same message to as many, without a database and without GraphQL."""
    async with started("bench.fanout") as other:
        clients = Clients()
        await clients.open(other.port, "/")

        async def change(number: int) -> float:
            rows = [{"id": n, "name": f"price {n}", "price": number} for n in range(10)]
            clients.sockets[0].say({"id": "a", "type": "next", "payload": {"data": {"bench_price": rows}}})
            return time.perf_counter()

        found = await clients.measure(change)
        clients.close()
        return found


def _percentile(values: list[float], share: int) -> float:
    return statistics.quantiles(values, n=100)[share - 1]

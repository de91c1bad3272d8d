"""Lists, nested lists, aggregates and single rows over HTTP: our engine and Strawberry on the same tables, for the same
documents, with the same answers.
"""

import asyncio
import json
import shutil
import statistics
import sys
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from psycopg import AsyncConnection

from bench.graphql_metadata import tracked
from bench.http import drive, percentile_of, rate_of, requests_of, serving
from bench.network import Network, auditor_key
from bench.report import Figure, figure
from bench.spent import Meter
from bench.started import started
from omniroute.infra.postgres import Database, EmbeddedPostgres

PEER = "strawberry"
POOL_SIZE = 10
SECONDS = 8
CONNECTIONS = 16
ALONE = 100  # Requests one after the other, for the time of one.
ROUNDS = 3
CUSTOMERS, REGIONS = 2_000, 100

SCHEMA = b"""
CREATE SCHEMA store;
CREATE TABLE store.customer (id bigint PRIMARY KEY, name text NOT NULL);
CREATE TABLE store.purchase (id bigint PRIMARY KEY, customer_id bigint NOT NULL REFERENCES store.customer,
    region bigint NOT NULL, reference text NOT NULL, status text NOT NULL, total_minor bigint NOT NULL,
    is_paid boolean NOT NULL, placed_at timestamptz NOT NULL);
CREATE TABLE store.line (id bigint PRIMARY KEY, purchase_id bigint NOT NULL REFERENCES store.purchase,
    product text NOT NULL, quantity integer NOT NULL, price_minor bigint NOT NULL);
INSERT INTO store.customer SELECT n, 'Customer ' || n FROM generate_series(1, 2000) n;
INSERT INTO store.purchase SELECT n, 1 + (n - 1) / 5, n % 100, 'purchase-' || n,
       (ARRAY['OPEN', 'SENT', 'DONE'])[1 + n % 3], 997 * n, n % 2 = 0,
       timestamptz '2026-03-02 08:00:00+00' + n * interval '1 minute' FROM generate_series(1, 10000) n;
INSERT INTO store.line SELECT n, 1 + (n - 1) / 3, 'Product ' || n % 70, 1 + n % 4, 50 * n
  FROM generate_series(1, 30000) n;
CREATE INDEX purchase_customer ON store.purchase (customer_id, id);
CREATE INDEX purchase_region ON store.purchase (region);
CREATE INDEX line_purchase ON store.line (purchase_id, id);
GRANT USAGE ON SCHEMA store TO omniroute_app;
GRANT SELECT ON ALL TABLES IN SCHEMA store TO omniroute_app;
ANALYZE store.customer, store.purchase, store.line;
"""

_TABLE = """
table: {{schema: store, name: {name}}}
configuration: {{custom_name: {name}}}
{relationships}
select_permissions:
  - role: auditor
    permission: {{columns: "*", filter: {{}}, allow_aggregations: true}}
"""
_MANY = (
    "array_relationships: [{{name: {name}, using: {{foreign_key_constraint_on: "
    "{{column: {column}, table: {{schema: store, name: {table}}}}}}}}}]"
)
TABLES = {
    "store_customer": _TABLE.format(
        name="customer", relationships=_MANY.format(name="purchases", column="customer_id", table="purchase")
    ),
    "store_purchase": _TABLE.format(
        name="purchase", relationships=_MANY.format(name="lines", column="purchase_id", table="line")
    ),
    "store_line": _TABLE.format(name="line", relationships=""),
}

_PURCHASE = "id customer_id region reference status total_minor is_paid placed_at"


@dataclass(frozen=True, slots=True)
class Shape:
    """A kind of request: a document with one number that changes from request to request."""

    name: str
    how: str
    document: str
    variable: str
    first: int
    last: int

    def body(self, number: int) -> bytes:
        """The request for a number."""
        return json.dumps({"query": self.document, "variables": {self.variable: number}}).encode()


SHAPES = (
    Shape(
        "list1000", "1,000 rows of 8 columns",
        f"query List($limit: Int!) {{ purchase(limit: $limit, order_by: {{id: asc}}) {{ {_PURCHASE} }} }}",
        "limit", 1_000, 1_000,
    ),
    Shape(
        "nested", "3 levels: 20 rows, 100 below them, 300 below those",
        "query Nested($after: bigint!) { customer(where: {id: {_gt: $after}}, order_by: {id: asc}, limit: 20) { id "
        "name purchases(order_by: {id: asc}) { id reference total_minor lines(order_by: {id: asc}) { "
        "id product quantity price_minor } } } }",
        "after", 0, CUSTOMERS - 20,
    ),
    Shape(
        "aggregate", "count, sum, max and min of 100 rows of 10,000, by an index",
        "query Aggregate($region: bigint!) { purchase_aggregate(where: {region: {_eq: $region}}) { aggregate { "
        "count sum { total_minor } max { total_minor } min { placed_at } } } }",
        "region", 0, REGIONS - 1,
    ),
    Shape(
        "by_pk", "one row of 8 columns",
        f"query One($id: bigint!) {{ purchase_by_pk(id: $id) {{ {_PURCHASE} }} }}",
        "id", 1, 5 * CUSTOMERS,
    ),
)  # fmt: skip

SCRIPT = """
local counter = 0
local bodies = {BODIES}
function request()
  counter = counter % #bodies + 1
  return wrk.format("POST", nil, {["authorization"] = "Bearer SECRET", ["content-type"] = "application/json"},
    bodies[counter])
end
"""


@dataclass(frozen=True, slots=True)
class Side:
    """A server that is asked."""

    url: str
    pid: int


async def run(server: EmbeddedPostgres, db: Database, network: Network) -> list[Figure]:
    """Every shape, ours and the peer in turns."""
    wrk = shutil.which("wrk")
    if wrk is None:
        print("SKIPPED: lists over GraphQL need wrk (Debian package wrk)", file=sys.stderr)
        return []
    async with await AsyncConnection.connect(server.url("postgres"), autocommit=True) as admin:
        await admin.execute(SCHEMA)
    secret = await auditor_key(db, network)
    with tracked(TABLES) as folder:
        settings = {"graphql_metadata_dir": folder, "database_pool_size_max": str(POOL_SIZE)}
        peer = started("bench.strawberry_peer", server.url("omniroute_app"), str(POOL_SIZE))
        async with serving(server, **settings) as web, peer as other:
            ours = Side(f"{web.url}/v1/graphql", web.pid)
            lists = Lists(server, wrk, secret, ours, Side(f"http://127.0.0.1:{other.port}/", other.pid))
            return [one for shape in SHAPES for one in await lists.measure(shape)]


class Lists:
    """Two servers that answer the same."""

    def __init__(self, server: EmbeddedPostgres, wrk: str, secret: str, ours: Side, theirs: Side) -> None:
        self._server, self._wrk, self._secret = server, wrk, secret
        self._ours, self._theirs = ours, theirs

    async def measure(self, shape: Shape) -> list[Figure]:
        """The time of a request alone, then rate and p99 of many."""
        await self._compare(shape)
        alone: dict[Side, list[float]] = {self._ours: [], self._theirs: []}
        for _ in range(ROUNDS):
            for side, found in alone.items():
                found += await self._alone(side, shape)
        ours, spent = await self._driven(self._ours, shape)
        theirs, spent_there = await self._driven(self._theirs, shape)
        name, note = f"graphql.{shape.name}", f"{shape.how}; wrk, {CONNECTIONS} connections, {SECONDS} s"
        times = [1_000 * statistics.median(alone[side]) for side in (self._ours, self._theirs)]
        how = f"{shape.how}; median of {ROUNDS * ALONE} requests one after the other, sent to last byte received"
        return [
            figure(f"{name}.ms", times[0], "ms", PEER, times[1], how),
            figure(f"{name}.rps", rate_of(ours), "requests/s", PEER, rate_of(theirs),
                   f"{note}. {spent}. {PEER}: {spent_there}"),
            figure(f"{name}.p99_ms", percentile_of(ours, "99%"), "ms", PEER, percentile_of(theirs, "99%"), note),
        ]  # fmt: skip

    async def _compare(self, shape: Shape) -> None:
        """Both give the same, to the order of the members."""
        for number in {shape.first, (shape.first + shape.last) // 2, shape.last}:
            found = []
            for side in (self._ours, self._theirs):
                async with _connected(side, self._secret) as ask:
                    found.append(json.loads(await ask.answer(shape.body(number)), object_pairs_hook=list))
            assert found[0] == found[1], f"{shape.name} of {number}: {str(found[0])[:300]} is not {str(found[1])[:300]}"
            assert found[0][0][0] == "data", found[0]

    async def _alone(self, side: Side, shape: Shape) -> list[float]:
        """Seconds of each of some requests, one after the other on one connection."""
        found = []
        async with _connected(side, self._secret) as ask:
            for number in range(-ALONE // 4, ALONE):
                body = shape.body(shape.first + number % (shape.last - shape.first + 1))
                began = time.perf_counter()
                await ask.answer(body)
                if number >= 0:
                    found.append(time.perf_counter() - began)
        return found

    async def _driven(self, side: Side, shape: Shape) -> tuple[str, str]:
        """What wrk says, and what was spent."""
        count = min(shape.last - shape.first + 1, 1_000)
        bodies = ", ".join(f"[=[{shape.body(shape.first + number).decode()}]=]" for number in range(count))
        with tempfile.NamedTemporaryFile("w", suffix=".lua") as script:
            script.write(SCRIPT.replace("BODIES", bodies).replace("SECRET", self._secret))
            script.flush()
            await drive(self._wrk, script.name, side.url, CONNECTIONS, 2, "warm")
            meter = Meter(self._server, web=side.pid)
            text = await drive(self._wrk, script.name, side.url, CONNECTIONS, SECONDS, "run")
            return text, meter.told(requests_of(text))


class _Asking:
    """One connection that is kept, and costs as little as it can."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, path: str, secret: str) -> None:
        self._reader, self._writer = reader, writer
        self._head = (
            f"POST {path} HTTP/1.1\r\nhost: bench\r\nauthorization: Bearer {secret}\r\n"
            "content-type: application/json\r\ncontent-length: "
        ).encode()

    async def answer(self, body: bytes) -> bytes:
        """The body of the answer."""
        self._writer.write(self._head + f"{len(body)}\r\n\r\n".encode() + body)
        head = (await self._reader.readuntil(b"\r\n\r\n")).lower()
        assert head.startswith(b"http/1.1 200"), head
        length = int(head.partition(b"\r\ncontent-length:")[2].partition(b"\r\n")[0])
        return await self._reader.readexactly(length)


@asynccontextmanager
async def _connected(side: Side, secret: str) -> AsyncIterator[_Asking]:
    host, _, path = side.url.removeprefix("http://").partition("/")
    reader, writer = await asyncio.open_connection(*host.split(":"), limit=1 << 20)
    try:
        yield _Asking(reader, writer, f"/{path}", secret)
    finally:
        writer.close()
        await writer.wait_closed()

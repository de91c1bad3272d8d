"""The peer of GraphQL: Strawberry over the tables of `graphql_lists`, under the same names, for the same documents.

`python -m bench.strawberry_peer PORT DATABASE_URL POOL_SIZE`. What a careful team would write: its own ASGI view on
the server that we use, documents parsed and validated once, one SQL statement a level (dataloaders), prepared by the
driver, msgspec for the JSON. Nobody is authenticated and no transaction is opened.
"""

import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import Enum
from itertools import groupby
from operator import attrgetter
from typing import Any, NewType, TypeVar

import msgspec
import strawberry
import uvloop
from granian.constants import Interfaces
from granian.server.embed import Server
from psycopg import AsyncConnection
from psycopg.rows import class_row
from psycopg_pool import AsyncConnectionPool
from starlette.requests import Request
from starlette.responses import Response
from starlette.websockets import WebSocket
from strawberry.asgi import GraphQL
from strawberry.dataloader import DataLoader
from strawberry.extensions import ParserCache, ValidationCache
from strawberry.schema.config import StrawberryConfig

Pool = AsyncConnectionPool[AsyncConnection[Any]]
R = TypeVar("R")
BigInt = NewType("BigInt", int)


@strawberry.enum(name="order_by")
class OrderBy(Enum):
    """The way a list is ordered; the documents know only this one."""

    asc = "asc"


@strawberry.input(name="id_order_by")
class IdOrder:
    """By the key, which is how every list is read here."""

    id: OrderBy


@strawberry.input(name="bigint_comparison_exp")
class BigIntComparison:
    """A condition on a number."""

    eq_: BigInt | None = strawberry.field(name="_eq", default=None)
    gt_: BigInt | None = strawberry.field(name="_gt", default=None)


@strawberry.input(name="customer_bool_exp")
class CustomerWhere:
    """Which customers."""

    id: BigIntComparison


@strawberry.input(name="purchase_bool_exp")
class PurchaseWhere:
    """Which purchases."""

    region: BigIntComparison


@strawberry.type(name="line")
class Line:
    """A line of a purchase."""

    id: BigInt
    purchase_id: strawberry.Private[int]
    product: str
    quantity: int
    price_minor: BigInt


@strawberry.type(name="purchase")
class Purchase:
    """A purchase of a customer."""

    id: BigInt
    customer_id: BigInt
    region: BigInt
    reference: str
    status: str
    total_minor: BigInt
    is_paid: bool
    placed_at: datetime

    @strawberry.field
    async def lines(self, info: strawberry.Info["Loaders"], order_by: list[IdOrder]) -> list[Line]:
        """Its lines, loaded for all purchases of the answer at once."""
        return await info.context.lines.load(self.id)


@strawberry.type(name="customer")
class Customer:
    """A customer."""

    id: BigInt
    name: str

    @strawberry.field
    async def purchases(self, info: strawberry.Info["Loaders"], order_by: list[IdOrder]) -> list[Purchase]:
        """Their purchases, loaded for all customers of the answer at once."""
        return await info.context.purchases.load(self.id)


@strawberry.type(name="purchase_numbers")
class Numbers:
    """A sum or a maximum."""

    total_minor: BigInt | None


@strawberry.type(name="purchase_instants")
class Instants:
    """A first instant."""

    placed_at: datetime | None


@strawberry.type(name="purchase_aggregate_fields")
class Aggregates:
    """What is counted."""

    count: int
    sum: Numbers
    max: Numbers
    min: Instants


@strawberry.type(name="purchase_aggregate")
class Aggregate:
    """The aggregates of purchases."""

    aggregate: Aggregates


@dataclass(frozen=True, slots=True)
class Totals:
    """The row of the aggregates."""

    count: int
    total: BigInt | None
    most: BigInt | None
    first: datetime | None


class Loaders:
    """What one request may read: each level of the answer with one statement."""

    def __init__(self, pool: Pool) -> None:
        self.pool = pool
        self.purchases: DataLoader[int, list[Purchase]] = DataLoader(self._purchases_of)
        self.lines: DataLoader[int, list[Line]] = DataLoader(self._lines_of)

    async def rows(self, kind: type[R], statement: bytes, given: Sequence[Any]) -> list[R]:
        """The rows of a statement as objects."""
        async with self.pool.connection() as connection, connection.cursor(row_factory=class_row(kind)) as cursor:
            await cursor.execute(statement, given)
            return await cursor.fetchall()

    async def _purchases_of(self, customers: list[int]) -> list[list[Purchase]]:
        return _in_order(customers, await self.rows(Purchase, PURCHASES_OF, [customers]), "customer_id")

    async def _lines_of(self, purchases: list[int]) -> list[list[Line]]:
        return _in_order(purchases, await self.rows(Line, LINES_OF, [purchases]), "purchase_id")


def _in_order(keys: Iterable[int], rows: Iterable[R], column: str) -> list[list[R]]:
    """The rows of each key; they come sorted by it."""
    found = {key: list(group) for key, group in groupby(rows, attrgetter(column))}
    return [found.get(key, []) for key in keys]


PURCHASE = b"SELECT id, customer_id, region, reference, status, total_minor, is_paid, placed_at FROM store.purchase "
PURCHASES = PURCHASE + b"ORDER BY id LIMIT %s"
PURCHASES_OF = PURCHASE + b"WHERE customer_id = ANY (%s) ORDER BY customer_id, id"
ONE_PURCHASE = PURCHASE + b"WHERE id = %s"
CUSTOMERS = b"SELECT id, name FROM store.customer WHERE id > %s ORDER BY id LIMIT %s"
LINES_OF = (
    b"SELECT id, purchase_id, product, quantity, price_minor FROM store.line WHERE purchase_id = ANY (%s) "
    b"ORDER BY purchase_id, id"
)
AGGREGATE = (
    b"SELECT count(*), sum(total_minor)::bigint AS total, max(total_minor) AS most, min(placed_at) AS first "
    b"FROM store.purchase WHERE region = %s"
)


@strawberry.type(name="query_root")
class Query:
    """The fields that the documents ask for."""

    @strawberry.field
    async def purchase(self, info: strawberry.Info[Loaders], limit: int, order_by: list[IdOrder]) -> list[Purchase]:
        """A page of purchases."""
        return await info.context.rows(Purchase, PURCHASES, [limit])

    @strawberry.field
    async def purchase_by_pk(self, info: strawberry.Info[Loaders], id: BigInt) -> Purchase | None:  # noqa: A002
        """One purchase."""
        rows = await info.context.rows(Purchase, ONE_PURCHASE, [id])
        return rows[0] if rows else None

    @strawberry.field
    async def customer(
        self, info: strawberry.Info[Loaders], where: CustomerWhere, limit: int, order_by: list[IdOrder]
    ) -> list[Customer]:
        """A page of customers."""
        return await info.context.rows(Customer, CUSTOMERS, [where.id.gt_, limit])

    @strawberry.field
    async def purchase_aggregate(self, info: strawberry.Info[Loaders], where: PurchaseWhere) -> Aggregate:
        """The aggregates of the purchases of a region."""
        [found] = await info.context.rows(Totals, AGGREGATE, [where.region.eq_])
        fields = Aggregates(
            count=found.count,
            sum=Numbers(total_minor=found.total),
            max=Numbers(total_minor=found.most),
            min=Instants(placed_at=found.first),
        )
        return Aggregate(aggregate=fields)


class View(GraphQL[Loaders, None]):
    """Strawberry's own view, with fast JSON and loaders for each request."""

    def __init__(self, schema: strawberry.Schema, pool: Pool) -> None:
        super().__init__(schema)
        self._pool = pool

    async def get_context(self, request: Request | WebSocket, response: Response | WebSocket) -> Loaders:
        """Loaders remember what they loaded, so each request has its own."""
        return Loaders(self._pool)

    def encode_json(self, data: object) -> bytes:
        """As bytes, an order of magnitude faster than the standard library."""
        return msgspec.json.encode(data)


def make_schema() -> strawberry.Schema:
    """The schema, with caches of documents."""
    return strawberry.Schema(
        Query,
        config=StrawberryConfig(
            auto_camel_case=False, scalar_map={BigInt: strawberry.scalar(name="bigint", serialize=int, parse_value=int)}
        ),
        extensions=[ParserCache, ValidationCache],
    )


async def main(port: int, url: str, pool_size: int) -> None:
    """Serve until killed."""
    pool: Pool = AsyncConnectionPool(url, min_size=1, max_size=pool_size, kwargs={"autocommit": True}, open=False)
    async with pool:
        view = View(make_schema(), pool)
        server = Server(view, address="127.0.0.1", port=port, interface=Interfaces.ASGINL, log_enabled=False)
        await server.serve()


if __name__ == "__main__":
    uvloop.run(main(int(sys.argv[1]), sys.argv[2], int(sys.argv[3])))

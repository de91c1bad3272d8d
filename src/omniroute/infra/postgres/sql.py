"""Named SQL: every query of a module lives in its `queries.sql`, with a name and a sentence on what it does.

    -- name: find_account
    -- One account by its code.
    SELECT ... WHERE code = %(code)s

`load("omniroute.ledger")` returns an object with one `Query` attribute a name.

A query that names its orders is a listing, read page by page in any of them (`read_page`):

    -- name: list_accounts
    -- A page of accounts.
    -- sort: code = a.code::text unique
    -- sort: name = a.name::text
    -- then: a.account_id::uuid
    SELECT ... WHERE a.tenant_id = %(tenant)s AND {after} ORDER BY {order} LIMIT %(limit)s

Each order, both ways, becomes two statements of its own here, when the file is read: the first page, and a page after
a key. So nothing is put together from a request, each statement is prepared against the schema by a test, and the
planner sees a plain range of an index. Items with equal values are told apart by `then`. The first sort is the usual
one; `-name` turns it round. The columns of both are in the result.

A query over as many rows as there may be, which nobody waits for a thousand times a second, says `-- plan: anew`: it is
planned for the tables as they are now. A plan that was kept from when they were small could take minutes.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

from omniroute.kit.paging import UnknownSort

_NAME = re.compile(r"^-- name: ([a-z_][a-z0-9_]*)$", re.MULTILINE)
_SORT = re.compile(
    r"-- sort: (?P<minus>-?)(?P<name>[a-z_]+) = (?P<column>[a-z_.]+)::(?P<kind>[a-z]+)(?P<unique> unique)?"
)
_ANEW = "-- plan: anew"
_THEN = re.compile(r"-- then: (?P<column>[a-z_.]+)::(?P<kind>[a-z]+)")


@dataclass(frozen=True, slots=True)
class Query:
    """One named statement. `text` is what the driver gets, as bytes; `doc` is the comment under the name.

    `prepare`: None keeps its plan once it is used often, False never does.
    """

    name: str
    text: bytes
    doc: str
    prepare: bool | None = None


@dataclass(frozen=True, slots=True)
class Order:
    """One order of a listing: its statements, and the columns and types that say where an item stands."""

    sort: str
    first: Query
    after: Query
    columns: tuple[str, ...]
    kinds: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Listing:
    """A query that can be read page by page; `orders` by what a caller writes, the usual one first.

    `name` is of the module too: a cursor made under one list is refused by every other.
    """

    name: str
    orders: Mapping[str, Order]

    @property
    def sorts(self) -> tuple[str, ...]:
        """What may be asked for, the usual order first."""
        return tuple(self.orders)

    def order(self, sort: str | None) -> Order:
        """The order asked for, or the usual one.

        Raises: UnknownSort.
        """
        if sort is None:
            return self.orders[self.sorts[0]]
        if sort not in self.orders:
            raise UnknownSort(sort=sort, allowed=list(self.sorts))
        return self.orders[sort]


class Queries:
    """The queries of one module, by name."""

    def __init__(self, source: str, queries: dict[str, Query], listings: dict[str, Listing]) -> None:
        self.source = source
        self.by_name = queries
        self.listings = listings

    def listing(self, name: str) -> Listing:
        """The listing of this name."""
        return self.listings[name]

    def __getattr__(self, name: str) -> Query:
        try:
            return self.by_name[name]
        except KeyError:
            raise AttributeError(f"{self.source} has no query named {name}") from None


@cache
def load(package: str, file: str = "queries.sql") -> Queries:
    """The named queries in `file` of `package`."""
    text = (files(package) / file).read_text(encoding="utf-8")
    for line in text.splitlines():
        # A misspelt name would silently become part of the query above it.
        understood = _NAME.fullmatch(line) or line == _ANEW
        assert not line.startswith(("-- name", "-- plan")) or understood, f"{package}/{file}: cannot read {line!r}"
    parts = _NAME.split(text)
    queries: dict[str, Query] = {}
    listings: dict[str, Listing] = {}
    for name, body in zip(parts[1::2], parts[2::2], strict=True):
        assert name not in queries | listings, f"{package}/{file}: {name} stands twice"
        lines = body.strip().splitlines()
        keys = [line for line in lines if line.startswith(("-- sort", "-- then"))]
        doc = [line[3:] for line in lines if line.startswith("-- ") and line not in [*keys, _ANEW]]
        assert doc, f"{package}/{file}: {name} needs a sentence on what it does"
        sql = "\n".join(line for line in lines if not line.lstrip().startswith("--"))
        prepare = False if _ANEW in lines else None
        query = Query(name, sql.rstrip().rstrip(";").encode(), " ".join(doc), prepare)
        if keys:
            listings[name] = Listing(f"{package}.{name}", {order.sort: order for order in _orders(query, keys)})
            queries |= {one.name: one for order in listings[name].orders.values() for one in (order.first, order.after)}
        else:
            queries[name] = query
    return Queries(f"{package}/{file}", queries, listings)


def _orders(query: Query, keys: list[str]) -> Iterator[Order]:
    then = _THEN.fullmatch(keys[-1])
    assert then, f"{query.name}: the last key must say what tells equal items apart, not {keys[-1]!r}"
    for line in keys[:-1]:
        sort = _SORT.fullmatch(line)
        assert sort, f"{query.name}: cannot read {line!r}"
        chosen = [sort] if sort["unique"] else [sort, then]
        for minus in (sort["minus"], "" if sort["minus"] else "-"):
            yield _order(query, minus + sort["name"], chosen)


def _order(query: Query, sort: str, keys: list[re.Match[str]]) -> Order:
    """The two statements of one order; all that goes into them stands in our own file."""
    way, sign = ("DESC", "<") if sort.startswith("-") else ("ASC", ">")
    columns = ", ".join(key["column"] for key in keys)
    places = ", ".join("%(after_" + str(place) + ")s::" + key["kind"] for place, key in enumerate(keys))
    text = query.text.decode()
    assert text.count("{after}") == text.count("{order}") == 1, f"{query.name} needs {{after}} and {{order}} once"
    ordered = text.replace("{order}", ", ".join(key["column"] + " " + way for key in keys))
    after = " ".join(("(" + columns + ")", sign, "(" + places + ")"))
    name = query.name + "." + sort
    return Order(
        sort,
        Query(name + ".first", ordered.replace("{after}", "true").encode(), query.doc),
        Query(name + ".after", ordered.replace("{after}", after).encode(), query.doc),
        tuple(key["column"].rpartition(".")[2] for key in keys),
        tuple(key["kind"] for key in keys),
    )

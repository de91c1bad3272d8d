"""Random queries over a world, and their text."""

import json
from dataclasses import dataclass, field
from typing import Any

from hypothesis import strategies as st

from tests.graphql.oracle.conditions import Condition, as_where, condition
from tests.graphql.oracle.kinds import KINDS, Bare, shown
from tests.graphql.oracle.rights import RoleReader
from tests.graphql.oracle.worlds import Table, number, pick, some

WAYS = ("asc", "desc", "asc_nulls_first", "asc_nulls_last", "desc_nulls_first", "desc_nulls_last")
NUMERIC = ("sum", "avg", "stddev", "stddev_pop", "stddev_samp", "variance", "var_pop", "var_samp")
Path = tuple[Any, ...]
"""What rows are ordered by: ("column", name), ("link", name, path), ("count", link), ("total", link, name, column)."""


@dataclass(frozen=True)
class Args:
    """The arguments of a list. Rows have an order of their own, or it is not asked which come first."""

    where: Condition | None = None
    order: tuple[tuple[Path, str], ...] = ()
    distinct: tuple[str, ...] = ()
    limit: int | None = None
    offset: int | None = None
    is_ordered: bool = False


@dataclass(frozen=True)
class Field:
    """A field of an answer: a column, `__typename`, a row, rows, or an aggregate of rows."""

    kind: str
    response: str
    name: str
    table: Table
    args: Args = Args()
    inner: tuple["Field", ...] = ()
    totals: tuple[tuple[str, tuple[str, ...], bool], ...] = ()
    """Of an aggregate: name, columns, and whether they must differ."""
    key: dict[str, Any] = field(default_factory=dict)


class Asking:
    """Makes queries a role may ask."""

    def __init__(self, draw: st.DrawFn, reader: RoleReader) -> None:
        self.draw = draw
        self.reader = reader
        self.scope = reader.scope()

    def roots(self) -> list[Field]:
        """A few root fields; none when the role sees nothing."""
        known = [one for one in self.reader.tables.values() if self.reader.rights(one)]
        count = number(self.draw, 1, 2)
        return [self._root(pick(self.draw, known), f"r{place}") for place in range(count)] if known else []

    def _root(self, table: Table, response: str) -> Field:
        draw, reader = self.draw, self.reader
        form = pick(draw, ["rows", "rows", "rows", "aggregate", "by_pk"])
        if form == "by_pk" and reader.has_key(table):
            key: dict[str, Any] = {one: pick(draw, KINDS[table.column(one).kind].values) for one in table.primary}
            rows = reader.content[table.name]
            if rows and number(draw, 0, 3):
                row = pick(draw, rows)
                key = {one: row[one] for one in table.primary}
            return Field("row", response, f"{table.name}_by_pk", table, inner=self._inner(table, 2), key=key)
        if form == "aggregate" and reader.aggregates(table):
            return self._aggregate(response, f"{table.name}_aggregate", table, 2)
        if not self._is_certain(table):
            return Field("rows", response, table.name, table, Args(limit=0), self._inner(table, 1))
        return Field("rows", response, table.name, table, self._args(table), self._inner(table, 2))

    def _is_certain(self, table: Table) -> bool:
        """Whether it can be said which rows a list has: without a key, only if nothing cuts it off."""
        return self.reader.has_key(table) or self.reader.limit(table) is None

    def row(self, table: Table, depth: int) -> tuple[Field, ...]:
        """What is asked of a row."""
        return self._inner(table, depth)

    def _inner(self, table: Table, depth: int) -> tuple[Field, ...]:
        draw, reader = self.draw, self.reader
        found = []
        for place in range(number(draw, 1, 4)):
            response, links = f"x{place}", reader.links(table) if depth else []
            if links and some(draw):
                made = self._linked(response, table, pick(draw, links), depth)
                if made:
                    found.append(made)
                continue
            columns = reader.columns(table)
            if some(draw, 8) or not columns:
                found.append(Field("typename", response, "__typename", table))
            else:
                found.append(Field("column", response, pick(draw, columns), table))
        return tuple(found) or (Field("typename", "n", "__typename", table),)

    def _linked(self, response: str, table: Table, name: str, depth: int) -> Field | None:
        link = table.link(name)
        target = self.reader.tables[link.target]
        if not link.is_array:
            return Field("row", response, name, target, inner=self._inner(target, depth - 1))
        if self.reader.aggregates(target) and some(self.draw, 3):
            return self._aggregate(response, f"{name}_aggregate", target, depth - 1)
        if not self._is_certain(target):
            return None
        return Field("rows", response, name, target, self._args(target), self._inner(target, depth - 1))

    def _aggregate(self, response: str, name: str, table: Table, depth: int) -> Field:
        draw, columns = self.draw, self.reader.columns(table)
        totals: list[tuple[str, tuple[str, ...], bool]] = []
        for _ in range(number(draw, 1, 3)):
            numbers = [one for one in columns if KINDS[table.column(one).kind].is_number]
            others = [one for one in columns if KINDS[table.column(one).kind].is_aggregated]
            form = pick(draw, ["count", "number", "order"])
            if form == "number" and numbers:
                totals.append((pick(draw, NUMERIC), (pick(draw, numbers),), False))
            elif form == "order" and others:
                totals.append((pick(draw, ["min", "max"]), (pick(draw, others),), False))
            else:
                counted = [one for one in columns if table.column(one).kind != "json"]
                chosen = draw(st.lists(st.sampled_from(counted), max_size=2, unique=True)) if counted else []
                totals.append(("count", tuple(chosen), draw(st.booleans())))
        args = self._args(table)
        inner: tuple[Field, ...] = ()
        if draw(st.booleans()) and self._is_certain(table):
            inner = self._inner(table, depth)
        return Field("aggregate", response, name, table, args, inner, tuple(totals))

    # Arguments.

    def _args(self, table: Table) -> Args:
        draw, reader = self.draw, self.reader
        where = condition(draw, self.scope, table) if draw(st.integers(0, 2)) else None
        if not reader.has_key(table):
            return Args(where)
        columns = self._ordered(table)
        distinct = (
            draw(st.lists(st.sampled_from(columns), min_size=1, max_size=2, unique=True))
            if columns and some(draw, 4)
            else []
        )
        order: list[tuple[Path, str]] = [(("column", one), pick(draw, WAYS)) for one in distinct]
        order += [(self._path(table, 2), pick(draw, WAYS)) for _ in range(draw(st.integers(0, 2)))]
        order += [(("column", one), "asc") for one in table.primary]
        limit = draw(st.integers(0, 3)) if some(draw, 3) else None
        offset = draw(st.integers(0, 2)) if some(draw, 4) else None
        return Args(where, tuple(order), tuple(distinct), limit, offset, is_ordered=True)

    def _path(self, table: Table, depth: int) -> Path:
        draw, reader = self.draw, self.reader
        links = [table.link(one) for one in reader.links(table)]
        links = [one for one in links if one.is_array or self._ordered(reader.tables[one.target])]
        if links and depth and draw(st.booleans()):
            link = pick(draw, links)
            target = reader.tables[link.target]
            if not link.is_array:
                return "link", link.name, self._path(target, depth - 1)
            if reader.aggregates(target):
                numbers = [one for one in reader.columns(target) if KINDS[target.column(one).kind].is_aggregated]
                if not numbers or draw(st.booleans()):
                    return "count", link.name
                return "total", link.name, pick(draw, ["min", "max"]), pick(draw, numbers)
        columns = self._ordered(table)
        return ("column", pick(draw, columns)) if columns else ("column", table.primary[0])

    def _ordered(self, table: Table) -> list[str]:
        return [one for one in self.reader.columns(table) if KINDS[table.column(one).kind].is_ordered]


# The text.


class Text:
    """Writes a document. Arguments stand in it, or in variables; now and then a field is in a fragment."""

    def __init__(self, draw: st.DrawFn, tables: dict[str, Table]) -> None:
        self.draw = draw
        self.tables = tables
        self.declared: list[str] = []
        self.variables: dict[str, Any] = {}
        self.fragments: list[str] = []

    def document(self, roots: list[Field]) -> str:
        """The whole document; `variables` are then known."""
        body = " ".join(self.field(one, "query_root") for one in roots)
        declared = f"({', '.join(self.declared)})" if self.declared else ""
        return " ".join([f"query Q{declared} {{ {body} }}", *self.fragments])

    def argument(self, kind: str, value: Any) -> str:
        """A value, in the document or as a variable."""
        if some(self.draw):
            return literal(value)
        name = f"v{len(self.variables)}"
        self.declared.append(f"${name}: {kind}")
        self.variables[name] = value
        return f"${name}"

    def field(self, one: Field, inside: str) -> str:
        text = self._field(one)
        match self.draw(st.integers(0, 9)):
            case 0:
                self.fragments.append(f"fragment F{len(self.fragments)} on {inside} {{ {text} }}")
                return f"...F{len(self.fragments) - 1}"
            case 1:
                return f"... @include(if: {self.argument('Boolean!', True)}) {{ {text} }}"
            case 2:
                return f"{text} skipped{one.response}: __typename @skip(if: {self.argument('Boolean!', True)})"
        return text

    def _field(self, one: Field) -> str:
        name, table = one.name, one.table
        if one.kind == "column":
            return f"{one.response}: {table.column(name).field}"
        if one.kind == "typename":
            return f"{one.response}: __typename"
        if one.kind == "aggregate":
            totals = " ".join(self._total(table, place, *total) for place, total in enumerate(one.totals))
            nodes = f" nodes {{ {self._inner(one, table)} }}" if one.inner else ""
            return f"{one.response}: {name}{self._args(one)} {{ aggregate {{ {totals} }}{nodes} }}"
        return f"{one.response}: {name}{self._args(one)} {{ {self._inner(one, table)} }}"

    def _inner(self, one: Field, table: Table) -> str:
        return " ".join(self.field(item, table.name) for item in one.inner)

    def _total(self, table: Table, place: int, name: str, columns: tuple[str, ...], distinct: bool) -> str:
        fields = [table.column(one).field for one in columns]
        if name != "count":
            return f"y{place}: {name} {{ {fields[0]} }}"
        args = [f"columns: [{', '.join(fields)}]"] if fields else []
        args += ["distinct: true"] if distinct else []
        return f"y{place}: count" + (f"({', '.join(args)})" if args else "")

    def _args(self, one: Field) -> str:
        table, args = one.table, one.args
        parts = [
            f"{table.column(name).field}: {self.argument(KINDS[table.column(name).kind].scalar + '!', shown(value))}"
            for name, value in one.key.items()
        ]
        if args.where is not None:
            where = as_where(args.where, table, self.tables)
            parts.append(f"where: {self.argument(f'{table.name}_bool_exp', where)}")
        if args.order:
            orders = [self.order(table, path, Bare(way)) for path, way in args.order]
            parts.append(f"order_by: {self.argument(f'[{table.name}_order_by!]', orders)}")
        if args.distinct:
            columns = [Bare(table.column(name).field) for name in args.distinct]
            parts.append(f"distinct_on: {self.argument(f'[{table.name}_select_column!]', columns)}")
        for name, value in (("limit", args.limit), ("offset", args.offset)):
            if value is not None:
                parts.append(f"{name}: {self.argument('Int', value)}")
        return f"({', '.join(parts)})" if parts else ""

    def order(self, table: Table, path: Path, way: Bare) -> dict[str, Any]:
        match path:
            case "column", name:
                return {table.column(name).field: way}
            case "link", name, inner:
                return {name: self.order(self.tables[table.link(name).target], inner, way)}
            case "count", name:
                return {f"{name}_aggregate": {"count": way}}
        _, name, total, column = path
        target = self.tables[table.link(name).target]
        return {f"{name}_aggregate": {total: {target.column(column).field: way}}}


def literal(value: Any) -> str:
    """A value as a document of GraphQL writes it."""
    match value:
        case Bare():
            return str(value)
        case dict():
            return "{" + ", ".join(f"{name}: {literal(item)}" for name, item in value.items()) + "}"
        case list():
            return "[" + ", ".join(map(literal, value)) + "]"
    return json.dumps(value, ensure_ascii=False)

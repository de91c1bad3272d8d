"""Compiles an operation to one SQL statement: a column for each root field, each holding its finished JSON.

Nested objects and lists are subqueries of their row, so PostgreSQL builds the whole answer in one plan. Rows leave the
database as JSON text and are not looked at again.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from psycopg.sql import SQL, Composable, Identifier, Literal

from omniroute.graphql.compiler.conditions import Where
from omniroute.graphql.compiler.given import Absent, Given, Variables, lift
from omniroute.graphql.compiler.ordering import Ordering, aggregate
from omniroute.graphql.compiler.writing import BIGINT, TEXT_ARRAY, Slot, Writer, table_name
from omniroute.graphql.errors import RequestRefused
from omniroute.graphql.fields import Collector, Field
from omniroute.graphql.model.aggregates import AGGREGATES, OF_COLUMN
from omniroute.graphql.model.catalog import Parameter
from omniroute.graphql.model.expressions import And, Constant, Expression, any_of
from omniroute.graphql.model.roles import AggregateLink, ColumnField, ComputedView, TableView
from omniroute.graphql.model.scalars import BIG, JSONS
from omniroute.graphql.model.tables import Link
from omniroute.graphql.schema.building import RoleSchema, Root

Columns = list[tuple[str, Composable]]

NAME_BYTES_MAX = 63
"""PostgreSQL cuts longer names of columns off."""
PAIRS_MAX = 50
"""A function of PostgreSQL takes 100 arguments."""
_ROW = Identifier("$row")
_NOTHING = SQL("")


@dataclass(frozen=True, slots=True)
class Statement:
    """SQL with numbered parameters, and where their values come from."""

    text: bytes
    slots: tuple[Slot, ...]


@dataclass(frozen=True, slots=True)
class _Args:
    """The arguments of a list of rows."""

    where: Expression | None
    order_by: list[Any]
    distinct_on: list[ColumnField]
    limit: Given | Absent
    offset: Given | Absent
    path: str


class Compiler:
    """Compiles the fields of one operation for one role."""

    def __init__(self, schema: RoleSchema, collector: Collector, variables: Variables, *, stringify: bool) -> None:
        self.schema = schema
        self.view = schema.view
        self.names = schema.view.model.names
        self.collector = collector
        self.variables = variables
        self.stringify = stringify
        self.writer = Writer()
        self.where = Where(self.view)

    def statement(self, fields: Iterable[Field]) -> Statement:
        """The statement that reads these fields of query_root.

        Raises: RequestRefused.
        """
        parts = [SQL("({})::text").format(self._root(field, self.schema.roots[field.name])) for field in fields]
        text = SQL("SELECT {}").format(SQL(", ").join(parts))
        return Statement(text.as_bytes(None), tuple(self.writer.slots))

    def _root(self, field: Field, root: Root) -> Composable:
        alias, source, given = self.writer.alias(), table_name(root.view.name), self._given(field)
        if root.function is not None:
            called = self._call_args(given, root.function.parameters, f"{field.path}.args")
            routine, session = root.function.routine, root.function.function.session_argument
            source = self.writer.call(routine, None, called, session)
        if root.kind == "by_pk":
            return self._by_key(field, root.view, alias, given)
        if root.kind == "row":
            return self._one(root.view, self.collector.inner(field), source, alias, [_there(alias)])
        args = self._args(root.view, given, field)
        if root.kind == "rows":
            return self._rows(root.view, self.collector.inner(field), source, alias, args, [])
        return self._aggregate(root.view, field, source, args, None)

    def _given(self, field: Field) -> dict[str, Any]:
        found = {}
        for argument in field.node.arguments or ():
            value = lift(argument.value, field.definition.args[argument.name.value].type, self.variables)
            if not isinstance(value, Absent):
                found[argument.name.value] = value
        return found

    def _args(self, table: TableView, given: Mapping[str, Any], field: Field) -> _Args:
        where, path = given.get("where"), f"{field.path}.args"
        order = given.get(self.names.field("order_by")) or []
        distinct = given.get(self.names.field("distinct_on")) or []
        columns = table.columns()
        return _Args(
            None if where is None else self.where.read(table, where, f"{path}.where"),
            order,
            [columns[one.value] for one in distinct],
            given.get("limit"),
            given.get("offset"),
            path,
        )

    def _call_args(
        self, given: Mapping[str, Any], parameters: tuple[Parameter, ...], path: str
    ) -> dict[str, Composable]:
        values = given.get("args") or {}
        found = {}
        for one in parameters:
            name = self.names.field(one.name)
            if name in values:
                value = Constant(None) if values[name] is None else values[name]
                how = "json" if one.type.name in JSONS else "list" if one.type.is_array else "value"
                if values[name] is None:
                    how = "value"
                found[one.name] = self.writer.bind(value, one.type, how=how, path=f"{path}.args.{name}")  # type: ignore[arg-type]
            elif not one.has_default:
                raise RequestRefused(f"missing required field '{name}'", path=f"{path}.args.{name}")
        return found

    # Rows.

    def _rows(
        self,
        table: TableView,
        fields: list[Field],
        source: Composable,
        alias: Identifier,
        args: _Args,
        joined: list[Composable],
    ) -> Composable:
        """A JSON list of rows."""
        columns = self._columns(table, fields, alias)
        tail = self._tail(table, alias, args, joined, table.limit)
        return self._listed(columns, SQL("{} AS {}{}").format(source, alias, tail), self._distinct(args, alias))

    def _listed(self, columns: Columns, source: Composable, head: Composable = _NOTHING) -> Composable:
        """A JSON list of what stands behind FROM."""
        if all(len(name) <= NAME_BYTES_MAX for name, _ in columns):
            listed = SQL(", ").join([SQL("{} AS {}").format(text, Identifier(name)) for name, text in columns])
            inner = SQL("SELECT {}{} FROM {}").format(head, listed, source)
            return SQL("(SELECT coalesce(json_agg({row}), '[]'::json) FROM ({}) AS {row})").format(inner, row=_ROW)
        inner = SQL("SELECT {}{} AS o FROM {}").format(head, self._built(columns), source)
        return SQL("(SELECT coalesce(json_agg({row}.o), '[]'::json) FROM ({}) AS {row})").format(inner, row=_ROW)

    def _one(
        self,
        table: TableView,
        fields: list[Field],
        source: Composable,
        alias: Identifier,
        conditions: list[Composable],
    ) -> Composable:
        """A row as a JSON object, or null."""
        parts = [*conditions, *self._guard(table, alias)]
        built = self._built(self._columns(table, fields, alias))
        where = SQL(" WHERE {}").format(SQL(" AND ").join(parts)) if parts else SQL("")
        return SQL("(SELECT {} FROM {} AS {}{} LIMIT 1)").format(built, source, alias, where)

    def _by_key(self, field: Field, table: TableView, alias: Identifier, given: Mapping[str, Any]) -> Composable:
        key = table.primary_key()
        assert key is not None
        conditions: list[Composable] = [
            SQL("{} = {}").format(
                self.writer.column(alias, one.column.name),
                self.writer.bind(given[name], one.column.type, path=f"{field.path}.args.{name}"),
            )
            for name, one in key.items()
        ]
        return self._one(table, self.collector.inner(field), table_name(table.name), alias, conditions)

    def _guard(self, table: TableView, alias: Identifier) -> list[Composable]:
        return [self.writer.condition(any_of(table.guards), alias)] if table.guards else []

    def _distinct(self, args: _Args, alias: Identifier) -> Composable:
        if not args.distinct_on:
            return SQL("")
        columns = [self.writer.term(one.term(), alias) for one in args.distinct_on]
        return SQL("DISTINCT ON ({}) ").format(SQL(", ").join(columns))

    def _tail(
        self, table: TableView, alias: Identifier, args: _Args, joined: list[Composable], limit: int | None
    ) -> Composable:
        """Everything behind FROM."""
        parts = [*joined, *self._guard(table, alias)]
        if args.where is not None and args.where != And(()):
            parts.append(self.writer.condition(args.where, alias))
        text: Composable = SQL(" WHERE {}").format(SQL(" AND ").join(parts)) if parts else SQL("")
        ordering = Ordering(self.view, self.writer)
        text += ordering.order_by(table, args.order_by, args.distinct_on, alias, args.path)
        given = self._count(args.limit, f"{args.path}.limit")
        match given, limit:
            case None, None:
                pass
            case None, _:
                text += SQL(" LIMIT {}").format(Literal(limit))
            case _, None:
                text += SQL(" LIMIT {}").format(given)
            case _:
                text += SQL(" LIMIT least({}, {})").format(given, Literal(limit))
        offset = self._count(args.offset, f"{args.path}.offset")
        return text if offset is None else text + SQL(" OFFSET {}").format(offset)

    def _count(self, given: Any, path: str) -> Composable | None:
        return None if given is None else self.writer.bind(given, BIGINT, how="count", path=path)

    # The columns of a row.

    def _columns(self, table: TableView, fields: list[Field], alias: Identifier) -> Columns:
        return [(field.response, self._column(table, field, alias)) for field in fields]

    def _column(self, table: TableView, field: Field, alias: Identifier) -> Composable:
        if field.name == "__typename":
            return SQL("{}::text").format(Literal(table.type_name))
        member = table.members[field.name]
        match member:
            case ColumnField():
                return self._value(member, field, alias)
            case Link(is_array=True):
                target, other = self.view.tables[member.target], self.writer.alias()
                args = self._args(target, self._given(field), field)
                joined = [self.writer.pair(alias, other, pair) for pair in member.pairs]
                return self._rows(target, self.collector.inner(field), table_name(target.name), other, args, joined)
            case Link():
                target, other = self.view.tables[member.target], self.writer.alias()
                joined = [self.writer.pair(alias, other, pair) for pair in member.pairs]
                return self._one(target, self.collector.inner(field), table_name(target.name), other, joined)
            case AggregateLink(link):
                target = self.view.tables[link.target]
                args = self._args(target, self._given(field), field)
                return self._aggregate(target, field, table_name(target.name), args, (alias, link))
        return self._computed(member, field, alias)

    def _value(self, member: ColumnField, field: Field, alias: Identifier) -> Composable:
        text, kind = self.writer.term(member.term(), alias), member.column.type
        given = self._given(field).get("path") if kind.name in JSONS else None
        if given is not None:
            path = self.writer.bind(given, TEXT_ARRAY, how="path", path=f"{field.path}.args.path")
            return SQL("({} #> {})").format(text, path)
        return self._shown(text, kind.name, is_array=kind.is_array)

    def _shown(self, text: Composable, kind: str, *, is_array: bool) -> Composable:
        if self.stringify and kind in BIG:
            return SQL("({})::text[]" if is_array else "({})::text").format(text)
        return text

    def _computed(self, member: ComputedView, field: Field, alias: Identifier) -> Composable:
        computed, given = member.computed, self._given(field)
        called = self._call_args(given, computed.parameters, f"{field.path}.args")
        source = self.writer.call(computed.routine, alias, called, computed.session_argument)
        if computed.target is None:
            kind = computed.routine.returns
            if member.only_where is not None:
                allowed = self.writer.condition(any_of(member.only_where), alias)
                source = SQL("CASE WHEN {} THEN {} END").format(allowed, source)
            return self._shown(source, kind.name, is_array=kind.is_array)
        target, other = self.view.tables[computed.target], self.writer.alias()
        fields = self.collector.inner(field)
        if computed.routine.returns_set:
            return self._rows(target, fields, source, other, self._args(target, given, field), [])
        return self._one(target, fields, source, other, [_there(other)])

    def _built(self, columns: Columns) -> Composable:
        """A JSON object of any number of members with names of any length."""
        chunks = [columns[start : start + PAIRS_MAX] for start in range(0, len(columns), PAIRS_MAX)]
        built: list[Composable] = [
            SQL("json_build_object({})").format(
                SQL(", ").join([SQL("{}, {}").format(Literal(name), text) for name, text in chunk])
            )
            for chunk in chunks
        ]
        if len(built) == 1:
            return built[0]
        # Each chunk is an object of its own; take off the braces between them.
        inner = [SQL("substr(({0})::text, 2, length(({0})::text) - 2)").format(one) for one in built]
        return SQL("('{{' || {} || '}}')::json").format(SQL(" || ', ' || ").join(inner))

    # Aggregates.

    def _aggregate(
        self, table: TableView, field: Field, source: Composable, args: _Args, link: tuple[Identifier, Link] | None
    ) -> Composable:
        """The aggregate of the rows, and the rows. A role's own limit is about rows shown, not about rows counted."""
        columns: Columns = []
        for inner in self.collector.inner(field):
            if inner.name == "__typename":
                text: Composable = SQL("{}::text").format(Literal(self.names.type(table.type_name, "aggregate")))
            else:
                alias = self.writer.alias()
                joined = [self.writer.pair(link[0], alias, pair) for pair in link[1].pairs] if link else []
                if inner.name == "nodes":
                    text = self._rows(table, self.collector.inner(inner), source, alias, args, joined)
                else:
                    text = self._aggregated(table, self.collector.inner(inner), source, alias, args, joined)
            columns.append((inner.response, text))
        return SQL("(SELECT {})").format(self._built(columns))

    def _aggregated(
        self,
        table: TableView,
        fields: list[Field],
        source: Composable,
        alias: Identifier,
        args: _Args,
        joined: list[Composable],
    ) -> Composable:
        shown = [
            SQL("{} AS {}").format(self.writer.term(one.term(), alias), Identifier(one.column.name))
            for one in table.columns().values()
        ]
        listed = SQL(", ").join(shown) if shown else SQL("1 AS one")
        head, tail = self._distinct(args, alias), self._tail(table, alias, args, joined, None)
        rows = SQL("SELECT {}{} FROM {} AS {}{}").format(head, listed, source, alias, tail)
        built = self._built([(one.response, self._aggregate_field(table, one)) for one in fields])
        return SQL("(SELECT {} FROM ({}) AS {})").format(built, rows, _ROW)

    def _aggregate_field(self, table: TableView, field: Field) -> Composable:
        if field.name == "__typename":
            return SQL("{}::text").format(Literal(self.names.type(table.type_name, "aggregate_fields")))
        if field.name == "count":
            return self._counted(table, field)
        canonical = {self.names.field(one): one for one in AGGREGATES}[field.name]
        columns: Columns = []
        for inner in self.collector.inner(field):
            if inner.name == "__typename":
                kind = self.names.type(table.type_name, canonical, "fields")
                columns.append((inner.response, SQL("{}::text").format(Literal(kind))))
            else:
                column = table.columns()[inner.name].column
                text = aggregate(canonical, self.writer.column(_ROW, column.name), column.type.name)
                as_column = canonical in OF_COLUMN
                columns.append(
                    (inner.response, self._shown(text, column.type.name if as_column else "", is_array=False))
                )
        return self._built(columns)

    def _counted(self, table: TableView, field: Field) -> Composable:
        given = self._given(field)
        chosen = given.get("columns") or []
        columns = [self.writer.column(_ROW, table.columns()[one.value].column.name) for one in chosen]
        distinct = given.get("distinct")
        return self.writer.count(columns, is_distinct=isinstance(distinct, Constant) and bool(distinct.value))


def _there(alias: Identifier) -> Composable:
    """That a function returned a row: otherwise it gives one of nulls."""
    return SQL("NOT ({} IS NULL)").format(alias)

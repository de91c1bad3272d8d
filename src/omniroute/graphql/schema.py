"""The GraphQL schema of one role, with Hasura's names. What the role may not see is not in it."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, TypeVar, cast

from graphql import (
    DirectiveLocation,
    GraphQLArgument,
    GraphQLBoolean,
    GraphQLDirective,
    GraphQLEnumType,
    GraphQLEnumValue,
    GraphQLField,
    GraphQLInputField,
    GraphQLInputObjectType,
    GraphQLInt,
    GraphQLList,
    GraphQLNonNull,
    GraphQLObjectType,
    GraphQLScalarType,
    GraphQLSchema,
    GraphQLString,
    specified_directives,
)

from omniroute.graphql.model.catalog import Column, Parameter, PgType
from omniroute.graphql.model.expressions import COMPARISONS, CONTAINMENT, KEY_OPERATORS, TEXT_OPERATORS
from omniroute.graphql.model.rights import Writes
from omniroute.graphql.model.roles import AggregateLink, ColumnField, ComputedView, RoleView, TableView
from omniroute.graphql.model.scalars import JSONS, NOT_COMPARED, NUMBERS, TEXTS, make_scalar, scalar_name
from omniroute.graphql.model.tables import Link, TrackedFunction
from omniroute.graphql.mutating import Mutation, MutationFields
from omniroute.graphql.plugged import Operation, RootFields
from omniroute.graphql.streams import stream_field

T = TypeVar("T")
Leaf = GraphQLScalarType | GraphQLEnumType

NUMERIC_AGGREGATES = ("avg", "stddev", "stddev_pop", "stddev_samp", "sum", "var_pop", "var_samp", "variance")
ORDERED_AGGREGATES = ("max", "min")
ORDERS = ("asc", "asc_nulls_first", "asc_nulls_last", "desc", "desc_nulls_first", "desc_nulls_last")
NOTHING = "no_queries_available"

CACHED = GraphQLDirective(
    "cached",
    [DirectiveLocation.QUERY],
    args={
        "ttl": GraphQLArgument(GraphQLNonNull(GraphQLInt), default_value=60),
        "refresh": GraphQLArgument(GraphQLNonNull(GraphQLBoolean), default_value=False),
    },
    description="Accepted for queries written for Hasura; answers are never kept.",
)


@dataclass(frozen=True, slots=True)
class Root:
    """What a field of query_root reads."""

    kind: Literal["rows", "row", "aggregate", "by_pk"]
    view: TableView
    function: TrackedFunction | None = None


@dataclass(frozen=True, slots=True)
class RoleSchema:
    """The schema of a role, what its root fields read, and the view it was made from."""

    schema: GraphQLSchema
    roots: Mapping[str, Root]
    view: RoleView
    streams: Mapping[str, TableView] = field(default_factory=dict)
    """What the streams of subscription_root read; its other fields are those of query_root."""
    plugged: Mapping[tuple[Operation, str], RootFields] = field(default_factory=dict)
    """Who answers root fields that are not tables."""
    writes: Writes | None = None
    mutations: Mapping[str, Mutation] = field(default_factory=dict)
    """What the other fields of mutation_root do."""


def _order_fields(schema: GraphQLSchema) -> None:
    """Introspection names the fields of an object by the alphabet, as Hasura does."""
    for one in schema.type_map.values():
        if isinstance(one, GraphQLObjectType) and not one.name.startswith("__"):
            one.fields = dict(sorted(one.fields.items()))


def build_schema(view: RoleView, plugged: Sequence[RootFields] = (), *, is_backend: bool = False) -> RoleSchema:
    """The schema of a role, with the root fields of `plugged`. `is_backend`: with what only our own side may do."""
    return _Builder(view, plugged, is_backend=is_backend).build()


def is_aggregated(aggregate: str, kind: PgType) -> bool:
    """Whether an aggregate takes columns of this type."""
    if kind.is_array:
        return False
    return kind.name in NUMBERS if aggregate in NUMERIC_AGGREGATES else kind.name not in NOT_COMPARED


class _Builder:
    """Makes each type once, by name. Fields are made when the schema is put together, so types may be circular."""

    def __init__(self, view: RoleView, plugged: Sequence[RootFields], *, is_backend: bool) -> None:
        self.view = view
        self.is_backend = is_backend
        self.names = view.model.names
        self.types: dict[str, Any] = {}
        self.roots: dict[str, Root] = {}
        self.streams: dict[str, TableView] = {}
        self.others = plugged
        self.plugged: dict[tuple[Operation, str], RootFields] = {}

    def build(self) -> RoleSchema:
        fields: dict[str, GraphQLField] = {}
        followed: dict[str, GraphQLField] = {}
        for table in self.view.tables.values():
            for kind, name, made in self._table_roots(table):
                if kind in table.roots:
                    fields[name] = made
                if kind in table.followed:
                    followed[name] = made
        for function in self.view.functions:
            called = self._function_roots(function)
            fields |= called
            followed |= called
        followed |= self._stream_roots(self.roots) | self._plugged("subscription")
        fields |= self._plugged("query")
        if not fields:
            fields[NOTHING] = GraphQLField(GraphQLString, description="This role may read nothing.")
        root = GraphQLObjectType("query_root", fields)
        writes = Writes(self.view, is_backend=self.is_backend)
        mutations = MutationFields(self, writes)
        changes = mutations.fields() | self._plugged("mutation")
        mutation = GraphQLObjectType("mutation_root", changes) if changes else None
        subscription = GraphQLObjectType("subscription_root", followed) if followed else None
        schema = GraphQLSchema(root, mutation, subscription, directives=[*specified_directives, CACHED])
        _order_fields(schema)
        return RoleSchema(schema, self.roots, self.view, self.streams, self.plugged, writes, mutations.mutations)

    def _stream_roots(self, taken: Mapping[str, Root]) -> dict[str, GraphQLField]:
        fields = {}
        for table in self.view.tables.values():
            custom = table.tracked.table.root_fields.get("select_stream")
            name = custom or self.names.field(table.root, "stream")
            field = stream_field(self, table) if "select_stream" in table.followed and name not in taken else None
            if field is not None:
                fields[name], self.streams[name] = field, table
        return fields

    def _plugged(self, operation: Operation) -> dict[str, GraphQLField]:
        fields: dict[str, GraphQLField] = {}
        for one in self.others:
            for name, made in one.fields(self, self.view.role, operation).items():
                fields[name] = made
                self.plugged[operation, name] = one
        return fields

    def once(self, name: str, make: Callable[[str], T]) -> T:
        """The type of this name, made if it is not there yet."""
        if name not in self.types:
            self.types[name] = make(name)
        return cast("T", self.types[name])

    def _table_roots(self, table: TableView) -> Iterator[tuple[str, str, GraphQLField]]:
        """The root fields of a table: what each is, its name, and the field. Not every root type has each of them."""
        custom, wanted = table.tracked.table.root_fields, table.roots | table.followed
        if "select" in wanted:
            name = custom.get("select", table.root)
            yield "select", name, self._root(name, "rows", table)
        if "select_aggregate" in wanted and table.has_aggregates:
            name = custom.get("select_aggregate", self.names.field(table.root, "aggregate"))
            yield "select_aggregate", name, self._root(name, "aggregate", table)
        key = table.primary_key()
        if "select_by_pk" in wanted and key:
            name = custom.get("select_by_pk", self.names.field(table.root, "by_pk"))
            self.roots[name] = Root("by_pk", table)
            args = {
                field: GraphQLArgument(GraphQLNonNull(self._value(table, one.column))) for field, one in key.items()
            }
            yield "select_by_pk", name, GraphQLField(self.object(table), args)

    def _root(
        self, name: str, kind: Literal["rows", "aggregate"], table: TableView, function: TrackedFunction | None = None
    ) -> GraphQLField:
        self.roots[name] = Root(kind, table, function)
        args = self._select_args(table)
        if function is not None:
            args = self._function_args(self.names.function_root(function.function), function.parameters) | args
        output = _rows(self.object(table)) if kind == "rows" else GraphQLNonNull(self._aggregate(table))
        comment = table.tracked.relation.comment if function is None else None
        return GraphQLField(output, args, description=comment)

    def _function_roots(self, function: TrackedFunction) -> dict[str, GraphQLField]:
        table = self.view.tables[function.target]
        name = self.names.function_root(function.function)
        if not function.routine.returns_set:
            self.roots[name] = Root("row", table, function)
            return {name: self.function_field(function)}
        fields = {name: self._root(name, "rows", table, function)}
        if table.has_aggregates:
            custom = function.function.root_fields.get("function_aggregate")
            aggregate = custom or self.names.field(name, "aggregate")
            fields[aggregate] = self._root(aggregate, "aggregate", table, function)
        return fields

    def function_field(self, function: TrackedFunction) -> GraphQLField:
        """A call of a function that returns rows, or a row."""
        table = self.view.tables[function.target]
        args = self._function_args(self.names.function_root(function.function), function.parameters)
        if not function.routine.returns_set:
            return GraphQLField(self.object(table), args)
        return GraphQLField(_rows(self.object(table)), args | self._select_args(table))

    def _function_args(self, name: str, parameters: tuple[Parameter, ...]) -> dict[str, GraphQLArgument]:
        if not parameters:
            return {}
        given = self.once(self.names.type(name, "args"), lambda made: self._args_input(made, parameters))
        needed = any(not one.has_default for one in parameters)
        return {"args": GraphQLArgument(GraphQLNonNull(given) if needed else given)}

    def _args_input(self, name: str, parameters: tuple[Parameter, ...]) -> GraphQLInputObjectType:
        fields = {self.names.field(one.name): GraphQLInputField(self._pg(one.type)) for one in parameters}
        return GraphQLInputObjectType(name, fields)

    # Values.

    def _scalar(self, kind: PgType) -> GraphQLScalarType:
        return self.once(scalar_name(kind), make_scalar)

    def _pg(self, kind: PgType) -> Any:
        """The type of a value: a scalar, or a list of them."""
        scalar = self._scalar(kind)
        return GraphQLList(GraphQLNonNull(scalar)) if kind.is_array else scalar

    def _enum_of(self, table: TableView, column: Column) -> GraphQLEnumType | None:
        """The enum of a column that points to an enum table."""
        for key in table.tracked.relation.foreign_keys:
            target = self.view.model.tables.get(key.remote)
            if key.columns == (column.name,) and target and target.table.is_enum and target.relation.enum_values:
                values = {
                    value: GraphQLEnumValue(value, description=text) for value, text in target.relation.enum_values
                }
                base = self.names.table_type(target.table)
                return self.once(self.names.type(base, "enum"), lambda name: GraphQLEnumType(name, values))  # noqa: B023
        return None

    def _value(self, table: TableView, column: Column) -> Any:
        return self._enum_of(table, column) or self._pg(column.type)

    def value_type(self, table: TableView, column: Column) -> Any:
        """The type of a column's values."""
        return self._value(table, column)

    def condition_type(self, table: TableView) -> GraphQLInputObjectType:
        """The type of conditions on a table's rows."""
        return self._bool_exp(table)

    # Rows.

    def object(self, table: TableView) -> GraphQLObjectType:
        """The type of a table's rows."""
        comment = table.tracked.relation.comment
        return self.once(
            table.type_name,
            lambda name: GraphQLObjectType(name, lambda: self._object_fields(table), description=comment),
        )

    def _object_fields(self, table: TableView) -> dict[str, GraphQLField]:
        return {name: self._object_field(table, name, member) for name, member in table.members.items()}

    def _object_field(self, table: TableView, name: str, member: Any) -> GraphQLField:
        match member:
            case ColumnField(column, only_where):
                output = self._value(table, column)
                args = {"path": GraphQLArgument(GraphQLString)} if column.type.name in JSONS else None
                required = not column.nullable and only_where is None
                return GraphQLField(GraphQLNonNull(output) if required else output, args, description=column.comment)
            case Link(is_array=True, target=target):
                return self.rows(self.view.tables[target])
            case Link(target=target, nullable=nullable):
                other = self.view.tables[target]
                # A row may be there and yet not be the role's to see.
                always = not nullable and not other.guards
                return GraphQLField(GraphQLNonNull(self.object(other)) if always else self.object(other))
            case AggregateLink(link):
                other = self.view.tables[link.target]
                return GraphQLField(GraphQLNonNull(self._aggregate(other)), self._select_args(other))
        assert isinstance(member, ComputedView)
        computed = member.computed
        base = self.names.type(name, table.type_name)
        args = self._function_args(base, computed.parameters)
        if computed.target is None:
            return GraphQLField(self._pg(computed.routine.returns), args)
        other = self.view.tables[computed.target]
        if not computed.routine.returns_set:
            return GraphQLField(self.object(other), args)
        return GraphQLField(GraphQLList(GraphQLNonNull(self.object(other))), args | self._select_args(other))

    def rows(self, table: TableView) -> GraphQLField:
        """A list of a table's rows, with its arguments."""
        return GraphQLField(_rows(self.object(table)), self._select_args(table))

    def _select_args(self, table: TableView) -> dict[str, GraphQLArgument]:
        orders = GraphQLList(GraphQLNonNull(self._order_by(table)))
        columns = self._select_column(table)
        distinct = (
            {self.names.field("distinct_on"): GraphQLArgument(GraphQLList(GraphQLNonNull(columns)))} if columns else {}
        )
        return distinct | {
            "limit": GraphQLArgument(GraphQLInt),
            "offset": GraphQLArgument(GraphQLInt),
            self.names.field("order_by"): GraphQLArgument(orders),
            "where": GraphQLArgument(self._bool_exp(table)),
        }

    def _select_column(self, table: TableView) -> GraphQLEnumType | None:
        columns = table.columns()
        if not columns:
            return None
        values = {name: GraphQLEnumValue(name) for name in columns}
        return self.once(self.names.type(table.type_name, "select_column"), lambda name: GraphQLEnumType(name, values))

    # Aggregates.

    def _aggregate(self, table: TableView) -> GraphQLObjectType:
        return self.once(
            self.names.type(table.type_name, "aggregate"),
            lambda name: GraphQLObjectType(
                name,
                lambda: {
                    "aggregate": GraphQLField(self._aggregate_fields(table)),
                    "nodes": GraphQLField(_rows(self.object(table))),
                },
            ),
        )

    def _aggregate_fields(self, table: TableView) -> GraphQLObjectType:
        columns = self._select_column(table)
        args = {"distinct": GraphQLArgument(GraphQLBoolean)}
        if columns:
            args["columns"] = GraphQLArgument(GraphQLList(GraphQLNonNull(columns)))
        fields = {"count": GraphQLField(GraphQLNonNull(GraphQLInt), args)}
        for aggregate in (*NUMERIC_AGGREGATES, *ORDERED_AGGREGATES):
            made = self._aggregate_columns(table, aggregate)
            if made is not None:
                fields[self.names.field(aggregate)] = GraphQLField(made)
        name = self.names.type(table.type_name, "aggregate_fields")
        return self.once(name, lambda made: GraphQLObjectType(made, fields))

    def _aggregate_columns(self, table: TableView, aggregate: str) -> GraphQLObjectType | None:
        columns = _aggregated(table, aggregate)
        if not columns:
            return None
        real = self.once("Float", make_scalar)
        fields = {
            name: GraphQLField(self._value(table, one.column) if aggregate in ("sum", *ORDERED_AGGREGATES) else real)
            for name, one in columns.items()
        }
        name = self.names.type(table.type_name, aggregate, "fields")
        return self.once(name, lambda made: GraphQLObjectType(made, fields))

    # Conditions and orders.

    def _bool_exp(self, table: TableView) -> GraphQLInputObjectType:
        return self.once(
            self.names.type(table.type_name, "bool_exp"),
            lambda name: GraphQLInputObjectType(name, lambda: self._bool_fields(table)),
        )

    def _bool_fields(self, table: TableView) -> dict[str, GraphQLInputField]:
        own = self._bool_exp(table)
        many = GraphQLList(GraphQLNonNull(own))
        fields = {"_and": GraphQLInputField(many), "_not": GraphQLInputField(own), "_or": GraphQLInputField(many)}
        for name, member in table.members.items():
            match member:
                case ColumnField(column, _):
                    made = self._comparison(column.type, self._enum_of(table, column))
                    fields[name] = GraphQLInputField(made)
                case Link(target=target):
                    fields[name] = GraphQLInputField(self._bool_exp(self.view.tables[target]))
                case ComputedView(computed) if computed.target is None and not computed.parameters:
                    fields[name] = GraphQLInputField(self._comparison(computed.routine.returns, None))
        return fields

    def _comparison(self, kind: PgType, enum: GraphQLEnumType | None) -> GraphQLInputObjectType:
        base = enum.name if enum else scalar_name(kind)
        suffix = ("array", "comparison_exp") if kind.is_array else ("comparison_exp",)
        return self.once(
            self.names.type(base, *suffix),
            lambda name: GraphQLInputObjectType(name, lambda: self._operators(kind, enum)),
        )

    def _operators(self, kind: PgType, enum: GraphQLEnumType | None) -> dict[str, GraphQLInputField]:
        value = enum or self._pg(kind)
        fields: dict[str, Any] = {"_is_null": GraphQLBoolean}
        if kind.name != "json" or kind.is_array:
            many = GraphQLList(GraphQLNonNull(value))
            known = ("_eq", "_neq") if enum else COMPARISONS
            fields |= dict.fromkeys(known, value) | {"_in": many, "_nin": many}
        if kind.is_array:
            fields |= dict.fromkeys(CONTAINMENT, value)
        elif enum is None and kind.name in TEXTS:
            fields |= dict.fromkeys(TEXT_OPERATORS, value)
        elif kind.name == "jsonb":
            text = self._comparison(PgType("pg_catalog", "text"), None)
            cast_to = self.once(
                self.names.type("jsonb", "cast_exp"),
                lambda name: GraphQLInputObjectType(name, {"String": GraphQLInputField(text)}),
            )
            fields |= dict.fromkeys(CONTAINMENT, value)
            fields |= dict.fromkeys(KEY_OPERATORS, GraphQLList(GraphQLNonNull(GraphQLString)))
            fields |= {"_has_key": GraphQLString, "_cast": cast_to}
        return {self.names.field(name): GraphQLInputField(fields[name]) for name in sorted(fields)}

    def _order(self) -> GraphQLEnumType:
        return self.once(
            "OrderBy" if self.names.is_camel else "order_by",
            lambda name: GraphQLEnumType(name, {self.names.enum_value(one): GraphQLEnumValue(one) for one in ORDERS}),
        )

    def _order_by(self, table: TableView) -> GraphQLInputObjectType:
        return self.once(
            self.names.type(table.type_name, "order_by"),
            lambda name: GraphQLInputObjectType(name, lambda: self._order_fields(table)),
        )

    def _order_fields(self, table: TableView) -> dict[str, GraphQLInputField]:
        fields = {}
        for name, member in table.members.items():
            match member:
                case ColumnField():
                    fields[name] = GraphQLInputField(self._order())
                case ComputedView(computed) if computed.target is None and not computed.parameters:
                    fields[name] = GraphQLInputField(self._order())
                case Link(is_array=False, target=target):
                    fields[name] = GraphQLInputField(self._order_by(self.view.tables[target]))
                case AggregateLink(link):
                    fields[name] = GraphQLInputField(self._aggregate_order_by(self.view.tables[link.target]))
        return fields

    def _aggregate_order_by(self, table: TableView) -> GraphQLInputObjectType:
        def make(name: str) -> GraphQLInputObjectType:
            fields = {"count": GraphQLInputField(self._order())}
            for aggregate in (*NUMERIC_AGGREGATES, *ORDERED_AGGREGATES):
                columns = _aggregated(table, aggregate)
                if columns:
                    by_column = {column: GraphQLInputField(self._order()) for column in columns}
                    inner = GraphQLInputObjectType(self.names.type(table.type_name, aggregate, "order_by"), by_column)
                    fields[self.names.field(aggregate)] = GraphQLInputField(inner)
            return GraphQLInputObjectType(name, fields)

        return self.once(self.names.type(table.type_name, "aggregate_order_by"), make)


def _aggregated(table: TableView, aggregate: str) -> dict[str, ColumnField]:
    return {name: one for name, one in table.columns().items() if is_aggregated(aggregate, one.column.type)}


def _rows(inner: GraphQLObjectType) -> GraphQLNonNull[Any]:
    return GraphQLNonNull(GraphQLList(GraphQLNonNull(inner)))

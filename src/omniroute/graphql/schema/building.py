"""Puts the schema of a role together: its root fields, and what each of them reads or does."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from graphql import (
    DirectiveLocation,
    GraphQLArgument,
    GraphQLBoolean,
    GraphQLDirective,
    GraphQLField,
    GraphQLInt,
    GraphQLNonNull,
    GraphQLObjectType,
    GraphQLSchema,
    GraphQLString,
    specified_directives,
)

from omniroute.graphql.model.rights import Writes
from omniroute.graphql.model.roles import RoleView, TableView
from omniroute.graphql.model.tables import TrackedFunction
from omniroute.graphql.plugged import Operation, RootFields
from omniroute.graphql.schema.mutations import Mutation, MutationFields
from omniroute.graphql.schema.streams import stream_field
from omniroute.graphql.schema.tables import TableTypes

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


def build_schema(view: RoleView, plugged: Sequence[RootFields] = (), *, is_backend: bool = False) -> RoleSchema:
    """The schema of a role, with the root fields of `plugged`. `is_backend`: with what only our own side may do."""
    return _Builder(view, plugged, is_backend=is_backend).build()


class _Builder:
    """Makes the root fields, and remembers what they are for."""

    def __init__(self, view: RoleView, plugged: Sequence[RootFields], *, is_backend: bool) -> None:
        self.view = view
        self.is_backend = is_backend
        self.names = view.model.names
        self.types = TableTypes(view)
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
        mutations = MutationFields(self.types, writes)
        changes = mutations.fields() | self._plugged("mutation")
        mutation = GraphQLObjectType("mutation_root", changes) if changes else None
        subscription = GraphQLObjectType("subscription_root", followed) if followed else None
        schema = GraphQLSchema(root, mutation, subscription, directives=[*specified_directives, CACHED])
        _order_fields(schema)
        return RoleSchema(schema, self.roots, self.view, self.streams, self.plugged, writes, mutations.mutations)

    def _table_roots(self, table: TableView) -> Iterator[tuple[str, str, GraphQLField]]:
        """The root fields of a table: what each is, its name, and the field. Not every root type has each of them."""
        custom, wanted = table.tracked.table.root_fields, table.roots | table.followed
        comment = table.tracked.relation.comment
        if "select" in wanted:
            name = custom.get("select", table.root)
            self.roots[name] = Root("rows", table)
            yield "select", name, _described(self.types.rows(table), comment)
        if "select_aggregate" in wanted and table.has_aggregates:
            name = custom.get("select_aggregate", self.names.field(table.root, "aggregate"))
            self.roots[name] = Root("aggregate", table)
            yield "select_aggregate", name, _described(self.types.aggregate(table), comment)
        key = table.primary_key()
        if "select_by_pk" in wanted and key:
            name = custom.get("select_by_pk", self.names.field(table.root, "by_pk"))
            self.roots[name] = Root("by_pk", table)
            args = {
                field: GraphQLArgument(GraphQLNonNull(self.types.value_type(table, one.column)))
                for field, one in key.items()
            }
            yield "select_by_pk", name, GraphQLField(self.types.object(table), args)

    def _function_roots(self, function: TrackedFunction) -> dict[str, GraphQLField]:
        table = self.view.tables[function.target]
        name = self.names.function_root(function.function)
        self.roots[name] = Root("rows" if function.routine.returns_set else "row", table, function)
        fields = {name: self.types.function_field(function)}
        if function.routine.returns_set and table.has_aggregates:
            custom = function.function.root_fields.get("function_aggregate")
            aggregate = custom or self.names.field(name, "aggregate")
            self.roots[aggregate] = Root("aggregate", table, function)
            made = self.types.aggregate(table)
            made.args = self.types.function_arguments(function) | made.args
            fields[aggregate] = made
        return fields

    def _stream_roots(self, taken: Mapping[str, Root]) -> dict[str, GraphQLField]:
        fields = {}
        for table in self.view.tables.values():
            custom = table.tracked.table.root_fields.get("select_stream")
            name = custom or self.names.field(table.root, "stream")
            is_followed = "select_stream" in table.followed and name not in taken
            field = stream_field(self.types, table) if is_followed else None
            if field is not None:
                fields[name], self.streams[name] = field, table
        return fields

    def _plugged(self, operation: Operation) -> dict[str, GraphQLField]:
        fields: dict[str, GraphQLField] = {}
        for one in self.others:
            for name, made in one.fields(self.types, self.view.role, operation).items():
                fields[name] = made
                self.plugged[operation, name] = one
        return fields


def _described(field: GraphQLField, comment: str | None) -> GraphQLField:
    field.description = comment
    return field


def _order_fields(schema: GraphQLSchema) -> None:
    """Introspection names the fields of an object by the alphabet, as Hasura does."""
    for one in schema.type_map.values():
        if isinstance(one, GraphQLObjectType) and not one.name.startswith("__"):
            one.fields = dict(sorted(one.fields.items()))

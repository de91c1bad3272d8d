"""The mutation fields of a role, with Hasura's names."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal, Protocol, TypeVar

from graphql import (
    GraphQLArgument,
    GraphQLEnumType,
    GraphQLEnumValue,
    GraphQLField,
    GraphQLInputField,
    GraphQLInputObjectType,
    GraphQLInt,
    GraphQLList,
    GraphQLNonNull,
    GraphQLObjectType,
    GraphQLString,
)

from omniroute.graphql.model.catalog import Column
from omniroute.graphql.model.rights import Writes, WriteView
from omniroute.graphql.model.roles import GRAPHQL_NAME, RoleView, TableView
from omniroute.graphql.model.scalars import NUMBERS
from omniroute.graphql.model.tables import TrackedFunction

T = TypeVar("T")
Kind = Literal["insert", "insert_one", "update", "update_by_pk", "update_many", "delete", "delete_by_pk", "function"]

PLACEHOLDER = "_PLACEHOLDER"
"""An enum needs a value, also where there is nothing to update."""
OPERATORS = ("_append", "_delete_at_path", "_delete_elem", "_delete_key", "_inc", "_prepend", "_set")


class Types(Protocol):
    """What the types of mutations need of the schema being made."""

    view: RoleView

    def once(self, name: str, make: Callable[[str], T]) -> T: ...
    def object(self, table: TableView) -> GraphQLObjectType: ...
    def rows(self, table: TableView) -> GraphQLField: ...
    def value_type(self, table: TableView, column: Column) -> Any: ...
    def condition_type(self, table: TableView) -> GraphQLInputObjectType: ...
    def function_field(self, function: TrackedFunction) -> GraphQLField: ...


@dataclass(frozen=True, slots=True)
class Mutation:
    """What a field of mutation_root does to which table, or which function it calls."""

    kind: Kind
    table: WriteView | None
    function: TrackedFunction | None = None


class MutationFields:
    """Makes the fields of mutation_root that write tables or call functions."""

    def __init__(self, types: Types, writes: Writes) -> None:
        self.types = types
        self.writes = writes
        self.names = types.view.model.names
        self.mutations: dict[str, Mutation] = {}

    def fields(self) -> dict[str, GraphQLField]:
        found: dict[str, GraphQLField] = {}
        for table in self.writes.tables.values():
            for kind, field in self._of_table(table):
                name = self._name(table, kind)
                self.mutations[name] = Mutation(kind, table)
                found[name] = field
        for function in self.writes.functions:
            name = self.names.function_root(function.function)
            self.mutations[name] = Mutation("function", None, function)
            found[name] = self.types.function_field(function)
        return found

    def _name(self, table: WriteView, kind: Kind) -> str:
        verb, *rest = kind.split("_", 1)
        custom = table.tracked.table.root_fields.get(kind)
        return custom or self.names.field(verb, table.rows.root, *rest)

    def _of_table(self, table: WriteView) -> list[tuple[Kind, GraphQLField]]:
        found: list[tuple[Kind, GraphQLField]] = []
        if table.insert and self._has_input(table):
            found.append(("insert", self._insert(table)))
            if table.is_seen:
                found.append(("insert_one", self._insert_one(table)))
        key = table.rows.primary_key()
        if table.update and (table.update.columns or table.update.presets):
            operators = self._operators(table)
            arguments = {name: GraphQLArgument(one) for name, one in operators.items()}
            found.append(("update", self._response(table, {"where": self._where(table)} | arguments)))
            if key:
                asked = GraphQLArgument(GraphQLNonNull(self._key_input(table)))
                args = {self.names.field("pk_columns"): asked} | arguments
                found.append(("update_by_pk", GraphQLField(self.types.object(table.rows), args)))
            found.append(("update_many", self._update_many(table, operators)))
        if table.delete is not None:
            found.append(("delete", self._response(table, {"where": self._where(table)})))
            if key:
                args = {
                    name: GraphQLArgument(GraphQLNonNull(self.types.value_type(table.rows, one.column)))
                    for name, one in key.items()
                }
                found.append(("delete_by_pk", GraphQLField(self.types.object(table.rows), args)))
        return found

    def _where(self, table: WriteView) -> GraphQLArgument:
        return GraphQLArgument(GraphQLNonNull(self.types.condition_type(table.rows)))

    def _response(self, table: WriteView, args: dict[str, GraphQLArgument]) -> GraphQLField:
        return GraphQLField(self._response_type(table), args)

    def _response_type(self, table: WriteView) -> GraphQLObjectType:
        def make(name: str) -> GraphQLObjectType:
            fields = {"affected_rows": GraphQLField(GraphQLNonNull(GraphQLInt))}
            if table.is_seen:
                rows = GraphQLNonNull(GraphQLList(GraphQLNonNull(self.types.object(table.rows))))
                fields["returning"] = GraphQLField(rows)
            return GraphQLObjectType(name, fields)

        return self.types.once(self.names.type(table.type_name, "mutation_response"), make)

    # Inserts.

    def _has_input(self, table: WriteView) -> bool:
        """GraphQL has no input objects without members."""
        return bool(table.insert and (table.insert.columns or self.writes.links(table)))

    def _insert(self, table: WriteView) -> GraphQLField:
        objects = GraphQLNonNull(GraphQLList(GraphQLNonNull(self._input(table))))
        return self._response(table, {"objects": GraphQLArgument(objects)} | self._conflict_args(table))

    def _insert_one(self, table: WriteView) -> GraphQLField:
        args = {"object": GraphQLArgument(GraphQLNonNull(self._input(table)))} | self._conflict_args(table)
        return GraphQLField(self.types.object(table.rows), args)

    def _input(self, table: WriteView) -> GraphQLInputObjectType:
        return self.types.once(
            self.names.type(table.type_name, "insert_input"),
            lambda name: GraphQLInputObjectType(name, lambda: self._input_fields(table)),
        )

    def _input_fields(self, table: WriteView) -> dict[str, GraphQLInputField]:
        assert table.insert is not None
        fields = self._columns(table, table.insert.columns)
        for name, link in self.writes.links(table).items():
            other = self.writes.tables[link.target]
            if self._has_input(other):
                fields[name] = GraphQLInputField(self._nested(other, is_array=link.is_array))
        return fields

    def _columns(self, table: WriteView, columns: Mapping[str, Column]) -> dict[str, GraphQLInputField]:
        return {name: GraphQLInputField(self.types.value_type(table.rows, one)) for name, one in columns.items()}

    def _nested(self, table: WriteView, *, is_array: bool) -> GraphQLInputObjectType:
        def fields() -> dict[str, GraphQLInputField]:
            one = GraphQLNonNull(self._input(table))
            data = GraphQLNonNull(GraphQLList(one)) if is_array else one
            conflict = self._conflict(table)
            more = {self.names.field("on_conflict"): GraphQLInputField(conflict)} if conflict else {}
            return {"data": GraphQLInputField(data)} | more

        name = self.names.type(table.type_name, "arr_rel_insert_input" if is_array else "obj_rel_insert_input")
        return self.types.once(name, lambda made: GraphQLInputObjectType(made, fields))

    def _conflict_args(self, table: WriteView) -> dict[str, GraphQLArgument]:
        conflict = self._conflict(table)
        return {self.names.field("on_conflict"): GraphQLArgument(conflict)} if conflict else {}

    def _conflict(self, table: WriteView) -> GraphQLInputObjectType | None:
        """What to do when a row is there already; only where a constraint can say so."""
        unique = {name: columns for name, columns in table.tracked.relation.unique.items() if _is_name(name)}
        if not unique:
            return None
        values = {
            name: GraphQLEnumValue(name, description=f"unique or primary key constraint on columns {_quoted(columns)}")
            for name, columns in unique.items()
        }
        constraint = self.types.once(
            self.names.type(table.type_name, "constraint"), lambda name: GraphQLEnumType(name, values)
        )
        columns = table.update.columns if table.update else {}
        updated = self.types.once(
            self.names.type(table.type_name, "update_column"),
            lambda name: GraphQLEnumType(name, {one: GraphQLEnumValue(one) for one in columns or (PLACEHOLDER,)}),
        )
        listed = GraphQLNonNull(GraphQLList(GraphQLNonNull(updated)))
        return self.types.once(
            self.names.type(table.type_name, "on_conflict"),
            lambda name: GraphQLInputObjectType(
                name,
                lambda: {
                    "constraint": GraphQLInputField(GraphQLNonNull(constraint)),
                    self.names.field("update_columns"): GraphQLInputField(listed, default_value=[]),
                    "where": GraphQLInputField(self.types.condition_type(table.rows)),
                },
            ),
        )

    # Updates.

    def _operators(self, table: WriteView) -> dict[str, GraphQLInputObjectType]:
        """`_set`, `_inc` and so on, as far as there are columns for them."""
        assert table.update is not None
        columns = table.update.columns
        plain = {name: one for name, one in columns.items() if not one.type.is_array}
        numbers = self._columns(table, {name: one for name, one in plain.items() if one.type.name in NUMBERS})
        documents = {name: one for name, one in plain.items() if one.type.name == "jsonb"}
        whole = self._columns(table, documents)
        texts = GraphQLList(GraphQLNonNull(GraphQLString))
        found = {
            "_set": self._columns(table, columns),
            "_inc": numbers,
            "_append": whole,
            "_prepend": whole,
            "_delete_key": {name: GraphQLInputField(GraphQLString) for name in documents},
            "_delete_elem": {name: GraphQLInputField(GraphQLInt) for name in documents},
            "_delete_at_path": {name: GraphQLInputField(texts) for name in documents},
        }
        return {
            self.names.field(operator): self._operator(table, operator, fields)
            for operator, fields in found.items()
            if fields
        }

    def _operator(
        self, table: WriteView, operator: str, fields: dict[str, GraphQLInputField]
    ) -> GraphQLInputObjectType:
        name = self.names.type(table.type_name, operator.strip("_"), "input")
        return self.types.once(name, lambda made: GraphQLInputObjectType(made, fields))

    def _key_input(self, table: WriteView) -> GraphQLInputObjectType:
        key = table.rows.primary_key() or {}
        fields = {
            name: GraphQLInputField(GraphQLNonNull(self.types.value_type(table.rows, one.column)))
            for name, one in key.items()
        }
        name = self.names.type(table.type_name, "pk_columns_input")
        return self.types.once(name, lambda made: GraphQLInputObjectType(made, fields))

    def _update_many(self, table: WriteView, operators: Mapping[str, GraphQLInputObjectType]) -> GraphQLField:
        where = GraphQLInputField(GraphQLNonNull(self.types.condition_type(table.rows)))
        fields = {name: GraphQLInputField(one) for name, one in operators.items()} | {"where": where}
        update = self.types.once(
            self.names.type(table.type_name, "updates"), lambda name: GraphQLInputObjectType(name, fields)
        )
        args = {"updates": GraphQLArgument(GraphQLNonNull(GraphQLList(GraphQLNonNull(update))))}
        return GraphQLField(GraphQLList(self._response_type(table)), args)


def _is_name(name: str) -> bool:
    return bool(GRAPHQL_NAME.fullmatch(name))


def _quoted(names: tuple[str, ...]) -> str:
    return ", ".join(f'"{name}"' for name in names)

"""The types of tables: their rows, the arguments of a list of rows, their aggregates, and calls that return rows."""

from collections.abc import Callable
from typing import Any, TypeVar

from graphql import (
    GraphQLArgument,
    GraphQLBoolean,
    GraphQLField,
    GraphQLInputField,
    GraphQLInputObjectType,
    GraphQLInt,
    GraphQLList,
    GraphQLNonNull,
    GraphQLObjectType,
    GraphQLString,
)

from omniroute.graphql.model.aggregates import AGGREGATES, OF_COLUMN, aggregated
from omniroute.graphql.model.catalog import Column, Parameter
from omniroute.graphql.model.roles import AggregateLink, ColumnField, ComputedView, RoleView, TableView
from omniroute.graphql.model.scalars import JSONS
from omniroute.graphql.model.tables import Link, TrackedFunction
from omniroute.graphql.schema.conditions import ConditionTypes
from omniroute.graphql.schema.orders import OrderTypes
from omniroute.graphql.schema.values import ValueTypes

T = TypeVar("T")


class TableTypes:
    """Makes the types of what a role reads."""

    def __init__(self, view: RoleView) -> None:
        self.view = view
        self.names = view.model.names
        self.values = ValueTypes(view)
        self.conditions = ConditionTypes(self.values)
        self.orders = OrderTypes(self.values)

    def once(self, name: str, make: Callable[[str], T]) -> T:
        """The type of this name, made if it is not there yet."""
        return self.values.once(name, make)

    def value_type(self, table: TableView, column: Column) -> Any:
        """The type of a column's values."""
        return self.values.of_column(table, column)

    def condition_type(self, table: TableView) -> GraphQLInputObjectType:
        """The type of conditions on a table's rows."""
        return self.conditions.of_rows(table)

    # Rows.

    def rows(self, table: TableView) -> GraphQLField:
        """A list of a table's rows, with its arguments."""
        return GraphQLField(_list_of(self.object(table)), self.arguments(table))

    def object(self, table: TableView) -> GraphQLObjectType:
        """The type of a table's rows."""
        comment = table.tracked.relation.comment
        return self.once(
            table.type_name,
            lambda name: GraphQLObjectType(name, lambda: self._fields(table), description=comment),
        )

    def _fields(self, table: TableView) -> dict[str, GraphQLField]:
        return {name: self._field(table, name, member) for name, member in table.members.items()}

    def _field(self, table: TableView, name: str, member: Any) -> GraphQLField:
        match member:
            case ColumnField(column, only_where):
                output = self.value_type(table, column)
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
                return GraphQLField(GraphQLNonNull(self._aggregate(other)), self.arguments(other))
        assert isinstance(member, ComputedView)
        return self._computed(table, name, member)

    def _computed(self, table: TableView, name: str, member: ComputedView) -> GraphQLField:
        computed = member.computed
        args = self.call_arguments(self.names.type(name, table.type_name), computed.parameters)
        if computed.target is None:
            return GraphQLField(self.values.of_kind(computed.routine.returns), args)
        other = self.view.tables[computed.target]
        if not computed.routine.returns_set:
            return GraphQLField(self.object(other), args)
        return GraphQLField(GraphQLList(GraphQLNonNull(self.object(other))), args | self.arguments(other))

    def arguments(self, table: TableView) -> dict[str, GraphQLArgument]:
        """The arguments of a list of a table's rows."""
        orders = GraphQLList(GraphQLNonNull(self.orders.of_rows(table)))
        columns = self.values.columns(table)
        distinct = (
            {self.names.field("distinct_on"): GraphQLArgument(GraphQLList(GraphQLNonNull(columns)))} if columns else {}
        )
        return distinct | {
            "limit": GraphQLArgument(GraphQLInt),
            "offset": GraphQLArgument(GraphQLInt),
            self.names.field("order_by"): GraphQLArgument(orders),
            "where": GraphQLArgument(self.condition_type(table)),
        }

    # Aggregates.

    def aggregate(self, table: TableView) -> GraphQLField:
        """Aggregates of a table's rows, with the arguments that choose the rows."""
        return GraphQLField(GraphQLNonNull(self._aggregate(table)), self.arguments(table))

    def _aggregate(self, table: TableView) -> GraphQLObjectType:
        return self.once(
            self.names.type(table.type_name, "aggregate"),
            lambda name: GraphQLObjectType(
                name,
                lambda: {
                    "aggregate": GraphQLField(self._aggregate_fields(table)),
                    "nodes": GraphQLField(_list_of(self.object(table))),
                },
            ),
        )

    def _aggregate_fields(self, table: TableView) -> GraphQLObjectType:
        columns = self.values.columns(table)
        args = {"distinct": GraphQLArgument(GraphQLBoolean)}
        if columns:
            args["columns"] = GraphQLArgument(GraphQLList(GraphQLNonNull(columns)))
        fields = {"count": GraphQLField(GraphQLNonNull(GraphQLInt), args)}
        for aggregate in AGGREGATES:
            made = self._aggregate_columns(table, aggregate)
            if made is not None:
                fields[self.names.field(aggregate)] = GraphQLField(made)
        name = self.names.type(table.type_name, "aggregate_fields")
        return self.once(name, lambda made: GraphQLObjectType(made, fields))

    def _aggregate_columns(self, table: TableView, aggregate: str) -> GraphQLObjectType | None:
        columns = aggregated(table, aggregate)
        if not columns:
            return None
        real = self.values.scalar("Float")
        fields = {
            name: GraphQLField(self.value_type(table, one.column) if aggregate in OF_COLUMN else real)
            for name, one in columns.items()
        }
        name = self.names.type(table.type_name, aggregate, "fields")
        return self.once(name, lambda made: GraphQLObjectType(made, fields))

    # Calls.

    def function_field(self, function: TrackedFunction) -> GraphQLField:
        """A call of a function that returns rows, or a row."""
        table, args = self.view.tables[function.target], self.function_arguments(function)
        if not function.routine.returns_set:
            return GraphQLField(self.object(table), args)
        return GraphQLField(_list_of(self.object(table)), args | self.arguments(table))

    def function_arguments(self, function: TrackedFunction) -> dict[str, GraphQLArgument]:
        """The argument that holds those of a tracked function."""
        return self.call_arguments(self.names.function_root(function.function), function.parameters)

    def call_arguments(self, name: str, parameters: tuple[Parameter, ...]) -> dict[str, GraphQLArgument]:
        """The argument that holds those of a call, if it takes any."""
        if not parameters:
            return {}
        given = self.once(self.names.type(name, "args"), lambda made: self._call_input(made, parameters))
        needed = any(not one.has_default for one in parameters)
        return {"args": GraphQLArgument(GraphQLNonNull(given) if needed else given)}

    def _call_input(self, name: str, parameters: tuple[Parameter, ...]) -> GraphQLInputObjectType:
        fields = {self.names.field(one.name): GraphQLInputField(self.values.of_kind(one.type)) for one in parameters}
        return GraphQLInputObjectType(name, fields)


def _list_of(inner: GraphQLObjectType) -> GraphQLNonNull[Any]:
    return GraphQLNonNull(GraphQLList(GraphQLNonNull(inner)))

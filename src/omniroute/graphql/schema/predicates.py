"""The types of conditions on aggregates: `t_aggregate_bool_exp`, and one inside of it for each function."""

from collections.abc import Callable
from typing import Any

from graphql import (
    GraphQLBoolean,
    GraphQLEnumType,
    GraphQLEnumValue,
    GraphQLInputField,
    GraphQLInputObjectType,
    GraphQLList,
    GraphQLNonNull,
)

from omniroute.graphql.model.catalog import PgType
from omniroute.graphql.model.predicates import OF_TWO, TAKES, enum_name, type_name
from omniroute.graphql.model.roles import ColumnField, TableView
from omniroute.graphql.schema.values import ValueTypes


class PredicateTypes:
    """Makes these types. `of_rows` is the type of conditions on a table's rows, `comparison` that of a comparison."""

    def __init__(
        self,
        values: ValueTypes,
        of_rows: Callable[[TableView], GraphQLInputObjectType],
        comparison: Callable[[PgType], GraphQLInputObjectType],
    ) -> None:
        self.values, self.names = values, values.names
        self.of_rows, self.comparison = of_rows, comparison

    def of_table(self, table: TableView) -> GraphQLInputObjectType:
        """What can be asked of aggregates of a table's rows."""
        return self.values.once(
            type_name(self.names, table), lambda name: GraphQLInputObjectType(name, lambda: self._functions(table))
        )

    def _functions(self, table: TableView) -> dict[str, GraphQLInputField]:
        found = {}
        for function, kind in TAKES.items():
            arguments = self._arguments(table, function, kind)
            if function == "count" or arguments:
                found[function] = GraphQLInputField(self._function(table, function, kind, arguments))
        return found

    def _function(self, table: TableView, function: str, kind: PgType, arguments: Any) -> GraphQLInputObjectType:
        fields = {"arguments": GraphQLInputField(arguments)} if arguments else {}
        fields["distinct"] = GraphQLInputField(GraphQLBoolean)
        fields["filter"] = GraphQLInputField(self.of_rows(table))
        fields["predicate"] = GraphQLInputField(GraphQLNonNull(self.comparison(kind)))
        return self.values.once(
            type_name(self.names, table, function), lambda name: GraphQLInputObjectType(name, fields)
        )

    def _arguments(self, table: TableView, function: str, kind: PgType) -> Any:
        """The type of what is aggregated; None where the role sees no such column."""
        if function == "count":
            every = self.values.columns(table)
            return every and GraphQLList(GraphQLNonNull(every))
        chosen = {name: GraphQLEnumValue(name) for name, one in table.columns().items() if _is_of(one, kind)}
        if not chosen:
            return None
        enum = self.values.once(enum_name(self.names, table, function), lambda name: GraphQLEnumType(name, chosen))
        if function not in OF_TWO:
            return GraphQLNonNull(enum)
        both = {one: GraphQLInputField(GraphQLNonNull(enum)) for one in ("X", "Y")}
        return GraphQLNonNull(
            self.values.once(
                type_name(self.names, table, function, "arguments"), lambda name: GraphQLInputObjectType(name, both)
            )
        )


def _is_of(one: ColumnField, kind: PgType) -> bool:
    return one.column.type.name == kind.name and not one.column.type.is_array

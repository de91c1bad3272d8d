"""The types of conditions: `t_bool_exp` of a table's rows, and the comparisons of each kind of value."""

from typing import Any

from graphql import (
    GraphQLBoolean,
    GraphQLEnumType,
    GraphQLInputField,
    GraphQLInputObjectType,
    GraphQLList,
    GraphQLNonNull,
    GraphQLString,
)

from omniroute.graphql.model.catalog import PgType
from omniroute.graphql.model.expressions import COMPARISONS, CONTAINMENT, KEY_OPERATORS, TEXT_OPERATORS
from omniroute.graphql.model.roles import AggregateLink, ColumnField, ComputedView, TableView
from omniroute.graphql.model.scalars import TEXTS, scalar_name
from omniroute.graphql.model.tables import Link
from omniroute.graphql.schema.predicates import PredicateTypes
from omniroute.graphql.schema.values import ValueTypes


class ConditionTypes:
    """Makes the types of `where`."""

    def __init__(self, values: ValueTypes) -> None:
        self.values = values
        self.names = values.names
        self.predicates = PredicateTypes(values, self.of_rows, lambda kind: self._comparison(kind, None))

    def of_rows(self, table: TableView) -> GraphQLInputObjectType:
        """The type of conditions on a table's rows."""
        return self.values.once(
            self.names.type(table.type_name, "bool_exp"),
            lambda name: GraphQLInputObjectType(name, lambda: self._fields(table)),
        )

    def _fields(self, table: TableView) -> dict[str, GraphQLInputField]:
        own = self.of_rows(table)
        many = GraphQLList(GraphQLNonNull(own))
        fields = {"_and": GraphQLInputField(many), "_not": GraphQLInputField(own), "_or": GraphQLInputField(many)}
        for name, member in table.members.items():
            match member:
                case ColumnField(column, _):
                    made = self._comparison(column.type, self.values.enum_of(table, column))
                    fields[name] = GraphQLInputField(made)
                case Link(target=target):
                    fields[name] = GraphQLInputField(self.of_rows(self.values.view.tables[target]))
                case AggregateLink(link):
                    made = self.predicates.of_table(self.values.view.tables[link.target])
                    fields[name] = GraphQLInputField(made)
                case ComputedView(computed) if computed.target is None and not computed.parameters:
                    fields[name] = GraphQLInputField(self._comparison(computed.routine.returns, None))
        return fields

    def _comparison(self, kind: PgType, enum: GraphQLEnumType | None) -> GraphQLInputObjectType:
        base = enum.name if enum else scalar_name(kind)
        suffix = ("array", "comparison_exp") if kind.is_array else ("comparison_exp",)
        return self.values.once(
            self.names.type(base, *suffix),
            lambda name: GraphQLInputObjectType(name, lambda: self._operators(kind, enum)),
        )

    def _operators(self, kind: PgType, enum: GraphQLEnumType | None) -> dict[str, GraphQLInputField]:
        value = enum or self.values.of_kind(kind)
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
            cast_to = self.values.once(
                self.names.type("jsonb", "cast_exp"),
                lambda name: GraphQLInputObjectType(name, {"String": GraphQLInputField(text)}),
            )
            fields |= dict.fromkeys(CONTAINMENT, value)
            fields |= dict.fromkeys(KEY_OPERATORS, GraphQLList(GraphQLNonNull(GraphQLString)))
            fields |= {"_has_key": GraphQLString, "_cast": cast_to}
        return {self.names.field(name): GraphQLInputField(fields[name]) for name in sorted(fields)}

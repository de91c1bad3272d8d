"""The types of `order_by`: columns, related rows, and aggregates of related rows."""

from graphql import GraphQLEnumType, GraphQLEnumValue, GraphQLInputField, GraphQLInputObjectType

from omniroute.graphql.model.aggregates import AGGREGATES, aggregated
from omniroute.graphql.model.roles import AggregateLink, ColumnField, ComputedView, TableView
from omniroute.graphql.model.tables import Link
from omniroute.graphql.schema.values import ValueTypes

ORDERS = ("asc", "asc_nulls_first", "asc_nulls_last", "desc", "desc_nulls_first", "desc_nulls_last")


class OrderTypes:
    """Makes the types of `order_by`."""

    def __init__(self, values: ValueTypes) -> None:
        self.values = values
        self.names = values.names

    def of_rows(self, table: TableView) -> GraphQLInputObjectType:
        """The type of orders of a table's rows."""
        return self.values.once(
            self.names.type(table.type_name, "order_by"),
            lambda name: GraphQLInputObjectType(name, lambda: self._fields(table)),
        )

    def _fields(self, table: TableView) -> dict[str, GraphQLInputField]:
        fields = {}
        for name, member in table.members.items():
            match member:
                case ColumnField():
                    fields[name] = GraphQLInputField(self._order())
                case ComputedView(computed) if computed.target is None and not computed.parameters:
                    fields[name] = GraphQLInputField(self._order())
                case Link(is_array=False, target=target):
                    fields[name] = GraphQLInputField(self.of_rows(self.values.view.tables[target]))
                case AggregateLink(link):
                    fields[name] = GraphQLInputField(self._of_aggregates(self.values.view.tables[link.target]))
        return fields

    def _order(self) -> GraphQLEnumType:
        return self.values.once(
            "OrderBy" if self.names.is_camel else "order_by",
            lambda name: GraphQLEnumType(name, {self.names.enum_value(one): GraphQLEnumValue(one) for one in ORDERS}),
        )

    def _of_aggregates(self, table: TableView) -> GraphQLInputObjectType:
        def make(name: str) -> GraphQLInputObjectType:
            fields = {"count": GraphQLInputField(self._order())}
            for aggregate in AGGREGATES:
                columns = aggregated(table, aggregate)
                if columns:
                    by_column = {column: GraphQLInputField(self._order()) for column in columns}
                    inner = GraphQLInputObjectType(self.names.type(table.type_name, aggregate, "order_by"), by_column)
                    fields[self.names.field(aggregate)] = GraphQLInputField(inner)
            return GraphQLInputObjectType(name, fields)

        return self.values.once(self.names.type(table.type_name, "aggregate_order_by"), make)

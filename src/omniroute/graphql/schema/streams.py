"""The GraphQL types of streams: `t_stream(cursor: {initial_value: {column: value}, ordering}, batch_size, where)`."""

from typing import Any, Protocol

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
)

from omniroute.graphql.model.catalog import Column
from omniroute.graphql.model.roles import ColumnField, TableView
from omniroute.graphql.model.scalars import NOT_COMPARED
from omniroute.graphql.plugged import Types


class StreamTypes(Types, Protocol):
    """What the builder of a schema knows about tables."""

    def value_type(self, table: TableView, column: Column) -> Any:
        """The type of a column's values."""

    def condition_type(self, table: TableView) -> GraphQLInputObjectType:
        """The type of conditions on a table's rows."""


def cursor_columns(table: TableView) -> dict[str, ColumnField]:
    """The columns a stream may follow: those with an order, which the role always sees."""
    return {
        name: one
        for name, one in table.columns().items()
        if not one.column.type.is_array and one.column.type.name not in NOT_COMPARED and one.only_where is None
    }


def stream_field(types: StreamTypes, table: TableView) -> GraphQLField | None:
    """The root field that streams a table; None when nothing of it has an order."""
    names, columns = types.view.model.names, cursor_columns(table)
    if not columns:
        return None
    values = types.once(
        names.type(table.type_name, "stream_cursor_value_input"),
        lambda name: GraphQLInputObjectType(
            name, {field: GraphQLInputField(types.value_type(table, one.column)) for field, one in columns.items()}
        ),
    )
    ordering = types.once(
        "CursorOrdering" if names.is_camel else "cursor_ordering",
        lambda name: GraphQLEnumType(name, {"ASC": GraphQLEnumValue("ASC"), "DESC": GraphQLEnumValue("DESC")}),
    )
    cursor = types.once(
        names.type(table.type_name, "stream_cursor_input"),
        lambda name: GraphQLInputObjectType(
            name,
            {
                names.field("initial_value"): GraphQLInputField(GraphQLNonNull(values)),
                "ordering": GraphQLInputField(ordering),
            },
        ),
    )
    return GraphQLField(
        GraphQLNonNull(GraphQLList(GraphQLNonNull(types.object(table)))),
        {
            names.field("batch_size"): GraphQLArgument(GraphQLNonNull(GraphQLInt)),
            "cursor": GraphQLArgument(GraphQLNonNull(GraphQLList(cursor))),
            "where": GraphQLArgument(types.condition_type(table)),
        },
        description="Rows one after another, each once.",
    )

"""The types of values: scalars, lists of them, and the enums of enum tables. Keeps the types of a schema by name."""

from collections.abc import Callable
from typing import Any, TypeVar, cast

from graphql import GraphQLEnumType, GraphQLEnumValue, GraphQLList, GraphQLNonNull, GraphQLScalarType

from omniroute.graphql.model.catalog import Column, PgType
from omniroute.graphql.model.roles import RoleView, TableView
from omniroute.graphql.model.scalars import make_scalar, scalar_name

T = TypeVar("T")


class ValueTypes:
    """Makes each type once, by name. Fields are made when the schema is put together, so types may be circular."""

    def __init__(self, view: RoleView) -> None:
        self.view = view
        self.names = view.model.names
        self._made: dict[str, Any] = {}

    def once(self, name: str, make: Callable[[str], T]) -> T:
        """The type of this name, made if it is not there yet."""
        if name not in self._made:
            self._made[name] = make(name)
        return cast("T", self._made[name])

    def scalar(self, name: str) -> GraphQLScalarType:
        """The scalar of this name."""
        return self.once(name, make_scalar)

    def of_kind(self, kind: PgType) -> Any:
        """The type of a value: a scalar, or a list of them."""
        scalar = self.scalar(scalar_name(kind))
        return GraphQLList(GraphQLNonNull(scalar)) if kind.is_array else scalar

    def of_column(self, table: TableView, column: Column) -> Any:
        """The type of a column's values."""
        return self.enum_of(table, column) or self.of_kind(column.type)

    def enum_of(self, table: TableView, column: Column) -> GraphQLEnumType | None:
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

    def columns(self, table: TableView) -> GraphQLEnumType | None:
        """The enum of a table's columns, if the role sees any."""
        columns = table.columns()
        if not columns:
            return None
        values = {name: GraphQLEnumValue(name) for name in columns}
        return self.once(self.names.type(table.type_name, "select_column"), lambda name: GraphQLEnumType(name, values))

"""Aggregates in `where`: the input types of conditions on what the rows beside a row come to.

    authors(where: {articles_aggregate: {count: {predicate: {_gt: 2}, filter: {is_published: {_eq: true}}}}})

Hasura has count for every table, the others for columns of `boolean` and `double precision` alone.
"""

from collections.abc import Mapping
from typing import Any, Protocol

from graphql import (
    GraphQLBoolean,
    GraphQLEnumType,
    GraphQLEnumValue,
    GraphQLInputField,
    GraphQLInputObjectType,
    GraphQLList,
    GraphQLNonNull,
)

from omniroute.graphql.metadata.naming import Names
from omniroute.graphql.model.catalog import PgType
from omniroute.graphql.model.roles import ColumnField, TableView
from omniroute.graphql.plugged import Types

REAL = PgType("pg_catalog", "float8")
TRUTH = PgType("pg_catalog", "bool")
WHOLE = PgType("pg_catalog", "int4")
TAKES: Mapping[str, PgType] = {
    "avg": REAL,
    "bool_and": TRUTH,
    "bool_or": TRUTH,
    "corr": REAL,
    "count": WHOLE,
    "covar_samp": REAL,
    "max": REAL,
    "min": REAL,
    "stddev_samp": REAL,
    "sum": REAL,
    "var_samp": REAL,
}
"""What each compares: the type of its columns too, except that `count` takes any."""
OF_TWO = ("corr", "covar_samp")
"""Those of two columns, named Y and X."""


class PredicateTypes(Types, Protocol):
    """The types of a role's schema, as far as predicates are made of them."""

    def condition_type(self, table: TableView) -> GraphQLInputObjectType:
        """The type of conditions on a table's rows."""

    def comparison_type(self, kind: PgType) -> GraphQLInputObjectType:
        """The type of comparisons with values of a type."""

    def column_names_type(self, table: TableView) -> GraphQLEnumType | None:
        """The enum of the columns of a table."""


def type_name(names: Names, table: TableView, *parts: str) -> str:
    """The name of the type of predicates on a table; with `parts`, of a type inside of it.

    Hasura begins these with a small letter when it writes camel case, and leaves the names of functions as they are.
    """
    outer = names.type(table.type_name, "aggregate_bool_exp")
    if not names.is_camel or not parts:
        return "_".join((outer, *parts))
    return outer[:1].lower() + outer[1:] + "".join(part[:1].upper() + part[1:] for part in parts)


def predicate_type(types: PredicateTypes, table: TableView) -> GraphQLInputObjectType:
    """What can be asked of aggregates of a table's rows."""
    names = types.view.model.names

    def fields() -> dict[str, GraphQLInputField]:
        found = {}
        for function, kind in TAKES.items():
            arguments = _arguments(types, table, function, kind)
            if function == "count" or arguments:
                made = _one(types, table, function, arguments, kind)
                found[function] = GraphQLInputField(types.once(type_name(names, table, function), made))
        return found

    return types.once(type_name(names, table), lambda name: GraphQLInputObjectType(name, fields))


def _one(types: PredicateTypes, table: TableView, function: str, arguments: Any, kind: PgType) -> Any:
    fields = {
        "distinct": GraphQLInputField(GraphQLBoolean),
        "filter": GraphQLInputField(types.condition_type(table)),
        "predicate": GraphQLInputField(GraphQLNonNull(types.comparison_type(kind))),
    }
    if arguments:
        fields["arguments"] = GraphQLInputField(arguments)
    return lambda name: GraphQLInputObjectType(name, dict(sorted(fields.items())))


def _arguments(types: PredicateTypes, table: TableView, function: str, kind: PgType) -> Any:
    """The type of what is aggregated; None where the role sees no such column."""
    if function == "count":
        every = types.column_names_type(table)
        return every and GraphQLList(GraphQLNonNull(every))
    names = types.view.model.names
    suffix = "_".join((type_name(names, table), function, "arguments_columns"))
    if names.is_camel:
        inner = type_name(names, table, function) + "ArgumentsColumns"
        suffix = inner[:1].upper() + inner[1:]
    chosen = {name: GraphQLEnumValue(name) for name, one in table.columns().items() if _is_of(one, kind)}
    if not chosen:
        return None
    enum = types.once(
        names.type(table.type_name, "select_column") + ("" if names.is_camel else "_") + suffix,
        lambda name: GraphQLEnumType(name, chosen),
    )
    if function not in OF_TWO:
        return GraphQLNonNull(enum)
    both = {one: GraphQLInputField(GraphQLNonNull(enum)) for one in ("X", "Y")}
    return GraphQLNonNull(
        types.once(type_name(names, table, function, "arguments"), lambda name: GraphQLInputObjectType(name, both))
    )


def _is_of(one: ColumnField, kind: PgType) -> bool:
    return one.column.type.name == kind.name and not one.column.type.is_array

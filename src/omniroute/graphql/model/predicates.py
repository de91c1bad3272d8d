"""Which aggregates a condition may be about, and what its types are called.

    authors(where: {articles_aggregate: {count: {predicate: {_gt: 2}, filter: {is_published: {_eq: true}}}}})

Hasura has count for every table, the others for columns of `boolean` and `double precision` alone.
"""

from collections.abc import Mapping

from omniroute.graphql.metadata.naming import Names
from omniroute.graphql.model.catalog import PgType
from omniroute.graphql.model.roles import TableView

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


def type_name(names: Names, table: TableView, *parts: str) -> str:
    """The name of the type of predicates on a table; with `parts`, of a type inside of it.

    Hasura begins these with a small letter when it writes camel case, and leaves the names of functions as they are.
    """
    outer = names.type(table.type_name, "aggregate_bool_exp")
    if not names.is_camel or not parts:
        return "_".join((outer, *parts))
    return outer[:1].lower() + outer[1:] + "".join(part[:1].upper() + part[1:] for part in parts)


def enum_name(names: Names, table: TableView, function: str) -> str:
    """The name of the enum of the columns a function takes."""
    columns = names.type(table.type_name, "select_column")
    inner = type_name(names, table, function)
    if not names.is_camel:
        return f"{columns}_{inner}_arguments_columns"
    return f"{columns}{inner[:1].upper()}{inner[1:]}ArgumentsColumns"

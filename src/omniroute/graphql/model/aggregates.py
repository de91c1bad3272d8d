"""Which aggregates there are, and of which columns."""

from omniroute.graphql.model.roles import ColumnField, TableView
from omniroute.graphql.model.scalars import NOT_COMPARED, NUMBERS

NUMERIC = ("avg", "stddev", "stddev_pop", "stddev_samp", "sum", "var_pop", "var_samp", "variance")
"""Of numbers."""
ORDERED = ("max", "min")
"""Of values that can be compared."""
AGGREGATES = (*NUMERIC, *ORDERED)
OF_COLUMN = ("sum", *ORDERED)
"""Those whose value is of the column's type; the others are real numbers."""


def aggregated(table: TableView, aggregate: str) -> dict[str, ColumnField]:
    """The columns of a table an aggregate takes, by the name of their field."""
    return {name: one for name, one in table.columns().items() if _takes(aggregate, one)}


def _takes(aggregate: str, one: ColumnField) -> bool:
    kind = one.column.type
    if kind.is_array or one.names_an_enum:
        return False
    return kind.name in NUMBERS if aggregate in NUMERIC else kind.name not in NOT_COMPARED

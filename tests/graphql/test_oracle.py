"""For any condition, order and page, the answer is that of a plain evaluation in Python."""

import json
from collections.abc import Callable
from decimal import Decimal
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from omniroute.graphql import Engine, Session, execute
from tests.graphql.shop import PAYMENTS

COLUMNS: dict[str, list[Any]] = {
    "id": [0, 1, 2, 3, 4, 6],
    "fee": [0, 50, 100, 9007199254740993],
    "tries": [1, 2, 3],
    "amount": ["0", "99.99", "250", "1000.50", "1000.51"],
    "reference": ["PAY-1", "PAY-3", "nothing", "'"],
    "narration": ["", "rice and beans", "Rice, 10 bags"],
}
COMPARED: dict[str, Callable[[Any, Any], bool]] = {
    "_eq": lambda a, b: a == b,
    "_neq": lambda a, b: a != b,
    "_gt": lambda a, b: a > b,
    "_gte": lambda a, b: a >= b,
    "_lt": lambda a, b: a < b,
    "_lte": lambda a, b: a <= b,
    "_in": lambda a, b: a in b,
    "_nin": lambda a, b: a not in b,
}


@st.composite
def comparisons(draw: st.DrawFn) -> dict[str, Any]:
    column = draw(st.sampled_from(sorted(COLUMNS)))
    operator = draw(st.sampled_from([*COMPARED, "_is_null"]))
    if operator == "_is_null":
        return {column: {operator: draw(st.booleans())}}
    values = st.sampled_from(COLUMNS[column])
    return {column: {operator: draw(st.lists(values, max_size=3) if operator in ("_in", "_nin") else values)}}


CONDITIONS = st.recursive(
    st.one_of(comparisons(), st.just({})),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3).map(lambda items: {"_and": items}),
        st.lists(inner, max_size=3).map(lambda items: {"_or": items}),
        inner.map(lambda item: {"_not": item}),
    ),
    max_leaves=6,
)
ORDERS = st.lists(
    st.tuples(
        st.sampled_from(sorted(COLUMNS)),
        st.sampled_from(["asc", "desc", "asc_nulls_first", "asc_nulls_last", "desc_nulls_first", "desc_nulls_last"]),
    ),
    max_size=3,
)


def plain(column: str, value: Any) -> Any:
    return Decimal(value) if column == "amount" else value


def holds(where: dict[str, Any], row: dict[str, Any]) -> bool | None:
    """True, false or unknown, as SQL has it."""
    return all_of([_member(name, value, row) for name, value in where.items()])


def all_of(items: list[bool | None]) -> bool | None:
    return False if False in items else None if None in items else True


def opposite(item: bool | None) -> bool | None:
    return None if item is None else not item


def _member(name: str, value: Any, row: dict[str, Any]) -> bool | None:
    match name:
        case "_and":
            return all_of([holds(item, row) for item in value])
        case "_or":
            return opposite(all_of([opposite(holds(item, row)) for item in value]))
        case "_not":
            return opposite(holds(value, row))
    [(operator, operand)] = value.items()
    mine = row[name]
    if operator == "_is_null":
        return bool((mine is None) == operand)
    if operator in ("_in", "_nin") and not operand:
        return bool(operator == "_nin")
    if mine is None:
        return None
    theirs = [plain(name, item) for item in operand] if isinstance(operand, list) else plain(name, operand)
    return COMPARED[operator](plain(name, mine), theirs)


def ordered(rows: list[dict[str, Any]], orders: list[tuple[str, str]]) -> list[dict[str, Any]]:
    for column, way in reversed([*orders, ("id", "asc")]):
        down = way.startswith("desc")
        nulls_first = way.endswith("first") or (way == "desc")
        some = [row for row in rows if row[column] is not None]
        none = [row for row in rows if row[column] is None]
        # Equal rows keep their order, also downwards.
        some.sort(key=lambda row: plain(column, row[column]), reverse=down)
        rows = none + some if nulls_first else some + none
    return rows


@settings(
    max_examples=150, derandomize=True, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(where=CONDITIONS, orders=ORDERS, limit=st.none() | st.integers(0, 4), offset=st.none() | st.integers(0, 4))
async def test_the_database_and_python_agree(
    engine: Engine, where: dict[str, Any], orders: list[tuple[str, str]], limit: int | None, offset: int | None
) -> None:
    document = """query ($where: payments_bool_exp, $by: [payments_order_by!], $limit: Int, $offset: Int) {
      payments(where: $where, order_by: $by, limit: $limit, offset: $offset) { id } }"""
    by = [{column: way} for column, way in [*orders, ("id", "asc")]]
    variables = {"where": where, "by": by, "limit": limit, "offset": offset}
    answer = await execute(engine, "auditor", Session(), document, variables)

    found = ordered([row for row in PAYMENTS if holds(where, row)], orders)
    found = found[offset or 0 :]
    found = found if limit is None else found[:limit]
    assert json.loads(answer.body) == {"data": {"payments": [{"id": row["id"]} for row in found]}}

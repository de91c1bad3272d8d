"""Conditions: made at random, written as a filter or as `where`, and evaluated plainly."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from hypothesis import strategies as st

from tests.graphql.oracle.kinds import KINDS, LIKE, Bare, compare, shown, total
from tests.graphql.oracle.worlds import USER, Row, Table, pick, some

Condition = tuple[Any, ...]
"""("and" | "or", items), ("not", item), ("null", column, yes), ("is", column, operator, value), ("user", column),
("columns", column, operator, other, of_root), ("link", name, item), ("exists", table, item) or
("total", name of a link, aggregate, columns, distinct, item, operator, value)."""
ORDERED = ("_gt", "_gte", "_lt", "_lte")
TOTALS = {"bool": ("bool_and", "bool_or"), "float": ("avg", "max", "min", "sum")}
"""Aggregates of kinds of columns that a condition may be about, beside count. Others are not exact."""


@dataclass(frozen=True)
class Scope:
    """What a condition may be about: for a role its columns and links; in a filter all of them, and more forms."""

    tables: dict[str, Table]
    columns: Callable[[Table], list[str]]
    links: Callable[[Table], list[str]]
    is_filter: bool
    aggregates: Callable[[Table], bool] = lambda _: False
    """Whether conditions may be about aggregates of a table's rows."""


def condition(draw: st.DrawFn, scope: Scope, table: Table, depth: int = 2, root: Table | None = None) -> Condition:
    """A condition on rows of a table."""
    root, columns, links = root or table, scope.columns(table), scope.links(table)
    forms = ["and", "or", "not", "link", "exists", "total"] if depth else []
    form = pick(draw, [*forms, *["is"] * 6, "null", "columns", "user"])
    match form:
        case "and" | "or":
            count = draw(st.integers(0, 2))
            return form, [condition(draw, scope, table, depth - 1, root) for _ in range(count)]
        case "not":
            return "not", condition(draw, scope, table, depth - 1, root)
        case "link" if links:
            name = pick(draw, links)
            target = scope.tables[table.link(name).target]
            return "link", name, condition(draw, scope, target, depth - 1, root)
        case "total":
            asked = _total(draw, scope, table, depth)
            if asked:
                return asked
        case "exists" if scope.is_filter:
            target = scope.tables[pick(draw, scope.tables)]
            return "exists", target.name, condition(draw, scope, target, depth - 1, root)
        case "user" if scope.is_filter:
            numbers = [one.name for one in table.of_kind("int", "big", "numeric")]
            return "user", pick(draw, numbers)
        case "columns" if scope.is_filter:
            made = _columns(draw, table, root)
            if made:
                return made
    if not columns:
        return "and", []
    column = table.column(pick(draw, columns))
    if form == "null":
        return "null", column.name, draw(st.booleans())
    return _comparison(draw, column.name, column.kind)


def _total(draw: st.DrawFn, scope: Scope, table: Table, depth: int) -> Condition | None:
    links = [table.link(one) for one in scope.links(table)]
    links = [one for one in links if one.is_array and scope.aggregates(scope.tables[one.target])]
    if not links:
        return None
    link = pick(draw, links)
    target = scope.tables[link.target]
    item = condition(draw, scope, target, depth - 1) if draw(st.booleans()) else None
    columns = scope.columns(target)
    known = [(name, one) for one in columns for name in TOTALS.get(target.column(one).kind, ())]
    is_distinct = draw(st.booleans())
    if known and some(draw):
        name, column = pick(draw, known)
        kind = target.column(column).kind
        operator = pick(draw, ["_eq", "_neq", "_in", "_nin", *(ORDERED if kind == "float" else ())])
        values = KINDS[kind].values
        value = list(values[:2]) if operator in ("_in", "_nin") else pick(draw, values)
        return "total", link.name, name, (column,), is_distinct, item, operator, value
    counted = [one for one in columns if target.column(one).kind != "json"]
    chosen = tuple(draw(st.lists(st.sampled_from(counted), max_size=2, unique=True))) if counted else ()
    return (
        "total",
        link.name,
        "count",
        chosen,
        is_distinct,
        item,
        pick(draw, ["_eq", *ORDERED]),
        draw(st.integers(0, 3)),
    )


def _columns(draw: st.DrawFn, table: Table, root: Table) -> Condition | None:
    of_root = draw(st.booleans())
    pairs = [
        (a.name, b.name)
        for a in table.columns
        for b in (root if of_root else table).columns
        if a.kind == b.kind and KINDS[a.kind].is_ordered
    ]
    if not pairs:
        return None
    ours, theirs = pick(draw, pairs)
    return "columns", ours, pick(draw, ["_ceq", "_cne", "_cgt", "_clte"]), theirs, of_root


def _comparison(draw: st.DrawFn, column: str, kind: str) -> Condition:
    values = KINDS[kind].values
    operators = ["_eq", "_neq", "_in", "_nin", *(ORDERED if KINDS[kind].is_ordered else ())]
    if kind == "text":
        operators += sorted(LIKE)
    if kind in ("json", "texts"):
        operators += ["_contains", "_contained_in"]
    if kind == "json":
        operators += ["_has_key", "_has_keys_any", "_has_keys_all"]
    operator = pick(draw, operators)
    if operator in ("_in", "_nin"):
        return "is", column, operator, draw(st.lists(st.sampled_from(values), max_size=3))
    if operator in LIKE:
        return "is", column, operator, pick(draw, ["%", "%a%", "B", "it's", "%'s", "%b"])
    if operator == "_has_key":
        return "is", column, operator, pick(draw, ["a", "b", "it's"])
    if operator.startswith("_has"):
        return "is", column, operator, draw(st.lists(st.sampled_from(["a", "b", "'"]), max_size=2))
    return "is", column, operator, pick(draw, values)


# As the metadata and requests write them.


def as_filter(one: Condition) -> dict[str, Any]:
    """In a permission, with the names of the database."""
    return _written(one, None, {}, lambda _, name: name)


def as_where(one: Condition, table: Table, tables: dict[str, Table]) -> dict[str, Any]:
    """In a request, with the names of GraphQL."""
    return _written(one, table, tables, lambda of, name: of.column(name).field if of else name)


def _written(one: Condition, table: Table | None, tables: dict[str, Table], field: Any) -> dict[str, Any]:
    match one:
        case ("and" | "or") as form, items:
            return {f"_{form}": [_written(item, table, tables, field) for item in items]}
        case "not", item:
            return {"_not": _written(item, table, tables, field)}
        case "link", name, item:
            target = tables[table.link(name).target] if table else None
            return {name: _written(item, target, tables, field)}
        case "exists", target, item:
            return {
                "_exists": {"_table": {"schema": "SCHEMA", "name": target}, "_where": _written(item, None, {}, field)}
            }
        case "null", column, yes:
            return {field(table, column): {"_is_null": yes}}
        case "total", name, function, columns, is_distinct, item, operator, value:
            assert table is not None
            target = tables[table.link(name).target]
            chosen = [Bare(target.column(one).field) for one in columns]
            asked: dict[str, Any] = {"predicate": {operator: value}, "distinct": is_distinct}
            if chosen:
                asked["arguments"] = chosen if function == "count" else chosen[0]
            if item is not None:
                asked["filter"] = _written(item, target, tables, field)
            return {f"{name}_aggregate": {function: asked}}
        case "user", column:
            return {column: {"_eq": "X-Hasura-User-Id"}}
        case "columns", column, operator, other, of_root:
            return {column: {operator: ["$", other] if of_root else other}}
    _, column, operator, value = one
    listed = operator in ("_in", "_nin")
    return {field(table, column): {operator: [shown(item) for item in value] if listed else shown(value)}}


# What they mean.


class Reader:
    """How rows are seen while a condition is evaluated: here all of them, as they are."""

    def __init__(self, tables: dict[str, Table], rows: dict[str, list[Row]]) -> None:
        self.tables = tables
        self.content = rows

    def rows(self, table: Table) -> list[Row]:
        return self.content[table.name]

    def cell(self, table: Table, row: Row, column: str) -> Any:
        return row[column]

    def related(self, table: Table, row: Row, name: str) -> list[Row]:
        """The rows a relationship leads to. What is NULL leads nowhere."""
        link = table.link(name)
        ours = [row[one] for one, _ in link.pairs]
        if None in ours:
            return []
        target = self.tables[link.target]
        return [one for one in self.rows(target) if [one[theirs] for _, theirs in link.pairs] == ours]

    def holds(self, one: Condition, table: Table, row: Row, root: tuple[Table, Row] | None = None) -> bool | None:
        """True, false or unknown, as SQL has it."""
        root = root or (table, row)
        match one:
            case "and", items:
                return all_of([self.holds(item, table, row, root) for item in items])
            case "or", items:
                return opposite(all_of([opposite(self.holds(item, table, row, root)) for item in items]))
            case "not", item:
                return opposite(self.holds(item, table, row, root))
            case "link", name, item:
                target = self.tables[table.link(name).target]
                return any(self.holds(item, target, other, root) is True for other in self.related(table, row, name))
            case "exists", name, item:
                target = self.tables[name]
                return any(self.holds(item, target, other, root) is True for other in self.rows(target))
            case "total", name, function, columns, is_distinct, item, operator, value:
                target, rows = self.tables[table.link(name).target], self.related(table, row, name)
                rows = [one for one in rows if item is None or self.holds(item, target, one) is True]
                return self._total(target, rows, function, columns, is_distinct, operator, value)
            case "columns", column, operator, other, of_root:
                theirs = root[1][other] if of_root else row[other]
                plain = {"_ceq": "_eq", "_cne": "_neq", "_cgt": "_gt", "_clte": "_lte"}[operator]
                return self._compared(table, row, column, plain, theirs)
            case "user", column:
                return self._compared(table, row, column, "_eq", USER)
            case "null", column, yes:
                return bool((self.cell(table, row, column) is None) == yes)
        _, column, operator, value = one
        return self._compared(table, row, column, operator, value)

    def _total(
        self, table: Table, rows: list[Row], function: str, columns: Any, is_distinct: bool, operator: str, value: Any
    ) -> bool:
        """Whether an aggregate is what is asked for; one that is not there is never."""
        cells = [tuple(self.cell(table, row, one) for one in columns) for row in rows]
        if len(columns) == 1:
            cells = [one for one in cells if one != (None,)]
        if is_distinct and columns:
            cells = list({repr(one): one for one in cells}.values())
        if function == "count":
            return compare("int", operator, len(cells), value)
        if not cells:
            return False
        found = [one for (one,) in cells]
        match function:
            case "bool_and" | "bool_or":
                return compare("bool", operator, all(found) if function == "bool_and" else any(found), value)
        return compare("float", operator, total("float", function, found), value)

    def _compared(self, table: Table, row: Row, column: str, operator: str, value: Any) -> bool | None:
        mine = self.cell(table, row, column)
        if operator in ("_in", "_nin") and not value:
            return operator == "_nin"
        if mine is None or value is None:
            return None
        return compare(table.column(column).kind, operator, mine, value)


def all_of(items: list[bool | None]) -> bool | None:
    return False if False in items else None if None in items else True


def opposite(item: bool | None) -> bool | None:
    return None if item is None else not item


__all__ = ["Bare", "Condition", "Reader", "Scope", "as_filter", "as_where", "condition", "some"]

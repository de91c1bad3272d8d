"""Conditions: made at random, written as a filter or as `where`, and evaluated plainly."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from hypothesis import strategies as st

from tests.graphql.oracle.kinds import KINDS, LIKE, Bare, compare, shown
from tests.graphql.oracle.worlds import USER, Row, Table, pick, some

Condition = tuple[Any, ...]
"""("and" | "or", items), ("not", item), ("null", column, yes), ("is", column, operator, value), ("user", column),
("columns", column, operator, other, of_root), ("link", name, item) or ("exists", table, item)."""
ORDERED = ("_gt", "_gte", "_lt", "_lte")


@dataclass(frozen=True)
class Scope:
    """What a condition may be about: for a role its columns and links; in a filter all of them, and more forms."""

    tables: dict[str, Table]
    columns: Callable[[Table], list[str]]
    links: Callable[[Table], list[str]]
    is_filter: bool


def condition(draw: st.DrawFn, scope: Scope, table: Table, depth: int = 2, root: Table | None = None) -> Condition:
    """A condition on rows of a table."""
    root, columns, links = root or table, scope.columns(table), scope.links(table)
    forms = ["and", "or", "not", "link", "exists"] if depth else []
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

"""What a query must answer, worked out plainly; and whether an answer is that."""

import math
from decimal import Decimal
from typing import Any

from tests.graphql.oracle.asking import Args, Field, Path
from tests.graphql.oracle.kinds import rank, total
from tests.graphql.oracle.rights import RoleReader
from tests.graphql.oracle.worlds import Row, Table


class Answering:
    """Answers the queries of a role."""

    def __init__(self, reader: RoleReader) -> None:
        self.reader = reader

    def data(self, roots: list[Field]) -> dict[str, Any]:
        return {one.response: self._root(one) for one in roots}

    def _root(self, one: Field) -> Any:
        rows = self.reader.rows(one.table)
        if one.kind == "row":
            found = [row for row in rows if all(row[name] == value for name, value in one.key.items())]
            return self.row(one.inner, one.table, found[0]) if found else None
        return self._many(one, rows)

    def row(self, fields: tuple[Field, ...], table: Table, row: Row) -> dict[str, Any]:
        """A row as an object."""
        return {one.response: self._value(one, table, row) for one in fields}

    def _value(self, one: Field, table: Table, row: Row) -> Any:
        if one.kind == "typename":
            return table.name
        if one.kind == "column":
            return self.reader.cell(table, row, one.name)
        related = self.reader.related(table, row, one.name.removesuffix("_aggregate"))
        if one.kind == "row":
            return self.row(one.inner, one.table, related[0]) if related else None
        return self._many(one, related)

    def _many(self, one: Field, rows: list[Row]) -> Any:
        limit = self.reader.limit(one.table)
        if one.kind == "rows":
            return [self.row(one.inner, one.table, row) for row in self._listed(one.table, one.args, rows, limit)]
        found = self._listed(one.table, one.args, rows, None)
        totals = {f"y{place}": self._total(one.table, found, *asked) for place, asked in enumerate(one.totals)}
        nodes = [self.row(one.inner, one.table, row) for row in self._listed(one.table, one.args, rows, limit)]
        return {"aggregate": totals} | ({"nodes": nodes} if one.inner else {})

    def _total(self, table: Table, rows: list[Row], name: str, columns: tuple[str, ...], distinct: bool) -> Any:
        if name == "count":
            cells = [tuple(self.reader.cell(table, row, one) for one in columns) for row in rows]
            if len(columns) == 1:  # Of several columns, also those without any value are counted.
                cells = [one for one in cells if one != (None,)]
            if not columns:
                return len(rows)
            return len({repr(one) for one in cells}) if distinct else len(cells)
        [column] = columns
        found = [self.reader.cell(table, row, column) for row in rows]
        value = total(table.column(column).kind, name, [one for one in found if one is not None])
        return {table.column(column).field: value}

    # Which rows, in which order.

    def _listed(self, table: Table, args: Args, rows: list[Row], most: int | None) -> list[Row]:
        if args.where is not None:
            rows = [row for row in rows if self.reader.holds(args.where, table, row) is True]
        for path, way in reversed(args.order):
            rows = self._ordered(table, rows, path, way)
        if args.distinct:
            first: dict[str, Row] = {}
            for row in rows:
                first.setdefault(repr([self.reader.cell(table, row, one) for one in args.distinct]), row)
            rows = list(first.values())
        rows = rows[args.offset or 0 :]
        limits = [one for one in (args.limit, most) if one is not None]
        return rows[: min(limits)] if limits else rows

    def _ordered(self, table: Table, rows: list[Row], path: Path, way: str) -> list[Row]:
        keys = [(self._key(table, row, path), row) for row in rows]
        is_down = way.startswith("desc")
        some = [one for one in keys if one[0] is not None]
        none = [one for one in keys if one[0] is None]
        some.sort(key=lambda one: one[0], reverse=is_down)  # Equal rows keep their order, also downwards.
        nulls_first = way.endswith("first") or way == "desc"
        return [row for _, row in (none + some if nulls_first else some + none)]

    def _key(self, table: Table, row: Row, path: Path) -> Any:
        if path[0] == "column":
            value = self.reader.cell(table, row, path[1])
            return None if value is None else rank(table.column(path[1]).kind, value)
        target, related = self.reader.tables[table.link(path[1]).target], self.reader.related(table, row, path[1])
        match path:
            case "link", _, inner:
                return self._key(target, related[0], inner) if related else None
            case "count", _:
                return len(related)
        _, _, name, column = path
        found = [self.reader.cell(target, one, column) for one in related]
        kind = target.column(column).kind
        value = total(kind, name, [one for one in found if one is not None])
        return None if value is None else rank(kind, value)


def same(fields: tuple[Field, ...] | list[Field], expected: Any, answer: Any) -> bool:
    """Whether an object is the one expected. Rows that have no order may come in any."""
    if expected is None or answer is None:
        return expected is answer
    return list(expected) == list(answer) and all(
        _same(one, expected[one.response], answer[one.response]) for one in fields
    )


def _same(one: Field, expected: Any, answer: Any) -> bool:
    match one.kind:
        case "row":
            return same(one.inner, expected, answer)
        case "rows":
            return _same_rows(one, expected, answer)
        case "aggregate":
            totals = all(
                _same_total(asked, expected["aggregate"][f"y{place}"], answer["aggregate"][f"y{place}"])
                for place, asked in enumerate(one.totals)
            )
            return totals and (not one.inner or _same_rows(one, expected["nodes"], answer["nodes"]))
    return same_value(expected, answer)


def _same_rows(one: Field, expected: list[Any], answer: list[Any]) -> bool:
    if len(expected) != len(answer):
        return False
    if one.args.is_ordered:
        return all(same(one.inner, a, b) for a, b in zip(expected, answer, strict=True))
    left = list(answer)
    for item in expected:
        found = next((place for place, other in enumerate(left) if same(one.inner, item, other)), None)
        if found is None:
            return False
        left.pop(found)
    return True


def _same_total(asked: Any, expected: Any, answer: Any) -> bool:
    if asked[0] == "count":
        return bool(expected == answer)
    [(name, value)] = expected.items()
    other = answer[name]
    if asked[0] in ("min", "max", "sum") or value is None or other is None:
        return same_value(value, other)
    return math.isclose(value, other, rel_tol=1e-9, abs_tol=1e-9)


def same_value(expected: Any, answer: Any) -> bool:
    """Whether a value of an answer is the one expected."""
    if isinstance(expected, int | float | Decimal) and not isinstance(expected, bool):
        return isinstance(answer, int | Decimal) and not isinstance(answer, bool) and Decimal(expected) == answer
    return bool(expected == answer)

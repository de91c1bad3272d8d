"""Orders rows: by columns, by those of related rows, by aggregates of related rows."""

from collections.abc import Iterator
from typing import Any

from psycopg.sql import SQL, Composable, Identifier

from omniroute.graphql.compiler.writing import Writer, table_name
from omniroute.graphql.errors import RequestRefused
from omniroute.graphql.model.aggregates import AGGREGATES
from omniroute.graphql.model.expressions import Constant, any_of
from omniroute.graphql.model.roles import AggregateLink, ColumnField, ComputedView, RoleView, TableView
from omniroute.graphql.model.tables import Link

_DIRECTIONS = {
    "asc": "ASC",
    "asc_nulls_first": "ASC NULLS FIRST",
    "asc_nulls_last": "ASC NULLS LAST",
    "desc": "DESC",
    "desc_nulls_first": "DESC NULLS FIRST",
    "desc_nulls_last": "DESC NULLS LAST",
}


class Ordering:
    """Writes ORDER BY for one list of rows."""

    def __init__(self, view: RoleView, writer: Writer) -> None:
        self.view = view
        self.writer = writer
        names = view.model.names
        self._aggregates = {names.field(one): one for one in AGGREGATES}

    def order_by(
        self, table: TableView, given: list[Any], distinct: list[ColumnField], alias: Identifier, path: str
    ) -> Composable:
        """ORDER BY, or nothing.

        Raises: RequestRefused when it does not begin with the columns of distinct_on.
        """
        items = [item for one in given if one for item in self._items(table, one, alias, f"{path}.order_by")]
        if not items:
            return SQL("")
        initial = [column for column, _, _ in items[: len(distinct)]]
        if distinct and {one.column.name for one in distinct} != set(initial):
            raise RequestRefused('"distinct_on" columns must match initial "order_by" columns', path=path)
        parts = [SQL("{} {}").format(text, SQL(_DIRECTIONS[way])) for _, text, way in items]
        return SQL(" ORDER BY {}").format(SQL(", ").join(parts))

    def _items(
        self, table: TableView, given: dict[str, Any], alias: Identifier, path: str
    ) -> Iterator[tuple[str | None, Composable, str]]:
        """Each key: the column of the row itself it names, if any; its SQL; its direction."""
        for name, value in given.items():
            if value is None:
                raise RequestRefused("unexpected null value for type 'order_by'", path=f"{path}.{name}")
            member = table.members[name]
            match member:
                case ColumnField():
                    yield member.column.name, self.writer.term(member.term(), alias), _way(value)
                case ComputedView():
                    yield None, self.writer.term(member.term(), alias), _way(value)
                case AggregateLink(link):
                    yield from self._of_aggregate(link, value, alias, f"{path}.{name}")
                case Link():
                    yield from self._of_row(member, value, alias, f"{path}.{name}")

    def _of_row(
        self, link: Link, given: dict[str, Any], alias: Identifier, path: str
    ) -> Iterator[tuple[None, Composable, str]]:
        target = self.view.tables[link.target]
        for name, value in given.items():
            other = self.writer.alias()
            for _, text, way in self._items(target, {name: value}, other, path):
                yield None, self._related(link, target, text, alias, other, limit=True), way

    def _of_aggregate(
        self, link: Link, given: dict[str, Any], alias: Identifier, path: str
    ) -> Iterator[tuple[None, Composable, str]]:
        target = self.view.tables[link.target]
        for name, value in given.items():
            if value is None:
                raise RequestRefused("unexpected null value for type 'order_by'", path=f"{path}.{name}")
            if name == "count":
                other = self.writer.alias()
                yield None, self._related(link, target, SQL("count(*)"), alias, other, limit=False), _way(value)
                continue
            for field, way in value.items():
                other, column = self.writer.alias(), target.columns()[field]
                text = aggregate(
                    self._aggregates[name], self.writer.term(column.term(), other), column.column.type.name
                )
                yield None, self._related(link, target, text, alias, other, limit=False), _way(way)

    def _related(
        self, link: Link, target: TableView, text: Composable, alias: Identifier, other: Identifier, *, limit: bool
    ) -> Composable:
        """A value taken from related rows the role may see."""
        parts = [self.writer.pair(alias, other, pair) for pair in link.pairs]
        if target.guards:
            parts.append(self.writer.condition(any_of(target.guards), other))
        return SQL("(SELECT {} FROM {} AS {} WHERE {}{})").format(
            text, table_name(target.name), other, SQL(" AND ").join(parts), SQL(" LIMIT 1" if limit else "")
        )


def _way(value: Any) -> str:
    assert isinstance(value, Constant)
    return str(value.value)


def aggregate(name: str, column: Composable, kind: str) -> Composable:
    """An aggregate of a column. PostgreSQL before 18 knows no least uuid, but its text has the same order."""
    assert name in AGGREGATES
    if kind == "uuid":
        return SQL("{}({}::text)::uuid").format(Identifier(name), column)
    return SQL("{}({})").format(Identifier(name), column)

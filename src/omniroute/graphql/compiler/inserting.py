"""Compiles inserts: many rows in one statement, or row after row where others are inserted beside them."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from psycopg.sql import SQL, Composable, Identifier, Literal

from omniroute.graphql.compiler.changing import KEYS, Change, ChangeCompiler, Step
from omniroute.graphql.compiler.given import Given
from omniroute.graphql.compiler.writing import table_name
from omniroute.graphql.errors import RequestRefused
from omniroute.graphql.fields import Field
from omniroute.graphql.metadata.tree import Name
from omniroute.graphql.model.catalog import Column
from omniroute.graphql.model.expressions import TRUE, And, Constant, FromVariable
from omniroute.graphql.model.rights import WriteView
from omniroute.graphql.model.tables import Link
from omniroute.graphql.schema.mutations import PLACEHOLDER

_NULL = SQL("NULL")
_WRITTEN = Identifier("$written")


@dataclass(frozen=True, slots=True)
class _Object:
    """An object to be inserted: columns by name in the database, and rows of other tables beside it."""

    columns: Mapping[str, Given]
    before: tuple[tuple[Link, dict[str, Any]], ...]
    """Rows this one points to."""
    after: tuple[tuple[Link, dict[str, Any]], ...]
    """Rows that point to this one."""


class InsertCompiler(ChangeCompiler):
    """Compiles `insert_t` and `insert_t_one`."""

    def insert(self, field: Field, table: WriteView, *, is_one: bool) -> Change:
        """The change of a field.

        Raises: RequestRefused.
        """
        self.steps: list[Step] = []
        given = self._given(field)
        path = f"{field.path}.args.{'object' if is_one else 'objects'}"
        listed = [given["object"]] if is_one else given["objects"]
        self._check_count(sum(map(len, listed)), path)  # Before any work is put into them.
        conflict = given.get(self.names.field("on_conflict"))
        objects = [self._object(table, one) for one in listed]
        if not objects:
            return Change((), self._read_back(field, table.rows, is_one=False))
        if not any(one.before or one.after for one in objects):
            rows = [one.columns for one in objects]
            return self._change(field, table, self._insert(table, rows, conflict, path), path, is_one=is_one)
        for place, one in enumerate(objects):
            where = path if is_one else f"{path}[{place}]"
            self._one_by_one(table, one, conflict, {}, where, keys=frozenset(), is_asked=True)
        return Change(tuple(self.steps), self._read_back(field, table.rows, is_one=is_one, is_guarded=True))

    def _object(self, table: WriteView, given: Mapping[str, Any]) -> _Object:
        assert table.insert is not None
        links = self.writes.links(table)
        columns = {table.insert.columns[name].name: one for name, one in given.items() if name in table.insert.columns}
        beside = [(links[name], one) for name, one in given.items() if name in links and one is not None]
        before = [one for one in beside if not one[0].is_after]
        return _Object(columns, tuple(before), tuple(one for one in beside if one[0].is_after))

    # Row after row.

    def _one_by_one(
        self,
        table: WriteView,
        one: _Object,
        conflict: Any,
        fixed: Mapping[str, Given],
        path: str,
        *,
        keys: frozenset[str],
        is_asked: bool = False,
        if_none: str | None = None,
    ) -> int:
        """Steps for a row and those beside it. `fixed` is given by the row around it; `keys` are what that one needs.
        Returns the place of the row's own step."""
        self._check_overlap(one, fixed, path)
        columns = dict(one.columns) | dict(fixed)
        for link, given in one.before:
            target, where = self.writes.tables[link.target], f"{path}.{link.name}.data"
            none = _no_row(f'object relation "{link.name}"', target.name)
            needed = frozenset(theirs for _, theirs in link.pairs)
            inner, more = self._object(target, given["data"]), given.get(self.names.field("on_conflict"))
            place = self._one_by_one(target, inner, more, {}, where, keys=needed, if_none=none)
            columns |= {ours: FromVariable((KEYS, place, theirs)) for ours, theirs in link.pairs}
        if one.after and if_none is None:
            if_none = _no_row("array relations", table.name)
        own = keys | {ours for link, _ in one.after for ours, _ in link.pairs}
        change = self._insert(table, [columns], conflict, path)
        place = self._step(table, change, path, own, is_asked=is_asked, if_none=if_none)
        for link, given in one.after:
            self._beside(link, given, place, f"{path}.{link.name}.data")
        return place

    def _beside(self, link: Link, given: dict[str, Any], place: int, path: str) -> None:
        """Steps for the rows that point to the row of step `place`."""
        target, conflict = self.writes.tables[link.target], given.get(self.names.field("on_conflict"))
        fixed: dict[str, Given] = {theirs: FromVariable((KEYS, place, ours)) for ours, theirs in link.pairs}
        data = given["data"]
        objects = [self._object(target, one) for one in (data if link.is_array else [data])]
        if any(one.before or one.after for one in objects):
            for number, one in enumerate(objects):
                where = f"{path}[{number}]" if link.is_array else path
                self._one_by_one(target, one, conflict, fixed, where, keys=frozenset())
        elif objects:
            for one in objects:
                self._check_overlap(one, fixed, path)
            change = self._insert(target, [{**one.columns, **fixed} for one in objects], conflict, path)
            self._step(target, change, path, frozenset(), is_asked=False, if_none=None)

    def _check_overlap(self, one: _Object, fixed: Mapping[str, Given], path: str) -> None:
        twice = sorted(one.columns.keys() & fixed.keys())
        if twice:
            raise RequestRefused(
                f"cannot insert {_names(twice)} columns as their values are already being determined by parent "  # noqa: S608
                "insert",
                path=path,
            )
        for link, _ in one.before:
            twice = sorted({ours for ours, _ in link.pairs} & (one.columns.keys() | fixed.keys()))
            if twice:
                raise RequestRefused(
                    f'cannot insert object relationship "{link.name}" as {_names(twice)} column values are already '  # noqa: S608
                    "determined",
                    path=f"{path}.{link.name}",
                )

    def _step(
        self,
        table: WriteView,
        change: Composable,
        path: str,
        keys: frozenset[str],
        *,
        is_asked: bool,
        if_none: str | None,
    ) -> int:
        rows: Composable = SQL('(SELECT json_agg("$row") FROM "$written" AS "$row")') if is_asked else _NULL
        pairs = [SQL("{}, {}::text").format(Literal(name), Identifier(name)) for name in sorted(keys)]
        known: Composable = _NULL
        if pairs:
            known = SQL("SELECT json_build_object({}) FROM {}").format(SQL(", ").join(pairs), _WRITTEN)
        self.steps.append(Step(self._written(change, rows, known, path), path, is_asked, if_none))
        return len(self.steps) - 1

    # The statement.

    def _insert(self, table: WriteView, rows: list[Mapping[str, Given]], conflict: Any, path: str) -> Composable:
        """INSERT of rows that need not have the same columns."""
        right, alias = table.insert, self.writer.alias()
        assert right is not None
        presets = dict(self._presets(table, right.presets))
        named = [one for one in table.tracked.relation.columns.values() if any(one.name in row for row in rows)]
        own = [one for one in named if one.name not in right.presets]
        columns = [*own, *presets]
        if not columns:
            # A row of defaults only; any column will do.
            columns = own = list(table.tracked.relation.columns.values())[:1]
        values = [
            SQL("({})").format(SQL(", ").join([*(self._cell(one, row, path) for one in own), *presets.values()]))
            for row in rows
        ]
        updates = self._on_conflict(table, conflict, alias, path)
        check = self.writer.condition(right.check, alias)
        if updates is not None and table.update is not None and table.update.check not in (TRUE, And(())):
            # A row that was there before has been locked by us.
            after = self.writer.condition(table.update.check, alias)
            check = SQL("CASE WHEN {}.xmax = 0 THEN {} ELSE {} END").format(alias, check, after)
        return SQL("INSERT INTO {} AS {} ({}) VALUES {}{}{}").format(
            table_name(table.name),
            alias,
            SQL(", ").join(Identifier(one.name) for one in columns),
            SQL(", ").join(values),
            self._conflict_clause(conflict, updates),
            self._returning(table, alias, check),
        )

    def _cell(self, column: Column, row: Mapping[str, Given], path: str) -> Composable:
        if column.name not in row:
            return SQL("DEFAULT")
        return self._value_of(column, row[column.name], f"{path}.{column.name}")

    def _conflict_clause(self, conflict: Any, updates: Composable | None) -> Composable:
        if conflict is None:
            return SQL("")
        constraint = conflict["constraint"]
        assert isinstance(constraint, Constant)
        clause = SQL(" ON CONFLICT ON CONSTRAINT {}").format(Identifier(str(constraint.value)))
        return clause + (SQL(" DO NOTHING") if updates is None else updates)

    def _on_conflict(self, table: WriteView, conflict: Any, alias: Identifier, path: str) -> Composable | None:
        """DO UPDATE ... WHERE, if anything is to be updated."""
        chosen = [one.value for one in (conflict or {}).get(self.names.field("update_columns")) or []]
        chosen = [one for one in chosen if one != PLACEHOLDER]
        if not chosen or table.update is None:
            return None
        columns = [table.update.columns[one] for one in dict.fromkeys(chosen)]
        sets = [SQL("{0} = EXCLUDED.{0}").format(Identifier(one.name)) for one in columns]
        sets += [
            SQL("{} = {}").format(Identifier(column.name), value)
            for column, value in self._presets(table, table.update.presets)
        ]
        conditions = [table.update.filter]
        if conflict.get("where") is not None:
            where = f"{path.rsplit('.', 1)[0]}.{self.names.field('on_conflict')}.where"
            conditions.append(self.where.read(table.rows, conflict["where"], where))
        return SQL(" DO UPDATE SET {} WHERE {}").format(SQL(", ").join(sets), self._condition(conditions, alias))


def _names(columns: list[str]) -> str:
    return ", ".join(f'"{one}"' for one in columns)


def _no_row(what: str, table: Name) -> str:
    shown = table.name if table.schema == "public" else str(table)
    return f'cannot proceed to insert {what} since insert to table "{shown}" affects zero rows'

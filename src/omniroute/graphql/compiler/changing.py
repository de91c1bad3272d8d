"""Compiles a field of mutation_root to statements that write and return what was written.

    WITH "$written" AS (INSERT | UPDATE | DELETE ... RETURNING *, check AS "$allowed", seen AS "$seen")
    SELECT allowed, affected, rows, keys FROM "$written"

Such a statement gives one row. Where the answer asks for no more than columns, `rows` is the finished answer and there
is no other statement. Otherwise `rows` are the rows as JSON, and a second statement reads the answer from them, so that
related rows are those after all writes.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from psycopg.sql import SQL, Composable, Identifier, Literal

from omniroute.graphql.compiler.given import Given, Variables
from omniroute.graphql.compiler.selecting import Columns, Compiler, Statement
from omniroute.graphql.compiler.writing import BIGINT, How, Writer, table_name, type_name
from omniroute.graphql.errors import RequestRefused
from omniroute.graphql.fields import Collector, Field
from omniroute.graphql.model.catalog import Column, PgType
from omniroute.graphql.model.expressions import (
    TRUE,
    And,
    Expression,
    FromSession,
    FromVariable,
    any_of,
    looks_elsewhere,
)
from omniroute.graphql.model.rights import Preset, WriteView
from omniroute.graphql.model.roles import ColumnField, TableView
from omniroute.graphql.model.scalars import JSONS
from omniroute.graphql.schema.building import RoleSchema

AFFECTED, ROWS, KEYS = "$affected", "$rows", "$keys"
"""What statements before gave, named as no variable of a request can be."""
PARAMETERS_MAX = 65_535
"""A message of PostgreSQL's protocol counts them with 16 bits."""
JSON = PgType("pg_catalog", "json")
_WRITTEN = Identifier("$written")
_ALLOWED, _SEEN = Identifier("$allowed"), Identifier("$seen")
_ROW = Identifier("$row")


@dataclass(frozen=True, slots=True)
class Step:
    """One statement of a change. It gives whether all rows are allowed, how many they are, the rows, and keys."""

    statement: Statement
    path: str
    """Where its errors are."""
    is_asked: bool = True
    """Whether its rows are those the answer is about; else they only belong to them."""
    if_none: str | None = None
    """Why it cannot go on when no row was written."""


@dataclass(frozen=True, slots=True)
class Change:
    """What a field of mutation_root does: its steps, and the statement that reads the answer after them. Without one,
    the rows of the only step are the answer."""

    steps: tuple[Step, ...]
    answer: Statement | None


class ChangeCompiler(Compiler):
    """What inserts, updates and deletes have in common."""

    def __init__(self, schema: RoleSchema, collector: Collector, variables: Variables, *, stringify: bool) -> None:
        super().__init__(schema, collector, variables, stringify=stringify)
        assert schema.writes is not None
        self.writes = schema.writes

    def _finish(self, text: Composable, path: str) -> Statement:
        """The statement, ready; the next one begins."""
        slots, self.writer = tuple(self.writer.slots), Writer()
        self._check_count(len(slots), path)
        return Statement(text.as_bytes(None), slots)

    def _check_count(self, values: int, path: str) -> None:
        if values > PARAMETERS_MAX:
            raise RequestRefused("too many values; send fewer rows at once", path=path, code="not-supported")

    def _condition(self, items: Iterable[Expression], alias: Identifier) -> Composable:
        kept = tuple(one for one in items if one not in (TRUE, And(())))
        return self.writer.condition(And(kept), alias)

    def _returning(self, table: WriteView, alias: Identifier, allowed: Composable) -> Composable:
        """RETURNING everything, whether the row is allowed, and whether the role sees it."""
        seen = self.writer.condition(any_of(table.rows.guards), alias) if table.rows.guards else SQL("true")
        return SQL(" RETURNING {}.*, {} AS {}, {} AS {}").format(alias, allowed, _ALLOWED, seen, _SEEN)

    def _written(self, change: Composable, rows: Composable, keys: Composable, path: str) -> Statement:
        """The statement around a change."""
        text = SQL(
            "WITH {written} AS ({change}) SELECT (SELECT coalesce(bool_and(coalesce({allowed}, false)), true) "
            "FROM {written}), (SELECT count(*) FROM {written}), ({rows})::text, ({keys})::text"
        ).format(written=_WRITTEN, change=change, allowed=_ALLOWED, rows=rows, keys=keys)
        return self._finish(text, path)

    def _change(
        self, field: Field, table: WriteView, change: Composable, path: str, *, is_one: bool, is_gone: bool = False
    ) -> Change:
        """A change of one statement, and perhaps another that reads the answer. Rows are shown that the role sees as
        they are now, among the others as they are now; rows that are gone, as they were."""
        is_late = not is_gone and any(map(looks_elsewhere, table.rows.guards))
        if is_late and self._asks_rows(field, is_one=is_one):
            # A statement does not see what it writes itself.
            every = SQL("(SELECT json_agg({row}) FROM {written} AS {row})").format(row=_ROW, written=_WRITTEN)
            step = Step(self._written(change, every, SQL("NULL"), path), path)
            return Change((step,), self._read_back(field, table.rows, is_one=is_one, is_guarded=True))
        if self._is_plain(field, table.rows, is_one=is_one):
            output = self._output(field, table.rows, None, is_one=is_one)
            return Change((Step(self._written(change, output, SQL("NULL"), path), path),), None)
        rows = SQL("(SELECT json_agg({row}) FROM {written} AS {row} WHERE {row}.{seen})").format(
            row=_ROW, written=_WRITTEN, seen=_SEEN
        )
        step = Step(self._written(change, rows, SQL("NULL"), path), path)
        return Change((step,), self._read_back(field, table.rows, is_one=is_one))

    # Answers.

    def _asks_rows(self, field: Field, *, is_one: bool) -> bool:
        return is_one or any(one.name == "returning" for one in self.collector.inner(field))

    def _is_plain(self, field: Field, table: TableView, *, is_one: bool) -> bool:
        """Whether the answer is there in the rows themselves: no related rows, no functions."""
        inner = self.collector.inner(field)
        rows = [field] if is_one else [one for one in inner if one.name == "returning"]
        asked = [one for row in rows for one in self.collector.inner(row) if one.name != "__typename"]
        members = [table.members[one.name] for one in asked]
        return all(isinstance(one, ColumnField) and one.only_where is None for one in members)

    def _read_back(self, field: Field, table: TableView, *, is_one: bool, is_guarded: bool = False) -> Statement:
        """The answer read from the rows that were written. `is_guarded`: only those the role sees now."""
        source: Composable = SQL("")
        if self._asks_rows(field, is_one=is_one):
            # PostgreSQL refuses a parameter that stands nowhere.
            rows = self.writer.bind(FromVariable((ROWS,)), JSON)
            source = SQL("json_populate_recordset(NULL::{}, {})").format(table_name(table.name), rows)
        text = self._output(field, table, source, is_one=is_one, is_guarded=is_guarded)
        return self._finish(SQL("SELECT ({})::text").format(text), field.path)

    def _output(
        self, field: Field, table: TableView, source: Composable | None, *, is_one: bool, is_guarded: bool = False
    ) -> Composable:
        """The answer, from what is written in this statement or from `source`."""
        if is_one:
            return self._first(field, table, source, is_guarded=is_guarded)
        columns: Columns = []
        for one in self.collector.inner(field):
            match one.name:
                case "__typename":
                    text: Composable = SQL("{}::text").format(
                        Literal(self.names.type(table.type_name, "mutation_response"))
                    )
                case "affected_rows":
                    text = SQL("(SELECT count(*) FROM {})").format(_WRITTEN)
                    if source is not None:
                        text = self.writer.bind(FromVariable((AFFECTED,)), BIGINT)
                case _:
                    alias = self.writer.alias()
                    listed = self._columns(table, self.collector.inner(one), alias)
                    text = self._listed(listed, self._from(table, source, alias, is_guarded=is_guarded))
            columns.append((one.response, text))
        return self._built(columns)

    def _first(self, field: Field, table: TableView, source: Composable | None, *, is_guarded: bool) -> Composable:
        alias = self.writer.alias()
        built = self._built(self._columns(table, self.collector.inner(field), alias))
        return SQL("(SELECT {} FROM {} LIMIT 1)").format(built, self._from(table, source, alias, is_guarded=is_guarded))

    def _from(self, table: TableView, source: Composable | None, alias: Identifier, *, is_guarded: bool) -> Composable:
        if source is None:
            return SQL("{} AS {} WHERE {}.{}").format(_WRITTEN, alias, alias, _SEEN)
        where = SQL(" AND ").join(self._guard(table, alias)) if is_guarded and table.guards else SQL("true")
        return SQL("{} AS {} WHERE {}").format(source, alias, where)

    # Values.

    def _value_of(self, column: Column, given: Given | Preset, path: str) -> Composable:
        """A value for a column."""
        if given is None:
            return SQL("NULL::{}").format(type_name(column.type))
        assert not isinstance(given, dict)
        if isinstance(given, list):  # Values of an enum.
            raise RequestRefused("lists of enum values are not written", path=path, code="not-supported")
        how: How = "value"
        if isinstance(given, FromSession | FromVariable) and _is_text(given):
            how = "value"
        elif column.type.is_array:
            how = "list"
        elif column.type.name in JSONS:
            how = "json"
        return self.writer.bind(given, column.type, how=how, path=path)

    def _presets(self, table: WriteView, presets: Mapping[str, Preset]) -> Sequence[tuple[Column, Composable]]:
        columns = table.tracked.relation.columns
        return [(columns[name], self._value_of(columns[name], value, "$")) for name, value in presets.items()]


def _is_text(given: FromSession | FromVariable) -> bool:
    """Whether the value is as PostgreSQL writes it: of the session, or of a row written before."""
    return isinstance(given, FromSession) or given.path[0] == KEYS

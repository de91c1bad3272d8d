"""Compiles a subscription: one statement that answers it for many subscribers at once.

    SELECT "$given".n, (...)::text
      FROM (SELECT n, p1::int8 AS p1, ... FROM unnest($1::int4[], $2::text[], ...)) AS "$given"

Each subscriber is a row of `"$given"`: its number, and its parameters; a stream has three more, `low`, `mark` and
`keys`. The text of the statement depends on the operation and the role alone, so subscribers with different variables
and sessions share it.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from psycopg.sql import SQL, Composable, Identifier

from omniroute.graphql.compiler.given import Variables
from omniroute.graphql.compiler.selecting import Compiler
from omniroute.graphql.compiler.writing import TEXT_ARRAY, Slot, Writer, table_name, type_name
from omniroute.graphql.errors import RequestRefused
from omniroute.graphql.fields import Collector, Field
from omniroute.graphql.model.catalog import PgType
from omniroute.graphql.model.expressions import Constant
from omniroute.graphql.model.roles import TableView
from omniroute.graphql.schema.building import RoleSchema
from omniroute.graphql.schema.streams import cursor_columns

ROWS_MAX = 1_000
"""Rows in one message of a stream, whatever batch_size says."""
_GIVEN = Identifier("$given")
_ROW = Identifier("$row")
_KEY = Identifier("$key")
_BATCH = Identifier("$batch")


@dataclass(frozen=True, slots=True)
class Following:
    """A statement for many subscribers, and where the parameters of each come from.

    Of a live query: columns `n` and the value of the field. Of a stream: `n`, rows, their keys, their values of the
    cursor, a value up to which every visible row has now been given, and the ends of the snapshot.
    """

    text: bytes
    slots: tuple[Slot, ...]
    response: str
    is_stream: bool
    cursor_type: PgType | None = None


@dataclass(frozen=True, slots=True)
class _Followed:
    """The rows a stream follows."""

    table: TableView
    alias: Identifier
    here: Composable
    """The column of the cursor,"""
    first: Composable
    """the value it begins after, and"""
    is_up: bool
    """which way it goes."""


class _SharedWriter(Writer):
    """Parameters are columns of the subscriber's row."""

    def __init__(self) -> None:
        super().__init__()
        self.kinds: dict[int, PgType] = {}

    def slot(self, number: int, kind: PgType) -> Composable:
        self.kinds[number] = kind
        return given(f"p{number}")


def given(column: str) -> Composable:
    """A column of the subscriber's row."""
    return SQL("{}.{}").format(_GIVEN, Identifier(column))


class FollowingCompiler(Compiler):
    """Compiles the root field of a subscription."""

    def __init__(self, schema: RoleSchema, collector: Collector, variables: Variables, *, stringify: bool) -> None:
        super().__init__(schema, collector, variables, stringify=stringify)
        self.writer: _SharedWriter = _SharedWriter()

    def following(self, field: Field) -> Following:
        """The statement that answers a subscription.

        Raises: RequestRefused.
        """
        if field.name in self.schema.streams:
            return self._stream(field, self.schema.streams[field.name])
        value = self._root(field, self.schema.roots[field.name])
        text = SQL("SELECT {}.n, ({})::text FROM {}").format(_GIVEN, value, self._subscribers({}))
        return Following(text.as_bytes(None), tuple(self.writer.slots), field.response, False)

    def _subscribers(self, more: Mapping[str, PgType]) -> Composable:
        """The rows of subscribers. OFFSET keeps the casts here: done once a subscriber, and whatever rows there are."""
        kinds = {f"p{number}": kind for number, kind in sorted(self.writer.kinds.items())} | dict(more)
        arrays = [SQL("$1::int4[]"), *(SQL(f"${place}::text[]") for place in range(2, len(kinds) + 2))]
        names = SQL(", ").join(map(Identifier, ["n", *kinds]))
        cast = SQL(", ").join(
            [SQL("{0}::{1} AS {0}").format(Identifier(name), type_name(kind)) for name, kind in kinds.items()]
        )
        return SQL("(SELECT n{}{} FROM unnest({}) AS {} ({}) OFFSET 0) AS {}").format(
            SQL(", " if kinds else ""), cast, SQL(", ").join(arrays), _ROW, names, _GIVEN
        )

    def _stream(self, field: Field, table: TableView) -> Following:
        asked, alias = self._given(field), self.writer.alias()
        name, start, is_up = self._cursor(table, asked, f"{field.path}.args.cursor")
        column = cursor_columns(table)[name].column
        here = self.writer.column(alias, column.name)
        limit = SQL("least({}, {})").format(
            self._count(asked[self.names.field("batch_size")], f"{field.path}.args.batch_size"),
            SQL(str(ROWS_MAX if table.limit is None else min(ROWS_MAX, table.limit))),
        )
        first = self.writer.bind(start, column.type, path=f"{field.path}.args.cursor")
        followed = _Followed(table, alias, here, first, is_up)
        seen = self._ahead(field, followed, asked.get("where"))
        text = SQL(
            "SELECT {given}.n, {batch}.o, {batch}.k, {batch}.v, "
            "CASE WHEN {given}.mark IS NULL OR {batch}.until {beyond} {mark} THEN {batch}.until::text END, "
            "pg_snapshot_xmin(pg_current_snapshot())::text, pg_snapshot_xmax(pg_current_snapshot())::text "
            "FROM {subscribers} CROSS JOIN LATERAL ({inner}) AS {batch}"
        ).format(
            given=_GIVEN,
            batch=_BATCH,
            beyond=SQL(">=" if is_up else "<="),
            mark=given("mark"),
            # Before the subscribers, whose rows carry every parameter bound here.
            inner=self._batch(field, followed, seen, limit),
            subscribers=self._subscribers({"low": column.type, "mark": column.type, "keys": TEXT_ARRAY}),
        )
        return Following(text.as_bytes(None), tuple(self.writer.slots), field.response, True, column.type)

    def _ahead(self, field: Field, followed: _Followed, wanted: Any) -> Composable:
        """That a row is wanted and the cursor has not passed it."""
        here, first, is_up = followed.here, followed.first, followed.is_up
        conditions = [
            SQL("{} {} {}").format(here, SQL(">" if is_up else "<"), first),
            # From here on; what is before has been given and cannot change any more.
            SQL("{} {} coalesce({}, {})").format(here, SQL(">=" if is_up else "<="), given("low"), first),
            *self._guard(followed.table, followed.alias),
        ]
        if wanted is not None:
            where = self.where.read(followed.table, wanted, f"{field.path}.args.where")
            conditions.append(self.writer.condition(where, followed.alias))
        return SQL(" AND ").join(conditions)

    def _batch(self, field: Field, followed: _Followed, seen: Composable, limit: Composable) -> Composable:
        """The next rows of a subscriber, their keys, their values of the cursor, and up to where all are now given."""
        last = SQL("SELECT {here} FROM {table} AS {alias} WHERE {seen} ORDER BY {here} {way} LIMIT 1").format(
            here=followed.here,
            table=table_name(followed.table.name),
            alias=followed.alias,
            seen=seen,
            way=SQL("DESC" if followed.is_up else "ASC"),
        )
        return SQL(
            "SELECT coalesce(json_agg({row}.o), '[]'::json)::text AS o, array_agg({row}.k) AS k, "
            "array_agg({row}.c::text) AS v, CASE WHEN count(*) < {limit} THEN ({last}) "
            "ELSE (array_agg({row}.c))[count(*)] END AS until FROM ({rows}) AS {row}"
        ).format(row=_ROW, limit=limit, last=last, rows=self._next(field, followed, seen, limit))

    def _next(self, field: Field, followed: _Followed, seen: Composable, limit: Composable) -> Composable:
        """Rows that were not given yet, in the order of the cursor."""
        table, alias, here = followed.table, followed.alias, followed.here
        return SQL(
            "SELECT {built} AS o, {here} AS c, {key} AS k FROM {table} AS {alias} WHERE {seen} AND NOT EXISTS "
            "(SELECT FROM unnest({keys}) AS {k} WHERE {k} = {key}) ORDER BY {here} {way}, 3 LIMIT {limit}"
        ).format(
            built=self._built(self._columns(table, self.collector.inner(field), alias)),
            here=here,
            key=SQL("md5({})").format(self._identity(table, alias, here)),
            table=table_name(table.name),
            alias=alias,
            seen=seen,
            keys=given("keys"),
            k=_KEY,
            way=SQL("ASC" if followed.is_up else "DESC"),
            limit=limit,
        )

    def _cursor(self, table: TableView, asked: dict[str, Any], path: str) -> tuple[str, Any, bool]:
        """The column, where to begin, and whether upwards.

        Raises: RequestRefused.
        """
        cursors = [one for one in asked["cursor"] if one is not None]
        if len(cursors) != 1:
            raise RequestRefused("one streaming column field is expected", path=path)
        values = cursors[0][self.names.field("initial_value")]
        if len(values) != 1:
            raise RequestRefused("one streaming column field is expected", path=f"{path}.initial_value")
        [(name, start)] = values.items()
        if start is None:
            raise RequestRefused(f"unexpected null value for field '{name}'", path=f"{path}.initial_value.{name}")
        way = cursors[0].get("ordering")
        return name, start, not (isinstance(way, Constant) and way.value == "DESC")

    def _identity(self, table: TableView, alias: Identifier, here: Composable) -> Composable:
        """What tells a row from all others, together with its cursor: the key; of a view its `id`, else all of it."""
        relation = table.tracked.relation
        key = relation.primary_key or (("id",) if "id" in relation.columns else ())
        if not key:
            return SQL("({})::text").format(alias)
        columns = [here, *(self.writer.column(alias, one) for one in key)]
        return SQL("ROW({})::text").format(SQL(", ").join(columns))

"""Compiles updates, deletes, and calls of functions that change data."""

from collections.abc import Mapping
from typing import Any

from psycopg.sql import SQL, Composable, Identifier

from omniroute.graphql.compiler.changing import JSON, ROWS, Change, ChangeCompiler, Step
from omniroute.graphql.compiler.given import Given
from omniroute.graphql.compiler.writing import TEXT, TEXT_ARRAY, table_name
from omniroute.graphql.errors import RequestRefused
from omniroute.graphql.fields import Field
from omniroute.graphql.model.catalog import Column, PgType
from omniroute.graphql.model.expressions import Expression, FromVariable
from omniroute.graphql.model.rights import WriteView
from omniroute.graphql.model.tables import TrackedFunction
from omniroute.graphql.schema.mutations import OPERATORS

_INT = PgType("pg_catalog", "int4")
_FORMS = {
    "_set": "{value}",
    "_inc": "{column} + {value}",
    "_append": "{column} || {value}",
    "_prepend": "{value} || {column}",
    "_delete_key": "{column} - {value}",
    "_delete_elem": "{column} - {value}",
    "_delete_at_path": "{column} #- {value}",
}


class UpdateCompiler(ChangeCompiler):
    """Compiles `update_t`, `update_t_by_pk`, `update_t_many`, `delete_t` and `delete_t_by_pk`."""

    def update(self, field: Field, table: WriteView, *, is_one: bool) -> Change:
        """The change of a field.

        Raises: RequestRefused.
        """
        given, path = self._given(field), f"{field.path}.args"
        return self._update(field, table, given, path, is_one=is_one)

    def update_many(self, field: Field, table: WriteView) -> tuple[Change, ...]:
        """A change for each of the updates.

        Raises: RequestRefused.
        """
        path = f"{field.path}.args.updates"
        listed = self._given(field)["updates"]
        return tuple(
            self._update(field, table, one, f"{path}[{place}]", is_one=False) for place, one in enumerate(listed)
        )

    def delete(self, field: Field, table: WriteView, *, is_one: bool) -> Change:
        """The change of a field.

        Raises: RequestRefused.
        """
        assert table.delete is not None
        given, alias, path = self._given(field), self.writer.alias(), f"{field.path}.args"
        rows = self._rows_meant(table, table.delete, given, given, alias, path, is_one=is_one)
        text = SQL("DELETE FROM {} AS {} WHERE {}{}").format(
            table_name(table.name), alias, rows, self._returning(table, alias, SQL("true"))
        )
        return self._change(field, table, text, "$", is_one=is_one, is_gone=True)

    def call(self, field: Field, function: TrackedFunction) -> Change:
        """A call of a function that changes data, and what is asked about the rows it returns.

        Raises: RequestRefused.
        """
        given, view, alias = self._given(field), self.view.tables[function.target], self.writer.alias()
        called = self._call_args(given, function.parameters, f"{field.path}.args")
        source = self.writer.call(function.routine, None, called, function.function.session_argument)
        # A function that returns no row gives one of nulls.
        rows = SQL("(SELECT json_agg({0}) FROM {1} AS {0} WHERE NOT ({0} IS NULL))").format(alias, source)
        text = SQL("SELECT true, 0::bigint, ({})::text, NULL").format(rows)
        step = Step(self._finish(text, field.path), "$")
        returned = SQL("json_populate_recordset(NULL::{}, {})").format(
            table_name(view.name), self.writer.bind(FromVariable((ROWS,)), JSON)
        )
        fields, row = self.collector.inner(field), self.writer.alias()
        if function.routine.returns_set:
            listed = self._rows(view, fields, returned, row, self._args(view, given, field), [])
        else:
            listed = self._one(view, fields, returned, row, [])
        return Change((step,), self._finish(SQL("SELECT ({})::text").format(listed), field.path))

    def _update(self, field: Field, table: WriteView, given: Mapping[str, Any], path: str, *, is_one: bool) -> Change:
        assert table.update is not None
        alias = self.writer.alias()
        sets = self._sets(table, given, alias, path)
        if not sets:
            # As Hasura has it: nothing to set is no row changed.
            return Change((), self._read_back(field, table.rows, is_one=is_one))
        asked = (given.get(self.names.field("pk_columns")) or {}) if is_one else {}
        rows = self._rows_meant(table, table.update.filter, given, asked, alias, path, is_one=is_one)
        allowed = self.writer.condition(table.update.check, alias)
        text = SQL("UPDATE {} AS {} SET {} WHERE {}{}").format(
            table_name(table.name), alias, SQL(", ").join(sets), rows, self._returning(table, alias, allowed)
        )
        return self._change(field, table, text, "$", is_one=is_one)

    def _rows_meant(
        self,
        table: WriteView,
        allowed: Expression,
        given: Mapping[str, Any],
        key: Mapping[str, Any],
        alias: Identifier,
        path: str,
        *,
        is_one: bool,
    ) -> Composable:
        """The condition on the rows: what the role may, and what the request says."""
        if not is_one:
            where = self.where.read(table.rows, given["where"], f"{path}.where")
            return self._condition([allowed, where], alias)
        fields = table.rows.primary_key() or {}
        parts = [self._condition([allowed], alias)]
        parts += [
            SQL("{} = {}").format(
                self.writer.column(alias, one.column.name), self._value_of(one.column, key[name], f"{path}.{name}")
            )
            for name, one in fields.items()
        ]
        return SQL(" AND ").join(parts)

    def _sets(self, table: WriteView, given: Mapping[str, Any], alias: Identifier, path: str) -> list[Composable]:
        """What stands behind SET.

        Raises: RequestRefused when a column is changed twice.
        """
        right = table.update
        assert right is not None
        operators = {
            one: given[self.names.field(one)] for one in OPERATORS if given.get(self.names.field(one)) is not None
        }
        found: dict[str, Composable] = {}
        for operator, values in operators.items():
            for name, value in values.items():
                column = right.columns[name]
                if column.name in found:
                    raise RequestRefused(f"Column found in multiple operators: ['{column.name}'].", path=path)
                found[column.name] = self._set(column, operator, value, alias, f"{path}.{operator}.{name}")
        found |= {column.name: value for column, value in self._presets(table, right.presets)}
        return [SQL("{} = {}").format(Identifier(name), value) for name, value in found.items()]

    def _set(self, column: Column, operator: str, given: Given, alias: Identifier, path: str) -> Composable:
        match operator:
            case "_delete_key":
                kind = TEXT
            case "_delete_elem":
                kind = _INT
            case "_delete_at_path":
                kind = TEXT_ARRAY
            case _:
                kind = column.type
        value = self._value_of(Column(column.name, kind, nullable=True), given, path)
        return SQL(_FORMS[operator]).format(value=value, column=self.writer.column(alias, column.name))

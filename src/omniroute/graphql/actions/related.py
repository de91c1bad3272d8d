"""Rows of tables beside what a handler said: one statement for each relationship, whatever the number of objects."""

import json
from collections.abc import Iterable
from decimal import Decimal
from typing import Any

import psycopg
from psycopg.rows import tuple_row
from psycopg.sql import SQL, Composable, Identifier

from omniroute.graphql.actions.answers import Asked, unexpected
from omniroute.graphql.compiler.selecting import Compiler, Statement
from omniroute.graphql.compiler.writing import JSONB, parameters, table_name, type_name
from omniroute.graphql.encoding import encode
from omniroute.graphql.errors import RequestRefused
from omniroute.graphql.model.expressions import FromVariable
from omniroute.graphql.plugged import Call
from omniroute.graphql.schema.building import RoleSchema
from omniroute.infra.postgres import Database, StatementTimeout

_KEYS = "$keys"
_PLACE = Identifier("$place")


class _Related(Compiler):
    """Compiles one relationship of an action's output."""

    def keyed(self, asked: Asked) -> Statement:
        """The statement that takes a JSON list of keys, and gives a JSON list with the rows of each."""
        link = asked.relation.link
        target, outer, other = self.view.tables[link.target], self.writer.alias(), self.writer.alias()
        joined: list[Composable] = [self.writer.pair(outer, other, pair) for pair in link.pairs]
        if link.is_array:
            args = self._args(target, self._given(asked.field), asked.field)
            inner = self._rows(target, self.collector.inner(asked.field), table_name(target.name), other, args, joined)
        else:
            fields = self.collector.inner(asked.field)
            inner = self._one(target, fields, table_name(target.name), other, joined)
        columns = target.tracked.relation.columns
        typed = [SQL("{} {}").format(Identifier(ours), type_name(columns[theirs].type)) for ours, theirs in link.pairs]
        names = [Identifier(ours) for ours, _ in link.pairs]
        text = SQL(
            "SELECT coalesce(json_agg({inner} ORDER BY {outer}.{place}), '[]'::json)::text"
            " FROM ROWS FROM (jsonb_to_recordset({keys}) AS ({typed})) WITH ORDINALITY AS {outer} ({names}, {place})"
        ).format(
            inner=inner,
            outer=outer,
            place=_PLACE,
            keys=self.writer.bind(FromVariable((_KEYS,)), JSONB, how="json"),
            typed=SQL(", ").join(typed),
            names=SQL(", ").join(names),
        )
        return Statement(text.as_bytes(None), tuple(self.writer.slots))


async def fill(db: Database, schema: RoleSchema, call: Call, asked: Iterable[Asked], *, stringify: bool) -> None:
    """Read what is asked of tables into the slots.

    Raises: RequestRefused.
    """
    session = call.session
    try:
        async with db.tx(session.tenant_id, branches=session.branches, readonly=True) as tx:
            for one in asked:
                statement = _Related(schema, call.collector, call.variables, stringify=stringify).keyed(one)
                keys = json.loads(encode(one.keys), parse_float=Decimal)
                sent = parameters(statement.slots, {**call.variables, _KEYS: keys}, session.variables)
                cursor = psycopg.AsyncRawCursor(tx.connection, row_factory=tuple_row)
                await cursor.execute(statement.text, sent)
                row = await cursor.fetchone()
                assert row is not None
                found: list[Any] = json.loads(row[0], parse_float=Decimal)
                for slot, value in zip(one.slots, found, strict=True):
                    slot.text = encode(value)
    except StatementTimeout as error:
        raise RequestRefused("the operation took longer than allowed", code="time-limit-exceeded") from error
    except psycopg.DataError as error:
        raise unexpected("webhook response does not fit the columns of a relationship") from error
    except psycopg.Error as error:
        raise RequestRefused("database query error", code="unexpected") from error

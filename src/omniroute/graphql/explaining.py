"""Shows what a query would be for PostgreSQL: the statement of each root field, and how it would be carried out."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import psycopg
from graphql import OperationType
from psycopg.rows import tuple_row

from omniroute.graphql.compiler.selecting import Compiler
from omniroute.graphql.compiler.writing import parameters
from omniroute.graphql.engine import NO_TABLES, Engine
from omniroute.graphql.errors import RequestRefused
from omniroute.graphql.fields import Collector, Field
from omniroute.graphql.session import Session
from omniroute.infra.postgres import StatementTimeout


@dataclass(frozen=True, slots=True)
class Explained:
    """A root field with its statement and PostgreSQL's plan for it; neither for fields that are no tables."""

    field: str
    sql: str | None
    plan: tuple[str, ...] | None

    def shown(self) -> dict[str, Any]:
        """As Hasura shows it."""
        return {"field": self.field, "sql": self.sql, "plan": self.plan}


async def explain(
    engine: Engine,
    role: str,
    session: Session,
    document: str,
    variables: Mapping[str, Any],
    operation_name: str | None = None,
) -> Sequence[Explained]:
    """The plan of each root field of a query. Nothing is executed.

    Raises: RequestRefused, DatabaseUnavailable.
    """
    prepared = engine.prepare(role, document, operation_name)
    if prepared.operation.operation is not OperationType.QUERY:
        raise RequestRefused("only queries can be explained", code="not-supported")
    values = engine.variables(role, prepared, variables)
    plan = engine.plan(role, prepared, values)
    found = []
    for field in plan.fields:
        if field.name in NO_TABLES or field.response in plan.plugged:
            found.append(Explained(field.response, None, None))
            continue
        collector = Collector(prepared.fragments, values)
        compiler = Compiler(engine.schema(role), collector, values, stringify=engine.stringify_numerics)
        statement = compiler.statement([field])
        sent = parameters(statement.slots, values, session.variables)
        found.append(await _planned(engine, session, field, statement.text, sent))
    return found


async def _planned(engine: Engine, session: Session, field: Field, text: bytes, sent: list[Any]) -> Explained:
    try:
        async with engine.db.tx(session.tenant_id, branches=session.branches, readonly=True) as tx:
            cursor = psycopg.AsyncRawCursor(tx.connection, row_factory=tuple_row)
            await cursor.execute(b"EXPLAIN (FORMAT TEXT) " + text, sent)
            lines = tuple(str(line) for (line,) in await cursor.fetchall())
    except StatementTimeout as error:
        raise RequestRefused("planning took too long", code="time-limit-exceeded") from error
    except psycopg.DataError as error:
        raise RequestRefused(error.diag.message_primary or str(error), code="data-exception") from error
    except psycopg.Error as error:
        raise RequestRefused("database query error", code="unexpected") from error
    return Explained(field.response, text.decode(), lines)

"""Runs mutations: changes in the order of the document, in one transaction, all or nothing.

Nothing is tried again: a fault after the last word was sent leaves open whether it was done, and only the caller knows
whether twice is as good as once.
"""

import json
from collections.abc import Mapping, Sequence
from typing import Any

import psycopg
from psycopg import errors
from psycopg.rows import tuple_row

from omniroute.graphql.compiler.changing import AFFECTED, KEYS, ROWS, Change
from omniroute.graphql.compiler.mutating import Changes
from omniroute.graphql.compiler.selecting import Statement
from omniroute.graphql.compiler.writing import parameters
from omniroute.graphql.errors import RequestRefused
from omniroute.graphql.session import Session
from omniroute.infra.postgres import Database, LockTimeout, StatementTimeout, WriteConflict

NOT_ALLOWED = "check constraint of an insert/update permission has failed"
_VIOLATIONS = {
    "23001": ("constraint-violation", "Can not delete or update due to data being referred. "),
    "23502": ("constraint-violation", "Not-NULL violation. "),
    "23503": ("constraint-violation", "Foreign key violation. "),
    "23505": ("constraint-violation", "Uniqueness violation. "),
    "23514": ("permission-error", "Check constraint violation. "),
    "23P01": ("constraint-violation", "Exclusion violation. "),
}
"""SQLSTATEs with Hasura's code and the words it puts before those of PostgreSQL."""


async def run_changes(
    db: Database, session: Session, changes: Sequence[Changes], variables: Mapping[str, Any], *, limit_s: int
) -> list[str]:
    """The answers of fields that stand beside each other, after all of them are done and committed.

    Raises: RequestRefused when nothing was done; DatabaseUnavailable.
    """
    path = ["$"]
    try:
        async with db.tx(session.tenant_id, branches=session.branches) as tx:
            await tx.connection.execute(
                "SELECT set_config('statement_timeout', %(limit)s, true)", {"limit": f"{limit_s}s"}
            )
            work = _Work(psycopg.AsyncRawCursor(tx.connection, row_factory=tuple_row), session, variables, path)
            return [await work.field(one) for one in changes]
    except StatementTimeout as error:
        raise RequestRefused(f"the operation took longer than {limit_s} s", code="time-limit-exceeded") from error
    except (WriteConflict, LockTimeout) as error:
        raise RequestRefused("serialization failure due to concurrent update", code="concurrent-update") from error
    except psycopg.Error as error:
        raise refusal_of(error, path[0]) from error


def refusal_of(error: psycopg.Error, path: str) -> RequestRefused:
    """What PostgreSQL refused, in Hasura's words."""
    state, said = error.sqlstate or "", error.diag.message_primary or "database query error"
    if state in _VIOLATIONS:
        code, words = _VIOLATIONS[state]
        return RequestRefused(words + said, path=path, code=code)
    if state.startswith("23"):
        return RequestRefused(said, path=path, code="constraint-violation")
    if isinstance(error, psycopg.DataError) or state.startswith(("21", "22")):
        return RequestRefused(said, path=path, code="data-exception")
    if isinstance(error, errors.InsufficientPrivilege):
        # Row-level security, or a right the door's role has not got.
        return RequestRefused(NOT_ALLOWED, path=path, code="permission-error")
    return RequestRefused("database query error", path=path, code="unexpected")


class _Work:
    """Runs the steps of one transaction."""

    def __init__(
        self, cursor: psycopg.AsyncRawCursor[Any], session: Session, variables: Mapping[str, Any], path: list[str]
    ) -> None:
        self.cursor = cursor
        self.session = session
        self.variables = variables
        self.path = path
        """Where the statement that is running belongs."""

    async def field(self, changes: Changes) -> str:
        """The answer of a field."""
        found = [await self._change(one) for one in changes.items]
        return f"[{', '.join(found)}]" if changes.is_list else found[0]

    async def _change(self, change: Change) -> str:
        keys: list[Mapping[str, str | None] | None] = []
        rows: list[str] = []
        affected = 0
        for step in change.steps:
            self.path[0] = step.path
            is_allowed, count, found, known = await self._ask(step.statement, {KEYS: keys})
            if not is_allowed:
                raise RequestRefused(NOT_ALLOWED, path=step.path, code="permission-error")
            if count == 0 and step.if_none is not None:
                raise RequestRefused(step.if_none, path=step.path, code="not-supported")
            affected += count
            keys.append(None if known is None else json.loads(known))
            if step.is_asked and found is not None:
                rows.append(found)
        if change.answer is None:
            return rows[0] if rows else "null"
        self.path[0] = "$"
        inner = ", ".join(one[1:-1] for one in rows)
        [answer] = await self._ask(change.answer, {ROWS: f"[{inner}]", AFFECTED: affected})
        return answer or "null"

    async def _ask(self, statement: Statement, known: Mapping[str, Any]) -> Sequence[Any]:
        sent = parameters(statement.slots, {**self.variables, **known}, self.session.variables)
        await self.cursor.execute(statement.text, sent)
        row: Sequence[Any] | None = await self.cursor.fetchone()
        assert row is not None
        return row

"""A read in one round trip: BEGIN, the scope, the SELECT and COMMIT are sent together and answered together.

The driver's own pipeline writes to the socket at each statement and waits for it; here everything is in one write, and
what PostgreSQL says to all of it is read at once. The transaction is none the weaker: read-only, REPEATABLE READ, with
the scope that row-level security reads and a limit of its own, all of which end with it.

A SELECT that is asked often enough is prepared, each connection for itself. Who takes the plans away (the driver does,
after a rollback) costs us one more try.
"""

from collections import OrderedDict
from collections.abc import Iterator, Sequence
from typing import Any
from weakref import WeakKeyDictionary

from psycopg import AsyncConnection, Error, errors
from psycopg.abc import PQGen
from psycopg.adapt import PyFormat, Transformer
from psycopg.generators import fetch_many, send
from psycopg.pq import ExecStatus, PipelineStatus, TransactionStatus
from psycopg.pq.abc import PGconn, PGresult

Connection = AsyncConnection[Any]
Row = tuple[bytes | None, ...]

ASKED_BEFORE_PREPARED = 5
PREPARED_MAX = 100

_BEGIN = b"BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"
_SCOPE = (
    b"SELECT set_config('omniroute.tenant_id', $1, true), set_config('omniroute.branch_ids', $2, true), "
    b"set_config('statement_timeout', $3, true)"
)
_COMMIT = b"COMMIT"
_ALWAYS = frozenset({_BEGIN, _SCOPE, _COMMIT})
_Plan = tuple[bytes, tuple[int, ...]]


class EndedBefore(Exception):
    """The server had ended the session before the read began: another connection may be asked."""


class _Plans:
    """What is prepared on a connection, and how often the rest was asked. The plans used last are kept."""

    def __init__(self) -> None:
        self.names: OrderedDict[_Plan, bytes] = OrderedDict()
        self._asked: OrderedDict[_Plan, int] = OrderedDict()
        self._made = 0

    def due(self, plan: _Plan) -> bytes | None:
        """The name to prepare it under now, if it is asked often enough."""
        count = self._asked.pop(plan, 0) + 1
        if count > ASKED_BEFORE_PREPARED or plan[0] in _ALWAYS:
            self._made += 1
            return b"_read_%d" % self._made
        self._asked[plan] = count
        if len(self._asked) > PREPARED_MAX:
            self._asked.popitem(last=False)
        return None

    def superfluous(self) -> Iterator[bytes]:
        """The names of plans to forget: they are gone here, and must go there."""
        while len(self.names) > PREPARED_MAX:
            yield self.names.popitem(last=False)[1]


_PLANS: WeakKeyDictionary[Connection, _Plans] = WeakKeyDictionary()


class _Trip:
    """Statements that travel together. What each is answered is found by the place `add` gave it."""

    def __init__(self, pgconn: PGconn, plans: _Plans) -> None:
        self._pgconn = pgconn
        self._plans = plans
        self._made: dict[int, tuple[_Plan, bytes]] = {}
        self._count = 0
        pgconn.enter_pipeline_mode()

    def add(self, text: bytes, given: Sequence[Any] = (), types: tuple[int, ...] = (), *, once: bool = False) -> int:
        """`once`: not to be prepared."""
        plan = (text, types)
        name = self._plans.names.get(plan)
        if name is not None:
            self._plans.names.move_to_end(plan)
        elif not once and (name := self._plans.due(plan)) is not None:
            self._pgconn.send_prepare(name, text, types or None)
            self._made[self._count] = plan, name
            self._count += 1
        if name is None:
            self._pgconn.send_query_params(text, given, types or None)
        else:
            self._pgconn.send_query_prepared(name, given)
        self._count += 1
        return self._count - 1

    def go(self) -> PQGen[list[PGresult]]:
        """Send everything, and read what is said to it."""
        pgconn = self._pgconn
        pgconn.pipeline_sync()
        yield from send(pgconn)
        found: list[PGresult] = []
        try:
            for _ in range(self._count):
                found += yield from fetch_many(pgconn)
            yield from fetch_many(pgconn)  # That all of it is done.
            pgconn.exit_pipeline_mode()
        except errors.OperationalError:
            # The server says why it ends a session, and then is gone.
            if not any(one.status == ExecStatus.FATAL_ERROR for one in found):
                raise
        for place, (plan, name) in self._made.items():
            if place < len(found) and found[place].status == ExecStatus.COMMAND_OK:
                self._plans.names[plan] = name
        return found


async def read(
    connection: Connection, text: bytes, given: Sequence[Any], *, tenant: str, branches: str, limit: str
) -> list[Row]:
    """The rows of a SELECT with numbered parameters, as PostgreSQL writes their values.

    Raises: what the driver raises, with the transaction over; EndedBefore.
    """
    plans = _PLANS.get(connection)
    if plans is None:
        plans = _PLANS[connection] = _Plans()
    values, types = _dumped(connection, given)
    scope = (tenant.encode(), branches.encode(), limit.encode())
    try:
        for is_again in (False, True):
            trip = _Trip(connection.pgconn, plans)
            begun = trip.add(_BEGIN)
            trip.add(_SCOPE, scope)
            asked = trip.add(text, values, types)
            done = trip.add(_COMMIT)
            for name in plans.superfluous():
                trip.add(b"DEALLOCATE " + name, once=True)
            found = await connection.wait(trip.go())
            failed = next((one for one in found if one.status == ExecStatus.FATAL_ERROR), None)
            if failed is None:
                assert found[done].command_status == b"COMMIT", "a read ends as it should or says why"
                return _rows(found[asked])
            error = errors.error_from_result(failed, encoding=connection.info.encoding)
            await _end(connection)
            if isinstance(error, errors.InvalidSqlStatementName) and not is_again:
                plans.names.clear()
                continue
            if connection.closed and (len(found) <= begun or found[begun].status != ExecStatus.COMMAND_OK):
                raise EndedBefore from error
            raise error
        raise AssertionError("unreachable")
    except BaseException:
        await _end(connection)
        raise


def check_alive(connection: Connection) -> None:
    """Find out without asking whether the server has ended the session.

    Raises: psycopg.OperationalError.
    """
    connection.pgconn.consume_input()


async def _end(connection: Connection) -> None:
    """Leave nothing open: roll back, or close what cannot be."""
    if connection.closed:
        return
    if connection.pgconn.pipeline_status != PipelineStatus.OFF:
        # Cut short between question and answer: cheaper to replace than to reason about.
        await connection.close()
    elif connection.info.transaction_status != TransactionStatus.IDLE:
        # Not the driver's own rollback, which drops every plan of the connection.
        trip = _Trip(connection.pgconn, _Plans())
        trip.add(b"ROLLBACK", once=True)
        try:
            await connection.wait(trip.go())
        except Error:
            await connection.close()


def _dumped(connection: Connection, given: Sequence[Any]) -> tuple[Sequence[Any], tuple[int, ...]]:
    """Texts as they are, of the type PostgreSQL gives them; the driver sees to the rest, and to what is no text."""
    if all(one is None or (isinstance(one, str) and "\0" not in one) for one in given):
        return [one if one is None else one.encode() for one in given], ()
    transformer = Transformer(connection)
    values = transformer.dump_sequence(given, [PyFormat.TEXT] * len(given))
    return values, tuple(transformer.types or ())


def _rows(result: PGresult) -> list[Row]:
    columns = range(result.nfields)
    return [tuple([result.get_value(row, column) for column in columns]) for row in range(result.ntuples)]

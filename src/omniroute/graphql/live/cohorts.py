"""A cohort: all subscribers whose statement is the same and who see the same rows of the database.

Row-level security knows one organisation and one set of branches a transaction, so a cohort has one of each. Within it
subscribers differ by their parameters only. Those with equal parameters are one member, asked about once.
"""

import asyncio
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

import psycopg
from psycopg.rows import tuple_row

from omniroute.graphql.compiler.following import Following
from omniroute.graphql.errors import RequestRefused
from omniroute.graphql.live.boxes import Box, Result, data, errors
from omniroute.graphql.live.limits import LiveLimits
from omniroute.graphql.live.streams import Position
from omniroute.graphql.live.tally import LiveTally
from omniroute.infra.postgres import Database, StatementTimeout
from omniroute.kit.refusal import Fault

Parameters = tuple[str | None, ...]
RETRY_S = 1.0


@dataclass(frozen=True, slots=True, eq=False)
class Place:
    """Whose rows, and by which statement."""

    tenant_id: UUID | None
    branches: tuple[UUID, ...] | None
    role: str
    following: Following
    time_limit_s: int

    @property
    def key(self) -> object:
        """Equal for places whose subscribers one statement can answer, whatever document it was made from."""
        return self.tenant_id, self.branches, self.role, self.following.text, self.following.response


@dataclass(slots=True, eq=False)
class Member:
    """Subscribers with the same parameters. A stream has a member of its own, with its position."""

    parameters: Parameters
    position: Position | None = None
    boxes: set[Box] = field(default_factory=set)
    is_due: bool = True
    rest_until: float = 0

    def give(self, result: Result) -> None:
        for box in tuple(self.boxes):
            box.put(result)


@dataclass(slots=True)
class Shared:
    """What the cohorts of a process share."""

    db: Database
    limits: LiveLimits
    tally: LiveTally
    runs: asyncio.Semaphore
    tasks: set[asyncio.Task[None]] = field(default_factory=set)


class Cohort:
    """Asks again when it is stirred, and at once for newcomers. `on_empty` is told when the last one has left."""

    def __init__(self, place: Place, shared: Shared, on_empty: Callable[["Cohort"], None]) -> None:
        self.place = place
        self.asked_at = time.monotonic()
        self.members: set[Member] = set()
        self._by_parameters: dict[Parameters, Member] = {}
        self._shared = shared
        self._on_empty = on_empty
        self._wake = asyncio.Event()
        self._stirred = False
        self._rest_until = 0.0
        task = asyncio.create_task(self._run())
        shared.tasks.add(task)
        task.add_done_callback(self._ended)

    @property
    def tenant_id(self) -> UUID | None:
        """The organisation whose events wake it."""
        return self.place.tenant_id

    @property
    def is_stream(self) -> bool:
        """Whether each row is given once."""
        return self.place.following.is_stream

    @property
    def key(self) -> object:
        """By what it is found again."""
        return self.place.key

    def join(self, box: Box, parameters: Parameters) -> Member:
        """Take a subscriber in; its first answer is on the way."""
        following = self.place.following
        if following.is_stream:
            assert following.cursor_type is not None
            position = Position(self._shared.limits, is_numeric=following.cursor_type.name == "numeric")
            member = Member(parameters, position)
            box.tell_when_empty(lambda: self._hurry(member))
        else:
            member = self._by_parameters.setdefault(parameters, Member(parameters))
        member.boxes.add(box)
        self.members.add(member)
        self._hurry(member)
        return member

    def leave(self, member: Member, box: Box) -> None:
        """Let a subscriber go."""
        box.close()
        member.boxes.discard(box)
        if not member.boxes:
            self._forget(member)

    def stir(self) -> None:
        """Something has changed; what of it concerns whom is for the statement to say."""
        self._stirred = True
        self._wake.set()

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._shared.tasks.discard(task)
        if not task.cancelled() and task.exception() is not None:
            # A mistake of ours: say so, rather than nothing for ever.
            for member in list(self.members):
                member.give(errors(RequestRefused("the subscription has failed", code="unexpected")))
                self._forget(member)
            task.get_loop().call_exception_handler(
                {"message": "a live query failed", "exception": task.exception(), "task": task}
            )

    def _forget(self, member: Member) -> None:
        if member not in self.members:
            return
        self.members.discard(member)
        if self._by_parameters.get(member.parameters) is member:
            del self._by_parameters[member.parameters]
        if not self.members:
            self._wake.set()
            self._on_empty(self)

    def _hurry(self, member: Member) -> None:
        if member in self.members:
            member.is_due = True
            self._wake.set()

    def _later(self, seconds: float) -> None:
        asyncio.get_running_loop().call_later(seconds, self._wake.set)

    async def _run(self) -> None:
        while self.members:
            await self._wake.wait()
            self._wake.clear()
            if self._stirred:
                wait = self._rest_until - time.monotonic()
                if wait > 0:
                    self._later(wait)
                else:
                    self._stirred, self.asked_at = False, time.monotonic()
                    for member in self.members:
                        member.is_due = True
            began = time.monotonic()
            await self._round([one for one in self.members if self._is_wanted(one)])
            # A statement that takes long must not take all the time there is.
            now = time.monotonic()
            self._rest_until = now + (now - began)

    def _is_wanted(self, member: Member) -> bool:
        if not member.is_due or member.position is None:
            return member.is_due
        now = time.monotonic()
        if now < member.rest_until:
            self._later(member.rest_until - now)
            return False
        if member.position.is_full:
            member.rest_until = now + RETRY_S
        # The next rows when the last ones are on their way: a slow reader gets every row, later.
        return all(box.is_empty for box in member.boxes)

    async def _round(self, due: Sequence[Member]) -> None:
        size = self._shared.limits.batch_max
        for start in range(0, len(due), size):
            batch = due[start : start + size]
            for one in batch:
                one.is_due = False
            try:
                await self._ask(batch)
            except Fault:
                # The database is away: once more when it may be back.
                self._shared.tally.failed += 1
                for one in batch:
                    one.is_due = True
                self._later(RETRY_S)

    async def _ask(self, batch: Sequence[Member]) -> None:
        began = time.monotonic()
        try:
            rows = await self._read(batch)
        except RequestRefused as error:
            if len(batch) == 1:
                batch[0].give(errors(error))
                self._forget(batch[0])
                return
            # Whose values they were is found out one by one.
            for one in batch:
                await self._ask([one])
            return
        for row in rows:
            self._give(batch[row[0]], row, began)

    def _give(self, member: Member, row: Sequence[Any], began: float) -> None:
        response = self.place.following.response
        if member.position is None:
            member.give(data(response, row[1]))
            return
        _, rows, keys, values, until, xmin, xmax = row
        member.position.given(keys or (), values or (), until, (int(xmin), int(xmax)), began)
        if keys:
            result = data(response, rows)
            member.give(Result(result.payload, b""))  # Two batches may look alike and are still two.

    async def _read(self, batch: Sequence[Member]) -> list[tuple[Any, ...]]:
        """Raises: RequestRefused, DatabaseUnavailable, WriteConflict."""
        place, shared = self.place, self._shared
        columns = [list(column) for column in zip(*(_row(one) for one in batch), strict=True)]
        sent = [list(range(len(batch))), *columns]
        try:
            async with shared.runs, shared.db.tx(place.tenant_id, branches=place.branches, readonly=True) as tx:
                cursor = psycopg.AsyncRawCursor(tx.connection, row_factory=tuple_row)
                async with tx.connection.pipeline():
                    await tx.connection.execute(
                        "SELECT set_config('statement_timeout', %(limit)s, true)", {"limit": f"{place.time_limit_s}s"}
                    )
                    await cursor.execute(place.following.text, sent)
                shared.tally.asked += 1
                return await cursor.fetchall()
        except StatementTimeout as error:
            raise RequestRefused(
                f"the operation took longer than {place.time_limit_s} s", code="time-limit-exceeded"
            ) from error
        except psycopg.DataError as error:
            raise RequestRefused(error.diag.message_primary or str(error), code="data-exception") from error
        except psycopg.Error as error:
            raise RequestRefused("database query error", code="unexpected") from error


def _row(member: Member) -> Parameters:
    if member.position is None:
        return member.parameters
    return (*member.parameters, member.position.low, member.position.mark, as_array(member.position.keys))


def as_array(items: Iterable[Any]) -> str:
    """A list as PostgreSQL writes arrays."""
    return "{" + ",".join(map(_element, items)) + "}"


def _element(item: Any) -> str:
    if item is None:
        return "NULL"
    if isinstance(item, list):
        return as_array(item)
    return '"' + str(item).replace("\\", "\\\\").replace('"', '\\"') + '"'

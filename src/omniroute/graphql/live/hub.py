"""The live queries of one process: cohorts, and the one look at the event log that wakes them all."""

import asyncio
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from omniroute.graphql.compiler.writing import parameters
from omniroute.graphql.engine import Engine
from omniroute.graphql.errors import RequestRefused
from omniroute.graphql.live.boxes import Box
from omniroute.graphql.live.cohorts import Cohort, Member, Place, Shared, as_array
from omniroute.graphql.live.limits import LiveLimits
from omniroute.graphql.live.tally import LiveTally
from omniroute.graphql.session import Session
from omniroute.infra import events
from omniroute.infra.postgres import Database
from omniroute.kit.refusal import Fault

RETRY_S = 1.0


@dataclass(frozen=True, slots=True, eq=False)
class Subscription:
    """A subscriber's place. `leave` ends it."""

    box: Box
    cohort: Cohort
    member: Member


class Hub:
    """Follows the database for subscribers. `db` is the doors' role, `worker_db` sees the event log of everybody."""

    def __init__(
        self, db: Database, worker_db: Database, *, limits: LiveLimits | None = None, tally: LiveTally | None = None
    ) -> None:
        self.limits = limits or LiveLimits()
        self.tally = tally or LiveTally()
        self._worker_db = worker_db
        self._shared = Shared(db, self.limits, self.tally, asyncio.Semaphore(self.limits.runs_max))
        self._cohorts: dict[object, Cohort] = {}
        self._joined: set[UUID | None] = set()
        """Organisations that were not yet asked about when the look at the log began."""
        self._count = 0
        self._watching: asyncio.Task[None] | None = None
        self._somebody = asyncio.Event()

    def follow(
        self,
        engine: Engine,
        role: str,
        session: Session,
        document: str,
        variables: Mapping[str, Any],
        operation_name: str | None,
        on_full: Callable[[Box], None],
    ) -> Subscription:
        """Begin a subscription; its results come into its box.

        Raises: RequestRefused.
        """
        if self._count >= self.limits.subscriptions_max:
            raise RequestRefused("too many subscriptions are open here", code="subscription-limit-exceeded")
        prepared = engine.prepare(role, document, operation_name)
        values = engine.variables(role, prepared, variables)
        following = engine.plan(role, prepared, values).following
        if following is None:
            raise RequestRefused("this field cannot be subscribed to", code="not-supported")
        sent = tuple(
            as_array(one) if isinstance(one, list) else one
            for one in parameters(following.slots, values, session.variables)
        )
        limit_s = engine.metadata.time_limit_s.of(role, engine.limits.time_s)
        place = Place(session.tenant_id, session.branches, role, following, limit_s)
        cohort = self._cohorts.get(place.key)
        if cohort is None:
            cohort = self._cohorts[place.key] = Cohort(place, self._shared, self._emptied)
        box = Box(on_full)
        member = cohort.join(box, sent)
        self._joined.add(session.tenant_id)
        self._counted(following.is_stream, 1)
        self._somebody.set()
        if self._watching is None or self._watching.done():
            self._watching = asyncio.create_task(self._watch())
        return Subscription(box, cohort, member)

    def leave(self, subscription: Subscription) -> None:
        """End a subscription."""
        if subscription.box.is_open:
            self._counted(subscription.cohort.place.following.is_stream, -1)
            subscription.cohort.leave(subscription.member, subscription.box)

    async def close(self) -> None:
        """Follow nothing any more."""
        tasks = [*self._shared.tasks, *([self._watching] if self._watching else [])]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        self._watching = None
        self._cohorts.clear()

    def _counted(self, is_stream: bool, by: int) -> None:
        self._count += by
        self.tally.subscriptions["stream" if is_stream else "live"] += by

    def _emptied(self, cohort: Cohort) -> None:
        if self._cohorts.get(cohort.place.key) is cohort:
            del self._cohorts[cohort.place.key]

    async def _watch(self) -> None:
        cursor: events.Cursor | None = None
        while True:
            if not self._cohorts:
                cursor = None
                self._somebody.clear()
                await self._somebody.wait()
            try:
                cursor = await self._look(cursor)
            except Fault:
                self.tally.failed += 1
                await asyncio.sleep(RETRY_S)
            await asyncio.sleep(self.limits.floor_ms / 1_000)

    async def _look(self, cursor: events.Cursor | None) -> events.Cursor:
        """Wake whom the log concerns. Raises: Fault."""
        tenants = {one.place.tenant_id for one in self._cohorts.values()} - {None}
        self._joined.clear()
        async with self._worker_db.tx(readonly=True) as tx:
            if cursor is None:
                # Since when everybody has seen what: nobody knows.
                stirred, cursor = frozenset(tenants), await events.present(tx)
            else:
                stirred, cursor = await events.stirred(tx, cursor, [one for one in tenants if one])
        # Who came meanwhile was not asked about, and the log has been passed.
        woken, now = stirred | self._joined, time.monotonic()
        for cohort in list(self._cohorts.values()):
            if cohort.place.tenant_id in woken or now - cohort.asked_at >= self.limits.poll_s:
                cohort.stir()
        return cursor

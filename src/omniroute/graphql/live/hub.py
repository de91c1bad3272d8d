"""The live queries of one process: cohorts, and the one look at the event log that wakes them all."""

import asyncio
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from omniroute.graphql.compiler.writing import parameters
from omniroute.graphql.engine import Engine, Plan, Prepared
from omniroute.graphql.errors import RequestRefused
from omniroute.graphql.fields import Collector
from omniroute.graphql.live.boxes import Box
from omniroute.graphql.live.cohorts import Cohort, Member, Parameters, Place, Shared, as_array
from omniroute.graphql.live.limits import LiveLimits
from omniroute.graphql.live.tally import LiveTally
from omniroute.graphql.live.watching import Watch
from omniroute.graphql.plugged import Call, RootFields
from omniroute.graphql.session import Session
from omniroute.infra import events
from omniroute.infra.postgres import Database
from omniroute.kit.refusal import Fault

RETRY_S = 1.0


@dataclass(frozen=True, slots=True, eq=False)
class Subscription:
    """A subscriber's place. `leave` ends it."""

    box: Box
    cohort: Cohort | Watch
    member: Member | None = None


class Hub:
    """Follows the database for subscribers. `db` is the doors' role, `worker_db` sees the event log of everybody."""

    def __init__(
        self, db: Database, worker_db: Database, *, limits: LiveLimits | None = None, tally: LiveTally | None = None
    ) -> None:
        self.limits = limits or LiveLimits()
        self.tally = tally or LiveTally()
        self._worker_db = worker_db
        self._shared = Shared(db, self.limits, self.tally, asyncio.Semaphore(self.limits.runs_max))
        self._cohorts: dict[object, Cohort | Watch] = {}
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
        plan, box = engine.plan(role, prepared, values), Box(on_full)
        if plan.plugged:
            call = _call(role, session, document, prepared, plan, values)
            subscription = self._watched(call, plan.plugged[call.field.response], box)
        elif plan.following is not None:
            found = parameters(plan.following.slots, values, session.variables)
            sent = tuple(as_array(one) if isinstance(one, list) else one for one in found)
            limit_s = engine.metadata.time_limit_s.of(role, engine.limits.time_s)
            place = Place(session.tenant_id, session.branches, role, plan.following, limit_s)
            subscription = self._joining(
                place, tuple(as_array(one) if isinstance(one, list) else one for one in sent), box
            )
        else:
            raise RequestRefused("this field cannot be subscribed to", code="not-supported")
        self._joined.add(session.tenant_id)
        self._counted(subscription.cohort.is_stream, 1)
        self._somebody.set()
        if self._watching is None or self._watching.done():
            self._watching = asyncio.create_task(self._watch())
        return subscription

    def _joining(self, place: Place, sent: Parameters, box: Box) -> Subscription:
        cohort = self._cohorts.get(place.key)
        if cohort is None:
            cohort = self._cohorts[place.key] = Cohort(place, self._shared, self._emptied)
        assert isinstance(cohort, Cohort)
        return Subscription(box, cohort, cohort.join(box, sent))

    def _watched(self, call: Call, answers: RootFields, box: Box) -> Subscription:
        watch = Watch(
            call.session.tenant_id, call.field.response, lambda: answers.answer(call), box, self._shared, self._emptied
        )
        self._cohorts[watch.key] = watch
        return Subscription(box, watch)

    def leave(self, subscription: Subscription) -> None:
        """End a subscription."""
        if subscription.box.is_open:
            self._counted(subscription.cohort.is_stream, -1)
            match subscription.cohort, subscription.member:
                case Cohort() as cohort, Member() as member:
                    cohort.leave(member, subscription.box)
                case Watch() as watch, _:
                    watch.leave(subscription.box)

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

    def _emptied(self, cohort: Cohort | Watch) -> None:
        if self._cohorts.get(cohort.key) is cohort:
            del self._cohorts[cohort.key]

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
        tenants = {one.tenant_id for one in self._cohorts.values()} - {None}
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
            if cohort.tenant_id in woken or now - cohort.asked_at >= self.limits.poll_s:
                cohort.stir()
        return cursor


def _call(
    role: str, session: Session, document: str, prepared: Prepared, plan: Plan, values: Mapping[str, Any]
) -> Call:
    """The one field of a subscription that is answered by what is plugged in."""
    [field] = plan.fields
    collector = Collector(prepared.fragments, values)
    return Call(role, session, "subscription", field, collector, values, document)

"""The worker of triggers: takes up what is due, sends it, records what came of it.

Sending and recording are two steps. A crash between them leaves the delivery claimed; its lease runs out and it is sent
again under the same id: at least once. What an older claim brings home is not recorded.
"""

import asyncio
from collections import Counter
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from omniroute.graphql.calling import Calls
from omniroute.graphql.metadata.tree import Metadata
from omniroute.graphql.triggers.definitions import Cron, read_crons, read_triggers
from omniroute.graphql.triggers.sending import Parcel, Result, attempt, event_body, next_wait, tick_body
from omniroute.graphql.triggers.store import SQL
from omniroute.infra.postgres import Database, Tx
from omniroute.infra.telemetry import logger
from omniroute.kit.clock import Clock
from omniroute.kit.refusal import Fault

log = logger("omniroute.graphql.triggers")

LEASE_SPARE_S = 60


class TriggerCourier:
    """One a process; any number of processes. `db` is the background's. A trigger gets `each_max` places."""

    def __init__(
        self,
        db: Database,
        metadata: Metadata,
        calls: Calls,
        *,
        clock: Clock,
        in_flight_max: int = 50,
        each_max: int = 10,
    ) -> None:
        self._db, self._calls, self._clock = db, calls, clock
        self._triggers = {one.name: one for one in read_triggers(metadata)}
        self._crons = {one.name: one for one in read_crons(metadata)}
        self._in_flight_max, self._each_max = in_flight_max, each_max
        self._tasks: set[asyncio.Task[None]] = set()
        self._busy: Counter[str] = Counter()

    @property
    def is_busy(self) -> bool:
        """Whether an attempt is under way."""
        return bool(self._tasks)

    async def idle(self) -> None:
        """Wait until every attempt that is under way has been recorded."""
        while self._tasks:
            await asyncio.gather(*self._tasks, return_exceptions=True)

    async def close(self, *, grace_s: int = 5) -> None:
        """Give what is under way a moment; what is cut off counts as not recorded and is sent again."""
        if self._tasks:
            _, late = await asyncio.wait(self._tasks, timeout=grace_s)
            for task in late:
                task.cancel()
            await asyncio.gather(*late, return_exceptions=True)

    async def deliver(self) -> int:
        """Take up due deliveries and ticks, and start sending them; how many were taken up."""
        if self._in_flight_max <= len(self._tasks):
            await asyncio.wait(self._tasks, timeout=1, return_when=asyncio.FIRST_COMPLETED)
            return 0
        return await self._deliver_events() + await self._deliver_ticks()

    # -- taking up --------------------------------------------------------------------------------------------------

    def _rooms(self, names: Sequence[str], kind: str) -> dict[str, int]:
        """How many deliveries of each trigger may start now; triggers without room are left out."""
        rooms = {name: self._each_max - self._busy[kind + name] for name in names}
        return {name: room for name, room in rooms.items() if room > 0}

    def _fair(self, rows: Sequence[Any]) -> list[Any]:
        """As many as there is room for, the first of each trigger before the second of any."""
        seen: Counter[str] = Counter()
        ranked = []
        for row in rows:
            ranked.append((seen[row.trigger_name], row))
            seen[row.trigger_name] += 1
        free = max(0, self._in_flight_max - len(self._tasks))
        return [row for _, row in sorted(ranked, key=lambda one: one[0])[:free]]

    async def _deliver_events(self) -> int:
        rooms, now, taken = self._rooms(list(self._triggers), "event "), self._clock.now(), 0
        if not rooms:
            return 0
        async with self._db.tx(readonly=True) as tx:
            due = await tx.all(SQL.due_deliveries, triggers=list(rooms), rooms=list(rooms.values()), now=now)
        by_tenant: dict[UUID, list[Any]] = {}
        for row in self._fair(due):
            by_tenant.setdefault(row.tenant_id, []).append(row)
        for tenant_id, rows in by_tenant.items():

            async def work(tx: Tx, rows: Sequence[Any] = rows) -> list[Parcel]:
                return await self._claim(tx, rows, now)

            # Not idempotent: after a lost connection the claim may stand, and its lease will run out.
            for parcel in await self._db.run(work, tenant_id=tenant_id, idempotent=False):
                self._start(parcel)
                taken += 1
        return taken

    async def _claim(self, tx: Tx, rows: Sequence[Any], now: datetime) -> list[Parcel]:
        leases = [self._triggers[row.trigger_name].retry.timeout_s + LEASE_SPARE_S for row in rows]
        taken = await tx.all(
            SQL.claim_deliveries,
            tenant=tx.tenant,
            deliveries=[row.delivery_id for row in rows],
            leases=leases,
            now=now,
        )
        found = []
        for row in taken:
            one = self._triggers[row.trigger_name]
            body = event_body(row, one)
            found.append(
                Parcel(
                    tx.tenant, row.delivery_id, one.name, row.claim, row.try_count, one.address, one.headers,
                    one.retry, body,
                )
            )  # fmt: skip
        return found

    async def _deliver_ticks(self) -> int:
        rooms, now = self._rooms(list(self._crons), "cron "), self._clock.now()
        if not rooms:
            return 0
        async with self._db.tx() as tx:
            due = await tx.all(SQL.due_ticks, names=list(rooms), rooms=list(rooms.values()), now=now)
            if not due:
                return 0
            leases = [self._crons[name].retry.timeout_s + LEASE_SPARE_S for name in rooms]
            ticks = [row.tick_id for row in self._fair(due)]
            taken = await tx.all(SQL.claim_ticks, ticks=ticks, names=list(rooms), leases=leases, now=now)
        for row in taken:
            cron = self._crons[row.trigger_name]
            parcel = Parcel(
                None, row.tick_id, cron.name, row.claim, row.try_count, cron.address, cron.headers, cron.retry,
                tick_body(row, cron),
            )  # fmt: skip
            self._start(parcel, late=_is_late(cron, row, now))
        return len(taken)

    # -- sending ----------------------------------------------------------------------------------------------------

    def _start(self, parcel: Parcel, *, late: bool = False) -> None:
        place = ("cron " if parcel.tenant_id is None else "event ") + parcel.trigger
        self._busy[place] += 1
        task = asyncio.create_task(self._carry(parcel, late=late))
        self._tasks.add(task)

        def ended(task: asyncio.Task[None]) -> None:
            self._tasks.discard(task)
            self._busy[place] -= 1
            if not task.cancelled() and task.exception() is not None:
                log.error("an attempt crashed", delivery=str(parcel.delivery_id), exc_info=task.exception())

        task.add_done_callback(ended)

    async def _carry(self, parcel: Parcel, *, late: bool) -> None:
        """Send and record. A fault of the database leaves the claim to its lease."""
        if late:
            result = Result(False, reason="it is too late: longer ago than the trigger tolerates")
        else:
            result = await attempt(self._calls, parcel, now=self._clock.now())

        async def work(tx: Tx) -> None:
            await self._record(tx, parcel, result, late=late)

        try:
            await self._db.run(work, tenant_id=parcel.tenant_id, idempotent=True)
        except Fault as fault:
            log.warning(
                "an attempt is not recorded; it is made again", delivery=str(parcel.delivery_id), fault=str(fault)
            )

    async def _record(self, tx: Tx, parcel: Parcel, result: Result, *, late: bool) -> None:
        now = self._clock.now()
        wait = None if result.delivered or late else next_wait(parcel.retry, parcel.try_count, result.pause)
        status = "delivered" if result.delivered else "failed" if wait is None else "pending"
        where = {} if parcel.tenant_id is None else {"tenant": parcel.tenant_id}
        await tx.execute(
            SQL.record_tick if parcel.tenant_id is None else SQL.record_delivery,
            **where,
            delivery=parcel.delivery_id,
            claim=parcel.claim,
            status=status,
            next=None if wait is None else now + wait,
            answered=result.status,
            reason=result.reason,
            now=now,
        )
        if status == "failed":
            log.warning(
                "a trigger gave up", trigger=parcel.trigger, delivery=str(parcel.delivery_id), reason=result.reason
            )


def _is_late(cron: Cron, row: Any, now: datetime) -> bool:
    """A first attempt that comes too late; later ones are bounded by the retries."""
    return bool(row.try_count == 1 and now - row.scheduled_at > timedelta(seconds=cron.retry.tolerance_s))

"""The worker of webhooks: takes up what is due, sends it, records what came of it.

Sending and recording are two steps. A crash between them leaves the delivery claimed; its lease runs out and it is sent
again under the same id: at least once. What an older claim brings home is not recorded.
"""

import asyncio
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from omniroute.infra.events import Meta, Recorded, at
from omniroute.infra.http import HttpClient
from omniroute.infra.postgres import Database, Tx
from omniroute.infra.secrets import Vault
from omniroute.infra.setbacks import Setbacks
from omniroute.infra.telemetry import logger
from omniroute.kit.clock import Clock
from omniroute.kit.refusal import Fault, Refusal
from omniroute.parties.webhooks.metrics import WebhookMetrics
from omniroute.parties.webhooks.model import DeliveryStatus
from omniroute.parties.webhooks.rules import FAILURES_BEFORE_CARE, RETRY_AFTER_MAX, Jitter, next_wait, spread
from omniroute.parties.webhooks.sending import Parcel, Result, Verdict, attempt
from omniroute.parties.webhooks.service import disable
from omniroute.parties.webhooks.store import SQL, binding

log = logger("omniroute.webhooks")

META = Meta(channel="webhooks")
_NIL = UUID(int=0)


@dataclass(frozen=True, slots=True)
class CourierLimits:
    """How much one process carries at once, and how long it waits.

    An organisation gets `tenant_max` places, an endpoint `endpoint_max`, one that fails a single one; all that fail get
    half of the places together, so that those that hang never keep the others waiting.
    """

    in_flight_max: int = 200
    tenant_max: int = 40
    endpoint_max: int = 8
    timeout_s: int = 15
    lease: timedelta = timedelta(seconds=60)
    disabled_after: timedelta = timedelta(days=5)


class Courier:
    """One a process. `db` is the background's; `http` must connect to public addresses only (`public_only`)."""

    def __init__(
        self,
        db: Database,
        vault: Vault,
        http: HttpClient,
        *,
        clock: Clock,
        metrics: WebhookMetrics,
        limits: CourierLimits | None = None,
        loopback_allowed: bool = False,
        jitter: Jitter = spread,
    ) -> None:
        self._db, self._vault, self._http, self._clock = db, vault, http, clock
        self._metrics, self._jitter, self._loopback_allowed = metrics, jitter, loopback_allowed
        self._limits = limits or CourierLimits()
        self._tasks: set[asyncio.Task[None]] = set()
        self._by_tenant: Counter[UUID] = Counter()
        self._by_endpoint: Counter[UUID] = Counter()
        self._careful: set[UUID] = set()  # Endpoints that fail, and are tried now.
        self._after = (_NIL, _NIL)
        self._setbacks = Setbacks[UUID](clock)  # By organisation.

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
        """Take up due deliveries and start sending them; how many were taken up or put behind others."""
        room = self._limits.in_flight_max - len(self._tasks)
        if room <= 0:
            await asyncio.wait(self._tasks, timeout=1, return_when=asyncio.FIRST_COMPLETED)
            return 0
        handled, waiting = 0, self._setbacks.waiting()
        for tenant_id, rows in _by_tenant(await self._due()).items():
            if tenant_id not in waiting:
                async with self._setbacks.of(tenant_id, tenant=tenant_id):
                    handled += await self._deliver_for(tenant_id, rows)
        return handled

    async def _deliver_for(self, tenant_id: UUID, rows: Sequence[Any]) -> int:
        rooms = self._rooms(tenant_id, rows)
        wanted = [row.delivery_id for row in rows if row.endpoint_id in rooms]
        if not wanted:
            return 0

        async def work(tx: Tx) -> tuple[int, list[Parcel]]:
            return await self._claim(tx, wanted, rooms)

        # Not idempotent: after a lost connection the claim may stand, and its lease will run out.
        count, parcels = await self._db.run(work, tenant_id=tenant_id, idempotent=False)
        failing = {row.endpoint_id for row in rows if row.failure_count >= FAILURES_BEFORE_CARE}
        for parcel in parcels:
            self._start(parcel, careful=parcel.endpoint_id in failing)
        return count

    # -- taking up --------------------------------------------------------------------------------------------------

    async def _due(self) -> list[Any]:
        """Due deliveries of some endpoints; the next call goes on with the next ones, so that all get their turn."""
        limit = 4 * self._limits.in_flight_max
        async with self._db.tx(readonly=True) as tx:
            rows = await tx.all(
                SQL.due_deliveries,
                after_tenant=self._after[0],
                after_endpoint=self._after[1],
                now=self._clock.now(),
                each=2 * self._limits.endpoint_max,
                limit=limit,
            )
        if not rows and self._after != (_NIL, _NIL):
            self._after = (_NIL, _NIL)
            return await self._due()
        full = len(rows) == limit
        self._after = (rows[-1].tenant_id, rows[-1].endpoint_id) if full else (_NIL, _NIL)
        return rows

    def _rooms(self, tenant_id: UUID, rows: Sequence[Any]) -> dict[UUID, int]:
        """How many deliveries of each endpoint may start now; endpoints without room are left out."""
        limits = self._limits
        free = min(limits.in_flight_max - len(self._tasks), limits.tenant_max - self._by_tenant[tenant_id])
        careful_free = max(1, limits.in_flight_max // 2) - len(self._careful)
        due = Counter(row.endpoint_id for row in rows)
        failing = {row.endpoint_id for row in rows if row.failure_count >= FAILURES_BEFORE_CARE}
        rooms: dict[UUID, int] = {}
        for endpoint_id in sorted(due, key=lambda one: (one in failing, self._by_endpoint[one])):
            careful = endpoint_id in failing
            room = min(free, (1 if careful else limits.endpoint_max) - self._by_endpoint[endpoint_id])
            if room <= 0 or (careful and careful_free <= 0):
                continue
            rooms[endpoint_id] = room
            free -= min(room, due[endpoint_id])
            careful_free -= careful
        return rooms

    async def _claim(self, tx: Tx, wanted: Sequence[UUID], rooms: Mapping[UUID, int]) -> tuple[int, list[Parcel]]:
        now = self._clock.now()
        rows = await tx.all(
            SQL.claim_deliveries,
            tenant=tx.tenant,
            deliveries=list(wanted),
            endpoints=list(rooms),
            rooms=list(rooms.values()),
            now=now,
            lease=now + self._limits.lease,
        )
        taken = [row for row in rows if row.taken]
        if not taken:
            return len(rows), []
        endpoints = list({row.endpoint_id for row in taken})
        urls = {
            row.endpoint_id: row.url for row in await tx.all(SQL.find_endpoints, tenant=tx.tenant, endpoints=endpoints)
        }
        secrets = await self._open_secrets(tx, endpoints, now)
        events = {event.position: event for event in await at(tx, [row.event_seq for row in taken])}
        return len(rows), [
            Parcel(
                tx.tenant,
                row.delivery_id,
                row.endpoint_id,
                row.subject,
                row.is_manual,
                row.try_count,
                row.claim,
                urls[row.endpoint_id],
                secrets.get(row.endpoint_id, ()),
                events.get(row.event_seq),
            )
            for row in taken
        ]

    async def _open_secrets(self, tx: Tx, endpoints: Sequence[UUID], now: datetime) -> dict[UUID, tuple[str, ...]]:
        """The secrets in force, the newest first. One that cannot be opened is left out: it stops its endpoint only."""
        found: dict[UUID, tuple[str, ...]] = {}
        for row in await tx.all(SQL.sealed_secrets, tenant=tx.tenant, endpoints=list(endpoints), now=now):
            try:
                opened = await self._vault.open(binding(tx.tenant, row.secret_id), bytes(row.sealed))
            except Refusal as refusal:
                log.error("a signing secret cannot be opened", endpoint=str(row.endpoint_id), code=refusal.code)
                continue
            found[row.endpoint_id] = (*found.get(row.endpoint_id, ()), opened.decode())
        return found

    # -- sending ----------------------------------------------------------------------------------------------------

    def _start(self, parcel: Parcel, *, careful: bool) -> None:
        self._by_tenant[parcel.tenant_id] += 1
        self._by_endpoint[parcel.endpoint_id] += 1
        if careful:
            self._careful.add(parcel.endpoint_id)
        task = asyncio.create_task(self._carry(parcel))
        self._tasks.add(task)
        self._metrics.in_flight.inc()

        def ended(task: asyncio.Task[None]) -> None:
            self._tasks.discard(task)
            self._metrics.in_flight.dec()
            for counts, key in ((self._by_tenant, parcel.tenant_id), (self._by_endpoint, parcel.endpoint_id)):
                counts[key] -= 1
                if counts[key] <= 0:
                    del counts[key]
            if parcel.endpoint_id not in self._by_endpoint:
                self._careful.discard(parcel.endpoint_id)
            if not task.cancelled() and task.exception() is not None:
                log.error("an attempt crashed", delivery=str(parcel.delivery_id), exc_info=task.exception())

        task.add_done_callback(ended)

    async def _carry(self, parcel: Parcel) -> None:
        """Send and record. A fault of the database leaves the claim to its lease."""
        loop = asyncio.get_running_loop()
        started_at, started = self._clock.now(), loop.time()
        result = await attempt(
            self._http,
            parcel,
            now=started_at,
            timeout_s=self._limits.timeout_s,
            loopback_allowed=self._loopback_allowed,
        )
        elapsed = loop.time() - started
        self._metrics.attempts.labels(result.outcome).inc()
        self._metrics.seconds.observe(elapsed)

        async def work(tx: Tx) -> str | None:
            return await self._record(tx, parcel, result, started_at, int(elapsed * 1000))

        try:
            disabled = await self._db.run(work, tenant_id=parcel.tenant_id, idempotent=True)
        except Fault as fault:
            log.warning(
                "an attempt is not recorded; it is made again", delivery=str(parcel.delivery_id), fault=str(fault)
            )
            return
        if disabled is not None:
            self._metrics.disabled.labels(disabled).inc()
            log.warning("an endpoint is disabled", endpoint=str(parcel.endpoint_id), reason=disabled)

    # -- recording --------------------------------------------------------------------------------------------------

    async def _record(
        self, tx: Tx, parcel: Parcel, result: Result, started_at: datetime, duration_ms: int
    ) -> str | None:
        """What came of an attempt, in the log, in the queue and for the endpoint; why it was disabled, if it was."""
        now = self._clock.now()
        status, next_at = self._next(parcel, result, now)
        row = await tx.one_or_none(
            SQL.record_delivery,
            tenant=tx.tenant,
            delivery=parcel.delivery_id,
            claim=parcel.claim,
            status=status.value,
            next=next_at,
            answered=result.status,
            reason=result.reason,
            now=now,
        )
        if row is None:
            return None
        await tx.execute(
            SQL.insert_attempt,
            tenant=tx.tenant,
            delivery=parcel.delivery_id,
            number=row.attempt_count,
            started=started_at,
            duration=duration_ms,
            answered=result.status,
            reason=result.reason,
            reply=result.reply,
        )
        if status is not DeliveryStatus.PENDING:
            await tx.execute(
                SQL.wake_next, tenant=tx.tenant, endpoint=parcel.endpoint_id, subject=parcel.subject, now=now
            )
            self._count_end(status, parcel.event, now)
        return await self._judge_endpoint(tx, parcel, result, now)

    def _next(self, parcel: Parcel, result: Result, now: datetime) -> tuple[DeliveryStatus, datetime | None]:
        if result.verdict is Verdict.DELIVERED:
            return DeliveryStatus.DELIVERED, None
        if result.verdict is not Verdict.FAILED:
            return DeliveryStatus.FAILED, None
        wait = next_wait(parcel.try_count + 1, result.pause, self._jitter)
        return (DeliveryStatus.FAILED, None) if wait is None else (DeliveryStatus.PENDING, now + wait)

    def _count_end(self, status: DeliveryStatus, event: Recorded | None, now: datetime) -> None:
        self._metrics.deliveries.labels(status.value).inc()
        if status is DeliveryStatus.DELIVERED and event is not None:
            self._metrics.lateness.observe(max(0, (now - event.recorded_at).total_seconds()))

    async def _judge_endpoint(self, tx: Tx, parcel: Parcel, result: Result, now: datetime) -> str | None:
        where = {"tenant": tx.tenant, "endpoint": parcel.endpoint_id, "now": now}
        if result.verdict is Verdict.DELIVERED:
            await tx.execute(SQL.endpoint_answered, **where)
            return None
        reason = None
        if result.verdict is Verdict.GONE:
            reason = "gone"
        elif result.verdict is Verdict.FAILED and not parcel.is_manual:
            rests = None
            if result.pause is not None and result.status in (429, 503):
                rests = now + min(result.pause, RETRY_AFTER_MAX)
            row = await tx.one_or_none(SQL.endpoint_failed, **where, rests=rests)
            if row is not None and now - row.failing_since >= self._limits.disabled_after:
                reason = "failing"
        if reason is not None and await disable(tx, parcel.endpoint_id, reason=reason, now=now, meta=META):
            return reason
        return None


def _by_tenant(rows: Sequence[Any]) -> dict[UUID, list[Any]]:
    found: dict[UUID, list[Any]] = {}
    for row in rows:
        found.setdefault(row.tenant_id, []).append(row)
    return found

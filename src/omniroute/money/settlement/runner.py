"""The worker of settlements: makes them by the calendar, pays them, and follows their payments.

Each step is a transaction of its own that leaves things whole, so that whoever dies in between costs nothing but time.
A grant or settlement that cannot be worked on is put off by itself.
"""

from collections.abc import Callable, Sequence
from datetime import date, datetime, timedelta
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from omniroute.infra.events import Consumer, Recorded, enrol, present
from omniroute.infra.postgres import Database, Tx
from omniroute.infra.setbacks import Setbacks
from omniroute.kit.clock import Clock
from omniroute.money import atc
from omniroute.money.atc import Frequency
from omniroute.money.payments import Rulebooks
from omniroute.money.settlement.batches import COLLECTIONS_MAX, settle_period, settle_up_to
from omniroute.money.settlement.model import BatchState, Cause
from omniroute.money.settlement.paying import META, follow, pay
from omniroute.money.settlement.periods import Period, latest_period
from omniroute.money.settlement.store import SQL

AT_ONCE_MAX = 200
CONSUMER = "settlement"
FOLLOWED = ("payment.confirmed", "payment.failed", "payment.cancelled", "payment.expired", "payment.reversed")
RETRY_INSTANT = timedelta(hours=1)
"""How long after a failed payment what is settled at once is tried again; others wait for their next day."""


class SettlementRunner:
    """One a process; any number of processes. `db` is the worker's."""

    def __init__(
        self, db: Database, rulebooks: Rulebooks, *, clock: Clock, business_day: Callable[[UUID], date]
    ) -> None:
        self._db, self._rulebooks, self._clock, self._business_day = db, rulebooks, clock, business_day
        self._unmade, self._unpaid, self._unfollowed = (Setbacks[UUID](clock) for _ in range(3))
        self._is_enrolled = False
        self._consumer = Consumer(CONSUMER, self._hear, types=FOLLOWED)

    async def round(self) -> int:
        """Follow payments, make what is due, and pay what is made; how much there was to do."""
        return await self.follow() + await self.make_due() + await self.pay_due()

    async def follow(self) -> int:
        """Hear what became of payments; of how many. What an event did not bring about is found by looking."""
        if not self._is_enrolled:  # Nothing before our first settlement is about one.
            async with self._db.tx() as tx:
                await enrol(tx, CONSUMER, await present(tx))
            self._is_enrolled = True
        return await self._consumer.run_once(self._db) + await self._catch_up()

    async def _catch_up(self) -> int:
        now = self._clock.now()
        async with self._db.tx(readonly=True) as tx:
            left = await tx.all(SQL.left_behind, without=self._unfollowed.waiting(), limit=AT_ONCE_MAX)
        for row in left:

            async def work(tx: Tx, payment_id: UUID = row.payment_id) -> None:
                await follow(tx, [payment_id], now=now)

            async with self._unfollowed.of(row.batch_id, tenant=row.tenant_id, settlement=row.batch_id):
                await self._db.run(work, tenant_id=row.tenant_id, idempotent=True)
        return len(left)

    async def _hear(self, tx: Tx, heard: Sequence[Recorded]) -> None:
        await follow(tx, [event.subject for event in heard], now=self._clock.now())

    async def make_due(self) -> int:
        """Make the settlements whose time has come; how many."""
        now, made = self._clock.now(), 0
        async with self._db.tx(readonly=True) as tx:
            waiting = await tx.all(SQL.due_grants, without=self._unmade.waiting())
        for row in waiting:
            async with self._unmade.of(row.grant_id, tenant=row.tenant_id, grant=row.grant_id):
                if _is_due(row, now):
                    made += await self._make(row, now)
        return made

    async def _make(self, row: Any, now: datetime) -> int:
        zone = ZoneInfo(row.time_zone)

        async def work(tx: Tx) -> bool:
            if not await tx.value(SQL.take_grant, grant=str(row.grant_id)):
                return False  # Somebody else has it.
            grant = await atc.find_grant(tx, row.grant_id)
            if grant.settlement.frequency is Frequency.INSTANT:
                batch = await settle_up_to(tx, grant, Cause.INSTANT, zone=zone, actor=_ACTOR, now=now, meta=META)
            else:
                period = _period(row, now)
                assert period is not None
                batch = await settle_period(tx, grant, period, zone=zone, actor=_ACTOR, now=now, meta=META)
            return batch is not None

        # Saying it twice settles nothing twice: what is in a settlement waits for no other.
        return int(await self._db.run(work, tenant_id=row.tenant_id, idempotent=True))

    async def pay_due(self) -> int:
        """Initiate the payments of settlements; how many were looked at."""
        now = self._clock.now()
        async with self._db.tx(readonly=True) as tx:
            due = await tx.all(SQL.due_batches, now=now, without=self._unpaid.waiting(), limit=AT_ONCE_MAX)
        for row in due:
            async with self._unpaid.of(row.batch_id, tenant=row.tenant_id, settlement=row.batch_id):
                await self._pay(row.tenant_id, row.batch_id, now)
        return len(due)

    async def _pay(self, tenant_id: UUID, batch_id: UUID, now: datetime) -> None:
        rules, today = await self._rulebooks.get(tenant_id), self._business_day(tenant_id)

        async def work(tx: Tx) -> None:
            await pay(tx, batch_id, rules=rules, now=now, today=today)

        await self._db.run(work, tenant_id=tenant_id, idempotent=True)


_ACTOR = "system:settlement"


def _period(row: Any, now: datetime) -> Period | None:
    zone = ZoneInfo(row.time_zone)
    return latest_period(
        Frequency(row.settlement_frequency),
        row.settlement_day,
        since=row.effective_from.astimezone(zone).date(),
        today=now.astimezone(zone).date(),
    )


def _is_due(row: Any, now: datetime) -> bool:
    """Whether what waits under a grant is settled now, by what was settled last."""
    has_failed = row.last_state == BatchState.FAILED.value
    if row.settlement_frequency == Frequency.INSTANT.value:
        return not has_failed or row.last_failed_at + RETRY_INSTANT <= now
    period = _period(row, now)
    if period is None:
        return False
    end = period.instants(ZoneInfo(row.time_zone))[1]
    if row.last_end is None or row.last_end < end:
        return True
    is_full = row.last_count == COLLECTIONS_MAX  # Then there may be more of the same day.
    return is_full and not has_failed and row.last_end == end

"""Background: a connection is reconciled when its statement was read further than before."""

from collections.abc import Callable
from datetime import date, datetime, timedelta
from uuid import UUID
from zoneinfo import ZoneInfo

from omniroute.infra.events import Meta
from omniroute.infra.postgres import Database, Tx
from omniroute.infra.setbacks import Setbacks
from omniroute.kit.clock import Clock
from omniroute.money.reconciliation.running import run
from omniroute.money.reconciliation.store import SQL

ACTOR = "system:reconciliation"
DAYS_AGAIN = 7
"""So many days before what is new are looked at again: what was late on one side may be there by now."""
DAYS_AT_FIRST = 31


class Reconciler:
    """Reconciles what has become due. One round may run in several processes: a connection is held while it is."""

    def __init__(self, db: Database, *, clock: Clock, business_day: Callable[[UUID], date]) -> None:
        self._db, self._clock, self._business_day = db, clock, business_day
        self._trouble: Setbacks[UUID] = Setbacks(clock)

    async def round(self, limit: int = 20) -> int:
        """Reconcile connections whose statement was read since; how many."""
        async with self._db.tx(readonly=True) as tx:
            due = await tx.all(SQL.due_connections, without=self._trouble.waiting(), limit=limit)
        done = 0
        for row in due:
            async with self._trouble.of(row.connection_id, tenant=row.tenant_id, connection=row.connection_id):
                await self._one(row.tenant_id, row.connection_id, row.statement_until, row.run_until, row.time_zone)
                done += 1
        return done

    async def _one(
        self, tenant_id: UUID, connection_id: UUID, until: datetime, since: datetime | None, time_zone: str
    ) -> None:
        zone = ZoneInfo(time_zone)
        first = (since or until - timedelta(days=DAYS_AT_FIRST)).astimezone(zone).date() - timedelta(days=DAYS_AGAIN)

        async def work(tx: Tx) -> None:
            await run(
                tx,
                connection_id,
                start_on=first,
                end_on=max(first, until.astimezone(zone).date()),
                by=ACTOR,
                now=self._clock.now(),
                today=self._business_day(tenant_id),
                meta=Meta(actor=ACTOR),
            )

        await self._db.run(work, tenant_id=tenant_id, idempotent=True)

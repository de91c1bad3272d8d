"""Grants whose time is over are ended, each by itself."""

from uuid import UUID

from omniroute.infra.events import Meta
from omniroute.infra.postgres import Database, Tx
from omniroute.infra.setbacks import Setbacks
from omniroute.kit.clock import Clock
from omniroute.money.atc.standing import expire_grant
from omniroute.money.atc.store import SQL

META = Meta(actor="system:atc", channel="worker")
AT_ONCE_MAX = 200


class GrantExpirer:
    """One a process; any number of processes. `db` is the worker's."""

    def __init__(self, db: Database, *, clock: Clock) -> None:
        self._db, self._clock = db, clock
        self._trouble = Setbacks[UUID](clock)

    async def round(self) -> int:
        """End what is over; how many grants there were to look at."""
        now = self._clock.now()
        async with self._db.tx(readonly=True) as tx:
            due = await tx.all(SQL.due_grants, now=now, without=self._trouble.waiting(), limit=AT_ONCE_MAX)
        for row in due:

            async def work(tx: Tx, grant_id: UUID = row.grant_id) -> None:
                await expire_grant(tx, grant_id, now=now, meta=META)

            async with self._trouble.of(row.grant_id, tenant=row.tenant_id, grant=row.grant_id):
                # Saying it twice ends nothing twice.
                await self._db.run(work, tenant_id=row.tenant_id, idempotent=True)
        return len(due)

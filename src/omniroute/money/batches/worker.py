"""The worker of batches: one round works a chunk for every organisation that has something to do, so that a batch of a
hundred thousand lines makes nobody wait for longer than a chunk. One that cannot be worked on is put off by itself.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from typing import Any
from uuid import UUID

from omniroute.infra.postgres import Database, Tx
from omniroute.infra.setbacks import Setbacks
from omniroute.kit.clock import Clock
from omniroute.money.batches import checking, journal, running, steering, store
from omniroute.money.batches.model import BatchState
from omniroute.money.payments import Rulebook, Rulebooks


@dataclass(frozen=True, slots=True)
class Chunks:
    """How many lines one transaction checks, and how many payments it makes or cancels."""

    check: int = checking.CHUNK
    initiate: int = running.CHUNK


class BatchWorker:
    """One a process; any number of processes. `db` is the worker's."""

    def __init__(
        self,
        db: Database,
        rulebooks: Rulebooks,
        *,
        clock: Clock,
        business_day: Callable[[UUID], date],
        chunks: Chunks | None = None,
    ) -> None:
        self._db, self._rulebooks = db, rulebooks
        self._clock, self._business_day = clock, business_day
        self._chunks = chunks or Chunks()
        self._setbacks = Setbacks[UUID](clock)

    async def advance(self) -> int:
        """One chunk for each organisation; how many lines were worked."""
        async with self._db.tx(readonly=True) as tx:
            due = await tx.all(store.SQL.batches_to_do, now=self._clock.now(), without=self._setbacks.waiting())
        count = 0
        for row in due:
            async with self._setbacks.of(row.batch_id, tenant=row.tenant_id, batch=row.batch_id):
                count += await self._one(row)
        return count

    async def _one(self, row: Any) -> int:
        rules = await self._rulebooks.get(row.tenant_id)

        async def work(tx: Tx) -> int:
            return await self._work(tx, row.batch_id, rules)

        # Twice is the same as once: a chunk that was done is not among the next lines any more.
        return await self._db.run(work, tenant_id=row.tenant_id, idempotent=True)

    async def _work(self, tx: Tx, batch_id: UUID, rules: Rulebook) -> int:
        now, today = self._clock.now(), self._business_day(tx.tenant)
        row = await tx.one_or_none(store.SQL.take_batch, tenant=tx.tenant, batch=batch_id)
        if row is None:
            return 0  # Another process has it, or it is over.
        batch = store.batch_of(row)
        match batch.state:
            case BatchState.DRAFT:
                count, batch = await checking.check_lines(
                    tx, batch, rules=rules, now=now, today=today, chunk=self._chunks.check
                )
                if batch.state is BatchState.DRAFT:
                    await tx.execute(store.SQL.rest_batch, tenant=tx.tenant, batch=batch_id, later=now)
                return count
            case BatchState.APPROVED | BatchState.RUNNING:
                return await running.initiate_lines(
                    tx, batch, rules=rules, now=now, today=today, chunk=self._chunks.initiate
                )
            case BatchState.CANCELLED:
                return await running.cancel_payments(tx, batch, now=now, today=today, chunk=self._chunks.initiate)
            case BatchState.AWAITING_APPROVAL if batch.expires_at is not None and batch.expires_at <= now:
                await steering.end(tx, batch, "not_approved_in_time", now=now, meta=journal.WORKER)
                return 1
        return 0

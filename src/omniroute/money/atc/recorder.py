"""The group commit of collections: single requests of a process, recorded together, one call a tenant at a time."""

from collections.abc import Callable, Sequence
from datetime import date
from uuid import UUID

from psycopg import errors as pg

from omniroute.infra.batch import BatchLimits, GroupCommit, QueueFull
from omniroute.infra.postgres import Database, Tx
from omniroute.kit.clock import Clock
from omniroute.money.atc.collecting import record_collections
from omniroute.money.atc.collections_errors import CollectionsBusy
from omniroute.money.atc.collections_model import CollectionRequest, RecordOutcome

RETRY_AFTER_S = 1


class Recorder:
    """Records collections in groups. Nothing is acknowledged before its group has committed."""

    def __init__(
        self,
        db: Database,
        *,
        clock: Clock,
        business_day: Callable[[UUID], date],
        limits: BatchLimits | None = None,
    ) -> None:
        self._db, self._clock, self._business_day = db, clock, business_day
        self._group = GroupCommit[UUID, CollectionRequest, RecordOutcome](self._flush, limits)

    @property
    def group(self) -> GroupCommit[UUID, CollectionRequest, RecordOutcome]:
        """Counters of calls and items."""
        return self._group

    async def record(self, tenant_id: UUID, request: CollectionRequest) -> RecordOutcome:
        """Record one collection with whatever else arrives meanwhile.

        Raises: CollectionsBusy when the queue is full; DatabaseUnavailable, WriteConflict.
        """
        try:
            future = self._group.submit(tenant_id, request)
        except QueueFull as full:
            raise CollectionsBusy(retry_after_s=RETRY_AFTER_S) from full
        return await future

    async def record_all(self, tenant_id: UUID, requests: Sequence[CollectionRequest]) -> list[RecordOutcome]:
        """Record many in one transaction; an outcome for each."""
        return list(await self._flush(tenant_id, requests))

    async def close(self) -> None:
        """Take nothing more, finish what waits."""
        await self._group.close()

    async def _flush(self, tenant_id: UUID, requests: Sequence[CollectionRequest]) -> Sequence[RecordOutcome]:
        async def work(tx: Tx) -> list[RecordOutcome]:
            return await record_collections(tx, requests, now=self._clock.now(), today=self._business_day(tenant_id))

        # Saying it twice is the same as once: the same reference with the same content is the same collection.
        try:
            return await self._db.run(work, tenant_id=tenant_id, idempotent=True)
        except pg.UniqueViolation as error:
            if error.diag.constraint_name != "atc_collection_request_key":
                raise
            # Another process was given the same idempotency key at the same time; now its collection is seen.
            return await self._db.run(work, tenant_id=tenant_id, idempotent=True)

"""The group commit of payments: single requests of a web process, initiated together, one call a tenant at a time."""

from collections.abc import Callable, Sequence
from datetime import date
from typing import Protocol
from uuid import UUID

from psycopg import errors as pg

from omniroute.infra.batch import BatchLimits, GroupCommit, QueueFull
from omniroute.infra.postgres import Database, Tx
from omniroute.kit.clock import Clock
from omniroute.kit.refusal import Kind, Refusal
from omniroute.money.payments.initiation import Request, Rulebook, initiate
from omniroute.money.payments.model import InitiateOutcome

RETRY_AFTER_S = 1


class PaymentsBusy(Refusal):
    """Too many payments are waiting to be initiated; nothing happened. Try again after `retry_after_s`."""

    code = "payments.busy"
    kind = Kind.BUSY


class Rulebooks(Protocol):
    """Finds an organisation's rules."""

    async def get(self, tenant_id: UUID) -> Rulebook:
        """The rules as they stand; cached for seconds at most."""
        ...


class Initiator:
    """Initiates payments in groups. Nothing is acknowledged before its group has committed."""

    def __init__(
        self,
        db: Database,
        rulebooks: Rulebooks,
        *,
        clock: Clock,
        business_day: Callable[[UUID], date],
        limits: BatchLimits | None = None,
    ) -> None:
        self._db, self._rulebooks = db, rulebooks
        self._clock, self._business_day = clock, business_day
        self._group = GroupCommit[UUID, Request, InitiateOutcome](self._flush, limits)

    @property
    def group(self) -> GroupCommit[UUID, Request, InitiateOutcome]:
        """Counters of calls and items, for metrics."""
        return self._group

    async def initiate(self, tenant_id: UUID, request: Request) -> InitiateOutcome:
        """Initiate one payment with whatever else arrives within the wait.

        Raises: PaymentsBusy when the queue is full; DatabaseUnavailable, WriteConflict.
        """
        try:
            future = self._group.submit(tenant_id, request)
        except QueueFull as full:
            raise PaymentsBusy(retry_after_s=RETRY_AFTER_S) from full
        return await future

    async def initiate_all(self, tenant_id: UUID, requests: Sequence[Request]) -> list[InitiateOutcome]:
        """Initiate many in one transaction; an outcome for each."""
        return list(await self._flush(tenant_id, requests))

    async def close(self) -> None:
        """Take nothing more, finish what waits."""
        await self._group.close()

    async def _flush(self, tenant_id: UUID, requests: Sequence[Request]) -> Sequence[InitiateOutcome]:
        rules = await self._rulebooks.get(tenant_id)

        async def work(tx: Tx) -> list[InitiateOutcome]:
            return await initiate(tx, requests, rules=rules, now=self._clock.now(), today=self._business_day(tenant_id))

        # Saying it twice is the same as once: the same reference with the same content is the same payment.
        try:
            return await self._db.run(work, tenant_id=tenant_id, idempotent=True)
        except pg.UniqueViolation as error:
            if error.diag.constraint_name != "payment_request_key":
                raise
            # Another process was given the same idempotency key at the same time; now its payment is seen.
            return await self._db.run(work, tenant_id=tenant_id, idempotent=True)

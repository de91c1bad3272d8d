"""The ledger's group commit: single postings of a web process, booked together, one call a tenant at a time."""

from collections.abc import Sequence
from datetime import date
from typing import Protocol
from uuid import UUID

from omniroute.infra.batch import BatchLimits, GroupCommit, QueueFull
from omniroute.infra.postgres import Database
from omniroute.ledger import service
from omniroute.ledger.commands import Command
from omniroute.ledger.errors import Busy, TenantBusy
from omniroute.ledger.model import Outcome

RETRY_AFTER_S = 1


class BusinessDay(Protocol):
    """Tells a tenant's business day: the value date of items that name none."""

    def __call__(self, tenant_id: UUID) -> date: ...


class Poster:
    """Books single commands in groups. Nothing is acknowledged before its group has committed.

    Commands should carry a key: after a lost connection the outcome is unknown, and only a key makes it safe to
    ask again. Those with a key are tried again here; those without raise DatabaseUnavailable to the caller.
    """

    def __init__(self, db: Database, business_day: BusinessDay, limits: BatchLimits | None = None) -> None:
        self._db = db
        self._business_day = business_day
        self._group = GroupCommit[tuple[UUID, tuple[UUID, ...] | None], Command, Outcome](self._flush, limits)

    @property
    def waiting(self) -> int:
        """Items in the queue, for metrics."""
        return self._group.waiting

    @property
    def group(self) -> GroupCommit[tuple[UUID, tuple[UUID, ...] | None], Command, Outcome]:
        """Counters of calls and items, for metrics."""
        return self._group

    async def post(self, tenant_id: UUID, command: Command, *, branches: tuple[UUID, ...] | None = None) -> Outcome:
        """Book one command (not part of a linked group) with whatever else arrives within the wait.

        Raises: Busy, TenantBusy when the queue is full; DatabaseUnavailable, WriteConflict.
        """
        assert command.linked == 0, "a linked group is a batch of its own"
        try:
            future = self._group.submit((tenant_id, branches), command)
        except QueueFull as full:
            refusal = TenantBusy if full.lane_full else Busy
            raise refusal(retry_after_s=RETRY_AFTER_S) from full
        return await future

    def today(self, tenant_id: UUID) -> date:
        """The tenant's business day, the value date of commands that name none."""
        return self._business_day(tenant_id)

    async def close(self) -> None:
        """Take nothing more, finish what waits."""
        await self._group.close()

    async def _flush(
        self, lane: tuple[UUID, tuple[UUID, ...] | None], commands: Sequence[Command]
    ) -> Sequence[Outcome]:
        tenant_id, branches = lane
        today = self._business_day(tenant_id)
        return await service.post_alone(self._db, tenant_id, commands, branches=branches, today=today)

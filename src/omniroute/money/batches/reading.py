"""Looking at batches and their lines."""

from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from datetime import datetime
from uuid import UUID

from omniroute.infra.postgres import Tx, read_page
from omniroute.kit.paging import LIMIT_MAX, Page
from omniroute.money.batches import store
from omniroute.money.batches.model import Batch, BatchState, Line, LineState
from omniroute.money.batches.store import BATCHES, LINES, SQL
from omniroute.money.payments import AttemptState, PaymentState, public_status

_COUNTED_BY_WORKER = (BatchState.DRAFT, BatchState.RUNNING)


@dataclass(frozen=True, slots=True)
class BatchApproval:
    """One person's word on a batch."""

    approver: str
    approved: bool
    comment: str | None
    decided_at: datetime


async def find_batch(tx: Tx, batch_id: UUID, *, now: datetime) -> Batch:
    """A batch. While it runs its counts are those the worker took last, seconds ago; else they are counted now.

    Raises: BatchNotFound.
    """
    batch = await store.find(tx, batch_id)
    if batch.state in _COUNTED_BY_WORKER:
        return batch
    return replace(batch, tally=await store.tally(tx, batch_id), tallied_at=now)


async def find_approvals(tx: Tx, batch_id: UUID) -> list[BatchApproval]:
    """Everybody's word on a batch, the first first."""
    rows = await tx.all(SQL.find_approvals, tenant=tx.tenant, batch=batch_id)
    return [BatchApproval(row.approver, row.approved, row.comment, row.decided_at) for row in rows]


async def list_batches(
    tx: Tx, *, state: BatchState | None, sort: str | None, limit: int | None, cursor: str | None
) -> Page[Batch]:
    """A page of batches, the newest first."""
    found = await read_page(
        tx,
        BATCHES,
        sort=sort,
        limit=limit,
        cursor=cursor,
        tenant=tx.tenant,
        state=None if state is None else state.value,
    )
    return found.map(store.batch_of)


async def list_lines(
    tx: Tx,
    batch_id: UUID,
    *,
    state: LineState | None = None,
    payment_state: PaymentState | None = None,
    sort: str | None = None,
    limit: int | None = None,
    cursor: str | None = None,
) -> Page[Line]:
    """A page of the lines of a batch.

    Raises: BatchNotFound.
    """
    await store.find(tx, batch_id)
    found = await read_page(
        tx,
        LINES,
        sort=sort,
        limit=limit,
        cursor=cursor,
        tenant=tx.tenant,
        batch=batch_id,
        state=None if state is None else state.value,
        payment_state=None if payment_state is None else payment_state.value,
    )
    return found.map(store.line_of)


async def all_lines(tx: Tx, batch_id: UUID) -> AsyncIterator[Line]:
    """Every line of a batch in order, a page in memory at a time."""
    cursor = None
    while True:
        found = await list_lines(tx, batch_id, limit=LIMIT_MAX, cursor=cursor)
        for line in found.items:
            yield line
        if found.next_cursor is None:
            return
        cursor = found.next_cursor


def status_of(line: Line) -> str:
    """The status customers know: that of the payment, or of the line while it has none."""
    if line.payment_state is None or line.state is not LineState.INITIATED:
        return _STATUS[line.state]
    attempt = None if line.attempt_state is None else AttemptState(line.attempt_state)
    return public_status(PaymentState(line.payment_state), attempt, line.payment_reason).value


_STATUS = {
    LineState.RECEIVED: "DRAFT",
    LineState.VALID: "PENDING",
    LineState.INVALID: "INVALID",
    LineState.INITIATED: "PENDING",
    LineState.REFUSED: "FAILED",
    LineState.CANCELLED: "CANCELLED",
}


def reason_of(line: Line) -> str | None:
    """Why a line stands where it stands, if there is more to say than its status."""
    if line.problem is not None:
        return line.problem.code
    if line.state is not LineState.INITIATED:
        return None
    if line.attempt_state == AttemptState.UNKNOWN and line.payment_state == PaymentState.EXECUTING:
        return "UNKNOWN"
    return line.payment_reason

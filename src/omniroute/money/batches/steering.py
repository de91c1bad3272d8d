"""What people do to a batch: submit, approve, reject, pause, resume, cancel, try failed lines again."""

from dataclasses import replace
from datetime import datetime, timedelta
from uuid import UUID

from psycopg import errors as pg

from omniroute.infra.events import Meta
from omniroute.infra.postgres import Tx
from omniroute.money import payments
from omniroute.money.batches import journal, store
from omniroute.money.batches.errors import (
    BatchAlreadyDecided,
    BatchApprovalExpired,
    BatchApproverIsInitiator,
    BatchInWrongState,
    InvalidLines,
    NothingToPay,
    NothingToRetry,
)
from omniroute.money.batches.events import BatchApproved, BatchCancelled, BatchPaused, BatchResumed, BatchSubmitted
from omniroute.money.batches.model import Batch, BatchState, OnInvalid

APPROVED_WITHIN = timedelta(days=7)

_S = BatchState


def _expect(batch: Batch, *states: BatchState) -> None:
    if batch.state not in states:
        raise BatchInWrongState(state=batch.state.value)


async def submit(
    tx: Tx, batch_id: UUID, *, actor: str, on_invalid: OnInvalid | None, now: datetime, meta: Meta
) -> Batch:
    """Ask for the approval of a checked batch. `on_invalid` None: as it was sent in.

    Raises: BatchNotFound, BatchInWrongState, InvalidLines, NothingToPay.
    """
    batch = await store.lock(tx, batch_id)
    _expect(batch, _S.VALIDATED)
    policy = on_invalid or batch.on_invalid
    if batch.invalid_count and policy is OnInvalid.REJECT_BATCH:
        raise InvalidLines(invalid_count=batch.invalid_count)
    if not batch.valid_count:
        raise NothingToPay()
    batch = replace(
        batch,
        state=_S.AWAITING_APPROVAL,
        on_invalid=policy,
        submitted_by=actor,
        expires_at=now + APPROVED_WITHIN,
    )
    batch = await store.update(tx, batch, work_after=now + APPROVED_WITHIN, now=now)
    await journal.tell(tx, BatchSubmitted, batch, meta)
    return batch


async def approve(tx: Tx, batch_id: UUID, *, actor: str, comment: str | None, now: datetime, meta: Meta) -> Batch:
    """One person's yes; with the last one that is needed the payments go on their way.

    Raises: BatchNotFound, BatchInWrongState, BatchApprovalExpired, BatchApproverIsInitiator, BatchAlreadyDecided.
    """
    batch = await _decide(tx, batch_id, actor=actor, approved=True, comment=comment, now=now)
    given = batch.approvals_given + 1
    if given < batch.approvals_needed:
        assert batch.expires_at is not None
        return await store.update(tx, replace(batch, approvals_given=given), work_after=batch.expires_at, now=now)
    batch = replace(batch, state=_S.APPROVED, approvals_given=given)
    batch = await store.update(tx, batch, work_after=now, now=now)
    await journal.tell(tx, BatchApproved, batch, meta)
    return batch


async def reject(tx: Tx, batch_id: UUID, *, actor: str, comment: str, now: datetime, meta: Meta) -> Batch:
    """One person's no: the batch is over, and nothing of it was ever held.

    Raises: as `approve`.
    """
    batch = await _decide(tx, batch_id, actor=actor, approved=False, comment=comment, now=now)
    return await end(tx, batch, "rejected", now=now, meta=meta)


async def _decide(tx: Tx, batch_id: UUID, *, actor: str, approved: bool, comment: str | None, now: datetime) -> Batch:
    batch = await store.lock(tx, batch_id)
    _expect(batch, _S.AWAITING_APPROVAL)
    if batch.expires_at is not None and batch.expires_at <= now:
        raise BatchApprovalExpired(expired_at=batch.expires_at.isoformat())
    if actor in (batch.initiated_by, batch.submitted_by):
        raise BatchApproverIsInitiator()
    try:
        async with tx.savepoint():
            written = await tx.execute(
                store.SQL.insert_approval,
                tenant=tx.tenant,
                batch=batch_id,
                approver=actor,
                approved=approved,
                comment=comment,
                now=now,
            )
    except pg.IntegrityError as error:
        if error.diag.constraint_name == "payment_batch_approval_four_eyes":
            raise BatchApproverIsInitiator() from error
        raise
    if not written:
        raise BatchAlreadyDecided()
    return batch


async def pause(tx: Tx, batch_id: UUID, *, now: datetime, meta: Meta) -> Batch:
    """From the commit on nothing more of the batch is initiated or sent. What has left comes home.

    Raises: BatchNotFound, BatchInWrongState.
    """
    batch = await store.lock(tx, batch_id)
    _expect(batch, _S.APPROVED, _S.RUNNING)
    await payments.pause_batch(tx, batch_id)
    batch = await store.update(tx, replace(batch, state=_S.PAUSED), work_after=now, now=now)
    await journal.tell(tx, BatchPaused, batch, meta)
    return batch


async def resume(tx: Tx, batch_id: UUID, *, now: datetime, meta: Meta) -> Batch:
    """Go on where the pause stopped it.

    Raises: BatchNotFound, BatchInWrongState.
    """
    batch = await store.lock(tx, batch_id)
    _expect(batch, _S.PAUSED)
    await payments.resume_batch(tx, batch_id)
    batch = await store.update(tx, replace(batch, state=_S.RUNNING), work_after=now, now=now)
    await journal.tell(tx, BatchResumed, batch, meta)
    return batch


async def cancel(tx: Tx, batch_id: UUID, *, now: datetime, meta: Meta) -> Batch:
    """Call off whatever has not been sent. Nothing leaves from the commit on; the holds are released by the worker.

    What has left comes home, and is told under the batch; `settled` says when the last of it has.

    Raises: BatchNotFound, BatchInWrongState.
    """
    batch = await store.lock(tx, batch_id)
    if batch.state in (_S.COMPLETED, _S.CANCELLED):
        raise BatchInWrongState(state=batch.state.value)
    return await end(tx, batch, "cancelled", now=now, meta=meta)


async def end(tx: Tx, batch: Batch, reason: str, *, now: datetime, meta: Meta) -> Batch:
    """Stop everything of a batch that is not over."""
    await payments.pause_batch(tx, batch.batch_id)
    await tx.execute(store.SQL.cancel_lines, tenant=tx.tenant, batch=batch.batch_id)
    batch = replace(
        batch,
        state=_S.CANCELLED,
        reason=reason,
        completed_at=now,
        tally=await store.tally(tx, batch.batch_id),
        tallied_at=now,
    )
    batch = await store.update(tx, batch, work_after=now, now=now)
    await journal.tell(tx, BatchCancelled, batch, meta)
    return batch


async def retry_failed(tx: Tx, batch_id: UUID, *, now: datetime, meta: Meta) -> tuple[Batch, int]:
    """Try lines again that failed and are proven to be unpaid, each as a new payment; how many they are.

    What was paid, may have been paid, or waits for a person is left alone.

    Raises: BatchNotFound, BatchInWrongState, NothingToRetry.
    """
    batch = await store.lock(tx, batch_id)
    _expect(batch, _S.RUNNING, _S.PAUSED, _S.COMPLETED)
    count = await tx.execute(store.SQL.retry_refused, tenant=tx.tenant, batch=batch_id)
    count += await tx.execute(store.SQL.retry_failed, tenant=tx.tenant, batch=batch_id)
    if not count:
        raise NothingToRetry()
    state = _S.PAUSED if batch.state is _S.PAUSED else _S.RUNNING
    batch = replace(batch, state=state, settled=False, completed_at=None)
    batch = await store.update(tx, batch, work_after=now, now=now)
    await journal.tell(tx, BatchResumed, batch, meta)
    return batch, count

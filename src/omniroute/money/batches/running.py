"""Carrying out a batch, a chunk at a time. What a chunk does and that it was done are one commit: a crash repeats
nothing and leaves nothing out.
"""

from collections.abc import Sequence
from dataclasses import replace
from datetime import date, datetime, timedelta
from typing import Any
from uuid import UUID

from omniroute.infra.postgres import Tx
from omniroute.kit.refusal import Refusal
from omniroute.money import payments
from omniroute.money.batches import journal, store
from omniroute.money.batches.checking import command_of, problem_of, zone_of
from omniroute.money.batches.events import BatchCompleted
from omniroute.money.batches.model import Batch, BatchState, LineState, Problem, is_open
from omniroute.money.payments import Initiated, Request, Rulebook
from omniroute.money.payments.errors import PaymentExists

CHUNK = 500
LOOK_AGAIN = timedelta(seconds=1)
LOOK_AGAIN_BIG = timedelta(seconds=3)
BIG = 20_000


async def initiate_lines(
    tx: Tx, batch: Batch, *, rules: Rulebook, now: datetime, today: date, chunk: int = CHUNK
) -> int:
    """Make payments of the next lines; how many lines. Without any left, see whether the batch is over."""
    rows = await tx.all(
        store.SQL.next_lines, tenant=tx.tenant, batch=batch.batch_id, state=LineState.VALID.value, limit=chunk
    )
    if batch.state is BatchState.APPROVED:
        batch = await store.update(tx, replace(batch, state=BatchState.RUNNING), work_after=now, now=now)
    if not rows:
        await _look(tx, batch, now=now)
        return 0
    outcomes = await _initiate(tx, batch, rows, rules=rules, now=now, today=today)
    await store.set_outcomes(
        tx,
        batch.batch_id,
        [row.line_number for row in rows],
        [LineState.INITIATED if isinstance(outcome, UUID) else LineState.REFUSED for outcome in outcomes],
        [
            # A second try that is refused still shows the payment that failed before.
            outcome if isinstance(outcome, UUID) else row.payment_id
            for row, outcome in zip(rows, outcomes, strict=True)
        ],
        [None if isinstance(outcome, UUID) else outcome for outcome in outcomes],
    )
    await tx.execute(store.SQL.rest_batch, tenant=tx.tenant, batch=batch.batch_id, later=now)
    return len(rows)


async def _initiate(
    tx: Tx, batch: Batch, rows: Sequence[Any], *, rules: Rulebook, now: datetime, today: date
) -> list[UUID | Problem]:
    """The payment of each line, or why there is none."""
    outcomes: list[UUID | Problem | None] = [None] * len(rows)
    unproven = await _unproven(tx, rows)
    zone = await zone_of(tx)
    requests: list[Request] = []
    places: list[int] = []
    for place, row in enumerate(rows):
        if row.payment_id in unproven:
            outcomes[place] = Problem("payments.wrong_state", "the payment before may have been made after all")
            continue
        try:
            command = command_of(batch, row, zone=zone, now=now)
        except Refusal as refusal:
            outcomes[place] = problem_of(refusal)
            continue
        requests.append(Request(command, batch.initiated_by, batch.branches, journal.WORKER))
        places.append(place)
    initiated = await payments.initiate(tx, requests, rules=rules, now=now, today=today)
    for place, request, outcome in zip(places, requests, initiated, strict=True):
        if not isinstance(outcome, Initiated):
            outcomes[place] = problem_of(outcome.refusal)
            continue
        payment, command = outcome.payment, request.command
        if (payment.batch_id, payment.line_number) != (command.batch_id, command.line_number):
            outcomes[place] = problem_of(PaymentExists(reference=command.reference, field="reference"))
            continue
        outcomes[place] = payment.payment_id
    return [outcome for outcome in outcomes if outcome is not None]


async def _unproven(tx: Tx, rows: Sequence[Any]) -> set[UUID | None]:
    """Payments of an earlier try that are not, or no longer, proven to be unpaid: something came in late."""
    earlier = [row.payment_id for row in rows if row.payment_id is not None and row.tries]
    if not earlier:
        return set()
    found = await tx.all(store.SQL.not_proven_unpaid, tenant=tx.tenant, payments=earlier)
    return {row.payment_id for row in found}


async def cancel_payments(tx: Tx, batch: Batch, *, now: datetime, today: date, chunk: int = CHUNK) -> int:
    """Release the next payments of a cancelled batch; how many. Without any left, see whether the batch is settled."""
    rows = await tx.all(store.SQL.cancellable_payments, tenant=tx.tenant, batch=batch.batch_id, limit=chunk)
    if not rows:
        await _look(tx, batch, now=now)
        return 0
    ids = [row.payment_id for row in rows]
    await payments.cancel(
        tx, ids, actor=journal.WORKER.actor or "", comment=batch.reason, now=now, today=today, meta=journal.WORKER
    )
    await tx.execute(store.SQL.rest_batch, tenant=tx.tenant, batch=batch.batch_id, later=now)
    return len(ids)


async def _look(tx: Tx, batch: Batch, *, now: datetime) -> None:
    """Count where the lines stand; a batch of which nothing is under way is over."""
    tally = await store.tally(tx, batch.batch_id)
    batch = replace(batch, tally=tally, tallied_at=now)
    if any(is_open(one) for one in tally):
        pause = LOOK_AGAIN_BIG if batch.total_count > BIG else LOOK_AGAIN
        await store.update(tx, batch, work_after=now + pause, now=now)
        return
    if batch.state is BatchState.CANCELLED:
        await store.update(tx, replace(batch, settled=True), work_after=now, now=now)
        return
    batch = replace(batch, state=BatchState.COMPLETED, settled=True, completed_at=now)
    batch = await store.update(tx, batch, work_after=now, now=now)
    await journal.tell(tx, BatchCompleted, batch, journal.WORKER)

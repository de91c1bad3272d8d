"""Rows of batches as values, and values as rows. A chunk is one statement."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec
from psycopg.types.json import Jsonb

from omniroute.infra.postgres import Int4Array, Int8Array, JsonbArray, TextArray, Tx, UuidArray, load
from omniroute.money.batches.errors import BatchNotFound
from omniroute.money.batches.model import (
    Batch,
    BatchFormat,
    BatchState,
    Count,
    FileLine,
    Funds,
    Line,
    LineState,
    OnInvalid,
    Problem,
    Sum,
)

SQL = load("omniroute.money.batches")
BATCHES = SQL.listing("list_batches")
LINES = SQL.listing("list_lines")
_json = msgspec.json.encode


def jsonb(value: object) -> Jsonb:
    """A value for a jsonb column."""
    return Jsonb(value, dumps=_json)


def batch_of(row: Any) -> Batch:
    """A row of `payment_batch`."""
    return Batch(
        batch_id=row.batch_id,
        reference=row.reference,
        name=row.name,
        state=BatchState(row.state),
        reason=row.reason,
        branches=None if row.branches is None else tuple(row.branches),
        format=BatchFormat(row.format),
        file_name=row.file_name,
        byte_count=row.byte_count,
        on_invalid=OnInvalid(row.on_invalid),
        origin=row.origin,
        total_count=row.total_count,
        valid_count=row.valid_count,
        invalid_count=row.invalid_count,
        totals=tuple(msgspec.convert(row.totals, list[Sum])),
        funds=tuple(msgspec.convert(row.funds, list[Funds])),
        tally=tuple(msgspec.convert(row.tally, list[Count])),
        tallied_at=row.tallied_at,
        approvals_needed=row.approvals_needed,
        approvals_given=row.approvals_given,
        initiated_by=row.initiated_by,
        submitted_by=row.submitted_by,
        expires_at=row.expires_at,
        settled=row.settled,
        created_at=row.created_at,
        updated_at=row.updated_at,
        completed_at=row.completed_at,
        version=row.version,
    )


def line_of(row: Any) -> Line:
    """A row of `payment_batch_line`, with those of its payment if the query has them."""
    return Line(
        number=row.line_number,
        state=LineState(row.state),
        reference=row.reference,
        type=row.type,
        amount_minor=row.amount_minor,
        currency=row.currency,
        source=row.source_code,
        payee=row.payee,
        narration=row.narration,
        send_on=row.send_on,
        fee_minor=row.fee_minor,
        rail=row.rail,
        problem=None if row.problem is None else msgspec.convert(row.problem, Problem),
        tries=row.tries,
        origin=row.origin,
        payment_id=row.payment_id,
        payment_reference=row.payment_reference,
        payment_state=row.payment_state,
        payment_reason=row.payment_reason,
        attempt_state=row.attempt_state,
        provider_ref=row.provider_ref,
        receipt=row.receipt,
        completed_at=row.completed_at,
    )


async def find(tx: Tx, batch_id: UUID) -> Batch:
    """One batch.

    Raises: BatchNotFound.
    """
    row = await tx.one_or_none(SQL.find_batch, tenant=tx.tenant, batch=batch_id)
    if row is None:
        raise BatchNotFound()
    return batch_of(row)


async def lock(tx: Tx, batch_id: UUID) -> Batch:
    """One batch, held until the transaction ends.

    Raises: BatchNotFound.
    """
    row = await tx.one_or_none(SQL.lock_batch, tenant=tx.tenant, batch=batch_id)
    if row is None:
        raise BatchNotFound()
    return batch_of(row)


async def update(tx: Tx, batch: Batch, *, work_after: datetime, now: datetime) -> Batch:
    """Write where a batch stands; the batch as it is then."""
    row = await tx.one(
        SQL.update_batch,
        tenant=tx.tenant,
        batch=batch.batch_id,
        state=batch.state.value,
        reason=batch.reason,
        on_invalid=batch.on_invalid.value,
        origin=jsonb(batch.origin),
        valid_count=batch.valid_count,
        invalid_count=batch.invalid_count,
        totals=jsonb(batch.totals),
        funds=jsonb(batch.funds),
        tally=jsonb(batch.tally),
        tallied_at=batch.tallied_at,
        approvals_needed=batch.approvals_needed,
        approvals_given=batch.approvals_given,
        submitted_by=batch.submitted_by,
        expires_at=batch.expires_at,
        settled=batch.settled,
        completed_at=batch.completed_at,
        work_after=work_after,
        now=now,
    )
    return batch_of(row)


async def tally(tx: Tx, batch_id: UUID) -> tuple[Count, ...]:
    """How many lines stand where, counted now."""
    rows = await tx.all(SQL.tally, tenant=tx.tenant, batch=batch_id)
    return tuple(
        Count(LineState(row.line), row.payment, row.currency, row.count, int(row.amount_minor)) for row in rows
    )


async def insert_lines(tx: Tx, batch_id: UUID, reference: str, lines: Sequence[FileLine]) -> None:
    """Lines as they were read. One without a reference gets the batch's with its number."""
    await tx.execute(
        SQL.insert_lines,
        tenant=tx.tenant,
        batch=batch_id,
        line_number=Int4Array.of([line.number for line in lines]),
        state=TextArray.of([_state(line).value for line in lines]),
        reference=TextArray.of([line.reference or f"{reference}-{line.number:06d}" for line in lines]),
        type=TextArray.of([line.type for line in lines]),
        amount_minor=Int8Array.of_nullable([line.amount_minor for line in lines]),
        currency=TextArray.of([line.currency for line in lines]),
        source_code=TextArray.of([line.source for line in lines]),
        payee=JsonbArray.of([_json(line.payee) for line in lines]),
        narration=TextArray.of([line.narration for line in lines]),
        send_on=[line.send_on for line in lines],
        connection=TextArray.of([line.connection for line in lines]),
        metadata=JsonbArray.of([_json(line.metadata) for line in lines]),
        origin=JsonbArray.of([None if line.origin is None else _json(line.origin) for line in lines]),
        problem=JsonbArray.of([problem_json(line.problem) for line in lines]),
    )


def _state(line: FileLine) -> LineState:
    return LineState.RECEIVED if line.problem is None else LineState.INVALID


def problem_json(problem: Problem | None) -> bytes | None:
    """A problem for a jsonb column."""
    return None if problem is None else _json(problem)


async def set_outcomes(
    tx: Tx,
    batch_id: UUID,
    numbers: Sequence[int],
    states: Sequence[LineState],
    payments: Sequence[UUID | None],
    problems: Sequence[Problem | None],
) -> None:
    """What became of lines that were to be initiated."""
    await tx.execute(
        SQL.set_outcomes,
        tenant=tx.tenant,
        batch=batch_id,
        line_number=Int4Array.of(numbers),
        state=TextArray.of([state.value for state in states]),
        payment_id=UuidArray.of(payments),
        problem=JsonbArray.of([problem_json(problem) for problem in problems]),
    )

"""Rows of payments as values, and values as rows. A batch is one statement a table."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec
from psycopg.types.json import Jsonb

from omniroute.infra.postgres import (
    Int4Array,
    Int8Array,
    JsonbArray,
    TextArray,
    TimestampArray,
    Tx,
    UuidArray,
    load,
)
from omniroute.kit.ids import uuid7
from omniroute.kit.money import Money
from omniroute.money.payments.model import (
    Attempt,
    AttemptState,
    LimitUse,
    Payment,
    PaymentState,
    PaymentType,
    Route,
    Source,
    Step,
)
from omniroute.ports.rails import Holder, Party

SQL = load("omniroute.money.payments")
PAYMENTS = SQL.listing("list_payments")
UNKNOWN = SQL.listing("list_unknown")
EXCEPTIONS = SQL.listing("list_exceptions")
PROVIDER_EVENTS = SQL.listing("list_provider_events")
_json = msgspec.json.encode


def jsonb(value: object) -> Jsonb:
    """A value for a jsonb column."""
    return Jsonb(value, dumps=_json)


@dataclass(frozen=True, slots=True)
class NewStep:
    """A line of a timeline to be written."""

    payment_id: UUID
    state: str
    source: Source
    reason: str | None = None
    actor: str | None = None
    attempt_id: UUID | None = None
    evidence: object | None = None


def payment_of(row: Any) -> Payment:
    """A row of `payment`."""
    return Payment(
        payment_id=row.payment_id,
        reference=row.reference,
        type=PaymentType(row.type),
        state=PaymentState(row.state),
        reason=row.reason,
        amount=Money(row.amount_minor, row.currency),
        fee_minor=row.fee_minor,
        branch_id=row.branch_id,
        source_account_id=row.source_account_id,
        source_code=row.source_code,
        payee=msgspec.convert(row.payee, Party),
        narration=row.narration,
        metadata=row.metadata,
        rail=row.rail,
        route=row.route,
        connection_ids=tuple(row.connection_ids),
        candidate=row.candidate,
        hold_id=row.hold_id,
        fee_hold_id=row.fee_hold_id,
        transaction_id=row.transaction_id,
        fee_transaction_id=row.fee_transaction_id,
        approvals_needed=row.approvals_needed,
        approvals_given=row.approvals_given,
        attempt_count=row.attempt_count,
        batch_id=row.batch_id,
        line_number=row.line_number,
        schedule_id=row.schedule_id,
        send_after=row.send_after,
        expires_at=row.expires_at,
        initiated_by=row.initiated_by,
        created_at=row.created_at,
        updated_at=row.updated_at,
        completed_at=row.completed_at,
        version=row.version,
        accepted_name=row.accepted_name,
    )


def attempt_of(row: Any) -> Attempt:
    """A row of `payment_attempt`."""
    return Attempt(
        attempt_id=row.attempt_id,
        payment_id=row.payment_id,
        number=row.number,
        rail=row.rail,
        connection_id=row.connection_id,
        our_ref=row.our_ref,
        provider_ref=row.provider_ref,
        state=AttemptState(row.state),
        holder=None if row.holder is None else msgspec.convert(row.holder, Holder),
        code=row.code,
        code_class=row.code_class,
        message=row.message,
        receipt=row.receipt,
        rail_fee_minor=row.rail_fee_minor,
        evidence=row.evidence,
        claimed_by=row.claimed_by,
        lease_until=row.lease_until,
        sent_at=row.sent_at,
        next_query_at=row.next_query_at,
        query_count=row.query_count,
        not_found_count=row.not_found_count,
        created_at=row.created_at,
        updated_at=row.updated_at,
    )


async def find_by_references(tx: Tx, references: Sequence[str]) -> dict[str, tuple[Payment, UUID]]:
    """Existing payments by reference, each with the hash of what was asked for."""
    rows = await tx.all(SQL.find_by_references, tenant=tx.tenant, references=list(references))
    return {row.reference: (payment_of(row), row.body_hash) for row in rows}


async def find_by_keys(tx: Tx, keys: Sequence[UUID]) -> dict[UUID, str]:
    """The references of the payments these idempotency keys stand for."""
    if not keys:
        return {}
    rows = await tx.all(SQL.find_by_keys, tenant=tx.tenant, keys=list(keys))
    return {row.request_key: row.reference for row in rows}


async def lock_limit_uses(tx: Tx, limits: Iterable[LimitUse]) -> dict[LimitUse, tuple[int, int]]:
    """What each limit has let through so far (minor units, payments), held until the transaction ends."""
    by_key = {(limit.limit_id, limit.bucket): limit for limit in limits}
    if not by_key:
        return {}
    keys: dict[str, object] = {"limits": [key[0] for key in by_key], "buckets": [key[1] for key in by_key]}
    await tx.execute(SQL.open_limit_uses, tenant=tx.tenant, **keys)
    rows = await tx.all(SQL.lock_limit_uses, tenant=tx.tenant, **keys)
    return {by_key[row.limit_id, row.bucket]: (row.used_minor, row.used_count) for row in rows}


async def set_limit_uses(tx: Tx, uses: dict[LimitUse, tuple[int, int]]) -> None:
    """Write what limits have let through now."""
    if uses:
        await tx.execute(
            SQL.set_limit_uses,
            tenant=tx.tenant,
            limits=[limit.limit_id for limit in uses],
            buckets=[limit.bucket for limit in uses],
            used_minor=[used for used, _ in uses.values()],
            used_count=[count for _, count in uses.values()],
            allowed_minor=[limit.amount_max_minor for limit in uses],
            allowed_count=[limit.count_max for limit in uses],
        )


async def release_limit_uses(tx: Tx, payments: Iterable[Payment]) -> None:
    """Give back what payments that were not made took from limits."""
    ids = [payment.payment_id for payment in payments]
    if ids:
        await tx.execute(SQL.release_limit_uses, tenant=tx.tenant, payments=ids)


async def insert_payments(
    tx: Tx,
    payments: Sequence[Payment],
    hashes: Sequence[UUID],
    keys: Sequence[UUID | None],
    limits: Sequence[Sequence[LimitUse]],
    now: datetime,
) -> None:
    """New payments."""
    if not payments:
        return
    uses = [
        _json([{"limit_id": use.limit_id, "bucket": use.bucket, "name": use.name} for use in taken]) for taken in limits
    ]
    await tx.execute(
        SQL.insert_payments,
        tenant=tx.tenant,
        now=now,
        payment_id=UuidArray.of([p.payment_id for p in payments]),
        reference=TextArray.of([p.reference for p in payments]),
        type=TextArray.of([p.type.value for p in payments]),
        state=TextArray.of([p.state.value for p in payments]),
        amount_minor=Int8Array.of([p.amount.amount_minor for p in payments]),
        currency=TextArray.of([p.amount.currency for p in payments]),
        fee_minor=Int8Array.of([p.fee_minor for p in payments]),
        branch_id=UuidArray.of([p.branch_id for p in payments]),
        source_account_id=UuidArray.of([p.source_account_id for p in payments]),
        source_code=TextArray.of([p.source_code for p in payments]),
        payee=JsonbArray.of([_json(p.payee) for p in payments]),
        narration=TextArray.of([p.narration for p in payments]),
        metadata=JsonbArray.of([_json(p.metadata) for p in payments]),
        body_hash=UuidArray.of(list(hashes)),
        request_key=UuidArray.of(list(keys)),
        rail=TextArray.of([p.rail for p in payments]),
        route=JsonbArray.of([_json(p.route) for p in payments]),
        limits=JsonbArray.of(uses),
        hold_id=UuidArray.of([p.hold_id for p in payments]),
        fee_hold_id=UuidArray.of([p.fee_hold_id for p in payments]),
        transaction_id=UuidArray.of([p.transaction_id for p in payments]),
        approvals_needed=Int4Array.of([p.approvals_needed for p in payments]),
        batch_id=UuidArray.of([p.batch_id for p in payments]),
        line_number=[p.line_number for p in payments],
        schedule_id=UuidArray.of([p.schedule_id for p in payments]),
        send_after=TimestampArray.of([p.send_after for p in payments]),
        expires_at=TimestampArray.of([p.expires_at for p in payments]),
        initiated_by=TextArray.of([p.initiated_by for p in payments]),
        completed_at=TimestampArray.of([p.completed_at for p in payments]),
    )


async def insert_steps(tx: Tx, steps: Sequence[NewStep], now: datetime) -> None:
    """Lines of timelines, in this order."""
    if not steps:
        return
    await tx.execute(
        SQL.insert_steps,
        tenant=tx.tenant,
        now=now,
        payment_id=UuidArray.of([s.payment_id for s in steps]),
        step_id=UuidArray.of([uuid7() for _ in steps]),
        attempt_id=UuidArray.of([s.attempt_id for s in steps]),
        state=TextArray.of([s.state for s in steps]),
        source=TextArray.of([s.source.value for s in steps]),
        reason=TextArray.of([s.reason for s in steps]),
        actor=TextArray.of([s.actor for s in steps]),
        evidence=JsonbArray.of([None if s.evidence is None else _json(s.evidence) for s in steps]),
    )


async def lock_payments(tx: Tx, payment_ids: Sequence[UUID]) -> dict[UUID, Payment]:
    """Payments, held until the transaction ends."""
    rows = await tx.all(SQL.lock_payments, tenant=tx.tenant, payments=list(payment_ids))
    return {row.payment_id: payment_of(row) for row in rows}


async def lock_due(tx: Tx, payment_ids: Sequence[UUID], now: datetime) -> list[Payment]:
    """Those that are still to be sent and that nobody else is taking up."""
    rows = await tx.all(SQL.lock_due_payments, tenant=tx.tenant, payments=list(payment_ids), now=now)
    return [payment_of(row) for row in rows]


async def lock_attempts(tx: Tx, attempt_ids: Sequence[UUID]) -> tuple[dict[UUID, Attempt], dict[UUID, Payment]]:
    """Attempts with all others of their payments, and the payments, held until the transaction ends; payments first,
    as everywhere. Both are in the order of payments, attempts in that of their numbers."""
    asked: dict[str, object] = {"tenant": tx.tenant, "attempts": list(attempt_ids)}
    payments, attempts = await tx.all_of((SQL.lock_payments_of_attempts, asked), (SQL.lock_families, asked))
    return {row.attempt_id: attempt_of(row) for row in attempts}, {row.payment_id: payment_of(row) for row in payments}


async def siblings(tx: Tx, payment_ids: Iterable[UUID]) -> dict[UUID, list[Any]]:
    """Every attempt of these payments (payment_id, attempt_id, number, state, connection_id), the first first."""
    found: dict[UUID, list[Any]] = {}
    for row in await tx.all(SQL.siblings, tenant=tx.tenant, payments=list(payment_ids)):
        found.setdefault(row.payment_id, []).append(row)
    return found


async def update_payments(tx: Tx, payments: Sequence[Payment], now: datetime) -> None:
    """Write where payments stand."""
    if not payments:
        return
    await tx.execute(
        SQL.update_payments,
        tenant=tx.tenant,
        now=now,
        payment_id=UuidArray.of([p.payment_id for p in payments]),
        state=TextArray.of([p.state.value for p in payments]),
        reason=TextArray.of([p.reason for p in payments]),
        rail=TextArray.of([p.rail for p in payments]),
        candidate=Int4Array.of([p.candidate for p in payments]),
        hold_id=UuidArray.of([p.hold_id for p in payments]),
        fee_hold_id=UuidArray.of([p.fee_hold_id for p in payments]),
        transaction_id=UuidArray.of([p.transaction_id for p in payments]),
        fee_transaction_id=UuidArray.of([p.fee_transaction_id for p in payments]),
        approvals_given=Int4Array.of([p.approvals_given for p in payments]),
        attempt_count=Int4Array.of([p.attempt_count for p in payments]),
        send_after=TimestampArray.of([p.send_after for p in payments]),
        completed_at=TimestampArray.of([p.completed_at for p in payments]),
    )


async def insert_attempts(tx: Tx, attempts: Sequence[Attempt], now: datetime) -> None:
    """New attempts of one taker."""
    if not attempts:
        return
    await tx.execute(
        SQL.insert_attempts,
        tenant=tx.tenant,
        now=now,
        claimed_by=attempts[0].claimed_by,
        attempt_id=UuidArray.of([a.attempt_id for a in attempts]),
        payment_id=UuidArray.of([a.payment_id for a in attempts]),
        number=Int4Array.of([a.number for a in attempts]),
        rail=TextArray.of([a.rail for a in attempts]),
        connection_id=UuidArray.of([a.connection_id for a in attempts]),
        our_ref=TextArray.of([a.our_ref for a in attempts]),
        state=TextArray.of([a.state.value for a in attempts]),
        lease_until=TimestampArray.of([a.lease_until for a in attempts]),
        sent_at=TimestampArray.of([a.sent_at for a in attempts]),
    )


async def mark_sending(tx: Tx, attempts: Sequence[Attempt], *, claimed_by: str, now: datetime) -> set[UUID]:
    """The last word before bytes leave; those that are still ours, with the new lease and holder of `attempts`."""
    rows = await tx.all(
        SQL.mark_sending,
        tenant=tx.tenant,
        now=now,
        claimed_by=claimed_by,
        attempt_id=UuidArray.of([a.attempt_id for a in attempts]),
        holder=JsonbArray.of([None if a.holder is None else _json(a.holder) for a in attempts]),
        lease_until=TimestampArray.of([a.lease_until for a in attempts]),
    )
    return {row.attempt_id for row in rows}


async def update_attempts(tx: Tx, attempts: Sequence[Attempt], now: datetime) -> None:
    """Write where attempts stand."""
    if not attempts:
        return
    await tx.execute(
        SQL.update_attempts,
        tenant=tx.tenant,
        now=now,
        attempt_id=UuidArray.of([a.attempt_id for a in attempts]),
        state=TextArray.of([a.state.value for a in attempts]),
        provider_ref=TextArray.of([a.provider_ref for a in attempts]),
        code=TextArray.of([a.code for a in attempts]),
        code_class=TextArray.of([a.code_class for a in attempts]),
        message=TextArray.of([a.message for a in attempts]),
        receipt=TextArray.of([a.receipt for a in attempts]),
        rail_fee_minor=Int8Array.of_nullable([a.rail_fee_minor for a in attempts]),
        evidence=JsonbArray.of([_json(a.evidence) for a in attempts]),
        sent_at=TimestampArray.of([a.sent_at for a in attempts]),
        next_query_at=TimestampArray.of([a.next_query_at for a in attempts]),
        query_count=Int4Array.of([a.query_count for a in attempts]),
        not_found_count=Int4Array.of([a.not_found_count for a in attempts]),
    )


@dataclass(frozen=True, slots=True)
class NewException:
    """Something that does not add up, to be told to a person."""

    payment_id: UUID
    attempt_id: UUID | None
    kind: str
    detail: object
    transaction_id: UUID | None = None


async def insert_exceptions(tx: Tx, new: Sequence[NewException], now: datetime) -> list[Any]:
    """Open exceptions; those that were not open yet (exception_id, payment_id, kind)."""
    if not new:
        return []
    return await tx.all(
        SQL.insert_exceptions,
        tenant=tx.tenant,
        now=now,
        exception_id=UuidArray.of([uuid7() for _ in new]),
        payment_id=UuidArray.of([e.payment_id for e in new]),
        attempt_id=UuidArray.of([e.attempt_id for e in new]),
        kind=TextArray.of([e.kind for e in new]),
        detail=JsonbArray.of([_json(e.detail) for e in new]),
        transaction_id=UuidArray.of([e.transaction_id for e in new]),
    )


async def find_routes(tx: Tx, payments: Iterable[Payment], attempts: Iterable[Attempt]) -> dict[UUID, Route]:
    """The connections these payments may go over, and those their attempts went over."""
    ids = {connection_id for payment in payments for connection_id in payment.connection_ids}
    ids |= {attempt.connection_id for attempt in attempts}
    rows = await tx.all(SQL.find_routes, tenant=tx.tenant, connections=list(ids))
    return {
        row.connection_id: Route(row.connection_id, row.rail, row.float_account_id, row.statement_until) for row in rows
    }


async def find_steps(tx: Tx, payment_id: UUID) -> list[Step]:
    """The timeline of a payment, the first line first."""
    rows = await tx.all(SQL.find_steps, tenant=tx.tenant, payment=payment_id)
    return [
        Step(row.at, row.state, Source(row.source), row.reason, row.actor, row.attempt_id, row.evidence) for row in rows
    ]

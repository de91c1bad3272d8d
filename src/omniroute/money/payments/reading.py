"""Looking at payments: as they stand, what happened to them, what is unknown, what does not add up, what rails said."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from omniroute.infra.postgres import Tx, read_page
from omniroute.kit.paging import Page
from omniroute.money.payments import store
from omniroute.money.payments.errors import PaymentNotFound, ProviderEventNotFound
from omniroute.money.payments.model import Attempt, AttemptState, Payment, PaymentState, PublicStatus, public_status
from omniroute.money.payments.store import EXCEPTIONS, PAYMENTS, PROVIDER_EVENTS, SQL, UNKNOWN


@dataclass(frozen=True, slots=True)
class Standing:
    """A payment with its newest attempt."""

    payment: Payment
    attempt: Attempt | None

    @property
    def status(self) -> PublicStatus:
        """The status customers know."""
        attempt = None if self.attempt is None else self.attempt.state
        return public_status(self.payment.state, attempt, self.payment.reason)

    @property
    def external_reference(self) -> str | None:
        """By what name the rail knows it: its own, or ours where it gives none."""
        attempt = self.attempt
        if attempt is None or attempt.sent_at is None:
            return None
        return attempt.provider_ref or attempt.our_ref

    @property
    def reason(self) -> str | None:
        """Why it stands there; UNKNOWN while nobody can tell what became of it."""
        if self.payment.state is PaymentState.EXECUTING and self.attempt is not None:
            return "UNKNOWN" if self.attempt.state is AttemptState.UNKNOWN else self.payment.reason
        return self.payment.reason


@dataclass(frozen=True, slots=True)
class Approval:
    """One person's word on a payment."""

    approver: str
    approved: bool
    comment: str | None
    decided_at: datetime


@dataclass(frozen=True, slots=True)
class PaymentException:
    """Something that does not add up, and what became of it."""

    exception_id: UUID
    payment_id: UUID
    attempt_id: UUID | None
    kind: str
    detail: Mapping[str, Any]
    transaction_id: UUID | None
    opened_at: datetime
    resolved_at: datetime | None
    resolved_by: str | None
    resolution: str | None


@dataclass(frozen=True, slots=True)
class ProviderEvent:
    """What a rail called us with; `body` and `headers` only where one is asked for."""

    event_id: UUID
    connection_id: UUID
    purpose: str
    ref: str
    authentic: bool
    received_at: datetime
    repeats: int
    state: str
    outcome: Mapping[str, Any] | None
    tries: int
    body_bytes: int
    headers: Mapping[str, str] | None = None
    body: bytes | None = None


async def find_payment(tx: Tx, payment_id: UUID) -> Standing:
    """A payment as it stands. Raises: PaymentNotFound."""
    row = await tx.one_or_none(SQL.find_payment, tenant=tx.tenant, payment=payment_id)
    if row is None:
        raise PaymentNotFound()
    return (await standing(tx, [store.payment_of(row)]))[0]


async def find_payments(tx: Tx, payment_ids: Sequence[UUID]) -> list[Standing]:
    """Those of these payments that there are, as they stand."""
    rows = await tx.all(SQL.payments_by_id, tenant=tx.tenant, payments=list(payment_ids))
    return await standing(tx, [store.payment_of(row) for row in rows])


async def find_by_reference(tx: Tx, reference: str) -> Standing:
    """The payment the organisation calls by this name. Raises: PaymentNotFound."""
    found = (await store.find_by_references(tx, [reference])).get(reference)
    if found is None:
        raise PaymentNotFound()
    return (await standing(tx, [found[0]]))[0]


async def standing(tx: Tx, payments: Sequence[Payment]) -> list[Standing]:
    """These payments with their newest attempts, in the same order."""
    sent = [payment.payment_id for payment in payments if payment.attempt_count]
    rows = await tx.all(SQL.last_attempts, tenant=tx.tenant, payments=sent) if sent else []
    newest = {row.payment_id: store.attempt_of(row) for row in rows}
    return [Standing(payment, newest.get(payment.payment_id)) for payment in payments]


async def list_payments(
    tx: Tx,
    *,
    status: PublicStatus | None = None,
    state: PaymentState | None = None,
    type: str | None = None,  # noqa: A002 - the field's name
    connection_id: UUID | None = None,
    batch_id: UUID | None = None,
    created_from: datetime | None = None,
    created_to: datetime | None = None,
    sort: str | None = None,
    limit: int | None = None,
    cursor: str | None = None,
) -> Page[Standing]:
    """A page of payments. Raises: UnknownSort, LimitOutOfRange, MalformedCursor, ForeignCursor."""
    page = await read_page(
        tx,
        PAYMENTS,
        sort=sort,
        limit=limit,
        cursor=cursor,
        tenant=tx.tenant,
        status=None if status is None else status.value,
        state=None if state is None else state.value,
        type=type,
        connection=connection_id,
        batch=batch_id,
        created_from=created_from,
        created_to=created_to,
    )
    return Page(await standing(tx, [store.payment_of(row) for row in page.items]), page.next_cursor)


async def find_attempts(tx: Tx, payment_id: UUID) -> list[Attempt]:
    """Every send of a payment, the first first."""
    rows = await tx.all(SQL.find_attempts, tenant=tx.tenant, payment=payment_id)
    return [store.attempt_of(row) for row in rows]


async def find_approvals(tx: Tx, payment_id: UUID) -> list[Approval]:
    """Who said what to a payment, the first first."""
    rows = await tx.all(SQL.find_approvals, tenant=tx.tenant, payment=payment_id)
    return [Approval(row.approver, row.approved, row.comment, row.decided_at) for row in rows]


async def list_unknown(tx: Tx, *, sort: str | None, limit: int | None, cursor: str | None) -> Page[Standing]:
    """Payments nobody knows the outcome of, the longest waiting first; `attempt` is the one that is unknown.

    Raises: UnknownSort, LimitOutOfRange, MalformedCursor, ForeignCursor.
    """
    page = await read_page(tx, UNKNOWN, sort=sort, limit=limit, cursor=cursor, tenant=tx.tenant)
    attempts = [store.attempt_of(row) for row in page.items]
    rows = await tx.all(SQL.payments_by_id, tenant=tx.tenant, payments=[attempt.payment_id for attempt in attempts])
    payments = {row.payment_id: store.payment_of(row) for row in rows}
    return Page([Standing(payments[attempt.payment_id], attempt) for attempt in attempts], page.next_cursor)


async def list_exceptions(
    tx: Tx,
    *,
    is_open: bool | None = None,
    kind: str | None = None,
    payment_id: UUID | None = None,
    sort: str | None = None,
    limit: int | None = None,
    cursor: str | None = None,
) -> Page[PaymentException]:
    """A page of what does not add up. Raises: UnknownSort, LimitOutOfRange, MalformedCursor, ForeignCursor."""
    page = await read_page(
        tx,
        EXCEPTIONS,
        sort=sort,
        limit=limit,
        cursor=cursor,
        tenant=tx.tenant,
        open=is_open,
        kind=kind,
        payment=payment_id,
    )
    return page.map(
        lambda row: PaymentException(
            row.exception_id,
            row.payment_id,
            row.attempt_id,
            row.kind,
            row.detail,
            row.transaction_id,
            row.opened_at,
            row.resolved_at,
            row.resolved_by,
            row.resolution,
        )
    )


async def list_provider_events(
    tx: Tx,
    *,
    state: str | None = None,
    connection_id: UUID | None = None,
    ref: str | None = None,
    sort: str | None = None,
    limit: int | None = None,
    cursor: str | None = None,
) -> Page[ProviderEvent]:
    """A page of what rails called us with. Raises: UnknownSort, LimitOutOfRange, MalformedCursor, ForeignCursor."""
    page = await read_page(
        tx,
        PROVIDER_EVENTS,
        sort=sort,
        limit=limit,
        cursor=cursor,
        tenant=tx.tenant,
        state=state,
        connection=connection_id,
        ref=ref,
    )
    return page.map(_event)


async def find_provider_event(tx: Tx, event_id: UUID) -> ProviderEvent:
    """One call of a rail, with its bytes. Raises: ProviderEventNotFound."""
    row = await tx.one_or_none(SQL.find_provider_event, tenant=tx.tenant, event=event_id)
    if row is None:
        raise ProviderEventNotFound()
    return _event(row, headers=row.headers, body=bytes(row.body))


async def replay_provider_event(tx: Tx, event_id: UUID, *, now: datetime) -> ProviderEvent:
    """Let a call be looked at once more, as if it had just come in. What it says can do nothing a second time.

    Raises: ProviderEventNotFound.
    """
    await tx.execute(SQL.replay_provider_event, tenant=tx.tenant, event=event_id, now=now)
    return await find_provider_event(tx, event_id)


def _event(row: Any, **more: Any) -> ProviderEvent:
    return ProviderEvent(
        row.event_id,
        row.connection_id,
        row.purpose,
        row.ref,
        row.authentic,
        row.received_at,
        row.repeats,
        row.state,
        row.outcome,
        row.tries,
        row.body_bytes,
        **more,
    )

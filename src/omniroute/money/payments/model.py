"""The nouns of payments. Frozen; no I/O. Amounts are integers in minor units."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

from omniroute.kit.money import Money
from omniroute.kit.refusal import Refusal
from omniroute.ports.rails import Holder, Party

BOOK = "book"
"""The rail of internal transfers: our own ledger."""


class PaymentType(StrEnum):
    """What a payment is for. COLLECTION comes in, all others go out."""

    SUPPLIER_PAYMENT = "SUPPLIER_PAYMENT"
    WORKER_PAYOUT = "WORKER_PAYOUT"
    CUSTOMER_REFUND = "CUSTOMER_REFUND"
    COLLECTION = "COLLECTION"
    INTERNAL_TRANSFER = "INTERNAL_TRANSFER"
    BULK_DISBURSEMENT = "BULK_DISBURSEMENT"


class PaymentState(StrEnum):
    """Where a payment stands. See the picture in the charter of the package."""

    AWAITING_APPROVAL = "awaiting_approval"
    APPROVED = "approved"  # To be sent as soon as somebody takes it up.
    SCHEDULED = "scheduled"  # To be sent later.
    EXECUTING = "executing"  # An attempt is alive.
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"
    EXPIRED = "expired"
    NEEDS_REVIEW = "needs_review"  # Held; a person must decide on evidence.
    REVERSED = "reversed"

    @property
    def is_final(self) -> bool:
        """Nothing is held any more. (A succeeded payment may still be reversed by the rail.)"""
        return self in _FINAL


_FINAL = frozenset(
    {
        PaymentState.SUCCEEDED,
        PaymentState.FAILED,
        PaymentState.CANCELLED,
        PaymentState.EXPIRED,
        PaymentState.REVERSED,
    }
)


class AttemptState(StrEnum):
    """Where one send to one rail stands."""

    CREATED = "created"  # Named and committed; nothing has left the house, and nothing may before SENDING.
    SENDING = "sending"  # Committed before the first byte leaves.
    NOT_SENT = "not_sent"  # Provably never reached the rail.
    DECLINED = "declined"
    PENDING = "pending"
    UNKNOWN = "unknown"
    MANUAL = "manual"  # We gave up asking; a person decides.
    SUCCEEDED = "succeeded"
    NOT_FOUND_CONFIRMED = "not_found_confirmed"  # The rail does not have it, often enough and long enough.
    LATE_SUCCESS = "late_success"  # Paid although it counted as not paid.
    REVERSED = "reversed"

    @property
    def is_live(self) -> bool:
        """It may still pay, or has."""
        return self in _LIVE

    @property
    def is_unpaid(self) -> bool:
        """It counts as not paid."""
        return self in (AttemptState.NOT_SENT, AttemptState.DECLINED, AttemptState.NOT_FOUND_CONFIRMED)


_LIVE = frozenset(
    {
        AttemptState.CREATED,
        AttemptState.SENDING,
        AttemptState.PENDING,
        AttemptState.UNKNOWN,
        AttemptState.MANUAL,
    }
)


class PublicStatus(StrEnum):
    """The status customers know."""

    PENDING = "PENDING"
    AWAITING_APPROVAL = "AWAITING_APPROVAL"
    PROCESSING = "PROCESSING"
    SENT_TO_BANK = "SENT_TO_BANK"
    CONFIRMED = "CONFIRMED"
    FAILED = "FAILED"
    REVERSED = "REVERSED"
    EXPIRED = "EXPIRED"


class Source(StrEnum):
    """Where a step of a payment comes from."""

    REQUEST = "request"
    APPROVAL = "approval"
    WORKER = "worker"
    SUBMIT = "submit"
    QUERY = "query"
    CALLBACK = "callback"
    STATEMENT = "statement"
    OPERATOR = "operator"
    CLOCK = "clock"


class ExceptionKind(StrEnum):
    """What does not add up and waits for a person."""

    LATE_SUCCESS = "late_success"
    INTEGRITY_MISMATCH = "integrity_mismatch"
    CONTRADICTION = "contradiction"
    GIVEN_UP_ASKING = "given_up_asking"
    BOOKS_REFUSED = "books_refused"
    REVERSED_BY_RAIL = "reversed_by_rail"
    PAID_MORE = "paid_more"  # What the rail moved beyond the order stands in suspense.


@dataclass(frozen=True, slots=True)
class InitiatePayment:
    """What somebody wants paid. Make it with `commands.initiate`, which checks the form.

    `source_code`: the ledger account that pays. `send_after` None: now. `connection`: pay over this connection and no
    other; None lets the routing rules choose.
    """

    reference: str
    type: PaymentType
    amount: Money
    source_code: str
    payee: Party
    narration: str = ""
    metadata: Mapping[str, Any] = field(default_factory=dict)
    send_after: datetime | None = None
    connection: str | None = None
    batch_id: UUID | None = None
    line_number: int | None = None
    schedule_id: UUID | None = None
    approved: bool = False  # The approval was given elsewhere: of its batch, or of its standing order.


@dataclass(frozen=True, slots=True)
class LimitUse:
    """A limit that a payment uses up: so much may pass in the bucket (a business day, or the first of a month)."""

    limit_id: UUID
    bucket: date
    name: str
    amount_max_minor: int | None
    count_max: int | None


@dataclass(frozen=True, slots=True)
class Decision:
    """What the organisation's rules say to a payment before anything is asked of the books.

    `connection_ids`: the ways it may go, the best first; empty on the book rail. `explanation` tells why, rule by
    rule, and is kept with the payment.
    """

    rail: str
    connection_ids: tuple[UUID, ...]
    explanation: tuple[str, ...]
    float_account_ids: tuple[UUID, ...]
    fee_minor: int = 0
    fee_account_id: UUID | None = None
    approvals_needed: int = 0
    expires_at: datetime | None = None
    limits: tuple[LimitUse, ...] = ()


@dataclass(frozen=True, slots=True)
class Payment:
    """A payment as it stands."""

    payment_id: UUID
    reference: str
    type: PaymentType
    state: PaymentState
    reason: str | None
    amount: Money
    fee_minor: int
    branch_id: UUID | None
    source_account_id: UUID
    source_code: str
    payee: Party
    narration: str
    metadata: Mapping[str, Any]
    rail: str
    route: Mapping[str, Any]
    connection_ids: tuple[UUID, ...]
    candidate: int
    hold_id: UUID | None
    fee_hold_id: UUID | None
    transaction_id: UUID | None
    fee_transaction_id: UUID | None
    approvals_needed: int
    approvals_given: int
    attempt_count: int
    batch_id: UUID | None
    line_number: int | None
    schedule_id: UUID | None
    send_after: datetime
    expires_at: datetime | None
    initiated_by: str
    created_at: datetime
    updated_at: datetime
    completed_at: datetime | None
    version: int
    accepted_name: str | None = None  # The payee's name at the rail, where people accepted that it differs.

    @property
    def connection_id(self) -> UUID | None:
        """The connection it goes, or went, over."""
        return self.connection_ids[self.candidate] if self.connection_ids else None


@dataclass(frozen=True, slots=True)
class Attempt:
    """One send to one rail."""

    attempt_id: UUID
    payment_id: UUID
    number: int
    rail: str
    connection_id: UUID
    our_ref: str
    provider_ref: str | None
    state: AttemptState
    holder: Holder | None
    code: str | None
    code_class: str | None
    message: str | None
    receipt: str | None
    rail_fee_minor: int | None
    evidence: Mapping[str, Any]
    claimed_by: str
    lease_until: datetime
    sent_at: datetime | None
    next_query_at: datetime | None
    query_count: int
    not_found_count: int
    created_at: datetime
    updated_at: datetime


@dataclass(frozen=True, slots=True)
class Route:
    """What the books need to know of a connection: its float, and the rail it belongs to."""

    connection_id: UUID
    rail: str
    float_account_id: UUID
    statement_until: datetime | None


@dataclass(frozen=True, slots=True)
class Step:
    """One line of a payment's timeline."""

    at: datetime
    state: str
    source: Source
    reason: str | None
    actor: str | None
    attempt_id: UUID | None
    evidence: Mapping[str, Any] | None


@dataclass(frozen=True, slots=True)
class Initiated:
    """The payment exists. `replayed`: it did before, with the same content."""

    payment: Payment
    replayed: bool = False


@dataclass(frozen=True, slots=True)
class NotInitiated:
    """The payment does not exist, and nothing moved."""

    refusal: Refusal


InitiateOutcome = Initiated | NotInitiated


def public_status(state: PaymentState, attempt: AttemptState | None, reason: str | None) -> PublicStatus:
    """The status customers know. UNKNOWN and a waiting review show as SENT_TO_BANK; the reason tells the difference."""
    match state:
        case PaymentState.AWAITING_APPROVAL:
            return PublicStatus.AWAITING_APPROVAL
        case PaymentState.APPROVED | PaymentState.SCHEDULED:
            return PublicStatus.PENDING
        case PaymentState.EXECUTING:
            return PublicStatus.PROCESSING if attempt is AttemptState.CREATED else PublicStatus.SENT_TO_BANK
        case PaymentState.NEEDS_REVIEW:
            return PublicStatus.PROCESSING if reason == "name_mismatch" else PublicStatus.SENT_TO_BANK
        case PaymentState.SUCCEEDED:
            return PublicStatus.CONFIRMED
        case PaymentState.REVERSED:
            return PublicStatus.REVERSED
        case PaymentState.EXPIRED:
            return PublicStatus.EXPIRED
        case _:
            return PublicStatus.FAILED

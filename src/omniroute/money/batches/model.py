"""The nouns of batches. Frozen; no I/O. Amounts are integers in minor units."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

LINES_MAX = 100_000
BYTES_MAX = 64 * 1024 * 1024
REFERENCE_MAX = 48
LINE_REFERENCE_MAX = 60
"""Four characters less than a payment's: a second try adds `-r1`."""


class BatchState(StrEnum):
    """Where a batch stands. See the picture in the charter of the package."""

    DRAFT = "draft"  # Stored; its lines are being checked.
    VALIDATED = "validated"  # Every line has been checked; nothing has moved.
    AWAITING_APPROVAL = "awaiting_approval"
    APPROVED = "approved"
    RUNNING = "running"
    PAUSED = "paused"
    COMPLETED = "completed"  # Nothing of it is under way any more.
    CANCELLED = "cancelled"  # What had not been sent never will be.


class LineState(StrEnum):
    """Where a line stands, until it has a payment, which then tells."""

    RECEIVED = "received"
    VALID = "valid"
    INVALID = "invalid"
    INITIATED = "initiated"  # There is a payment.
    REFUSED = "refused"  # It could not be initiated: funds, limits, a reference that is taken.
    CANCELLED = "cancelled"


class BatchFormat(StrEnum):
    """What a file is written in."""

    CSV = "csv"
    JSON_LINES = "jsonl"
    PAIN_001 = "pain.001"


class OnInvalid(StrEnum):
    """What lines with an error do to the others."""

    REJECT_BATCH = "reject_batch"  # Nothing can be submitted until the file is right.
    SKIP_LINES = "skip_lines"  # The others are paid.


@dataclass(frozen=True, slots=True)
class Problem:
    """Why a line cannot be paid. `code` is that of the refusal a single payment would have got."""

    code: str
    detail: str
    field: str | None = None


@dataclass(frozen=True, slots=True)
class FileLine:
    """A line as the file has it, amounts already whole. What cannot be read is None, and `problem` tells."""

    number: int
    reference: str | None = None
    type: str | None = None
    amount_minor: int | None = None
    currency: str | None = None
    source: str | None = None
    payee: Mapping[str, Any] = field(default_factory=dict)
    narration: str = ""
    send_on: date | None = None
    connection: str | None = None
    metadata: Mapping[str, Any] = field(default_factory=dict)
    origin: Mapping[str, Any] | None = None
    problem: Problem | None = None


@dataclass(frozen=True, slots=True)
class Defaults:
    """What lines that do not say otherwise mean."""

    currency: str | None = None
    source: str | None = None
    type: str = "BULK_DISBURSEMENT"
    country: str | None = None


@dataclass(frozen=True, slots=True)
class Sum:
    """So many payments and so much of a currency."""

    currency: str
    count: int
    amount_minor: int


@dataclass(frozen=True, slots=True)
class Funds:
    """What the valid lines take from an account, fees included, against what it has available now."""

    source: str
    currency: str
    needed_minor: int
    available_minor: int

    @property
    def short_minor(self) -> int:
        """How much is missing."""
        return max(0, self.needed_minor - self.available_minor)


@dataclass(frozen=True, slots=True)
class Count:
    """How many lines stand where, and how much money that is. `payment` is the state of their payments, if any."""

    line: LineState
    payment: str | None
    currency: str | None
    count: int
    amount_minor: int


@dataclass(frozen=True, slots=True)
class Batch:
    """A batch as it stands. `tally` is as of `tallied_at`."""

    batch_id: UUID
    reference: str
    name: str
    state: BatchState
    reason: str | None
    branches: tuple[UUID, ...] | None
    format: BatchFormat
    file_name: str | None
    byte_count: int
    on_invalid: OnInvalid
    origin: Mapping[str, Any]
    total_count: int
    valid_count: int
    invalid_count: int
    totals: tuple[Sum, ...]
    funds: tuple[Funds, ...]
    tally: tuple[Count, ...]
    tallied_at: datetime | None
    approvals_needed: int
    approvals_given: int
    initiated_by: str
    submitted_by: str | None
    expires_at: datetime | None
    settled: bool
    created_at: datetime
    updated_at: datetime
    completed_at: datetime | None
    version: int

    @property
    def successful_count(self) -> int:
        """Lines that are paid."""
        return sum(one.count for one in self.tally if one.payment == "succeeded")

    @property
    def failed_count(self) -> int:
        """Lines that are over and not paid, whatever the reason."""
        return sum(one.count for one in self.tally if is_failed(one))

    @property
    def open_count(self) -> int:
        """Lines about which the last word is not spoken."""
        return self.total_count - self.successful_count - self.failed_count


OPEN_PAYMENTS = frozenset({"awaiting_approval", "approved", "scheduled", "executing", "needs_review"})
OPEN_LINES = frozenset({LineState.RECEIVED, LineState.VALID})


def is_open(count: Count) -> bool:
    """Whether the last word about these lines is not spoken. One that is tried again still has its old payment."""
    return count.line in OPEN_LINES or count.payment in OPEN_PAYMENTS


def is_failed(count: Count) -> bool:
    """Whether these lines are over and not paid."""
    return not is_open(count) and count.payment != "succeeded"


@dataclass(frozen=True, slots=True)
class Line:
    """A line as it stands, with what is known of its payment."""

    number: int
    state: LineState
    reference: str
    type: str
    amount_minor: int | None
    currency: str | None
    source: str | None
    payee: Mapping[str, Any]
    narration: str
    send_on: date | None
    fee_minor: int
    rail: str | None
    problem: Problem | None
    tries: int
    origin: Mapping[str, Any] | None = None
    payment_id: UUID | None = None
    payment_reference: str | None = None
    payment_state: str | None = None
    payment_reason: str | None = None
    attempt_state: str | None = None
    provider_ref: str | None = None
    receipt: str | None = None
    completed_at: datetime | None = None

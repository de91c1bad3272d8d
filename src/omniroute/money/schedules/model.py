"""The nouns of schedules. Frozen; no I/O. Amounts are integers in minor units."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

from omniroute.kit.money import Money
from omniroute.money import payments
from omniroute.money.payments import InitiatePayment, PaymentType
from omniroute.money.schedules.errors import MalformedSchedule
from omniroute.money.schedules.recurrence import Recurrence
from omniroute.ports.rails import Party

REFERENCE_MAX = 48
RETRY_DAYS_MAX = 30


class Missed(StrEnum):
    """What becomes of dates whose whole day has passed while nobody was there to pay them."""

    EACH = "each"  # Each is paid, late, once.
    LATEST = "latest"  # Only the latest of them is.
    SKIP = "skip"


@dataclass(frozen=True, slots=True)
class Sweep:
    """Whatever is available above `above_minor`, but not more than `max_minor`, and nothing below `min_minor`."""

    above_minor: int
    max_minor: int
    min_minor: int = 1


@dataclass(frozen=True, slots=True)
class Terms:
    """What is ordered: the payment, and when. `amount_minor` or `sweep`, never both.

    `retry_days`: on so many following business days it is tried again when there is too little money, or a limit is
    used up.
    """

    type: PaymentType
    currency: str
    source_code: str
    payee: Party
    recurrence: Recurrence
    amount_minor: int | None = None
    sweep: Sweep | None = None
    narration: str = ""
    metadata: Mapping[str, Any] = field(default_factory=dict)
    connection: str | None = None
    missed: Missed = Missed.EACH
    retry_days: int = 0

    @property
    def largest_minor(self) -> int:
        """The most that one date may pay."""
        if self.amount_minor is not None:
            return self.amount_minor
        assert self.sweep is not None
        return self.sweep.max_minor

    def check(self) -> None:
        """Raises: MalformedSchedule."""
        problem = self.recurrence.problem()
        if problem is not None:
            raise MalformedSchedule(problem, field=problem.partition(":")[0])
        if (self.amount_minor is None) == (self.sweep is None):
            raise MalformedSchedule("amount: either an amount or a sweep", field="amount")
        if self.amount_minor is not None and self.amount_minor <= 0:
            raise MalformedSchedule("amount: more than nothing", field="amount")
        if self.sweep is not None and not (
            self.sweep.above_minor >= 0 and 1 <= self.sweep.min_minor <= self.sweep.max_minor
        ):
            raise MalformedSchedule("sweep: above from 0 on, and min from 1 to max", field="sweep")
        if not 0 <= self.retry_days <= RETRY_DAYS_MAX:
            raise MalformedSchedule(f"retry_days: 0 to {RETRY_DAYS_MAX}", field="retry_days")


class ScheduleState(StrEnum):
    """Where a schedule stands."""

    AWAITING_APPROVAL = "awaiting_approval"
    ACTIVE = "active"
    PAUSED = "paused"
    COMPLETED = "completed"  # Every date has come.
    CANCELLED = "cancelled"
    REJECTED = "rejected"


ENDED = (ScheduleState.COMPLETED, ScheduleState.CANCELLED, ScheduleState.REJECTED)


@dataclass(frozen=True, slots=True)
class Schedule:
    """A standing order. `next_on` and `next_at` are those of date number `next_number`; None: there is none."""

    schedule_id: UUID
    reference: str
    state: ScheduleState
    branch_id: UUID | None
    source_account_id: UUID
    terms: Terms
    time_zone: str
    country: str
    rail: str | None
    requested_by: str
    approvals_needed: int
    approvals_given: int
    next_number: int
    next_on: date | None
    next_at: datetime | None
    created_at: datetime
    updated_at: datetime
    ended_at: datetime | None
    version: int

    def order(self, reference: str, amount_minor: int) -> InitiatePayment:
        """The payment of one date. Raises: MalformedPayment."""
        terms = self.terms
        return order(terms, reference, amount_minor, schedule_id=self.schedule_id)


def order(terms: Terms, reference: str, amount_minor: int, *, schedule_id: UUID | None = None) -> InitiatePayment:
    """The payment of one date of such an order, which was approved once for all. Raises: MalformedPayment."""
    return payments.initiate_payment(
        reference=reference,
        type=terms.type,
        amount=Money(amount_minor, terms.currency),
        source_code=terms.source_code,
        payee=terms.payee,
        narration=terms.narration,
        metadata=terms.metadata,
        connection=terms.connection,
        schedule_id=schedule_id,
        approved=True,
    )


def reference_on(reference: str, nominal_on: date) -> str:
    """What the payment of one date is called."""
    return f"{reference}:{nominal_on:%Y%m%d}"


class OccurrenceState(StrEnum):
    """What became of a date."""

    DUE = "due"  # To be paid, or to be tried again.
    INITIATED = "initiated"  # There is a payment.
    SKIPPED = "skipped"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class PastOccurrence:
    """One date of a schedule that has come, and what became of it."""

    number: int
    nominal_on: date
    due_on: date
    due_at: datetime
    reference: str
    state: OccurrenceState
    reason: str | None
    detail: str | None
    amount_minor: int | None
    payment_id: UUID | None
    tries: int
    try_at: datetime | None
    updated_at: datetime

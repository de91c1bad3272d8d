"""The nouns of settlement. Frozen; no I/O. Amounts are integers in minor units."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from uuid import UUID

from omniroute.kit.money import Money


class BatchState(StrEnum):
    """Where a settlement stands. Failed: its collections are free for another one."""

    CREATED = "created"  # Its payment is to be initiated.
    PROCESSING = "processing"  # Its payment is under way; what nobody knows is not a failure.
    SETTLED = "settled"
    FAILED = "failed"


class Cause(StrEnum):
    """Why there is a settlement."""

    CALENDAR = "calendar"
    INSTANT = "instant"
    DEMAND = "demand"


@dataclass(frozen=True, slots=True)
class SettlementBatch:
    """Collections under a root grant that are paid out to its grantor together.

    Gross, commission and net are those of its collections at the root grant. `fee_minor` is what the organisation takes
    for the payment; the rest of the net is paid.
    """

    batch_id: UUID
    reference: str
    grant_id: UUID
    grantor_id: UUID
    currency: str
    cause: Cause
    period_start: datetime
    period_end: datetime
    collection_count: int
    gross_minor: int
    commission_minor: int
    net_minor: int
    fee_minor: int
    state: BatchState
    reason: str | None
    tries: int
    try_at: datetime | None
    payment_id: UUID | None
    requested_by: str
    version: int
    created_at: datetime
    updated_at: datetime
    settled_at: datetime | None
    failed_at: datetime | None

    @property
    def payment_reference(self) -> str:
        """What its payment is called."""
        return f"settlement:{self.reference}"


@dataclass(frozen=True, slots=True)
class RecordRemittance:
    """Money that a collector pays in, of what they have in hand.

    `paid` came in over a connection, or as a credit of a virtual account of theirs (`credit`: as people name it).
    `kept_minor` they keep, of the commission they have earned.
    """

    reference: str
    partner_id: UUID
    paid: Money
    kept_minor: int = 0
    connection_id: UUID | None = None
    credit: str | None = None
    note: str | None = None


@dataclass(frozen=True, slots=True)
class RemittanceItem:
    """What of a remittance is for a collection."""

    collection_id: UUID
    amount_minor: int


@dataclass(frozen=True, slots=True)
class Remittance:
    """Money that was paid in. `items` are told where one remittance is asked for, not in lists."""

    remittance_id: UUID
    reference: str
    partner_id: UUID
    currency: str
    paid_minor: int
    kept_minor: int
    connection_id: UUID | None
    credit_id: UUID | None
    transaction_id: UUID
    note: str | None
    recorded_by: str
    created_at: datetime
    items: tuple[RemittanceItem, ...] = ()

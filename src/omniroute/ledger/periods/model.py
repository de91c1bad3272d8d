"""The noun of this package."""

from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum
from uuid import UUID


class PeriodStatus(StrEnum):
    """See the package for the ways between them."""

    OPEN = "open"
    SOFT_CLOSED = "soft_closed"
    CLOSED = "closed"
    SEALED = "sealed"


@dataclass(frozen=True, slots=True)
class Period:
    """An accounting period, both days included. `revision` counts changes; `state_hash` is the seal."""

    period_id: UUID
    name: str
    starts_on: date
    ends_on: date
    status: PeriodStatus
    state_hash: bytes | None
    changed_at: datetime
    changed_by: str | None
    revision: int

"""Facts of schedules."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import ClassVar
from uuid import UUID

from omniroute.infra.events import Event


@dataclass(frozen=True, slots=True)
class ScheduleEvent(Event):
    """A schedule, and where it stands."""

    subject_prefix: ClassVar[str] = "sch"
    id_prefixes: ClassVar[Mapping[str, str]] = {"schedule_id": "sch"}
    schedule_id: UUID
    reference: str
    state: str
    next_on: date | None

    @property
    def subject(self) -> UUID:
        return self.schedule_id


@dataclass(frozen=True, slots=True)
class ScheduleCreated(ScheduleEvent):
    """A schedule waits to be approved."""

    topic = "schedule.created"


@dataclass(frozen=True, slots=True)
class ScheduleApproved(ScheduleEvent):
    """A schedule has all the approvals it needs; its dates are paid from now on."""

    topic = "schedule.approved"


@dataclass(frozen=True, slots=True)
class ScheduleRejected(ScheduleEvent):
    """Somebody said no to a schedule; nothing of it is paid."""

    topic = "schedule.rejected"


@dataclass(frozen=True, slots=True)
class SchedulePaused(ScheduleEvent):
    """Dates of a schedule that come from now on are left out until it is resumed."""

    topic = "schedule.paused"


@dataclass(frozen=True, slots=True)
class ScheduleResumed(ScheduleEvent):
    """Dates of a schedule are paid again."""

    topic = "schedule.resumed"


@dataclass(frozen=True, slots=True)
class ScheduleCancelled(ScheduleEvent):
    """A schedule was called off for good."""

    topic = "schedule.cancelled"


@dataclass(frozen=True, slots=True)
class ScheduleCompleted(ScheduleEvent):
    """Every date of a schedule has come."""

    topic = "schedule.completed"


@dataclass(frozen=True, slots=True)
class OccurrenceEvent(Event):
    """One date of a schedule. `reason` tells why it was not paid."""

    subject_prefix: ClassVar[str] = "sch"
    id_prefixes: ClassVar[Mapping[str, str]] = {"schedule_id": "sch", "payment_id": "pay"}
    schedule_id: UUID
    number: int
    nominal_on: date
    due_on: date
    reference: str
    reason: str | None
    payment_id: UUID | None

    @property
    def subject(self) -> UUID:
        return self.schedule_id


@dataclass(frozen=True, slots=True)
class OccurrenceInitiated(OccurrenceEvent):
    """A date of a schedule has come, and its payment exists."""

    topic = "schedule.occurrence_initiated"


@dataclass(frozen=True, slots=True)
class OccurrencePostponed(OccurrenceEvent):
    """A date of a schedule could not be paid yet, and is tried again on the next business day."""

    topic = "schedule.occurrence_postponed"


@dataclass(frozen=True, slots=True)
class OccurrenceSkipped(OccurrenceEvent):
    """A date of a schedule was left out."""

    topic = "schedule.occurrence_skipped"


@dataclass(frozen=True, slots=True)
class OccurrenceFailed(OccurrenceEvent):
    """A date of a schedule could not be paid, and is not tried again."""

    topic = "schedule.occurrence_failed"

"""Facts of accounting periods."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import ClassVar
from uuid import UUID

from omniroute.infra.events import Event


@dataclass(frozen=True, slots=True)
class PeriodCreated(Event):
    """An accounting period exists and is open."""

    topic: ClassVar[str] = "ledger.period.created"
    subject_prefix: ClassVar[str] = "per"
    id_prefixes: ClassVar[Mapping[str, str]] = {"period_id": "per"}
    period_id: UUID
    name: str
    starts_on: date
    ends_on: date

    @property
    def subject(self) -> UUID:
        """The period."""
        return self.period_id


@dataclass(frozen=True, slots=True)
class _StatusChanged(Event):
    subject_prefix: ClassVar[str] = "per"
    id_prefixes: ClassVar[Mapping[str, str]] = {"period_id": "per"}
    period_id: UUID
    name: str
    previous: str
    reason: str | None

    @property
    def subject(self) -> UUID:
        """The period."""
        return self.period_id


@dataclass(frozen=True, slots=True)
class PeriodSoftClosed(_StatusChanged):
    """Only a role with the right to may post into the period; `previous` is the status before."""

    topic: ClassVar[str] = "ledger.period.soft_closed"


@dataclass(frozen=True, slots=True)
class PeriodReopened(_StatusChanged):
    """Everybody may post into the period again."""

    topic: ClassVar[str] = "ledger.period.reopened"


@dataclass(frozen=True, slots=True)
class PeriodClosed(_StatusChanged):
    """Nobody may post into the period; its turnover is kept."""

    topic: ClassVar[str] = "ledger.period.closed"


@dataclass(frozen=True, slots=True)
class PeriodSealed(Event):
    """The period is closed for ever; `state_hash` (hexadecimal) stands for all that was booked until its end."""

    topic: ClassVar[str] = "ledger.period.sealed"
    subject_prefix: ClassVar[str] = "per"
    id_prefixes: ClassVar[Mapping[str, str]] = {"period_id": "per"}
    period_id: UUID
    name: str
    state_hash: str

    @property
    def subject(self) -> UUID:
        """The period."""
        return self.period_id

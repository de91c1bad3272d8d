"""Facts of reconciliation."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import ClassVar
from uuid import UUID

from omniroute.infra.events import Event


@dataclass(frozen=True, slots=True)
class ReconciliationCompleted(Event):
    """A connection was reconciled over a range of days. Matches that it made are counted, not told one by one."""

    topic = "reconciliation.completed"
    subject_prefix: ClassVar[str] = "rrn"
    id_prefixes: ClassVar[Mapping[str, str]] = {"run_id": "rrn", "connection_id": "con"}
    run_id: UUID
    connection_id: UUID
    start_on: date
    end_on: date
    matched: int
    exceptions_opened: int
    exceptions_resolved: int

    @property
    def subject(self) -> UUID:
        return self.run_id


@dataclass(frozen=True, slots=True)
class MatchEvent(Event):
    """A match that people decide about. Minor units; plus came in, minus went out."""

    subject_prefix: ClassVar[str] = "mat"
    id_prefixes: ClassVar[Mapping[str, str]] = {"match_id": "mat", "connection_id": "con"}
    match_id: UUID
    connection_id: UUID
    kind: str
    currency: str
    book_minor: int
    bank_minor: int

    @property
    def subject(self) -> UUID:
        return self.match_id


@dataclass(frozen=True, slots=True)
class MatchProposed(MatchEvent):
    """Somebody says that items belong together; somebody else has to agree."""

    topic = "reconciliation.match_proposed"


@dataclass(frozen=True, slots=True)
class MatchApproved(MatchEvent):
    """Items belong together, as two people say. A difference is booked."""

    topic = "reconciliation.match_approved"


@dataclass(frozen=True, slots=True)
class MatchRejected(MatchEvent):
    """Items do not belong together after all; they are free again."""

    topic = "reconciliation.match_rejected"


@dataclass(frozen=True, slots=True)
class MatchUndone(MatchEvent):
    """A match was taken apart; what was booked for its difference is reversed."""

    topic = "reconciliation.match_undone"


@dataclass(frozen=True, slots=True)
class ExceptionEvent(Event):
    """An item without a match: a line of a bank, a posting, or both where their amounts differ."""

    subject_prefix: ClassVar[str] = "rex"
    id_prefixes: ClassVar[Mapping[str, str]] = {
        "exception_id": "rex",
        "connection_id": "con",
        "transaction_id": "txn",
    }
    exception_id: UUID
    connection_id: UUID
    kind: str
    transaction_id: UUID | None
    line_id: str | None
    currency: str
    expected_minor: int | None
    actual_minor: int | None

    @property
    def subject(self) -> UUID:
        return self.exception_id


@dataclass(frozen=True, slots=True)
class ExceptionOpened(ExceptionEvent):
    """The books and the bank do not agree about an item."""

    topic = "reconciliation.exception_opened"


@dataclass(frozen=True, slots=True)
class ExceptionResolved(ExceptionEvent):
    """Somebody has explained why an item has no match."""

    topic = "reconciliation.exception_resolved"

"""Facts of batches."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar
from uuid import UUID

from omniroute.infra.events import Event


@dataclass(frozen=True, slots=True)
class BatchEvent(Event):
    """A batch of payments and where it stands. Counts are of lines."""

    subject_prefix: ClassVar[str] = "bat"
    id_prefixes: ClassVar[Mapping[str, str]] = {"batch_id": "bat"}
    batch_id: UUID
    reference: str
    state: str
    reason: str | None
    total_count: int
    valid_count: int
    invalid_count: int
    successful_count: int
    failed_count: int

    @property
    def subject(self) -> UUID:
        return self.batch_id


@dataclass(frozen=True, slots=True)
class BatchReceived(BatchEvent):
    """A file of payments came in and is being checked; nothing has moved."""

    topic = "batch.received"


@dataclass(frozen=True, slots=True)
class BatchValidated(BatchEvent):
    """Every line of a batch has been checked; the report is ready."""

    topic = "batch.validated"


@dataclass(frozen=True, slots=True)
class BatchSubmitted(BatchEvent):
    """A batch waits for somebody to approve it."""

    topic = "batch.submitted"


@dataclass(frozen=True, slots=True)
class BatchApproved(BatchEvent):
    """A batch has all the approvals it needs; its payments are on their way."""

    topic = "batch.approved"


@dataclass(frozen=True, slots=True)
class BatchPaused(BatchEvent):
    """Nothing more of a batch is sent until it is resumed."""

    topic = "batch.paused"


@dataclass(frozen=True, slots=True)
class BatchResumed(BatchEvent):
    """A paused batch goes on, or failed lines of a batch are tried again."""

    topic = "batch.resumed"


@dataclass(frozen=True, slots=True)
class BatchCompleted(BatchEvent):
    """Nothing of a batch is under way any more: every line is paid, or is not for a stated reason."""

    topic = "batch.completed"


@dataclass(frozen=True, slots=True)
class BatchCancelled(BatchEvent):
    """A batch was called off, rejected, or not approved in time: what had not been sent never will be."""

    topic = "batch.cancelled"

"""Facts of the desk."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar
from uuid import UUID

from omniroute.infra.events import Event


@dataclass(frozen=True, slots=True)
class ApprovalEvent(Event):
    """A risky act that somebody asked for; `kind` names it."""

    subject_prefix: ClassVar[str] = "apr"
    id_prefixes: ClassVar[Mapping[str, str]] = {"request_id": "apr", "payment_id": "pay"}
    request_id: UUID
    kind: str
    payment_id: UUID | None
    requested_by: str
    approvals_needed: int
    approvals_given: int

    @property
    def subject(self) -> UUID:
        return self.request_id


@dataclass(frozen=True, slots=True)
class ApprovalRequested(ApprovalEvent):
    """A risky act waits for somebody else to agree."""

    topic = "approval.requested"


@dataclass(frozen=True, slots=True)
class ApprovalGiven(ApprovalEvent):
    """One person has agreed to a risky act; more are needed."""

    topic = "approval.given"


@dataclass(frozen=True, slots=True)
class ApprovalExecuted(ApprovalEvent):
    """Everybody has agreed, and the act is done."""

    topic = "approval.executed"


@dataclass(frozen=True, slots=True)
class ApprovalRejected(ApprovalEvent):
    """Somebody said no; the act was not done."""

    topic = "approval.rejected"


@dataclass(frozen=True, slots=True)
class ApprovalWithdrawn(ApprovalEvent):
    """Whoever asked thought better of it; the act was not done."""

    topic = "approval.withdrawn"


@dataclass(frozen=True, slots=True)
class ApprovalExpired(ApprovalEvent):
    """Nobody decided in time; the act was not done."""

    topic = "approval.expired"


@dataclass(frozen=True, slots=True)
class ReversalEvent(Event):
    """A request to a rail to take a paid order back."""

    subject_prefix: ClassVar[str] = "rev"
    id_prefixes: ClassVar[Mapping[str, str]] = {"reversal_id": "rev", "payment_id": "pay", "attempt_id": "att"}
    reversal_id: UUID
    payment_id: UUID
    attempt_id: UUID
    rail: str
    state: str
    our_ref: str | None
    code: str | None
    message: str | None

    @property
    def subject(self) -> UUID:
        return self.reversal_id


@dataclass(frozen=True, slots=True)
class ReversalRequested(ReversalEvent):
    """People have agreed to ask the rail for a paid order back; nothing has left yet."""

    topic = "reversal.requested"


@dataclass(frozen=True, slots=True)
class ReversalSent(ReversalEvent):
    """The rail has the request, or may have; it is asked about until that is certain."""

    topic = "reversal.sent"


@dataclass(frozen=True, slots=True)
class ReversalSucceeded(ReversalEvent):
    """The rail has given the money back; the books have taken the posting back."""

    topic = "reversal.succeeded"


@dataclass(frozen=True, slots=True)
class ReversalDeclined(ReversalEvent):
    """The rail does not give the money back, or never got the request; the payment stays paid."""

    topic = "reversal.declined"


@dataclass(frozen=True, slots=True)
class ReversalNeedsReview(ReversalEvent):
    """Nobody can tell whether the rail gives the money back; a person must decide on evidence."""

    topic = "reversal.needs_review"

"""The nouns of the desk. Frozen; no I/O."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, ClassVar
from uuid import UUID

from omniroute.money.desk.errors import MalformedAct
from omniroute.money.payments import Resolution

TEXT_MAX = 2_000
OPEN_FOR = timedelta(hours=72)
APPROVALS_MAX = 5
AMOUNT_MAX = 2**63 - 1
_SHA256 = re.compile(r"[0-9a-f]{64}")


class ActKind(StrEnum):
    """What can be asked for."""

    SETTLE = "settle"
    RELEASE = "release"
    ACCEPT_NAME = "accept_name"
    BOOK_AGAIN = "book_again"
    RESOLVE_EXCEPTION = "resolve_exception"
    REVERSE = "reverse"
    SETTLE_REVERSAL = "settle_reversal"


@dataclass(frozen=True, slots=True)
class Settle:
    """An attempt nobody can tell the outcome of was paid, or was not. `moved_minor`: where the rail moved another
    amount than was ordered.
    """

    kind: ClassVar[ActKind] = ActKind.SETTLE
    attempt_id: UUID
    paid: bool
    receipt: str | None = None
    moved_minor: int | None = None

    @property
    def subject_id(self) -> UUID:
        return self.attempt_id


@dataclass(frozen=True, slots=True)
class Release:
    """The money of a payment nothing can pay any more becomes free."""

    kind: ClassVar[ActKind] = ActKind.RELEASE
    payment_id: UUID

    @property
    def subject_id(self) -> UUID:
        return self.payment_id


@dataclass(frozen=True, slots=True)
class AcceptName:
    """The payee is the right one, although the rail knows it under this name."""

    kind: ClassVar[ActKind] = ActKind.ACCEPT_NAME
    payment_id: UUID
    name: str

    @property
    def subject_id(self) -> UUID:
        return self.payment_id


@dataclass(frozen=True, slots=True)
class BookAgain:
    """What the books refused is booked now."""

    kind: ClassVar[ActKind] = ActKind.BOOK_AGAIN
    payment_id: UUID

    @property
    def subject_id(self) -> UUID:
        return self.payment_id


@dataclass(frozen=True, slots=True)
class ResolveException:
    """What does not add up is explained, with what is booked for it."""

    kind: ClassVar[ActKind] = ActKind.RESOLVE_EXCEPTION
    exception_id: UUID
    resolution: Resolution
    account: str | None = None

    @property
    def subject_id(self) -> UUID:
        return self.exception_id


@dataclass(frozen=True, slots=True)
class Reverse:
    """The rail is asked to take a paid payment back. `attempt_id` None: the attempt that paid it."""

    kind: ClassVar[ActKind] = ActKind.REVERSE
    payment_id: UUID
    attempt_id: UUID | None = None

    @property
    def subject_id(self) -> UUID:
        return self.attempt_id or self.payment_id


@dataclass(frozen=True, slots=True)
class SettleReversal:
    """A reversal nobody can tell the outcome of came back, or did not."""

    kind: ClassVar[ActKind] = ActKind.SETTLE_REVERSAL
    reversal_id: UUID
    given_back: bool

    @property
    def subject_id(self) -> UUID:
        return self.reversal_id


Act = Settle | Release | AcceptName | BookAgain | ResolveException | Reverse | SettleReversal

ACTS: Mapping[ActKind, type[Act]] = {
    one.kind: one for one in (Settle, Release, AcceptName, BookAgain, ResolveException, Reverse, SettleReversal)
}


@dataclass(frozen=True, slots=True)
class Proof:
    """Why an act is right: in words, and the hash of the file that shows it where there is one."""

    text: str
    file_sha256: str | None = None

    def check(self) -> None:
        """Raises: MalformedAct."""
        if not 1 <= len(self.text.strip()) <= TEXT_MAX:
            raise MalformedAct(f"evidence: 1 to {TEXT_MAX} characters that tell why", field="evidence")
        if self.file_sha256 is not None and not _SHA256.fullmatch(self.file_sha256):
            raise MalformedAct("file_sha256: 64 small hexadecimal digits", field="file_sha256")


def check_act(act: Act) -> None:
    """Refuse what no state of things could make right.

    Raises: MalformedAct.
    """
    match act:
        case Settle(paid=True, receipt=None):
            raise MalformedAct("receipt: what the rail or bank calls the payment, when it was paid", field="receipt")
        case Settle(receipt=str(receipt)) if not 1 <= len(receipt) <= 64 or not receipt.isprintable():
            raise MalformedAct("receipt: 1 to 64 printable characters", field="receipt")
        case Settle(paid=False, moved_minor=int()):
            raise MalformedAct("amount: only where it was paid", field="amount")
        case Settle(moved_minor=int(moved)) if not 0 < moved <= AMOUNT_MAX:
            raise MalformedAct("amount: what the rail moved, in minor units, more than nothing", field="amount")
        case AcceptName(name=name) if not 1 <= len(name) <= 200 or not name.isprintable():
            raise MalformedAct("name: the name at the rail, 1 to 200 printable characters", field="name")
        case ResolveException(resolution=resolution, account=str()) if resolution is not Resolution.ATTRIBUTED:
            raise MalformedAct("account: only where something is attributed", field="account")


class RequestState(StrEnum):
    """Where an approval request stands."""

    OPEN = "open"
    EXECUTED = "executed"
    REJECTED = "rejected"
    EXPIRED = "expired"
    WITHDRAWN = "withdrawn"


@dataclass(frozen=True, slots=True)
class Decided:
    """One person's word on an approval request."""

    approver: str
    approved: bool
    comment: str | None
    decided_at: datetime


@dataclass(frozen=True, slots=True)
class ApprovalRequest:
    """A risky act that waits for somebody else, or waited. `outcome`: what it did."""

    request_id: UUID
    act: Act
    payment_id: UUID | None
    proof: Proof
    state: RequestState
    requested_by: str
    approvals_needed: int
    approvals_given: int
    outcome: Mapping[str, Any] | None
    created_at: datetime
    expires_at: datetime
    closed_at: datetime | None
    version: int


class ReversalState(StrEnum):
    """Where a request to take a paid order back stands."""

    CREATED = "created"  # Agreed to; nothing has left.
    SENDING = "sending"  # Committed before the first byte leaves.
    NOT_SENT = "not_sent"  # Provably never reached the rail, and given up.
    PENDING = "pending"
    UNKNOWN = "unknown"
    MANUAL = "manual"  # We gave up asking; a person decides.
    SUCCEEDED = "succeeded"
    DECLINED = "declined"


@dataclass(frozen=True, slots=True)
class Reversal:
    """One request to a rail to take a paid order back. `rail_ref` names the order, `our_ref` the request."""

    reversal_id: UUID
    payment_id: UUID
    attempt_id: UUID
    connection_id: UUID
    rail: str
    request_id: UUID
    our_ref: str | None
    rail_ref: str
    provider_ref: str | None
    state: ReversalState
    code: str | None
    message: str | None
    tries: int
    send_after: datetime
    claimed_by: str | None
    lease_until: datetime | None
    sent_at: datetime | None
    next_query_at: datetime | None
    query_count: int
    created_at: datetime
    updated_at: datetime

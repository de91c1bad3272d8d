"""Facts of payments. All tell the same about a payment at the instant of the fact; the topic says what happened."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar
from uuid import UUID

from omniroute.infra.events import Event


@dataclass(frozen=True, slots=True)
class PaymentEvent(Event):
    """A payment and where it stands. Amounts are in minor units."""

    subject_prefix: ClassVar[str] = "pay"
    id_prefixes: ClassVar[Mapping[str, str]] = {"payment_id": "pay", "batch_id": "bat", "connection_id": "con"}
    payment_id: UUID
    reference: str
    type: str
    status: str
    state: str
    reason: str | None
    amount_minor: int
    currency: str
    fee_minor: int
    rail: str
    connection_id: UUID | None
    our_ref: str | None
    provider_ref: str | None
    batch_id: UUID | None

    @property
    def subject(self) -> UUID:
        return self.payment_id


@dataclass(frozen=True, slots=True)
class PaymentInitiated(PaymentEvent):
    """A payment exists; its money is held."""

    topic = "payment.initiated"


@dataclass(frozen=True, slots=True)
class PaymentApproved(PaymentEvent):
    """A payment has all the approvals it needs."""

    topic = "payment.approved"


@dataclass(frozen=True, slots=True)
class PaymentSent(PaymentEvent):
    """The rail has accepted a payment, or may have."""

    topic = "payment.sent"


@dataclass(frozen=True, slots=True)
class PaymentUnknown(PaymentEvent):
    """Nobody knows whether a payment was made; its money stays held and the rail is asked."""

    topic = "payment.unknown"


@dataclass(frozen=True, slots=True)
class PaymentRetried(PaymentEvent):
    """An attempt is definitely over without a payment, and another one follows."""

    topic = "payment.retried"


@dataclass(frozen=True, slots=True)
class PaymentConfirmed(PaymentEvent):
    """The payee has the money; the hold is a posting."""

    topic = "payment.confirmed"


@dataclass(frozen=True, slots=True)
class PaymentFailed(PaymentEvent):
    """A payment was definitely not made; its money is free again."""

    topic = "payment.failed"


@dataclass(frozen=True, slots=True)
class PaymentCancelled(PaymentEvent):
    """A payment was called off before anything left; its money is free again."""

    topic = "payment.cancelled"


@dataclass(frozen=True, slots=True)
class PaymentExpired(PaymentEvent):
    """Nobody approved a payment in time; its money is free again."""

    topic = "payment.expired"


@dataclass(frozen=True, slots=True)
class PaymentNeedsReview(PaymentEvent):
    """A payment waits for a person to decide on evidence; its money stays held."""

    topic = "payment.needs_review"


@dataclass(frozen=True, slots=True)
class PaymentReversed(PaymentEvent):
    """The rail gave back a payment that had been made; the posting is taken back."""

    topic = "payment.reversed"


@dataclass(frozen=True, slots=True)
class PaymentExceptionOpened(Event):
    """Something about a payment does not add up and waits for a person; `kind` names it."""

    topic = "payment.exception_opened"
    subject_prefix: ClassVar[str] = "pay"
    id_prefixes: ClassVar[Mapping[str, str]] = {"payment_id": "pay", "exception_id": "exc"}
    payment_id: UUID
    exception_id: UUID
    kind: str

    @property
    def subject(self) -> UUID:
        return self.payment_id


@dataclass(frozen=True, slots=True)
class PaymentExceptionResolved(Event):
    """An exception of a payment is closed; `resolution` tells what became of it."""

    topic = "payment.exception_resolved"
    subject_prefix: ClassVar[str] = "pay"
    id_prefixes: ClassVar[Mapping[str, str]] = {"payment_id": "pay", "exception_id": "exc"}
    payment_id: UUID
    exception_id: UUID
    kind: str
    resolution: str

    @property
    def subject(self) -> UUID:
        return self.payment_id

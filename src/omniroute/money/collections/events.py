"""Facts of collections."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar
from uuid import UUID

from omniroute.infra.events import Event


@dataclass(frozen=True, slots=True)
class VirtualAccountEvent(Event):
    """A virtual account, and where it stands."""

    subject_prefix: ClassVar[str] = "vac"
    id_prefixes: ClassVar[Mapping[str, str]] = {"virtual_account_id": "vac", "owner_id": "ptn"}
    virtual_account_id: UUID
    reference: str
    status: str
    reason: str | None
    owner_id: UUID
    currency: str
    account_number: str | None
    bank_code: str | None

    @property
    def subject(self) -> UUID:
        return self.virtual_account_id


@dataclass(frozen=True, slots=True)
class VirtualAccountRequested(VirtualAccountEvent):
    """A virtual account is wanted; the provider is asked until it has answered."""

    topic = "virtual_account.requested"


@dataclass(frozen=True, slots=True)
class VirtualAccountOpened(VirtualAccountEvent):
    """The provider has opened a virtual account: money sent to its number arrives."""

    topic = "virtual_account.opened"


@dataclass(frozen=True, slots=True)
class VirtualAccountFailed(VirtualAccountEvent):
    """The provider refused to open a virtual account."""

    topic = "virtual_account.failed"


@dataclass(frozen=True, slots=True)
class VirtualAccountSuspended(VirtualAccountEvent):
    """What comes in on a virtual account waits for a person until it is resumed."""

    topic = "virtual_account.suspended"


@dataclass(frozen=True, slots=True)
class VirtualAccountResumed(VirtualAccountEvent):
    """A virtual account takes credits again."""

    topic = "virtual_account.resumed"


@dataclass(frozen=True, slots=True)
class VirtualAccountClosed(VirtualAccountEvent):
    """A virtual account was closed for good; what is on it stays there."""

    topic = "virtual_account.closed"


@dataclass(frozen=True, slots=True)
class VirtualAccountExpired(VirtualAccountEvent):
    """The time of a virtual account is over; what is on it stays there."""

    topic = "virtual_account.expired"


@dataclass(frozen=True, slots=True)
class CreditEvent(Event):
    """Money that came in. `reference`: the session of the transfer, else the provider's name for the credit."""

    subject_prefix: ClassVar[str] = "crd"
    id_prefixes: ClassVar[Mapping[str, str]] = {
        "credit_id": "crd",
        "virtual_account_id": "vac",
        "transaction_id": "txn",
    }
    credit_id: UUID
    virtual_account_id: UUID | None
    amount_minor: int
    fee_minor: int
    currency: str
    reference: str
    reason: str | None
    transaction_id: UUID

    @property
    def subject(self) -> UUID:
        return self.credit_id


@dataclass(frozen=True, slots=True)
class VirtualAccountCredited(CreditEvent):
    """Money was booked on a virtual account."""

    topic = "virtual_account.credited"


@dataclass(frozen=True, slots=True)
class CollectionUnplaced(CreditEvent):
    """Money came in that no virtual account takes; it waits for a person."""

    topic = "collection.unplaced"


@dataclass(frozen=True, slots=True)
class CollectionPlaced(CreditEvent):
    """A person has put money that waited on a virtual account."""

    topic = "collection.placed"


@dataclass(frozen=True, slots=True)
class CollectionReturning(CreditEvent):
    """Money that waited is being paid back."""

    topic = "collection.returning"


@dataclass(frozen=True, slots=True)
class CollectionReturned(CreditEvent):
    """Money that waited has been paid back."""

    topic = "collection.returned"

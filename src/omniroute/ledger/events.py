"""Facts of the ledger. Those of transactions carry no data of their own: it is derived from the immutable rows."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, ClassVar
from uuid import UUID

from omniroute.infra.events import Event


@dataclass(frozen=True, slots=True)
class AccountOpened(Event):
    """An account exists; limits and mode as given. Transactions may name it from now on."""

    topic: ClassVar[str] = "ledger.account.opened"
    subject_prefix: ClassVar[str] = "acc"
    id_prefixes: ClassVar[Mapping[str, str]] = {"account_id": "acc", "parent_id": "acc", "branch_id": "brn"}
    account_id: UUID
    code: str
    name: str
    type: str
    normal_side: str
    currency: str
    mode: str
    parent_id: UUID | None
    branch_id: UUID | None
    owner_ref: str | None
    dimensions: dict[str, str]
    floor_minor: int | None
    ceiling_minor: int | None

    @property
    def subject(self) -> UUID:
        """The account."""
        return self.account_id


@dataclass(frozen=True, slots=True)
class AccountDescribed(Event):
    """The account's name, owner or dimensions changed."""

    topic: ClassVar[str] = "ledger.account.described"
    subject_prefix: ClassVar[str] = "acc"
    id_prefixes: ClassVar[Mapping[str, str]] = {"account_id": "acc"}
    account_id: UUID
    name: str
    owner_ref: str | None
    dimensions: dict[str, str]

    @property
    def subject(self) -> UUID:
        """The account."""
        return self.account_id


@dataclass(frozen=True, slots=True)
class AccountLimitsChanged(Event):
    """The account's floor or ceiling changed; None is no limit."""

    topic: ClassVar[str] = "ledger.account.limits_changed"
    subject_prefix: ClassVar[str] = "acc"
    id_prefixes: ClassVar[Mapping[str, str]] = {"account_id": "acc"}
    account_id: UUID
    floor_minor: int | None
    ceiling_minor: int | None

    @property
    def subject(self) -> UUID:
        """The account."""
        return self.account_id


@dataclass(frozen=True, slots=True)
class AccountStatusChanged(Event):
    """The account was opened again, frozen or closed."""

    topic: ClassVar[str] = "ledger.account.status_changed"
    subject_prefix: ClassVar[str] = "acc"
    id_prefixes: ClassVar[Mapping[str, str]] = {"account_id": "acc"}
    account_id: UUID
    status: str

    @property
    def subject(self) -> UUID:
        """The account."""
        return self.account_id


@dataclass(frozen=True, slots=True)
class EntryFacts:
    """One leg of a transaction, as events show it. A negative amount in the held layer releases what was held."""

    leg: int
    account_id: str
    side: str
    layer: str
    amount_minor: int
    currency: str
    balance_after_minor: int | None
    version: int | None


@dataclass(frozen=True, slots=True)
class _TransactionEvent(Event):
    """Written by `ledger_post` itself, without data: readers derive it from the immutable rows."""

    subject_prefix: ClassVar[str] = "txn"
    derived: ClassVar[bool] = True
    id_prefixes: ClassVar[Mapping[str, str]] = {"transaction_id": "txn", "source_id": "txn", "linked_id": "grp"}
    transaction_id: UUID
    kind: str
    value_on: date
    original_on: date | None
    booked_at: datetime
    source_id: UUID | None
    linked_id: UUID | None
    reference: str | None
    metadata: dict[str, Any]
    entries: list[EntryFacts]

    @property
    def subject(self) -> UUID:
        """The transaction."""
        return self.transaction_id


@dataclass(frozen=True, slots=True)
class TransactionPosted(_TransactionEvent):
    """Money moved: the legs are booked."""

    topic: ClassVar[str] = "ledger.transaction.posted"


@dataclass(frozen=True, slots=True)
class TransactionHeld(_TransactionEvent):
    """Money is set aside on both sides; limits count it."""

    topic: ClassVar[str] = "ledger.transaction.held"


@dataclass(frozen=True, slots=True)
class TransactionCaptured(_TransactionEvent):
    """A hold, or a part of it, became a posting."""

    topic: ClassVar[str] = "ledger.transaction.captured"


@dataclass(frozen=True, slots=True)
class TransactionVoided(_TransactionEvent):
    """What was left of a hold was released."""

    topic: ClassVar[str] = "ledger.transaction.voided"


@dataclass(frozen=True, slots=True)
class TransactionExpired(_TransactionEvent):
    """A hold passed its deadline and what was left of it was released."""

    topic: ClassVar[str] = "ledger.transaction.expired"


@dataclass(frozen=True, slots=True)
class TransactionReversed(_TransactionEvent):
    """The opposite of a transaction, or of a part of it, was booked."""

    topic: ClassVar[str] = "ledger.transaction.reversed"

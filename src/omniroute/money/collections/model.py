"""The nouns of collections. Frozen; no I/O. Amounts are integers in minor units."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

from omniroute.kit.money import Money
from omniroute.ports.rails import Party


class AccountStatus(StrEnum):
    """Where a virtual account stands."""

    REQUESTED = "requested"  # The provider is asked until it has answered.
    ACTIVE = "active"
    SUSPENDED = "suspended"  # What comes in waits for a person.
    CLOSED = "closed"
    EXPIRED = "expired"
    FAILED = "failed"  # The provider refused to open it.


class OwnerType(StrEnum):
    """What the owner of a virtual account is to the organisation."""

    CUSTOMER = "CUSTOMER"
    SUPPLIER = "SUPPLIER"
    WORKER = "WORKER"
    GROUP = "GROUP"
    ESCROW = "ESCROW"


@dataclass(frozen=True, slots=True)
class CollectionRules:
    """What an account takes. What it does not take waits for a person; None: no such rule.

    `single_use`: it takes one credit.
    """

    min_minor: int | None = None
    max_minor: int | None = None
    exact_minor: int | None = None
    single_use: bool = False


@dataclass(frozen=True, slots=True)
class RequestAccount:
    """A virtual account to be opened. The same `reference` is the same account for ever; None: its own id is taken.

    `connection`: code or id of a bank connection; None: the one that can open accounts in this currency.
    `bank_code`: the bank it shall be at. `customer_email` None: that of the owner.
    """

    owner_id: UUID
    owner_type: OwnerType
    currency: str
    reference: str | None = None
    account_name: str | None = None
    bank_code: str | None = None
    connection: str | None = None
    expires_at: datetime | None = None
    rules: CollectionRules = CollectionRules()
    metadata: Mapping[str, Any] = field(default_factory=dict)
    customer_email: str | None = None


@dataclass(frozen=True, slots=True)
class VirtualAccount:
    """An account number that a provider lends us. Its balance is that of `ledger_account_id`.

    `account_name` is the wanted one until the provider has told how payers see it. `ask_at`: when the provider is asked
    next, to open the account or to close it.
    """

    virtual_account_id: UUID
    reference: str
    our_ref: str
    connection_id: UUID
    status: AccountStatus
    reason: str | None
    owner_id: UUID
    owner_type: OwnerType
    currency: str
    wanted_name: str
    wanted_bank: str | None
    customer_name: str
    customer_email: str
    provider_ref: str | None
    account_number: str | None
    bank_code: str | None
    bank_name: str | None
    account_name: str
    ledger_account_id: UUID
    rules: CollectionRules
    metadata: Mapping[str, Any]
    expires_at: datetime | None
    requested_by: str
    ask_at: datetime | None
    tries: int
    created_at: datetime
    updated_at: datetime
    opened_at: datetime | None
    ended_at: datetime | None
    version: int


class CreditState(StrEnum):
    """What was made of a credit."""

    BOOKED = "booked"  # It is on its virtual account.
    UNPLACED = "unplaced"  # It waits for a person.
    PLACED = "placed"  # A person has put it on a virtual account.
    RETURNING = "returning"  # It is being paid back.
    RETURNED = "returned"


@dataclass(frozen=True, slots=True)
class AccountCredit:
    """Money that came in, as the provider's own books say. `amount` is what the payer sent, `fee_minor` what the
    provider kept of it, `used_minor` what has been spent of it as this very credit.

    `transaction_id`: the posting of its arrival. `credited_transaction_id`: the one that credited the virtual account.
    """

    credit_id: UUID
    connection_id: UUID
    provider_credit_id: str
    our_ref: str
    account_number: str | None
    virtual_account_id: UUID | None
    amount: Money
    fee_minor: int
    used_minor: int
    payer: Party | None
    session_id: str | None
    narration: str
    paid_at: datetime
    received_at: datetime
    transaction_id: UUID
    credited_transaction_id: UUID | None
    state: CreditState
    reason: str | None
    assigned_to: str | None
    decided_by: str | None
    decided_at: datetime | None
    note: str | None
    payment_id: UUID | None
    updated_at: datetime

    @property
    def left_minor(self) -> int:
        """What can still be spent of it."""
        spendable = self.state in (CreditState.BOOKED, CreditState.PLACED)
        return self.amount.amount_minor - self.used_minor if spendable else 0

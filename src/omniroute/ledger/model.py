"""The ledger's nouns. Frozen; no I/O. Amounts are integers in minor units of the account's currency.

What every posting makes several of is a struct: made in a tenth of the time of a frozen dataclass.
"""

from dataclasses import dataclass, field
from datetime import date, datetime
from enum import StrEnum
from functools import lru_cache
from hashlib import blake2b
from typing import Any
from uuid import UUID

from msgspec import Struct

from omniroute.kit.money import Money
from omniroute.kit.refusal import Refusal


class Side(StrEnum):
    """Which side of an account a leg stands on."""

    DEBIT = "debit"
    CREDIT = "credit"

    @property
    def other(self) -> "Side":
        """The opposite side."""
        return Side.CREDIT if self is Side.DEBIT else Side.DEBIT


class AccountType(StrEnum):
    """What an account measures. Assets and expenses grow by debits, the rest by credits."""

    ASSET = "asset"
    LIABILITY = "liability"
    EQUITY = "equity"
    INCOME = "income"
    EXPENSE = "expense"

    @property
    def normal_side(self) -> Side:
        """The side on which the account grows."""
        return Side.DEBIT if self in (AccountType.ASSET, AccountType.EXPENSE) else Side.CREDIT


class Mode(StrEnum):
    """How an account is kept."""

    STRICT = "strict"  # Locked and checked at posting time; gapless versions; may have limits.
    DEFERRED = "deferred"  # Hot: never locked, no limits; its counters are folded afterwards.


class AccountStatus(StrEnum):
    """open <-> frozen; open -> closed (only when empty)."""

    OPEN = "open"
    FROZEN = "frozen"
    CLOSED = "closed"


class TxnKind(StrEnum):
    """What a transaction does. The value is its letter in the tables."""

    POST = "p"
    HOLD = "h"
    CAPTURE = "c"
    VOID = "v"
    EXPIRE = "x"
    REVERSE = "r"

    @property
    def label(self) -> str:
        """The word that doors show."""
        return _KIND_LABELS[self]


_KIND_LABELS = {
    TxnKind.POST: "posting",
    TxnKind.HOLD: "hold",
    TxnKind.CAPTURE: "capture",
    TxnKind.VOID: "void",
    TxnKind.EXPIRE: "expiry",
    TxnKind.REVERSE: "reversal",
}


@lru_cache(maxsize=200_000)
def account_id(tenant_id: UUID, code: str) -> UUID:
    """The id of the account with this code: a hash of both, so that no look-up is needed to post by code.

    A UUID version 8 (RFC 9562 section 5.8). Codes therefore never change.
    """
    digest = blake2b(code.encode(), digest_size=16, key=tenant_id.bytes).digest()
    number = int.from_bytes(digest)
    return UUID(int=(number & ~(0xF << 76) & ~(0x3 << 62)) | 0x8 << 76 | 0x2 << 62)


@dataclass(frozen=True, slots=True)
class Account:
    """An account as described. `revision` counts changes of the description, status and limits."""

    account_id: UUID
    code: str
    name: str
    type: AccountType
    normal_side: Side
    currency: str
    mode: Mode
    status: AccountStatus
    parent_id: UUID | None
    branch_id: UUID | None
    owner_ref: str | None
    dimensions: dict[str, str]
    floor_minor: int | None
    ceiling_minor: int | None
    opened_at: datetime
    revision: int


class Leg(Struct, frozen=True):
    """One side of a transaction. `label` is the account as the caller wrote it, for messages."""

    account_id: UUID
    side: Side
    amount: Money
    label: str | None = None


class Condition(Struct, frozen=True):
    """What must be true of a strict account just before the item is booked; both None is no condition."""

    account_id: UUID
    available_min_minor: int | None = None
    version: int | None = None
    label: str | None = None


class Entry(Struct, frozen=True):
    """One booked leg. Deferred accounts have no version and no balance at booking time.

    A negative amount in the held layer releases what was held. `balance_after` is on the account's normal side.
    """

    leg: int
    account_id: UUID
    side: Side
    held: bool
    amount: Money
    balance_after_minor: int | None
    version: int | None


class Transaction(Struct, frozen=True):
    """A booked transaction; never changes."""

    transaction_id: UUID
    kind: TxnKind
    value_on: date
    original_on: date | None
    booked_at: datetime
    source_id: UUID | None
    linked_id: UUID | None
    reference: str | None
    metadata: dict[str, Any]
    entries: tuple[Entry, ...]


class Posted(Struct, frozen=True):
    """The item is booked. `replayed`: it had been booked before under the same key."""

    transaction: Transaction
    replayed: bool = False


class Refused(Struct, frozen=True):
    """The item is not booked; nothing of it moved. `replayed`: it had been refused before under the same key."""

    refusal: Refusal
    replayed: bool = False


Outcome = Posted | Refused
Booked = UUID | Refused
"""The id of what an item was booked as, or why it was not."""


@dataclass(frozen=True, slots=True)
class HoldLeg:
    """What became of one leg of a hold; captured + released + left = amount."""

    leg: int
    account_id: UUID
    side: Side
    amount_minor: int
    captured_minor: int
    released_minor: int

    @property
    def left_minor(self) -> int:
        """What can still be captured or released."""
        return self.amount_minor - self.captured_minor - self.released_minor


@dataclass(frozen=True, slots=True)
class Hold:
    """Money set aside, and what became of it. `open` until nothing is left."""

    hold_id: UUID
    group_id: UUID | None
    open: bool
    created_at: datetime
    expires_at: datetime | None
    legs: tuple[HoldLeg, ...] = field(default=())


@dataclass(frozen=True, slots=True)
class Balance:
    """Counters of one account at one instant, in minor units."""

    account_id: UUID
    currency: str
    normal_side: Side
    posted_debit: int
    posted_credit: int
    pending_debit: int
    pending_credit: int
    version: int | None
    floor_minor: int | None = None
    ceiling_minor: int | None = None

    @property
    def posted_minor(self) -> int:
        """The posted balance on the account's normal side."""
        net = self.posted_debit - self.posted_credit
        return net if self.normal_side is Side.DEBIT else -net

    @property
    def available_minor(self) -> int:
        """Posted less what is held to leave."""
        held = self.pending_credit if self.normal_side is Side.DEBIT else self.pending_debit
        return self.posted_minor - held

"""The nouns of reconciliation. Frozen; no I/O. Amounts are integers in minor units: plus came in, minus went out."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from enum import IntEnum, StrEnum
from typing import Any, NamedTuple
from uuid import UUID

RULE_VERSION = "2026-11"
"""What each match remembers: by which rules it was made."""
ITEMS_MAX = 500_000
WINDOW_MAX = 30


class Pass(IntEnum):
    """How a match was found. Each looks only at what those before it left."""

    REVERSAL = 0  # Two movements of one side that cancel each other.
    STRONG_KEY = 1  # The same reference of the rail on both sides, and the same amount.
    OUR_REFERENCE = 2  # Our reference somewhere in what the bank wrote, and the same amount.
    COUNTERPARTY = 3  # The other account named by the bank, amount and date, and nothing else it could be.
    FEE = 4  # The same reference; the amounts differ by a fee that is known.
    SUM = 5  # Several of one side that add up under one reference or settlement.
    MANUAL = 9


class EntryKey(NamedTuple):
    """A leg of a posting."""

    transaction_id: UUID
    leg: int


@dataclass(frozen=True, slots=True)
class Entry:
    """A posting on the account of a bank connection: what the books expect of the bank.

    `refs`: what the rail may call it, exactly. `ours`: what we called it, to be looked for in texts. `accounts`: who is
    paid or pays. `groups`: settlements it is a part of. `fee_minor`: a fee of the rail that is known and not booked.
    `claimed`: it has its match; only there so that nobody takes a repeat for something else.
    """

    key: EntryKey
    amount_minor: int
    currency: str
    on: date
    at: datetime
    refs: frozenset[str] = frozenset()
    ours: frozenset[str] = frozenset()
    accounts: frozenset[str] = frozenset()
    groups: frozenset[str] = frozenset()
    fee_minor: int | None = None
    reverses: UUID | None = None
    claimed: bool = False


@dataclass(frozen=True, slots=True)
class Line:
    """A line of a bank's statement. `refs` are as the bank wrote them; `text` is its narration."""

    key: str
    amount_minor: int
    currency: str
    on: date
    at: datetime
    refs: frozenset[str] = frozenset()
    text: str = ""


@dataclass(frozen=True, slots=True)
class Fee:
    """What a bank may take beside an amount: a flat part and parts per million of it, rounded half up."""

    flat_minor: int = 0
    rate_ppm: int = 0

    def of(self, amount_minor: int) -> int:
        """The fee on an amount."""
        return self.flat_minor + (amount_minor * self.rate_ppm + 500_000) // 1_000_000


@dataclass(frozen=True, slots=True)
class Rules:
    """How a connection is reconciled. `window_days`: how far apart booking days may be where no reference decides.

    `tolerance_minor`: differences up to it are booked as rounding; 0: none is.
    """

    window_days: int = 3
    tolerance_minor: int = 0
    fees: tuple[Fee, ...] = ()


@dataclass(frozen=True, slots=True)
class Found:
    """Items that belong together, and why. `difference_minor`: what the bank moved beyond the books; to be booked."""

    by: Pass
    entries: tuple[Entry, ...]
    lines: tuple[Line, ...]
    evidence: Mapping[str, Any]
    difference_minor: int = 0

    @property
    def book_minor(self) -> int:
        return sum(one.amount_minor for one in self.entries)

    @property
    def bank_minor(self) -> int:
        return sum(one.amount_minor for one in self.lines)

    @property
    def currency(self) -> str:
        return (self.entries[0] if self.entries else self.lines[0]).currency


class ExceptionKind(StrEnum):
    """Why an item has no match."""

    MISSING_AT_BANK = "missing_at_bank"
    MISSING_IN_BOOKS = "missing_in_books"
    AMOUNT_OVER = "amount_over"  # The bank moved more than the books say.
    AMOUNT_UNDER = "amount_under"
    CURRENCY = "currency"
    DUPLICATE = "duplicate"  # The bank shows it once more.
    REVERSAL_UNPAIRED = "reversal_unpaired"  # Given back on one side only.


@dataclass(frozen=True, slots=True)
class Suggestion:
    """What an unmatched item may belong to. `score` from 0 to 100 only orders them."""

    transaction_id: UUID
    leg: int
    line_id: str
    score: int


@dataclass(frozen=True, slots=True)
class Unmatched:
    """An item without a match: a line, an entry, or both where their amounts differ."""

    kind: ExceptionKind
    entry: Entry | None
    line: Line | None
    suggestions: tuple[Suggestion, ...] = ()

    @property
    def currency(self) -> str:
        """That of the line, if there is one."""
        one = self.line or self.entry
        assert one is not None
        return one.currency


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a run over two lists found."""

    found: tuple[Found, ...]
    unmatched: tuple[Unmatched, ...]
    waiting: tuple[Entry, ...] = ()  # In the books, and not yet late at the bank.


class MatchKind(StrEnum):
    """Who made a match."""

    AUTO = "auto"
    MANUAL = "manual"
    FORCED = "forced"  # By hand, although the amounts differ.


class MatchState(StrEnum):
    """Where a match stands."""

    PROPOSED = "proposed"  # Holds its items; another person has to approve it.
    MATCHED = "matched"
    REJECTED = "rejected"
    UNDONE = "undone"


@dataclass(frozen=True, slots=True)
class Match:
    """Items of both sides that belong together, with what shows it."""

    match_id: UUID
    connection_id: UUID
    run_id: UUID | None
    kind: MatchKind
    state: MatchState
    found_by: Pass
    rule_version: str
    currency: str
    book_minor: int
    bank_minor: int
    difference_minor: int
    difference_account: str | None
    difference_transaction_id: UUID | None
    evidence: Mapping[str, Any]
    reason: str | None
    proposed_by: str
    decided_by: str | None
    undone_by: str | None
    created_at: datetime
    decided_at: datetime | None
    undone_at: datetime | None
    version: int
    entries: tuple[EntryKey, ...] = ()
    lines: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Run:
    """One look at a connection over a range of days. `counts`: matches by pass, exceptions by kind, and the like."""

    run_id: UUID
    connection_id: UUID
    start_on: date
    end_on: date
    rule_version: str
    started_by: str
    created_at: datetime
    counts: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class ReconciliationException:
    """An item that has no match, and who looks after it."""

    exception_id: UUID
    connection_id: UUID
    kind: ExceptionKind
    transaction_id: UUID | None
    leg: int | None
    line_id: str | None
    expected_minor: int | None
    actual_minor: int | None
    currency: str
    dated_on: date
    suggestions: tuple[Mapping[str, Any], ...]
    owner: str | None
    opened_at: datetime
    resolved_at: datetime | None
    resolved_by: str | None
    resolution: str | None
    reason: str | None
    version: int


@dataclass(frozen=True, slots=True)
class Bucket:
    """Open exceptions of an age. `days` None: older than the last bucket."""

    days: int | None
    count: int


AGES = (1, 3, 7, 30, 90)
"""Buckets of age: up to so many days."""


@dataclass(frozen=True, slots=True)
class Summary:
    """A range in one currency. `total`: postings, and lines of banks that no posting explains."""

    currency: str
    total_count: int
    total_minor: int
    matched_count: int
    matched_minor: int
    unmatched_count: int


@dataclass(frozen=True, slots=True)
class Report:
    """How a range stands."""

    summaries: tuple[Summary, ...]
    by_pass: Mapping[str, int]
    exceptions: Mapping[str, int]
    ages: tuple[Bucket, ...] = field(default=())

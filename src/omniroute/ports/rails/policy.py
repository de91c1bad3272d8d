"""What the core must know about a rail to never send twice and never lose, as data; and its table of codes."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from typing import Self

from omniroute.ports.rails.model import Outcome

BEYOND_TIMEOUTS = timedelta(seconds=30)


class Duplicates(StrEnum):
    """What the rail does with a second order under the same reference."""

    PAYS_AGAIN = "pays_again"  # Or nobody knows: never send the same order again.
    REJECTS = "rejects"  # Refuses it and says so: accepted before, ask.
    REPLAYS = "replays"  # Answers as the first time.


@dataclass(frozen=True, slots=True)
class RailPolicy:
    """Waits, windows and limits of a rail. Amounts in minor units by currency; None is no limit known.

    `query_after`: the waits before the first, second, ... query; the last one repeats until `query_for` is over,
    then a person decides. Not found is believed after `not_found_times` such answers AND `not_found_after` since the
    send; with `not_found_needs_statement` only once a statement or settlement list of the rail shows it is not there.
    `recheck_after` the send a paid order is asked about again, on rails that have no statement to tell reversals.
    """

    query_after: tuple[timedelta, ...]
    query_for: timedelta
    not_found_times: int
    not_found_after: timedelta
    not_found_needs_statement: bool = False
    recheck_after: tuple[timedelta, ...] = ()
    duplicates: Duplicates = Duplicates.PAYS_AGAIN
    duplicates_for: timedelta | None = None  # How long the rail remembers references; None: not known.
    connect_timeout_s: int = 5
    read_timeout_s: int = 30
    concurrency_max: int = 20
    submits_per_second: int | None = None
    amount_min_minor: Mapping[str, int] | None = None
    amount_max_minor: Mapping[str, int] | None = None
    callbacks_signed: bool = False
    reversible: bool = False

    @property
    def send_max(self) -> timedelta:
        """After this a send that was begun has ended, whatever became of it; before, nothing it may do is over."""
        return timedelta(seconds=self.connect_timeout_s + self.read_timeout_s) * 2 + BEYOND_TIMEOUTS


class CodeClass(StrEnum):
    """What a rail's code tells us, beyond paid or not."""

    OK = "ok"
    IN_PROGRESS = "in_progress"
    HARD_DECLINE = "hard_decline"  # This payment to this payee will not go, however often.
    SOFT_DECLINE = "soft_decline"  # Not now; a new attempt later, or another rail, may go.
    FUNDS = "funds"  # Our float at the rail is too low.
    LIMIT = "limit"
    DUPLICATE = "duplicate"  # This reference was there before: ask what became of it.
    NOT_FOUND = "not_found"
    AUTH = "auth"  # Our credentials.
    CONFIG = "config"  # Our set-up or our request.
    REVERSED = "reversed"
    UNKNOWN = "unknown"

    @property
    def retriable(self) -> bool:
        """A new attempt may make sense, once this one is definitely over."""
        return self in (CodeClass.SOFT_DECLINE, CodeClass.FUNDS, CodeClass.LIMIT, CodeClass.AUTH, CodeClass.CONFIG)


@dataclass(frozen=True, slots=True)
class CodeEntry:
    """One code of the rail. `operator` is the text for finance and support, `customer` the one for the payee's eyes."""

    code: str
    outcome: Outcome
    code_class: CodeClass
    operator: str
    customer: str


@dataclass(frozen=True, slots=True)
class CodeTable:
    """A rail's codes for one phase (submit, query, callback), as versioned data. What is not listed is unknown."""

    rail: str
    version: str
    entries: Mapping[str, CodeEntry]

    @classmethod
    def parse(cls, text: str | bytes, phase: str) -> Self:
        """Read `codes.json` of a connector: {"rail", "version", "phases": {phase: {code: [outcome, class, operator,
        customer]}}}.

        Raises: KeyError, ValueError when the file is damaged; that is a mistake of ours.
        """
        data = json.loads(text)
        entries = {
            code: CodeEntry(code, Outcome(row[0]), CodeClass(row[1]), row[2], row[3])
            for code, row in data["phases"][phase].items()
        }
        return cls(data["rail"], data["version"], entries)

    def find(self, code: str | None) -> CodeEntry:
        """The entry of this code; an unlisted one is unknown."""
        found = None if code is None else self.entries.get(code)
        if found is not None:
            return found
        return CodeEntry(
            code or "",
            Outcome.UNKNOWN,
            CodeClass.UNKNOWN,
            "The rail answered something that is not in its table of codes; we ask until it is certain.",
            "Your payment is being checked.",
        )

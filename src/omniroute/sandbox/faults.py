"""What goes wrong, on demand: by header, by magic account, or by a schedule drawn from a seed.

The same seed gives the same faults for the same references, whatever the order in which they arrive.
"""

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

HEADER = "x-sandbox-fault"


class Fault(StrEnum):
    """One thing that goes wrong with an order."""

    NONE = "none"
    LOST_REQUEST = "lost-request"  # The connection ends; nothing happened.
    LOST_REPLY = "lost-reply"  # It happened; the connection ends without a reply.
    SLOW = "slow"  # It happened; the reply comes late.
    ERROR_BEFORE = "error-before"  # HTTP 503; nothing happened.
    ERROR_AFTER = "error-after"  # HTTP 503; it happened.
    DECLINED = "declined"  # The rail says no, by one of its codes.
    DUPLICATE_CALLBACK = "duplicate-callback"
    LOST_CALLBACK = "lost-callback"
    EARLY_CALLBACK = "early-callback"  # The callback arrives before the reply.
    LATE_SUCCESS = "late-success"  # Nobody knows the order for two days, then it is paid after all.
    WRONG_AMOUNT = "wrong-amount"  # Paid as ordered, told as something else.
    REVERSED_LATER = "reversed-later"  # Paid, and given back the next day.


BEFORE = (Fault.LOST_REQUEST, Fault.ERROR_BEFORE)
"""Faults after which the order never existed."""

MAGIC: Mapping[str, Fault] = {
    f"{901 + number}": fault for number, fault in enumerate(fault for fault in Fault if fault is not Fault.NONE)
}
"""By the magic digits of a payee: 901 lost-request, 902 lost-reply and so on, in the order of `Fault`.

The magic digits are the last three of a mobile number, and of a bank account the last three before the check digit.
"""

QUERY_FAULTS = (Fault.LOST_REQUEST, Fault.LOST_REPLY, Fault.ERROR_BEFORE, Fault.SLOW)


@dataclass(frozen=True, slots=True)
class FaultPlan:
    """`percent` of the orders get one of `faults`, and `query_percent` of the questions about them fail."""

    seed: int = 0
    percent: int = 0
    faults: Sequence[Fault] = tuple(fault for fault in Fault if fault is not Fault.NONE)
    query_percent: int = 0

    def for_order(self, rail: str, reference: str, headers: Mapping[str, str], magic: str | None = None) -> Fault:
        """What goes wrong with this order: the header decides, else the payee's magic digits, else the schedule.

        Raises: ValueError when the header names no fault.
        """
        named = headers.get(HEADER)
        if named is not None:
            return Fault(named)
        if magic is not None and magic in MAGIC:
            return MAGIC[magic]
        draw = random.Random(f"{self.seed}:{rail}:{reference}")  # noqa: S311 - repeatable, not secret
        if not self.faults or draw.randrange(100) >= self.percent:
            return Fault.NONE
        return draw.choice(list(self.faults))

    def for_query(self, rail: str, reference: str, times_asked: int) -> Fault:
        """What goes wrong with the answer to this question."""
        draw = random.Random(f"{self.seed}:{rail}:{reference}:{times_asked}")  # noqa: S311 - as above
        if draw.randrange(100) >= self.query_percent:
            return Fault.NONE
        return draw.choice(QUERY_FAULTS)

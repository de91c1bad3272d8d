"""What a collector earns of an amount, as pure functions. Whole minor units; rates are exact.

    PERCENTAGE           rate of the amount
    FLAT_FEE             always the same
    TIERED_PERCENTAGE    the rate of the tier that this amount falls into; none: nothing
    HYBRID               flat fee and rate of the amount

Then not below the minimum, not above the maximum, and never above the amount itself: a collector never owes for having
collected.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from fractions import Fraction

from omniroute.kit.money import Rounding, round_fraction

RATE_UNIT = 1_000_000
"""Rates are parts per million: 2.5 % is 25,000."""


class CommissionType(StrEnum):
    """How a commission is made."""

    PERCENTAGE = "PERCENTAGE"
    FLAT_FEE = "FLAT_FEE"
    TIERED_PERCENTAGE = "TIERED_PERCENTAGE"  # By the size of the collection.
    HYBRID = "HYBRID"  # Flat and percentage.


@dataclass(frozen=True, slots=True)
class CommissionTier:
    """A rate for amounts from `min_minor` to `max_minor`, both included; None: no end."""

    tier_number: int
    min_minor: int
    max_minor: int | None
    rate_ppm: int

    def holds(self, amount_minor: int) -> bool:
        """Whether an amount falls into it."""
        return self.min_minor <= amount_minor and (self.max_minor is None or amount_minor <= self.max_minor)


@dataclass(frozen=True, slots=True)
class Commission:
    """The terms of a commission. `rate_ppm` parts per million; the others minor units; None is no limit."""

    type: CommissionType
    rate_ppm: int = 0
    flat_minor: int = 0
    min_minor: int | None = None
    max_minor: int | None = None
    tiers: Sequence[CommissionTier] = ()


def commission_of(terms: Commission, gross_minor: int) -> int:
    """What is earned of `gross_minor` (0 or more) minor units, rounded half to even, from 0 to `gross_minor`."""
    match terms.type:
        case CommissionType.PERCENTAGE:
            earned = _share(gross_minor, terms.rate_ppm)
        case CommissionType.FLAT_FEE:
            earned = terms.flat_minor
        case CommissionType.TIERED_PERCENTAGE:
            tiers = sorted(terms.tiers, key=lambda tier: tier.tier_number)
            earned = _share(gross_minor, next((tier.rate_ppm for tier in tiers if tier.holds(gross_minor)), 0))
        case CommissionType.HYBRID:
            earned = terms.flat_minor + _share(gross_minor, terms.rate_ppm)
    if terms.min_minor is not None:
        earned = max(earned, terms.min_minor)
    if terms.max_minor is not None:
        earned = min(earned, terms.max_minor)
    return min(earned, gross_minor)


def _share(amount_minor: int, rate_ppm: int) -> int:
    return round_fraction(Fraction(amount_minor * rate_ppm, RATE_UNIT), Rounding.HALF_EVEN)

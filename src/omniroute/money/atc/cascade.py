"""How an amount falls through the levels of a hierarchy, as a pure function.

The collector keeps its commission and passes the rest on; the rest is what the next level up has collected, of which it
keeps its own commission, and so on up to the root grantor. What all of them keep and what the root grantor is due are
together the amount that was collected, whatever the terms are.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from omniroute.money.atc.commission import Commission, commission_of


@dataclass(frozen=True, slots=True)
class Level:
    """One level's part, in minor units: gross = commission + net. Level 0 is the collector's."""

    level: int
    gross_minor: int
    commission_minor: int

    @property
    def net_minor(self) -> int:
        """What is passed on."""
        return self.gross_minor - self.commission_minor


def cascade(gross_minor: int, terms: Sequence[Commission]) -> list[Level]:
    """The parts of `gross_minor` (0 or more) for each level, from the collector's grant up to the root grant's."""
    levels: list[Level] = []
    for number, one in enumerate(terms):
        gross = levels[-1].net_minor if levels else gross_minor
        levels.append(Level(number, gross, commission_of(one, gross)))
    return levels

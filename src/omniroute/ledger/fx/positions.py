"""What a trade does to a position at average cost. Pure integers; the rounding is half to even, and named."""

from dataclasses import dataclass
from fractions import Fraction

from omniroute.kit.money import Rounding, round_fraction


@dataclass(frozen=True, slots=True)
class Position:
    """`quantity_minor` of a currency (negative: sold short), which cost `cost_minor` of the functional currency."""

    quantity_minor: int
    cost_minor: int


@dataclass(frozen=True, slots=True)
class Traded:
    """The position after a trade, and the gain (or, negative, the loss) that it realised."""

    after: Position
    realised_minor: int


def trade(before: Position, quantity_minor: int, value_minor: int) -> Traded:
    """Buy (`quantity_minor` > 0) or sell (< 0) for `value_minor` >= 0 of the functional currency.

    What opens or adds to a position moves its cost by the value. What closes it takes out cost in proportion, all of it
    with the last unit, and realises the difference. A trade through zero closes first, then opens with the rest.
    """
    held = before.quantity_minor
    closed = min(abs(quantity_minor), abs(held)) if held * quantity_minor < 0 else 0
    direction = 1 if quantity_minor > 0 else -1
    realised = 0
    if closed:
        cost_out = round_fraction(Fraction(before.cost_minor * closed, abs(held)), Rounding.HALF_EVEN)
        value_closed = round_fraction(Fraction(value_minor * closed, abs(quantity_minor)), Rounding.HALF_EVEN)
        realised = -direction * value_closed - cost_out
    after = Position(held + quantity_minor, before.cost_minor + direction * value_minor + realised)
    return Traded(after, realised)

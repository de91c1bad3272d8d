"""Money: an integer of minor units and a currency. No fraction of a minor unit exists anywhere.

There is no `*` and no `/`. A share is made by `split` (adds up to the whole), a rate by `apply_rate`
(exact, rounding named). Adding two currencies is a mistake of ours, not of the caller: it raises AssertionError.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import ROUND_CEILING, ROUND_DOWN, ROUND_FLOOR, ROUND_HALF_EVEN, ROUND_HALF_UP, Decimal
from enum import StrEnum
from fractions import Fraction

from omniroute.kit.currency import exponent
from omniroute.kit.refusal import Kind, Refusal

MINOR_MAX = 2**63 - 1
"""The largest amount a column can hold, in minor units."""

JSON_SAFE_MAX = 2**53 - 1
"""The largest integer that every JSON reader keeps exactly (RFC 8259 section 6)."""


class MalformedAmount(Refusal):
    """The amount is not a whole number of minor units between -(2^63-1) and 2^63-1.

    Write an integer, or a string of digits; never a decimal point or an exponent.
    """

    code = "kit.malformed_amount"
    kind = Kind.INVALID


class Rounding(StrEnum):
    """How a fraction of a minor unit is settled. Always named by the caller."""

    HALF_UP = ROUND_HALF_UP
    HALF_EVEN = ROUND_HALF_EVEN
    DOWN = ROUND_DOWN
    FLOOR = ROUND_FLOOR
    CEILING = ROUND_CEILING


@dataclass(frozen=True, slots=True, order=False)
class Money:
    """`amount_minor` minor units (kobo, cents) of `currency` (ISO 4217)."""

    amount_minor: int
    currency: str

    def __post_init__(self) -> None:
        assert type(self.amount_minor) is int, f"money is a whole number, not {self.amount_minor!r}"
        if not -MINOR_MAX <= self.amount_minor <= MINOR_MAX:
            raise MalformedAmount(amount_minor=str(self.amount_minor))
        exponent(self.currency)

    def __add__(self, other: "Money") -> "Money":
        self._check_same(other)
        return Money(self.amount_minor + other.amount_minor, self.currency)

    def __sub__(self, other: "Money") -> "Money":
        self._check_same(other)
        return Money(self.amount_minor - other.amount_minor, self.currency)

    def __neg__(self) -> "Money":
        return Money(-self.amount_minor, self.currency)

    def __lt__(self, other: "Money") -> bool:
        self._check_same(other)
        return self.amount_minor < other.amount_minor

    def __le__(self, other: "Money") -> bool:
        self._check_same(other)
        return self.amount_minor <= other.amount_minor

    def __str__(self) -> str:
        return f"{self.currency} {decimal_text(self.amount_minor, exponent(self.currency))}"

    def _check_same(self, other: "Money") -> None:
        assert self.currency == other.currency, f"{self.currency} and {other.currency} do not mix"

    def split(self, weights: Sequence[int]) -> list["Money"]:
        """Shares in proportion to `weights` that add up to the whole, for any sign and any weights.

        Largest remainder: each share is rounded down, left-over units go one each to the largest
        fractions lost, the earliest first among equals. Weights are integers >= 0, not all zero.
        """
        total = sum(weights)
        assert total > 0, "weights are not all zero"
        assert min(weights) >= 0, "weights are integers >= 0"
        sign = -1 if self.amount_minor < 0 else 1
        whole = abs(self.amount_minor)
        shares = [whole * weight // total for weight in weights]
        lost = [whole * weight % total for weight in weights]
        order = sorted(range(len(weights)), key=lambda i: (-lost[i], i))
        for i in order[: whole - sum(shares)]:
            shares[i] += 1
        return [Money(sign * share, self.currency) for share in shares]

    def apply_rate(self, rate: Fraction | Decimal | int, *, rounding: Rounding) -> "Money":
        """This amount times an exact rate, in the same currency, with the rounding named."""
        return Money(round_fraction(self.amount_minor * Fraction(rate), rounding), self.currency)


def round_fraction(value: Fraction, rounding: Rounding) -> int:
    """The whole number that `value` becomes; exact for any size."""
    floor = value.numerator // value.denominator
    rest = value - floor
    if rest == 0:
        return floor
    match rounding:
        case Rounding.FLOOR:
            return floor
        case Rounding.CEILING:
            return floor + 1
        case Rounding.DOWN:
            return floor if value > 0 else floor + 1
        case Rounding.HALF_UP:  # Half away from zero, as decimal's ROUND_HALF_UP.
            return floor + 1 if rest > Fraction(1, 2) or (rest == Fraction(1, 2) and value > 0) else floor
        case Rounding.HALF_EVEN:
            return floor + 1 if rest > Fraction(1, 2) or (rest == Fraction(1, 2) and floor % 2 == 1) else floor


def parse_amount(value: object) -> int:
    """Minor units from what JSON, CSV or a form carried: an int, or a string of digits with an optional minus.

    Raises: MalformedAmount for floats, decimals, booleans, other text and anything beyond 2^63-1.
    """
    if type(value) is int:
        number = value
    elif type(value) is str and 0 < len(value) <= 20 and value.isascii() and value.removeprefix("-").isdigit():
        number = int(value)
    else:
        raise MalformedAmount(amount_minor=str(value)[:40])
    if not -MINOR_MAX <= number <= MINOR_MAX:
        raise MalformedAmount(amount_minor=str(number)[:40])
    return number


def json_amount(amount_minor: int) -> int | str:
    """Minor units as JSON: a number while every reader keeps it exactly, else a string of digits."""
    return amount_minor if -JSON_SAFE_MAX <= amount_minor <= JSON_SAFE_MAX else str(amount_minor)


def decimal_text(amount_minor: int, decimals: int) -> str:
    """Minor units as people write them: `decimal_text(-12345, 2)` is `-123.45`."""
    sign = "-" if amount_minor < 0 else ""
    digits = str(abs(amount_minor)).rjust(decimals + 1, "0")
    return sign + (digits if decimals == 0 else f"{digits[:-decimals]}.{digits[-decimals:]}")

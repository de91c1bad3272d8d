"""Money: shares add up, rates round as named, nothing fractional gets in."""

from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from omniroute.kit.currency import EXPONENTS, UnknownCurrency, exponent
from omniroute.kit.money import (
    JSON_SAFE_MAX,
    MINOR_MAX,
    MalformedAmount,
    Money,
    Rounding,
    decimal_text,
    json_amount,
    parse_amount,
    round_fraction,
)

amounts = st.integers(-MINOR_MAX, MINOR_MAX)
weights = st.lists(st.integers(0, 10**9), min_size=1, max_size=30).filter(any)


@given(amounts, weights)
def test_shares_add_up_to_the_whole(amount: int, parts: list[int]) -> None:
    shares = Money(amount, "NGN").split(parts)
    assert sum(share.amount_minor for share in shares) == amount


@given(amounts, weights)
def test_a_share_is_less_than_one_unit_from_its_exact_part(amount: int, parts: list[int]) -> None:
    shares = Money(amount, "NGN").split(parts)
    for share, part in zip(shares, parts, strict=True):
        assert abs(share.amount_minor - Fraction(amount * part, sum(parts))) < 1


def test_left_over_units_go_to_the_largest_fractions_and_the_earliest() -> None:
    shares = Money(100, "KES").split([1, 1, 1])
    assert [share.amount_minor for share in shares] == [34, 33, 33]
    assert [share.amount_minor for share in Money(-100, "KES").split([1, 1, 1])] == [-34, -33, -33]


@given(st.fractions())
def test_rounding_is_that_of_decimal(value: Fraction) -> None:
    bound = round_fraction(value, Rounding.FLOOR)
    assert bound <= value < bound + 1
    assert round_fraction(value, Rounding.CEILING) == -round_fraction(-value, Rounding.FLOOR)
    assert abs(round_fraction(value, Rounding.HALF_EVEN) - value) <= Fraction(1, 2)
    assert abs(round_fraction(value, Rounding.DOWN)) <= abs(value)


@pytest.mark.parametrize("rounding", list(Rounding))
@pytest.mark.parametrize("text", ["2.5", "-2.5", "3.5", "0.4", "-0.6", "7", "-7"])
def test_each_rounding_by_its_name(text: str, rounding: Rounding) -> None:
    expected = int(Decimal(text).quantize(Decimal(1), rounding=rounding.value))
    assert round_fraction(Fraction(text), rounding) == expected


def test_a_rate_is_exact() -> None:
    assert Money(10_050, "NGN").apply_rate(Fraction(15, 1000), rounding=Rounding.HALF_UP) == Money(151, "NGN")


def test_two_currencies_do_not_mix() -> None:
    with pytest.raises(AssertionError):
        Money(1, "NGN") + Money(1, "KES")


@pytest.mark.parametrize(
    "value", [1.0, 1.5, True, None, "1.5", "1e3", "", "-", "+1", " 1", "\u0661", 2**63, "9" * 19, [1]]
)
def test_what_is_not_a_whole_number_is_refused(value: object) -> None:
    with pytest.raises(MalformedAmount):
        parse_amount(value)


@given(amounts)
def test_json_keeps_every_amount(amount: int) -> None:
    shown = json_amount(amount)
    assert parse_amount(shown) == amount
    assert isinstance(shown, str) == (abs(amount) > JSON_SAFE_MAX)


def test_amounts_as_people_write_them() -> None:
    assert decimal_text(-12_345, 2) == "-123.45"
    assert decimal_text(5, 3) == "0.005"
    assert str(Money(1_200, "UGX")) == "UGX 1200"


def test_decimals_are_those_of_iso_4217() -> None:
    assert [exponent(code) for code in ("NGN", "UGX", "TND", "XOF", "KES")] == [2, 0, 3, 0, 2]
    assert len(EXPONENTS) > 140
    with pytest.raises(UnknownCurrency):
        exponent("ABC")

"""Commissions and how they cascade: exact values, and laws that hold for any terms and amounts."""

import itertools
from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from omniroute.money.atc.cascade import cascade
from omniroute.money.atc.commission import Commission, CommissionTier, CommissionType, commission_of

PERCENTAGE, FLAT = CommissionType.PERCENTAGE, CommissionType.FLAT_FEE
TIERED, HYBRID = CommissionType.TIERED_PERCENTAGE, CommissionType.HYBRID
TIERS = (
    CommissionTier(1, 0, 100_000, 50_000),
    CommissionTier(2, 100_001, 1_000_000, 30_000),
    CommissionTier(3, 1_000_001, None, 10_000),
)


@pytest.mark.parametrize(
    ("terms", "gross", "earned"),
    [
        (Commission(PERCENTAGE, rate_ppm=25_000), 1_000_000, 25_000),
        (Commission(PERCENTAGE, rate_ppm=25_000), 20, 0),  # Half a unit, to even.
        (Commission(PERCENTAGE, rate_ppm=25_000), 60, 2),  # One and a half, to even.
        (Commission(PERCENTAGE, rate_ppm=25_000), 21, 1),
        (Commission(PERCENTAGE, rate_ppm=1), 499_999, 0),
        (Commission(PERCENTAGE, rate_ppm=1), 500_001, 1),
        (Commission(PERCENTAGE, rate_ppm=1_000_000), 77, 77),
        (Commission(PERCENTAGE, rate_ppm=25_000, min_minor=500), 1_000, 500),
        (Commission(PERCENTAGE, rate_ppm=25_000, min_minor=5_000), 1_000, 1_000),  # Never above the amount.
        (Commission(PERCENTAGE, rate_ppm=25_000, max_minor=10_000), 1_000_000, 10_000),
        (Commission(FLAT, flat_minor=5_000), 1_000_000, 5_000),
        (Commission(FLAT, flat_minor=5_000), 4_999, 4_999),
        (Commission(TIERED, tiers=TIERS), 100_000, 5_000),
        (Commission(TIERED, tiers=TIERS), 100_001, 3_000),
        (Commission(TIERED, tiers=TIERS[::-1]), 2_000_000, 20_000),  # Their numbers order them.
        (Commission(TIERED, tiers=TIERS[:1], min_minor=10), 100_001, 10),
        (Commission(HYBRID, rate_ppm=10_000, flat_minor=5_000), 1_000_000, 15_000),
        (Commission(HYBRID, rate_ppm=10_000, flat_minor=5_000, max_minor=12_000), 1_000_000, 12_000),
        (Commission(FLAT, flat_minor=5_000, min_minor=1), 0, 0),
    ],
)
def test_what_is_earned(terms: Commission, gross: int, earned: int) -> None:
    assert commission_of(terms, gross) == earned


amounts = st.integers(0, 2**63 - 1) | st.integers(0, 1_000)
limits = st.none() | st.integers(0, 10**9)
tiers = st.lists(
    st.builds(CommissionTier, st.integers(1, 9), st.integers(0, 10**6), st.none() | amounts, st.integers(0, 10**6)),
    max_size=4,
)
commissions = st.builds(
    Commission,
    st.sampled_from(CommissionType),
    rate_ppm=st.integers(0, 1_000_000),
    flat_minor=st.integers(0, 10**9),
    min_minor=limits,
    max_minor=limits,
    tiers=tiers,
)


@settings(max_examples=300)
@given(terms=commissions, gross=amounts)
def test_a_commission_is_never_negative_nor_above_the_amount(terms: Commission, gross: int) -> None:
    earned = commission_of(terms, gross)
    assert 0 <= earned <= gross
    if terms.max_minor is not None:
        assert earned <= terms.max_minor
    if terms.min_minor is not None and (terms.max_minor is None or terms.min_minor <= terms.max_minor):
        assert earned >= min(terms.min_minor, gross)


@settings(max_examples=300)
@given(gross=amounts, rate=st.integers(0, 1_000_000))
def test_a_percentage_is_within_half_a_minor_unit(gross: int, rate: int) -> None:
    earned = commission_of(Commission(PERCENTAGE, rate_ppm=rate), gross)
    assert abs(Fraction(gross * rate, 1_000_000) - earned) <= Fraction(1, 2)


@settings(max_examples=300)
@given(gross=amounts, terms=st.lists(commissions, min_size=1, max_size=8))
def test_commissions_of_all_levels_and_what_the_root_is_due_are_the_whole(gross: int, terms: list[Commission]) -> None:
    levels = cascade(gross, terms)
    assert len(levels) == len(terms)
    assert sum(one.commission_minor for one in levels) + levels[-1].net_minor == gross
    assert levels[0].gross_minor == gross
    for below, above in itertools.pairwise(levels):
        assert above.gross_minor == below.net_minor
    for one in levels:
        assert one.commission_minor >= 0
        assert one.net_minor >= 0

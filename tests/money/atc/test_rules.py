"""Laws of scopes, tiers and ways, for any input."""

from collections.abc import Collection
from itertools import product
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from omniroute.infra.postgres import Database
from omniroute.kit.clock import FixedClock
from omniroute.kit.refusal import Refusal
from omniroute.money import atc
from omniroute.money.atc import (
    CollectionType,
    CommissionTier,
    GrantExpirer,
    GrantStatus,
    ScopeConfig,
    ScopeKind,
    ScopeType,
)
from omniroute.money.atc.errors import MalformedGrant
from omniroute.money.atc.rules import clean_tiers
from omniroute.money.atc.scopes import clean_scopes, covers_method, fits, is_within, methods_overlap, overlap
from tests.money.atc.granting import CHECKER, META, NOW, YEAR, network
from tests.parties.makers import topics

LETTERS = ("a", "b", "c")
TYPES = (ScopeType.PRODUCT_ID, ScopeType.CUSTOMER_TIER, ScopeType.GEOGRAPHIC_ZONE)
values = st.lists(st.sampled_from(LETTERS), min_size=1, unique=True).map(tuple)
scopes = st.dictionaries(st.sampled_from(TYPES), values).map(
    lambda found: tuple(ScopeConfig(kind, some) for kind, some in found.items())
)
WORLD = [dict(zip(TYPES, some, strict=True)) for some in product(LETTERS, repeat=len(TYPES))]
"""Everything that could be collected for."""


def covered(some: Collection[ScopeConfig]) -> set[int]:
    """What of the world fits."""
    return {n for n, thing in enumerate(WORLD) if fits(some, {kind: [value] for kind, value in thing.items()})}


@given(scopes, scopes)
def test_within_is_that_everything_fits_both(child: tuple[ScopeConfig, ...], parent: tuple[ScopeConfig, ...]) -> None:
    if is_within(child, parent):
        assert covered(child) <= covered(parent)
    elif all(set(one.scope_values) < set(LETTERS) for one in parent):  # Narrowed to all there is: is said all the same.
        assert not covered(child) <= covered(parent)
    assert is_within(child, child)


@given(scopes, scopes)
def test_overlap_is_that_something_fits_both(one: tuple[ScopeConfig, ...], other: tuple[ScopeConfig, ...]) -> None:
    assert overlap(one, other) == overlap(other, one) == bool(covered(one) & covered(other))


@given(scopes)
def test_what_is_not_told_does_not_fit(some: tuple[ScopeConfig, ...]) -> None:
    assert fits(some, {}) == (not some)


@given(scopes)
def test_the_normal_form_is_reached_once(some: tuple[ScopeConfig, ...]) -> None:
    kind = ScopeKind.SPECIFIC_PRODUCTS if any(one.scope_type is ScopeType.PRODUCT_ID for one in some) else None
    clean = clean_scopes(kind or ScopeKind.ALL_PRODUCTS, some)
    assert clean_scopes(kind or ScopeKind.ALL_PRODUCTS, reversed(clean)) == clean
    assert covered(clean) == covered(some)


@given(st.sampled_from(CollectionType), st.sampled_from(CollectionType))
def test_means_overlap_when_one_is_by_both(one: CollectionType, other: CollectionType) -> None:
    by = [method for method in CollectionType if method is not CollectionType.ALL_METHODS]
    both = [method for method in by if covers_method(one, method) and covers_method(other, method)]
    assert methods_overlap(one, other) == bool(both)


@st.composite
def _tiers(draw: st.DrawFn) -> list[CommissionTier]:
    """Tiers that touch: each begins where the one below ends, or one above."""
    steps = draw(st.lists(st.tuples(st.integers(2, 1_000), st.booleans()), max_size=6))
    found, start = [], 0
    for step, shared in steps:
        found.append(CommissionTier(0, start, start + step, draw(st.integers(0, 1_000_000))))
        start += step + (0 if shared else 1)
    return draw(st.permutations([*found, CommissionTier(0, start, None, draw(st.integers(0, 1_000_000)))]))


@given(_tiers(), st.integers(0, 10_000))
def test_tiers_that_touch_have_a_rate_for_every_amount(given_: list[CommissionTier], amount: int) -> None:
    tiers = clean_tiers(given_)
    assert [one.tier_number for one in tiers] == list(range(1, len(tiers) + 1))
    holding = [one for one in tiers if one.holds(amount)]
    assert 1 <= len(holding) <= 2
    assert len(holding) == 1 or holding[0].max_minor == holding[1].min_minor == amount


@given(_tiers(), st.data())
def test_tiers_with_a_gap_or_an_overlap_are_refused(given_: list[CommissionTier], data: st.DataObject) -> None:
    ordered = sorted(given_, key=lambda one: one.min_minor)
    place = data.draw(st.integers(0, len(ordered) - 1))
    off = data.draw(st.integers(1, 50) if place == 0 else st.sampled_from([-50, -2, 2, 50]))
    one = ordered[place]
    ordered[place] = CommissionTier(0, one.min_minor + off, one.max_minor, one.rate_ppm)
    with pytest.raises(MalformedGrant):
        clean_tiers(ordered)


WAYS: dict[GrantStatus, dict[str, GrantStatus]] = {
    GrantStatus.DRAFT: {"submit": GrantStatus.PENDING_APPROVAL, "revoke": GrantStatus.REVOKED},
    GrantStatus.PENDING_APPROVAL: {
        "approve": GrantStatus.ACTIVE,
        "reject": GrantStatus.REVOKED,
        "revoke": GrantStatus.REVOKED,
    },
    GrantStatus.ACTIVE: {"suspend": GrantStatus.SUSPENDED, "revoke": GrantStatus.REVOKED},
    GrantStatus.SUSPENDED: {"resume": GrantStatus.ACTIVE, "revoke": GrantStatus.REVOKED},
}
"""Every way a person may take; each other is refused."""
TO_REACH: dict[GrantStatus, list[str]] = {
    GrantStatus.DRAFT: [],
    GrantStatus.PENDING_APPROVAL: ["submit"],
    GrantStatus.ACTIVE: ["submit", "approve"],
    GrantStatus.SUSPENDED: ["submit", "approve", "suspend"],
    GrantStatus.REVOKED: ["revoke"],
    GrantStatus.EXPIRED: ["expire"],
}


@pytest.mark.parametrize("status", GrantStatus)
async def test_every_way_is_open_or_refused_with_nothing_told(
    app_db: Database, worker_db: Database, owner_db: Database, status: GrantStatus
) -> None:
    net = await network(app_db)
    acts = ("submit", "approve", "reject", "suspend", "resume", "revoke")

    async def act(name: str, grant: atc.Grant) -> None:
        if name == "expire":
            await GrantExpirer(worker_db, clock=FixedClock(NOW + YEAR)).round()
            return
        async with net.db.tx(net.org.id) as tx:
            await getattr(atc, f"{name}_grant")(tx, grant.grant_id, now=NOW, meta=META, **MORE.get(name, {}))

    for name in acts:
        grant = await net.write(net.wanted(is_draft=True, effective_to=NOW + YEAR))
        for step in TO_REACH[status]:
            await act(step, grant)
        assert (await net.find(grant)).status is status
        before = await topics(owner_db, net.org.id)
        to = WAYS.get(status, {}).get(name)
        if to is None:
            with pytest.raises(Refusal) as refused:
                await act(name, grant)
            assert refused.value.code == "atc.wrong_status"
            assert await topics(owner_db, net.org.id) == before
            assert (await net.find(grant)).status is status
        else:
            await act(name, grant)
            assert (await net.find(grant)).status is to
            assert len(await topics(owner_db, net.org.id)) > len(before)
        if (await net.find(grant)).status not in atc.ENDED:
            await act("revoke", grant)


MORE: dict[str, dict[str, Any]] = {
    "approve": {"actor": CHECKER},
    "reject": {"actor": CHECKER, "reason": "no"},
    "suspend": {"reason": None},
    "revoke": {"reason": "over"},
}

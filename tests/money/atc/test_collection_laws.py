"""Laws of collections: random hierarchies of grants and random collections, reversals and remittances among them.

More examples with OMNIROUTE_LAW_EXAMPLES.
"""

import os
from contextlib import suppress
from dataclasses import dataclass
from uuid import UUID

from hypothesis import given, settings
from hypothesis import strategies as st

from omniroute.infra.postgres import Database
from omniroute.money import atc
from omniroute.money.atc import (
    CollectionType,
    Commission,
    CommissionTier,
    CommissionType,
    Grant,
    Recorded,
    commission_of,
)
from omniroute.money.atc.collections_errors import AlreadyRemitted, AlreadyReversed
from omniroute.parties import partners
from omniroute.parties.partners import PartnerKind
from tests.laws.invariants import check_invariants
from tests.money.atc.network import Network, cash, make_network
from tests.parties.makers import NOW

EXAMPLES = int(os.environ.get("OMNIROUTE_LAW_EXAMPLES", "8"))
LIMIT = 60_000

amounts = st.sampled_from([1, 7, 99, 1_000, 12_345, 40_000]) | st.integers(1, 50_000)
rates = st.integers(0, 1_000_000) | st.sampled_from([0, 25_000, 333_333])
bounds = st.none() | st.integers(0, 5_000)
commissions = st.one_of(
    st.builds(Commission, st.just(CommissionType.PERCENTAGE), rate_ppm=rates, max_minor=bounds),
    st.builds(Commission, st.just(CommissionType.FLAT_FEE), flat_minor=st.integers(0, 5_000)),
    st.builds(Commission, st.just(CommissionType.HYBRID), rate_ppm=rates, flat_minor=st.integers(0, 500)),
    st.builds(
        lambda low, high, least: Commission(
            CommissionType.TIERED_PERCENTAGE,
            min_minor=least,
            tiers=(CommissionTier(1, 0, 10_000, low), CommissionTier(2, 10_000, None, high)),
        ),
        rates,
        rates,
        st.none() | st.integers(0, 200),
    ),
)


@dataclass(frozen=True)
class Step:
    """Something that is collected, taken back or paid in. `which` counts back over what was recorded."""

    kind: str
    grant: int
    amount: int
    method: CollectionType
    which: int


steps = st.builds(
    Step,
    kind=st.sampled_from(["collect"] * 5 + ["reverse", "remit"]),
    grant=st.integers(0, 9),
    amount=amounts,
    method=st.sampled_from([CollectionType.CASH, CollectionType.BANK_TRANSFER, CollectionType.CREDIT_AGAINST_PURCHASE]),
    which=st.integers(0, 5),
)
trees = st.lists(st.tuples(st.integers(0, 3), commissions, st.booleans()), min_size=1, max_size=6)


@settings(max_examples=EXAMPLES, deadline=None)
@given(tree=trees, batches=st.lists(st.lists(steps, min_size=1, max_size=5), min_size=1, max_size=5))
async def test_books_balance_limits_hold_and_rows_add_up_to_the_books(
    app_db: Database, owner_db: Database, tree: list[tuple[int, Commission, bool]], batches: list[list[Step]]
) -> None:
    net = await make_network(app_db, owner_db)
    grants = await grow(net, tree)
    shop = await net.partner("shop", PartnerKind.RETAILER)
    await net.owe(shop, 100_000)
    await net.credit(shop, 90_000, "session")
    recorded: list[UUID] = []
    for batch in batches:
        await play(net, grants, shop, batch, recorded)
    await check_invariants(owner_db, net.org.id)
    await check_rows(net, grants)


async def grow(net: Network, tree: list[tuple[int, Commission, bool]]) -> list[Grant]:
    """Grants below each other: each hangs below an earlier one, or is a root where it names none."""
    grants: list[Grant] = []
    for number, (above, commission, limited) in enumerate(tree):
        grantee = await net.partner(f"p{number}")
        if above == 0 or above > len(grants):
            grantor = await net.partner(f"g{number}", PartnerKind.MANUFACTURER)
            limit = LIMIT if limited else None
            grants.append(await net.grant(grantor, grantee, commission, cumulative_limit_minor=limit))
            continue
        parent = grants[above - 1]
        limit = parent.cumulative_limit_minor
        terms = {"parent_id": parent.grant_id, "cumulative_limit_minor": limit}
        grants.append(await net.grant(parent.grantee_id, grantee, commission, **terms))
    return grants


async def play(net: Network, grants: list[Grant], shop: UUID, batch: list[Step], recorded: list[UUID]) -> None:
    """A batch: what is collected together, and then what is taken back and paid in."""
    commands = []
    for step in batch:
        if step.kind == "collect":
            reference = "session" if step.method is CollectionType.BANK_TRANSFER else None
            grant = grants[step.grant % len(grants)]
            commands.append(cash(shop, step.amount, grant, method=step.method, payment_reference=reference))
    outcomes = await net.record(*commands) if commands else []
    recorded.extend(one.collection.collection_id for one in outcomes if isinstance(one, Recorded))
    for step in batch:
        if step.kind == "reverse" and recorded:
            with suppress(AlreadyReversed, AlreadyRemitted):
                await net.reverse(recorded[step.which % len(recorded)])
        if step.kind == "remit":
            grant = grants[step.grant % len(grants)]
            async with net.db.tx(net.org.id) as tx:
                await atc.allocate_remittance(
                    tx, collector_id=grant.grantee_id, currency="NGN", amount_minor=step.amount, now=NOW
                )


async def check_rows(net: Network, grants: list[Grant]) -> None:
    """Balances are the sums of the rows that were not taken back, and each row is what its terms say."""
    rows = await net.rows("SELECT * FROM atc_collection WHERE tenant_id = %(tenant)s")
    standing = [row for row in rows if row.reversed_at is None]
    by_id = {grant.grant_id: grant for grant in grants}
    for row in rows:
        assert row.commission_minor == commission_of(by_id[row.grant_id].commission, row.gross_minor)
    for root in {row.root_collection_id for row in rows}:
        levels = [row for row in rows if row.root_collection_id == root]
        [own] = [row for row in levels if row.level == 0]
        [top] = [row for row in levels if row.is_top]
        assert sum(row.commission_minor for row in levels) + top.net_minor == own.gross_minor
        assert len({(row.funded_at, row.reversed_at, row.settlement_status) for row in levels}) == 1
    for grant in grants:
        mine = [row for row in standing if row.grant_id == grant.grant_id]
        collected = await net.collected(grant)
        assert collected == sum(row.gross_minor for row in mine)
        assert grant.cumulative_limit_minor is None or collected <= grant.cumulative_limit_minor
        assert await net.commission(grant.grantee_id) == sum(row.commission_minor for row in mine)
        in_hand = sum(row.gross_minor for row in mine if row.level == 0 and row.source == "in_hand")
        assert await net.in_hand(grant.grantee_id) == in_hand
        due = sum(row.net_minor for row in mine if row.is_top)
        assert await net.balance(partners.payable(grant.grantor_id, "NGN")) == due
    [credit] = await net.rows("SELECT used_minor FROM virtual_account_credit WHERE tenant_id = %(tenant)s")
    paid = [row.gross_minor for row in standing if row.level == 0 and row.source == "credit"]
    assert credit.used_minor == sum(paid)

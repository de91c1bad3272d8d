"""What the database holds by itself is what the rules say: it accepts and refuses the same."""

from datetime import timedelta
from itertools import product
from uuid import UUID

import pytest
from psycopg import errors as pg

from omniroute.infra.postgres import Database, Tx
from omniroute.kit.ids import uuid7
from omniroute.money.atc import CollectionType, Commission, CommissionTier, CommissionType
from omniroute.money.atc.errors import MalformedGrant
from omniroute.money.atc.rules import clean_tiers
from tests.money.atc.granting import DEPOT, NOW, STALL, VAN, YEAR, Network, network

TIER = [
    CommissionTier(0, low, high, 1)
    for low, high in product((0, 1, 2, 3), (1, 2, 3, None))
    if high is None or high > low
]
LISTS = [*[[one] for one in TIER], *[list(two) for two in product(TIER, TIER) if two[0].min_minor <= two[1].min_minor]]


@pytest.fixture(scope="module")
async def net(app_db: Database) -> Network:
    return await network(app_db)


def is_clean(tiers: list[CommissionTier]) -> bool:
    try:
        clean_tiers(tiers)
    except MalformedGrant:
        return False
    return True


async def copied(tx: Tx, grant_id: UUID, changes: str = "") -> UUID:
    """A copy of a grant that waits for approval, with changes, past all our code."""
    copy = uuid7()
    row = "CREATE TEMP TABLE copied ON COMMIT DROP AS SELECT * FROM atc_grant WHERE grant_id = %s"
    await tx.connection.execute("DROP TABLE IF EXISTS copied")
    await tx.connection.execute(row, [grant_id])
    await tx.connection.execute(
        f"UPDATE copied SET grant_id = '{copy}', reference = '{copy}' {changes and ','} {changes}".encode()
    )
    await tx.connection.execute("INSERT INTO atc_grant SELECT * FROM copied")
    return copy


async def is_stored(tx: Tx, grant_id: UUID, tiers: list[CommissionTier]) -> bool:
    try:
        async with tx.savepoint():
            copy = await copied(tx, grant_id)
            for number, tier in enumerate(tiers, 1):
                await tx.connection.execute(
                    "INSERT INTO atc_commission_tier VALUES (%s, %s, %s, %s, %s, %s, %s, %s)",
                    [tx.tenant, uuid7(), copy, number, tier.min_minor, tier.max_minor, tier.rate_ppm, NOW],
                )
            await tx.connection.execute("SET CONSTRAINTS ALL IMMEDIATE")
            await tx.connection.execute("SET CONSTRAINTS ALL DEFERRED")
    except pg.IntegrityError as error:
        if error.diag.constraint_name != "atc_commission_tiers_touch":
            raise
        return False
    return True


async def test_tiers_are_accepted_by_both_or_refused_by_both(net: Network) -> None:
    tiers = (CommissionTier(1, 0, None, 1),)
    tiered = await net.write(net.wanted(commission=Commission(CommissionType.TIERED_PERCENTAGE, tiers=tiers)))
    assert len(LISTS) > 50
    async with net.db.tx(net.org.id) as tx:
        for some in LISTS:
            assert await is_stored(tx, tiered.grant_id, some) == is_clean(some), some
        assert not await is_stored(tx, tiered.grant_id, [])


async def test_a_child_lies_within_its_parent_whoever_writes_it(net: Network) -> None:
    parent = await net.active(
        DEPOT, STALL, collection_type=CollectionType.CASH, effective_to=NOW + YEAR, max_amount_minor=5,
        cumulative_limit_minor=9,
    )  # fmt: skip
    child = await net.write(
        net.wanted(
            STALL, VAN, collection_type=CollectionType.CASH, effective_to=NOW + YEAR, max_amount_minor=5,
            cumulative_limit_minor=9, parent_id=parent.grant_id,
        )
    )  # fmt: skip
    later = NOW + YEAR + timedelta(seconds=1)
    for changes in (
        f"grantor_id = '{net.ids[DEPOT]}'",
        "currency = 'KES'",
        "collection_type = 'ALL_METHODS'",
        "collection_type = 'CHEQUE'",
        f"effective_from = '{NOW - timedelta(seconds=1)}'",
        "effective_to = NULL",
        f"effective_to = '{later}'",
        "max_amount_minor = NULL",
        "max_amount_minor = 6",
        "cumulative_limit_minor = NULL",
        "cumulative_limit_minor = 10",
        "depth = 2",
    ):
        with pytest.raises(pg.IntegrityError) as broken:
            async with net.db.tx(net.org.id) as tx:
                await copied(tx, child.grant_id, changes)
        assert broken.value.diag.constraint_name == "atc_grant_within_parent", changes
    async with net.db.tx(net.org.id) as tx:
        assert await copied(tx, child.grant_id, "max_amount_minor = 4")

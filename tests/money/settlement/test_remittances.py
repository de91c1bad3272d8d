"""Remittances: what is paid in, what is kept, for which collections; and what is refused."""

import pytest

from omniroute.infra.postgres import Database
from omniroute.kit.ids import uuid7
from omniroute.money import atc, settlement
from omniroute.money.atc import CollectionType
from tests.laws.invariants import check_invariants
from tests.money.payments.house import META
from tests.money.settlement.market import FLOAT, Market, open_market, refused


@pytest.fixture(scope="module")
async def shared(app_db: Database, worker_db: Database, owner_db: Database) -> Market:
    return await open_market(app_db, worker_db, owner_db)


@pytest.fixture
async def market(app_db: Database, worker_db: Database, owner_db: Database) -> Market:
    return await open_market(app_db, worker_db, owner_db)


async def test_what_is_paid_in_covers_the_oldest_first(market: Market, owner_db: Database) -> None:
    first, second = await market.cash(10_000), await market.cash(20_000)
    made = await market.remit(market.van, 12_000, note="Monday's round")
    assert [(one.collection_id, one.amount_minor) for one in made.items] == [
        (first.collection_id, 10_000), (second.collection_id, 2_000),
    ]  # fmt: skip
    assert await market.balance(FLOAT) == 12_000
    assert await market.in_hand(market.van) == 18_000
    async with market.house.db.tx(market.house.tenant_id, readonly=True) as tx:
        assert await settlement.find_remittance(tx, made.remittance_id) == made
        (listed,) = (await settlement.list_remittances(tx, partner_id=market.van)).items
    assert (listed.reference, listed.paid_minor, listed.items) == (made.reference, 12_000, ())
    await check_invariants(owner_db, market.house.tenant_id)


async def test_commission_is_kept_of_what_is_with_us(market: Market) -> None:
    await market.cash(10_000)
    await market.cash(10_000)
    too_much = await refused(market, market.remit(market.van, 9_499, 501))
    assert (too_much.code, too_much.facts["earned_minor"]) == ("settlement.kept_too_much", 500)
    # The first is not covered whole, so nothing of it is earned.
    assert (await refused(market, market.remit(market.van, 9_000, 500))).code == "settlement.kept_too_much"
    made = await market.remit(market.van, 9_500, 500)
    assert (made.paid_minor, made.kept_minor) == (9_500, 500)
    assert (await market.commission(market.van), await market.in_hand(market.van)) == (500, 10_000)
    assert (await refused(market, market.remit(market.van, 0, 1))).code == "settlement.kept_too_much"


async def test_commission_of_what_others_have_in_hand_is_not_kept(market: Market) -> None:
    await market.cash(100_000)  # The depot earns 9,500 of what the van has in hand.
    await market.cash(10_000, market.upper)
    assert await market.commission(market.depot) == 10_500
    refusal = await refused(market, market.remit(market.depot, 500, 9_500))
    assert (refusal.code, refusal.facts["earned_minor"]) == ("settlement.kept_too_much", 1_000)
    await market.remit(market.depot, 9_000, 1_000)
    await market.settle_now()
    await market.rounds()
    assert await market.balance(FLOAT) == 0


async def test_nobody_pays_in_more_than_they_have_in_hand(market: Market) -> None:
    await market.cash(10_000)
    refusal = await refused(market, market.remit(market.van, 10_001))
    assert (refusal.code, refusal.facts["in_hand_minor"]) == ("settlement.more_than_in_hand", 10_000)
    assert (await refused(market, market.remit(market.depot, 1))).code == "settlement.more_than_in_hand"


async def test_a_reference_is_one_remittance(market: Market) -> None:
    await market.cash(10_000)
    await market.remit(market.van, 1_000, reference="slip-1")
    again = await refused(market, market.remit(market.van, 1_000, reference="slip-1"))
    assert again.code == "settlement.remittance_exists"


@pytest.mark.parametrize(
    "terms",
    [
        {"paid": 0}, {"paid": -1}, {"paid": 1, "kept": -1}, {"paid": 1, "reference": "a b"},
        {"paid": 1, "credit": "crd", "connection_id": uuid7()}, {"paid": 1, "connection_id": None},
        {"paid": 0, "kept": 1, "connection_id": uuid7()}, {"paid": 1, "note": "a\nb"},
    ],
)  # fmt: skip
async def test_what_is_no_remittance_is_refused(shared: Market, terms: dict[str, object]) -> None:
    refusal = await refused(shared, shared.remit(shared.van, **terms))  # type: ignore[arg-type]  # Wrong on purpose.
    assert refusal.code == "settlement.malformed_remittance"


async def test_a_reversal_leaves_nothing_to_remit(market: Market) -> None:
    one = await market.cash(10_000)
    async with market.house.db.tx(market.house.tenant_id) as tx:
        await atc.reverse_collection(
            tx, one.collection_id, reason="counted twice", actor="usr_clerk", now=market.now, today=market.today(),
            meta=META,
        )  # fmt: skip
    assert (await refused(market, market.remit(market.van, 1))).code == "settlement.more_than_in_hand"


async def test_a_transfer_to_the_collectors_own_account_is_spent_once(market: Market) -> None:
    await market.cash(10_000)
    await market.credit(market.van, 8_000, "S-1")
    made = await market.remit(market.van, 8_000, credit="S-1")
    assert made.credit_id is not None
    assert await market.in_hand(market.van) == 2_000
    again = await refused(market, market.remit(market.van, 2_000, credit="S-1"))
    assert again.code == "collections.credit_spent"


async def test_a_transfer_to_anothers_account_pays_nothing_in(market: Market) -> None:
    await market.cash(10_000)
    await market.credit(market.depot, 8_000, "S-2")
    refusal = await refused(market, market.remit(market.van, 8_000, credit="S-2"))
    assert refusal.code == "settlement.credit_of_another"


async def test_the_means_do_not_matter_if_the_collector_has_the_money(market: Market) -> None:
    cheque = await market.collect(10_000, market.lower, CollectionType.CHEQUE)
    made = await market.remit(market.van, 10_000)
    assert [one.collection_id for one in made.items] == [cheque.collection_id]

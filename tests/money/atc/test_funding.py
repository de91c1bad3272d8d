"""What becomes of collections: remittances fund the oldest first, settlements take what is with us and due."""

import asyncio
from datetime import timedelta
from uuid import UUID

import pytest
from psycopg import errors as pg

from omniroute import ledger
from omniroute.infra.postgres import Database
from omniroute.kit.ids import uuid7
from omniroute.kit.money import Money
from omniroute.kit.refusal import Refusal
from omniroute.ledger import Leg, Side
from omniroute.money import atc
from omniroute.money.atc import Allocation, Collection, Commission, CommissionType, Grant, SettlementStatus
from omniroute.parties import partners
from omniroute.parties.partners import PartnerKind
from tests.money.atc.network import DAY, TODAY, Network, cash, make_network
from tests.parties.makers import META, NOW, refuses

FLAT = Commission(CommissionType.FLAT_FEE, flat_minor=10)


@pytest.fixture
async def net(app_db: Database, owner_db: Database) -> Network:
    return await make_network(app_db, owner_db)


class Line:
    """A depot that collects for a maker, a van that collects for the depot, and what they collected."""

    depot: UUID
    van: UUID
    shop: UUID
    upper: Grant
    lower: Grant


@pytest.fixture
async def line(net: Network) -> Line:
    made = Line()
    maker = await net.partner("maker", PartnerKind.MANUFACTURER)
    made.depot, made.van = await net.partner("depot"), await net.partner("van", PartnerKind.WORKER)
    made.shop = await net.partner("shop", PartnerKind.RETAILER)
    made.upper = await net.grant(maker, made.depot)
    made.lower = await net.grant(made.depot, made.van, FLAT, parent_id=made.upper.grant_id)
    return made


async def remit(net: Network, collector: UUID, amount_minor: int) -> list[Allocation]:
    async with net.db.tx(net.org.id) as tx:
        return await atc.allocate_remittance(
            tx, collector_id=collector, currency="NGN", amount_minor=amount_minor, now=NOW
        )


async def levels(net: Network, collection_id: UUID) -> tuple[Collection, ...]:
    async with net.db.tx(net.org.id, readonly=True) as tx:
        return await atc.find_collection(tx, collection_id)


async def test_a_remittance_funds_the_oldest_first(net: Network, line: Line) -> None:
    first = (await net.recorded(cash(line.shop, 1_000, line.lower))).collection
    second = (await net.recorded(cash(line.shop, 500, line.lower))).collection
    other = (await net.recorded(cash(line.shop, 700, line.upper))).collection
    assert await remit(net, line.van, 1_200) == [
        Allocation(first.collection_id, first.reference, 1_000, True),
        Allocation(second.collection_id, second.reference, 200, False),
    ]
    assert {one.funded_at for one in await levels(net, first.collection_id)} == {NOW}
    assert {one.funded_at for one in await levels(net, second.collection_id)} == {None}
    assert (await levels(net, second.collection_id))[0].remitted_minor == 200
    with refuses("atc.collection_remitted"):
        await net.reverse(second.collection_id)
    assert await remit(net, line.van, 400) == [Allocation(second.collection_id, second.reference, 300, True)]
    assert await remit(net, line.van, 1) == []
    assert {one.funded_at for one in await levels(net, other.collection_id)} == {None}


async def test_many_are_funded_by_one_remittance(net: Network, line: Line) -> None:
    await net.record(*(cash(line.shop, 1, line.lower) for _ in range(230)))
    assert len(await remit(net, line.van, 1_000)) == 230
    assert await net.rows(
        """SELECT count(*), sum(remitted_minor) FROM atc_collection
            WHERE tenant_id = %(tenant)s AND funded_at IS NOT NULL"""
    ) == [(460, 230)]


async def test_a_reversal_and_a_remittance_at_once_do_not_both_happen(net: Network, line: Line) -> None:
    collected = [(await net.recorded(cash(line.shop, 100, line.lower))).collection for _ in range(4)]
    answers = await asyncio.gather(
        *(net.reverse(one.collection_id) for one in collected), remit(net, line.van, 400), return_exceptions=True
    )
    assert all(not isinstance(one, BaseException) or isinstance(one, Refusal) for one in answers), answers
    for one in collected:
        own = (await levels(net, one.collection_id))[0]
        assert (own.reversed_at is None) == (own.remitted_minor == 100)


async def test_a_settlement_takes_what_is_with_us_and_due(net: Network, line: Line) -> None:
    funded = (await net.recorded(cash(line.shop, 1_000, line.lower))).levels
    await net.recorded(cash(line.shop, 500, line.lower))  # In hand.
    await remit(net, line.van, 1_000)

    async def due(day: timedelta) -> list[Collection]:
        async with net.db.tx(net.org.id) as tx:
            return await atc.lock_due_collections(tx, line.upper.grant_id, until_on=TODAY + day, limit=10)

    assert await due(1 * DAY) == []
    [top] = await due(2 * DAY)
    assert top.collection_id == funded[1].collection_id
    batch = uuid7()
    async with net.db.tx(net.org.id) as tx:
        await atc.place_in_batch(tx, [top.collection_id], batch)
    own, above = await levels(net, top.collection_id)
    assert (own.settlement_status, own.settlement_batch_id) == (SettlementStatus.SCHEDULED, None)
    assert (above.settlement_status, above.settlement_batch_id) == (SettlementStatus.SCHEDULED, batch)
    assert await due(2 * DAY) == []
    with refuses("atc.collection_in_settlement"):
        await net.reverse(own.collection_id)
    for status in (SettlementStatus.PROCESSING, SettlementStatus.PENDING):
        async with net.db.tx(net.org.id) as tx:
            await atc.follow_batch(tx, batch, status, now=NOW)
        assert {one.settlement_status for one in await levels(net, own.collection_id)} == {status}
    assert [one.collection_id for one in await due(2 * DAY)] == [top.collection_id]
    async with net.db.tx(net.org.id) as tx:
        await atc.place_in_batch(tx, [top.collection_id], batch)
        await atc.follow_batch(tx, batch, SettlementStatus.SETTLED, now=NOW)
    assert {(one.settlement_status, one.settled_at) for one in await levels(net, own.collection_id)} == {
        (SettlementStatus.SETTLED, NOW)
    }


async def test_what_is_not_with_us_is_not_settled(net: Network, line: Line) -> None:
    collected = (await net.recorded(cash(line.shop, 1_000, line.lower))).levels
    with pytest.raises(pg.CheckViolation, match="atc_collection_paid_out_of_funds"):
        async with net.db.tx(net.org.id) as tx:
            await atc.place_in_batch(tx, [collected[1].collection_id], uuid7())
    with pytest.raises(pg.CheckViolation, match="atc_collection_funded"):
        async with net.db.tx(net.org.id) as tx:
            await tx.connection.execute(b"UPDATE atc_collection SET funded_at = now()")


async def test_what_was_spent_is_not_taken_back(net: Network, line: Line) -> None:
    collected = (await net.recorded(cash(line.shop, 1_000, line.lower))).collection
    async with net.db.tx(net.org.id) as tx:  # The van has taken its commission out of what it has in hand.
        accounts = (partners.commission(line.van, "NGN"), partners.in_hand(line.van, "NGN"))
        debit, credit = (ledger.account_id(tx.tenant, code) for code in accounts)
        legs = [Leg(debit, Side.DEBIT, Money(10, "NGN")), Leg(credit, Side.CREDIT, Money(10, "NGN"))]
        await ledger.post_one(tx, ledger.post_transaction(legs, meta=META), today=TODAY)
    before = await net.state()
    with refuses("atc.collection_spent"):
        await net.reverse(collected.collection_id)
    assert await net.state() == before

"""Settlements: made by the calendar or on demand, paid once, followed to their end; remittances that fund them."""

import asyncio
from datetime import UTC, datetime

import pytest
from psycopg import errors as pg

from omniroute.infra.postgres import Database
from omniroute.money.atc import CollectionType, CreateGrant, Frequency, ScopeKind, SettlementTerms
from omniroute.money.payments import AttemptState
from omniroute.money.settlement import BatchState, Cause
from omniroute.ports.rails import Party, PartyKind
from omniroute.sandbox.faults import Fault, FaultPlan
from tests.chaos.test_every_await import dying
from tests.laws.invariants import check_invariants
from tests.money.settlement.market import BANK, DAY, FLOAT, HOUR, Market, grant, open_market, percent, refused


@pytest.fixture
async def market(app_db: Database, worker_db: Database, owner_db: Database) -> Market:
    return await open_market(app_db, worker_db, owner_db)


async def statuses(market: Market) -> list[tuple[str, bool]]:
    """How far each level of each collection has come, and whether it is in a settlement."""
    rows = await market.rows(
        "SELECT settlement_status AS status, settlement_batch_id FROM atc_collection WHERE tenant_id = %(tenant)s"
        " ORDER BY created_at, level"
    )
    return [(row.status, row.settlement_batch_id is not None) for row in rows]


async def test_what_is_with_us_is_paid_out_once(market: Market, owner_db: Database) -> None:
    await market.sale(100_000)
    batch = await market.settle_now()
    assert (batch.state, batch.cause, batch.gross_minor, batch.net_minor) == (
        BatchState.CREATED, Cause.DEMAND, 100_000, 90_000,
    )  # fmt: skip
    assert await statuses(market) == [("scheduled", True)]
    await market.runner().pay_due()
    assert await statuses(market) == [("processing", True)]
    await market.rounds()
    (settled,) = await market.batches()
    assert (settled.state, settled.fee_minor, settled.reason) == (BatchState.SETTLED, 0, None)
    assert await statuses(market) == [("settled", True)]
    assert await market.payable(market.maker) == 0
    assert await market.balance(FLOAT) == await market.commission(market.depot) == 10_000
    assert (await refused(market, market.settle_now())).code == "settlement.nothing_due"
    await check_invariants(owner_db, market.house.tenant_id)


async def test_levels_follow_the_root_and_only_it_is_in_the_settlement(market: Market) -> None:
    await market.sale(100_000, market.lower)
    await market.settle_now()
    await market.rounds()
    assert await statuses(market) == [("settled", False), ("settled", True)]
    (batch,) = await market.batches()
    assert (batch.gross_minor, batch.commission_minor, batch.net_minor) == (95_000, 9_500, 85_500)
    assert await market.commission(market.van) == 5_000


async def test_a_grant_below_another_is_settled_with_its_root(market: Market) -> None:
    await market.sale(100_000, market.lower)
    refusal = await refused(market, market.settle_now(market.lower))
    assert refusal.code == "settlement.not_a_root_grant"


async def test_money_in_hand_is_not_settled_before_it_is_remitted(market: Market) -> None:
    first, second = await market.cash(10_000), await market.cash(20_000)
    assert (await refused(market, market.settle_now())).code == "settlement.nothing_due"
    await market.remit(market.van, 9_999)
    assert [row.funded_at for row in await market.levels(first)] == [None, None]
    assert (await refused(market, market.settle_now())).code == "settlement.nothing_due"
    await market.remit(market.van, 1)
    assert all(row.funded_at for row in await market.levels(first))
    await market.settle_now()
    await market.rounds()
    (batch,) = await market.batches()
    assert (batch.collection_count, batch.net_minor) == (1, 8_550)
    assert await market.in_hand(market.van) == 20_000
    assert [row.settlement_status for row in await market.levels(second)] == ["pending", "pending"]


async def test_a_failed_payment_frees_its_collections_for_the_next_settlement(
    app_db: Database, worker_db: Database, owner_db: Database
) -> None:
    closed = Party(PartyKind.BANK_ACCOUNT, "0123456906", "000014", "Maker", "NG")  # The rail declines it.
    market = await open_market(app_db, worker_db, owner_db, account=closed)
    await market.sale(100_000)
    await market.settle_now()
    await market.rounds()
    (batch,) = await market.batches()
    assert (batch.state, batch.reason) == (BatchState.FAILED, "payment_failed")
    assert await statuses(market) == [("pending", False)]
    assert await market.payable(market.maker) == 90_000
    again = await market.settle_now()
    assert (again.net_minor, again.reference != batch.reference) == (90_000, True)
    items = await market.rows("SELECT released_at FROM atc_settlement_item WHERE tenant_id = %(tenant)s")
    assert sorted(row.released_at is None for row in items) == [False, True]


async def test_what_nobody_knows_is_no_failure(app_db: Database, worker_db: Database, owner_db: Database) -> None:
    lost = Party(PartyKind.BANK_ACCOUNT, "0123456902", "000014", "Maker", "NG")  # Paid, and no reply.
    market = await open_market(app_db, worker_db, owner_db, account=lost)
    await market.sale(100_000)
    await market.settle_now()
    await market.rounds()
    (batch,) = await market.batches()
    assert batch.state is BatchState.PROCESSING
    (attempt,) = await market.rows("SELECT state FROM payment_attempt WHERE tenant_id = %(tenant)s")
    assert attempt.state == AttemptState.UNKNOWN.value
    assert (await refused(market, market.settle_now())).code == "settlement.nothing_due"
    await market.house.settle()
    await market.rounds()
    (batch,) = await market.batches()
    assert batch.state is BatchState.SETTLED


async def test_a_payment_given_back_makes_its_collections_due_again(
    app_db: Database, worker_db: Database, owner_db: Database
) -> None:
    market = await open_market(app_db, worker_db, owner_db)
    await market.sale(100_000)
    batch = await market.settle_now()
    await market.rounds()
    (settled,) = await market.batches()
    assert settled.state is BatchState.SETTLED
    assert settled.payment_id is not None
    await market.given_back(settled.payment_id)
    await market.rounds()
    (failed,) = await market.batches()
    assert (failed.batch_id, failed.state, failed.reason) == (batch.batch_id, BatchState.FAILED, "payment_reversed")
    assert await statuses(market) == [("pending", False)]
    assert await market.payable(market.maker) == 90_000


async def test_a_fee_is_taken_from_the_settlement(market: Market) -> None:
    market.house.rules.fee_minor = 2_500
    await market.sale(100_000)
    await market.settle_now()
    await market.rounds()
    (batch,) = await market.batches()
    assert (batch.state, batch.net_minor, batch.fee_minor) == (BatchState.SETTLED, 90_000, 2_500)
    assert await market.payable(market.maker) == 0
    (payment,) = await market.rows("SELECT amount_minor, fee_minor FROM payment WHERE tenant_id = %(tenant)s")
    assert (payment.amount_minor, payment.fee_minor) == (87_500, 2_500)
    assert await market.balance("payments:fees:NGN") == 2_500


async def test_a_payment_that_is_refused_is_tried_again(market: Market) -> None:
    await market.sale(1_000)
    market.house.rules.fee_minor = 900
    await market.settle_now()
    await market.rounds()
    (batch,) = await market.batches()
    assert (batch.state, batch.reason, batch.tries) == (BatchState.CREATED, "settlement.fee_above_net", 1)
    assert await statuses(market) == [("scheduled", True)]
    market.house.rules.fee_minor = 0
    await market.rounds()
    assert (await market.batches())[0].state is BatchState.CREATED  # Its time has not come.
    market.house.clock.at += HOUR
    await market.rounds()
    assert (await market.batches())[0].state is BatchState.SETTLED


async def test_a_settlement_of_commission_only_needs_no_payment(market: Market) -> None:
    all_of_it = await grant(
        market.house,
        CreateGrant(
            market.maker, market.van, ScopeKind.ALL_PRODUCTS, CollectionType.ALL_METHODS, "NGN", percent(100),
            SettlementTerms(Frequency.ON_DEMAND, account=BANK),
        ),
    )  # fmt: skip
    await market.sale(5_000, all_of_it)
    await market.settle_now(all_of_it)
    await market.rounds()
    (batch,) = await market.batches()
    assert (batch.state, batch.net_minor, batch.payment_id) == (BatchState.SETTLED, 0, None)
    assert await statuses(market) == [("settled", True)]


async def test_the_calendar_settles_what_was_collected_before_its_day(
    app_db: Database, worker_db: Database, owner_db: Database
) -> None:
    market = await open_market(app_db, worker_db, owner_db, frequency=Frequency.DAILY, delay_days=1)
    await market.sale(10_000)  # On the second, due on the third.
    await market.rounds()
    assert await market.batches() == []
    market.house.clock.at = datetime(2026, 3, 2, 22, 59, tzinfo=UTC)  # In Lagos the day is not over.
    await market.rounds()
    assert await market.batches() == []
    market.house.clock.at = datetime(2026, 3, 2, 23, 0, tzinfo=UTC)
    await market.sale(500)
    await market.rounds()
    (batch,) = await market.batches()
    assert (batch.cause, batch.state, batch.net_minor) == (Cause.CALENDAR, BatchState.SETTLED, 9_000)
    assert (batch.period_start, batch.period_end) == (
        datetime(2026, 3, 1, 23, tzinfo=UTC), datetime(2026, 3, 2, 23, tzinfo=UTC),
    )  # fmt: skip
    market.house.clock.at += DAY
    await market.rounds()
    assert [one.net_minor for one in await market.batches()] == [9_000, 450]


async def test_what_one_settlement_does_not_take_goes_into_another(
    app_db: Database, worker_db: Database, owner_db: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in ("batches", "runner"):
        monkeypatch.setattr(f"omniroute.money.settlement.{module}.COLLECTIONS_MAX", 2)
    market = await open_market(app_db, worker_db, owner_db, frequency=Frequency.WEEKLY, day=2)
    for amount in (1_000, 2_000, 3_000, 4_000, 5_000):
        await market.sale(amount)
    market.house.clock.at += DAY  # A Tuesday.
    await market.rounds()
    assert [(one.collection_count, one.net_minor) for one in await market.batches()] == [
        (2, 2_700), (2, 6_300), (1, 4_500),
    ]  # fmt: skip
    assert len({one.period_end for one in await market.batches()}) == 1
    assert await market.payable(market.maker) == 0


async def test_what_is_settled_at_once_waits_for_nobody_but_after_a_failure(
    app_db: Database, worker_db: Database, owner_db: Database
) -> None:
    market = await open_market(app_db, worker_db, owner_db, frequency=Frequency.INSTANT)
    await market.sale(10_000)
    await market.rounds()
    await market.sale(20_000)
    await market.rounds()
    assert [(one.cause, one.net_minor) for one in await market.batches()] == [
        (Cause.INSTANT, 9_000), (Cause.INSTANT, 18_000),
    ]  # fmt: skip
    market.house.world.plan = FaultPlan(percent=100, faults=[Fault.DECLINED])
    await market.sale(30_000)
    await market.rounds()
    assert [one.state for one in await market.batches()][2:] == [BatchState.FAILED]
    market.house.world.plan = FaultPlan()
    market.house.clock.at += HOUR
    await market.rounds()
    assert [one.state for one in await market.batches()][3:] == [BatchState.SETTLED]


async def test_two_workers_settle_and_pay_once(app_db: Database, worker_db: Database, owner_db: Database) -> None:
    market = await open_market(app_db, worker_db, owner_db, frequency=Frequency.INSTANT)
    for amount in (10_000, 20_000, 30_000):
        await market.sale(amount)
        await asyncio.gather(*[market.runner().round() for _ in range(3)])
    await market.rounds()
    assert sum(one.net_minor for one in await market.batches()) == 54_000
    assert {one.state for one in await market.batches()} == {BatchState.SETTLED}
    assert await market.payable(market.maker) == 0
    assert await market.balance(FLOAT) == 6_000


async def test_a_worker_may_die_at_any_moment(app_db: Database, worker_db: Database, owner_db: Database) -> None:
    market = await open_market(app_db, worker_db, owner_db, frequency=Frequency.INSTANT)
    at, died, total = 0, True, 0
    while died:
        at += 3
        await market.sale(10_000)
        total += 9_000
        with dying(at) as worker:
            task = asyncio.get_running_loop().create_task(market.runner().round())
            await asyncio.gather(task, return_exceptions=True)
            await worker.ended()
        died = worker.died
        assert at < 400
    await market.rounds()
    market.house.clock.at += HOUR
    await market.rounds()
    assert {one.state for one in await market.batches()} == {BatchState.SETTLED}
    assert sum(one.net_minor for one in await market.batches()) == total
    assert await market.payable(market.maker) == 0
    await check_invariants(owner_db, market.house.tenant_id)


async def test_the_database_lets_nothing_be_settled_that_is_not_with_us(market: Market) -> None:
    await market.sale(10_000)
    batch = await market.settle_now()
    in_hand = await market.cash(20_000, market.upper)
    for collection, net, wrong in (
        (in_hand.collection_id, 18_000, "atc_settlement_item_with_us"),
        ((await market.sale(30_000)).collection_id, 27_001, "atc_settlement_item_with_us"),
    ):
        async with market.house.db.tx(market.house.tenant_id) as tx:
            with pytest.raises(pg.IntegrityError) as broken:
                async with tx.savepoint():
                    await tx.connection.execute(
                        "INSERT INTO atc_settlement_item VALUES (%s, %s, %s, %s, %s, %s)",
                        [tx.tenant, batch.batch_id, collection, net, 0, net],
                    )
            assert broken.value.diag.constraint_name == wrong


async def test_a_payment_of_more_than_the_net_is_no_payment_of_the_settlement(market: Market) -> None:
    await market.sale(10_000)
    batch = await market.settle_now()
    await market.house_owes(market.maker, 1_000_000)
    (payment,) = await market.house.initiated(
        market.house.order(amount_minor=9_001, source=f"partner:{market.maker}:payable:NGN")
    )
    async with market.house.worker.tx(market.house.tenant_id) as tx:
        with pytest.raises(pg.IntegrityError) as broken:
            async with tx.savepoint():
                await tx.connection.execute(
                    "UPDATE atc_settlement_batch SET state = 'processing', try_at = NULL, payment_id = %s"
                    " WHERE tenant_id = %s AND batch_id = %s",
                    [payment.payment_id, tx.tenant, batch.batch_id],
                )
    assert broken.value.diag.constraint_name == "atc_settlement_batch_pays_its_net"

"""What came in is compared with the provider's statement: every credit has its line, and what has none is found."""

from collections.abc import AsyncIterator

import pytest

from omniroute.infra.postgres import Database
from omniroute.money import payments, reconciliation
from omniroute.money.reconciliation import ExceptionKind, Pass
from tests.money.collections.shop import META, START, Mishap, Shop, opened, today

DAY = START.date()


@pytest.fixture
async def shop(app_db: Database, worker_db: Database, owner_db: Database) -> AsyncIterator[Shop]:
    async with opened(app_db, worker_db, owner_db) as made:
        yield made


async def read_statement(shop: Shop) -> int:
    reader = payments.StatementReader(shop.worker, shop.links, clock=shop.clock, business_day=today)
    return await reader.read(shop.tenant_id, shop.connection_id)


async def reconcile(shop: Shop) -> reconciliation.Outcome:
    async with shop.db.tx(shop.tenant_id) as tx:
        _, outcome = await reconciliation.run(
            tx,
            shop.connection_id,
            start_on=DAY,
            end_on=DAY,
            by="usr_maker",
            now=shop.clock.now(),
            today=shop.clock.now().date(),
            meta=META,
            dry=False,
        )
    return outcome


async def test_every_credit_finds_its_line_by_the_providers_name_for_it(shop: Shop) -> None:
    account = await shop.open()
    for naira, mishap in (("2500.00", "none"), ("2500.00", "lost-notification"), ("99.99", "wrong-signature")):
        shop.pay(account, naira, mishap=mishap)
    await shop.hear()
    await shop.collector.fetch_due()
    await shop.pass_time(hours=1)
    assert await read_statement(shop) == 3
    assert await read_statement(shop) == 0, "the same lines are no new ones"
    outcome = await reconcile(shop)
    assert [one.by for one in outcome.found] == [Pass.STRONG_KEY] * 3
    assert (await shop.books())[0] == shop.world.balance("monnify", "8016472829", "NGN") == 250_000 * 2 + 9_999 - 3_000
    async with shop.db.tx(shop.tenant_id) as tx:
        assert not (await reconciliation.list_exceptions(tx, is_open=True, limit=10)).items


async def test_what_only_one_side_has_is_found(shop: Shop) -> None:
    account = await shop.open()
    booked, unbooked = shop.pay(account, "700.00"), shop.pay(account, "800.00", mishap=Mishap.LOST_NOTIFICATION)
    await shop.hear()
    del shop.rail.payments[booked.reference]  # The provider forgets it.
    await shop.pass_time(hours=1)
    assert await read_statement(shop) == 1
    async with shop.worker.tx(shop.tenant_id) as tx:  # Postings are stamped by the database's clock, not by ours.
        await tx.connection.execute("UPDATE bank_connection SET statement_until = '2100-01-01'")
    await reconcile(shop)
    async with shop.db.tx(shop.tenant_id) as tx:
        found = (await reconciliation.list_exceptions(tx, is_open=True, limit=10)).items
    [credit] = await shop.credits()
    assert {(one.kind, one.transaction_id, one.line_id) for one in found} == {
        (ExceptionKind.MISSING_AT_BANK, credit.transaction_id, None),
        (ExceptionKind.MISSING_IN_BOOKS, None, unbooked.reference),
    }

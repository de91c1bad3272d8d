"""A schedule in trouble is its own trouble: other organisations' dates are planned and paid in the same round."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest

from omniroute.infra.postgres import Database, DatabaseUnavailable, WriteConflict
from omniroute.money.payments import Rulebook
from omniroute.money.schedules import Schedule, ScheduleRunner, ScheduleState
from tests.money.payments import house as houses
from tests.money.payments.house import WALLET, House
from tests.money.schedules.test_schedules import DAILY, FULL, active, paid, stands, terms, told

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)


class Books:
    """The rules of several organisations; those of one may be in trouble."""

    def __init__(self, *found: House) -> None:
        self.found = {house.tenant_id: house.rules for house in found}
        self.broken: dict[UUID, Exception] = {}
        self.asked: list[UUID] = []

    async def get(self, tenant_id: UUID) -> Rulebook:
        self.asked.append(tenant_id)
        if tenant_id in self.broken:
            raise self.broken[tenant_id]
        return self.found[tenant_id]


@pytest.fixture
async def shops(app_db: Database, worker_db: Database, owner_db: Database) -> list[House]:
    async with owner_db.tx() as tx:
        await tx.connection.execute("TRUNCATE payment_schedule CASCADE")
    return [await houses.build(app_db, worker_db, owner_db) for _ in range(2)]


async def both(shops: list[House]) -> list[Schedule]:
    """A standing order of each, the first one's date coming a minute earlier."""
    early = replace(DAILY, count=1, at=DAILY.at.replace(hour=11, minute=59))
    return [await active(shops[0], terms(early)), await active(shops[1], terms(replace(DAILY, count=1)))]


@pytest.mark.parametrize("error", [KeyError("rules"), WriteConflict("again and again")])
async def test_a_date_that_cannot_be_paid_holds_up_no_other(shops: list[House], error: Exception) -> None:
    broken, fine = await both(shops)
    books = Books(*shops)
    books.broken[shops[0].tenant_id] = error
    clock = shops[1].clock
    clock.at = NOON
    runner = ScheduleRunner(shops[1].worker, books, clock=clock)
    while await runner.round():
        pass
    assert (await paid(shops[1]), await told(shops[1], fine)) == (["RENT:20260302"], [("02", "initiated", None)])
    assert (await paid(shops[0]), await told(shops[0], broken)) == ([], [("02", "due", None)])
    assert await shops[0].balances(WALLET) == [(FULL, FULL)], "nothing of it moved"
    assert books.asked.count(shops[0].tenant_id) == 1, "it is put off"
    books.broken.clear()
    clock.at += timedelta(minutes=1)
    await runner.round()
    assert await paid(shops[0]) == ["RENT:20260302"]


async def test_a_schedule_that_cannot_be_planned_holds_up_no_other(shops: list[House], owner_db: Database) -> None:
    broken, fine = await both(shops)
    async with owner_db.tx() as tx:
        # Terms as no version of ours writes them.
        await tx.connection.execute(
            "UPDATE payment_schedule SET terms = '{}' WHERE schedule_id = %s", [broken.schedule_id]
        )
    clock = shops[1].clock
    clock.at = NOON
    runner = ScheduleRunner(shops[1].worker, Books(*shops), clock=clock)
    while await runner.round():
        pass
    assert await paid(shops[1]) == ["RENT:20260302"]
    assert (await stands(shops[1], fine)).state is ScheduleState.COMPLETED
    assert await paid(shops[0]) == []
    assert await shops[0].balances(WALLET) == [(FULL, FULL)]


async def test_a_database_that_is_away_ends_the_round(shops: list[House]) -> None:
    await both(shops)
    books = Books(*shops)
    books.broken[shops[0].tenant_id] = DatabaseUnavailable("it is away")
    clock = shops[1].clock
    clock.at = NOON
    runner = ScheduleRunner(shops[1].worker, books, clock=clock)
    with pytest.raises(DatabaseUnavailable):
        await runner.round()
    assert await paid(shops[0]) == await paid(shops[1]) == []
    books.broken.clear()
    await runner.round()
    assert await paid(shops[0]) == await paid(shops[1]) == ["RENT:20260302"], "nobody is put off"

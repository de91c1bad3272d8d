"""A reversal in trouble is its own trouble: those of other organisations go on in the same round."""

from collections.abc import Callable
from datetime import timedelta

import pytest

from omniroute.infra.postgres import Database, DatabaseUnavailable
from omniroute.money.desk import Returner, Reverse
from omniroute.money.payments import Payment
from omniroute.ports.rails import Outcome
from tests.money.desk.desk import do
from tests.money.desk.test_reversals import BACK, STILL_PAID, books, house_of, rail, reversal
from tests.money.payments import house as houses
from tests.money.payments.house import House, today
from tests.money.payments.test_setbacks import ERRORS, Two


class Desk(Two):
    """Two organisations, each with a paid order that is asked back."""

    def __init__(self, broken: House, fine: House) -> None:
        super().__init__(broken, fine)
        self.houses = (broken, fine)
        self.returner = Returner(fine.worker, self.links, clock=self.clock, business_day=today, worker_id="worker-1")
        self.made: list[Payment] = []

    async def ask_back(self) -> None:
        for house in self.houses:
            self.made += await house.initiated(house.order())
        await self.both(self.worker.send)
        for house, payment in zip(self.houses, self.made, strict=True):
            await do(house, Reverse(payment.payment_id))

    async def states(self) -> list[str]:
        return [(await reversal(house, one)).state for house, one in zip(self.houses, self.made, strict=True)]

    def later(self, minutes: int) -> None:
        self.clock.at += timedelta(minutes=minutes)


@pytest.fixture
async def two(app_db: Database, worker_db: Database, owner_db: Database) -> Desk:
    found = Desk(*[house_of(await houses.build(app_db, worker_db, owner_db)) for _ in range(2)])
    await found.ask_back()
    return found


@pytest.mark.parametrize("error", ERRORS)
async def test_sending(two: Desk, error: Exception) -> None:
    two.breaks(error)
    await two.both(two.returner.round)
    assert await two.states() == ["created", "succeeded"]
    assert [await books(house) for house in two.houses] == [STILL_PAID, BACK]
    assert (rail(two.broken).asked, two.tries()) == ([], 1), "it is put off"
    two.links.broken.clear()
    two.later(1)
    await two.both(two.returner.round)
    assert [await books(house) for house in two.houses] == [BACK, BACK]


@pytest.mark.parametrize("error", ERRORS)
async def test_asking(two: Desk, error: Exception) -> None:
    for house in two.houses:
        rail(house).answers = [Outcome.UNKNOWN]
    await two.both(two.returner.round)
    assert await two.states() == ["unknown", "unknown"]
    asked: list[House] = []

    def asking(house: House) -> Callable[..., object]:
        query = rail(house).query

        async def counted(*given: object) -> object:
            asked.append(house)
            return await query(*given)  # type: ignore[arg-type]

        return counted

    for house in two.houses:
        rail(house).query = asking(house)  # type: ignore[method-assign, assignment]
    two.breaks(error)
    two.later(60)
    await two.both(two.returner.round)
    assert asked == [two.fine]
    assert two.tries() == 1, "it is put off"
    assert [await books(house) for house in two.houses] == [STILL_PAID, STILL_PAID]


async def test_a_database_that_is_away_ends_the_round(two: Desk) -> None:
    two.breaks(DatabaseUnavailable("it is away"))
    with pytest.raises(DatabaseUnavailable):
        await two.returner.round()
    two.links.broken.clear()
    await two.both(two.returner.round)
    assert await two.states() == ["succeeded", "succeeded"], "nobody is put off"

"""An organisation in trouble is its own trouble: what others have to do goes on in the same round."""

from collections.abc import Awaitable, Callable, Coroutine
from datetime import date, timedelta
from typing import Any
from uuid import UUID

import pytest

from omniroute.infra.postgres import Database, DatabaseUnavailable, WriteConflict
from omniroute.money import payments
from omniroute.money.payments import AttemptState, Link, Payment, PaymentState
from tests.money.payments import house as houses
from tests.money.payments.house import WALLET, House, today

ERRORS = [KeyError("settings"), WriteConflict("again and again")]
Round = Callable[[], Awaitable[int]]


class Links:
    """The connections of several organisations; those of one may be in trouble."""

    def __init__(self, *found: House) -> None:
        self.found = {house.tenant_id: house.links for house in found}
        self.broken: dict[UUID, Exception] = {}
        self.asked: list[UUID] = []

    async def get(self, tenant_id: UUID, connection_id: UUID) -> Link:
        self.asked.append(tenant_id)
        if tenant_id in self.broken:
            raise self.broken[tenant_id]
        return await self.found[tenant_id].get(tenant_id, connection_id)


class Two:
    """Two organisations, of which the first gets into trouble, and one worker for both."""

    def __init__(self, broken: House, fine: House) -> None:
        self.broken, self.fine, self.clock = broken, fine, fine.clock
        self.links = Links(broken, fine)
        self.worker = payments.Dispatcher(
            fine.worker, self.links, clock=self.clock, business_day=today, worker_id="worker-1"
        )

    async def initiated(self) -> tuple[Payment, Payment]:
        """A payment of each, the broken one's first."""
        for house in (self.broken, self.fine):
            house.connectors[0].takes = timedelta(seconds=5)
        (first,) = await self.broken.initiated(self.broken.order(amount_minor=100))
        (second,) = await self.fine.initiated(self.fine.order(amount_minor=100))
        return first, second

    async def sent(self) -> tuple[Payment, Payment]:
        made = await self.initiated()
        await self.worker.send()
        await self.worker.idle()
        self.clock.at += timedelta(minutes=10)
        self.broken.clock.at = self.clock.at
        for house in (self.broken, self.fine):
            await house.world.run_due()
        return made

    def breaks(self, error: Exception) -> None:
        self.links.broken[self.broken.tenant_id] = error
        self.links.asked.clear()

    def tries(self) -> int:
        return self.links.asked.count(self.broken.tenant_id)

    async def both(self, round_: Round) -> None:
        """Rounds until there is nothing left to do but what is put off."""
        while await round_():
            await self.worker.idle()


@pytest.fixture
async def two(app_db: Database, worker_db: Database, owner_db: Database) -> Two:
    return Two(*[await houses.build(app_db, worker_db, owner_db) for _ in range(2)])


async def state(house: House, payment: Payment) -> PaymentState:
    return (await house.now_stands(payment)).state


@pytest.mark.parametrize("error", ERRORS)
async def test_sending(two: Two, error: Exception) -> None:
    broken, fine = await two.initiated()
    before = await two.broken.balances(WALLET, "float:toy")
    two.breaks(error)
    await two.both(two.worker.send)
    assert len(two.fine.connectors[0].submits) == 1
    assert await state(two.fine, fine) is PaymentState.EXECUTING
    assert two.broken.connectors[0].submits == []
    assert await two.broken.attempts(broken) == []
    assert await two.broken.balances(WALLET, "float:toy") == before, "nothing of it moved"
    assert two.tries() == 1, "it is put off"
    two.links.broken.clear()
    two.clock.at += timedelta(minutes=1)
    await two.both(two.worker.send)
    assert len(two.broken.connectors[0].submits) == 1
    assert len(two.fine.connectors[0].submits) == 1


@pytest.mark.parametrize("error", ERRORS)
async def test_asking(two: Two, error: Exception) -> None:
    broken, fine = await two.sent()
    two.breaks(error)
    await two.both(two.worker.ask)
    assert await state(two.fine, fine) is PaymentState.SUCCEEDED
    assert await state(two.broken, broken) is PaymentState.EXECUTING
    assert two.tries() == 1, "it is put off"
    two.links.broken.clear()
    two.clock.at += timedelta(minutes=1)
    await two.both(two.worker.ask)
    assert await state(two.broken, broken) is PaymentState.SUCCEEDED


@pytest.mark.parametrize("error", ERRORS)
async def test_hearing(two: Two, error: Exception) -> None:
    made = await two.sent()
    for house, payment in zip((two.broken, two.fine), made, strict=True):
        (attempt,) = await house.attempts(payment)
        async with house.db.tx(house.tenant_id) as tx:
            await payments.receive_callback(
                tx,
                house.rules.connection_ids[0],
                purpose="verified",
                ref=attempt.our_ref,
                authentic=True,
                headers={},
                body=b"{}",
                now=two.clock.now(),
            )
    two.breaks(error)
    await two.both(two.worker.hear)
    assert await state(two.fine, made[1]) is PaymentState.SUCCEEDED
    assert await state(two.broken, made[0]) is PaymentState.EXECUTING
    assert two.tries() == 1, "it is put off"
    two.links.broken.clear()
    two.clock.at += timedelta(minutes=1)
    await two.both(two.worker.hear)
    assert await state(two.broken, made[0]) is PaymentState.SUCCEEDED


@pytest.mark.parametrize("error", ERRORS)
async def test_recovering(two: Two, error: Exception) -> None:
    broken, fine = await two.initiated()

    def dies(kind: object, connection_id: object, work: Coroutine[Any, Any, None]) -> None:
        work.close()

    two.worker._in_flight.start = dies  # type: ignore[method-assign]
    await two.worker.send()
    two.clock.at += timedelta(hours=1)
    two.breaks(error)
    await two.both(two.worker.recover)
    assert (await two.fine.attempts(fine))[0].state is AttemptState.UNKNOWN
    assert (await two.broken.attempts(broken))[0].state is AttemptState.SENDING
    assert two.tries() == 1, "it is put off"
    two.links.broken.clear()
    two.clock.at += timedelta(minutes=1)
    await two.both(two.worker.recover)
    assert (await two.broken.attempts(broken))[0].state is AttemptState.UNKNOWN


@pytest.mark.parametrize("error", ERRORS)
async def test_expiring(two: Two, error: Exception) -> None:
    for house in (two.broken, two.fine):
        house.rules.approvals, house.rules.expires_at = 1, two.clock.at + timedelta(hours=1)
    broken, fine = await two.initiated()
    before = await two.broken.balances(WALLET)

    def day(tenant_id: UUID) -> date:
        if tenant_id == two.broken.tenant_id:
            raise error
        return today(tenant_id)

    two.clock.at += timedelta(hours=2)
    worker = payments.Dispatcher(two.fine.worker, two.links, clock=two.clock, business_day=day, worker_id="worker-2")
    await two.both(worker.expire)
    assert await state(two.fine, fine) is not PaymentState.AWAITING_APPROVAL
    assert await state(two.broken, broken) is PaymentState.AWAITING_APPROVAL
    assert await two.broken.balances(WALLET) == before, "nothing of it moved"


async def test_a_database_that_is_away_ends_the_round(two: Two) -> None:
    await two.initiated()
    two.breaks(DatabaseUnavailable("it is away"))
    with pytest.raises(DatabaseUnavailable):
        await two.worker.send()
    two.links.broken.clear()
    await two.both(two.worker.send)
    assert [len(house.connectors[0].submits) for house in (two.broken, two.fine)] == [1, 1], "nobody is put off"

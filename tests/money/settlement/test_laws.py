"""Whatever is collected, taken back, remitted, settled and paid, in whatever order, and whatever rails answer: no more
is paid out than is with us, each collection is paid once, and the books balance."""

import random
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import timedelta
from itertools import count

import pytest

from omniroute.infra.postgres import Database
from omniroute.kit.refusal import Refusal
from omniroute.money import atc
from omniroute.money.atc import Frequency
from omniroute.money.settlement import BatchState
from omniroute.sandbox.faults import Fault, FaultPlan
from omniroute.sandbox.transfers import State
from tests.laws.invariants import check_invariants
from tests.money.payments.house import META
from tests.money.settlement.market import FLOAT, Market, open_market

STEPS = 60
FAULTS = (Fault.DECLINED, Fault.LOST_REQUEST, Fault.LOST_REPLY, Fault.ERROR_BEFORE, Fault.ERROR_AFTER, Fault.SLOW)
"""What ends as paid or as not paid. What is paid after it counted as not paid is for people: see payments."""

EXPOSED = """
SELECT count(*) FILTER (WHERE i.released_at IS NULL AND (c.funded_at IS NULL OR c.reversed_at IS NOT NULL)) AS unfunded,
       count(*) FILTER (WHERE i.released_at IS NULL) - count(DISTINCT i.collection_id)
           FILTER (WHERE i.released_at IS NULL) AS twice,
       count(*) FILTER (WHERE i.released_at IS NULL AND c.settlement_batch_id IS DISTINCT FROM i.batch_id) AS astray
  FROM atc_settlement_item i
  JOIN atc_collection c ON c.tenant_id = i.tenant_id AND c.collection_id = i.collection_id
 WHERE i.tenant_id = %(tenant)s"""
OWED = """
SELECT coalesce(sum(net_minor) FILTER (WHERE is_top AND reversed_at IS NULL), 0)::bigint AS net,
       (SELECT coalesce(sum(amount_minor + fee_minor), 0)::bigint FROM payment
         WHERE tenant_id = %(tenant)s AND state = 'succeeded') AS paid,
       (SELECT coalesce(sum(amount_minor), 0)::bigint FROM payment
         WHERE tenant_id = %(tenant)s AND state = 'succeeded') AS left_us,
       coalesce(sum(net_minor) FILTER (WHERE is_top AND reversed_at IS NULL AND funded_at IS NOT NULL), 0)::bigint
           AS funded
  FROM atc_collection WHERE tenant_id = %(tenant)s"""


@dataclass
class History:
    """Random steps of a market, and what must hold after each."""

    market: Market
    draw: random.Random
    came_in: int = 0
    collections: list[atc.Collection] = field(default_factory=list)

    async def step(self) -> None:
        act = self.draw.choice((self.sell, self.sell, self.collect, self.remit, self.remit, self.take_back, self.settle,
                                self.wait, self.work, self.work, self.pay))  # fmt: skip
        with suppress(Refusal):
            await act()

    async def sell(self) -> None:
        amount = self.draw.randint(1, 50_000)
        self.came_in += amount
        self.collections.append(await self.market.sale(amount, self.grant()))

    async def collect(self) -> None:
        self.collections.append(await self.market.cash(self.draw.randint(1, 50_000), self.grant()))

    def grant(self) -> atc.Grant:
        return self.draw.choice((self.market.upper, self.market.lower))

    async def remit(self) -> None:
        partner = self.draw.choice((self.market.van, self.market.depot))
        in_hand, earned = await self.market.in_hand(partner), await self.market.commission(partner)
        kept = self.draw.choice((0, 0, min(earned, in_hand) // 2, min(earned, in_hand)))
        paid = self.draw.choice((in_hand - kept, in_hand // 2, in_hand // 3 + 1))
        await self.market.remit(partner, paid, kept)
        self.came_in += paid

    async def take_back(self) -> None:
        if not self.collections:
            return
        one, market = self.draw.choice(self.collections), self.market
        async with market.house.db.tx(market.house.tenant_id) as tx:
            await atc.reverse_collection(
                tx, one.collection_id, reason="a mistake", actor="usr_clerk", now=market.now, today=market.today(),
                meta=META,
            )  # fmt: skip

    async def settle(self) -> None:
        await self.market.settle_now()

    async def wait(self) -> None:
        self.market.house.clock.at += timedelta(hours=self.draw.randint(1, 30))

    async def work(self) -> None:
        runner = self.market.runner()
        await self.draw.choice((runner.make_due, runner.pay_due, runner.follow, runner.round))()

    async def pay(self) -> None:
        await self.market.house.rounds()
        await self.market.house.world.run_due()

    async def holds(self) -> None:
        market = self.market
        ((posted, available),) = await market.house.balances(FLOAT)
        (owed,) = await market.rows(OWED)
        assert available >= 0, "more is paid out, or about to be, than is with us"
        assert posted == self.came_in - owed.left_us
        assert owed.paid <= owed.funded
        assert await market.payable(market.maker) == owed.net - owed.paid
        (exposed,) = await market.rows(EXPOSED)
        assert exposed == (0, 0, 0)


@pytest.mark.parametrize(
    ("seed", "frequency", "day"), [(1, Frequency.INSTANT, None), (2, Frequency.DAILY, None), (3, Frequency.WEEKLY, 3)]
)
async def test_no_more_is_paid_out_than_is_with_us_and_each_collection_once(
    app_db: Database, worker_db: Database, owner_db: Database, seed: int, frequency: Frequency, day: int | None
) -> None:
    plan = FaultPlan(seed=seed, percent=60, faults=FAULTS)
    market = await open_market(app_db, worker_db, owner_db, frequency=frequency, day=day, plan=plan)
    market.house.rules.fee_minor = seed
    names = count(1)  # What goes wrong with a payment is drawn by its name.
    market.house.connectors[0].build_reference = lambda *_: f"T{seed}-{next(names)}"  # type: ignore[method-assign]
    history = History(market, random.Random(seed))
    for _ in range(STEPS):
        await history.step()
        await history.holds()
    market.house.world.plan = FaultPlan()  # What is under way comes to its end.
    for _ in range(2):
        await market.house.settle()
        await market.rounds()
    await history.holds()
    batches = await market.batches()
    assert batches
    assert {one.state for one in batches} <= {BatchState.SETTLED, BatchState.FAILED, BatchState.CREATED}
    moved = [one for one in market.house.world.transfers("toy") if one.state is State.SUCCEEDED]
    assert sum(one.order.amount_minor + seed for one in moved) == sum(
        one.net_minor for one in batches if one.state is BatchState.SETTLED
    )
    await check_invariants(owner_db, market.house.tenant_id)

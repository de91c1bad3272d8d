"""A worker dies at the first, second, third, ... moment in which it waits for something, until none is left.

Random kills (`test_payments`, `test_rails`) find most; here no moment between two steps of sending, or of asking, is
left out: all tasks of the worker are ended there, as they would be by kill -9, and another worker comes.
"""

import asyncio
from collections.abc import Coroutine, Generator, Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import pytest

import omniroute
from omniroute.infra.postgres import Database
from omniroute.money import payments
from omniroute.money.payments import AttemptState, Payment, PaymentState
from omniroute.ports.rails import Context, Payout, Result
from omniroute.sandbox.faults import Fault, FaultPlan
from omniroute.sandbox.transfers import State
from tests.money.payments import house as houses
from tests.money.payments.house import WALLET, House

FULL = 1_000_000_00
MOMENTS_MAX = 400
OURS = str(next(iter(omniroute.__path__)))


class Worker:
    """Counts the moments in which tasks of ours wait, and ends all of them at the chosen one."""

    def __init__(self, dies_at: int) -> None:
        self.dies_at, self.moments = dies_at, 0
        self.tasks: set[asyncio.Task[Any]] = set()

    @property
    def died(self) -> bool:
        return self.moments >= self.dies_at

    def __call__(
        self, loop: asyncio.AbstractEventLoop, work: Generator[Any, None, Any] | Coroutine[Any, Any, Any], **given: Any
    ) -> asyncio.Task[Any]:
        """The task for this work. Those of libraries (waiting for a socket, say) end with what waits for them."""
        if not isinstance(work, Coroutine) or not work.cr_code.co_filename.startswith(OURS):  # type: ignore[attr-defined]
            return asyncio.Task(work, loop=loop, **given)
        task = asyncio.Task(self._live(_Steps(work, self._wait)), loop=loop, **given)
        self.tasks.add(task)
        return task

    async def _live(self, steps: "_Steps") -> Any:
        return await steps

    def _wait(self) -> None:
        self.moments += 1
        if self.moments == self.dies_at:
            for task in self.tasks:
                task.cancel()

    async def ended(self) -> None:
        while left := [task for task in self.tasks if not task.done()]:
            await asyncio.gather(*left, return_exceptions=True)


class _Steps:
    """A coroutine, with a word each time before it waits."""

    def __init__(self, work: Coroutine[Any, Any, Any], waits: Any) -> None:
        self._work, self._waits = work, waits

    def __await__(self) -> Generator[Any, Any, Any]:
        error: BaseException | None = None
        while True:
            try:
                waited_for = self._work.send(None) if error is None else self._work.throw(error)
            except StopIteration as end:
                return end.value
            error = None
            self._waits()
            try:
                yield waited_for
            except BaseException as thrown:  # noqa: BLE001 - it is the work's to take
                error = thrown


@contextmanager
def dying(at: int) -> Iterator[Worker]:
    """What is begun in here belongs to a worker that dies at this moment."""
    loop, worker = asyncio.get_running_loop(), Worker(at)
    before = loop.get_task_factory()
    loop.set_task_factory(worker)
    try:
        yield worker
    finally:
        loop.set_task_factory(before)


def with_moments(house: House) -> None:
    """The rail takes its time: before the money moves, and after."""
    (rail,) = house.connectors
    submit, query = rail.submit, rail.query

    async def slow_submit(context: Context, payout: Payout) -> Result:
        await asyncio.sleep(0)
        result = await submit(context, payout)
        await asyncio.sleep(0)
        return result

    async def slow_query(context: Context, payout: Payout, provider_ref: str | None) -> Result:
        await asyncio.sleep(0)
        result = await query(context, payout, provider_ref)
        await asyncio.sleep(0)
        return result

    rail.submit, rail.query = slow_submit, slow_query  # type: ignore[method-assign]


def new_worker(house: House, name: str) -> payments.Dispatcher:
    return payments.Dispatcher(
        house.worker, house.links, clock=house.clock, business_day=houses.today, worker_id=f"{name}+"
    )


async def one_round(house: House, worker: payments.Dispatcher, *, asks: bool) -> None:
    await (worker.ask() if asks else worker.send())
    await worker.close()


async def live_and_die(house: House, at: int, *, asks: bool) -> tuple[Payment, bool]:
    """A payment whose worker dies at this moment of sending it, or of asking about it; and whether it came so far."""
    (payment,) = await house.initiated(house.order(payee="0000000000"))
    if asks:
        await house.dispatcher.send()
        await house.dispatcher.idle()
        house.clock.at += timedelta(seconds=15)
    with dying(at) as worker:
        round_ = asyncio.get_running_loop().create_task(one_round(house, new_worker(house, f"{at}"), asks=asks))
        await asyncio.gather(round_, return_exceptions=True)
        await worker.ended()
    # What it had not taken up yet is taken up by the next one; what it had in its hands is not touched yet.
    house.dispatcher = new_worker(house, f"after-{at}")
    await house.dispatcher.send()
    await house.dispatcher.idle()
    return payment, worker.died


async def check(house: House, payment: Payment) -> None:
    stands = await house.now_stands(payment)
    assert stands.state is PaymentState.SUCCEEDED, f"{payment.reference} is {stands.state}: {stands.reason}"
    paid = []
    for attempt in await house.attempts(payment):
        debits = house.world.debits("toy", attempt.our_ref)
        assert len(debits) <= 1
        transfer = house.world.find("toy", attempt.our_ref)
        if transfer is not None and transfer.state is State.SUCCEEDED:
            paid.append(attempt.state)
    assert paid == [AttemptState.SUCCEEDED], f"{payment.reference} was paid {len(paid)} times"


@pytest.mark.parametrize("asks", [False, True], ids=["sending", "asking"])
async def test_whenever_a_worker_dies_each_payment_is_paid_once(
    app_db: Database, worker_db: Database, owner_db: Database, asks: bool
) -> None:
    plan = FaultPlan(percent=100, faults=[Fault.LOST_REPLY]) if asks else FaultPlan()
    house = await houses.build(
        app_db, worker_db, owner_db, plan=plan, ask_names=True, names={"0000000000": "Ada Obi"}
    )  # fmt: skip
    with_moments(house)
    made: list[Payment] = []
    died = True
    while died:
        assert len(made) < MOMENTS_MAX, "it never comes to an end"
        payment, died = await live_and_die(house, len(made) + 1, asks=asks)
        made.append(payment)
    assert len(made) > 8, "there are that many moments at least"

    await house.settle(timedelta(days=10))
    for payment in made:
        await check(house, payment)
    total = sum(payment.amount.amount_minor for payment in made)
    moved = sum(movement.amount_minor for movement in house.world.movements)
    ((posted, _),) = await house.balances("float:toy")
    assert (posted, moved) == (-total, -total), "books and rail agree to the last unit"
    assert await house.balances(WALLET) == [(FULL - total, FULL - total)], "and nothing stays held"

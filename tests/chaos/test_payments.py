"""Law: whatever goes wrong, at most one debit at the rails for each payment, and in the end books = rails.

Faults are drawn from a seed for every order and every question; workers are killed at random between any two awaits
of the send path; time passes. Then every payment is paid, failed for a stated reason, or waits for a person.
"""

import asyncio
import os
import random
from datetime import timedelta

import pytest

from omniroute.infra.postgres import Database
from omniroute.money import payments
from omniroute.money.payments import AttemptState, Payment, PaymentState
from omniroute.sandbox.faults import Fault, FaultPlan
from omniroute.sandbox.transfers import State
from tests.money.payments import house as houses
from tests.money.payments.house import WALLET, House

FULL = 1_000_000_00
PAYMENTS = 60
SEEDS = int(os.environ.get("OMNIROUTE_CHAOS_SEEDS", "4"))
FAULTS = [fault for fault in Fault if fault is not Fault.NONE]


async def _kill_at_random(house: House, draw: random.Random) -> None:
    """Let exchanges go on for a few turns of the loop, then end them all as kill -9 would; a new worker comes."""
    for _ in range(draw.randrange(40)):
        await asyncio.sleep(0)
    for task in list(house.dispatcher._in_flight.tasks):
        task.cancel()
    await house.dispatcher.idle()
    house.dispatcher = payments.Dispatcher(
        house.worker,
        house.links,
        clock=house.clock,
        business_day=houses.today,
        # Half of them hold no lock under a name that says they do: everybody takes them for dead at once.
        worker_id=f"worker-{draw.randrange(10**9)}{draw.choice(('', '+'))}",
    )


async def _live_through(house: House, draw: random.Random) -> None:
    reader = payments.StatementReader(house.worker, house.links, clock=house.clock, business_day=houses.today)
    for _ in range(12):
        await house.dispatcher.recover()
        await house.dispatcher.send()
        if draw.random() < 0.5:
            await _kill_at_random(house, draw)
        await house.dispatcher.ask()
        if draw.random() < 0.3:
            await _kill_at_random(house, draw)
        await house.dispatcher.idle()
        await house.world.run_due()
        house.clock.at += timedelta(seconds=draw.randrange(1, 600))
    for _ in range(4):
        await house.settle(timedelta(days=3))
        house.clock.at += timedelta(days=1)
        await house.world.run_due()
        for connection_id in house.links.links:
            await reader.read(house.tenant_id, connection_id)


async def _debits(house: House, payment: Payment) -> list[str]:
    """The names under which rails took and kept money for this payment."""
    kept: list[str] = []
    for attempt in await house.attempts(payment):
        transfer = house.world.find(attempt.rail, attempt.our_ref)
        assert len(house.world.debits(attempt.rail, attempt.our_ref)) <= 1
        if transfer is not None and transfer.state is State.SUCCEEDED:
            kept.append(attempt.our_ref)
    return kept


@pytest.mark.parametrize("seed", range(SEEDS))
async def test_at_most_one_debit_and_books_equal_rails(
    app_db: Database, worker_db: Database, owner_db: Database, seed: int
) -> None:
    draw = random.Random(seed)
    late = seed % 2 == 1  # The rail may pay two days later what it did not know: then suspense, never silence.
    faults = FAULTS if late else [fault for fault in FAULTS if fault is not Fault.LATE_SUCCESS]
    plan = FaultPlan(seed=seed, percent=60, faults=faults, query_percent=30)
    house = await houses.build(
        app_db,
        worker_db,
        owner_db,
        rails=("toy", "toy2"),
        plan=plan,
        takes=timedelta(seconds=draw.choice([0, 0, 20])),
        ask_names=draw.random() < 0.5,
        names={f"{i:010d}": None for i in range(PAYMENTS)},
    )
    house.rules.fee_minor = 50
    made = await house.initiated(*[house.order(payee=f"{i:010d}") for i in range(PAYMENTS)])
    await _live_through(house, draw)

    paid = 0
    for payment in [await house.now_stands(one) for one in made]:
        kept = await _debits(house, payment)
        attempts = await house.attempts(payment)
        late_ones = [one for one in attempts if one.state is AttemptState.LATE_SUCCESS]
        assert len(kept) <= 1 + len(late_ones), f"{payment.reference} was paid twice"
        if not late:
            assert len(kept) <= 1
        match payment.state:
            case PaymentState.SUCCEEDED:
                assert len(kept) - len(late_ones) == 1
                paid += 1
            case PaymentState.FAILED:
                assert payment.reason
                assert len(kept) == len(late_ones)
            case PaymentState.REVERSED:
                assert len(kept) == len(late_ones)
            case PaymentState.NEEDS_REVIEW:
                assert payment.reason
            case _:
                pytest.fail(f"{payment.reference} is still {payment.state}")

    for index, rail in enumerate(("toy", "toy2")):
        moved = sum(movement.amount_minor for movement in house.world.movements if movement.rail == rail)
        waiting = await _unbooked(house, made, rail)
        ((posted, _),) = await house.balances(f"float:{rail}")
        assert posted == moved + waiting, f"books and rail {index} differ"
    assert paid > PAYMENTS // 3
    ((posted, available), (fees, _)) = await house.balances(WALLET, "payments:fees:NGN")
    assert fees == paid * 50
    assert posted >= available >= 0


async def _unbooked(house: House, made: list[Payment], rail: str) -> int:
    """What rails took for payments that still wait for a person: told as another amount, so not booked yet."""
    total = 0
    for payment in [await house.now_stands(one) for one in made]:
        for attempt in await house.attempts(payment):
            if attempt.rail == rail and attempt.state is AttemptState.MANUAL:
                total += sum(-move.amount_minor for move in house.world.debits(rail, attempt.our_ref))
    return total

"""The law of payments over every rail, on the wire: at most one debit an intent, and in the end books = rails.

The connectors speak each rail's own protocol to its sandbox over HTTP; callbacks come early, twice, or never; workers
are killed at random on the send path; the clock is moved by hand, so that days pass in seconds.
"""

import asyncio
import os
import random
from collections import Counter
from datetime import timedelta

import pytest

from omniroute.infra.postgres import Database
from omniroute.money.payments import AttemptState, Payment, PaymentState
from omniroute.sandbox.faults import Fault, FaultPlan
from omniroute.sandbox.transfers import State
from tests.money.payments.rails import CURRENCIES, Stage, stage

PAYMENTS = int(os.environ.get("OMNIROUTE_CHAOS_PAYMENTS", "12"))
SEEDS = int(os.environ.get("OMNIROUTE_CHAOS_SEEDS", "2"))
FAULTS = [fault for fault in Fault if fault is not Fault.NONE]
BLIND = ("mtn_momo", "airtel")
"""Rails whose protocol has no word for a payment that was given back, and no statement: reconciliation finds those."""
DECIDED = (PaymentState.SUCCEEDED, PaymentState.FAILED, PaymentState.REVERSED, PaymentState.NEEDS_REVIEW)


async def _kill(one: Stage, draw: random.Random) -> None:
    for _ in range(draw.randrange(60)):
        await asyncio.sleep(0)
    for task in list(one.dispatcher._in_flight.tasks):
        task.cancel()
    await one.dispatcher.idle()
    one.new_dispatcher(f"worker-{draw.randrange(10**9)}")


async def _live_through(one: Stage, draw: random.Random) -> None:
    for _ in range(8):
        await one.dispatcher.recover()
        await one.dispatcher.hear()
        await one.dispatcher.send()
        if draw.random() < 0.6:
            await _kill(one, draw)
        await one.dispatcher.ask()
        if draw.random() < 0.3:
            await _kill(one, draw)
        await one.dispatcher.idle()
        await one.world.run_due()
        one.clock.at += timedelta(seconds=draw.randrange(1, 300))
    for days in (1, 1, 1, 1, 2, 3, 4, 5):
        await one.settle(timedelta(days=days))
        await one.read_statements()


async def _check(one: Stage, payment: Payment, rail: str, states: Counter[str]) -> int:
    """What the rail keeps of our money for this payment that our books do not know yet."""
    payment, attempts = await one.now_stands(payment)
    states[payment.state] += 1
    assert payment.state in DECIDED, f"{payment.reference} is still {payment.state}"
    assert payment.state is PaymentState.SUCCEEDED or payment.reason, f"{payment.reference}: no reason is stated"
    kept: list[AttemptState] = []
    unseen = 0
    for attempt in attempts:
        debits = one.world.debits(rail, attempt.our_ref)
        assert len(debits) <= 1
        transfer = one.world.find(rail, attempt.our_ref)
        if debits and transfer is not None and transfer.state is State.SUCCEEDED:
            kept.append(attempt.state)
        if debits and transfer is not None and transfer.state is State.REVERSED and rail in BLIND:
            kept.append(attempt.state)
            unseen -= payment.amount.amount_minor
    story = f"{payment.reference}: {payment.state}, {[str(attempt.state) for attempt in attempts]}, kept {kept}"
    # Twice only where the rail itself said for days that it knew nothing, and even then it is told, never silent.
    assert len(kept) - kept.count(AttemptState.LATE_SUCCESS) <= 1, story
    if payment.state is PaymentState.SUCCEEDED:
        assert kept.count(AttemptState.SUCCEEDED) == 1, story
    if payment.state in (PaymentState.FAILED, PaymentState.REVERSED):
        assert set(kept) <= {AttemptState.LATE_SUCCESS}, story
    unbooked = (AttemptState.MANUAL, AttemptState.UNKNOWN, AttemptState.PENDING)
    return unseen + payment.amount.amount_minor * sum(state in unbooked for state in kept)


@pytest.mark.parametrize("seed", range(SEEDS))
async def test_at_most_one_debit_an_intent_and_books_equal_rails(
    app_db: Database, worker_db: Database, owner_db: Database, seed: int
) -> None:
    draw = random.Random(seed)
    plan = FaultPlan(seed=seed, percent=60, faults=FAULTS, query_percent=20)
    async with stage(app_db, worker_db, owner_db, plan) as one:
        made = {rail: await one.initiate(rail, PAYMENTS) for rail in CURRENCIES}
        await _live_through(one, draw)
        for rail, payments in made.items():
            states: Counter[str] = Counter()
            unbooked = sum([await _check(one, payment, rail, states) for payment in payments])
            moved = sum(movement.amount_minor for movement in one.world.movements if movement.rail == rail)
            posted = await one.float_posted(rail.replace("_", "-"))
            assert posted == moved + unbooked, f"{rail}: books {posted}, rail {moved}, unbooked {unbooked}, {states}"
            assert states[PaymentState.SUCCEEDED] >= PAYMENTS // 4, f"{rail}: {states}"

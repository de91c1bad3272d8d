"""Law: by file, too, at most one debit at the bank for each payment, and in the end books = bank.

Faults are drawn from a seed for every file and every order; workers are killed between any two awaits while they
collect and deliver; a delivery may be refused, lost on the way, or lost on the way back; time passes. Statements come
at the end of each day. Then every payment is paid, failed for a stated reason, or waits for a person.
"""

import asyncio
import os
import random
from datetime import date, datetime, timedelta
from pathlib import Path

import pytest

from omniroute.infra.http import ExchangeFailed, Reply, Request, Sent
from omniroute.infra.postgres import Database
from omniroute.money import payments
from omniroute.money.payments import AttemptState, FileSender, PaymentState
from omniroute.sandbox.faults import Fault, FaultPlan
from omniroute.sandbox.transfers import State
from tests.money.payments import filing as filings
from tests.money.payments.filing import Filing
from tests.money.payments.house import WALLET

PAYMENTS = 40
SEEDS = int(os.environ.get("OMNIROUTE_CHAOS_SEEDS", "4"))
FAULTS = [
    Fault.LOST_REQUEST,
    Fault.LOST_CALLBACK,
    Fault.DUPLICATE_CALLBACK,
    Fault.EARLY_CALLBACK,
    Fault.DECLINED,
    Fault.LATE_SUCCESS,
    Fault.WRONG_AMOUNT,
    Fault.REVERSED_LATER,
]


class Line:
    """The way to the bank: sometimes closed, sometimes it swallows the file, sometimes the reply."""

    def __init__(self, draw: random.Random) -> None:
        self.draw = draw
        self.filing: Filing | None = None
        self.delivered: list[bytes] = []
        self.calm = False

    async def exchange(self, request: Request) -> Reply:
        assert self.filing is not None
        await asyncio.sleep(0)
        chance = 1.0 if self.calm else self.draw.random()
        if chance < 0.2:
            raise ExchangeFailed("refused", sent=Sent.NO)
        if chance < 0.3:
            raise ExchangeFailed("lost on the way", sent=Sent.MAYBE)
        self.delivered.append(request.body)
        await self.filing.bank.receive(request.body, self.filing.folder.put)
        await asyncio.sleep(0)
        if chance < 0.4:
            raise ExchangeFailed("lost on the way back", sent=Sent.MAYBE)
        return Reply(503 if chance < 0.5 else 202, {}, b"")


async def _round(filing: Filing, draw: random.Random) -> None:
    """One round of a worker, killed somewhere on its way as often as not."""
    sender: FileSender = filing.make_sender(f"files-{draw.randrange(10**9)}")

    async def work() -> None:
        await sender.recover()
        await sender.collect()
        await sender.deliver()

    task = asyncio.create_task(work())
    killed = draw.random() < 0.5
    if killed:
        for _ in range(draw.randrange(60)):
            await asyncio.sleep(0)
        task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    if not killed:
        task.result()


async def _take_in(filing: Filing) -> None:
    """What the bank has put down, read as if the door had taken it."""
    for path in sorted(filing.folder.inbox.iterdir()):
        told = await filing.hear(path.read_bytes(), path.name)
        assert told["state"] == "processed"
        path.unlink()


async def _live_through(filing: Filing, draw: random.Random, line: Line) -> None:
    house = filing.house
    told: set[date] = set()

    async def go_on(until: datetime) -> None:
        house.clock.at = max(house.clock.at, until)
        await house.world.run_due()
        yesterday = (house.clock.at - timedelta(days=1)).date()
        if yesterday not in told:
            told.add(yesterday)
            await filing.folder.put(f"camt-{yesterday}.xml", filing.bank.statement(yesterday))
        await _take_in(filing)
        await house.rounds()

    for _ in range(60):
        await _round(filing, draw)
        await go_on(house.clock.at + timedelta(minutes=draw.randrange(1, 40)))
    line.calm = True
    start = house.clock.at.replace(hour=0, minute=0)
    for day in range(1, 14):
        for hour, minute in ((8, 50), (8, 59), (11, 50), (11, 59), (14, 20), (14, 29), (20, 0)):
            await filing.sender.round()
            await go_on(start + timedelta(days=day, hours=hour, minutes=minute))


@pytest.mark.parametrize("seed", range(SEEDS))
async def test_at_most_one_debit_and_books_equal_the_bank(
    app_db: Database, worker_db: Database, owner_db: Database, tmp_path: Path, seed: int
) -> None:
    draw = random.Random(seed)
    line = Line(draw)
    plan = FaultPlan(seed=seed, percent=40, faults=FAULTS)
    filing = await filings.build(app_db, worker_db, owner_db, tmp_path, plan=plan, endpoint="http://bank", http=line)
    line.filing = filing
    house = filing.house
    house.rules.fee_minor = 50
    made: list[payments.Payment] = []
    for _ in range(8):
        made += await house.initiated(*[filing.order(draw.randrange(1, 9_000)) for _ in range(PAYMENTS // 8)])
        await _round(filing, draw)
        house.clock.at += timedelta(hours=draw.randrange(1, 5))
    await _live_through(filing, draw, line)

    assert len(line.delivered) == len(set(line.delivered)), "the same file was given to the bank twice"
    paid = 0
    for payment in [await house.now_stands(one) for one in made]:
        attempts = await house.attempts(payment)
        kept = []
        for attempt in attempts:
            transfer = house.world.find("neft", attempt.our_ref)
            assert len(house.world.debits("neft", attempt.our_ref)) <= 1
            if transfer is not None and transfer.state is State.SUCCEEDED:
                kept.append(attempt.our_ref)
        late = [attempt for attempt in attempts if attempt.state is AttemptState.LATE_SUCCESS]
        assert len(kept) <= 1 + len(late), f"{payment.reference} was paid twice"
        match payment.state:
            case PaymentState.SUCCEEDED:
                assert len(kept) - len(late) == 1
                paid += 1
            case PaymentState.FAILED:
                assert payment.reason
                assert len(kept) == len(late)
            case PaymentState.REVERSED:
                assert len(kept) == len(late)
            case PaymentState.NEEDS_REVIEW:
                assert payment.reason
                assert kept == []
            case _:
                pytest.fail(f"{payment.reference} is still {payment.state}: {[one.state for one in attempts]}")
    moved = sum(movement.amount_minor for movement in house.world.movements)
    ((posted, _), (fees, _)) = await house.balances("float:neft", "payments:fees:NGN")
    assert posted == moved, "books and bank differ"
    assert fees == paid * 50
    ((mine, available),) = await house.balances(WALLET)
    assert mine >= available >= 0

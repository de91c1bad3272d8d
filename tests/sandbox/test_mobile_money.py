"""Laws of the mobile money connectors, each against its sandbox: nobody is paid twice, and nothing leaks."""

import asyncio
import random
import re
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import pytest
import structlog

from omniroute.connectors.airtel import Airtel
from omniroute.connectors.gsma import Gsma
from omniroute.connectors.mtn_momo import MtnMomo
from omniroute.infra.http import ExchangeFailed
from omniroute.ports.rails import Connector, Duplicates, Outcome, Party, PartyKind
from omniroute.sandbox.airtel import AirtelSandbox
from omniroute.sandbox.faults import Fault, FaultPlan
from omniroute.sandbox.gsma import GsmaSandbox
from omniroute.sandbox.mtn_momo import MtnMomoSandbox
from omniroute.sandbox.world import LATE
from tests.sandbox.driving import FINAL, PAID_BY, Drive, drive


@dataclass(frozen=True)
class Rail:
    connector: Connector
    sandbox: Any
    currency: str
    payee: str


RAILS = [
    Rail(MtnMomo(), MtnMomoSandbox, "UGX", "256772123456"),
    Rail(Airtel(), AirtelSandbox, "KES", "254733123456"),
    Rail(Gsma(), GsmaSandbox, "GHS", "233555123456"),
]
each_rail = pytest.mark.parametrize("rail", RAILS, ids=lambda rail: rail.connector.rail)


@each_rail
def test_not_found_is_believed_after_the_latest_late_success(rail: Rail) -> None:
    policy = rail.connector.policy()
    assert policy.not_found_after > LATE
    assert policy.query_for >= policy.not_found_after + policy.query_after[-1]
    assert sum(policy.query_after, timedelta()) > timedelta(hours=1)


@each_rail
@pytest.mark.parametrize("seed", range(3))
async def test_under_any_schedule_of_faults_we_know_what_the_books_say(rail: Rail, seed: int) -> None:
    plan = FaultPlan(seed=seed, percent=60, query_percent=20)
    async with drive(rail.connector, rail.sandbox, lambda one: one.currency == rail.currency, plan=plan) as driven:
        payouts = [driven.make(1_000 + number, rail.payee) for number in range(60)]
        sent = [await driven.send(payout) for payout in payouts]
        if rail.connector.policy().duplicates is Duplicates.REJECTS:  # Only there an order may leave twice.
            draw = random.Random(seed)
            for number in draw.sample(range(60), 15):
                await driven.send(payouts[number])
        known = dict(zip([payout.our_ref for payout in payouts], sent, strict=True))
        for _ in range(200):
            waiting = [one for one in payouts if (found := known[one.our_ref]) is None or found.outcome not in FINAL]
            if not waiting or driven.clock.at.day > 8:
                break
            await driven.pass_time(hours=1)
            for payout in waiting:
                before = known[payout.our_ref]
                try:
                    known[payout.our_ref] = await rail.connector.query(
                        driven.context, payout, before.provider_ref if before else None
                    )
                except ExchangeFailed:
                    continue
        await driven.pass_time(days=7)
        for payout in payouts:
            check_books(driven, payout.our_ref, known[payout.our_ref])
        unpaid = [found for found in known.values() if found is not None and found.outcome not in FINAL]
        assert {found.outcome for found in unpaid} <= {Outcome.NOT_FOUND, Outcome.UNKNOWN}


def check_books(driven: Drive, our_ref: str, known: Any) -> None:
    rail = driven.connector.rail
    debits, transfer = driven.world.debits(rail, our_ref), driven.world.find(rail, our_ref)
    fault = driven.world.plan.for_order(rail, our_ref, {})
    assert len(debits) == PAID_BY.get(fault, 1) <= 1
    if known is not None and known.outcome in (Outcome.SUCCEEDED, Outcome.REVERSED):
        assert len(debits) == 1
        assert known.amount is None or known.amount.amount_minor == transfer.told_minor  # type: ignore[union-attr]
    if known is not None and known.outcome in (Outcome.DECLINED, Outcome.NOT_FOUND):
        assert debits == []


@each_rail
async def test_a_crash_at_any_moment_leaves_an_order_that_can_be_asked_about(rail: Rail) -> None:
    """The process dies while the order is on its way: whatever it had reached, a question tells the truth."""
    async with drive(rail.connector, rail.sandbox, lambda one: one.currency == rail.currency) as driven:
        await rail.connector.fetch_balances(driven.context)
        for steps in range(12):
            payout = driven.make(5_000, rail.payee)
            task = asyncio.create_task(rail.connector.submit(driven.context, payout))
            for _ in range(steps * 3):
                await asyncio.sleep(0)
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
            await driven.pass_time(hours=1)
            known = await rail.connector.query(driven.context, payout, None)
            assert known.outcome is (Outcome.SUCCEEDED if driven.debits(payout) else Outcome.NOT_FOUND)
            assert driven.debits(payout) <= 1


@each_rail
@pytest.mark.parametrize("fault", [Fault.NONE, Fault.ERROR_AFTER, Fault.DECLINED, Fault.LOST_REPLY])
async def test_no_secret_is_in_any_log_line(rail: Rail, fault: Fault) -> None:
    plan = FaultPlan(percent=100, faults=(fault,))
    async with drive(rail.connector, rail.sandbox, lambda one: one.currency == rail.currency, plan=plan) as driven:
        with structlog.testing.capture_logs() as lines:
            payout = driven.make(5_000, rail.payee)
            await driven.settle(payout, await driven.send(payout))
            await rail.connector.resolve_party(driven.context, Party(PartyKind.MSISDN, rail.payee), our_ref="x")
            await rail.connector.fetch_balances(driven.context)
        assert any(line["event"] == "exchange" for line in lines)
        shown = repr(lines)
        tokens = [kept for kept, _ in driven.context.tokens._kept.values()]  # type: ignore[attr-defined]
        secrets = [value for name, value in driven.connection.secret.items() if name != "pin"]
        for secret in [*secrets, *tokens]:
            assert secret not in shown
        assert re.search(r"[A-Za-z0-9+/]{300,}", shown) is None  # As long as an encrypted PIN.

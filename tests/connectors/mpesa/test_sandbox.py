"""The connector against the sandbox's Daraja, over real HTTP both ways, with everything that can go wrong."""

import asyncio
import hashlib
import hmac
import io
import logging
import random
from collections.abc import AsyncIterator, Iterator, Mapping
from dataclasses import replace
from datetime import timedelta
from uuid import UUID

import pytest
import structlog
from prometheus_client import CollectorRegistry

from omniroute.connectors.mpesa import MpesaConnector
from omniroute.infra.http import ExchangeFailed, Limits, RailClients, Sent, Tokens
from omniroute.infra.telemetry import start_logging
from omniroute.kit.clock import FixedClock
from omniroute.kit.money import Money
from omniroute.ports.rails import (
    Callback,
    Context,
    Credentials,
    EventKind,
    NotSent,
    Outcome,
    Party,
    PartyKind,
    Payout,
    RailEvent,
    Result,
    Trust,
)
from omniroute.sandbox.faults import MAGIC, Fault, FaultPlan
from omniroute.sandbox.mpesa import MpesaSandbox
from omniroute.sandbox.transfers import State
from omniroute.sandbox.wire import WireCall, WireReply, WireServer
from omniroute.sandbox.world import World
from tests.connectors.mpesa.makers import NOW, PAYBILL, payout

rail = MpesaConnector()
MAGIC_OF = {fault: digits for digits, fault in MAGIC.items()}
CODE_KEY = b"only we can make these addresses"


class Desk:
    """A tenant's end of the line: sends, asks, and listens at addresses only it can make."""

    def __init__(self, sandbox: MpesaSandbox, url: str, clock: FixedClock, clients: RailClients) -> None:
        self.world, self.clock, self._url = sandbox.world, clock, url
        self.events: list[RailEvent] = []
        self.listener = WireServer(self._hear)
        self._sandbox, self._clients = sandbox, clients
        self.context: Context

    async def open(self, secret: Mapping[str, str] | None = None) -> None:
        (test,) = self._sandbox.connections()
        credentials = Credentials(UUID(int=1), UUID(int=2), self._url, test.public, {**test.secret, **(secret or {})})
        http = await self._clients.client("mpesa", "1", limits=Limits(retry_wait_ms=1, breaker_failures_min=1000))
        self.context = Context(credentials, http, Tokens(self.clock), self.clock, self._address)

    def _address(self, purpose: str, ref: str) -> str:
        code = hmac.new(CODE_KEY, f"{purpose}/{ref}".encode(), hashlib.sha256).hexdigest()[:32]
        return f"{self.listener.url}/c/{code}/{purpose}/{ref}"

    async def _hear(self, call: WireCall) -> WireReply:
        _, _, _, purpose, ref = call.path.split("/")
        authentic = self._address(purpose, ref).endswith(call.path)
        heard = Callback(call.body, call.headers, purpose, ref, authentic, self.clock.now())
        self.events.extend(rail.read_callback(self.context, heard))
        ack = rail.acknowledge(heard)
        return WireReply(ack.status, ack.body, ack.content_type)

    async def send(self, order: Payout) -> Outcome:
        """Send once; no answer, or none to rely on, is unknown. Daraja never pays at once."""
        try:
            outcome = (await rail.submit(self.context, order)).outcome
        except ExchangeFailed as failure:
            return {Sent.MAYBE: Outcome.UNKNOWN, Sent.NO: Outcome.NOT_SENT}[failure.sent]
        assert outcome in (Outcome.PENDING, Outcome.UNKNOWN)
        return outcome

    async def wait(self, wait: timedelta = timedelta(seconds=1)) -> list[RailEvent]:
        """What is heard when time goes on."""
        self.events.clear()
        self.clock.at += wait
        for _ in range(5):  # What happens makes other things happen a moment later.
            await self.world.run_due()
            self.clock.at += timedelta(milliseconds=5)
        heard = list(self.events)
        self.events.clear()
        return heard

    async def ask(self, order: Payout, provider_ref: str | None = None) -> Result:
        """Ask, and wait for the one answer that may be believed."""
        asked = await rail.query(self.context, order, provider_ref)
        assert asked.outcome is Outcome.ASKED
        answers = [event for event in await self.wait() if event.kind is EventKind.QUERY_RESULT]
        assert {event.trust for event in answers} == {Trust.VERIFIED}
        return answers[-1].result


@pytest.fixture
async def desk() -> AsyncIterator[Desk]:
    clock = FixedClock(NOW)
    world = World(clock=clock, slow_s=0.05)
    clients = RailClients(clock=clock, registry=CollectorRegistry())
    sandbox = MpesaSandbox(world, charge_minor=5_00)
    async with WireServer(sandbox.handle) as server:
        made = Desk(sandbox, server.url, clock, clients)
        async with made.listener:
            await made.open()
            yield made
    await clients.aclose()
    await world.close()


def _to(digits: str) -> Party:
    return Party(PartyKind.MSISDN, f"254708374{digits}")


async def test_a_wallet_is_paid_and_the_truth_is_asked_for(desk: Desk) -> None:
    order = payout()
    sent = await rail.submit(desk.context, order)
    assert (sent.outcome, sent.our_ref) == (Outcome.PENDING, order.our_ref)
    (hint,) = await desk.wait()
    assert (hint.kind, hint.trust, hint.result.outcome) == (EventKind.PAYOUT_RESULT, Trust.HINT, Outcome.SUCCEEDED)
    truth = await desk.ask(order, sent.provider_ref)
    assert (truth.outcome, truth.our_ref, truth.amount) == (Outcome.SUCCEEDED, order.our_ref, order.amount)
    assert (truth.payee_identifier, truth.fee) == (order.payee.identifier, Money(5_00, "KES"))
    assert truth.receipt == hint.result.receipt == desk.world.debits("mpesa", order.our_ref)[0].rail_ref
    assert truth.provider_ref == hint.result.provider_ref == sent.provider_ref
    assert truth.finalised_at == hint.occurred_at == NOW


FOUND = {
    Fault.LOST_REQUEST: Outcome.NOT_FOUND,
    Fault.ERROR_BEFORE: Outcome.NOT_FOUND,
    Fault.DECLINED: Outcome.DECLINED,
    Fault.REVERSED_LATER: Outcome.REVERSED,
}


@pytest.mark.parametrize("fault", [fault for fault in Fault if fault is not Fault.NONE])
async def test_whatever_goes_wrong_asking_finds_the_truth(desk: Desk, fault: Fault) -> None:
    order = payout(_to(MAGIC_OF[fault]))
    sent = await desk.send(order)
    lost = fault in (Fault.LOST_REQUEST, Fault.LOST_REPLY, Fault.ERROR_BEFORE, Fault.ERROR_AFTER)
    assert sent is (Outcome.UNKNOWN if lost else Outcome.PENDING)
    heard = await desk.wait()
    if fault is Fault.LATE_SUCCESS:
        assert [event.kind for event in heard] == [EventKind.TIMED_OUT]
        assert (await desk.ask(order)).outcome is Outcome.NOT_FOUND
    heard += await desk.wait(timedelta(minutes=10))
    heard += await desk.wait(timedelta(days=3))
    assert {event.trust for event in heard} <= {Trust.HINT}
    if fault is Fault.DUPLICATE_CALLBACK:
        assert len(heard) == 3
        assert len({event.key for event in heard}) == 1
    truth = await desk.ask(order)
    assert truth.outcome is FOUND.get(fault, Outcome.SUCCEEDED)
    debits = desk.world.debits("mpesa", order.our_ref)
    assert len(debits) == (0 if truth.outcome in (Outcome.NOT_FOUND, Outcome.DECLINED) else 1)
    if debits:
        assert (truth.amount == order.amount) == (fault is not Fault.WRONG_AMOUNT)
        assert truth.receipt == debits[0].rail_ref


async def test_a_repeat_is_taken_for_accepted_and_pays_once(desk: Desk) -> None:
    order = payout(_to(MAGIC_OF[Fault.LOST_REPLY]))
    with pytest.raises(ExchangeFailed):
        await rail.submit(desk.context, order)
    again = await rail.submit(desk.context, payout(our_ref=order.our_ref))
    assert (again.outcome, again.answer.code) == (Outcome.PENDING, "500.002.1001/duplicate")
    await desk.wait()
    assert len(desk.world.debits("mpesa", order.our_ref)) == 1


async def test_a_bill_is_paid_asked_for_and_given_back(desk: Desk) -> None:
    order = payout(PAYBILL)
    sent = await rail.submit(desk.context, order)
    (hint,) = await desk.wait()
    assert (hint.result.outcome, hint.result.our_ref) == (Outcome.SUCCEEDED, order.our_ref)
    truth = await desk.ask(order, sent.provider_ref)
    assert (truth.outcome, truth.our_ref, truth.payee_identifier) == (Outcome.SUCCEEDED, order.our_ref, "888880")
    assert replace(await desk.ask(order, truth.provider_ref), answer=truth.answer) == truth
    assert truth.receipt is not None
    back = await rail.reverse(desk.context, order, truth.receipt, "R-BACK")
    assert back.outcome is Outcome.PENDING
    (reversal,) = await desk.wait()
    assert (reversal.result.outcome, reversal.result.our_ref) == (Outcome.REVERSED, "R-BACK")
    assert (await desk.ask(order, sent.provider_ref)).outcome is Outcome.REVERSED
    assert [transfer.state for transfer in desk.world.transfers("mpesa")] == [State.REVERSED]


async def test_balances_come_by_callback(desk: Desk) -> None:
    desk.world.fund("mpesa", "600992", "KES", 1_234_56)
    assert await rail.fetch_balances(desk.context) == ()
    (event,) = await desk.wait()
    assert (event.kind, event.trust) == (EventKind.BALANCE, Trust.VERIFIED)
    assert {one.kind: one.amount for one in event.balances}["Utility Account"] == Money(1_234_56, "KES")


async def test_a_wrong_initiator_is_told_and_nothing_moves(desk: Desk) -> None:
    await desk.open({"initiator_password": "Wrong#1"})
    assert (await rail.submit(desk.context, payout())).outcome is Outcome.PENDING
    (hint,) = await desk.wait()
    assert (hint.result.outcome, hint.result.answer.code) == (Outcome.DECLINED, "2001")
    assert desk.world.movements == []


async def test_a_wrong_login_sends_nothing(desk: Desk) -> None:
    await desk.open({"consumer_secret": "wrong"})
    with pytest.raises(NotSent):
        await rail.submit(desk.context, payout())
    assert desk.world.transfers() == []


async def test_a_token_that_ended_is_fetched_again(desk: Desk) -> None:
    await rail.submit(desk.context, payout())
    await desk.wait(timedelta(hours=2))
    assert (await rail.submit(desk.context, payout(our_ref="R2"))).outcome is Outcome.PENDING


async def test_nobody_is_there(desk: Desk) -> None:
    here = replace(desk.context, credentials=replace(desk.context.credentials, endpoint="http://127.0.0.1:9"))
    with pytest.raises(NotSent):
        await rail.submit(here, payout())


async def test_forged_results_are_rejected(desk: Desk) -> None:
    order = payout()
    await rail.submit(desk.context, order)
    await desk.wait()
    body = desk.world.callbacks[-1].request.body
    forged = Callback(body, {}, "s", order.our_ref, False, NOW)
    (event,) = rail.read_callback(desk.context, forged)
    assert (event.trust, event.result.outcome) == (Trust.REJECTED, Outcome.UNKNOWN)


async def test_two_hundred_orders_with_every_fault_pay_at_most_once_and_all_ends_known(desk: Desk) -> None:
    draw = random.Random(20261121)
    desk.world.plan = FaultPlan(seed=7, percent=60, query_percent=0)
    orders = [
        payout(
            _to(f"{draw.randrange(100, 900)}"),
            Money(draw.randrange(10, 5_000) * 100, "KES"),
            our_ref=rail.build_reference({}, UUID(int=draw.getrandbits(128)), NOW),
        )
        for _ in range(200)
    ]

    for start in range(0, len(orders), 10):
        await asyncio.gather(*(desk.send(order) for order in orders[start : start + 10]))
    await desk.wait(timedelta(days=3))
    expected = {Outcome.SUCCEEDED: 1, Outcome.REVERSED: 1, Outcome.DECLINED: 0, Outcome.NOT_FOUND: 0}
    for order in orders:
        truth = await desk.ask(order)
        assert len(desk.world.debits("mpesa", order.our_ref)) == expected[truth.outcome], order.our_ref
        assert truth.our_ref == order.our_ref


@pytest.fixture
def lines() -> Iterator[io.StringIO]:
    """Everything that is logged, ours and that of libraries, at the chattiest level."""
    out = io.StringIO()
    root = logging.getLogger()
    before = (root.level, root.handlers[:])
    start_logging("debug", "json", stream=out)
    yield out
    structlog.reset_defaults()
    root.setLevel(before[0])
    root.handlers[:] = before[1]


async def test_no_secret_and_no_address_of_ours_is_ever_logged(lines: io.StringIO, desk: Desk) -> None:
    for digits in ("149", MAGIC_OF[Fault.ERROR_AFTER], MAGIC_OF[Fault.LOST_REPLY]):
        await desk.send(payout(_to(digits), our_ref=f"R{digits}"))
    await desk.ask(payout(our_ref="R149"))
    await rail.fetch_balances(desk.context)
    # httpx is the sandbox's, which calls us; our own client is not built on it.
    written = "\n".join(line for line in lines.getvalue().splitlines() if '"httpx"' not in line)
    assert "mpesa.b2c" in written
    assert "254708374149" in written  # What is no secret is there to be read.
    token = await desk.context.tokens.get("access", lambda: pytest.fail("there is one"))
    codes = [desk._address(purpose, "R149").split("/")[4] for purpose in "rts"]
    for secret in (*desk.context.credentials.secret.values(), token, *codes):
        assert secret not in written
    for name in ("SecurityCredential", "ResultURL", "QueueTimeOutURL"):
        assert "[redacted]" in written.split(name)[1][:40]

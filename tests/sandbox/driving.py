"""A connector and the sandbox of its rail over real HTTP, on a clock that only tests move."""

import asyncio
import uuid
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from prometheus_client import CollectorRegistry

from omniroute.infra.http import ExchangeFailed, Limits, RailClients, Tokens
from omniroute.kit.clock import FixedClock
from omniroute.kit.money import Money
from omniroute.ports.rails import (
    Callback,
    Connector,
    Context,
    Credentials,
    Duplicates,
    NotSent,
    Outcome,
    Party,
    PartyKind,
    Payout,
    Result,
    Trust,
)
from omniroute.sandbox.faults import Fault
from omniroute.sandbox.rail import RailSandbox, TestConnection
from omniroute.sandbox.server import Sandbox
from omniroute.sandbox.wire import WireCall, WireReply, WireServer
from omniroute.sandbox.world import World

START = datetime(2026, 3, 2, 9, tzinfo=UTC)
LIMITS = Limits(tries_max=1, breaker_failures_min=10**6)
"""What goes wrong is the test's to see: no second try, and no breaker."""

FINAL = (Outcome.SUCCEEDED, Outcome.DECLINED, Outcome.REVERSED)


@dataclass
class Drive:
    """Everything a test holds in its hands."""

    connector: Connector
    context: Context
    world: World
    clock: FixedClock
    connection: TestConnection
    heard: list[WireCall] = field(
        default_factory=list
    )  # In the order in which they came, which is not theirs to choose.
    arrived: asyncio.Event = field(default_factory=asyncio.Event)

    async def pass_time(self, **delta: float) -> None:
        """Move the clock, and let happen what is due."""
        self.clock.at += timedelta(**delta)
        await self.world.run_due()

    async def hears(self, calls: int) -> None:
        """Wait for so many calls: the sandbox's own task may be at one when we look."""
        async with asyncio.timeout(30):
            while len(self.heard) < calls:
                self.arrived.clear()
                await self.arrived.wait()

    def make(self, minor: int, payee: str, *, attempt: uuid.UUID | None = None, **changes: Any) -> Payout:
        attempt = attempt or uuid.uuid4()
        reference = self.connector.build_reference(self.context.credentials.public, attempt, self.clock.at)
        fields: dict[str, Any] = {
            "our_ref": reference, "amount": Money(minor, self.connection.currency),
            "payee": Party(PartyKind.MSISDN, payee), "narration": "Wages, the 2nd week", "purpose": "WORKER_PAYOUT",
            "payment_reference": f"PAY-{attempt.hex[:8]}", "created_at": self.clock.at,
        }  # fmt: skip
        return Payout(**{**fields, **changes})

    async def send(self, payout: Payout) -> Result | None:
        """Submit once; None when nobody knows what became of it."""
        self.connector.check(payout)
        try:
            return await self.connector.submit(self.context, payout)
        except NotSent as proven:
            return Result(Outcome.NOT_SENT, our_ref=str(proven))
        except ExchangeFailed:
            return None

    async def settle(self, payout: Payout, sent: Result | None, *, days: int = 4) -> Result | None:
        """Ask until it is final or the days are over, as the core does; never send again."""
        result, provider_ref = sent, sent.provider_ref if sent else None
        until = self.clock.at + timedelta(days=days)
        while result is None or result.outcome not in (*FINAL, Outcome.NOT_SENT):
            if self.clock.at >= until:
                break
            await self.pass_time(minutes=30)
            try:
                result = await self.connector.query(self.context, payout, provider_ref)
            except ExchangeFailed:
                continue
            provider_ref = result.provider_ref or provider_ref
        return result

    def debits(self, payout: Payout) -> int:
        return len(self.world.debits(self.connector.rail, payout.our_ref))

    def callback(self, call: WireCall, *, authentic: bool = True) -> Callback:
        """A call as our door hands it on."""
        _, purpose, ref = call.path.strip("/").split("/")
        return Callback(call.body, call.headers, purpose, ref, authentic, self.clock.at)


@asynccontextmanager
async def drive(
    connector: Connector,
    make_rail: Callable[[World], RailSandbox],
    choose: Callable[[TestConnection], bool] = lambda _: True,
    *,
    public: Mapping[str, str] | None = None,
    secret: Mapping[str, str] | None = None,
    **options: Any,
) -> AsyncIterator[Drive]:
    clock = FixedClock(START)
    world = World(clock=clock, slow_s=0, **options)
    rail = make_rail(world)
    heard: list[WireCall] = []
    arrived = asyncio.Event()

    async def hear(call: WireCall) -> WireReply:
        heard.append(call)
        arrived.set()
        return WireReply(200)

    clients = RailClients(clock=clock, registry=CollectorRegistry())
    async with Sandbox(world, [rail]) as sandbox, WireServer(hear) as receiver:
        connection = next(one for one in rail.connections() if choose(one))
        credentials = Credentials(
            uuid.uuid4(), uuid.uuid4(), f"{sandbox.url}/{rail.rail}{connection.path}",
            {**connection.public, **(public or {})}, {**connection.secret, **(secret or {})},
        )  # fmt: skip
        http = await clients.client(rail.rail, str(credentials.connection_id), limits=LIMITS)
        address = receiver.url.replace("127.0.0.1", "localhost")
        context = Context(
            credentials, http, Tokens(clock), clock, lambda purpose, ref: f"{address}/calls/{purpose}/{ref}"
        )
        try:
            yield Drive(connector, context, world, clock, connection, heard, arrived)
        finally:
            await clients.aclose()


PAID_BY = {
    Fault.LOST_REQUEST: 0, Fault.ERROR_BEFORE: 0, Fault.DECLINED: 0,
}  # fmt: skip
"""How often an order with this fault takes money; every other takes it once."""


async def check_fault(driven: Drive, fault: Fault, payout: Payout, *, tells_reversals: bool, echoes: bool) -> None:
    """Send one order with a fault and ask until the dust settles: what we know is what the rail's books say."""
    sent = await driven.send(payout)
    outcome = sent.outcome if sent else None
    if fault in (Fault.LOST_REQUEST, Fault.LOST_REPLY):
        assert outcome is None
    elif fault in (Fault.ERROR_BEFORE, Fault.ERROR_AFTER):
        assert outcome is Outcome.UNKNOWN
    known = await driven.settle(payout, sent)
    assert driven.debits(payout) == PAID_BY.get(fault, 1)
    assert known is not None
    match fault:
        case Fault.LOST_REQUEST | Fault.ERROR_BEFORE:
            assert known.outcome is Outcome.NOT_FOUND
        case Fault.DECLINED:
            assert known.outcome is Outcome.DECLINED
        case _:
            assert known.outcome is Outcome.SUCCEEDED
    if echoes and known.outcome is Outcome.SUCCEEDED:
        assert (known.amount == payout.amount) == (fault is not Fault.WRONG_AMOUNT)
        assert known.payee_identifier == payout.payee.identifier
    await driven.pass_time(days=3)
    if fault is Fault.REVERSED_LATER:
        later = await driven.connector.query(driven.context, payout, known.provider_ref)
        assert later.outcome is (Outcome.REVERSED if tells_reversals else Outcome.SUCCEEDED)
    assert driven.debits(payout) == PAID_BY.get(fault, 1)


async def check_repeat(driven: Drive, payout: Payout) -> None:
    """The same order again takes no more money, whatever the rail answers."""
    first = await driven.send(payout)
    again = await driven.send(payout)
    assert first is not None
    assert again is not None
    assert again.outcome not in (Outcome.DECLINED, Outcome.NOT_SENT, Outcome.NOT_FOUND)
    if driven.connector.policy().duplicates is Duplicates.REJECTS:
        assert again.outcome is Outcome.PENDING
    assert driven.debits(payout) == 1
    settled = await driven.settle(payout, again)
    assert settled is not None
    assert settled.outcome is Outcome.SUCCEEDED


def check_calls(driven: Drive, *, rejects_forged: bool = True) -> dict[str | None, Outcome]:
    """Calls are hints at our secret address, and nothing elsewhere; what they said of each order."""
    results: list[Result] = []
    for call in driven.heard:
        events = driven.connector.read_callback(driven.context, driven.callback(call))
        assert {event.trust for event in events} == {Trust.HINT}
        forged = driven.connector.read_callback(driven.context, driven.callback(call, authentic=False))
        assert {event.trust for event in forged} == {Trust.REJECTED if rejects_forged else Trust.HINT}
        results += [event.result for event in events]
    return {result.our_ref: result.outcome for result in results}

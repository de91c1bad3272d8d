"""The sandbox's books, faults and wire, on a clock that stands still."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import httpx
import pytest

from omniroute.kit.clock import FixedClock
from omniroute.sandbox.callbacks import CallbackRequest
from omniroute.sandbox.faults import HEADER, MAGIC, Fault, FaultPlan
from omniroute.sandbox.rail import Router, TestConnection, magic_digits
from omniroute.sandbox.server import Sandbox
from omniroute.sandbox.transfers import Order, Reason, State, Transfer
from omniroute.sandbox.wire import Drop, WireCall, WireReply
from omniroute.sandbox.world import World

START = datetime(2026, 3, 2, 9, tzinfo=UTC)
ORDER = Order("toy", "R1", "float", "2347000000001", 5_000, "NGN", fee_minor=50)
ERROR = WireReply(503, b"{}")


class ToyRail:
    """POST /pay/{reference} pays 50.00 to the payee in the body; GET tells what became of it."""

    rail = "toy"

    def __init__(self, world: World) -> None:
        self.world = world
        self._router = Router()
        self._router.add("POST", "/pay/{reference}", lambda call, parts: self._pay(call, parts["reference"]))
        self._router.add("GET", "/pay/{reference}", lambda call, parts: self._status(parts["reference"]))

    async def handle(self, call: WireCall) -> WireReply:
        return await self._router.dispatch(call, WireReply(404))

    def connections(self) -> list[TestConnection]:
        return [TestConnection("toy", "", "float", "NGN", secret={"pin": "1"})]

    async def _pay(self, call: WireCall, reference: str) -> WireReply:
        payee = call.body.decode()
        fault = self.world.plan.for_order("toy", reference, call.headers, magic_digits(payee))

        async def effect() -> WireReply:
            if self.world.find("toy", reference) is None:
                order = replace(ORDER, reference=reference, payee=payee)
                self.world.accept(order, fault, callback=lambda done: CallbackRequest("http://x/", done.state.encode()))
            return WireReply(202)

        return await self.world.attempt(fault, effect, ERROR)

    async def _status(self, reference: str) -> WireReply:
        async def effect() -> WireReply:
            found = self.world.find_visible("toy", reference)
            return WireReply(404) if found is None else WireReply(200, found.state.encode())

        return await self.world.answer("toy", reference, effect, ERROR)


class Heard:
    """Receives callbacks instead of HTTP."""

    def __init__(self) -> None:
        self.bodies: list[bytes] = []

    async def __call__(self, request: CallbackRequest) -> int:
        self.bodies.append(request.body)
        return 200


def make_world(**options: object) -> tuple[World, FixedClock, Heard]:
    clock, heard = FixedClock(START), Heard()
    return World(clock=clock, deliver=heard, slow_s=0, **options), clock, heard  # type: ignore[arg-type]


def done(transfer: Transfer) -> CallbackRequest:
    return CallbackRequest("http://x/", transfer.state.encode())


async def test_an_order_is_paid_once_and_the_books_say_so() -> None:
    world, clock, heard = make_world(funds_minor=10_000)
    transfer = world.accept(ORDER, takes=timedelta(seconds=30), callback=done)
    assert world.available("toy", "float", "NGN") == 4_950
    assert await world.run_due() == 0
    clock.at += timedelta(seconds=31)
    await world.run_due()
    assert transfer.state is State.SUCCEEDED
    assert [(m.kind, m.amount_minor, m.balance_after_minor) for m in world.movements] == [
        ("debit", -5_000, 5_000),
        ("fee", -50, 4_950),
    ]
    assert len(world.debits("toy", "R1")) == 1
    clock.at += timedelta(seconds=1)
    await world.run_due()
    assert heard.bodies == [b"succeeded"]


async def test_without_funds_it_is_declined_and_nothing_moves() -> None:
    world, _, _ = make_world(funds_minor=5_049)
    transfer = world.accept(ORDER)
    await world.run_due()
    assert (transfer.state, transfer.reason) == (State.DECLINED, Reason.FUNDS)
    assert world.movements == []
    assert world.available("toy", "float", "NGN") == 5_049


@pytest.mark.parametrize("fault", list(Fault))
async def test_each_fault_is_what_it_says(fault: Fault) -> None:
    world, clock, heard = make_world()
    rail = ToyRail(world)
    call = WireCall("POST", "/pay/R9", {}, {HEADER: fault.value}, b"2347000000001")
    try:
        reply: int | None = (await rail.handle(call)).status
    except Drop:
        reply = None
    heard_before_reply = len(heard.bodies)
    assert reply == {
        Fault.LOST_REQUEST: None,
        Fault.LOST_REPLY: None,
        Fault.ERROR_BEFORE: 503,
        Fault.ERROR_AFTER: 503,
    }.get(fault, 202)
    status = (await rail._status("R9")).status
    assert status == (404 if fault in (Fault.LOST_REQUEST, Fault.ERROR_BEFORE, Fault.LATE_SUCCESS) else 200)
    assert heard_before_reply == (1 if fault is Fault.EARLY_CALLBACK else 0)
    clock.at += timedelta(days=4)
    await world.run_due()
    clock.at += timedelta(days=4)
    await world.run_due()
    paid = fault not in (Fault.LOST_REQUEST, Fault.ERROR_BEFORE, Fault.DECLINED)
    assert len(world.debits("toy", "R9")) == int(paid)
    callbacks = {Fault.LOST_REQUEST: 0, Fault.ERROR_BEFORE: 0, Fault.LOST_CALLBACK: 0, Fault.DUPLICATE_CALLBACK: 3}
    assert len(heard.bodies) == callbacks.get(fault, 1)
    transfer = world.find("toy", "R9")
    if transfer is not None:
        assert (transfer.told_minor != 5_000) == (fault is Fault.WRONG_AMOUNT)
        assert (transfer.state is State.REVERSED) == (fault is Fault.REVERSED_LATER)
        assert sum(movement.amount_minor for movement in world.movements) == {
            Fault.DECLINED: 0,
            Fault.REVERSED_LATER: -50,
        }.get(fault, -5_050)


def test_the_same_seed_gives_the_same_faults_in_any_order() -> None:
    plan = FaultPlan(seed=7, percent=40, query_percent=30)
    references = [f"R{i}" for i in range(400)]
    once = {reference: plan.for_order("toy", reference, {}) for reference in references}
    again = {reference: plan.for_order("toy", reference, {}) for reference in reversed(references)}
    assert once == again
    hit = sum(fault is not Fault.NONE for fault in once.values())
    assert 100 < hit < 220
    assert once != {
        reference: FaultPlan(seed=8, percent=40).for_order("toy", reference, {}) for reference in references
    }
    assert [plan.for_query("toy", "R1", n) for n in range(50)] == [plan.for_query("toy", "R1", n) for n in range(50)]


def test_magic_numbers_order_faults() -> None:
    assert FaultPlan().for_order("toy", "R", {}, magic_digits("254700000902")) is Fault.LOST_REPLY
    assert FaultPlan().for_order("toy", "R", {}, magic_digits("0123459027", check_digit=True)) is Fault.LOST_REPLY
    assert set(MAGIC.values()) == set(Fault) - {Fault.NONE}


async def test_over_http_with_lost_connections_and_handles() -> None:
    world = World(slow_s=0)
    async with Sandbox(world, [ToyRail(world)]) as sandbox, httpx.AsyncClient(base_url=sandbox.url) as http:
        assert (await http.post("/toy/pay/A", content=b"1")).status_code == 202
        assert (await http.get("/toy/pay/A")).text == "succeeded"
        with pytest.raises(httpx.TransportError):
            await http.post("/toy/pay/B", content=b"1", headers={HEADER: "lost-reply"})
        assert (await http.get("/toy/pay/B")).text == "succeeded"
        with pytest.raises(httpx.TransportError):
            await http.post("/toy/pay/C", content=b"1", headers={HEADER: "lost-request"})
        assert (await http.get("/toy/pay/C")).status_code == 404
        feed = (await http.get("/_sandbox/feed?rail=toy")).json()
        assert [(line["reference"], line["amount_minor"]) for line in feed if line["kind"] == "debit"] == [
            ("A", -5_000),
            ("B", -5_000),
        ]
        assert (await http.get("/_sandbox/connections")).json()[0]["endpoint"] == f"{sandbox.url}/toy"
        assert (
            await http.put("/_sandbox/faults", content=b'{"seed": 1, "percent": 100, "faults": ["nonsense"]}')
        ).status_code == 400
        assert (
            await http.put("/_sandbox/faults", content=b'{"percent": 100, "faults": ["error-before"]}')
        ).status_code == 200
        assert (await http.post("/toy/pay/D", content=b"1")).status_code == 503
        assert (await http.get("/_sandbox/transfers?reference=D")).json() == []
        assert (await http.get("/nobody/here")).json()["rails"] == ["toy"]


async def test_it_is_still_when_no_order_and_no_call_is_under_way() -> None:
    told: list[bool] = []

    async def deliver(request: CallbackRequest) -> int:
        told.append(world.is_still(world.clock.now()))
        return 200

    clock = FixedClock(START)
    world = World(clock=clock, deliver=deliver, slow_s=0)
    assert world.is_still(START)
    world.accept(ORDER, takes=timedelta(seconds=1), callback=done)
    assert world.is_still(START)
    assert not world.is_still(START + timedelta(seconds=1))
    clock.at += timedelta(seconds=2)
    await world.run_due()
    clock.at += timedelta(seconds=2)
    await world.run_due()
    assert told == [False]
    assert world.is_still(START + timedelta(days=9))

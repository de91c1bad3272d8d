"""What M-Pesa calls us with about a request to take a payment back: a hint, and never more."""

from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta
from typing import Any
from uuid import UUID

import msgspec
import pytest

from omniroute.connectors.mpesa import MpesaConnector
from omniroute.connectors.mpesa.wire import REVERSAL
from omniroute.infra.events import Meta
from omniroute.infra.postgres import Database
from omniroute.kit.money import Money
from omniroute.money import desk, payments
from omniroute.money.desk import Proof, Returner, Reversal, ReversalState, Reverse
from omniroute.money.desk.returning import weigh
from omniroute.money.payments import Initiated, Payment, PaymentState, PaymentType
from omniroute.ports.rails import Outcome, Party, PartyKind, Result
from omniroute.sandbox.callbacks import CallbackRequest
from omniroute.sandbox.faults import FaultPlan
from tests.money.payments.house import META, START
from tests.money.payments.rails import Pinned, Stage, connectors, stage

NOW = timedelta(seconds=2)


@pytest.fixture
async def world(app_db: Database, worker_db: Database, owner_db: Database) -> AsyncIterator[Stage]:
    async with stage(app_db, worker_db, owner_db, FaultPlan()) as made:
        made.dispatcher = payments.Dispatcher(
            made.worker,
            made.links,
            clock=made.clock,
            business_day=lambda tenant_id: START.date(),
            worker_id="worker-1",
            elsewhere=desk.hear_reversal,
        )
        yield made


def returner(world: Stage) -> Returner:
    return Returner(
        world.worker,
        world.links,
        clock=world.clock,
        business_day=lambda tenant_id: START.date(),
        worker_id="worker-1",
    )


async def paid_to_a_till(world: Stage) -> Payment:
    order = payments.initiate_payment(
        reference="till-1",
        type=PaymentType.SUPPLIER_PAYMENT,
        amount=Money(50_000, "KES"),
        source_code="wallet:KES",
        payee=Party(PartyKind.TILL, "654321", None, None, "KE"),
        narration="Flour",
        connection="mpesa",
    )
    async with world.app.tx(world.tenant_id) as tx:
        (made,) = await payments.initiate(
            tx,
            [payments.Request(order, "usr_maker", None, META)],
            rules=Pinned(world.by_code),
            now=world.clock.now(),
            today=START.date(),
        )
    assert isinstance(made, Initiated), made
    await world.settle(timedelta(minutes=5))
    payment, _ = await world.now_stands(made.payment)
    assert payment.state is PaymentState.SUCCEEDED
    return payment


async def ask_back(world: Stage, payment: Payment) -> Reversal:
    """Two people agree, and the request is sent."""
    proof = Proof("Paid the wrong till.")
    at: dict[str, Any] = {"rails": connectors(), "now": world.clock.now(), "today": START.date()}
    async with world.app.tx(world.tenant_id) as tx:
        asked = await desk.ask(
            tx, Reverse(payment.payment_id), proof, actor="usr_maker", approvals_needed=1, meta=META, **at
        )
        await desk.approve(tx, asked.request_id, actor="usr_checker", meta=Meta(actor="usr_checker"), **at)
    await returner(world).send()
    return await now_stands(world, payment.payment_id)


async def now_stands(world: Stage, payment_id: UUID) -> Reversal:
    async with world.app.tx(world.tenant_id) as tx:
        (one,) = await desk.find_reversals(tx, payment_id)
    return one


async def told(world: Stage, ref: str) -> list[Any]:
    async with world.app.tx(world.tenant_id) as tx:
        rows = await tx.connection.execute(
            "SELECT authentic, state, outcome FROM provider_event WHERE ref = %s ORDER BY received_at", [ref]
        )
        return await rows.fetchall()


async def open_exceptions(world: Stage) -> int:
    async with world.app.tx(world.tenant_id) as tx:
        rows = await tx.connection.execute("SELECT count(*) AS n FROM payment_exception WHERE resolved_at IS NULL")
        found = await rows.fetchone()
    assert found is not None
    return int(found.n)


async def let_it_be_asked(world: Stage) -> None:
    """What every worker does, with the time that a call needs between."""
    for _ in range(4):
        await world.world.run_due()
        await world.rounds()
        await returner(world).round()
        world.clock.at += NOW


async def test_the_call_about_a_reversal_makes_us_ask_at_once(world: Stage) -> None:
    payment = await paid_to_a_till(world)
    asked = await ask_back(world, payment)
    assert asked.our_ref is not None
    assert (asked.state, await world.float_posted("mpesa")) == ("pending", -50_000)
    world.clock.at += NOW
    await world.world.run_due()  # M-Pesa calls.
    await world.rounds()
    (call,) = await told(world, asked.our_ref)
    assert (call.authentic, call.outcome) == (True, {"told": ["reversal_asked"]})
    # A call alone proves nothing.
    assert (await now_stands(world, payment.payment_id)).state == "pending"
    assert await world.float_posted("mpesa") == -50_000
    await let_it_be_asked(world)
    done = await now_stands(world, payment.payment_id)
    assert done.state == "succeeded"
    assert done.updated_at - asked.updated_at < timedelta(seconds=30), "long before the schedule would have asked"
    payment, _ = await world.now_stands(payment)
    assert (payment.state, await world.float_posted("mpesa")) == (PaymentState.REVERSED, 0)
    assert await open_exceptions(world) == 0, "nobody need look at what was asked for"
    # The same once more moves nothing.
    await world.deliver(world.world.callbacks[-1].request)
    await world.rounds()
    assert await world.float_posted("mpesa") == 0


@pytest.mark.parametrize("code", [0, 21])
async def test_a_forged_call_about_a_reversal_is_rejected(world: Stage, code: int) -> None:
    payment = await paid_to_a_till(world)
    asked = await ask_back(world, payment)
    assert asked.our_ref is not None
    link = await world.links.get(world.tenant_id, asked.connection_id)
    right = link.context.callback_url(REVERSAL, asked.our_ref)
    body = msgspec.json.encode({"Result": {"ResultCode": code, "OriginatorConversationID": "x", "TransactionID": "x"}})
    await world.deliver(CallbackRequest(right[:-32] + "0" * 32, body))
    await world.rounds()
    (call,) = await told(world, asked.our_ref)
    assert (call.authentic, call.state) == (False, "rejected")
    stands = await now_stands(world, payment.payment_id)
    assert (stands.state, stands.next_query_at) == ("pending", asked.next_query_at)
    assert await world.float_posted("mpesa") == -50_000


async def test_a_lying_call_gives_nothing_back(world: Stage) -> None:
    """It comes by the right way and says that it was given back; M-Pesa itself says that it was not."""
    payment = await paid_to_a_till(world)
    asked = await ask_back(world, payment)
    assert asked.our_ref is not None
    transfer = world.world.transfers("mpesa")[0]
    transfer.state = type(transfer.state).SUCCEEDED  # It only said so.
    await let_it_be_asked(world)
    assert [one.outcome for one in await told(world, asked.our_ref)] == [{"told": ["reversal_asked"]}]
    stands = await now_stands(world, payment.payment_id)
    payment, _ = await world.now_stands(payment)
    assert (stands.state, payment.state) == ("pending", PaymentState.SUCCEEDED)
    assert await world.float_posted("mpesa") == -50_000


async def test_a_call_before_the_reply_is_not_forgotten(world: Stage) -> None:
    payment = await paid_to_a_till(world)
    asked = await ask_back(world, payment)
    assert asked.our_ref is not None
    on_its_way = replace(asked, state=ReversalState.SENDING, next_query_at=None)
    taken = Result(Outcome.PENDING)
    policy = MpesaConnector().policy()
    now = world.clock.now()
    quiet, _ = weigh(now, on_its_way, taken, payments.Source.SUBMIT, policy)
    hinted, _ = weigh(now, replace(on_its_way, next_query_at=now), taken, payments.Source.SUBMIT, policy)
    assert (quiet.next_query_at, hinted.next_query_at) == (now + policy.query_after[0], now)


async def test_a_call_about_nothing_of_ours_asks_nobody(world: Stage) -> None:
    payment = await paid_to_a_till(world)
    asked = await ask_back(world, payment)
    link = await world.links.get(world.tenant_id, asked.connection_id)
    body = msgspec.json.encode({"Result": {"ResultCode": 0, "OriginatorConversationID": "x", "TransactionID": "x"}})
    await world.deliver(CallbackRequest(link.context.callback_url(REVERSAL, "NOBODY"), body))
    await world.rounds()
    assert [one.outcome for one in await told(world, "NOBODY")] == [{"told": ["no_attempt"]}]
    assert (await now_stands(world, payment.payment_id)) == asked

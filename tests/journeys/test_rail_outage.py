"""A rail that is not there: what provably did not leave goes over another rail, and what may have left does not."""

from dataclasses import replace
from datetime import timedelta

from omniroute.infra.postgres import Database
from omniroute.money import connections, payments
from omniroute.money.connections import CreateConnection
from omniroute.money.payments import AttemptState, PaymentType
from omniroute.sandbox.faults import FaultPlan
from omniroute.sandbox.nip import NipSandbox
from tests.journeys.payouts import PayoutStory, account
from tests.journeys.story import ngn
from tests.money.payments.house import META, START
from tests.money.payments.rails import Stage, connectors, stage
from tests.vaults import the_vault


async def outage(shop: PayoutStory) -> None:
    """Nothing listens at the first rail. The connection is refused: no byte of the order has left, which is proof that
    it was not paid."""
    order = payments.initiate_payment(
        reference="FUEL-31",
        type=PaymentType.SUPPLIER_PAYMENT,
        amount=ngn(80_000_00),
        source_code="wallet:NGN",
        payee=account("221234100"),
        narration="Diesel",
    )
    await shop.initiate(order)
    await shop.work()


async def fallback(shop: PayoutStory) -> None:
    """A few seconds later it is tried once more, in vain. After two sends that provably never left, the next rail has
    its turn, and the hold moves to that rail's float."""
    await shop.one.settle(timedelta(minutes=2))


async def unknown(shop: PayoutStory) -> None:
    """The rail is back. This order does leave, and it does not arrive: the magic digits 901 let the sandbox end the
    connection before anything happened. We cannot tell that from an order that was paid, so no other rail gets it."""
    order = payments.initiate_payment(
        reference="FUEL-32",
        type=PaymentType.SUPPLIER_PAYMENT,
        amount=ngn(80_000_00),
        source_code="wallet:NGN",
        payee=account("221234901"),
        narration="Diesel",
    )
    await shop.initiate(order)
    await shop.work()


async def wait(shop: PayoutStory) -> None:
    """NIP says "not found" each time it is asked. That is believed only when its settlement report of the day does not
    have the order either. Until then the money stays where it is."""
    await shop.one.settle(timedelta(hours=2))


async def _break(one: Stage) -> None:
    """A connection to NIP whose rail is not there."""
    working = next(rail for rail in [NipSandbox(one.world)] if rail.rail == "nip").connections()[0]
    command = CreateConnection(
        code="nip-away", name="nip", rail="nip", currency="NGN", endpoint="http://127.0.0.1:9/NIPWS/NIPInterface",
        public=working.public, secret=working.secret, limits={"breaker_failures_min": 10**6},
    )  # fmt: skip
    async with one.app.tx(one.tenant_id) as tx:
        made = await connections.create_connection(
            tx, command, rails=connectors(), vault=the_vault(), now=START, meta=META
        )
    one.by_code[made.code] = made


async def test_rail_outage(app_db: Database, worker_db: Database, owner_db: Database) -> None:
    async with stage(app_db, worker_db, owner_db, FaultPlan()) as one:
        await _break(one)
        shop = PayoutStory(one, "rail-outage", "Recipe: a rail is away", "nip-away", "nip-rest")
        shop.say(
            """The organisation has two ways to Nigerian banks: NIP in its SOAP form over one bank, and in its REST form
            over another. The rules prefer the first."""
        )
        shop.heading("Provably not sent: the other rail")
        await shop.act(outage)
        await shop.standing("FUEL-31")
        await shop.attempts("FUEL-31")
        await shop.act(fallback)
        assert (await shop.standing("FUEL-31")).status == "CONFIRMED"
        attempts = await shop.attempts("FUEL-31")
        assert [(attempt.rail, attempt.state) for attempt in attempts] == [
            ("nip", AttemptState.NOT_SENT), ("nip", AttemptState.NOT_SENT), ("nip_rest", AttemptState.SUCCEEDED),
        ]  # fmt: skip
        await shop.accounts()
        await shop.timeline("FUEL-31")
        shop.heading("Perhaps sent: no other rail")
        shop.rules = replace(shop.rules, connections=[one.by_code["nip"], one.by_code["nip-rest"]])
        await shop.act(unknown)
        await shop.standing("FUEL-32")
        await shop.attempts("FUEL-32")
        await shop.act(wait)
        found = await shop.standing("FUEL-32")
        assert found.status == "SENT_TO_BANK"
        (attempt,) = await shop.attempts("FUEL-32")
        assert (attempt.rail, attempt.state) == ("nip", AttemptState.UNKNOWN)
        await shop.timeline("FUEL-32")
        assert len(one.world.transfers("nip_rest")) == 1
        assert one.world.transfers("nip") == []
        shop.finish()

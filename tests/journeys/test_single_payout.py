"""One payout over NIP: held, sent, paid, booked."""

from omniroute.infra.postgres import Database
from omniroute.money import payments
from omniroute.money.payments import PaymentType
from omniroute.sandbox.faults import FaultPlan
from tests.journeys.payouts import PayoutStory, account
from tests.journeys.story import ngn
from tests.money.payments.rails import stage


async def initiate(shop: PayoutStory) -> None:
    """Whoever asks gives the payment a reference. It stands for this payment for ever: asking again with the same
    content changes nothing, and with another content is refused."""
    order = payments.initiate_payment(
        reference="RENT-2026-03",
        type=PaymentType.SUPPLIER_PAYMENT,
        amount=ngn(25_000_00),
        source_code="wallet:NGN",
        payee=account("221234100"),
        narration="March rent, depot",
    )
    await shop.initiate(order)


async def work(shop: PayoutStory) -> None:
    """The worker takes it up. It asks the rail whose account this is, and compares the name with the payee's. Then it
    writes down that it is about to send, commits, sends, and writes down the answer."""
    await shop.work()


async def test_single_payout(app_db: Database, worker_db: Database, owner_db: Database) -> None:
    async with stage(app_db, worker_db, owner_db, FaultPlan()) as one:
        shop = PayoutStory(one, "single-payout", "Recipe: a single payout", "nip")
        shop.say(
            """A supplier is paid from a wallet to a bank account in Nigeria, over NIP. The float mirrors our account at
            the rail. Before:"""
        )
        await shop.accounts()
        await shop.act(initiate)
        shop.say("The money is set aside in the same commit: it is no longer available, and has not moved.")
        await shop.accounts()
        assert (await shop.standing("RENT-2026-03")).status == "PENDING"
        await shop.act(work)
        assert (await shop.standing("RENT-2026-03")).status == "CONFIRMED"
        await shop.accounts()
        (attempt,) = await shop.attempts("RENT-2026-03")
        assert len(one.world.debits("nip", attempt.our_ref)) == 1
        await shop.timeline("RENT-2026-03")
        assert await one.float_posted("nip") == -25_000_00
        shop.finish()

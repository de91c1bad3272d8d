"""NIP has paid, and its reply is lost: unknown, held, asked about, booked."""

from datetime import timedelta

from omniroute.infra.postgres import Database
from omniroute.money import payments
from omniroute.money.payments import AttemptState, PaymentType
from omniroute.sandbox.faults import FaultPlan
from tests.journeys.payouts import PayoutStory, account
from tests.journeys.story import ngn
from tests.money.payments.rails import stage


async def send(shop: PayoutStory) -> None:
    """The payee's number has the magic digits 902: the sandbox pays, and then ends the connection without a reply."""
    order = payments.initiate_payment(
        reference="WAGES-17",
        type=PaymentType.WORKER_PAYOUT,
        amount=ngn(60_000_00),
        source_code="wallet:NGN",
        payee=account("221234902"),
        narration="Wages, week 9",
    )
    await shop.initiate(order)
    await shop.work()


async def again(shop: PayoutStory) -> None:
    """As long as it is unknown nothing is sent again, whoever asks: not by us, not by another rail, not by initiating
    the same payment once more."""
    await shop.initiate(*shop.asked)
    await shop.work()


async def ask(shop: PayoutStory) -> None:
    """NIP wants a minute to pass before the first status query (TSQ), and no more than three. The schedule is data of
    the rail."""
    await shop.one.settle(timedelta(seconds=90))


async def test_unknown_outcome(app_db: Database, worker_db: Database, owner_db: Database) -> None:
    async with stage(app_db, worker_db, owner_db, FaultPlan()) as one:
        shop = PayoutStory(one, "unknown-outcome", "Recipe: an unknown outcome, resolved by asking", "nip")
        shop.say(
            """An order has left the house and no answer has come back. Whoever takes that for a failure pays twice;
            whoever takes it for a success pays nobody. It is neither: it is unknown until the rail is asked."""
        )
        await shop.act(send)
        found = await shop.standing("WAGES-17")
        assert (found.status, found.reason) == ("SENT_TO_BANK", "UNKNOWN")
        shop.say("The money stays held, and the attempt knows when it will be asked about.")
        await shop.accounts()
        (attempt,) = await shop.attempts("WAGES-17")
        assert attempt.state is AttemptState.UNKNOWN
        assert attempt.next_query_at is not None
        await shop.act(again)
        (attempt,) = await shop.attempts("WAGES-17")
        assert len(one.world.debits("nip", attempt.our_ref)) == 1
        await shop.act(ask)
        assert (await shop.standing("WAGES-17")).status == "CONFIRMED"
        (attempt,) = await shop.attempts("WAGES-17")
        assert (attempt.state, attempt.query_count) == (AttemptState.SUCCEEDED, 1)
        shop.say("The hold has become a posting; the float says what our account at the rail says.")
        await shop.accounts()
        await shop.timeline("WAGES-17")
        moved = sum(movement.amount_minor for movement in one.world.movements)
        assert await one.float_posted("nip") == moved == -60_000_00
        shop.finish()

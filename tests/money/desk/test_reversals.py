"""Asking the rail for a paid order back: once, and booked only when it is proven."""

from datetime import timedelta
from uuid import UUID

import pytest

from omniroute.connectors.airtel import Airtel
from omniroute.connectors.gsma import Gsma
from omniroute.connectors.mpesa import MpesaConnector
from omniroute.infra.http import ExchangeFailed, Sent
from omniroute.infra.postgres import Database, Tx
from omniroute.kit.clock import FixedClock
from omniroute.money import desk, payments
from omniroute.money.desk import Returner, Reversal, Reverse, SettleReversal
from omniroute.money.desk.errors import NotReversible, ReversalUnderWay
from omniroute.money.payments import AttemptState, Payment, PaymentState
from omniroute.money.payments.errors import WrongState
from omniroute.ports.rails import NotSent, Operation, Outcome, PartyKind, RailUnable
from tests.money.desk.desk import CHECKER, MAKER, Reversible, approve, ask, do, exceptions, lost, snapshot, topics
from tests.money.payments import house as houses
from tests.money.payments.house import WALLET, House

FULL = 1_000_000_00


@pytest.fixture
async def house(app_db: Database, worker_db: Database, owner_db: Database) -> House:
    return house_of(await houses.build(app_db, worker_db, owner_db))


def house_of(house: House) -> House:
    """With a rail that gives back, and a fee."""
    house.rules.fee_minor = 50
    (connection_id,) = house.rules.connection_ids
    toy = Reversible(house.world)
    link = houses.make_link(house.tenant_id, connection_id, house.rules.float_ids[0], toy, house.clock)
    house.links.links[connection_id] = link
    house.connectors[:] = [toy]
    return house


def rail(house: House) -> Reversible:
    (toy,) = house.connectors
    assert isinstance(toy, Reversible)
    return toy


def returner(house: House, clock: FixedClock | None = None) -> Returner:
    return Returner(
        house.worker, house.links, clock=clock or house.clock, business_day=houses.today, worker_id="worker-1"
    )


async def paid(house: House) -> Payment:
    (payment,) = await house.initiated(house.order())
    await house.rounds()
    payment = await house.now_stands(payment)
    assert payment.state is PaymentState.SUCCEEDED
    return payment


async def reversal(house: House, payment: Payment) -> Reversal:
    async with house.db.tx(house.tenant_id) as tx:
        return (await desk.find_reversals(tx, payment.payment_id))[-1]


async def let_time_pass(house: House, hours: int) -> None:
    worker = returner(house)
    end = house.clock.at + timedelta(hours=hours)
    while house.clock.at < end:
        house.clock.at += timedelta(minutes=10)
        await worker.round()


BACK = [(FULL, FULL), (0, 0), (0, 0)]
STILL_PAID = [(FULL - 5_050, FULL - 5_050), (-5_000, -5_000), (50, 50)]


async def books(house: House) -> list[tuple[int, int]]:
    return await house.balances(WALLET, "float:toy", "payments:fees:NGN")


async def test_taken_back(house: House) -> None:
    payment = await paid(house)
    request = await ask(house, Reverse(payment.payment_id))
    assert await books(house) == STILL_PAID
    await approve(house, request)
    assert (await books(house), rail(house).asked) == (STILL_PAID, []), "agreed to, not yet sent"
    await returner(house).round()
    payment = await house.now_stands(payment)
    (attempt,) = await house.attempts(payment)
    assert (payment.state, payment.reason) == (PaymentState.REVERSED, "reversed_on_request")
    assert attempt.state is AttemptState.REVERSED
    assert await books(house) == BACK
    done = await reversal(house, payment)
    assert (done.state, rail(house).asked) == ("succeeded", [done.our_ref])
    assert await exceptions(house, payment) == [], "nobody need look at what was asked for"
    assert await topics(house, "reversal.") == ["reversal.requested", "reversal.succeeded"]
    asked = [step for step in await house.timeline(payment) if step.reason == "reversal_requested"]
    assert [(step.actor, (step.evidence or {})["asked_by"]) for step in asked] == [(CHECKER, MAKER)]
    with pytest.raises(NotReversible):
        await ask(house, Reverse(payment.payment_id))
    assert await returner(house).round() == 0


async def test_a_lost_answer_is_asked_about_and_never_sent_again(house: House) -> None:
    payment = await paid(house)
    rail(house).after = [lost()]
    await do(house, Reverse(payment.payment_id))
    await returner(house).round()
    assert (await reversal(house, payment)).state == "unknown"
    assert await books(house) == STILL_PAID
    with pytest.raises(ReversalUnderWay):
        await ask(house, Reverse(payment.payment_id))
    await let_time_pass(house, 1)
    assert (await reversal(house, payment)).state == "succeeded"
    assert await books(house) == BACK
    assert len(rail(house).asked) == 1


async def test_a_crash_after_the_claim_is_unknown(house: House) -> None:
    """The process is gone after the commit of the claim: it may have left, so it is never sent again."""
    payment = await paid(house)
    await do(house, Reverse(payment.payment_id))
    toy = rail(house)

    class Killed(BaseException):
        pass

    toy.before = [Killed()]
    with pytest.raises(Killed):
        await returner(house).send()
    killed = await reversal(house, payment)
    assert (killed.state, killed.our_ref is not None) == ("sending", True)
    assert await returner(house).round() == 0, "its lease still runs"
    await let_time_pass(house, 1)
    assert (await reversal(house, payment)).state == "unknown"
    assert toy.asked == []
    # Nobody can tell for as long as the rail is to be asked: then a person decides.
    await let_time_pass(house, 24 * 5)
    stuck = await reversal(house, payment)
    assert stuck.state == "manual"
    assert await books(house) == STILL_PAID
    await do(house, SettleReversal(stuck.reversal_id, given_back=False))
    assert (await reversal(house, payment)).state == "declined"
    assert (await house.now_stands(payment)).state is PaymentState.SUCCEEDED
    assert await books(house) == STILL_PAID
    await do(house, Reverse(payment.payment_id))  # It may be asked for again, under another name.
    await returner(house).round()
    assert await books(house) == BACK


async def test_what_provably_did_not_leave_is_sent_again(house: House) -> None:
    payment = await paid(house)
    rail(house).before = [NotSent("no connection"), ExchangeFailed("refused", sent=Sent.NO)]
    await do(house, Reverse(payment.payment_id))
    await let_time_pass(house, 1)
    assert (await reversal(house, payment)).state == "succeeded"
    assert (len(rail(house).asked), await books(house)) == (1, BACK)


async def test_what_never_leaves_is_given_up(house: House) -> None:
    payment = await paid(house)
    rail(house).before = [NotSent("no connection")] * 9
    await do(house, Reverse(payment.payment_id))
    await let_time_pass(house, 8)
    assert (await reversal(house, payment)).state == "not_sent"
    assert await books(house) == STILL_PAID
    assert (await topics(house, "reversal."))[-1] == "reversal.declined"


@pytest.mark.parametrize("declines", ["code", "unable"])
async def test_the_rail_says_no(house: House, declines: str) -> None:
    payment = await paid(house)
    if declines == "code":
        rail(house).answers = [Outcome.DECLINED]
    else:
        rail(house).before = [RailUnable("not this one")]
    await do(house, Reverse(payment.payment_id))
    await returner(house).round()
    no = await reversal(house, payment)
    assert (no.state, await books(house)) == ("declined", STILL_PAID)
    assert (await house.now_stands(payment)).state is PaymentState.SUCCEEDED


async def test_given_back_by_hand(house: House) -> None:
    payment = await paid(house)
    rail(house).answers = [Outcome.UNKNOWN]
    await do(house, Reverse(payment.payment_id))
    await returner(house).round()
    stuck = await reversal(house, payment)
    before = await snapshot(house, payment)
    request = await ask(house, SettleReversal(stuck.reversal_id, given_back=True))
    assert await snapshot(house, payment) == before
    await approve(house, request)
    assert (await reversal(house, payment)).state == "succeeded"
    assert await books(house) == BACK
    with pytest.raises(WrongState):
        await ask(house, SettleReversal(stuck.reversal_id, given_back=False))


async def test_it_came_back_by_itself(house: House) -> None:
    """A payment that was given back before the request left is not asked back."""
    payment = await paid(house)
    await do(house, Reverse(payment.payment_id))
    (attempt,) = await house.attempts(payment)
    async with house.db.tx(house.tenant_id) as tx:
        await come_back(tx, attempt.attempt_id, house)
    await returner(house).round()
    assert rail(house).asked == []
    assert ((await reversal(house, payment)).state, await books(house)) == ("succeeded", BACK)


async def come_back(tx: Tx, attempt_id: UUID, house: House) -> None:
    assert await payments.take_back(
        tx,
        attempt_id,
        reason="reversed_by_rail",
        source=payments.Source.STATEMENT,
        actor=None,
        note={},
        now=house.clock.now(),
        today=houses.START.date(),
        meta=houses.META,
    )


async def test_a_rail_without_reversals_refuses_at_once(
    app_db: Database, worker_db: Database, owner_db: Database
) -> None:
    house = await houses.build(app_db, worker_db, owner_db)
    payment = await paid(house)
    before = await snapshot(house, payment)
    with pytest.raises(NotReversible, match="takes no payment back"):
        await ask(house, Reverse(payment.payment_id))
    assert await snapshot(house, payment) == before


def test_what_rails_say_of_themselves() -> None:
    """M-Pesa takes nothing back from wallets; GSMA operators take back anything; Airtel nothing."""
    mpesa = MpesaConnector().capabilities()
    assert PartyKind.MSISDN not in mpesa.reversible_kinds
    assert mpesa.reversal_by_receipt
    assert Operation.REVERSAL in Gsma().capabilities().operations
    assert not Gsma().capabilities().reversible_kinds
    assert Operation.REVERSAL not in Airtel().capabilities().operations

"""A payment's way, from the first commit to the last posting."""

from datetime import timedelta

import pytest

from omniroute.infra.http import ExchangeFailed, Sent
from omniroute.infra.postgres import Database
from omniroute.kit.money import Money
from omniroute.money import payments
from omniroute.money.payments import AttemptState, PaymentState, PaymentType, public_status
from omniroute.ports.rails import NotSent, Party, PartyKind, StatementLine, StatementPage
from omniroute.sandbox.faults import MAGIC, Fault
from tests.money.payments import house as houses
from tests.money.payments.house import WALLET, House

FULL = 1_000_000_00


@pytest.fixture
async def house(app_db: Database, worker_db: Database, owner_db: Database) -> House:
    return await houses.build(app_db, worker_db, owner_db)


@pytest.fixture
async def two_rails(app_db: Database, worker_db: Database, owner_db: Database) -> House:
    return await houses.build(app_db, worker_db, owner_db, rails=("toy", "toy2"))


def magic(fault: Fault) -> str:
    """An account number that orders this fault."""
    return "0123456" + next(digits for digits, named in MAGIC.items() if named is fault)


async def test_paid(house: House) -> None:
    house.rules.fee_minor = 50
    (payment,) = await house.initiated(house.order("SALARY-1"))
    assert payment.state is PaymentState.APPROVED
    assert await house.balances(WALLET, "float:toy") == [(FULL, FULL - 5_050), (0, -5_000)]
    await house.rounds()
    payment = await house.now_stands(payment)
    (attempt,) = await house.attempts(payment)
    assert (payment.state, attempt.state) == (PaymentState.SUCCEEDED, AttemptState.SUCCEEDED)
    assert await house.balances(WALLET, "float:toy", "payments:fees:NGN") == [
        (FULL - 5_050, FULL - 5_050),
        (-5_000, -5_000),
        (50, 50),
    ]
    assert len(house.world.debits("toy", attempt.our_ref)) == 1
    assert [step.state for step in await house.timeline(payment)] == [
        "approved",
        "executing/sending",
        "succeeded/succeeded",
    ]
    assert payment.completed_at is not None
    assert await house.rounds() == 0


async def test_declined_gives_everything_back(house: House) -> None:
    house.rules.fee_minor = 50
    (payment,) = await house.initiated(house.order(payee=magic(Fault.DECLINED)))
    await house.settle()
    payment = await house.now_stands(payment)
    assert (payment.state, payment.reason) == (PaymentState.FAILED, "hard_decline")
    assert await house.balances(WALLET, "float:toy", "payments:fees:NGN") == [(FULL, FULL), (0, 0), (0, 0)]


async def test_a_lost_reply_is_unknown_until_the_rail_is_asked(house: House) -> None:
    (payment,) = await house.initiated(house.order(payee=magic(Fault.LOST_REPLY)))
    await house.rounds()
    (attempt,) = await house.attempts(payment)
    payment = await house.now_stands(payment)
    assert (payment.state, attempt.state) == (PaymentState.EXECUTING, AttemptState.UNKNOWN)
    assert public_status(payment.state, attempt.state, payment.reason) == "SENT_TO_BANK"
    assert await house.balances(WALLET) == [(FULL, FULL - 5_000)]
    await house.settle()
    assert (await house.now_stands(payment)).state is PaymentState.SUCCEEDED
    assert await house.balances(WALLET) == [(FULL - 5_000, FULL - 5_000)]
    assert house.connectors[0].submits == [attempt.our_ref]


async def test_what_never_arrived_is_sent_again_only_when_that_is_certain(house: House) -> None:
    house.connectors[0].before_submit = [ExchangeFailed("cut", sent=Sent.MAYBE)]
    (payment,) = await house.initiated(house.order())
    await house.rounds()
    asked_until = house.clock.at + timedelta(minutes=55)
    while house.clock.at < asked_until:
        house.clock.at += timedelta(minutes=5)
        await house.rounds()
    assert house.connectors[0].submits == []
    (attempt,) = await house.attempts(payment)
    assert attempt.state is AttemptState.UNKNOWN
    assert attempt.not_found_count > 3
    await house.settle()
    first, second = await house.attempts(payment)
    assert (first.state, second.state) == (AttemptState.NOT_FOUND_CONFIRMED, AttemptState.SUCCEEDED)
    assert first.our_ref != second.our_ref
    assert house.connectors[0].submits == [second.our_ref]
    assert await house.balances(WALLET) == [(FULL - 5_000, FULL - 5_000)]


@pytest.mark.parametrize("fault", [NotSent("no connection"), ExchangeFailed("refused", sent=Sent.NO)])
async def test_proof_that_nothing_left_lets_it_be_sent_again_at_once(house: House, fault: Exception) -> None:
    house.connectors[0].before_submit = [fault]
    (payment,) = await house.initiated(house.order())
    await house.settle()
    first, second = await house.attempts(payment)
    assert (first.state, second.state) == (AttemptState.NOT_SENT, AttemptState.SUCCEEDED)


async def test_another_rail_takes_over_what_the_first_certainly_did_not_pay(two_rails: House) -> None:
    house = two_rails
    house.connectors[0].before_submit = [NotSent("no connection")] * 9
    (payment,) = await house.initiated(house.order())
    await house.settle()
    payment = await house.now_stands(payment)
    assert (payment.state, payment.rail) == (PaymentState.SUCCEEDED, "toy2")
    assert [one.state for one in await house.attempts(payment)] == ["not_sent", "not_sent", "succeeded"]
    assert await house.balances("float:toy", "float:toy2", WALLET) == [
        (0, 0),
        (-5_000, -5_000),
        (FULL - 5_000, FULL - 5_000),
    ]


async def test_unknown_never_goes_to_another_rail(two_rails: House) -> None:
    house = two_rails
    (payment,) = await house.initiated(house.order(payee=magic(Fault.LATE_SUCCESS)))
    await house.rounds()
    for _ in range(11):
        house.clock.at += timedelta(minutes=5)
        await house.rounds()
    assert house.connectors[1].submits == []
    assert len(await house.attempts(payment)) == 1


async def test_paid_after_it_counted_as_not_paid(house: House) -> None:
    """Not found for long enough, sent again and paid; then the first one is paid as well: an accounting event."""
    (payment,) = await house.initiated(house.order(payee=magic(Fault.LATE_SUCCESS)))
    await house.rounds()
    while (await house.attempts(payment))[0].state is AttemptState.UNKNOWN:
        house.clock.at += timedelta(minutes=10)
        await house.rounds()
    await house.settle()
    first, second = (await house.attempts(payment))[:2]
    assert first.state is AttemptState.NOT_FOUND_CONFIRMED
    assert second.our_ref != first.our_ref


@pytest.mark.parametrize("ask_names", [False, True])
async def test_a_crash_before_the_reply_is_recorded(
    app_db: Database, worker_db: Database, owner_db: Database, ask_names: bool
) -> None:
    """The worker is gone after the claim: what cannot have left is sent again, all else is asked about first."""
    house = await houses.build(app_db, worker_db, owner_db, ask_names=ask_names, names={"0123456789": "Ada Obi"})
    (payment,) = await house.initiated(house.order())
    await house.dispatcher.send()
    for task in list(house.dispatcher._in_flight.tasks):
        task.cancel()
    await house.dispatcher.idle()
    (lost,) = await house.attempts(payment)
    assert lost.state is (AttemptState.CREATED if ask_names else AttemptState.SENDING)
    assert await house.rounds() == 0  # Its lease still runs.
    await house.settle()
    states = [attempt.state for attempt in await house.attempts(payment)]
    assert states == [AttemptState.NOT_SENT if ask_names else AttemptState.NOT_FOUND_CONFIRMED, "succeeded"]
    assert len(house.connectors[0].submits) == 1


async def test_nobody_pays_more_than_there_is(house: House) -> None:
    assert await house.refused(house.order(amount_minor=FULL + 1)) == ["ledger.insufficient_funds"]
    assert await house.balances(WALLET, "float:toy") == [(FULL, FULL), (0, 0)]
    (payment,) = await house.initiated(house.order("P1", amount_minor=FULL))
    assert await house.refused(house.order(amount_minor=1)) == ["ledger.insufficient_funds"]
    await house.settle()
    assert (await house.now_stands(payment)).state is PaymentState.SUCCEEDED


async def test_the_same_reference_is_the_same_payment(house: House) -> None:
    (one,) = await house.initiated(house.order("R"))
    again, other = await house.ask_for(house.order("R"), house.order("R", amount_minor=6_000))
    assert isinstance(again, payments.Initiated)
    assert (again.replayed, again.payment.payment_id) == (True, one.payment_id)
    assert isinstance(other, payments.NotInitiated)
    assert other.refusal.code == "payments.reference_taken"
    assert await house.balances(WALLET) == [(FULL, FULL - 5_000)]


async def test_an_internal_transfer_settles_at_once(house: House) -> None:
    party = Party(PartyKind.LEDGER, "wallet:other")
    (payment,) = await house.initiated(house.order(type=PaymentType.INTERNAL_TRANSFER, party=party))
    assert payment.state is PaymentState.SUCCEEDED
    assert await house.balances(WALLET, "wallet:other") == [(FULL - 5_000, FULL - 5_000), (5_000, 5_000)]


async def _read_statement(house: House, *lines: StatementLine) -> None:
    async def fetch(context: object, day: object, cursor: object) -> StatementPage:
        return StatementPage(lines, None)

    house.connectors[0].fetch_statement = fetch  # type: ignore[method-assign]
    reader = payments.StatementReader(house.worker, house.links, clock=house.clock, business_day=houses.today)
    (connection_id,) = house.links.links
    await reader.read(house.tenant_id, connection_id)
    await reader.read(house.tenant_id, connection_id)  # Twice is the same as once.


def _line(house: House, our_ref: str, *, credit: bool = False) -> StatementLine:
    return StatementLine(
        f"L{our_ref}{credit}", house.clock.at, Money(5_000, "NGN"), credit, our_ref, "RAIL1", "as told"
    )


async def test_the_statement_tells_what_nobody_else_does(house: House) -> None:
    house.connectors[0].before_submit = [ExchangeFailed("cut", sent=Sent.MAYBE)]
    (payment,) = await house.initiated(house.order())
    await house.rounds()
    (attempt,) = await house.attempts(payment)
    await _read_statement(house, _line(house, attempt.our_ref))
    assert (await house.now_stands(payment)).state is PaymentState.SUCCEEDED
    assert await house.balances(WALLET, "float:toy") == [(FULL - 5_000, FULL - 5_000), (-5_000, -5_000)]


async def test_what_the_rail_gives_back_is_given_back(house: House) -> None:
    house.rules.fee_minor = 50
    (payment,) = await house.initiated(house.order())
    await house.rounds()
    (attempt,) = await house.attempts(payment)
    await _read_statement(house, _line(house, attempt.our_ref, credit=True))
    payment = await house.now_stands(payment)
    assert (payment.state, payment.reason) == (PaymentState.REVERSED, "reversed_by_rail")
    assert await house.balances(WALLET, "float:toy", "payments:fees:NGN") == [(FULL, FULL), (0, 0), (0, 0)]


async def test_paid_on_the_statement_after_it_was_declined_goes_to_suspense(house: House) -> None:
    (payment,) = await house.initiated(house.order(payee=magic(Fault.DECLINED)))
    await house.rounds()
    (attempt,) = await house.attempts(payment)
    assert (await house.now_stands(payment)).state is PaymentState.FAILED
    await _read_statement(house, _line(house, attempt.our_ref))
    assert (await house.now_stands(payment)).state is PaymentState.FAILED
    assert (await house.attempts(payment))[0].state is AttemptState.LATE_SUCCESS
    assert await house.balances(WALLET, "float:toy", "payments:suspense:NGN") == [
        (FULL, FULL),
        (-5_000, -5_000),
        (5_000, 5_000),
    ]
    await _read_statement(house, _line(house, attempt.our_ref, credit=True))
    assert await house.balances("float:toy", "payments:suspense:NGN") == [(0, 0), (0, 0)]

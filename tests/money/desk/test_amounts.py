"""The rail moved another amount than was ordered: people settle for what it really moved, and ledger = rail."""

from datetime import timedelta
from typing import Any

import pytest

from omniroute import ledger
from omniroute.infra.postgres import Database
from omniroute.kit.money import Money
from omniroute.kit.refusal import Refusal
from omniroute.ledger import Leg, Side
from omniroute.money import payments
from omniroute.money.desk import BookAgain, ResolveException, Settle
from omniroute.money.desk.errors import CheckerIsMaker, MalformedAct
from omniroute.money.payments import Attempt, AttemptState, Payment, PaymentState, Resolution
from omniroute.money.payments.errors import RailContradicts, WrongState
from omniroute.ports.rails import Answer, Outcome, Result, StatementLine, StatementPage
from tests.money.desk.desk import CHECKER, MAKER, approve, ask, do, exceptions, snapshot
from tests.money.payments import house as houses
from tests.money.payments.house import START, WALLET, House

FULL = 1_000_000_00
BOOKS = (WALLET, "float:toy", "payments:fees:NGN", "payments:suspense:NGN")


@pytest.fixture
async def house(app_db: Database, worker_db: Database, owner_db: Database) -> House:
    house = await houses.build(app_db, worker_db, owner_db)
    house.rules.fee_minor = 50
    return house


async def told(house: House, amount_minor: int, *, declined: bool = False) -> tuple[Payment, Attempt]:
    """A payment of 50.00 of which the rail says that it was made with another amount."""
    answers = [Outcome.DECLINED, Outcome.SUCCEEDED] if declined else [Outcome.SUCCEEDED]

    async def submit(context: Any, payout: Any) -> Result:
        return tell(payout, answers.pop(0))

    def tell(payout: Any, outcome: Outcome) -> Result:
        code = "paid" if outcome is Outcome.SUCCEEDED else "refused"
        return Result(outcome, Answer(code, code), "R1", None, payout.our_ref, Money(amount_minor, "NGN"))

    house.connectors[0].submit = submit  # type: ignore[method-assign]
    (payment,) = await house.initiated(house.order())
    await house.rounds()
    (attempt,) = await house.attempts(payment)
    if declined:
        await statement(house, attempt, amount_minor)
        (attempt,) = await house.attempts(payment)
        assert attempt.state is AttemptState.DECLINED
    else:
        assert attempt.state is AttemptState.MANUAL
    (exception,) = await exceptions(house, payment)
    assert exception.kind == "integrity_mismatch"
    return await house.now_stands(payment), attempt


async def statement(house: House, attempt: Attempt, amount_minor: int, *, credit: bool = False) -> None:
    """The rail's statement shows this."""

    async def fetch(*_: object) -> StatementPage:
        amount = Money(amount_minor, "NGN")
        line = StatementLine(f"L{credit}", START, amount, credit, attempt.our_ref, "R1", "line")
        return StatementPage((line,), None)

    house.connectors[0].fetch_statement = fetch  # type: ignore[assignment, method-assign]
    reader = payments.StatementReader(house.worker, house.links, clock=house.clock, business_day=houses.today)
    await reader.read(house.tenant_id, attempt.connection_id)


def settled_for(attempt: Attempt, amount_minor: int) -> Settle:
    return Settle(attempt.attempt_id, paid=True, receipt="R1", moved_minor=amount_minor)


async def books(house: House) -> list[tuple[int, int]]:
    return await house.balances(*BOOKS)


async def test_less_was_moved_and_the_rest_is_the_payers_again(house: House) -> None:
    payment, attempt = await told(house, 4_990)
    before = await snapshot(house, payment)
    request = await ask(house, settled_for(attempt, 4_990))
    assert await snapshot(house, payment) == before, "asking moves nothing"
    with pytest.raises(CheckerIsMaker):
        await approve(house, request, actor=MAKER)
    assert await snapshot(house, payment) == before
    await approve(house, request)
    payment = await house.now_stands(payment)
    (attempt,) = await house.attempts(payment)
    assert (payment.state, payment.reason) == (PaymentState.SUCCEEDED, "paid_less")
    assert (attempt.state, attempt.receipt, attempt.evidence) == ("succeeded", "R1", {"moved_minor": "4990"})
    assert await books(house) == [(FULL - 5_040,) * 2, (-4_990,) * 2, (50, 50), (0, 0)]
    (exception,) = await exceptions(house, payment)
    assert exception.resolved_by == CHECKER
    assert exception.resolution.startswith("settled as paid (")


async def test_more_was_moved_and_the_surplus_waits_in_suspense(house: House) -> None:
    payment, attempt = await told(house, 5_300)
    await do(house, settled_for(attempt, 5_300))
    payment = await house.now_stands(payment)
    assert (payment.state, payment.reason) == (PaymentState.SUCCEEDED, "paid_more")
    assert await books(house) == [(FULL - 5_050,) * 2, (-5_300,) * 2, (50, 50), (300, 300)]
    mismatch, more = await exceptions(house, payment)
    assert (mismatch.kind, mismatch.resolved_by) == ("integrity_mismatch", CHECKER)
    assert (more.kind, more.resolved_at, more.transaction_id is not None) == ("paid_more", None, True)


async def surplus(house: House) -> tuple[Payment, Attempt, Any]:
    payment, attempt = await told(house, 5_300)
    await do(house, settled_for(attempt, 5_300))
    return payment, attempt, (await exceptions(house, payment))[-1]


async def test_the_surplus_is_given_back(house: House) -> None:
    payment, attempt, more = await surplus(house)
    await do(house, ResolveException(more.exception_id, Resolution.GIVEN_BACK))
    assert await books(house) == [(FULL - 5_050,) * 2, (-5_000,) * 2, (50, 50), (0, 0)]
    assert (await house.now_stands(payment)).state is PaymentState.SUCCEEDED
    await statement(house, attempt, 5_000, credit=True)  # Then the rail gives the rest back, too.
    assert (await house.now_stands(payment)).state is PaymentState.REVERSED
    assert await books(house) == [(FULL, FULL), (0, 0), (0, 0), (0, 0)]


@pytest.mark.parametrize("account", [None, "wallet:other"])
async def test_the_surplus_is_charged_to_somebody(house: House, account: str | None) -> None:
    async with house.db.tx(house.tenant_id) as tx:
        legs = [
            Leg(house.id("bank"), Side.DEBIT, Money(900, "NGN")),
            Leg(house.id("wallet:other"), Side.CREDIT, Money(900, "NGN")),
        ]
        await ledger.post_one(tx, ledger.post_transaction(legs), today=START.date())
    _, _, more = await surplus(house)
    await do(house, ResolveException(more.exception_id, Resolution.ATTRIBUTED, account))
    mine = FULL - 5_050 - (300 if account is None else 0)
    assert await books(house) == [(mine, mine), (-5_300,) * 2, (50, 50), (0, 0)]
    other = 900 if account is None else 600
    assert await house.balances("wallet:other") == [(other, other)]


async def test_the_rail_gives_all_of_it_back(house: House) -> None:
    payment, attempt, more = await surplus(house)
    await statement(house, attempt, 5_300, credit=True)
    assert (await house.now_stands(payment)).state is PaymentState.REVERSED
    assert await books(house) == [(FULL, FULL), (0, 0), (0, 0), (0, 0)]
    before = await snapshot(house, payment)
    for resolution in (Resolution.GIVEN_BACK, Resolution.ATTRIBUTED):
        with pytest.raises(Refusal):
            await ask(house, ResolveException(more.exception_id, resolution))
    assert await snapshot(house, payment) == before


async def test_what_was_too_little_comes_back_whole(house: House) -> None:
    payment, attempt = await told(house, 4_990)
    await do(house, settled_for(attempt, 4_990))
    await statement(house, attempt, 4_990, credit=True)
    assert (await house.now_stands(payment)).state is PaymentState.REVERSED
    assert await books(house) == [(FULL, FULL), (0, 0), (0, 0), (0, 0)]


@pytest.mark.parametrize("amount_minor", [4_990, 5_000, 5_300])
async def test_nobody_settles_against_the_statement(house: House, amount_minor: int) -> None:
    payment, attempt = await told(house, 4_990)
    await statement(house, attempt, 4_980)
    before = await snapshot(house, payment)
    with pytest.raises(RailContradicts, match="own word"):
        await ask(house, settled_for(attempt, amount_minor))
    assert await snapshot(house, payment) == before
    await do(house, settled_for(attempt, 4_980))
    assert (await books(house))[1] == (-4_980, -4_980)


async def test_the_rail_only_said_so(house: House) -> None:
    """It moved what was ordered; the statement may show it, and it is settled for that."""
    payment, attempt = await told(house, 5_100)
    await do(house, settled_for(attempt, 5_000))
    payment = await house.now_stands(payment)
    assert (payment.state, payment.reason) == (PaymentState.SUCCEEDED, None)
    assert await books(house) == [(FULL - 5_050,) * 2, (-5_000,) * 2, (50, 50), (0, 0)]


@pytest.mark.parametrize("amount_minor", [4_700, 5_000, 5_300])
@pytest.mark.parametrize("bearer", [None, "wallet:other"])
async def test_another_amount_after_it_counted_as_not_paid(house: House, amount_minor: int, bearer: str | None) -> None:
    """The money was free again: what the rail moved goes to suspense, all of it, until somebody bears it."""
    async with house.db.tx(house.tenant_id) as tx:
        legs = [
            Leg(house.id("bank"), Side.DEBIT, Money(9_000, "NGN")),
            Leg(house.id("wallet:other"), Side.CREDIT, Money(9_000, "NGN")),
        ]
        await ledger.post_one(tx, ledger.post_transaction(legs), today=START.date())
    moved = amount_minor if amount_minor != 5_000 else 4_900  # Told before another statement line corrects it.
    payment, attempt = await told(house, moved, declined=True)
    assert await books(house) == [(FULL, FULL), (0, 0), (0, 0), (0, 0)]
    await do(house, settled_for(attempt, moved))
    assert await books(house) == [(FULL, FULL), (-moved, -moved), (0, 0), (moved, moved)]
    assert (await house.now_stands(payment)).state is PaymentState.FAILED
    late = (await exceptions(house, payment))[-1]
    assert late.kind == "late_success"
    await do(house, ResolveException(late.exception_id, Resolution.ATTRIBUTED, bearer))
    left = FULL - moved if bearer is None else FULL
    assert await books(house) == [(left, left), (-moved, -moved), (0, 0), (0, 0)]


async def test_a_late_other_amount_comes_back(house: House) -> None:
    payment, attempt = await told(house, 5_300, declined=True)
    await do(house, settled_for(attempt, 5_300))
    late = (await exceptions(house, payment))[-1]
    await do(house, ResolveException(late.exception_id, Resolution.GIVEN_BACK))
    assert await books(house) == [(FULL, FULL), (0, 0), (0, 0), (0, 0)]


async def test_what_nobody_doubts_is_not_settled(house: House) -> None:
    """Declined, and the rail said nothing else: no people's word makes that paid."""
    house.connectors[0].before_submit = []

    async def submit(context: Any, payout: Any) -> Result:
        return Result(Outcome.DECLINED, Answer("refused", "refused"), our_ref=payout.our_ref)

    house.connectors[0].submit = submit  # type: ignore[method-assign]
    (payment,) = await house.initiated(house.order())
    await house.rounds()
    (attempt,) = await house.attempts(payment)
    before = await snapshot(house, payment)
    with pytest.raises(WrongState):
        await ask(house, settled_for(attempt, 4_000))
    with pytest.raises(WrongState):
        await ask(house, Settle(attempt.attempt_id, paid=True, receipt="R1"))
    assert await snapshot(house, payment) == before


@pytest.mark.parametrize(("paid", "amount_minor"), [(True, 0), (True, -5), (True, 2**63), (False, 5)])
async def test_malformed_amounts(house: House, paid: bool, amount_minor: int) -> None:
    payment, attempt = await told(house, 4_990)
    before = await snapshot(house, payment)
    with pytest.raises(MalformedAct):
        await ask(house, Settle(attempt.attempt_id, paid, "R1" if paid else None, amount_minor))
    assert await snapshot(house, payment) == before


async def test_only_once(house: House) -> None:
    payment, attempt = await told(house, 4_990)
    await do(house, settled_for(attempt, 4_990))
    before = await snapshot(house, payment)
    for act in (settled_for(attempt, 4_990), Settle(attempt.attempt_id, paid=False), BookAgain(payment.payment_id)):
        with pytest.raises(Refusal):
            await ask(house, act)
    house.clock.at += timedelta(days=2)
    await house.rounds()
    assert await snapshot(house, payment) == before

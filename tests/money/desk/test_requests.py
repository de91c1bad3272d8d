"""Risky acts: asked for by one, decided by another, done whole or not at all."""

from datetime import timedelta

import pytest

from omniroute import ledger
from omniroute.infra.http import ExchangeFailed, Sent
from omniroute.infra.postgres import Database
from omniroute.kit.ids import uuid7
from omniroute.kit.money import Money
from omniroute.kit.refusal import Refusal
from omniroute.ledger import AccountStatus, Leg, Side
from omniroute.money import desk, payments
from omniroute.money.desk import AcceptName, BookAgain, Proof, Release, RequestState, ResolveException, Settle
from omniroute.money.desk.errors import (
    AlreadyAsked,
    AlreadyDecided,
    CheckerIsMaker,
    MalformedAct,
    NotYours,
    RequestClosed,
    RequestExpired,
    RequestNotFound,
)
from omniroute.money.payments import Attempt, AttemptState, Payment, PaymentState, Resolution, Source
from omniroute.money.payments.errors import (
    AttemptAlive,
    ExceptionNotFound,
    NothingToBook,
    RailContradicts,
    ResolutionNotPossible,
    WrongState,
)
from omniroute.ports.rails import StatementLine, StatementPage
from omniroute.sandbox.faults import MAGIC, Fault
from tests.money.desk.desk import CHECKER, MAKER, META, PROOF, approve, ask, do, exceptions, known, snapshot, topics
from tests.money.payments import house as houses
from tests.money.payments.house import START, WALLET, House

FULL = 1_000_000_00


@pytest.fixture
async def house(app_db: Database, worker_db: Database, owner_db: Database) -> House:
    return await houses.build(app_db, worker_db, owner_db)


def magic(fault: Fault) -> str:
    return "0123456" + next(digits for digits, named in MAGIC.items() if named is fault)


async def unknown(house: House, payee: str = magic(Fault.LOST_REPLY)) -> tuple[Payment, Attempt]:
    """A payment whose outcome nobody can tell."""
    house.rules.fee_minor = 50
    (payment,) = await house.initiated(house.order(payee=payee))
    await house.rounds()
    (attempt,) = await house.attempts(payment)
    assert attempt.state is AttemptState.UNKNOWN
    return await house.now_stands(payment), attempt


async def test_paid_by_hand(house: House) -> None:
    payment, attempt = await unknown(house)
    before = await snapshot(house, payment)
    request = await ask(house, Settle(attempt.attempt_id, paid=True, receipt="FT123"))
    assert await snapshot(house, payment) == before, "asking moves nothing"
    done = await approve(house, request)
    assert (done.state, done.outcome) == (
        RequestState.EXECUTED,
        {"payment_state": "succeeded", "payment_reason": None},
    )
    (attempt,) = await house.attempts(payment)
    assert (attempt.state, attempt.receipt) == (AttemptState.SUCCEEDED, "FT123")
    assert await house.balances(WALLET, "float:toy", "payments:fees:NGN") == [
        (FULL - 5_050, FULL - 5_050),
        (-5_000, -5_000),
        (50, 50),
    ]
    step = (await house.timeline(payment))[-1]
    assert (step.source, step.actor) == (Source.OPERATOR, CHECKER)
    assert step.evidence is not None
    assert step.evidence["asked_by"] == MAKER
    assert step.evidence["agreed_by"] == [CHECKER]
    assert step.evidence["evidence"] == {"text": PROOF.text, "file_sha256": PROOF.file_sha256}
    assert await topics(house, "approval.") == ["approval.requested", "approval.executed"]


async def test_not_paid_by_hand(house: House) -> None:
    payment, attempt = await unknown(house, magic(Fault.LOST_REQUEST))
    await do(house, Settle(attempt.attempt_id, paid=False))
    payment = await house.now_stands(payment)
    (attempt,) = await house.attempts(payment)
    assert (payment.state, attempt.state) == (PaymentState.FAILED, AttemptState.DECLINED)
    assert await house.balances(WALLET, "float:toy") == [(FULL, FULL), (0, 0)]


async def given_up(house: House) -> tuple[Payment, Attempt]:
    """A payment we have asked about long enough."""
    payment, attempt = await unknown(house)

    async def silent(*_: object) -> None:
        raise ExchangeFailed("nobody answers", sent=Sent.NO)

    house.connectors[0].query = silent  # type: ignore[assignment, method-assign]
    await house.settle()
    (attempt,) = await house.attempts(payment)
    assert attempt.state is AttemptState.MANUAL
    return await house.now_stands(payment), attempt


async def test_what_was_given_up_is_settled_and_its_exception_with_it(house: House) -> None:
    payment, attempt = await given_up(house)
    await do(house, Settle(attempt.attempt_id, paid=False))
    assert (await house.now_stands(payment)).state is PaymentState.FAILED
    (exception,) = await exceptions(house, payment)
    assert (exception.kind, exception.resolved_by) == ("given_up_asking", CHECKER)
    assert exception.resolution == f"settled as not paid: {PROOF.text}"
    assert "payment.exception_resolved" in await topics(house, "payment.exception")


async def test_who_asks_does_not_decide(house: House) -> None:
    payment, attempt = await unknown(house)
    request = await ask(house, Settle(attempt.attempt_id, paid=True, receipt="X"))
    before = await snapshot(house, payment)
    with pytest.raises(CheckerIsMaker):
        await approve(house, request, actor=MAKER)
    # The code might forget; the database does not.
    with pytest.raises(Exception, match="who asks for an act does not decide on it"):
        async with house.db.tx(house.tenant_id) as tx:
            await tx.connection.execute(
                "INSERT INTO approval_decision (tenant_id, request_id, approver, approved, decided_at)"
                " VALUES (%s, %s, %s, true, now())",
                [house.tenant_id, request.request_id, MAKER],
            )
    with pytest.raises(Exception, match="an approval that nobody gave"):
        async with house.db.tx(house.tenant_id) as tx:
            await tx.connection.execute(
                "UPDATE approval_request SET approvals_given = 1, state = 'executed', closed_at = now()"
                " WHERE tenant_id = %s AND request_id = %s",
                [house.tenant_id, request.request_id],
            )
    assert await snapshot(house, payment) == before


async def test_two_must_agree_where_two_are_asked_for(house: House) -> None:
    payment, attempt = await unknown(house)
    request = await ask(house, Settle(attempt.attempt_id, paid=True, receipt="X"), needed=2)
    first = await approve(house, request)
    assert (first.state, first.approvals_given) == (RequestState.OPEN, 1)
    assert (await house.now_stands(payment)).state is PaymentState.EXECUTING
    with pytest.raises(AlreadyDecided):
        await approve(house, request)
    assert (await approve(house, request, actor="usr_third")).state is RequestState.EXECUTED
    assert (await house.now_stands(payment)).state is PaymentState.SUCCEEDED
    assert await topics(house, "approval.") == ["approval.requested", "approval.given", "approval.executed"]


async def test_the_rail_was_faster(house: House) -> None:
    """Between asking and agreeing the rail has answered: the approval does nothing, and does not count."""
    payment, attempt = await unknown(house)
    request = await ask(house, Settle(attempt.attempt_id, paid=False))
    await house.settle()
    assert (await house.now_stands(payment)).state is PaymentState.SUCCEEDED
    before = await snapshot(house, payment)
    with pytest.raises(WrongState):
        await approve(house, request)
    assert await snapshot(house, payment) == before
    async with house.db.tx(house.tenant_id) as tx:
        assert (await desk.find_request(tx, request.request_id)).state is RequestState.OPEN
        assert await desk.find_decisions(tx, request.request_id) == []


async def test_not_paid_is_refused_while_the_statement_says_paid(house: House) -> None:
    payment, attempt = await given_up(house)

    async def fetch(*_: object) -> StatementPage:
        line = StatementLine("L1", START, Money(4_999, "NGN"), False, attempt.our_ref, None, "debit")
        return StatementPage((line,), None)

    house.connectors[0].fetch_statement = fetch  # type: ignore[assignment, method-assign]
    reader = payments.StatementReader(house.worker, house.links, clock=house.clock, business_day=houses.today)
    await reader.read(house.tenant_id, attempt.connection_id)  # Another amount: it settles nothing by itself.
    before = await snapshot(house, payment)
    with pytest.raises(RailContradicts):
        await ask(house, Settle(attempt.attempt_id, paid=False))
    assert await snapshot(house, payment) == before


async def test_requests_end(house: House) -> None:
    payment, attempt = await unknown(house)
    act = Settle(attempt.attempt_id, paid=True, receipt="X")
    before = await snapshot(house, payment)
    request = await ask(house, act)
    with pytest.raises(AlreadyAsked):
        await ask(house, act)
    async with house.db.tx(house.tenant_id) as tx:
        with pytest.raises(NotYours):
            await desk.withdraw(tx, request.request_id, actor=CHECKER, now=START, meta=META)
        assert (await desk.withdraw(tx, request.request_id, actor=MAKER, now=START, meta=META)).state == "withdrawn"
    with pytest.raises(RequestClosed):
        await approve(house, request)
    request = await ask(house, act)
    async with house.db.tx(house.tenant_id) as tx:
        no = await desk.reject(tx, request.request_id, actor=CHECKER, comment="Look again.", now=START, meta=META)
        assert no.state is RequestState.REJECTED
    with pytest.raises(RequestClosed):
        await approve(house, request)
    request = await ask(house, act)
    house.clock.at += timedelta(hours=73)
    with pytest.raises(RequestExpired):
        await approve(house, request)
    assert await desk.expire(house.worker, clock=house.clock) >= 1
    async with house.db.tx(house.tenant_id) as tx:
        assert (await desk.find_request(tx, request.request_id)).state is RequestState.EXPIRED
        page = await desk.list_requests(tx, payment_id=payment.payment_id)
    assert [one.state for one in page.items] == ["expired", "rejected", "withdrawn"]
    assert await snapshot(house, payment) == before


@pytest.mark.parametrize(
    ("act", "proof"),
    [
        (Settle(uuid7(), paid=True), PROOF),
        (Settle(uuid7(), paid=True, receipt="a\nb"), PROOF),
        (Settle(uuid7(), paid=False), Proof(" ")),
        (Settle(uuid7(), paid=False), Proof("why", "ABC")),
        (AcceptName(uuid7(), ""), PROOF),
        (ResolveException(uuid7(), Resolution.NOTED, "wallet:shop"), PROOF),
    ],
)
async def test_malformed(house: House, act: desk.Act, proof: Proof) -> None:
    with pytest.raises(MalformedAct):
        await ask(house, act, proof=proof)


@pytest.mark.parametrize(
    "act",
    [
        Settle(uuid7(), paid=False),
        Release(uuid7()),
        AcceptName(uuid7(), "A"),
        BookAgain(uuid7()),
        ResolveException(uuid7(), Resolution.NOTED),
        desk.Reverse(uuid7()),
        desk.SettleReversal(uuid7(), given_back=True),
    ],
)
async def test_what_is_not_there(house: House, act: desk.Act) -> None:
    with pytest.raises(Refusal) as refused:
        await ask(house, act)
    assert refused.value.kind == "not_found"


async def test_other_organisations_and_branches_see_nothing(
    house: House, app_db: Database, worker_db: Database, owner_db: Database
) -> None:
    payment, attempt = await unknown(house)
    request = await ask(house, Settle(attempt.attempt_id, paid=True, receipt="X"))
    before = await snapshot(house, payment)
    for tenant, branches in [(uuid7(), None), (house.tenant_id, (uuid7(),))]:
        async with app_db.tx(tenant, branches=branches) as tx:
            with pytest.raises(RequestNotFound):
                await desk.approve(
                    tx,
                    request.request_id,
                    actor=CHECKER,
                    rails=known(house),
                    now=START,
                    today=START.date(),
                    meta=META,
                )
            assert (await desk.list_requests(tx)).items == []
    assert await snapshot(house, payment) == before


# -- names --------------------------------------------------------------------------------------------------------


async def mismatched(app_db: Database, worker_db: Database, owner_db: Database) -> tuple[House, Payment]:
    house = await houses.build(app_db, worker_db, owner_db, ask_names=True, names={"0123456789": "ADA OBI VENTURES"})
    (payment,) = await house.initiated(house.order(name="Chinedu Eze"))
    await house.rounds()
    payment = await house.now_stands(payment)
    assert (payment.state, payment.reason) == (PaymentState.NEEDS_REVIEW, "name_mismatch")
    return house, payment


async def test_a_name_is_accepted(app_db: Database, worker_db: Database, owner_db: Database) -> None:
    house, payment = await mismatched(app_db, worker_db, owner_db)
    await do(house, AcceptName(payment.payment_id, "Ada Obi Ventures"))
    await house.settle()
    assert (await house.now_stands(payment)).state is PaymentState.SUCCEEDED
    assert len(house.connectors[0].submits) == 1


async def test_another_name_than_the_accepted_one_stops_it_again(
    app_db: Database, worker_db: Database, owner_db: Database
) -> None:
    house, payment = await mismatched(app_db, worker_db, owner_db)
    await do(house, AcceptName(payment.payment_id, "Somebody Different"))
    await house.settle()
    payment = await house.now_stands(payment)
    assert (payment.state, payment.reason) == (PaymentState.NEEDS_REVIEW, "name_mismatch")
    assert house.connectors[0].submits == []


async def test_a_wrong_name_is_released(app_db: Database, worker_db: Database, owner_db: Database) -> None:
    house, payment = await mismatched(app_db, worker_db, owner_db)
    await do(house, Release(payment.payment_id))
    payment = await house.now_stands(payment)
    assert (payment.state, payment.reason) == (PaymentState.CANCELLED, "released_by_operator")
    assert await house.balances(WALLET, "float:toy") == [(FULL, FULL), (0, 0)]


async def test_nothing_is_released_that_may_still_be_paid(house: House) -> None:
    payment, _ = await given_up(house)
    before = await snapshot(house, payment)
    with pytest.raises(AttemptAlive):
        await ask(house, Release(payment.payment_id))
    with pytest.raises(WrongState):
        await ask(house, AcceptName(payment.payment_id, "A"))
    with pytest.raises(NothingToBook):
        await ask(house, BookAgain(payment.payment_id))
    assert await snapshot(house, payment) == before


# -- books that refused -------------------------------------------------------------------------------------------


async def set_status(house: House, code: str, status: AccountStatus) -> None:
    async with house.db.tx(house.tenant_id) as tx:
        await ledger.set_status(tx, house.id(code), status, meta=META)


async def test_booked_again(house: House) -> None:
    """Paid at the rail, but the books refused (the float was frozen): a person, and then it is booked."""
    (payment,) = await house.initiated(house.order())
    await set_status(house, "float:toy", AccountStatus.FROZEN)
    await house.rounds()
    payment = await house.now_stands(payment)
    assert (payment.state, payment.reason) == (PaymentState.NEEDS_REVIEW, "books_refused: ledger.account_frozen")
    before = await snapshot(house, payment)
    with pytest.raises(Refusal) as refused:
        await ask(house, BookAgain(payment.payment_id))
    assert refused.value.code == "ledger.account_frozen"
    assert await snapshot(house, payment) == before
    await set_status(house, "float:toy", AccountStatus.OPEN)
    await do(house, BookAgain(payment.payment_id))
    assert (await house.now_stands(payment)).state is PaymentState.SUCCEEDED
    assert await house.balances(WALLET, "float:toy") == [(FULL - 5_000, FULL - 5_000), (-5_000, -5_000)]
    (exception,) = await exceptions(house, payment)
    assert exception.resolution == "booked again"
    with pytest.raises(NothingToBook):
        await ask(house, BookAgain(payment.payment_id))


# -- late success -------------------------------------------------------------------------------------------------


async def paid_late(house: House) -> tuple[Payment, Attempt]:
    """Declined, money free again; then the rail's statement shows that it was paid after all."""
    (payment,) = await house.initiated(house.order(payee=magic(Fault.DECLINED)))
    await house.settle()
    (attempt,) = await house.attempts(payment)
    assert attempt.state is AttemptState.DECLINED

    async def fetch(*_: object) -> StatementPage:
        line = StatementLine("L9", START, Money(5_000, "NGN"), False, attempt.our_ref, "R9", "debit")
        return StatementPage((line,), None)

    house.connectors[0].fetch_statement = fetch  # type: ignore[assignment, method-assign]
    reader = payments.StatementReader(house.worker, house.links, clock=house.clock, business_day=houses.today)
    await reader.read(house.tenant_id, attempt.connection_id)
    (attempt,) = await house.attempts(payment)
    assert attempt.state is AttemptState.LATE_SUCCESS
    assert await house.balances("payments:suspense:NGN", "float:toy") == [(5_000, 5_000), (-5_000, -5_000)]
    return await house.now_stands(payment), attempt


async def test_a_late_success_stays_in_suspense(house: House) -> None:
    payment, _ = await paid_late(house)
    (exception,) = await exceptions(house, payment)
    await do(house, ResolveException(exception.exception_id, Resolution.NOTED))
    (exception,) = await exceptions(house, payment)
    assert exception.resolution == f"noted: {PROOF.text}"
    assert await house.balances("payments:suspense:NGN") == [(5_000, 5_000)]
    with pytest.raises(ExceptionNotFound):
        await ask(house, ResolveException(exception.exception_id, Resolution.GIVEN_BACK))


async def test_a_late_success_comes_back(house: House) -> None:
    payment, _ = await paid_late(house)
    (exception,) = await exceptions(house, payment)
    await do(house, ResolveException(exception.exception_id, Resolution.GIVEN_BACK))
    (attempt,) = await house.attempts(payment)
    assert attempt.state is AttemptState.REVERSED
    assert (await house.now_stands(payment)).state is PaymentState.FAILED
    assert await house.balances("payments:suspense:NGN", "float:toy", WALLET) == [(0, 0), (0, 0), (FULL, FULL)]


@pytest.mark.parametrize("account", [None, WALLET, "wallet:other"])
async def test_a_late_success_is_charged_to_somebody(house: House, account: str | None) -> None:
    async with house.db.tx(house.tenant_id) as tx:
        legs = [
            Leg(house.id("bank"), Side.DEBIT, Money(9_000, "NGN")),
            Leg(house.id("wallet:other"), Side.CREDIT, Money(9_000, "NGN")),
        ]
        await ledger.post_one(tx, ledger.post_transaction(legs), today=START.date())
    payment, _ = await paid_late(house)
    (exception,) = await exceptions(house, payment)
    await do(house, ResolveException(exception.exception_id, Resolution.ATTRIBUTED, account))
    assert await house.balances("payments:suspense:NGN", "float:toy") == [(0, 0), (-5_000, -5_000)]
    bearer = account or WALLET
    left = {WALLET: FULL, "wallet:other": 9_000}[bearer] - 5_000
    assert await house.balances(bearer) == [(left, left)]


async def test_only_a_late_success_is_booked(house: House) -> None:
    payment, _ = await given_up(house)
    (exception,) = await exceptions(house, payment)
    before = await snapshot(house, payment)
    with pytest.raises(ResolutionNotPossible):
        await ask(house, ResolveException(exception.exception_id, Resolution.ATTRIBUTED, WALLET))
    assert await snapshot(house, payment) == before

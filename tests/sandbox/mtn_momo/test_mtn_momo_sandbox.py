"""Our connector against MTN MoMo's sandbox over HTTP: every documented number, every fault, every call."""

import dataclasses
import re
from collections.abc import AsyncIterator
from datetime import timedelta
from functools import partial

import pytest

from omniroute.connectors.mtn_momo import MtnMomo
from omniroute.kit.money import Money
from omniroute.ports.rails import NotSent, Outcome, Party, PartyKind, RailAnswerUnreadable, RailUnable
from omniroute.sandbox.faults import MAGIC, Fault
from omniroute.sandbox.mtn_momo import MtnMomoSandbox
from omniroute.sandbox.mtn_momo.scenarios import CURRENCIES, FAILS, WAITS
from tests.connectors.outside import spec
from tests.sandbox.driving import Drive, check_calls, check_fault, check_repeat, drive

RAIL = MtnMomo()


@pytest.fixture
async def uganda() -> AsyncIterator[Drive]:
    async with drive(RAIL, MtnMomoSandbox, lambda one: one.currency == "UGX") as driven:
        yield driven


@pytest.fixture
async def theirs() -> AsyncIterator[Drive]:
    """The rail's own sandbox environment, in euros."""
    async with drive(RAIL, MtnMomoSandbox, lambda one: one.currency == "EUR") as driven:
        yield driven


def documented(prefix: str) -> dict[str, str]:
    text = spec("mtn-momo/sandbox-test-numbers.yml").read_text()
    return dict(re.findall(rf"scenario: {prefix}(\w+)\n\s+value: '?([^'\n]+)'?", text))


EXPECTED = {
    "Failed": (Outcome.DECLINED, "INTERNAL_PROCESSING_ERROR"),
    "TransfertypeUnknown": (Outcome.DECLINED, "TRANSFER_TYPE_UNKNOWN"),
    "Rejected": (Outcome.DECLINED, "APPROVAL_REJECTED"),
    "Expired": (Outcome.DECLINED, "EXPIRED"),
    "Ongoing": (Outcome.PENDING, "PENDING"),
    "Delayed": (Outcome.SUCCEEDED, "SUCCESSFUL"),
    "NotEnoughFunds": (Outcome.DECLINED, "NOT_ENOUGH_FUNDS"),
    "PayerLimitReached": (Outcome.DECLINED, "PAYER_LIMIT_REACHED"),
    "NotFound": (Outcome.DECLINED, "PAYEE_NOT_FOUND"),
    "NotAllowed": (Outcome.DECLINED, "NOT_ALLOWED"),
    "NotAllowedTargetEnvironment": (Outcome.DECLINED, "NOT_ALLOWED_TARGET_ENVIRONMENT"),
    "InvalidCallbackUrlHost": (Outcome.DECLINED, "INVALID_CALLBACK_URL_HOST"),
    "InvalidCurrency": (Outcome.DECLINED, "INVALID_CURRENCY"),
    "InternalProcessingError": (Outcome.DECLINED, "INTERNAL_PROCESSING_ERROR"),
    "ServiceUnavailable": (Outcome.DECLINED, "SERVICE_UNAVAILABLE"),
}


async def test_every_documented_payee_has_its_outcome(theirs: Drive) -> None:
    numbers = documented("TransferPayee")
    assert set(numbers) == set(EXPECTED)
    assert set(numbers.values()) == {*FAILS, *WAITS}
    for scenario, number in numbers.items():
        payout = theirs.make(1_250, number)
        assert (await theirs.send(payout)).outcome is Outcome.PENDING  # type: ignore[union-attr]
        await theirs.pass_time(minutes=1)
        result = await RAIL.query(theirs.context, payout, None)
        assert (result.outcome, result.answer.code) == EXPECTED[scenario], scenario
        assert theirs.debits(payout) == int(result.outcome is Outcome.SUCCEEDED)


async def test_every_documented_holder_has_its_outcome(theirs: Drive) -> None:
    numbers = documented("AccountHolderActiveMsisdn")
    assert len(numbers) == 6
    for scenario, number in numbers.items():
        party = Party(PartyKind.MSISDN, number)
        if scenario == "NotActive":
            assert not (await RAIL.resolve_party(theirs.context, party, our_ref="")).active
            continue
        with pytest.raises(RailUnable if scenario == "NotFound" else RailAnswerUnreadable):
            await RAIL.resolve_party(theirs.context, party, our_ref="")


@pytest.mark.parametrize("currency", sorted(set(CURRENCIES.values())))
async def test_an_order_is_paid_once_in_every_currency(currency: str) -> None:
    async with drive(RAIL, MtnMomoSandbox, lambda one: one.currency == currency) as driven:
        [before] = await RAIL.fetch_balances(driven.context)
        payout = driven.make(12_345, "256772123456")
        sent = await driven.send(payout)
        settled = await driven.settle(payout, sent)
        assert settled is not None
        assert (settled.outcome, settled.amount, settled.our_ref) == (
            Outcome.SUCCEEDED, Money(12_345, currency), payout.our_ref,
        )  # fmt: skip
        [after] = await RAIL.fetch_balances(driven.context)
        assert before.amount - after.amount == payout.amount
        assert [line.reference for line in driven.world.movements] == [payout.our_ref]


@pytest.mark.parametrize("fault", [fault for fault in Fault if fault is not Fault.NONE])
async def test_with_every_fault_we_end_up_knowing_what_the_books_say(fault: Fault, uganda: Drive) -> None:
    digits = next(digits for digits, named in MAGIC.items() if named is fault)
    payout = uganda.make(5_000, f"256772123{digits}")
    await check_fault(uganda, fault, payout, tells_reversals=False, echoes=True)


async def test_the_same_order_twice_is_one_payment(uganda: Drive) -> None:
    await check_repeat(uganda, uganda.make(5_000, "256772123456"))


async def test_a_lost_request_may_be_sent_again_under_its_reference(uganda: Drive) -> None:
    payout = uganda.make(5_000, "256772123901")
    assert await uganda.send(payout) is None
    assert (await RAIL.query(uganda.context, payout, None)).outcome is Outcome.NOT_FOUND
    again = await uganda.send(dataclasses.replace(payout, payee=Party(PartyKind.MSISDN, "256772123456")))
    assert again is not None
    assert again.outcome is Outcome.PENDING
    assert uganda.debits(payout) == 1


async def test_the_call_comes_once_and_is_a_hint(uganda: Drive) -> None:
    paid, declined = uganda.make(5_000, "256772123456"), uganda.make(5_000, "46733123457")
    for payout in (paid, declined):
        await uganda.send(payout)
    await uganda.pass_time(seconds=1)
    await uganda.hears(2)
    await uganda.pass_time(days=1)
    assert len(uganda.heard) == 2
    told = check_calls(uganda)
    assert told == {paid.our_ref: Outcome.SUCCEEDED, declined.our_ref: Outcome.DECLINED}
    assert {call.path for call in uganda.heard} == {f"/calls/payout/{one.our_ref}" for one in (paid, declined)}


async def test_without_funds_nothing_moves() -> None:
    async with drive(RAIL, MtnMomoSandbox, lambda one: one.currency == "UGX", funds_minor=4_999) as driven:
        payout = driven.make(5_000, "256772123456")
        settled = await driven.settle(payout, await driven.send(payout))
        assert settled is not None
        assert (settled.outcome, settled.answer.code) == (Outcome.DECLINED, "NOT_ENOUGH_FUNDS")
        assert driven.world.movements == []


async def test_an_order_takes_its_time_and_costs_its_fee() -> None:
    async with drive(
        RAIL,
        partial(MtnMomoSandbox, takes=timedelta(seconds=40), fee_minor=25),
        lambda one: one.currency == "GHS",
    ) as driven:
        payout = driven.make(5_000, "233555123456")
        await driven.send(payout)
        assert (await RAIL.query(driven.context, payout, None)).outcome is Outcome.PENDING
        await driven.pass_time(seconds=41)
        assert (await RAIL.query(driven.context, payout, None)).outcome is Outcome.SUCCEEDED
        assert [(line.kind, line.amount_minor) for line in driven.world.movements] == [("debit", -5_000), ("fee", -25)]


async def test_a_token_that_ended_or_was_revoked_is_fetched_again(uganda: Drive) -> None:
    payout = uganda.make(5_000, "256772123456")
    await RAIL.fetch_balances(uganda.context)
    uganda.clock.at += timedelta(hours=2)
    assert (await uganda.send(payout)).outcome is Outcome.PENDING  # type: ignore[union-attr]
    wrong = dataclasses.replace(
        uganda.context,
        credentials=dataclasses.replace(
            uganda.context.credentials, secret={"api_key": "x", "subscription_key": "sandbox-subscription-key"}
        ),
    )
    uganda.context.tokens.forget("disbursement")
    with pytest.raises(NotSent):
        await RAIL.submit(wrong, uganda.make(5_000, "256772123456"))
    assert len(uganda.world.movements) == 1


async def test_a_wrong_subscription_key_sends_nothing(uganda: Drive) -> None:
    await RAIL.fetch_balances(uganda.context)  # The token is there; only the key is wrong.
    secret = {**uganda.context.credentials.secret, "subscription_key": "wrong"}
    wrong = dataclasses.replace(
        uganda.context, credentials=dataclasses.replace(uganda.context.credentials, secret=secret)
    )
    assert (await RAIL.submit(wrong, uganda.make(5_000, "256772123456"))).outcome is Outcome.NOT_SENT
    assert uganda.world.transfers() == []


async def test_holders_have_names(uganda: Drive) -> None:
    party = Party(PartyKind.MSISDN, "256772123456")
    holder = await RAIL.resolve_party(uganda.context, party, our_ref="")
    assert holder.active
    assert re.fullmatch(r"\w+ \w+", holder.name or "")
    with pytest.raises(RailUnable):
        await RAIL.resolve_party(uganda.context, Party(PartyKind.MSISDN, "256772123000"), our_ref="")

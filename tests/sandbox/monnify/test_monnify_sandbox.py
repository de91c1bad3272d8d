"""Our connector against Monnify's sandbox over HTTP: accounts, transfers to them, and everything that goes wrong."""

import dataclasses
from collections.abc import AsyncIterator
from datetime import timedelta
from decimal import Decimal
from typing import Any

import httpx
import pytest
import structlog

from omniroute.connectors.monnify import Monnify
from omniroute.infra.http import ExchangeFailed, Tokens
from omniroute.kit.money import Money
from omniroute.ports.rails import (
    AccountWanted,
    Credit,
    EventKind,
    IssuedAccount,
    NotSent,
    Outcome,
    PartyKind,
    RailAnswerUnreadable,
    RailEvent,
    RailUnable,
    Trust,
)
from omniroute.sandbox.faults import Fault, FaultPlan
from omniroute.sandbox.monnify import Mishap, MonnifySandbox
from omniroute.sandbox.monnify.payers import LATE, REVERSAL, WRONG_BY_MINOR
from tests.sandbox.driving import START, Drive, drive

RAIL = Monnify()
WANTED = AccountWanted("a1b2c3", "Mama Nkechi Stores", "NGN", "Nkechi Obi", "nkechi@stores.example")
WALLET = "8016472829"


@pytest.fixture
async def shop() -> AsyncIterator[Drive]:
    async with drive(RAIL, MonnifySandbox) as driven:
        await portal(driven)
        yield driven


async def portal(driven: Drive) -> None:
    """Set in the dashboard where notifications go."""
    url = driven.context.callback_url("portal", "portal")
    async with httpx.AsyncClient() as client:
        await client.put(f"{driven.context.credentials.endpoint}/portal/callback", json={"url": url})


async def pay(driven: Drive, account: IssuedAccount, written: str = "2500.00", **more: Any) -> str:
    """A payer's bank sends money; the transaction."""
    body = {"accountNumber": account.account_number, "bankCode": account.bank_code, "amount": written, **more}
    async with httpx.AsyncClient() as client:
        reply = await client.post(f"{driven.context.credentials.endpoint}/portal/transfers", json=body)
    reply.raise_for_status()
    reference: str = reply.json()["transactionReference"]
    return reference


async def heard(driven: Drive, calls: int = 1) -> list[RailEvent]:
    """What the notifications said, once so many have come."""
    await driven.pass_time(seconds=1)
    await driven.hears(calls)
    return [event for call in driven.heard for event in RAIL.read_callback(driven.context, driven.callback(call))]


async def found(driven: Drive, reference: str) -> Credit:
    credit = await RAIL.find_credit(driven.context, reference)
    assert credit is not None
    return credit


# -- accounts ---------------------------------------------------------------------------------------------------------


async def test_an_account_is_opened_once_under_a_name_of_ours(shop: Drive) -> None:
    made = await RAIL.open_account(shop.context, WANTED)
    assert (made.our_ref, made.bank_code, made.currency, made.active) == ("a1b2c3", "50515", "NGN", True)
    assert made.bank_name == "Moniepoint Microfinance Bank"
    assert made.account_name == "Mama Nkechi Stores"
    assert len(made.account_number) == 10
    assert len(made.provider_ref) == 20
    assert await RAIL.open_account(shop.context, WANTED) == made
    assert await RAIL.find_account(shop.context, "a1b2c3") == made
    assert await RAIL.find_account(shop.context, "nobody") is None
    other = await RAIL.open_account(shop.context, dataclasses.replace(WANTED, our_ref="other", bank_code="035"))
    assert (other.bank_code, other.account_number == made.account_number) == ("035", False)


async def test_without_a_bank_the_same_one_of_many_is_taken_each_time() -> None:
    async with drive(RAIL, MonnifySandbox, public={"preferred_bank": ""}) as driven:
        made = await RAIL.open_account(driven.context, WANTED)
        assert await RAIL.open_account(driven.context, WANTED) == made
        assert await RAIL.find_account(driven.context, WANTED.our_ref) == made


@pytest.mark.parametrize(
    "changes",
    [
        {"currency": "USD"}, {"account_name": "AB"}, {"customer_name": "\u4e16\u754c\u5546\u5e97"},
        {"customer_email": "nobody"}, {"bank_code": "999"},
    ],
)  # fmt: skip
async def test_what_monnify_does_not_open_is_refused_and_not_there(shop: Drive, changes: dict[str, Any]) -> None:
    with pytest.raises(RailUnable):
        await RAIL.open_account(shop.context, dataclasses.replace(WANTED, **changes))
    assert await RAIL.find_account(shop.context, WANTED.our_ref) is None


async def test_a_closed_account_takes_no_money_and_its_name_is_used_up(shop: Drive) -> None:
    made = await RAIL.open_account(shop.context, WANTED)
    for _ in range(2):
        await RAIL.close_account(shop.context, WANTED.our_ref)
    with pytest.raises(httpx.HTTPStatusError):
        await pay(shop, made)
    assert await RAIL.find_account(shop.context, WANTED.our_ref) is None
    with pytest.raises(RailUnable, match="same reference"):
        await RAIL.open_account(shop.context, WANTED)
    assert shop.world.movements == []


@pytest.mark.parametrize(
    ("fault", "there"),
    [
        (Fault.LOST_REPLY, True), (Fault.ERROR_AFTER, True), (Fault.LOST_REQUEST, False), (Fault.ERROR_BEFORE, False),
    ],
)  # fmt: skip
async def test_silence_is_cured_by_asking_and_by_opening_again(fault: Fault, there: bool) -> None:
    async with drive(RAIL, MonnifySandbox, plan=FaultPlan(percent=100, faults=(fault,))) as driven:
        with pytest.raises((ExchangeFailed, RailAnswerUnreadable)):
            await RAIL.open_account(driven.context, WANTED)
        known = await RAIL.find_account(driven.context, WANTED.our_ref)
        assert (known is not None) is there
        made = await RAIL.open_account(driven.context, WANTED)
        assert known in (None, made)


async def test_a_refusal_is_final_and_leaves_no_account() -> None:
    async with drive(RAIL, MonnifySandbox, plan=FaultPlan(percent=100, faults=(Fault.DECLINED,))) as driven:
        with pytest.raises(RailUnable, match="more than 1 account"):
            await RAIL.open_account(driven.context, WANTED)
        assert await RAIL.find_account(driven.context, WANTED.our_ref) is None


async def test_where_nothing_listens_or_keys_are_wrong_nothing_was_sent(shop: Drive) -> None:
    credentials = dataclasses.replace(shop.context.credentials, endpoint="http://127.0.0.1:9")
    with pytest.raises(NotSent):
        await RAIL.open_account(dataclasses.replace(shop.context, credentials=credentials), WANTED)
    async with drive(RAIL, MonnifySandbox, secret={"secret_key": "wrong"}) as stranger:
        with pytest.raises(NotSent):
            await RAIL.open_account(stranger.context, WANTED)
        with pytest.raises(RailAnswerUnreadable):
            await RAIL.find_account(stranger.context, WANTED.our_ref)


# -- money ------------------------------------------------------------------------------------------------------------


async def test_a_transfer_is_notified_signed_and_told_when_asked(shop: Drive) -> None:
    made = await RAIL.open_account(shop.context, WANTED)
    payer = {"accountName": "Emeka Eze", "accountNumber": "0123456789", "bankCode": "058"}
    reference = await pay(shop, made, "1234.56", narration="Invoice 7", payer=payer, sessionId="S-1")

    [event] = await heard(shop)
    assert (event.kind, event.trust, event.result.outcome) == (EventKind.CREDIT, Trust.VERIFIED, Outcome.SUCCEEDED)
    assert event.result.provider_ref == reference
    told = event.credit
    assert told is not None
    assert (told.credit_id, told.our_ref, told.session_id) == (reference, WANTED.our_ref, "S-1")
    assert (told.amount, told.fee) == (Money(123_456, "NGN"), Money(10_00, "NGN"))
    assert (told.account_number, told.narration, told.paid_at) == (made.account_number, "Invoice 7", START)
    assert told.payer is not None
    assert (told.payer.kind, told.payer.identifier, told.payer.institution, told.payer.name) == (
        PartyKind.BANK_ACCOUNT, "0123456789", "058", "EMEKA EZE",
    )  # fmt: skip

    asked = await found(shop, reference)
    assert asked.payer is not None
    assert asked.payer.identifier == "******6789"
    shown = dataclasses.replace(asked, payer=told.payer, account_number=told.account_number)
    assert shown == told
    [balance, _] = await RAIL.fetch_balances(shop.context)
    assert balance.amount == Money(123_456 - 10_00, "NGN")
    assert shop.world.balance("monnify", WALLET, "NGN") == 122_456
    assert [(one.kind, one.amount_minor) for one in shop.world.movements] == [("credit", 123_456), ("fee", -10_00)]


async def test_the_same_transfer_again_is_the_same_transaction(shop: Drive) -> None:
    made = await RAIL.open_account(shop.context, WANTED)
    assert await pay(shop, made, sessionId="S-1") == await pay(shop, made, sessionId="S-1")
    assert len(shop.world.movements) == 2


async def test_one_notification_that_comes_again_has_one_key(shop: Drive) -> None:
    made = await RAIL.open_account(shop.context, WANTED)
    reference = await pay(shop, made, mishap=Mishap.DUPLICATE_NOTIFICATION)
    await heard(shop, 2)
    await shop.pass_time(minutes=10)
    events = await heard(shop, 3)
    assert len(events) == 3
    assert len({event.key for event in events}) == 1
    assert {event.result.provider_ref for event in events} == {reference}


async def test_a_notification_with_another_signature_moves_nothing(shop: Drive) -> None:
    made = await RAIL.open_account(shop.context, WANTED)
    reference = await pay(shop, made, mishap=Mishap.WRONG_SIGNATURE)
    [event] = await heard(shop)
    assert event.trust is Trust.REJECTED
    assert (await found(shop, reference)).settled


async def test_signed_but_elsewhere_is_a_hint(shop: Drive) -> None:
    made = await RAIL.open_account(shop.context, WANTED)
    await pay(shop, made)
    await heard(shop)
    [event] = RAIL.read_callback(shop.context, shop.callback(shop.heard[0], authentic=False))
    assert event.trust is Trust.HINT


async def test_a_notification_before_the_books_know_finds_nothing_at_first(shop: Drive) -> None:
    made = await RAIL.open_account(shop.context, WANTED)
    reference = await pay(shop, made, mishap=Mishap.EARLY_NOTIFICATION)
    [event] = await heard(shop)
    assert event.credit is not None
    assert await RAIL.find_credit(shop.context, reference) is None
    await shop.pass_time(seconds=LATE.total_seconds())
    assert (await found(shop, reference)).settled


async def test_what_a_notification_says_beyond_the_books_is_only_a_hint(shop: Drive) -> None:
    made = await RAIL.open_account(shop.context, WANTED)
    reference = await pay(shop, made, mishap=Mishap.WRONG_AMOUNT)
    [event] = await heard(shop)
    assert event.credit is not None
    assert event.credit.amount == Money(250_000 + WRONG_BY_MINOR, "NGN")
    assert (await found(shop, reference)).amount == Money(250_000, "NGN")


@pytest.mark.parametrize("mishap", [Mishap.LOST_NOTIFICATION, Mishap.LATE_NOTIFICATION, Mishap.NONE])
async def test_what_nobody_was_told_of_is_fetched(shop: Drive, mishap: Mishap) -> None:
    made = await RAIL.open_account(shop.context, WANTED)
    reference = await pay(shop, made, mishap=mishap)
    page = await RAIL.fetch_credits(shop.context, START - timedelta(minutes=5), None)
    assert page.cursor is None
    assert page.credits == (await found(shop, reference),)
    await shop.pass_time(seconds=1)
    await shop.hears(1 if mishap is Mishap.NONE else 0)
    assert len(shop.heard) == (1 if mishap is Mishap.NONE else 0)
    await shop.pass_time(seconds=LATE.total_seconds())
    await shop.hears(0 if mishap is Mishap.LOST_NOTIFICATION else 1)


async def test_what_is_on_its_way_is_listed_so_that_it_is_asked_about_again(shop: Drive) -> None:
    made = await RAIL.open_account(shop.context, WANTED)
    reference = await pay(shop, made, mishap=Mishap.PENDING)
    [credit] = (await RAIL.fetch_credits(shop.context, START, None)).credits
    assert (credit.credit_id, credit.settled) == (reference, False)


async def test_nothing_may_be_booked_on_what_is_on_its_way_given_back_or_unheard_of(shop: Drive) -> None:
    made = await RAIL.open_account(shop.context, WANTED)
    pending = await pay(shop, made, mishap=Mishap.PENDING)
    given_back = await pay(shop, made, mishap=Mishap.REVERSED_LATER)
    strange = await pay(shop, made, mishap=Mishap.UNKNOWN_STATE)
    settled = {one: (await found(shop, one)).settled for one in (pending, given_back, strange)}
    assert settled == {pending: False, given_back: True, strange: False}
    await shop.pass_time(seconds=REVERSAL.total_seconds())
    settled = {one: (await found(shop, one)).settled for one in (pending, given_back, strange)}
    assert settled == {pending: True, given_back: False, strange: False}
    kept = 2 * (250_000 - 10_00)
    assert shop.world.balance("monnify", WALLET, "NGN") == kept


@pytest.mark.parametrize("mishap", [Mishap.PARTIAL, Mishap.OVERPAID])
async def test_what_arrived_counts_whatever_was_expected(shop: Drive, mishap: Mishap) -> None:
    made = await RAIL.open_account(shop.context, WANTED)
    credit = await found(shop, await pay(shop, made, mishap=mishap))
    assert (credit.settled, credit.amount) == (True, Money(250_000, "NGN"))


async def test_many_credits_come_page_by_page_and_none_twice(shop: Drive) -> None:
    made = await RAIL.open_account(shop.context, WANTED)
    paid = []
    for naira in range(100, 145):
        paid.append(await pay(shop, made, f"{naira}"))
        await shop.pass_time(seconds=1)
    found_, cursor, pages = list[Credit](), None, 0
    while True:
        page = await RAIL.fetch_credits(shop.context, START, cursor)
        assert list(page.credits) == sorted(page.credits, key=lambda one: one.paid_at)
        found_ += page.credits
        cursor, pages = page.cursor, pages + 1
        if cursor is None:
            break
        await shop.pass_time(seconds=1)
        await pay(shop, made, "7")  # What comes in meanwhile is for the next search.
    assert pages == 3
    assert sorted(one.credit_id for one in found_) == paid
    assert sum(one.amount.amount_minor for one in found_) == sum(range(100, 145)) * 100


async def test_questions_that_fail_are_faults_and_say_nothing() -> None:
    plan = FaultPlan(seed=3, query_percent=100)
    async with drive(RAIL, MonnifySandbox, plan=plan) as driven:
        made = await RAIL.open_account(driven.context, WANTED)
        reference = await pay(driven, made)
        outcomes = set[bool | None]()
        for _ in range(12):
            try:
                outcomes.add((await found(driven, reference)).settled)
            except (ExchangeFailed, RailAnswerUnreadable):
                outcomes.add(None)
        assert None in outcomes
        assert False not in outcomes


async def test_merchants_know_nothing_of_each_other() -> None:
    async with drive(RAIL, MonnifySandbox) as driven:
        base = driven.context.credentials.endpoint
        root = base.removesuffix("/monnify")
        async with httpx.AsyncClient(base_url=root) as client:
            offered = {
                name: next(iter((await client.get(f"/_sandbox/connections?customer={name}")).json()))
                for name in ("acme", "zenith")
            }
            assert (await client.get("/_sandbox/connections?customer=a/b")).status_code == 400
            for name, one in offered.items():
                assert (one["endpoint"], one["portal"]) == (f"{base}/of/{name}", f"{base}/of/{name}/portal/callback")
                await client.put(one["portal"], json={"url": driven.context.callback_url("portal", name)})
        contexts = {
            name: dataclasses.replace(
                driven.context,
                credentials=dataclasses.replace(
                    driven.context.credentials, endpoint=one["endpoint"], public=one["public"]
                ),
                tokens=Tokens(driven.clock),
            )
            for name, one in offered.items()
        }
        made = {name: await RAIL.open_account(context, WANTED) for name, context in contexts.items()}
        assert await RAIL.find_account(driven.context, WANTED.our_ref) is None
        reference = await pay(driven, made["acme"])
        await heard(driven)
        assert [call.path.rsplit("/", 1)[1] for call in driven.heard] == ["acme"]
        listed = {name: (await RAIL.fetch_credits(one, START, None)).credits for name, one in contexts.items()}
        assert {name: [one.credit_id for one in found] for name, found in listed.items()} == {
            "acme": [reference], "zenith": [],
        }  # fmt: skip
        assert await RAIL.find_credit(contexts["zenith"], reference) is None
        held = {name: (await RAIL.fetch_balances(one))[0].amount.amount_minor for name, one in contexts.items()}
        assert held == {"acme": 250_000 - 10_00, "zenith": 0}


async def test_the_statement_has_what_the_wallet_got(shop: Drive) -> None:
    made = await RAIL.open_account(shop.context, WANTED)
    for mishap in (Mishap.NONE, Mishap.LOST_NOTIFICATION, Mishap.PARTIAL, Mishap.PENDING):
        await pay(shop, made, mishap=mishap)
    page = await RAIL.fetch_statement(shop.context, START.date(), None)
    assert page.cursor is None
    assert sum(line.amount.amount_minor for line in page.lines) == shop.world.balance("monnify", WALLET, "NGN")
    assert len(page.lines) == 3
    assert (await RAIL.fetch_statement(shop.context, START.date() - timedelta(days=1), None)).lines == ()


async def test_the_payers_bank_says_what_is_wrong(shop: Drive) -> None:
    made = await RAIL.open_account(shop.context, WANTED)
    for wrong in ({"amount": "1.001"}, {"amount": "0"}, {"accountNumber": "1"}, {"mishap": "earthquake"}):
        with pytest.raises(httpx.HTTPStatusError):
            await pay(shop, made, **wrong)
    assert shop.world.movements == []


async def test_amounts_are_written_and_read_to_the_last_digit(shop: Drive) -> None:
    made = await RAIL.open_account(shop.context, WANTED)
    for number, written in enumerate(("0.01", "1234567.89", "90000000000.99", "100"), start=1):
        reference = await pay(shop, made, written)
        events = await heard(shop, number)
        told = [event.credit.amount for event in events if event.credit and event.credit.credit_id == reference]
        minor = int(Decimal(written) * 100)
        assert [*told, (await found(shop, reference)).amount] == [Money(minor, "NGN")] * 2


async def test_no_secret_and_no_persons_name_is_in_any_log_line() -> None:
    async with drive(RAIL, MonnifySandbox, secret={"bvn": "21212121212"}) as driven:
        with structlog.testing.capture_logs() as lines:
            made = await RAIL.open_account(driven.context, WANTED)
            await RAIL.find_credit(driven.context, await pay(driven, made, payer={"accountName": "Emeka Eze"}))
            await RAIL.fetch_credits(driven.context, START, None)
            await RAIL.fetch_balances(driven.context)
            await RAIL.close_account(driven.context, WANTED.our_ref)
        assert any(one["event"] == "exchange" for one in lines)
        shown = repr(lines)
        tokens = [kept for kept, _ in driven.context.tokens._kept.values()]  # type: ignore[attr-defined]
        for secret in (*driven.connection.secret.values(), *tokens, "21212121212", "nkechi@", "Nkechi Obi", "EMEKA"):
            assert secret not in shown

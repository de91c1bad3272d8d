"""Money that comes in: booked once for ever, on what the provider says when it is asked."""

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import pytest

from omniroute import ledger
from omniroute.infra.postgres import Database
from omniroute.kit import ids
from omniroute.kit.money import Money
from omniroute.kit.refusal import Refusal
from omniroute.ledger import AccountStatus as BookStatus
from omniroute.money import collections
from omniroute.money.collections import CollectionRules, Collector, CreditState, VirtualAccount
from omniroute.sandbox.monnify.messages import notification, sign
from omniroute.sandbox.monnify.payers import read_transfer
from omniroute.sandbox.monnify.rail import SECRET_KEY
from tests.money.collections.shop import META, START, Mishap, Shop, naira, opened, today


@pytest.fixture
async def shop(app_db: Database, worker_db: Database, owner_db: Database) -> AsyncIterator[Shop]:
    async with opened(app_db, worker_db, owner_db) as made:
        yield made


async def turn(shop: Shop, act: Any, account: VirtualAccount) -> None:
    async with shop.db.tx(shop.tenant_id) as tx:
        await act(tx, account.virtual_account_id, now=shop.clock.now(), meta=META)


async def test_a_notified_credit_is_booked_with_the_fee(shop: Shop) -> None:
    account = await shop.open()
    paid = shop.pay(account, "2500.00", narration="Invoice 7")
    await shop.hear()
    [credit] = await shop.credits()
    assert (credit.state, credit.virtual_account_id) == (CreditState.BOOKED, account.virtual_account_id)
    assert (credit.amount, credit.fee_minor, credit.left_minor) == (naira(2500), 10_00, 2500_00)
    assert (credit.session_id, credit.provider_credit_id) == (paid.session, paid.reference)
    assert credit.narration == "Invoice 7"
    assert await shop.on(account) == 2500_00
    assert await shop.books() == (2490_00, 0, 10_00)
    assert await shop.events("virtual_account.cred", "collection.") == ["virtual_account.credited"]


@pytest.mark.parametrize(
    ("mishap", "days"),
    [
        (Mishap.DUPLICATE_NOTIFICATION, 1),
        (Mishap.LOST_NOTIFICATION, 1),
        (Mishap.LATE_NOTIFICATION, 1),
        (Mishap.EARLY_NOTIFICATION, 2),
        (Mishap.WRONG_SIGNATURE, 1),
        (Mishap.WRONG_AMOUNT, 1),
        (Mishap.PENDING, 2),
    ],
)
async def test_whatever_becomes_of_the_notification_it_is_booked_once(shop: Shop, mishap: Mishap, days: int) -> None:
    account = await shop.open()
    shop.pay(account, "700.00", mishap=mishap.value)
    await shop.settle(days)
    [credit] = await shop.credits()
    assert (credit.state, credit.amount) == (CreditState.BOOKED, naira(700))
    assert await shop.on(account) == 700_00 == shop.received_minor()
    assert await shop.books() == (690_00, 0, 10_00)


async def test_a_forged_notification_books_nothing(shop: Shop) -> None:
    account = await shop.open()
    paid = shop.pay(account, mishap="lost-notification")
    await shop.pass_time(seconds=1)
    del shop.rail.payments[paid.reference]  # The provider has no such transaction.
    body = notification(paid)
    await shop.take_in(body, {"monnify-signature": sign(SECRET_KEY, body)})
    other = body.replace(b"2500", b"9500")
    await shop.take_in(other, {"monnify-signature": sign("wrong key", other)})
    for name in (b"x" * 300, b"\\ud800", b"../../v1"):
        strange = body.replace(paid.reference.encode(), name)
        await shop.take_in(strange, {"monnify-signature": sign(SECRET_KEY, strange)})
    await shop.settle(4)
    assert await shop.credits() == []
    assert await shop.on(account) == 0
    assert await shop.books() == (0, 0, 0)
    async with shop.worker.tx(shop.tenant_id) as tx:
        hints = await (await tx.connection.execute("SELECT provider_credit_id, state FROM collection_hint")).fetchall()
    # Of one the provider says nothing at all; it is asked for a month before it is given up.
    assert {row.provider_credit_id: row.state for row in hints} == {paid.reference: "unfounded", "../../v1": "waiting"}


async def test_money_that_comes_before_the_opening_is_recorded_is_on_the_account(shop: Shop) -> None:
    wanted = await shop.ask(await shop.want(account_name="Nkechi 902"))  # Opened there; the answer was lost.
    made = shop.rail._accounts[wanted.our_ref]
    bank, number = next(iter(made.numbers.items()))
    shop.rail.pay_in(read_transfer({"accountNumber": number, "bankCode": bank, "amount": "50.00"}))
    await shop.hear()
    assert await shop.on(wanted) == 50_00
    await shop.collector.open_due()  # Somebody has paid to it: the provider is asked at once.
    account = await shop.now_stands(wanted)
    assert (account.status.value, account.account_number) == ("active", number)
    assert await shop.on(account) == 50_00


async def test_the_same_credit_told_and_fetched_at_once_is_booked_once(shop: Shop) -> None:
    account = await shop.open()
    for _ in range(5):
        shop.pay(account, "10.00")
    await shop.pass_time(seconds=1)
    await shop.dispatcher.hear()
    others = [
        Collector(shop.worker, shop.links, clock=shop.clock, business_day=today, every=timedelta(0)) for _ in range(3)
    ]
    await asyncio.gather(*[one.fetch_due() for one in others], *[one.ask_due() for one in others])
    assert len(await shop.credits()) == 5
    assert await shop.on(account) == 50_00


async def test_a_provider_that_is_silent_is_asked_again(shop: Shop) -> None:
    account = await shop.open()
    shop.pay(account, "40.00")
    shop.links.down = True
    await shop.hear()
    assert await shop.credits() == []
    shop.links.down = False
    await shop.settle(1)
    assert await shop.on(account) == 40_00


@pytest.mark.parametrize(
    ("rules", "naira_paid", "reason"),
    [
        (CollectionRules(min_minor=100_00), "99.99", "amount_too_small"),
        (CollectionRules(max_minor=100_00), "100.01", "amount_too_large"),
        (CollectionRules(exact_minor=100_00), "100.50", "amount_not_exact"),
    ],
)
async def test_what_the_rules_do_not_take_waits(
    shop: Shop, rules: CollectionRules, naira_paid: str, reason: str
) -> None:
    account = await shop.open(rules=rules)
    shop.pay(account, naira_paid)
    shop.pay(account, "100.00")
    await shop.hear()
    waiting, booked = sorted(await shop.credits(), key=lambda one: one.state.value, reverse=True)
    assert (waiting.state, waiting.reason, waiting.left_minor) == (CreditState.UNPLACED, reason, 0)
    assert booked.state is CreditState.BOOKED
    assert await shop.on(account) == 100_00
    assert await shop.balance("collections:unplaced:NGN") == waiting.amount.amount_minor


async def test_an_account_of_one_use_takes_one_credit(shop: Shop) -> None:
    account = await shop.open(rules=CollectionRules(single_use=True))
    for _ in range(3):
        shop.pay(account, "20.00")
    await shop.hear()
    assert [one.reason for one in await shop.credits()] == [None, "account_used_up", "account_used_up"]
    assert await shop.on(account) == 20_00


async def test_what_is_paid_to_an_account_that_is_suspended_or_closed_waits(shop: Shop) -> None:
    suspended, closed = await shop.open(), await shop.open()
    await turn(shop, collections.suspend_account, suspended)
    await turn(shop, collections.close_account, closed)  # The provider has not heard of it yet.
    shop.pay(suspended, "20.00")
    shop.pay(closed, "30.00")
    await shop.hear()
    assert {one.reason for one in await shop.credits()} == {"account_suspended", "account_closed"}
    assert await shop.books() == (30_00, 50_00, 20_00)


async def test_what_was_paid_in_time_is_booked_whenever_we_hear_of_it(shop: Shop) -> None:
    account = await shop.open(expires_at=START + timedelta(hours=3))
    shop.deaf = True
    shop.pay(account, "20.00")
    await shop.pass_time(seconds=1)
    await shop.pass_time(hours=3)
    shop.pay(account, "30.00")
    await shop.pass_time(hours=1)
    assert await shop.collector.expire_due() == 1
    await shop.collector.fetch_due()
    assert [(one.amount, one.reason) for one in await shop.credits()] == [
        (naira(20), None),
        (naira(30), "account_expired"),
    ]
    assert await shop.on(account) == 20_00


async def test_money_for_an_account_of_nobody_waits(shop: Shop) -> None:
    account = await shop.open()
    shop.pay(account).account_reference = "of-another-system"
    await shop.hear()
    [credit] = await shop.credits()
    assert (credit.state, credit.reason, credit.our_ref) == (
        CreditState.UNPLACED,
        "account_unknown",
        "of-another-system",
    )


async def test_money_in_another_currency_waits_in_its_own(shop: Shop) -> None:
    account = await shop.open()
    shop.pay(account, "20.00").currency = "USD"
    await shop.hear()
    [credit] = await shop.credits()
    assert (credit.state, credit.reason, credit.amount) == (
        CreditState.UNPLACED,
        "currency_differs",
        Money(20_00, "USD"),
    )
    assert await shop.books() == (0, 0, 0)
    assert await shop.balance("collections:unplaced:USD") == 20_00
    assert await shop.balance(f"collections:float:{shop.connection_id}:USD") == 10_00


async def test_what_a_frozen_account_cannot_take_waits(shop: Shop) -> None:
    account = await shop.open()
    async with shop.db.tx(shop.tenant_id) as tx:
        await ledger.set_status(tx, account.ledger_account_id, BookStatus.FROZEN, meta=META)
    shop.pay(account, "20.00")
    await shop.hear()
    [credit] = await shop.credits()
    assert (credit.state, credit.reason) == (CreditState.UNPLACED, "account_frozen")


async def test_a_fee_that_eats_the_whole_amount(app_db: Database, worker_db: Database, owner_db: Database) -> None:
    async with opened(app_db, worker_db, owner_db, fee_minor=50_00) as shop:
        account = await shop.open()
        shop.pay(account, "50.00")
        await shop.hear()
        assert await shop.on(account) == 50_00
        assert await shop.books() == (0, 0, 50_00)


# -- what people and other modules do with credits --------------------------------------------------------------------


async def test_a_person_places_what_waits_once(shop: Shop) -> None:
    account, other = await shop.open(), await shop.open()
    await turn(shop, collections.suspend_account, account)
    shop.pay(account, "20.00")
    await shop.hear()
    [credit] = await shop.credits()

    async def place(to: VirtualAccount) -> CreditState:
        async with shop.db.tx(shop.tenant_id) as tx:
            placed = await collections.place_credit(
                tx,
                credit.credit_id,
                to.virtual_account_id,
                actor="usr_clerk",
                note="their invoice",
                now=shop.clock.now(),
                today=START.date(),
                meta=META,
            )
            return placed.state

    assert await place(other) is CreditState.PLACED
    with pytest.raises(Refusal) as refused:
        await place(account)
    assert refused.value.code == "collections.wrong_state"
    assert (await shop.on(account), await shop.on(other)) == (0, 20_00)
    assert await shop.books() == (10_00, 0, 10_00)
    assert await shop.events("collection.", "virtual_account.credited") == [
        "collection.unplaced",
        "collection.placed",
        "virtual_account.credited",
    ]
    await shop.settle(1)  # What is fetched again changes nothing.
    assert (await shop.on(account), await shop.on(other)) == (0, 20_00)


async def test_a_closed_account_is_given_nothing_by_hand(shop: Shop) -> None:
    account = await shop.open()
    await turn(shop, collections.close_account, account)
    shop.pay(account, "20.00")
    await shop.hear()
    [credit] = await shop.credits()
    with pytest.raises(Refusal) as refused:
        async with shop.db.tx(shop.tenant_id) as tx:
            await collections.place_credit(
                tx,
                credit.credit_id,
                account.virtual_account_id,
                actor="usr_clerk",
                note=None,
                now=shop.clock.now(),
                today=START.date(),
                meta=META,
            )
    assert refused.value.code == "collections.wrong_state"
    assert await shop.books() == (10_00, 20_00, 10_00)


async def test_somebody_looks_after_what_waits(shop: Shop) -> None:
    account = await shop.open(rules=CollectionRules(exact_minor=1))
    shop.pay(account, "20.00")
    await shop.hear()
    [credit] = await shop.credits()
    async with shop.db.tx(shop.tenant_id) as tx:
        told = await collections.assign_credit(tx, credit.credit_id, assigned_to="usr_clerk", now=shop.clock.now())
    assert (told.assigned_to, told.received_at) == ("usr_clerk", credit.received_at)


async def test_a_credit_is_found_by_any_of_its_names(shop: Shop) -> None:
    account = await shop.open()
    paid = shop.pay(account, "20.00")
    await shop.hear()
    [credit] = await shop.credits()
    for name in (
        ids.show("crd", credit.credit_id),
        str(credit.credit_id),
        paid.session,
        paid.reference,
    ):
        async with shop.db.tx(shop.tenant_id) as tx:
            assert await collections.find_credit_by_reference(tx, name) == credit
    for name in ("crd_nonsense", "000013", ids.show("crd", account.virtual_account_id)):
        with pytest.raises(Refusal) as refused:
            async with shop.db.tx(shop.tenant_id) as tx:
                await collections.find_credit_by_reference(tx, name)
        assert refused.value.code == "collections.credit_not_found"


async def test_a_credit_is_spent_once(shop: Shop) -> None:
    account = await shop.open()
    shop.pay(account, "20.00")
    await shop.hear()
    [credit] = await shop.credits()

    async def use(amount: Money) -> str:
        try:
            async with shop.db.tx(shop.tenant_id) as tx:
                told, on = await collections.use_credit(tx, credit.credit_id, amount, now=shop.clock.now())
                assert on.virtual_account_id == account.virtual_account_id
                return f"{told.left_minor} left"
        except Refusal as refusal:
            return refusal.code

    assert await use(Money(5, "USD")) == "collections.currency_differs"
    said = await asyncio.gather(use(naira(15)), use(naira(15)))
    assert sorted(said) == ["500 left", "collections.credit_spent"]
    async with shop.db.tx(shop.tenant_id) as tx:
        told = await collections.release_credit(tx, credit.credit_id, naira(15), now=shop.clock.now())
    assert told.left_minor == 20_00
    assert await use(naira(20)) == "0 left"
    with pytest.raises(Refusal):
        async with shop.db.tx(shop.tenant_id) as tx:
            await collections.release_credit(tx, credit.credit_id, naira(21), now=shop.clock.now())

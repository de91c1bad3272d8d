"""Virtual accounts: wanted, opened, asked for again, turned, expired and closed."""

from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from omniroute import ledger
from omniroute.infra.postgres import Database
from omniroute.kit.refusal import Refusal
from omniroute.money import collections
from omniroute.money.collections import AccountStatus, CollectionRules
from tests.money.collections.shop import META, START, Shop, opened


@pytest.fixture
async def shop(app_db: Database, worker_db: Database, owner_db: Database) -> AsyncIterator[Shop]:
    async with opened(app_db, worker_db, owner_db) as made:
        yield made


async def test_an_account_is_opened_under_a_name_that_was_stored_before(shop: Shop) -> None:
    wanted = await shop.want(account_name="Nkechi Main")
    assert (wanted.status, wanted.account_number, wanted.account_name) == (AccountStatus.REQUESTED, None, "Nkechi Main")
    account = await shop.ask(wanted)
    assert account.status is AccountStatus.ACTIVE
    assert account.our_ref == wanted.our_ref
    assert (len(account.account_number or ""), account.bank_code) == (10, "50515")
    assert account.ask_at is None
    assert await shop.on(account) == 0
    assert await shop.events("virtual_account.") == ["virtual_account.requested", "virtual_account.opened"]
    assert await shop.ask(account) == account  # Nothing is to be asked any more.


async def test_a_bookkeeper_may_describe_the_accounts_that_virtual_accounts_share(shop: Shop) -> None:
    await shop.want()
    unplaced = ledger.account_id(shop.tenant_id, "collections:unplaced:NGN")
    async with shop.db.tx(shop.tenant_id) as tx:
        await ledger.describe_account(tx, unplaced, name="To be looked at", meta=META)
    assert (await shop.open(reference="another")).status is AccountStatus.ACTIVE
    async with shop.db.tx(shop.tenant_id) as tx:
        assert (await ledger.find_account(tx, unplaced)).name == "To be looked at"


@pytest.mark.parametrize("digits", ["901", "902", "904", "905"])
async def test_silence_leaves_it_requested_and_it_is_asked_for_again(shop: Shop, digits: str) -> None:
    wanted = await shop.ask(await shop.want(account_name=f"Nkechi {digits}"))
    assert wanted.status is AccountStatus.REQUESTED
    assert wanted.reason is not None
    await shop.collector.open_due()  # Not yet.
    assert (await shop.now_stands(wanted)).status is AccountStatus.REQUESTED
    await shop.pass_time(seconds=10)
    await shop.collector.open_due()
    account = await shop.now_stands(wanted)
    assert (account.status, account.our_ref, account.reason) == (AccountStatus.ACTIVE, wanted.our_ref, None)
    assert len(shop.rail._accounts) == 1


async def test_a_worker_that_dies_while_it_asks_is_followed_by_another(shop: Shop) -> None:
    wanted = await shop.want()
    async with shop.db.tx(shop.tenant_id) as tx:  # As taken up by somebody who never comes back.
        await tx.connection.execute("UPDATE virtual_account SET ask_at = %s, tries = 1", [START + timedelta(minutes=2)])
    assert await shop.collector.open_due() == 0
    await shop.pass_time(minutes=3)
    assert await shop.collector.open_due() == 1
    assert (await shop.now_stands(wanted)).status is AccountStatus.ACTIVE


async def test_what_the_provider_refuses_has_failed(shop: Shop) -> None:
    account = await shop.ask(await shop.want(account_name="Nkechi 906"))
    assert account.status is AccountStatus.FAILED
    assert account.reason is not None
    assert "1 account" in account.reason
    assert await shop.events("virtual_account.") == ["virtual_account.requested", "virtual_account.failed"]


async def test_a_connection_that_is_down_delays_and_decides_nothing(shop: Shop) -> None:
    wanted = await shop.want()
    shop.links.down = True
    await shop.collector.open_due()
    assert (await shop.now_stands(wanted)).status is AccountStatus.REQUESTED
    shop.links.down = False
    await shop.pass_time(minutes=1)
    await shop.collector.open_due()
    assert (await shop.now_stands(wanted)).status is AccountStatus.ACTIVE


async def test_the_same_reference_is_the_same_account(shop: Shop) -> None:
    first = await shop.open(reference="order-7")
    assert await shop.want(reference="order-7") == first
    for changes in ({"currency": "KES"}, {"metadata": {"a": 1}}, {"rules": CollectionRules(min_minor=5)}):
        with pytest.raises(Refusal) as refused:
            await shop.want(reference="order-7", **changes)
        assert refused.value.code == "collections.reference_taken"
    async with shop.db.tx(shop.tenant_id) as tx:
        assert len((await collections.list_accounts(tx)).items) == 1


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"currency": "KES"}, "collections.no_issuer"),
        ({"connection": "elsewhere"}, "collections.no_issuer"),
        ({"reference": "x" * 81}, "collections.malformed"),
        ({"account_name": "tab\there"}, "collections.malformed"),
        ({"expires_at": START}, "collections.malformed"),
        ({"metadata": {"x": "y" * 5_000}}, "collections.malformed"),
        ({"rules": CollectionRules(min_minor=0)}, "collections.malformed"),
        ({"rules": CollectionRules(min_minor=9, max_minor=8)}, "collections.malformed"),
        ({"rules": CollectionRules(exact_minor=9, max_minor=9)}, "collections.malformed"),
    ],
)
async def test_what_cannot_be_an_account_is_refused(shop: Shop, changes: dict[str, Any], code: str) -> None:
    with pytest.raises(Refusal) as refused:
        await shop.want(**changes)
    assert refused.value.code == code
    async with shop.db.tx(shop.tenant_id) as tx:
        assert (await collections.list_accounts(tx)).items == []


async def test_an_account_is_suspended_resumed_and_closed_here_and_there(shop: Shop) -> None:
    account = await shop.open()
    stranger = replace(account, virtual_account_id=account.ledger_account_id)
    steps: list[tuple[Any, str]] = [
        (collections.resume_account, "collections.wrong_state"),
        (collections.suspend_account, "suspended"),
        (collections.suspend_account, "collections.wrong_state"),
        (collections.resume_account, "active"),
        (collections.close_account, "closed"),
        (collections.close_account, "collections.wrong_state"),
        (collections.resume_account, "collections.wrong_state"),
    ]
    for act, expected in steps:
        try:
            async with shop.db.tx(shop.tenant_id) as tx:
                told = (await act(tx, account.virtual_account_id, now=shop.clock.now(), meta=META)).status.value
        except Refusal as refusal:
            told = refusal.code
        assert told == expected
    with pytest.raises(Refusal):
        await shop.now_stands(stranger)
    assert len(shop.rail._accounts) == 1
    await shop.collector.open_due()
    assert shop.rail._accounts == {}
    assert (await shop.now_stands(account)).ask_at is None
    assert await shop.events("virtual_account.s", "virtual_account.r", "virtual_account.c") == [
        "virtual_account.requested",
        "virtual_account.suspended",
        "virtual_account.resumed",
        "virtual_account.closed",
    ]


async def test_an_account_closed_while_it_is_being_opened_is_closed_at_the_provider(shop: Shop) -> None:
    wanted = await shop.ask(await shop.want(account_name="Nkechi 902"))  # Opened there; the answer was lost.
    assert len(shop.rail._accounts) == 1
    async with shop.db.tx(shop.tenant_id) as tx:
        await collections.close_account(tx, wanted.virtual_account_id, now=shop.clock.now(), meta=META)
    await shop.collector.open_due()
    assert shop.rail._accounts == {}
    assert (await shop.now_stands(wanted)).status is AccountStatus.CLOSED


async def test_an_account_expires_by_the_clock_once(shop: Shop) -> None:
    account = await shop.open(expires_at=START + timedelta(hours=2))
    assert await shop.collector.expire_due() == 0
    await shop.pass_time(hours=2)
    assert await shop.collector.expire_due() == 1
    assert await shop.collector.expire_due() == 0
    assert (await shop.now_stands(account)).status is AccountStatus.EXPIRED
    await shop.collector.open_due()
    assert shop.rail._accounts == {}

"""Virtual accounts and credits over HTTP, through the provider of a real sandbox."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest

from omniroute.api import Services
from omniroute.app.cli_sandbox import Outside, outside
from omniroute.kit.ids import parse
from omniroute.money import collections, payments
from omniroute.money.collections import Collector
from tests.api.makers import CLOCK, Client
from tests.api.paying import Payer, bank_account, call_in, payer


@dataclass
class Shop:
    """An organisation that collects."""

    org: Payer
    collector: Collector
    hearing: payments.Dispatcher
    owner_id: str

    @property
    def client(self) -> Client:
        return self.org.client

    async def want(self, **more: Any) -> Any:
        body = {"owner_id": self.owner_id, "owner_type": "CUSTOMER", "currency": "NGN", **more}
        return await self.client.post("/virtual-accounts", body)

    async def open(self, **more: Any) -> Any:
        made = await self.want(**more)
        await self.collector.open_due()
        return await self.client.get(f"/virtual-accounts/{made['id']}")

    async def pay(self, account: dict[str, Any], amount: str) -> None:
        """A payer's bank sends money, and the provider calls us about it."""
        (offered,) = (one for one in self.org.outside.connections() if one["rail"] == "monnify")
        body = {"accountNumber": account["account_number"], "bankCode": account["bank_code"], "amount": amount}
        world, before = self.org.outside.sandbox.world, len(self.org.outside.sandbox.world.callbacks)
        async with httpx.AsyncClient() as client:
            await client.put(f"{offered['endpoint']}/portal/callback", json={"url": "http://127.0.0.1:9/nobody"})
            (await client.post(f"{offered['endpoint']}/portal/transfers", json=body)).raise_for_status()
        await self.org.still()
        connection = self.org.connections["collect"]["id"]
        address = (await self.client.get(f"/connections/{connection}/callback-address"))["url"]
        for call in world.callbacks[before:]:
            signature = call.request.headers["monnify-signature"]
            sent = await call_in(
                self.client.http, "POST", urlsplit(address).path, call.request.body, **{"monnify-signature": signature}
            )
            assert sent.status_code == 200, sent.text
        await self.hearing.hear()
        await self.collector.ask_due()

    async def waiting(self, amount: str = "5.00") -> Any:
        """A credit that no account takes."""
        await self.pay(await self.open(collection_rules={"min_amount": 100_00}), amount)
        return (await self.client.get("/credits?state=unplaced"))["items"][0]

    async def refused(self, path: str, body: dict[str, Any]) -> tuple[int, str]:
        before = await self.client.books()
        answer = await self.client.send("POST", path, json=body)
        assert await self.client.books() == before
        return answer.status_code, answer.json()["code"]


@pytest.fixture(scope="module")
async def sandbox() -> AsyncIterator[Outside]:
    async with outside() as running:
        yield running


@pytest.fixture(scope="module")
async def shop(a: Client, services: Services, sandbox: Outside) -> AsyncIterator[Shop]:
    async with payer(a, services, sandbox) as org:
        await org.connect("monnify", "NGN", "collect")
        owner = {"code": "nkechi", "kind": "RETAILER", "name": "Mama Nkechi", "email": "nkechi@stores.example"}
        owner_id = (await a.post("/partners", owner))["id"]
        assert services.worker_db is not None
        links, today = services.payments.links, services.poster.today
        hearing = payments.Dispatcher(
            services.worker_db, links, clock=CLOCK, business_day=today, worker_id="w", credited=collections.hear_credit
        )
        yield Shop(org, Collector(services.worker_db, links, clock=CLOCK, business_day=today), hearing, owner_id)
        await hearing.close()


async def test_an_account_is_wanted_opened_and_credited(shop: Shop) -> None:
    rules = {"min_amount": 10_00, "max_amount": "99000000000000000", "exact_amount": None, "single_use": False}
    wanted = await shop.want(account_name="Nkechi Main", collection_rules=rules, metadata={"order": 7})
    assert (wanted["status"], wanted["account_number"], wanted["balance"]) == ("requested", None, 0)
    assert wanted["reference"] == wanted["id"]
    assert wanted["collection_rules"] == rules
    await shop.collector.open_due()
    account = await shop.client.get(f"/virtual-accounts/{wanted['id']}")
    assert (account["status"], account["bank_code"], account["account_name"]) == ("active", "50515", "Nkechi Main")
    await shop.pay(account, "2500.00")
    account = await shop.client.get(f"/virtual-accounts/{wanted['id']}")
    assert account["balance"] == 2500_00
    [credit] = (await shop.client.get(f"/credits?virtual_account_id={wanted['id']}"))["items"]
    assert (credit["state"], credit["amount"], credit["fee"], credit["used"]) == ("booked", 2500_00, 10_00, 0)
    assert await shop.client.get(f"/credits/{credit['id']}") == credit
    books = await shop.client.get(f"/ledger/accounts/{account['ledger_account_id']}/balance")
    assert books["posted"] == 2500_00
    for query in (f"account_number={account['account_number']}", f"owner_id={shop.owner_id}", "status=active"):
        assert account in (await shop.client.get(f"/virtual-accounts?{query}"))["items"]
    assert (await shop.client.get("/virtual-accounts?status=failed"))["items"] == []
    assert (await shop.client.get(f"/credits?session_id={credit['session_id']}"))["items"] == [credit]


async def test_the_same_reference_is_the_same_account(shop: Shop) -> None:
    first = await shop.want(reference="order-7")
    assert (await shop.want(reference="order-7"))["id"] == first["id"]
    body = {"owner_id": shop.owner_id, "owner_type": "ESCROW", "currency": "NGN", "reference": "order-7"}
    assert await shop.refused("/virtual-accounts", body) == (409, "collections.reference_taken")
    body |= {"reference": "order-8", "currency": "USD"}
    assert await shop.refused("/virtual-accounts", body) == (422, "collections.no_issuer")
    body |= {"currency": "NGN", "expires_at": "2020-01-01T00:00:00Z"}
    assert await shop.refused("/virtual-accounts", body) == (400, "collections.malformed")


async def test_an_account_is_suspended_resumed_and_closed(shop: Shop) -> None:
    account = await shop.open()
    path = f"/virtual-accounts/{account['id']}"
    assert await shop.refused(f"{path}/resume", {}) == (409, "collections.wrong_state")
    assert (await shop.client.post(f"{path}/suspend", {}))["status"] == "suspended"
    assert (await shop.client.post(f"{path}/resume", {}))["status"] == "active"
    closed = await shop.client.post(f"{path}/close", {})
    assert (closed["status"], closed["ended_at"] is not None) == ("closed", True)
    assert await shop.refused(f"{path}/suspend", {}) == (409, "collections.wrong_state")


async def test_money_that_waits_is_looked_after_and_placed(shop: Shop) -> None:
    credit, account = await shop.waiting(), await shop.open()
    assert credit["reason"] == "amount_too_small"
    path = f"/credits/{credit['id']}"
    user = "usr_01jd3m8q4vv8k8x2n0c5t7yh6r"
    assert (await shop.client.post(f"{path}/assign", {"user_id": user}))["assigned_to"] == user
    nobody = {"virtual_account_id": "vac_01jd3m8q4vv8k8x2n0c5t7yh6r"}
    assert await shop.refused(f"{path}/place", nobody) == (404, "collections.account_not_found")
    placed = await shop.client.post(f"{path}/place", {"virtual_account_id": account["id"], "note": "their invoice"})
    assert (placed["state"], placed["virtual_account_id"], placed["note"]) == ("placed", account["id"], "their invoice")
    assert (await shop.client.get(f"/virtual-accounts/{account['id']}"))["balance"] == 5_00
    again = {"virtual_account_id": account["id"]}
    assert await shop.refused(f"{path}/place", again) == (409, "collections.wrong_state")


async def test_money_that_waits_goes_back(shop: Shop) -> None:
    credit = await shop.waiting("50.00")
    path = f"/credits/{credit['id']}/return"
    # The provider cuts the payer's number in its answers; nothing can be paid back to that.
    assert await shop.refused(path, {}) == (422, "collections.payer_unknown")
    returned = await shop.client.post(path, {"payee": bank_account(), "note": "not ours"})
    assert (returned["state"], returned["note"]) == ("returning", "not ours")
    payment = await shop.org.detail(returned["payment_id"])
    assert (payment["type"], payment["source"], payment["amount"]) == (
        "CUSTOMER_REFUND",
        "collections:unplaced:NGN",
        50_00,
    )
    assert await shop.refused(path, {"payee": bank_account()}) == (409, "collections.wrong_state")
    await shop.org.rounds(2)
    await shop.org.quiet()
    assert (await shop.org.detail(returned["payment_id"]))["status"] == "CONFIRMED"
    await shop.collector.follow_returns()
    assert (await shop.client.get(f"/credits/{credit['id']}"))["state"] == "returned"
    assert await shop.collector.follow_returns() == 0


async def test_money_that_does_not_reach_the_payee_waits_again(shop: Shop) -> None:
    credit = await shop.waiting("60.00")
    path = f"/credits/{credit['id']}"
    returned = await shop.client.post(f"{path}/return", {"payee": bank_account()})
    await shop.client.post(f"/payments/{returned['payment_id']}/cancel", {})
    await shop.collector.follow_returns()
    waiting = await shop.client.get(path)
    assert (waiting["state"], waiting["reason"]) == ("unplaced", "amount_too_small")
    again = await shop.client.post(f"{path}/return", {"payee": bank_account()})
    assert again["payment_id"] != returned["payment_id"]
    assert parse("pay", again["payment_id"])


async def test_who_may_not_pay_pays_nothing_back(shop: Shop) -> None:
    credit = await shop.waiting("70.00")
    issued = await shop.client.post("/keys", {"name": "clerk", "permissions": ["collections.write"]})
    clerk = Client(shop.client.http, shop.client.tenant_id, shop.client.slug, issued["secret"])
    before = await shop.client.books()
    answer = await clerk.send("POST", f"/credits/{credit['id']}/return", json={"payee": bank_account()})
    assert (answer.status_code, answer.json()["code"]) == (403, "access.permission_missing")
    assert (await shop.client.get(f"/credits/{credit['id']}"))["state"] == "unplaced"
    assert await shop.client.books() == before


async def test_who_may_not_gets_nothing(shop: Shop) -> None:
    issued = await shop.client.post("/keys", {"name": "reader", "permissions": ["collections.read"]})
    reader = Client(shop.client.http, shop.client.tenant_id, shop.client.slug, issued["secret"])
    account = (await reader.get("/virtual-accounts?limit=1"))["items"][0]
    for path in ("/virtual-accounts", f"/virtual-accounts/{account['id']}/close"):
        body = {"owner_id": shop.owner_id, "owner_type": "CUSTOMER", "currency": "NGN"}
        answer = await reader.send("POST", path, json=body if path == "/virtual-accounts" else {})
        assert (answer.status_code, answer.json()["code"]) == (403, "access.permission_missing")

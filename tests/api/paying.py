"""An organisation that pays through the rails of a real sandbox, over HTTP in both directions."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any
from uuid import uuid4

import httpx

from omniroute.api import Services
from omniroute.app.cli_sandbox import Outside
from omniroute.infra.events import Meta
from omniroute.kit.ids import uuid7
from omniroute.money import desk, payments, policies
from omniroute.money.institutions import check_digit
from omniroute.money.policies import Draft
from omniroute.parties.access import Caller
from tests.api.makers import CLOCK, Client, transfer

WALLET = "wallet:payroll"


def nuban(serial: int, bank: str = "058") -> str:
    """An account number with a right check digit."""
    digits = f"{serial:09}"
    return f"{digits}{check_digit(bank, digits)}"


def bank_account(serial: int = 12_345_678, **more: Any) -> dict[str, Any]:
    """A payee at a Nigerian bank."""
    return {"kind": "bank_account", "identifier": nuban(serial), "institution": "058", **more}


def order(reference: str | None = None, **more: Any) -> dict[str, Any]:
    """The body of a payment of 1,500.00 NGN to a bank account."""
    return {
        "reference": reference or f"p-{uuid4()}",
        "type": "SUPPLIER_PAYMENT",
        "amount": 150_000,
        "currency": "NGN",
        "source": WALLET,
        "payee": bank_account(),
        **more,
    }


async def make_payment(client: Client, source: str, code: str = "rail") -> tuple[dict[str, Any], dict[str, Any]]:
    """A connection to a rail that is not there, and a payment that waits to be sent over it."""
    command = {
        "code": code, "name": "Airtel", "rail": "airtel", "currency": "NGN", "endpoint": "http://127.0.0.1:9",
        "public": {"country": "NG", "currency": "NGN", "client_id": "x"}, "secret": {"client_secret": "x", "pin": "1"},
    }  # fmt: skip
    connection = await client.post("/connections", command)
    payee = {"kind": "msisdn", "identifier": "08022345678", "country": "NG"}
    payment = await client.post("/payments", order(amount=100, source=source, payee=payee, connection=code))
    return connection, payment


NEFT = {
    "code": "neft", "name": "NEFT", "rail": "neft", "currency": "NGN", "endpoint": payments.FOLDER,
    "public": {"debtor_name": "Acme Foods", "account": "0102030405", "bank": "000014"}, "secret": {},
}  # fmt: skip
"""A connection to a bank that takes files, exchanged in folders."""


async def make_bank_file(client: Client, source: str, code: str = "neft") -> dict[str, Any]:
    """A file with one order, made at once over a connection of its own, which is not delivered in these tests."""
    connection = await client.post("/connections", NEFT | {"code": code})
    await client.post(
        "/payments", order(amount=100, source=source, payee=bank_account(name="Ada Obi"), connection=code)
    )
    made = await client.post(f"/connections/{connection['id']}/bank-files", {})
    (file,) = made["items"]
    return dict(file)


@dataclass
class Payer:
    """An organisation with 1,000,000.00 NGN in its wallet and a connection to a rail of the sandbox."""

    client: Client
    services: Services
    outside: Outside
    connection: dict[str, Any]
    dispatcher: payments.Dispatcher
    connections: dict[str, dict[str, Any]] = field(default_factory=dict)

    async def pay(self, reference: str | None = None, **more: Any) -> Any:
        """A payment that must be accepted."""
        return await self.client.post("/payments", order(reference, **more))

    async def refused(self, body: dict[str, Any], path: str = "/payments") -> tuple[int, str]:
        """Status and code of a refusal; nothing moved."""
        before = await self.moved()
        answer = await self.client.send("POST", path, json=body)
        assert answer.status_code >= 400, answer.text
        assert await self.moved() == before
        return answer.status_code, answer.json()["code"]

    async def still(self) -> None:
        """Wait until the rails have done what they took, and every call of theirs has arrived."""
        world = self.outside.sandbox.world
        for _ in range(1_200):
            if world.is_still(world.clock.now() + timedelta(minutes=1)):
                return
            await asyncio.sleep(0.05)
        raise AssertionError("the sandbox does not come to rest")

    async def quiet(self) -> None:
        """Wait until nothing moves by itself any more: not at the rails, not on the way, and not here."""
        for _ in range(100):
            await self.still()
            heard = await self.dispatcher.hear()
            begun = await self.dispatcher.send() + await self.dispatcher.ask()
            await self.dispatcher.idle()
            if not heard and not begun:
                return
        raise AssertionError("payments do not come to rest")

    async def moved(self) -> str:
        """Everything that a payment could move, here and at the rail: equal texts mean that nothing did.

        What a rail has taken before is let happen first: it would look like something that the test moved.
        """
        await self.still()
        listed = await self.client.get("/payments?limit=500")
        sandbox = self.outside.sandbox.world
        stands = [(one["id"], one["version"], one["state"]) for one in listed["items"]]
        return await self.client.books() + repr(stands) + repr(len(sandbox.transfers())) + repr(len(sandbox.movements))

    async def rounds(self, times: int = 1) -> None:
        """What a worker does."""
        for _ in range(times):
            await self.dispatcher.recover()
            await self.dispatcher.hear()
            await self.dispatcher.send()
            await self.dispatcher.ask()
            await self.dispatcher.idle()

    async def detail(self, payment_id: str) -> Any:
        """A payment with all that is known of it."""
        return await self.client.get(f"/payments/{payment_id}")

    async def connect(self, rail: str, currency: str, code: str | None = None) -> dict[str, Any]:
        """A connection to a rail of the sandbox."""
        found = next(one for one in self.outside.connections() if (one["rail"], one["currency"]) == (rail, currency))
        body = {
            "code": code or f"{rail}-{currency.lower()}",
            "name": rail,
            "rail": rail,
            "currency": currency,
            "endpoint": found["endpoint"],
            "public": found["public"],
            "secret": found["secret"],
        }
        made: dict[str, Any] = await self.client.post("/connections", body)
        self.connections[made["code"]] = made
        return made


@asynccontextmanager
async def payer(client: Client, services: Services, outside: Outside) -> AsyncIterator[Payer]:
    """A payer in this organisation."""
    for code, kind in (("cash", "asset"), (WALLET, "liability"), ("wallet:other", "liability")):
        body: dict[str, Any] = {"code": code, "name": code, "type": kind, "currency": "NGN"}
        await client.post("/ledger/accounts", body | ({"floor": 0} if kind == "liability" else {}))
    await client.post("/ledger/transactions", transfer("cash", WALLET, 100_000_000))
    assert services.worker_db is not None
    money = services.payments
    dispatcher = payments.Dispatcher(
        services.worker_db,
        money.links,
        clock=services.clock,
        business_day=services.poster.today,
        worker_id="worker-of-tests",
        elsewhere=desk.hear_reversal,
    )
    made = Payer(client, services, outside, {}, dispatcher)
    made.connection = await made.connect("nip", "NGN", "nip")
    try:
        yield made
    finally:
        await dispatcher.close()


async def decide(org: Payer, draft: Draft) -> None:
    """A policy that one person proposed and another one agreed to."""
    tenant_id, now = org.client.tenant_id, CLOCK.now()
    people = [Caller(tenant_id, f"usr_{name}", uuid7(), "user", frozenset()) for name in ("one", "two")]
    async with org.services.db.tx(tenant_id) as tx:
        change = await policies.create_policy(tx, draft, caller=people[0], now=now, meta=Meta())
        await policies.approve_change(tx, change.change_id, caller=people[1], now=now, meta=Meta())
    org.services.payments.rulebooks.forget(tenant_id)


async def call_in(http: httpx.AsyncClient, method: str, path: str, content: bytes, **headers: str) -> httpx.Response:
    """A call as a rail makes it: no credentials, a body of its own form."""
    return await http.request(method, path, content=content, headers={"content-type": "application/json", **headers})

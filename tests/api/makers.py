"""Callers, organisations and accounts for the tests of the REST door."""

import json
from dataclasses import dataclass
from datetime import date
from typing import Any
from uuid import UUID, uuid4

import httpx

from omniroute.api import Services
from omniroute.infra.events import Meta
from omniroute.kit.clock import SystemClock
from omniroute.parties import access, tenants

CLOCK = SystemClock()


@dataclass
class Client:
    """One caller of one organisation."""

    http: httpx.AsyncClient
    tenant_id: UUID
    slug: str
    secret: str

    async def send(self, method: str, path: str, *, key: str | None = None, **options: Any) -> httpx.Response:
        """A request with credentials; POST gets a fresh idempotency key unless told otherwise."""
        headers = {"authorization": f"Bearer {self.secret}", **options.pop("headers", {})}
        if method == "POST":
            headers["idempotency-key"] = key or str(uuid4())
        return await self.http.request(method, f"/v1/{self.slug}{path}", headers=headers, **options)

    async def get(self, path: str, **options: Any) -> Any:
        """The JSON of a read that must succeed."""
        response = await self.send("GET", path, **options)
        assert response.status_code == 200, response.text
        return response.json()

    async def post(self, path: str, body: object, **options: Any) -> Any:
        """The JSON of a write that must succeed."""
        response = await self.send("POST", path, json=body, **options)
        assert response.status_code in (200, 201), response.text
        return response.json()

    async def books(self) -> str:
        """Everything that money did here, as text: equal texts mean that nothing moved."""
        balances = [
            await self.get(f"/ledger/accounts/{account['id']}/balance")
            for account in (await self.get("/ledger/accounts?limit=500"))["items"]
        ]
        moved = await self.get("/ledger/transactions?limit=500")
        return json.dumps([balances, moved])


@dataclass
class Makers:
    """Makes organisations with a key that may do everything."""

    services: Services
    http: httpx.AsyncClient
    platform: access.Caller

    async def organisation(self, slug: str) -> Client:
        """A new organisation and a caller with every permission of it."""
        now = CLOCK.now()
        command = tenants.CreateOrganisation(slug, slug, "NG", "NGN", "Africa/Lagos")
        async with self.services.db.tx(tenants.PLATFORM_ID) as tx:
            made = await tenants.create_organisation(tx, command, caller=self.platform, now=now, meta=Meta())
        everything = frozenset(map(str, access.Permission)) - frozenset(map(str, access.PLATFORM_PERMISSIONS))
        root = access.Caller(made.id, "key_root", made.id, "api_key", everything, organisation_slug=slug)
        async with self.services.db.tx(made.id) as tx:
            key = access.CreateKey("root", everything)
            issued = await access.create_key(tx, key, caller=root, now=now, meta=Meta())
        return Client(self.http, made.id, slug, issued.secret.text)


async def open_accounts(client: Client, *codes: str, floor: int | None = None) -> None:
    """Accounts in NGN: `cash...` are assets, the others liabilities."""
    for code in codes:
        kind = "asset" if code.startswith("cash") else "liability"
        body: dict[str, Any] = {"code": code, "name": code, "type": kind, "currency": "NGN"}
        if kind == "liability":
            body["floor"] = floor
        await client.post("/ledger/accounts", body)


def transfer(debit: str, credit: str, amount: object, **more: object) -> dict[str, Any]:
    """The body of a posting with two legs."""
    leg = {"amount": amount, "currency": "NGN"}
    return {"legs": [{"account": debit, "side": "debit", **leg}, {"account": credit, "side": "credit", **leg}], **more}


def today() -> date:
    """The business day of the tests."""
    return CLOCK.now().date()

"""Makes one more thing of each list of the document, for the tests that need some of everything."""

from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass, field
from datetime import date, timedelta
from itertools import count
from typing import Any
from uuid import UUID

from omniroute.api import openapi_document
from omniroute.infra.events import Meta
from omniroute.kit.ids import parse, show, uuid7
from omniroute.money import atc
from tests.api.hooks import make_delivery, make_webhook
from tests.api.makers import CLOCK, Client, Makers, transfer
from tests.api.paying import make_bank_file
from tests.api.reconciling import propose_match, reconcile, write_line
from tests.api.settling import make_settlement

LISTS = {
    page["operationId"]: (path.removeprefix("/v1/{tenant}"), {p["name"]: p for p in page["parameters"]})
    for path, methods in openapi_document()["paths"].items()
    for method, page in methods.items()
    if method == "get"
}
SORTED = {name: one for name, one in LISTS.items() if "sort" in one[1]}
NAMES = ("mill", "depot", "mill", "shop", "depot")  # Equal ones are told apart by their ids.
PASSWORD = "correct horse battery staple"


@dataclass
class Things:
    """Makes one more thing of each list, none like another but for its name."""

    makers: Makers
    client: Client
    numbers: Iterator[int] = field(default_factory=lambda: count(100))
    webhook: str = ""
    batch: str = ""
    schedule: str = ""
    issuer: str = ""

    async def path(self, name: str) -> str:
        """Where the list is; what it stands below is made the first time."""
        path: str = SORTED[name][0]
        if "{batch}" in path and not self.batch:
            self.batch = await self.payment_batches(next(self.numbers), "lines")
        if "{schedule}" in path and not self.schedule:
            self.schedule = await self.schedules(next(self.numbers), "occurrences")
        return path.format(batch=self.batch, schedule=self.schedule)

    async def make(self, name: str) -> None:
        """One more item of this list."""
        number = next(self.numbers)
        make: Callable[[int, str], Awaitable[object]] = getattr(self, name.removeprefix("list_"))
        await make(number, NAMES[number % len(NAMES)])

    async def branches(self, number: int, name: str) -> None:
        await self.client.post("/branches", {"code": f"b{number}", "name": name})

    async def partners(self, number: int, name: str) -> str:
        body = {"code": f"r{number}", "kind": "RETAILER", "name": name}
        made: str = (await self.client.post("/partners", body))["id"]
        return made

    async def atc_grants(self, number: int, name: str) -> str:
        grantor, grantee = await self.partners(number, name), await self.partners(next(self.numbers), name)
        body = {
            "grantor_id": grantor, "grantee_id": grantee, "scope": "PRODUCT_CATEGORY", "reference": f"atc-{number}",
            "scope_config": [{"scope_type": "PRODUCT_CATEGORY", "scope_values": [name]}], "collection_type": "CASH",
            "currency": "NGN", "commission_type": "TIERED_PERCENTAGE", "settlement_frequency": "DAILY",
            "commission_tiers": [{"min_amount": 0, "commission_rate_ppm": 25_000}],
            "settlement_account": {"kind": "msisdn", "identifier": "08022345678", "country": "NG"},
        }  # fmt: skip
        made: str = (await self.client.post("/atc-grants", body))["id"]
        return made

    async def settlements(self, number: int, name: str) -> None:
        grantor, grantee = [parse("ptn", await self.partners(next(self.numbers), name)) for _ in range(2)]
        db, tenant_id = self.makers.services.db, self.client.tenant_id
        await make_settlement(db, tenant_id, grantor, grantee, mark=f"stl-{number}", now=CLOCK.now())

    remittances = settlements

    async def atc_collections(self, number: int, name: str) -> None:
        granted, payer = await self.atc_grants(number, name), await self.partners(next(self.numbers), name)
        async with self.makers.services.db.tx(self.client.tenant_id) as tx:
            grant_id = parse("atc", granted)
            await atc.approve_grant(tx, grant_id, actor="usr_checker", now=CLOCK.now(), meta=Meta())
        body = {
            "atc_grant_id": granted, "collected_from_id": payer, "collection_method": "CASH", "amount": 500,
            "product_categories": [name], "reference": f"col-{number}",
        }  # fmt: skip
        await self.client.post("/atc-collections", body)

    async def virtual_accounts(self, number: int, name: str) -> str:
        if not self.issuer:
            self.issuer = f"c{number}"
            body = {
                "code": self.issuer, "name": name, "rail": "monnify", "currency": "NGN", "endpoint": "http://127.0.0.1:9",
                "public": {"contract_code": "1"}, "secret": {"api_key": "x", "secret_key": "x"},
            }  # fmt: skip
            await self.client.post("/connections", body)
        owner = {"code": f"v{number}", "kind": "CUSTOMER", "name": name, "email": "nkechi@stores.example"}
        body = {
            "owner_id": (await self.client.post("/partners", owner))["id"], "owner_type": "CUSTOMER", "currency": "NGN",
            "connection": self.issuer, "account_name": name,
        }  # fmt: skip
        made: str = (await self.client.post("/virtual-accounts", body))["id"]
        return made

    async def credits(self, number: int, name: str) -> None:
        account_id, now = parse("vac", await self.virtual_accounts(number, name)), CLOCK.now()
        assert self.makers.services.worker_db is not None
        async with self.makers.services.worker_db.tx(self.client.tenant_id) as tx:
            await tx.connection.execute(
                "INSERT INTO virtual_account_credit (tenant_id, credit_id, connection_id, provider_credit_id, our_ref,"
                " amount_minor, fee_minor, currency, paid_at, received_at, transaction_id, state, reason, updated_at)"
                " SELECT tenant_id, %s, connection_id, %s, our_ref, %s, 0, 'NGN', %s, %s, %s, 'unplaced', %s, %s"
                " FROM virtual_account WHERE tenant_id = %s AND virtual_account_id = %s",
                [uuid7(), f"k{number}", number, now, now, uuid7(), name, now, tx.tenant, account_id],
            )
            await tx.connection.execute(
                "INSERT INTO collection_hint (tenant_id, connection_id, provider_credit_id, ask_at, heard_at,"
                " updated_at) SELECT tenant_id, connection_id, provider_credit_id, %s, %s, %s"
                " FROM virtual_account_credit WHERE tenant_id = %s AND provider_credit_id = %s",
                [now, now, now, tx.tenant, f"k{number}"],
            )
            await tx.connection.execute(
                "INSERT INTO collection_cursor (tenant_id, connection_id, fetched_until, fetch_at)"
                " SELECT tenant_id, connection_id, %s, %s FROM virtual_account"
                " WHERE tenant_id = %s AND virtual_account_id = %s ON CONFLICT DO NOTHING",
                [now, now, tx.tenant, account_id],
            )

    async def applications(self, number: int, name: str) -> None:
        await self.client.post("/applications", {"code": f"a{number}", "name": name, "kind": "pos"})

    async def links(self, number: int, name: str) -> None:
        # The slugs do not come in the order of the requests.
        peer = await self.makers.organisation(f"{name}-{number}")
        await self.client.post("/links", {"organisation": peer.slug, "relation": "partner"})

    async def keys(self, number: int, name: str) -> None:
        await self.client.post("/keys", {"name": name, "permissions": ["ledger.read"]})

    async def invitations(self, number: int, name: str) -> str:
        role = next(one["id"] for one in (await self.client.get("/roles?limit=500"))["items"] if one["name"] == "user")
        until = (CLOCK.now() + timedelta(days=number % 3 + 1)).replace(hour=0, minute=0, second=0, microsecond=0)
        body = {"email": f"{name}.{number}@example.com", "role_ids": [role], "expires_at": until.isoformat()}
        token: str = (await self.client.post("/invitations", body))["token"]
        return token

    async def people(self, number: int, name: str) -> None:
        body = {"token": await self.invitations(number, name), "password": PASSWORD, "name": name}
        accepted = await self.client.http.post("/v1/invitations/accept", json=body)
        assert accepted.status_code == 201, accepted.text

    async def roles(self, number: int, name: str) -> str:
        body = {"name": f"{name}_{number}", "description": name, "permissions": ["ledger.read"]}
        role: str = (await self.client.post("/roles", body))["id"]
        return role

    async def grants(self, number: int, name: str) -> None:
        key = await self.client.post("/keys", {"name": name, "permissions": ["ledger.read"]})
        await self.client.post("/grants", {"role_id": await self.roles(number, name), "key_id": key["key"]["id"]})

    async def providers(self, number: int, name: str) -> None:
        issuer = f"https://id{number}.example.com"
        body = {"name": name, "issuer": issuer, "audience": "omniroute", "jwks_uri": issuer + "/keys"}
        await self.client.post("/identity-providers", body)

    async def accounts(self, number: int, name: str) -> None:
        body = {"code": f"wallet:{number}", "name": name, "type": "liability", "currency": "NGN"}
        await self.client.post("/ledger/accounts", body)

    async def transactions(self, number: int, name: str) -> None:
        await self.client.post("/ledger/transactions", transfer("cash", "till", 5))

    async def holds(self, number: int, name: str) -> None:
        await self.client.post("/ledger/holds", transfer("cash", "till", 5))

    async def periods(self, number: int, name: str) -> None:
        body = {"name": f"{name} {number}", "starts_on": f"{number + 1900}-01-01", "ends_on": f"{number + 1900}-12-31"}
        await self.client.post("/ledger/periods", body)

    async def rates(self, number: int, name: str) -> None:
        from_ = f"2026-01-0{number % 3 + 1}T00:00:00Z"
        body = {"base": "USD", "quote": "NGN", "rate": str(number), "valid_from": from_, "source": name}
        await self.client.post("/ledger/rates", body)

    async def payment_policies(self, number: int, name: str) -> None:
        fee = {"name": f"{name} {number}", "position": number % 3, "when": {"currency": "NGN"}, "fee": {"flat": 0}}
        await self.client.post("/payment-policies", fee)

    async def payment_policy_changes(self, number: int, name: str) -> None:
        await self.payment_policies(number, name)

    async def connections(self, number: int, name: str) -> str:
        body = {
            "code": f"c{number}", "name": name, "rail": "airtel", "currency": "NGN", "endpoint": "http://127.0.0.1:9",
            "public": {"country": "NG", "currency": "NGN", "client_id": "x"},
            "secret": {"client_secret": "x", "pin": "1"},
        }  # fmt: skip
        made: str = (await self.client.post("/connections", body))["id"]
        return made

    async def payments(self, number: int, name: str) -> dict[str, Any]:
        await self.connections(number, name)
        payee = {"kind": "msisdn", "identifier": "08022345678", "country": "NG"}
        body = {
            "reference": f"p{number}", "type": "WORKER_PAYOUT", "amount": 5, "currency": "NGN", "source": "till",
            "payee": payee, "connection": f"c{number}",
        }  # fmt: skip
        made: dict[str, Any] = await self.client.post("/payments", body)
        return made

    async def unknown(self, number: int, name: str) -> UUID:
        payment = await self.payments(number, name)
        attempt_id, now = uuid7(), CLOCK.now()
        async with self.makers.services.db.tx(self.client.tenant_id) as tx:
            await tx.connection.execute(
                "INSERT INTO payment_attempt (tenant_id, attempt_id, payment_id, number, rail, connection_id, our_ref,"
                " state, claimed_by, lease_until, sent_at, next_query_at, created_at, updated_at)"
                " VALUES (%s, %s, %s, 1, 'airtel', %s, %s, 'unknown', 'w', %s, %s, %s, %s, %s)",
                [
                    tx.tenant, attempt_id, parse("pay", payment["id"]), parse("con", payment["connection_id"]),
                    f"r{number}", now, now, now, now, now,
                ],
            )  # fmt: skip
        return attempt_id

    async def exceptions(self, number: int, name: str) -> None:
        payment_id = parse("pay", (await self.payments(number, name))["id"])
        async with self.makers.services.db.tx(self.client.tenant_id) as tx:
            await tx.connection.execute(
                "INSERT INTO payment_exception (tenant_id, exception_id, payment_id, kind, detail, opened_at)"
                " VALUES (%s, %s, %s, 'late_success', '{}', %s)",
                [tx.tenant, uuid7(), payment_id, CLOCK.now()],
            )

    async def provider_events(self, number: int, name: str) -> None:
        connection = await self.connections(number, name)
        query = {"organisation": show("org", self.client.tenant_id), "connection": connection}
        answer = await self.client.http.post("/webhooks/mobile-money/callback", params=query, content=name)
        assert answer.status_code == 200, answer.text

    async def reconciliation_runs(self, number: int, name: str) -> None:
        await reconcile(self.client, await self.connections(number, name))

    async def reconciliation_matches(self, number: int, name: str) -> None:
        assert self.makers.services.worker_db is not None
        connection = await self.connections(number, name)
        await propose_match(self.client, self.makers.services.worker_db, connection)

    async def reconciliation_exceptions(self, number: int, name: str) -> None:
        assert self.makers.services.worker_db is not None
        connection = await self.connections(number, name)
        await write_line(self.client, self.makers.services.worker_db, connection, number, name)
        await reconcile(self.client, connection)

    async def bank_files(self, number: int, name: str) -> None:
        await make_bank_file(self.client, "till", f"n{number}")

    async def payment_batches(self, number: int, name: str) -> str:
        content = f"reference,amount,identifier,payee_kind,type\nl{number},10.00,cash,ledger,INTERNAL_TRANSFER"
        answer = await self.client.send(
            "POST", "/payment-batches?source=till&currency=NGN", content=content.encode(),
            headers={"content-type": "text/csv"},
        )  # fmt: skip
        assert answer.status_code in (201, 202), answer.text
        made: str = answer.json()["id"]
        return made

    async def payment_batch_lines(self, number: int, name: str) -> None:
        await self.path("list_payment_batch_lines")
        async with self.makers.services.db.tx(self.client.tenant_id) as tx:
            await tx.connection.execute(
                "INSERT INTO payment_batch_line (tenant_id, batch_id, line_number, state, reference, type, payee)"
                " VALUES (%s, %s, %s, 'received', %s, 'WORKER_PAYOUT', '{}')",
                [tx.tenant, parse("bat", self.batch), number, f"line-{number}"],
            )

    async def schedules(self, number: int, name: str) -> str:
        payee = {"kind": "msisdn", "identifier": "08022345678", "country": "NG"}
        rule = {"frequency": "monthly", "start_on": "2040-01-31", "at": "09:00", "day_of_month": 31}
        body = {
            "reference": f"s{number}", "type": "SUPPLIER_PAYMENT", "currency": "NGN", "source": "till",
            "payee": payee, "recurrence": rule, "amount": 5,
        }  # fmt: skip
        made: str = (await self.client.post("/payment-schedules", body))["id"]
        return made

    async def occurrences(self, number: int, name: str) -> None:
        await self.path("list_occurrences")
        assert self.makers.services.worker_db is not None
        now, on = CLOCK.now(), date(2030, 1, 1) + timedelta(days=number)
        async with self.makers.services.worker_db.tx(self.client.tenant_id) as tx:
            await tx.connection.execute(
                "INSERT INTO payment_occurrence (tenant_id, schedule_id, number, nominal_on, due_on, due_at, reference,"
                " state, reason, created_at, updated_at) VALUES (%s, %s, %s, %s, %s, %s, %s, 'skipped', %s, %s, %s)",
                [tx.tenant, parse("sch", self.schedule), number, on, on, now, f"o{number}", name, now, now],
            )

    async def approval_requests(self, number: int, name: str) -> None:
        attempt_id = await self.unknown(number, name)
        (listed,) = (await self.client.get(f"/payments?reference=p{number}"))["items"]
        body = {"attempt_id": show("att", attempt_id), "paid": False, "evidence": "Nothing arrived."}
        await self.client.post(f"/payments/{listed['id']}/manual-outcome", body)

    async def webhooks(self, number: int, name: str) -> str:
        made: str = (await make_webhook(self.client, description=name))["id"]
        return made

    async def webhook_deliveries(self, number: int, name: str) -> None:
        if not self.webhook:
            self.webhook = await self.webhooks(number, name)
        assert self.makers.services.worker_db is not None
        await make_delivery(self.client, self.makers.services.worker_db, self.webhook)

    async def reversal(self) -> str:
        """A request that a rail give a payment back, of the first approval request there is."""
        request = (await self.client.get("/approval-requests?limit=1"))["items"][0]
        reversal_id, now = uuid7(), CLOCK.now()
        assert self.makers.services.worker_db is not None
        async with self.makers.services.worker_db.tx(self.client.tenant_id) as tx:
            await tx.connection.execute(
                "INSERT INTO payment_reversal (tenant_id, reversal_id, payment_id, attempt_id, connection_id, rail,"
                " request_id, rail_ref, state, send_after, created_at, updated_at)"
                " SELECT tenant_id, %s, payment_id, attempt_id, connection_id, rail, %s, our_ref, 'created', %s, %s, %s"
                " FROM payment_attempt WHERE tenant_id = %s AND payment_id = %s LIMIT 1",
                [
                    reversal_id,
                    parse("apr", request["id"]),
                    now,
                    now,
                    now,
                    tx.tenant,
                    parse("pay", request["payment_id"]),
                ],
            )
        return show("rev", reversal_id)

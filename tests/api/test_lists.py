"""Every list of the document, in every order it names: each item once, in order, also while others come."""

from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from itertools import count
from typing import Any
from uuid import UUID

import pytest

from omniroute.api import openapi_document
from omniroute.kit.ids import parse, show, uuid7
from tests.api.hooks import make_delivery, make_webhook
from tests.api.makers import CLOCK, Client, Makers, open_accounts, transfer
from tests.api.paying import make_bank_file

LISTS = {
    page["operationId"]: (path.removeprefix("/v1/{tenant}"), {p["name"]: p for p in page["parameters"]})
    for path, methods in openapi_document()["paths"].items()
    for method, page in methods.items()
    if method == "get"
}
SORTED = {name: one for name, one in LISTS.items() if "sort" in one[1]}
CASES = [(name, sort) for name, (_, given) in SORTED.items() for sort in given["sort"]["schema"]["enum"]]
# Their order is what they mean: what happened, one after the other; and balances, each after the line before.
IN_THEIR_OWN_ORDER = {"list_events", "get_statement", "get_general_ledger", "get_rail_statement"}
NAMES = ("mill", "depot", "mill", "shop", "depot")  # Equal ones are told apart by their ids.
FILTERS = {
    "status": None,
    "state": None,
    "kind": None,
    "act": None,
    "prefix": "w",
    "account": "cash",
    "base": "USD",
    "booked_from": "2020-01-01T00:00:00Z",
    "open": "true",
}
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

    async def path(self, name: str) -> str:
        """Where the list is; what it stands below is made the first time."""
        path: str = SORTED[name][0]
        if "{batch}" in path and not self.batch:
            self.batch = await self._payment_batches(next(self.numbers), "lines")
        if "{schedule}" in path and not self.schedule:
            self.schedule = await self._schedules(next(self.numbers), "occurrences")
        return path.format(batch=self.batch, schedule=self.schedule)

    async def make(self, name: str) -> None:
        """One more item of this list."""
        number = next(self.numbers)
        make: Callable[[int, str], Awaitable[object]] = getattr(self, name.replace("list_", "_"))
        await make(number, NAMES[number % len(NAMES)])

    async def _branches(self, number: int, name: str) -> None:
        await self.client.post("/branches", {"code": f"b{number}", "name": name})

    async def _applications(self, number: int, name: str) -> None:
        await self.client.post("/applications", {"code": f"a{number}", "name": name, "kind": "pos"})

    async def _links(self, number: int, name: str) -> None:
        # The slugs do not come in the order of the requests.
        peer = await self.makers.organisation(f"{name}-{number}")
        await self.client.post("/links", {"organisation": peer.slug, "relation": "partner"})

    async def _keys(self, number: int, name: str) -> None:
        await self.client.post("/keys", {"name": name, "permissions": ["ledger.read"]})

    async def _invitations(self, number: int, name: str) -> str:
        role = next(one["id"] for one in (await self.client.get("/roles?limit=500"))["items"] if one["name"] == "user")
        until = (CLOCK.now() + timedelta(days=number % 3 + 1)).replace(hour=0, minute=0, second=0, microsecond=0)
        body = {"email": f"{name}.{number}@example.com", "role_ids": [role], "expires_at": until.isoformat()}
        token: str = (await self.client.post("/invitations", body))["token"]
        return token

    async def _people(self, number: int, name: str) -> None:
        body = {"token": await self._invitations(number, name), "password": PASSWORD, "name": name}
        accepted = await self.client.http.post("/v1/invitations/accept", json=body)
        assert accepted.status_code == 201, accepted.text

    async def _roles(self, number: int, name: str) -> str:
        body = {"name": f"{name}_{number}", "description": name, "permissions": ["ledger.read"]}
        role: str = (await self.client.post("/roles", body))["id"]
        return role

    async def _grants(self, number: int, name: str) -> None:
        key = await self.client.post("/keys", {"name": name, "permissions": ["ledger.read"]})
        await self.client.post("/grants", {"role_id": await self._roles(number, name), "key_id": key["key"]["id"]})

    async def _providers(self, number: int, name: str) -> None:
        issuer = f"https://id{number}.example.com"
        body = {"name": name, "issuer": issuer, "audience": "omniroute", "jwks_uri": issuer + "/keys"}
        await self.client.post("/identity-providers", body)

    async def _accounts(self, number: int, name: str) -> None:
        body = {"code": f"wallet:{number}", "name": name, "type": "liability", "currency": "NGN"}
        await self.client.post("/ledger/accounts", body)

    async def _transactions(self, number: int, name: str) -> None:
        await self.client.post("/ledger/transactions", transfer("cash", "till", 5))

    async def _holds(self, number: int, name: str) -> None:
        await self.client.post("/ledger/holds", transfer("cash", "till", 5))

    async def _periods(self, number: int, name: str) -> None:
        body = {"name": f"{name} {number}", "starts_on": f"{number + 1900}-01-01", "ends_on": f"{number + 1900}-12-31"}
        await self.client.post("/ledger/periods", body)

    async def _rates(self, number: int, name: str) -> None:
        from_ = f"2026-01-0{number % 3 + 1}T00:00:00Z"
        body = {"base": "USD", "quote": "NGN", "rate": str(number), "valid_from": from_, "source": name}
        await self.client.post("/ledger/rates", body)

    async def _payment_policies(self, number: int, name: str) -> None:
        fee = {"name": f"{name} {number}", "position": number % 3, "when": {"currency": "NGN"}, "fee": {"flat": 0}}
        await self.client.post("/payment-policies", fee)

    async def _payment_policy_changes(self, number: int, name: str) -> None:
        await self._payment_policies(number, name)

    async def _connections(self, number: int, name: str) -> str:
        body = {
            "code": f"c{number}", "name": name, "rail": "airtel", "currency": "NGN", "endpoint": "http://127.0.0.1:9",
            "public": {"country": "NG", "currency": "NGN", "client_id": "x"},
            "secret": {"client_secret": "x", "pin": "1"},
        }  # fmt: skip
        made: str = (await self.client.post("/connections", body))["id"]
        return made

    async def _payments(self, number: int, name: str) -> dict[str, Any]:
        await self._connections(number, name)
        payee = {"kind": "msisdn", "identifier": "08022345678", "country": "NG"}
        body = {
            "reference": f"p{number}", "type": "WORKER_PAYOUT", "amount": 5, "currency": "NGN", "source": "till",
            "payee": payee, "connection": f"c{number}",
        }  # fmt: skip
        made: dict[str, Any] = await self.client.post("/payments", body)
        return made

    async def _unknown(self, number: int, name: str) -> UUID:
        payment = await self._payments(number, name)
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

    async def _exceptions(self, number: int, name: str) -> None:
        payment_id = parse("pay", (await self._payments(number, name))["id"])
        async with self.makers.services.db.tx(self.client.tenant_id) as tx:
            await tx.connection.execute(
                "INSERT INTO payment_exception (tenant_id, exception_id, payment_id, kind, detail, opened_at)"
                " VALUES (%s, %s, %s, 'late_success', '{}', %s)",
                [tx.tenant, uuid7(), payment_id, CLOCK.now()],
            )

    async def _provider_events(self, number: int, name: str) -> None:
        connection = await self._connections(number, name)
        query = {"organisation": show("org", self.client.tenant_id), "connection": connection}
        answer = await self.client.http.post("/webhooks/mobile-money/callback", params=query, content=name)
        assert answer.status_code == 200, answer.text

    async def _bank_files(self, number: int, name: str) -> None:
        await make_bank_file(self.client, "till", f"n{number}")

    async def _payment_batches(self, number: int, name: str) -> str:
        content = f"reference,amount,identifier,payee_kind,type\nl{number},10.00,cash,ledger,INTERNAL_TRANSFER"
        answer = await self.client.send(
            "POST", "/payment-batches?source=till&currency=NGN", content=content.encode(),
            headers={"content-type": "text/csv"},
        )  # fmt: skip
        assert answer.status_code in (201, 202), answer.text
        made: str = answer.json()["id"]
        return made

    async def _payment_batch_lines(self, number: int, name: str) -> None:
        await self.path("list_payment_batch_lines")
        async with self.makers.services.db.tx(self.client.tenant_id) as tx:
            await tx.connection.execute(
                "INSERT INTO payment_batch_line (tenant_id, batch_id, line_number, state, reference, type, payee)"
                " VALUES (%s, %s, %s, 'received', %s, 'WORKER_PAYOUT', '{}')",
                [tx.tenant, parse("bat", self.batch), number, f"line-{number}"],
            )

    async def _schedules(self, number: int, name: str) -> str:
        payee = {"kind": "msisdn", "identifier": "08022345678", "country": "NG"}
        rule = {"frequency": "monthly", "start_on": "2040-01-31", "at": "09:00", "day_of_month": 31}
        body = {
            "reference": f"s{number}", "type": "SUPPLIER_PAYMENT", "currency": "NGN", "source": "till",
            "payee": payee, "recurrence": rule, "amount": 5,
        }  # fmt: skip
        made: str = (await self.client.post("/payment-schedules", body))["id"]
        return made

    async def _occurrences(self, number: int, name: str) -> None:
        await self.path("list_occurrences")
        assert self.makers.services.worker_db is not None
        now, on = CLOCK.now(), date(2030, 1, 1) + timedelta(days=number)
        async with self.makers.services.worker_db.tx(self.client.tenant_id) as tx:
            await tx.connection.execute(
                "INSERT INTO payment_occurrence (tenant_id, schedule_id, number, nominal_on, due_on, due_at, reference,"
                " state, reason, created_at, updated_at) VALUES (%s, %s, %s, %s, %s, %s, %s, 'skipped', %s, %s, %s)",
                [tx.tenant, parse("sch", self.schedule), number, on, on, now, f"o{number}", name, now, now],
            )

    async def _approval_requests(self, number: int, name: str) -> None:
        attempt_id = await self._unknown(number, name)
        (listed,) = (await self.client.get(f"/payments?reference=p{number}"))["items"]
        body = {"attempt_id": show("att", attempt_id), "paid": False, "evidence": "Nothing arrived."}
        await self.client.post(f"/payments/{listed['id']}/manual-outcome", body)

    async def _webhooks(self, number: int, name: str) -> str:
        made: str = (await make_webhook(self.client, description=name))["id"]
        return made

    async def _webhook_deliveries(self, number: int, name: str) -> None:
        if not self.webhook:
            self.webhook = await self._webhooks(number, name)
        assert self.makers.services.worker_db is not None
        await make_delivery(self.client, self.makers.services.worker_db, self.webhook)


@pytest.fixture(scope="module")
async def things(makers: Makers) -> Things:
    """An organisation with five things in each list."""
    found = Things(makers, await makers.organisation("lists"))
    await open_accounts(found.client, "cash", "till")
    for name in SORTED:
        for _ in range(5):
            await found.make(name)
    return found


def _key(item: dict[str, Any], sort: str) -> tuple[Any, str]:
    """Where an item stands, by what is shown of it."""
    name = sort.removeprefix("-")
    value = item[name]
    if name == "id":
        value = value[4:]
    elif name.endswith("_at") or name == "valid_from":
        value = datetime.fromisoformat(value)
    return value, item.get("id", "")[4:]


def _name(item: dict[str, Any]) -> Any:
    """What tells an item from the others: its id, or its number below what it belongs to."""
    return next(item[name] for name in ("id", "line_number", "number") if name in item)


def test_every_list_names_its_orders() -> None:
    paged = {name for name, (_, given) in LISTS.items() if "cursor" in given}
    assert paged - SORTED.keys() == IN_THEIR_OWN_ORDER
    for _, given in SORTED.values():
        sorts = given["sort"]["schema"]["enum"]
        assert given["sort"]["schema"]["default"] == sorts[0]
        assert {sort.removeprefix("-") for sort in sorts} == {sort for sort in sorts if not sort.startswith("-")}
        assert len(sorts) == 2 * len({sort.removeprefix("-") for sort in sorts})


@pytest.mark.parametrize(("name", "sort"), CASES, ids=[f"{name}:{sort}" for name, sort in CASES])
async def test_a_walk_meets_each_item_once_and_in_order(things: Things, name: str, sort: str) -> None:
    path = await things.path(name)
    everything = await things.client.get(path, params={"sort": sort, "limit": "500"})
    assert everything["next_cursor"] is None
    before = [_name(item) for item in everything["items"]]
    assert len(before) >= 5
    assert everything["items"] == sorted(
        everything["items"], key=lambda item: _key(item, sort), reverse=sort.startswith("-")
    )

    seen: list[dict[str, Any]] = []
    cursor, pages = None, 0
    while pages == 0 or cursor is not None:
        asked = {"sort": sort, "limit": "2"} | ({"cursor": cursor} if cursor else {})
        page = await things.client.get(path, params=asked)
        seen += page["items"]
        cursor, pages = page["next_cursor"], pages + 1
        assert len(page["items"]) == 2 or cursor is None
        if pages <= 2:
            await things.make(name)

    ids = [_name(item) for item in seen]
    assert len(set(ids)) == len(ids)
    assert [one for one in ids if one in set(before)] == before
    keys = [_key(item, sort) for item in seen]
    assert keys == sorted(keys, reverse=sort.startswith("-"))


@pytest.mark.parametrize("name", SORTED)
async def test_the_usual_order_is_the_first(things: Things, name: str) -> None:
    path, given = await things.path(name), SORTED[name][1]
    usual = given["sort"]["schema"]["default"]
    found = [await things.client.get(path, params=params) for params in ({}, {"sort": usual})]
    # What is unknown shows its age, which goes on between the two.
    first, second = ([_name(item) for item in page["items"]] for page in found)
    assert first == second


@pytest.mark.parametrize("name", SORTED)
async def test_an_unknown_order_is_refused(things: Things, name: str) -> None:
    path, given = await things.path(name), SORTED[name][1]
    for wrong in ("colour", "-", "--" + given["sort"]["schema"]["enum"][0], "id; DROP TABLE branch", "tenant_id"):
        answer = await things.client.send("GET", path, params={"sort": wrong})
        assert (answer.status_code, answer.json()["code"]) == (400, "kit.unknown_sort")
        assert answer.json()["allowed"] == given["sort"]["schema"]["enum"]


@pytest.mark.parametrize("name", SORTED)
async def test_a_cursor_goes_on_only_where_it_was_made(things: Things, name: str) -> None:
    path, given = await things.path(name), SORTED[name][1]
    usual, other, *_ = given["sort"]["schema"]["enum"]
    cursor = (await things.client.get(path, params={"limit": "2"}))["next_cursor"]

    assert len((await things.client.get(path, params={"limit": "1", "cursor": cursor, "sort": usual}))["items"]) == 1
    foreign = [{"sort": other}]
    for parameter in FILTERS.keys() & given.keys():
        choices = given[parameter]["schema"].get("enum", [FILTERS[parameter]])
        foreign.append({parameter: choices[0]})
    for more in foreign:
        answer = await things.client.send("GET", path, params={"cursor": cursor, **more})
        assert (answer.status_code, answer.json()["code"]) == (400, "kit.foreign_cursor"), more
    for elsewhere in SORTED.keys() - {name}:
        answer = await things.client.send("GET", await things.path(elsewhere), params={"cursor": cursor})
        assert (answer.status_code, answer.json()["code"]) == (400, "kit.foreign_cursor")


@pytest.mark.parametrize("name", ["list_payment_batch_lines", "list_occurrences"])
async def test_a_cursor_does_not_go_on_below_something_else(things: Things, name: str) -> None:
    path = await things.path(name)
    cursor = (await things.client.get(path, params={"limit": "2"}))["next_cursor"]
    make, mine = (things._payment_batches, things.batch) if "lines" in name else (things._schedules, things.schedule)
    other = await make(next(things.numbers), "other")
    answer = await things.client.send("GET", path.replace(mine, other), params={"cursor": cursor})
    assert (answer.status_code, answer.json()["code"]) == (400, "kit.foreign_cursor")

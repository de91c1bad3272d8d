"""Organisation A and the ids of organisation B, on every address of the document: 404, and nothing changes."""

import re
from typing import Any

import pytest

from omniroute.api import openapi_document
from omniroute.infra.postgres import Database
from omniroute.kit.ids import show
from tests.api.hooks import make_delivery, make_webhook
from tests.api.makers import Client, open_accounts, transfer
from tests.api.paying import make_bank_file, make_payment

DOCUMENT = openapi_document()
OPERATIONS = [
    (method.upper(), path, page)
    for path, methods in DOCUMENT["paths"].items()
    for method, page in methods.items()
    if path.startswith("/v1/{tenant}/")
]


@pytest.fixture(scope="module")
async def theirs(b: Client, worker_db: Database) -> dict[str, str]:
    """Ids of things of B, by path parameter."""
    await open_accounts(b, "cash", "wallet")
    branch = await b.post("/branches", {"code": "b1", "name": "Branch"})
    application = await b.post("/applications", {"code": "till", "name": "Till", "kind": "pos"})
    posted = await b.post("/ledger/transactions", transfer("cash", "wallet", 500))
    group = "8e03978e-40d5-43e8-bc93-6894a57f9324"
    held = await b.post("/ledger/holds", transfer("wallet", "cash", 100, group_id=group))
    key = await b.post("/keys", {"name": "reading key", "permissions": ["ledger.read"]})
    role = await b.post("/roles", {"name": "reader", "description": "Reads", "permissions": ["ledger.read"]})
    invited = {"email": "b@example.com", "role_ids": [role["id"]]}
    invitation = await b.post("/invitations", invited)
    policy = await b.post("/payment-policies", {"name": "Fee", "when": {"currency": "NGN"}, "fee": {"flat": 1}})
    connection, payment = await make_payment(b, "wallet")
    called = f"/webhooks/mobile-money/callback?organisation={show('org', b.tenant_id)}&connection={connection['id']}"
    assert (await b.http.post(called, content=b"{}")).status_code == 200
    (event,) = (await b.get("/provider-events"))["items"]
    webhook = await make_webhook(b)
    return {
        "webhook": webhook["id"],
        "delivery": await make_delivery(b, worker_db, webhook["id"]),
        "policy": policy["policy_id"],
        "change": policy["id"],
        "connection": connection["id"],
        "bank_file": (await make_bank_file(b, "wallet"))["id"],
        "payment": payment["id"],
        "provider_event": event["id"],
        "account": (await b.get("/ledger/accounts/wallet"))["id"],
        "branch": branch["id"],
        "application": application["id"],
        "transaction": posted["id"],
        "hold": held["id"],
        "group": group,
        "key": key["key"]["id"],
        "role": role["id"],
        "invitation": invitation["invitation"]["id"],
    }


def _filled(path: str, ids: dict[str, str], page: dict[str, Any]) -> str:
    examples = {p["name"]: str(p.get("example")) for p in page["parameters"] if p["in"] == "path"}
    return re.sub(r"{(\w+)}", lambda found: ids.get(found[1], examples[found[1]]), path.removeprefix("/v1/{tenant}"))


def _request(page: dict[str, Any]) -> dict[str, Any]:
    headers = {p["name"]: p["example"] for p in page["parameters"] if p["in"] == "header" and "example" in p}
    body = page.get("requestBody", {}).get("content", {}).get("application/json", {}).get("example", {})
    options: dict[str, Any] = {"headers": headers}
    return options | ({"json": body} if "requestBody" in page else {})


@pytest.mark.parametrize(("method", "path", "page"), OPERATIONS, ids=[f"{m} {p}" for m, p, _ in OPERATIONS])
async def test_another_organisations_address_is_not_found(
    a: Client, b: Client, theirs: dict[str, str], method: str, path: str, page: dict[str, Any]
) -> None:
    before = await b.books()
    where = _filled(path, theirs, page)
    own = await a.http.request(
        method,
        f"/v1/{b.slug}{where}",
        **_with_credentials(a, _request(page)),
    )
    nobody = await a.http.request(method, f"/v1/no-such-organisation{where}", **_with_credentials(a, _request(page)))
    assert own.status_code == nobody.status_code == 404
    assert own.content == nobody.content
    assert own.headers.keys() == nobody.headers.keys()
    assert await b.books() == before


@pytest.mark.parametrize(
    ("method", "path", "page"),
    [one for one in OPERATIONS if one[1].count("{") > 1],
    ids=[f"{m} {p}" for m, p, _ in OPERATIONS if p.count("{") > 1],
)
async def test_another_organisations_id_is_not_found_at_home(
    a: Client, b: Client, theirs: dict[str, str], method: str, path: str, page: dict[str, Any]
) -> None:
    before = await b.books()
    answer = await a.send(method, _filled(path, theirs, page), **_request(page))
    assert answer.status_code == 404, answer.text
    assert await b.books() == before


async def test_legs_on_another_organisations_account_are_refused(a: Client, b: Client, theirs: dict[str, str]) -> None:
    await open_accounts(a, "cash")
    before = await b.books()
    answer = await a.send("POST", "/ledger/transactions", json=transfer("cash", theirs["account"], 5))
    assert (answer.status_code, answer.json()["code"]) == (422, "ledger.unknown_account")
    assert await b.books() == before


def _with_credentials(client: Client, options: dict[str, Any]) -> dict[str, Any]:
    return options | {"headers": options["headers"] | {"authorization": f"Bearer {client.secret}"}}


async def test_a_branch_sees_and_moves_only_its_own(a: Client) -> None:
    await open_accounts(a, "cash:hq", "wallet:hq")
    branch = await a.post("/branches", {"code": "north", "name": "North"})
    own = {"name": "n", "currency": "NGN", "branch_id": branch["id"]}
    await a.post("/ledger/accounts", {"code": "cash:north", "type": "asset", **own})
    await a.post("/ledger/accounts", {"code": "wallet:north", "type": "liability", **own})
    permissions = ["ledger.read", "ledger.post", "ledger.accounts.write", "ledger.periods.close", "organisation.write"]
    key = {"name": "north till", "permissions": permissions, "branch_ids": [branch["id"]]}
    issued = await a.post("/keys", key)
    north = Client(a.http, a.tenant_id, a.slug, issued["secret"])

    codes = {account["code"] for account in (await north.get("/ledger/accounts"))["items"]}
    assert codes == {"cash:north", "wallet:north"}
    await north.post("/ledger/transactions", transfer("cash:north", "wallet:north", 5))
    before = await a.books()
    for path in ("/ledger/accounts/cash:hq", "/ledger/accounts/cash:hq/balance", "/ledger/accounts/cash:hq/statement"):
        assert (await north.send("GET", path)).status_code == 404
    moved = await north.send("POST", "/ledger/transactions", json=transfer("cash:hq", "wallet:north", 5))
    assert (moved.status_code, moved.json()["code"]) == (422, "ledger.unknown_account")
    opened = {"code": "cash:elsewhere", "name": "n", "type": "asset", "currency": "NGN"}
    assert (await north.send("POST", "/ledger/accounts", json=opened)).status_code == 404
    period = {"name": "p", "starts_on": "2019-01-01", "ends_on": "2019-01-31"}
    assert (await north.send("POST", "/ledger/periods", json=period)).status_code == 403
    assert await a.books() == before

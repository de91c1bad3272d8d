"""Organisation A and the things of organisation B, on every address of the document and in every table: they do not
exist, and nothing changes."""

import re
from typing import Any
from uuid import UUID

import psycopg
import pytest
from psycopg import sql

from omniroute.api import openapi_document
from omniroute.infra.postgres import Database
from tests.api.makers import Client, Makers, open_accounts, transfer
from tests.api.things import PASSWORD, SORTED, Things

DOCUMENT = openapi_document()
OPERATIONS = [
    (method.upper(), path, page)
    for path, methods in DOCUMENT["paths"].items()
    for method, page in methods.items()
    if path.startswith("/v1/{tenant}/")
]


# Where the things that an address may name are listed.
LISTED = {
    "account": "/ledger/accounts", "application": "/applications", "approval_request": "/approval-requests",
    "atc_collection": "/atc-collections", "atc_grant": "/atc-grants",
    "bank_file": "/bank-files", "batch": "/payment-batches", "branch": "/branches", "change": "/payment-policy-changes",
    "connection": "/connections", "credit": "/credits",
    "delivery": "/webhook-deliveries", "exception": "/payment-exceptions",
    "grant": "/grants", "hold": "/ledger/holds", "invitation": "/invitations", "key": "/keys", "link": "/links",
    "partner": "/partners", "payment": "/payments", "period": "/ledger/periods", "provider": "/identity-providers",
    "reconciliation_exception": "/reconciliation-exceptions",
    "reconciliation_match": "/reconciliation-matches",
    "provider_event": "/provider-events", "remittance": "/remittances", "schedule": "/payment-schedules",
    "settlement": "/settlements",
    "transaction": "/ledger/transactions?kind=posting", "user": "/people",
    "virtual_account": "/virtual-accounts", "webhook": "/webhooks",
}  # fmt: skip
# What comes only with time, decisions and background work. Their policies are read by tests/house.
EMPTY = {
    "approval_decision", "audit_block", "audit_retired", "event_inbox", "event_parked", "graphql_action",
    "graphql_delivery", "ledger_balance_day", "ledger_closing_txn", "ledger_fold", "ledger_period_closing",
    "ledger_period_turnover", "ledger_snapshot", "ledger_snapshot_day", "payment_approval", "payment_batch_approval",
    "payment_calendar_day", "payment_cut_off", "payment_limit_use", "payment_schedule_approval",
    "reconciliation_entry_claim", "webhook_attempt",
}  # fmt: skip


@pytest.fixture(scope="module")
async def theirs(makers: Makers, b: Client) -> dict[str, str]:
    """Ids of things of B, by path parameter: one of everything that has an address."""
    await open_accounts(b, "cash", "till")
    things = Things(makers, b)
    for name in SORTED:
        await things.make(name)
    fees = {"code": "fees", "name": "Fees", "type": "income", "currency": "NGN", "mode": "deferred"}
    await b.post("/ledger/accounts", fees)
    posted = await b.post("/ledger/transactions", transfer("till", "fees", 5))
    await b.post(f"/ledger/transactions/{posted['id']}/reversals", {})
    member = (await b.get("/people"))["items"][0]
    login = await b.http.post("/v1/sessions", json={"email": member["email"], "password": PASSWORD})
    assert login.status_code == 201, login.text
    group = "8e03978e-40d5-43e8-bc93-6894a57f9324"
    await b.post("/ledger/holds", transfer("cash", "till", 100, group_id=group))
    quoted = {"amount": 100, "currency": "USD", "buy_currency": "NGN"}
    ids = {name: (await b.get(path))["items"][0]["id"] for name, path in LISTED.items()}
    return ids | {
        "group": group,
        "quote": (await b.post("/ledger/quotes", quoted))["id"],
        "policy": (await b.get("/payment-policies"))["items"][0]["id"],
        "role": (await b.get("/grants"))["items"][0]["role_id"],
        "reversal": await things.reversal(),
    }


async def _tenant_tables(owner_db: Database) -> list[str]:
    async with owner_db.connection() as connection:
        cursor = await connection.execute(
            "SELECT c.relname FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attname = 'tenant_id'"
            " WHERE c.relnamespace = 'omniroute'::regnamespace AND c.relkind IN ('r', 'p') ORDER BY 1"
        )
        return [row.relname for row in await cursor.fetchall()]


async def rows(owner_db: Database, tenant_id: UUID) -> dict[str, str]:
    """Every row of an organisation in every table, as a digest a table: equal ones mean that nothing changed."""
    one = sql.SQL(
        "SELECT {} AS name, md5(string_agg(t::text, '|' ORDER BY t::text)) AS digest FROM {} t"
        " WHERE tenant_id = %(tenant)s"
    )
    query = sql.SQL(" UNION ALL ").join(
        one.format(name, sql.Identifier(name)) for name in await _tenant_tables(owner_db)
    )
    async with owner_db.connection() as connection:
        cursor = await connection.execute(query, {"tenant": tenant_id})
        return {row.name: row.digest for row in await cursor.fetchall()}


def _filled(path: str, ids: dict[str, str], page: dict[str, Any]) -> str:
    examples = {p["name"]: str(p.get("example")) for p in page["parameters"] if p["in"] == "path"}
    return re.sub(r"{(\w+)}", lambda found: ids.get(found[1], examples[found[1]]), path.removeprefix("/v1/{tenant}"))


def _request(page: dict[str, Any]) -> dict[str, Any]:
    headers = {p["name"]: p["example"] for p in page["parameters"] if p["in"] == "header" and "example" in p}
    body = page.get("requestBody", {}).get("content", {}).get("application/json", {}).get("example", {})
    options: dict[str, Any] = {"headers": headers}
    return options | ({"json": body} if "requestBody" in page else {})


def test_every_id_in_an_address_is_one_of_theirs(theirs: dict[str, str]) -> None:
    named = {name for _, path, _ in OPERATIONS for name in re.findall(r"{(\w+)}", path)}
    assert named - {"tenant"} == theirs.keys()


@pytest.mark.parametrize(("method", "path", "page"), OPERATIONS, ids=[f"{m} {p}" for m, p, _ in OPERATIONS])
async def test_another_organisations_address_is_not_found(
    a: Client, b: Client, owner_db: Database, theirs: dict[str, str], method: str, path: str, page: dict[str, Any]
) -> None:
    before = await rows(owner_db, b.tenant_id)
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
    assert await rows(owner_db, b.tenant_id) == before


@pytest.mark.parametrize(
    ("method", "path", "page"),
    [one for one in OPERATIONS if one[1].count("{") > 1],
    ids=[f"{m} {p}" for m, p, _ in OPERATIONS if p.count("{") > 1],
)
async def test_another_organisations_id_is_not_found_at_home(
    a: Client, b: Client, owner_db: Database, theirs: dict[str, str], method: str, path: str, page: dict[str, Any]
) -> None:
    before = await rows(owner_db, b.tenant_id)
    answer = await a.send(method, _filled(path, theirs, page), **_request(page))
    assert answer.status_code == 404, answer.text
    assert await rows(owner_db, b.tenant_id) == before


async def test_every_table_holds_something_to_hide(b: Client, owner_db: Database, theirs: dict[str, str]) -> None:
    empty = {name for name, digest in (await rows(owner_db, b.tenant_id)).items() if digest is None}
    assert empty == EMPTY


async def test_no_table_shows_or_gives_away_anothers_rows(
    a: Client, b: Client, app_db: Database, owner_db: Database, theirs: dict[str, str]
) -> None:
    before = await rows(owner_db, b.tenant_id)
    for table in before:
        for attempt in (
            "SELECT count(*) FROM {table} WHERE tenant_id = %(theirs)s",
            "WITH x AS (UPDATE {table} SET tenant_id = %(ours)s WHERE tenant_id = %(theirs)s RETURNING 1)"
            " SELECT count(*) FROM x",
            "WITH x AS (DELETE FROM {table} WHERE tenant_id = %(theirs)s RETURNING 1) SELECT count(*) FROM x",
            "SELECT count(*) FROM (SELECT FROM {table} WHERE tenant_id = %(theirs)s FOR UPDATE) x",
        ):
            query = sql.SQL(attempt).format(table=sql.Identifier(table))
            try:
                async with app_db.tx(a.tenant_id) as tx:
                    found = await tx.connection.execute(query, {"ours": a.tenant_id, "theirs": b.tenant_id})
                    assert await found.fetchone() == (0,), f"{table}: {attempt}"
            except psycopg.errors.InsufficientPrivilege:
                continue
    assert await rows(owner_db, b.tenant_id) == before


async def test_legs_on_another_organisations_account_are_refused(
    a: Client, b: Client, owner_db: Database, theirs: dict[str, str]
) -> None:
    await open_accounts(a, "cash")
    before = await rows(owner_db, b.tenant_id)
    answer = await a.send("POST", "/ledger/transactions", json=transfer("cash", theirs["account"], 5))
    assert (answer.status_code, answer.json()["code"]) == (422, "ledger.unknown_account")
    assert await rows(owner_db, b.tenant_id) == before


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

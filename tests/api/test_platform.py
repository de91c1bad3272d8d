"""The platform suspends, opens again and closes organisations; it sees nothing inside them, and nobody else may."""

from typing import Any

import httpx
import pytest

from omniroute.infra.postgres import Database
from omniroute.kit import ids
from omniroute.parties import tenants
from tests.api.makers import Client, Makers, open_accounts, transfer
from tests.parties.makers import state

PLATFORM = ids.show("org", tenants.PLATFORM_ID)


@pytest.fixture
def platform(http: httpx.AsyncClient, platform_secret: str) -> Any:
    """Requests with the platform's key."""

    async def send(method: str, organisation: str, path: str = "", **options: Any) -> httpx.Response:
        headers = {"authorization": f"Bearer {platform_secret}", **options.pop("headers", {})}
        return await http.request(method, f"/v1/organisations/{organisation}{path}", headers=headers, **options)

    return send


async def _status(platform: Any, organisation: str, status: str, version: str) -> httpx.Response:
    found: httpx.Response = await platform(
        "PUT", organisation, "/status", json={"status": status}, headers={"if-match": version}
    )
    return found


async def test_a_suspended_organisation_gets_no_further_until_it_is_opened_again(makers: Makers, platform: Any) -> None:
    client = await makers.organisation("suspended")
    await open_accounts(client, "cash", "wallet")
    await client.post("/ledger/transactions", transfer("cash", "wallet", 5))
    books, organisation = await client.books(), (await client.get("/organisation"))["id"]
    shown = await platform("GET", organisation)
    assert shown.json()["status"] == "active"
    assert "settings" not in shown.json()

    suspended = await _status(platform, organisation, "suspended", shown.headers["etag"])

    assert (suspended.status_code, suspended.json()["status"], suspended.json()["slug"]) == (
        200,
        "suspended",
        "suspended",
    )
    refused = await client.send("POST", "/ledger/transactions", json=transfer("cash", "wallet", 5))
    assert (refused.status_code, refused.json()["code"]) == (403, "access.organisation_inactive")

    opened = await _status(platform, organisation, "active", suspended.headers["etag"])
    assert (opened.status_code, opened.json()["version"]) == (200, 3)
    assert await client.books() == books
    happened = await client.get("/events", params={"type": "organisation.*"})
    assert [item["data"]["status"] for item in happened["items"] if "status" in item["data"]] == ["suspended", "active"]


async def test_a_closed_organisation_stays_closed(makers: Makers, platform: Any, owner_db: Database) -> None:
    client = await makers.organisation("closing")
    organisation = (await client.get("/organisation"))["id"]
    assert (await _status(platform, organisation, "closed", '"1"')).json()["status"] == "closed"
    before = await state(owner_db)

    for wanted in ("active", "suspended"):
        refused = await _status(platform, organisation, wanted, '"2"')
        assert (refused.status_code, refused.json()["code"]) == (422, "tenants.status_not_reachable")
    assert (await client.send("GET", "/organisation")).status_code == 403
    assert await state(owner_db) == before


async def test_what_is_refused_changes_nothing(makers: Makers, platform: Any, owner_db: Database) -> None:
    client = await makers.organisation("untouched")
    organisation = (await client.get("/organisation"))["id"]
    before = await state(owner_db)

    unknown = organisation[:-6] + "000000"
    cases = [
        (await _status(platform, organisation, "suspended", '"7"'), 412, "tenants.stale_version"),
        (await _status(platform, organisation, "gone", '"1"'), 400, "api.invalid_field"),
        (await _status(platform, unknown, "suspended", '"1"'), 404, "tenants.organisation_not_found"),
        (await _status(platform, "untouched", "suspended", '"1"'), 400, "kit.malformed_id"),
        (await _status(platform, PLATFORM, "suspended", '"1"'), 422, "tenants.platform_stays"),
        (await platform("PUT", organisation, "/status", json={"status": "suspended"}), 428, "api.version_required"),
        (await platform("GET", unknown), 404, "tenants.organisation_not_found"),
    ]
    for answer, status, code in cases:
        assert (answer.status_code, answer.json()["code"]) == (status, code)
    assert await state(owner_db) == before
    assert (await client.send("GET", "/organisation")).status_code == 200


async def test_only_the_platform_may(a: Client, b: Client, owner_db: Database) -> None:
    organisation = (await b.get("/organisation"))["id"]
    headers = {"authorization": f"Bearer {a.secret}", "if-match": '"1"'}
    await a.get("/organisation")  # From now on the key counts as used.
    before = await state(owner_db)
    path = f"/v1/organisations/{organisation}"
    for answer in (
        await a.http.get(path, headers=headers),
        await a.http.put(path + "/status", headers=headers, json={"status": "suspended"}),
    ):
        assert (answer.status_code, answer.json()["code"]) == (403, "access.permission_missing")
    assert await state(owner_db) == before


async def test_an_organisation_closes_itself(makers: Makers, owner_db: Database) -> None:
    client = await makers.organisation("leaving")
    permissions = ["organisation.read", "organisation.write"]
    lesser = (await client.post("/keys", {"name": "clerk", "permissions": permissions}))["secret"]
    clerk = Client(client.http, client.tenant_id, client.slug, lesser)
    await clerk.get("/organisation")  # From now on the key counts as used.
    before = await state(owner_db)
    options: dict[str, Any] = {"json": {"status": "closed"}, "headers": {"if-match": '"1"'}}
    refused = await clerk.send("PUT", "/organisation/status", **options)
    assert (refused.status_code, refused.json()["code"]) == (403, "access.permission_missing")
    stale = options | {"headers": {"if-match": '"9"'}}
    assert (await client.send("PUT", "/organisation/status", **stale)).json()["code"] == "tenants.stale_version"
    assert await state(owner_db) == before

    closed = await client.send("PUT", "/organisation/status", **options)

    assert (closed.status_code, closed.json()["status"]) == (200, "closed")
    assert (await client.send("GET", "/organisation")).json()["code"] == "access.organisation_inactive"

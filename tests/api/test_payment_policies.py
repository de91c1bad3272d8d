"""Policies over HTTP: proposed by one person, agreed to by another, followed by payments."""

from typing import Any

import pytest

from tests.api.makers import Client, Makers, open_accounts

PASSWORD = "correct horse battery staple"
LIMIT = {"name": "Day", "when": {"currency": "NGN"}, "limit": {"period": "day", "amount_max": 10_000}}
FEE = {"name": "Fee", "when": {"currency": "NGN"}, "fee": {"flat": 50, "basis_points": 100, "max": "500"}}


async def person(client: Client, name: str) -> Client:
    """Somebody of this organisation who may write policies."""
    roles = (await client.get("/roles"))["items"]
    role = next(one for one in roles if "payments.policies.write" in one["permissions"])
    email = f"{name}@{client.slug}.example"
    invited = await client.post("/invitations", {"email": email, "role_ids": [role["id"]]})
    body = {"token": invited["token"], "password": PASSWORD, "name": name}
    assert (await client.http.post("/v1/invitations/accept", json=body)).status_code == 201
    session = await client.http.post("/v1/sessions", json={"email": email, "password": PASSWORD})
    return Client(client.http, client.tenant_id, client.slug, session.json()["token"])


@pytest.fixture(scope="module")
async def shop(makers: Makers) -> Client:
    client = await makers.organisation("policy-shop")
    await open_accounts(client, "cash", "wallet")
    return client


@pytest.fixture(scope="module")
async def ada(shop: Client) -> Client:
    return await person(shop, "ada")


@pytest.fixture(scope="module")
async def bayo(shop: Client) -> Client:
    return await person(shop, "bayo")


async def changed(client: Client, method: str, path: str, body: object = None, **options: Any) -> tuple[int, Any]:
    answer = await client.send(method, path, json=body, **options)
    return answer.status_code, answer.json()


async def test_a_fee_is_in_force_at_once_and_comes_back_as_it_was_sent(shop: Client) -> None:
    status, change = await changed(shop, "POST", "/payment-policies", FEE)
    assert (status, change["status"], change["action"], change["kind"]) == (201, "active", "create", "fee")
    found = await shop.send("GET", f"/payment-policies/{change['policy_id']}")
    policy = found.json()
    assert found.headers["etag"] == '"1"'
    assert policy["fee"] == {
        "flat": 50, "basis_points": 100, "min": None, "max": 500, "rounding": "half_up", "rails": [],
    }  # fmt: skip
    assert (policy["when"]["currency"], policy["position"], policy["limit"]) == ("NGN", 1_000, None)

    # What was read can be sent back.
    again = {name: policy[name] for name in ("name", "position", "when", "route", "fee", "approval", "limit")}
    tag = {"if-match": '"1"'}
    assert (await changed(shop, "PUT", f"/payment-policies/{policy['id']}", again, headers=tag))[0] == 200
    stale = await changed(shop, "PUT", f"/payment-policies/{policy['id']}", again, headers=tag)
    assert (stale[0], stale[1]["code"]) == (412, "policies.changed")
    assert (await changed(shop, "DELETE", f"/payment-policies/{policy['id']}", headers=tag))[0] == 412
    ended = await changed(shop, "DELETE", f"/payment-policies/{policy['id']}", headers={"if-match": '"2"'})
    assert (ended[0], ended[1]["action"], ended[1]["policy"]) == (200, "retire", None)
    assert (await shop.get(f"/payment-policies/{policy['id']}"))["status"] == "retired"


async def test_a_limit_needs_two_people(shop: Client, ada: Client, bayo: Client) -> None:
    status, change = await changed(ada, "POST", "/payment-policies", LIMIT)
    assert (status, change["status"]) == (202, "proposed")
    assert (await changed(shop, "GET", f"/payment-policies/{change['policy_id']}"))[0] == 404
    path = f"/payment-policy-changes/{change['id']}"
    assert (await shop.get("/payment-policy-changes?status=proposed"))["items"] == [change]

    own = await changed(ada, "POST", path + "/approve", {})
    assert (own[0], own[1]["code"]) == (403, "policies.proposer_decides")
    key = await changed(shop, "POST", path + "/approve", {})
    assert (key[0], key[1]["code"]) == (403, "policies.person_needed")
    assert await shop.get(path) == change

    status, decided = await changed(bayo, "POST", path + "/approve", {"comment": "as agreed"})
    assert (status, decided["status"], decided["comment"]) == (200, "active", "as agreed")
    assert (await shop.get(f"/payment-policies/{change['policy_id']}"))["limit"]["amount_max"] == 10_000
    assert await shop.get(f"/payment-policy-changes?policy_id={change['policy_id']}") == {
        "items": [decided],
        "next_cursor": None,
    }
    late = await changed(bayo, "POST", path + "/reject", {})
    assert (late[0], late[1]["code"]) == (409, "policies.proposal_decided")


async def test_a_proposal_is_turned_down(shop: Client, ada: Client, bayo: Client) -> None:
    approval = {"name": "Two", "approval": {"approvers": 2}}
    _, change = await changed(ada, "POST", "/payment-policies", approval)
    status, decided = await changed(bayo, "POST", f"/payment-policy-changes/{change['id']}/reject", {"comment": "no"})
    assert (status, decided["status"], decided["comment"]) == (200, "rejected", "no")
    assert (await shop.get("/payment-policies?kind=approval"))["items"] == []


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        ({"name": "x"}, 400, "policies.malformed"),
        ({**FEE, "limit": LIMIT["limit"]}, 400, "policies.malformed"),
        ({"name": "x", "route": {"connections": ["gone"]}}, 400, "policies.malformed"),
        ({"name": "x", "route": {}}, 400, "policies.malformed"),
        ({"name": "x", "fee": {"flat": 5}}, 400, "policies.malformed"),
        ({**FEE, "fee": {"flat": 1.5}}, 400, "api.fractional_number"),
        ({**FEE, "fee": {"flat": "1e3"}}, 400, "api.invalid_field"),
        ({**FEE, "when": {"currency": "NGN", "amount_from": "9" * 19}}, 400, "kit.malformed_amount"),
        ({**FEE, "when": {"hour_from": 24}}, 400, "api.invalid_field"),
        ({**FEE, "when": {"colour": "blue"}}, 400, "api.invalid_field"),
    ],
)
async def test_policies_that_are_refused_leave_nothing(
    shop: Client, body: dict[str, Any], status: int, code: str
) -> None:
    before = await shop.get("/payment-policies?limit=500"), await shop.get("/payment-policy-changes?limit=500")
    answered = await changed(shop, "POST", "/payment-policies", body)
    assert (answered[0], answered[1]["code"]) == (status, code)
    after = await shop.get("/payment-policies?limit=500"), await shop.get("/payment-policy-changes?limit=500")
    assert after == before


async def test_institutions_are_found_by_letters_and_codes(shop: Client) -> None:
    found = await shop.get("/institutions?country=NG&text=058")
    assert found == {
        "items": [
            {"code": "000013", "national_code": "058", "name": "Guaranty Trust Bank", "country": "NG", "kind": "bank",
             "check_digit": True, "closed": False, "successor": None},
        ],
        "next_cursor": None,
    }  # fmt: skip
    assert len((await shop.get("/institutions"))["items"]) > 200
    assert (await shop.get("/institutions?country=FR"))["items"] == []


async def test_a_preview_tells_what_would_be_decided_and_moves_nothing(makers: Makers) -> None:
    client = await makers.organisation("preview-shop")
    await open_accounts(client, "cash", "wallet")
    connection = {
        "code": "airtel", "name": "Airtel", "rail": "airtel", "currency": "NGN", "endpoint": "http://127.0.0.1:9",
        "public": {"country": "NG", "currency": "NGN", "client_id": "x"}, "secret": {"client_secret": "x", "pin": "1"},
    }  # fmt: skip
    made = await client.post("/connections", connection)
    await client.post("/payment-policies", FEE)
    wallet = {"kind": "msisdn", "identifier": "0802 234 5678"}
    payment = {
        "reference": "p1", "type": "WORKER_PAYOUT", "amount": 10_000, "currency": "NGN", "source": "wallet",
        "payee": wallet,
    }  # fmt: skip
    before = await client.books()
    assert await client.post("/payment-previews", payment) == {
        "rail": "airtel", "connection_ids": [made["id"]], "fee": 150, "approvals_needed": 0, "expires_at": None,
        "limits": [], "route": ["can carry it: airtel", "fee Fee: 150"],
    }  # fmt: skip
    refusals = [
        ({**wallet, "identifier": "08032345678"}, 422, "institutions.other_network"),
        ({**wallet, "identifier": "0712345678", "country": "KE"}, 422, "payments.no_route"),
        ({"kind": "bank_account", "identifier": "0016563229", "institution": "058"}, 422,
         "institutions.wrong_check_digit"),
        ({"kind": "bank_account", "identifier": "0016563228", "institution": "999999"}, 422, "institutions.unknown"),
        ({"kind": "bank_account", "identifier": "0016563228", "institution": "058"}, 422, "payments.no_route"),
    ]  # fmt: skip
    for payee, status, code in refusals:
        for path in ("/payment-previews", "/payments"):
            answered = await changed(client, "POST", path, payment | {"payee": payee})
            assert (answered[0], answered[1]["code"]) == (status, code)
    assert (await client.get("/payments"))["items"] == []
    assert await client.books() == before

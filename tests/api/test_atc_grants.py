"""Authority to collect over HTTP, from the first word to the last; and who may say which."""

from typing import Any
from uuid import uuid4

import pytest

from omniroute.parties.access import BUILT_IN
from tests.api.makers import Client, Makers

TERMS: dict[str, Any] = {
    "scope": "SPECIFIC_CUSTOMERS",
    "collection_type": "ALL_METHODS",
    "currency": "NGN",
    "max_amount": 500_050,
    "cumulative_limit": "9007199254740993",
    "commission_type": "HYBRID",
    "commission_rate_ppm": 25_000,
    "commission_flat": 100,
    "max_commission": 10_000,
    "settlement_frequency": "BIWEEKLY",
    "settlement_delay_days": 3,
    "effective_from": "2040-01-01T00:00:00+01:00",
}
BANK = {"kind": "bank_account", "identifier": "0123456785", "institution": "058", "name": "Kano Mills"}


async def of(client: Client, role: str) -> Client:
    """Somebody with what a built-in role holds."""
    issued = await client.post("/keys", {"name": role, "permissions": sorted(map(str, BUILT_IN[role][1]))})
    return Client(client.http, client.tenant_id, client.slug, issued["secret"])


@pytest.fixture(scope="module")
async def trade(makers: Makers) -> Client:
    return await makers.organisation(f"trade-{uuid4().hex[:8]}")


async def partner(trade: Client, kind: str = "RETAILER") -> str:
    body = {"code": uuid4().hex, "kind": kind, "name": kind.title(), "account": BANK}
    return str((await trade.post("/partners", body))["id"])


async def wanted(trade: Client, **changes: Any) -> dict[str, Any]:
    customers = [{"scope_type": "CUSTOMER_ID", "scope_values": [await partner(trade)]}]
    parties = {"grantor_id": await partner(trade, "MANUFACTURER"), "grantee_id": await partner(trade, "DISTRIBUTOR")}
    return {**TERMS, **parties, "scope_config": customers, **changes}


async def test_a_grant_from_the_first_word_to_the_last(trade: Client) -> None:
    author, approver = await of(trade, "customer_admin"), await of(trade, "approver")
    body = await wanted(trade, draft=True)
    made = await author.post("/atc-grants", body)
    assert {name: made[name] for name in TERMS if name != "effective_from"} == {
        name: value for name, value in TERMS.items() if name != "effective_from"
    }
    assert (made["status"], made["effective_from"], made["settlement_day"]) == ("draft", "2039-12-31T23:00:00Z", 1)
    assert made["settlement_account"]["institution"] == "000013"
    assert (made["cumulative_collected"], made["depth"], made["version"]) == (0, 0, 1)
    at = f"/atc-grants/{made['id']}"
    sent = await author.post(f"{at}/submit", {})
    assert sent["status"] == "pending_approval"
    active = await approver.post(f"{at}/approve", {})
    assert (active["status"], active["version"], active["approved_at"] is None) == ("active", 3, False)
    assert (await approver.post(f"{at}/suspend", {"reason": "short of cash"}))["status_reason"] == "short of cash"
    again = await approver.post(f"{at}/resume", {})
    assert (again["status"], again["status_reason"]) == ("active", None)
    child = await author.post(
        "/atc-grants",
        body | {"draft": False, "grantor_id": body["grantee_id"], "grantee_id": await partner(trade, "WHOLESALER"),
                "parent_atc_id": made["id"]},
    )  # fmt: skip
    shown = await trade.get(f"{at}/hierarchy")
    assert [(one["id"], one["depth"]) for one in shown["items"]] == [(made["id"], 0), (child["id"], 1)]
    assert (await trade.get(f"/atc-grants?parent={made['id']}"))["items"] == [child]
    assert (await trade.get(f"/atc-grants?grantee={body['grantee_id']}&status=active"))["items"] == [again]
    revoked = await author.post(f"{at}/revoke", {"reason": "moved away"})
    assert [(one["id"], one["status"]) for one in revoked["items"]] == [
        (made["id"], "revoked"),
        (child["id"], "revoked"),
    ]
    assert await trade.get(at) == revoked["items"][0]


async def test_a_no_ends_it(trade: Client) -> None:
    made = await trade.post("/atc-grants", await wanted(trade))
    approver = await of(trade, "approver")
    ended = await approver.post(f"/atc-grants/{made['id']}/reject", {"reason": "too much"})
    assert (ended["status"], ended["status_reason"], ended["approved_by"]) == ("revoked", "too much", None)


ACTS: dict[str, tuple[str, dict[str, Any]]] = {
    "submit": ("atc.write", {}),
    "approve": ("atc.approve", {}),
    "reject": ("atc.approve", {"reason": "no"}),
    "suspend": ("atc.approve", {}),
    "resume": ("atc.approve", {}),
    "revoke": ("atc.write", {"reason": "no"}),
}


@pytest.mark.parametrize("role", sorted(set(BUILT_IN) - {"owner", "finance_admin"}))
async def test_who_may_not_is_refused_and_nothing_changes(trade: Client, role: str) -> None:
    held = BUILT_IN[role][1]
    who, made = await of(trade, role), await trade.post("/atc-grants", await wanted(trade))
    at = f"/atc-grants/{made['id']}"
    answer = await who.send("GET", at)
    assert answer.status_code == (200 if "atc.read" in held else 403)
    forbidden = [(f"{at}/{act}", body) for act, (permission, body) in ACTS.items() if permission not in held]
    if "atc.write" not in held:
        forbidden.append(("/atc-grants", await wanted(trade)))
    for path, body in forbidden:
        answer = await who.send("POST", path, json=body)
        assert (answer.status_code, answer.json()["code"]) == (403, "access.permission_missing")
    assert await trade.get(at) == made


async def test_who_is_bound_to_a_branch_reads_and_changes_nothing(trade: Client) -> None:
    branch = await trade.post("/branches", {"code": "kano", "name": "Kano"})
    permissions = ["atc.approve", "atc.read", "atc.write"]
    issued = await trade.post("/keys", {"name": "kano", "permissions": permissions, "branch_ids": [branch["id"]]})
    who = Client(trade.http, trade.tenant_id, trade.slug, issued["secret"])
    made = await trade.post("/atc-grants", await wanted(trade))
    for act, (_, body) in ACTS.items():
        answer = await who.send("POST", f"/atc-grants/{made['id']}/{act}", json=body)
        assert (answer.status_code, answer.json()["code"]) == (403, "access.permission_missing")
    assert await who.get(f"/atc-grants/{made['id']}") == made
    approver = await of(trade, "approver")
    active = await approver.post(f"/atc-grants/{made['id']}/approve", {})
    assert await who.get(f"/atc-grants/{made['id']}") == active | {"cumulative_collected": None}


async def test_the_same_request_is_one_grant(trade: Client) -> None:
    body, key = await wanted(trade), str(uuid4())
    made = await trade.post("/atc-grants", body, key=key)
    assert await trade.post("/atc-grants", body, key=key) == made
    answer = await trade.send("POST", "/atc-grants", json=body)
    assert (answer.status_code, answer.json()["code"]) == (409, "atc.conflict")
    assert answer.json()["reference"] == made["reference"]

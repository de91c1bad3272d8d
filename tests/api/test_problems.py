"""Bad input gets a clear problem of one shape, and moves nothing."""

from collections.abc import Mapping
from typing import Any

import pytest

from omniroute.api import error_codes
from tests.api.makers import Client, open_accounts, transfer

POST = "/ledger/transactions"
JSON = {"content-type": "application/json"}


@pytest.fixture(scope="module", autouse=True)
async def accounts(a: Client) -> None:
    await open_accounts(a, "cash", "wallet", "frozen", "poor", floor=0)
    await a.post("/ledger/accounts", {"code": "kes", "name": "kes", "type": "liability", "currency": "KES"})
    frozen = await a.send("GET", "/ledger/accounts/frozen")
    tag = {"if-match": frozen.headers["etag"]}
    assert (
        await a.send("PUT", "/ledger/accounts/frozen/status", json={"status": "frozen"}, headers=tag)
    ).status_code == 200
    await a.post(POST, transfer("cash", "wallet", 1000, reference="used"))


def check_shape(response: Any, status: int, code: str, **facts: object) -> None:
    """One shape for every problem, with a documented code."""
    assert response.status_code == status, response.text
    assert response.headers["content-type"] == "application/problem+json"
    body = response.json()
    assert (body["status"], body["code"], body["type"]) == (status, code, f"/docs/errors#{code}")
    assert body["title"]
    assert body["detail"]
    assert {name: body.get(name) for name in facts} == facts
    assert code in {known for known, _, _, _ in error_codes()}
    assert response.headers["x-correlation-id"]
    assert "correlation_id" not in body
    for status_with, header in ((401, "www-authenticate"), (429, "retry-after"), (503, "retry-after")):
        assert (header in response.headers) == (status == status_with) or status != status_with


def _leg(index: int, name: str, value: object) -> dict[str, Any]:
    body = transfer("cash", "wallet", 10)
    body["legs"][index][name] = value
    return body


BODIES: Mapping[str, tuple[object, int, str]] = {
    "unknown account": (transfer("cash", "nowhere", 5), 422, "ledger.unknown_account"),
    "frozen account": (transfer("cash", "frozen", 5), 422, "ledger.account_frozen"),
    "currency of another account": (transfer("cash", "kes", 5), 422, "ledger.currency_mismatch"),
    "mixed currencies": (_leg(0, "currency", "KES"), 400, "ledger.unbalanced"),
    "unknown currency": (_leg(0, "currency", "XXX"), 400, "kit.unknown_currency"),
    "does not balance": (_leg(0, "amount", 11), 400, "ledger.unbalanced"),
    "zero": (transfer("cash", "wallet", 0), 400, "ledger.amount_not_positive"),
    "negative": (transfer("cash", "wallet", -5), 400, "ledger.amount_not_positive"),
    "boolean": (transfer("cash", "wallet", True), 400, "api.invalid_field"),
    "text with a point": (transfer("cash", "wallet", "1.5"), 400, "api.invalid_field"),
    "beyond 2^63-1": (transfer("cash", "wallet", 2**63), 400, "kit.malformed_amount"),
    "beyond 2^63-1 as text": (transfer("cash", "wallet", str(2**63)), 400, "kit.malformed_amount"),
    "enormous": (transfer("cash", "wallet", 10**40), 400, "kit.malformed_amount"),
    "duplicate reference": (transfer("cash", "wallet", 5, reference="used"), 409, "ledger.duplicate_reference"),
    "below the floor": (transfer("poor", "cash", 1), 422, "ledger.insufficient_funds"),
    "one leg": ({"legs": transfer("cash", "wallet", 5)["legs"][:1]}, 400, "ledger.legs_out_of_range"),
    "no legs": ({"legs": []}, 400, "ledger.legs_out_of_range"),
    "legs missing": ({}, 400, "api.invalid_field"),
    "unknown member": (transfer("cash", "wallet", 5, colour="red"), 400, "api.invalid_field"),
    "wrong side": (_leg(1, "side", "left"), 400, "api.invalid_field"),
    "a list": ([], 400, "api.invalid_field"),
    "malformed date": (transfer("cash", "wallet", 5, value_on="2026-02-30"), 400, "api.invalid_field"),
    "NUL in text": (transfer("cash", "wallet", 5, reference="a\x00b"), 400, "api.malformed_text"),
    "failed condition": (
        transfer("cash", "wallet", 5, conditions=[{"account": "wallet", "available_min": 10**9}]),
        422,
        "ledger.condition_failed",
    ),
}


@pytest.mark.parametrize("name", BODIES)
async def test_a_bad_posting_moves_nothing(a: Client, name: str) -> None:
    body, status, code = BODIES[name]
    before = await a.books()
    check_shape(await a.send("POST", POST, json=body), status, code)
    assert await a.books() == before


RAW: Mapping[str, tuple[bytes, int, str]] = {
    "not JSON": (b'{"legs": [', 400, "api.malformed_json"),
    "empty": (b"", 400, "api.malformed_json"),
    "not UTF-8": (b'{"reference": "\xff"}', 400, "api.malformed_text"),
    "half a surrogate pair": (b'{"reference": "\\ud800"}', 400, "api.malformed_text"),
    "float": (b'{"amount": 1.0}', 400, "api.fractional_number"),
    "exponent": (b'{"amount": 1e3}', 400, "api.fractional_number"),
    "NaN": (b'{"amount": NaN}', 400, "api.malformed_json"),
    "member twice": (b'{"legs": [], "legs": []}', 400, "api.duplicate_member"),
    "deep": (b"[" * 5000 + b"]" * 5000, 400, "api.too_deep"),
    "deep objects": (b'{"a":' * 40 + b"1" + b"}" * 40, 400, "api.too_deep"),
    "too many digits": (b'{"amount": ' + b"9" * 5000 + b"}", 400, "api.malformed_json"),
    "too large": (b" " * (1024 * 1024 + 1), 413, "api.body_too_large"),
}


@pytest.mark.parametrize("name", RAW)
async def test_a_body_that_cannot_be_read_moves_nothing(a: Client, name: str) -> None:
    raw, status, code = RAW[name]
    before = await a.books()
    check_shape(await a.send("POST", POST, content=raw, headers=JSON), status, code)
    assert await a.books() == before


@pytest.mark.parametrize(
    "kind", ["text/plain", "application/x-www-form-urlencoded", "application/json; charset=latin1"]
)
async def test_another_content_type_moves_nothing(a: Client, kind: str) -> None:
    before = await a.books()
    answer = await a.send("POST", POST, content=b"{}", headers={"content-type": kind})
    check_shape(answer, 415, "api.content_type_unsupported")
    assert await a.books() == before


@pytest.mark.parametrize(
    ("authorization", "code"),
    [
        (None, "access.credentials_missing"),
        ("Basic eDp5", "access.credentials_malformed"),
        ("Bearer x", "access.credentials_malformed"),
        ("Bearer sk_live_nothing", None),
    ],
)
async def test_bad_credentials_move_nothing(a: Client, authorization: str | None, code: str | None) -> None:
    before = await a.books()
    headers = {"idempotency-key": "k", **({} if authorization is None else {"authorization": authorization})}
    answer = await a.http.post(f"/v1/{a.slug}{POST}", json=transfer("cash", "wallet", 1), headers=headers)
    check_shape(answer, 401, code or answer.json()["code"])
    assert answer.headers["www-authenticate"].startswith("Bearer")
    assert await a.books() == before


async def test_a_missing_permission_moves_nothing(a: Client) -> None:
    issued = await a.post("/keys", {"name": "reads only", "permissions": ["ledger.read"]})
    reader = Client(a.http, a.tenant_id, a.slug, issued["secret"])
    before = await a.books()
    answer = await reader.send("POST", POST, json=transfer("cash", "wallet", 1))
    check_shape(answer, 403, "access.permission_missing", permission="ledger.post")
    assert await a.books() == before


@pytest.mark.parametrize(
    ("method", "path", "status", "code"),
    [
        ("GET", "/nowhere", 404, "api.not_found"),
        ("DELETE", POST, 405, "api.method_not_allowed"),
        ("GET", "/ledger/accounts?colour=red", 400, "api.unknown_parameter"),
        ("GET", "/ledger/accounts?limit=1&limit=2", 400, "api.repeated_parameter"),
        ("GET", "/ledger/accounts?limit=501", 400, "api.invalid_parameter"),
        ("GET", "/ledger/accounts?limit=x", 400, "api.invalid_parameter"),
        ("GET", "/ledger/accounts?cursor=%21", 400, "kit.malformed_cursor"),
        ("GET", "/ledger/accounts?prefix=%ff", 400, "api.malformed_text"),
        ("GET", "/ledger/accounts?prefix=%00", 400, "api.malformed_text"),
        ("GET", "/ledger/accounts/a%00b", 400, "api.malformed_text"),
        ("GET", f"{POST}/txn_short", 400, "kit.malformed_id"),
        ("GET", f"{POST}/acc_01jd3m8q4vv8k8x2n0c5t7yh6r", 400, "kit.malformed_id"),
        ("GET", f"{POST}/txn_01jd3m8q4vv8k8x2n0c5t7yh6r", 404, "ledger.unknown_transaction"),
        ("GET", "/ledger/accounts/nobody", 404, "ledger.account_not_found"),
    ],
)
async def test_bad_addresses_have_the_same_shape(a: Client, method: str, path: str, status: int, code: str) -> None:
    check_shape(await a.send(method, path), status, code)


async def test_batches_have_bounds(a: Client) -> None:
    before = await a.books()
    empty = await a.send("POST", "/ledger/batches", json={"items": []})
    check_shape(empty, 400, "ledger.batch_out_of_range")
    item = {"kind": "void", "hold_id": "hld_01jd3m8q4vv8k8x2n0c5t7yh6r"}
    check_shape(await a.send("POST", "/ledger/batches", json={"items": [item] * 10_001}), 400, "api.invalid_field")
    assert await a.books() == before


async def test_the_same_key_twice_in_one_batch_books_once(a: Client) -> None:
    before = (await a.get("/ledger/accounts/wallet/balance"))["posted"]
    item = {"kind": "posting", "key": "twice", **transfer("cash", "wallet", 7)}
    answer = await a.post("/ledger/batches", {"items": [item, item, item | {"reference": "changed"}]})
    assert [one["outcome"] for one in answer["results"]] == ["booked", "booked", "refused"]
    assert answer["results"][1]["replayed"] is True
    assert (await a.get("/ledger/accounts/wallet/balance"))["posted"] == before + 7


async def test_a_prefix_of_a_batch_that_passes_a_limit_stands(a: Client) -> None:
    await a.post(POST, transfer("cash", "poor", 10))
    items = [{"kind": "posting", **transfer("poor", "cash", amount)} for amount in (6, 6, 4)]
    answer = await a.post("/ledger/batches", {"items": items})
    assert [one["outcome"] for one in answer["results"]] == ["booked", "refused", "booked"]
    assert (await a.get("/ledger/accounts/poor/balance"))["posted"] == 0


async def test_a_capture_after_the_deadline_moves_nothing(a: Client) -> None:
    await a.post(POST, transfer("cash", "wallet", 10))
    held = await a.post("/ledger/holds", transfer("wallet", "cash", 5, expires_at="2020-01-01T00:00:00Z"))
    before = await a.books()
    answer = await a.send("POST", f"/ledger/holds/{held['id']}/capture", json={})
    check_shape(answer, 422, "ledger.hold_expired")
    assert await a.books() == before

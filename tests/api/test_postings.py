"""Postings over HTTP: booked once, shown alike, refused clearly."""

import asyncio
from typing import Any

import pytest

from tests.api.makers import Client, open_accounts, transfer

POST = "/ledger/transactions"


@pytest.fixture(scope="module", autouse=True)
async def accounts(a: Client) -> None:
    await open_accounts(a, "cash", "cash2", "wallet", "other", floor=0)


async def test_a_posting_moves_both_balances(a: Client) -> None:
    made = await a.post(POST, transfer("cash", "wallet", "150000", reference="r-1", metadata={"b": 1, "a": "x"}))
    assert made["kind"] == "posting"
    assert [entry["amount"] for entry in made["entries"]] == [150000, 150000]
    assert made["metadata"] == {"a": "x", "b": 1}
    assert (await a.get("/ledger/accounts/wallet/balance"))["available"] == 150000
    assert await a.get(f"{POST}/{made['id']}") == made
    assert (await a.get(f"{POST}?reference=r-1"))["items"] == [made]


async def test_the_same_key_gets_the_same_bytes(a: Client) -> None:
    body = transfer("cash", "wallet", 700, metadata={"z": "1", "a": "2"})
    first = await a.send("POST", POST, key="same-1", json=body)
    before = await a.books()
    again = await a.send("POST", POST, key="same-1", json=body)
    assert (first.status_code, first.content) == (201, again.content)
    assert again.status_code == 201
    assert "idempotency-replayed" not in first.headers
    assert again.headers["idempotency-replayed"] == "true"
    assert await a.books() == before


async def test_a_refusal_is_remembered_with_its_bytes(a: Client) -> None:
    body = transfer("other", "cash", 10**9)
    first = await a.send("POST", POST, key="refused-1", json=body)
    assert first.status_code == 422
    assert first.json()["code"] == "ledger.insufficient_funds"
    again = await a.send("POST", POST, key="refused-1", json=body)
    assert (again.status_code, again.content) == (422, first.content)
    assert again.headers["idempotency-replayed"] == "true"


async def test_another_body_under_the_key_is_refused(a: Client) -> None:
    await a.send("POST", POST, key="other-body", json=transfer("cash", "wallet", 1))
    before = await a.books()
    answer = await a.send("POST", POST, key="other-body", json=transfer("cash", "wallet", 2))
    assert (answer.status_code, answer.json()["code"]) == (422, "idempotency.key_reused")
    assert await a.books() == before


async def test_twenty_at_once_book_once(a: Client) -> None:
    before = (await a.get("/ledger/accounts/wallet/balance"))["posted"]
    body = transfer("cash", "wallet", 11)
    answers = await asyncio.gather(*(a.send("POST", POST, key="twenty", json=body) for _ in range(20)))
    assert {(one.status_code, one.content) for one in answers} == {(201, answers[0].content)}
    assert (await a.get("/ledger/accounts/wallet/balance"))["posted"] == before + 11


async def test_a_dry_run_books_nothing(a: Client) -> None:
    before = await a.books()
    answer = await a.send("POST", POST, key="dry", json=transfer("cash", "wallet", 5, dry_run=True))
    assert answer.status_code == 200
    assert await a.books() == before
    assert (await a.send("POST", POST, key="dry", json=transfer("cash", "wallet", 5))).status_code == 201


async def test_large_amounts_keep_every_digit(a: Client) -> None:
    await open_accounts(a, "cash:big", "big")
    made = await a.post(POST, transfer("cash:big", "big", str(2**53 + 1)))
    assert made["entries"][0]["amount"] == str(2**53 + 1)
    await open_accounts(a, "cash:most", "most")
    made = await a.post(POST, transfer("cash:most", "most", 2**63 - 1))
    assert made["entries"][0]["amount"] == str(2**63 - 1)


async def test_a_hold_is_captured_in_parts_and_let_go(a: Client) -> None:
    await a.post(POST, transfer("cash", "other", 1000))
    held = await a.post("/ledger/holds", transfer("other", "cash2", 600))
    assert held["id"].startswith("hld_")
    assert (await a.get("/ledger/accounts/other/balance"))["available"] == 400
    await a.post(f"/ledger/holds/{held['id']}/capture", {"amount": 250})
    over = await a.send("POST", f"/ledger/holds/{held['id']}/capture", json={"amount": 351})
    assert (over.status_code, over.json()["code"]) == (422, "ledger.capture_above_hold")
    await a.post(f"/ledger/holds/{held['id']}/void", {})
    hold = await a.get(f"/ledger/holds/{held['id']}")
    assert (hold["open"], hold["legs"][0]["captured"], hold["legs"][0]["released"]) == (False, 250, 350)
    assert (await a.get("/ledger/accounts/other/balance"))["available"] == 750


async def test_a_batch_answers_item_by_item(a: Client) -> None:
    good, bad = transfer("cash", "wallet", 5), transfer("cash", "nowhere", 5)
    unbalanced: dict[str, Any] = transfer("cash", "wallet", 5)
    unbalanced["legs"][0]["amount"] = 6
    items = [{"kind": "posting", **body} for body in (good, bad, unbalanced)]
    answer = await a.post("/ledger/batches", {"items": items})
    assert (answer["booked"], answer["refused"]) == (1, 2)
    codes = [one.get("problem", {}).get("code") for one in answer["results"]]
    assert codes == [None, "ledger.unknown_account", "ledger.unbalanced"]
    before = await a.books()
    refused = await a.send("POST", "/ledger/batches", json={"items": items, "atomic": True})
    assert refused.status_code in (400, 422)
    assert refused.json()["item"] == 2
    assert await a.books() == before


async def test_a_reversal_undoes_once(a: Client) -> None:
    made = await a.post(POST, transfer("cash", "wallet", 90))
    await a.post(f"{POST}/{made['id']}/reversals", {})
    again = await a.send("POST", f"{POST}/{made['id']}/reversals", json={})
    assert (again.status_code, again.json()["code"]) == (422, "ledger.already_reversed")

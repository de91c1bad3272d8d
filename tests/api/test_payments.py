"""Payments over HTTP, through the real connectors and the rails of a real sandbox."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from omniroute.api import Services
from omniroute.app.cli_sandbox import Outside, outside
from omniroute.sandbox.faults import Fault, FaultPlan
from tests.api.makers import Client
from tests.api.paying import WALLET, Payer, bank_account, nuban, order, payer


@pytest.fixture(scope="module")
async def sandbox() -> AsyncIterator[Outside]:
    async with outside() as running:
        yield running


@pytest.fixture(scope="module")
async def org(a: Client, services: Services, sandbox: Outside) -> AsyncIterator[Payer]:
    async with payer(a, services, sandbox) as made:
        yield made


async def test_a_payment_is_initiated_sent_and_confirmed(org: Payer) -> None:
    made = await org.pay("first", narration="November", metadata={"till": "3"})
    assert (made["status"], made["state"], made["rail"], made["fee"]) == ("PENDING", "approved", "nip", 0)
    assert made["payee"] == {
        "kind": "bank_account", "identifier": nuban(12_345_678), "institution": "000013", "name": None,
        "country": "NG", "account": None,
    }  # fmt: skip
    await org.rounds(2)
    found = await org.detail(made["id"])
    assert (found["status"], found["state"], found["attempt_count"]) == ("CONFIRMED", "succeeded", 1)
    (attempt,) = found["attempts"]
    assert (attempt["state"], attempt["code"]) == ("succeeded", "00")
    assert attempt["holder_name"]
    assert found["external_reference"] == attempt["our_ref"]
    assert len(org.outside.sandbox.world.debits("nip", attempt["our_ref"])) == 1
    steps = found["status_history"]
    assert [steps[0]["state"], steps[-1]["state"]] == ["approved", "succeeded/succeeded"]
    assert steps[0]["actor"] == found["initiated_by"]
    posted = await org.client.get(f"/ledger/transactions/{found['transaction_id']}")
    assert posted["reference"] == "payment:first:paid"


async def test_the_same_order_is_the_same_payment(org: Payer) -> None:
    body = order("twice")
    first = await org.client.send("POST", "/payments", json=body, key="k-twice")
    before = await org.moved()
    for key in ("k-twice", "another"):
        again = await org.client.send("POST", "/payments", json=body, key=key)
        assert (again.status_code, again.headers["idempotency-replayed"]) == (200, "true")
        assert again.json() == first.json()
    assert await org.moved() == before
    await org.rounds(2)
    later = await org.client.send("POST", "/payments", json=body, key="k-twice")
    assert (later.status_code, later.json()["status"]) == (200, "CONFIRMED")


async def test_another_order_under_the_same_name_or_key_is_refused(org: Payer) -> None:
    await org.client.send("POST", "/payments", json=order("taken"), key="k-taken")
    before = await org.moved()
    other = await org.client.send("POST", "/payments", json=order("taken", amount=5), key="k-new")
    assert (other.status_code, other.json()["code"]) == (409, "payments.reference_taken")
    other = await org.client.send("POST", "/payments", json=order("not-taken"), key="k-taken")
    assert (other.status_code, other.json()["code"]) == (422, "idempotency.key_reused")
    assert await org.moved() == before


async def test_twenty_of_one_order_at_once_are_one_payment(org: Payer) -> None:
    body = order("at-once")
    answers = await asyncio.gather(*(org.client.send("POST", "/payments", json=body) for _ in range(20)))
    assert sorted(answer.status_code for answer in answers) == [200] * 19 + [201]
    assert len({answer.json()["id"] for answer in answers}) == 1


async def test_two_orders_under_one_key_at_once_are_one_payment(org: Payer) -> None:
    bodies = [order(f"one-key-{number}") for number in range(8)]
    answers = await asyncio.gather(*(org.client.send("POST", "/payments", json=body, key="one-key") for body in bodies))
    assert sorted(answer.status_code for answer in answers) == [201] + [422] * 7


BAD: list[tuple[dict[str, Any], int, str]] = [
    ({"payee": bank_account(identifier=f"{nuban(12_345_678)[:-1]}0")}, 422, "institutions.wrong_check_digit"),
    ({"payee": bank_account(institution="999")}, 422, "institutions.unknown"),
    ({"payee": bank_account(identifier="12345")}, 400, "institutions.malformed_payee"),
    ({"payee": {"kind": "msisdn", "identifier": "0712", "country": "KE"}}, 400, "institutions.malformed_payee"),
    ({"amount": 0}, 400, "payments.malformed"),
    ({"amount": -5}, 400, "payments.malformed"),
    ({"amount": "9999999999999999999"}, 400, "kit.malformed_amount"),
    ({"payee": {"kind": "msisdn", "identifier": "0772345678", "country": "UG", "institution": "airtel"}}, 422,
     "institutions.other_network"),
    ({"currency": "KES", "payee": bank_account(country="NG")}, 400, "payments.malformed"),
    ({"currency": "XXQ"}, 400, "kit.unknown_currency"),
    ({"amount": 100_000_001}, 422, "ledger.insufficient_funds"),
    ({"source": "wallet:none"}, 422, "payments.source_not_found"),
    ({"reference": "-x"}, 400, "api.invalid_field"),
    ({"reference": "x" * 65}, 400, "api.invalid_field"),
    ({"type": "COLLECTION"}, 400, "api.invalid_field"),
    ({"type": "INTERNAL_TRANSFER"}, 400, "payments.malformed"),
    ({"payee": {"kind": "ledger", "identifier": "wallet:other"}}, 400, "payments.malformed"),
    ({"narration": "x" * 101}, 400, "api.invalid_field"),
    ({"narration": "a\nb"}, 400, "payments.malformed"),
    ({"connection": "none"}, 422, "payments.no_route"),
    ({"connection": "mpesa-kes"}, 422, "payments.no_route"),
    ({"metadata": {"deep": {"er": 1}}}, 400, "api.invalid_field"),
    ({"colour": "red"}, 400, "api.invalid_field"),
]  # fmt: skip


@pytest.mark.parametrize(("change", "status", "code"), BAD, ids=[f"{sorted(c)[0]}-{code}" for c, _, code in BAD])
async def test_a_bad_order_is_refused_and_nothing_moves(
    org: Payer, change: dict[str, Any], status: int, code: str
) -> None:
    assert await org.refused(order() | change) == (status, code)


async def test_a_refused_order_may_be_given_again(org: Payer) -> None:
    body = order("again", amount=100_000_001)
    answer = await org.client.send("POST", "/payments", json=body, key="k-again")
    assert (answer.status_code, answer.json()["code"]) == (422, "ledger.insufficient_funds")
    answer = await org.client.send("POST", "/payments", json=body | {"amount": 100}, key="k-again")
    assert answer.status_code == 201


async def test_an_internal_transfer_is_paid_at_once(org: Payer) -> None:
    payee = {"kind": "ledger", "identifier": "wallet:other"}
    made = await org.pay("internal", type="INTERNAL_TRANSFER", amount=700, payee=payee)
    assert (made["status"], made["rail"], made["connection_id"]) == ("CONFIRMED", "book", None)
    balance = await org.client.get("/ledger/accounts/wallet:other/balance")
    assert balance["posted"] == 700


async def test_shillings_have_no_cents_on_m_pesa(org: Payer) -> None:
    body = {"code": "wallet:ke", "name": "Kenya", "type": "liability", "currency": "KES"}
    await org.client.post("/ledger/accounts", body)
    await org.connect("mpesa", "KES")
    payee = {"kind": "msisdn", "identifier": "0712345678", "country": "KE"}
    made: dict[str, Any] = {"source": "wallet:ke", "currency": "KES", "payee": payee}
    assert await org.refused(order(amount=10_050, **made)) == (422, "payments.no_route")
    other = payee | {"identifier": "0733345678"}  # Of another network.
    assert await org.refused(order(amount=10_000, **made | {"payee": other})) == (422, "institutions.other_network")
    assert (await org.pay(amount=10_000, **made))["rail"] == "mpesa"


async def test_many_are_answered_one_by_one(org: Payer) -> None:
    bad = order("many-bad", payee=bank_account(institution="999"))
    body = {"payments": [order("many-1"), bad, order("many-2"), order("many-1"), order("many-1", amount=1)]}
    answer = await org.client.post("/payments/many", body)
    assert (answer["initiated"], answer["refused"]) == (3, 2)
    kinds = [(one["outcome"], one.get("problem", {}).get("code")) for one in answer["results"]]
    assert kinds == [
        ("initiated", None), ("refused", "institutions.unknown"), ("initiated", None), ("initiated", None),
        ("refused", "payments.reference_taken"),
    ]  # fmt: skip
    assert answer["results"][3]["replayed"] is True
    again = await org.client.post("/payments/many", body)
    assert [one.get("replayed", False) for one in again["results"]] == [True, False, True, True, False]


async def test_payments_are_found_by_reference_status_and_time(org: Payer) -> None:
    made = await org.pay("to-find")
    (found,) = (await org.client.get("/payments?reference=to-find"))["items"]
    assert found == made
    assert (await org.client.get("/payments?reference=nowhere"))["items"] == []
    for query in ("status=PENDING", "state=approved", f"created_from={made['created_at'].replace('+', '%2B')}"):
        listed = (await org.client.get(f"/payments?limit=500&{query}"))["items"]
        assert made["id"] in [one["id"] for one in listed]
    assert made["id"] not in [one["id"] for one in (await org.client.get("/payments?status=FAILED"))["items"]]


async def test_every_status_is_listed_as_it_is_shown(org: Payer) -> None:
    listed = (await org.client.get("/payments?limit=500"))["items"]
    for status in {one["status"] for one in listed}:
        those = (await org.client.get(f"/payments?limit=500&status={status}"))["items"]
        assert [one["id"] for one in those] == [one["id"] for one in listed if one["status"] == status]


async def test_what_has_not_left_is_cancelled_and_what_has_is_not(org: Payer) -> None:
    made = await org.pay("to-cancel", send_after="2999-01-01T00:00:00Z")
    before = await org.client.get(f"/ledger/accounts/{WALLET}/balance")
    ended = await org.client.post(f"/payments/{made['id']}/cancel", {"comment": "changed our mind"})
    assert (ended["status"], ended["state"], ended["reason"]) == ("FAILED", "cancelled", "cancelled")
    after = await org.client.get(f"/ledger/accounts/{WALLET}/balance")
    assert after["available"] == before["available"] + made["amount"]
    assert await org.refused({}, f"/payments/{made['id']}/cancel") == (409, "payments.wrong_state")
    paid = await org.pay("not-to-cancel")
    await org.rounds(2)
    assert await org.refused({}, f"/payments/{paid['id']}/cancel") == (409, "payments.wrong_state")


async def test_a_payment_nobody_has_to_approve_is_not_approved(org: Payer) -> None:
    made = await org.pay("no-approval", send_after="2999-01-01T00:00:00Z")
    assert await org.refused({}, f"/payments/{made['id']}/approve") == (409, "payments.wrong_state")
    assert await org.refused({"comment": "no"}, f"/payments/{made['id']}/reject") == (409, "payments.wrong_state")
    assert await org.refused({}, f"/payments/{made['id']}/reject") == (400, "api.invalid_field")


async def test_an_unknown_outcome_is_listed_with_its_owner_and_next_query(org: Payer) -> None:
    world = org.outside.sandbox.world
    plan, world.plan = world.plan, FaultPlan(percent=100, faults=(Fault.LOST_REPLY,))
    try:
        made = await org.pay("unknown")
        await org.rounds(1)
    finally:
        world.plan = plan
    found = await org.detail(made["id"])
    assert (found["status"], found["state"], found["reason"]) == ("SENT_TO_BANK", "executing", "UNKNOWN")
    listed = (await org.client.get("/payments/unknown"))["items"]
    (one,) = [one for one in listed if one["payment"]["id"] == made["id"]]
    assert (one["owner"], one["state"], one["our_ref"]) == ("worker", "unknown", found["attempts"][0]["our_ref"])
    assert one["next_query_at"] is not None
    assert one["age_s"] >= 0
    assert len(world.debits("nip", one["our_ref"])) == 1
    assert await org.refused({}, f"/payments/{made['id']}/cancel") == (409, "payments.too_late_to_cancel")


async def test_a_payee_of_another_name_is_not_paid(org: Payer) -> None:
    made = await org.pay("other-name", payee=bank_account(name="Zebediah Quux"))
    await org.rounds(2)
    found = await org.detail(made["id"])
    assert (found["status"], found["reason"]) == ("PROCESSING", "name_mismatch")
    assert org.outside.sandbox.world.debits("nip", found["attempts"][0]["our_ref"]) == []


async def test_a_rail_says_whose_an_account_is(org: Payer) -> None:
    asked = await org.client.send("POST", "/account-enquiries", json={"payee": bank_account()})
    said = asked.json()
    assert (said["match"], said["score"], said["rail"], said["active"]) == ("unknown", None, "nip", True)
    named = bank_account(name=f"Mr {said['holder_name'].title()}")
    assert (await org.client.post("/account-enquiries", {"payee": named}))["match"] == "fits"
    other = await org.client.post("/account-enquiries", {"payee": bank_account(name="Zebediah Quux")})
    assert (other["match"], other["score"] < 80) == ("differs", True)
    before = await org.moved()
    pinned = {"payee": bank_account(), "connection": "nowhere"}
    answer = await org.client.send("POST", "/account-enquiries", json=pinned)
    assert (answer.status_code, answer.json()["code"]) == (422, "payments.nobody_to_ask")
    assert await org.moved() == before

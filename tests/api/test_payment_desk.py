"""The desk and standing orders over HTTP, through the rails of a real sandbox: two people, or nothing happens."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest

from omniroute.api import Services
from omniroute.app.cli_sandbox import Outside, outside
from omniroute.money.desk import Returner
from omniroute.money.schedules import ScheduleRunner
from omniroute.sandbox.faults import Fault, FaultPlan
from tests.api.makers import Client, transfer
from tests.api.paying import WALLET, Payer, bank_account, payer

PERMISSIONS = ["payments.read", "payments.review", "payments.approve"]


@pytest.fixture(scope="module")
async def sandbox() -> AsyncIterator[Outside]:
    async with outside() as running:
        yield running


@pytest.fixture(scope="module")
async def org(a: Client, services: Services, sandbox: Outside) -> AsyncIterator[Payer]:
    async with payer(a, services, sandbox) as made:
        yield made


@pytest.fixture(scope="module")
async def checker(org: Payer) -> Client:
    """Somebody else."""
    issued = await org.client.post("/keys", {"name": "checker", "permissions": PERMISSIONS})
    return Client(org.client.http, org.client.tenant_id, org.client.slug, issued["secret"])


async def unknown(org: Payer) -> Any:
    world = org.outside.sandbox.world
    plan, world.plan = world.plan, FaultPlan(percent=100, faults=(Fault.LOST_REPLY,))
    try:
        made = await org.pay()
        await org.rounds(1)
    finally:
        world.plan = plan
    return await org.detail(made["id"])


async def refused(client: Client, path: str, body: dict[str, Any]) -> tuple[int, str]:
    answer = await client.send("POST", path, json=body)
    return answer.status_code, answer.json().get("code")


async def test_an_outcome_is_settled_by_two(org: Payer, checker: Client) -> None:
    payment = await unknown(org)
    attempt = payment["attempts"][0]["id"]
    before = await org.moved()
    path = f"/payments/{payment['id']}/manual-outcome"
    body = {"attempt_id": attempt, "paid": True, "receipt": "FT1", "evidence": "Letter of the bank."}
    asked = await org.client.post(path, body)
    assert (asked["state"], asked["act"], asked["details"]["attempt_id"]) == ("open", "settle", attempt)
    assert await org.moved() == before
    assert await refused(org.client, path, body) == (409, "desk.already_asked")
    decide = f"/approval-requests/{asked['id']}"
    assert await refused(org.client, f"{decide}/approve", {}) == (403, "desk.checker_is_maker")
    assert await refused(checker, f"{decide}/withdraw", {}) == (403, "desk.not_yours")
    assert await org.moved() == before
    done = await checker.post(f"{decide}/approve", {"comment": "seen"})
    assert (done["state"], done["outcome"]) == ("executed", {"payment_state": "succeeded", "payment_reason": None})
    found = await org.detail(payment["id"])
    assert (found["status"], found["receipt"]) == ("CONFIRMED", "FT1")
    assert found["status_history"][-1]["evidence"]["evidence"]["text"] == "Letter of the bank."
    shown = await checker.get(decide)
    assert [(one["approved"], one["comment"]) for one in shown["decisions"]] == [(True, "seen")]
    listed = (await checker.get(f"/approval-requests?payment_id={payment['id']}"))["items"]
    assert [one["id"] for one in listed] == [asked["id"]]
    assert await refused(checker, f"{decide}/reject", {"comment": "no"}) == (409, "desk.request_closed")


async def test_an_outcome_is_settled_for_what_the_rail_moved(org: Payer, checker: Client) -> None:
    payment = await unknown(org)
    books = await org.client.get(f"/ledger/accounts/{WALLET}/balance")
    path = f"/payments/{payment['id']}/manual-outcome"
    body = {"attempt_id": payment["attempts"][0]["id"], "paid": True, "receipt": "FT2", "evidence": "The statement."}
    for amount, refusal in ((0, (400, "desk.malformed")), ("1e3", (400, "api.invalid_field"))):
        assert await org.refused(body | {"amount": amount}, path) == refusal
    asked = await org.client.post(path, body | {"amount": "150250"})
    assert asked["details"]["amount"] == 150_250
    await checker.post(f"/approval-requests/{asked['id']}/approve", {})
    found = await org.detail(payment["id"])
    assert (found["status"], found["reason"], found["amount"]) == ("CONFIRMED", "paid_more", 150_000)
    after = await org.client.get(f"/ledger/accounts/{WALLET}/balance")
    assert int(after["posted"]) == int(books["posted"]) - 150_000
    listed = (await org.client.get("/payment-exceptions?kind=paid_more"))["items"]
    assert [one["payment_id"] for one in listed] == [payment["id"]]
    resolve = {"resolution": "attributed", "evidence": "The payer agreed."}
    asked = await org.client.post(f"/payment-exceptions/{listed[0]['id']}/resolve", resolve)
    await checker.post(f"/approval-requests/{asked['id']}/approve", {})
    after = await org.client.get(f"/ledger/accounts/{WALLET}/balance")
    assert int(after["posted"]) == int(books["posted"]) - 150_250


async def test_an_attempt_of_another_payment_is_not_settled(org: Payer) -> None:
    one, other = await unknown(org), await unknown(org)
    body = {"attempt_id": one["attempts"][0]["id"], "paid": False, "evidence": "Nothing arrived."}
    assert await org.refused(body, f"/payments/{other['id']}/manual-outcome") == (404, "payments.not_found")


async def test_a_name_is_accepted(org: Payer, checker: Client) -> None:
    made = await org.pay(payee=bank_account(name="Zebediah Quux"))
    await org.rounds(2)
    said = await org.client.post("/account-enquiries", {"payee": bank_account()})
    body = {"name": said["holder_name"], "evidence": "Certificate seen."}
    asked = await org.client.post(f"/payments/{made['id']}/accept-name", body)
    await checker.post(f"/approval-requests/{asked['id']}/approve", {})
    await org.rounds(2)
    assert (await org.detail(made["id"]))["status"] == "CONFIRMED"


async def test_a_rail_without_reversals_refuses_at_once(org: Payer) -> None:
    made = await org.pay()
    await org.rounds(1)
    assert (await org.detail(made["id"]))["status"] == "CONFIRMED"
    body = {"evidence": "Paid by mistake."}
    assert await org.refused(body, f"/payments/{made['id']}/reversals") == (422, "desk.not_reversible")
    assert await org.client.get(f"/payments/{made['id']}/reversals") == {"items": []}


async def shillings(org: Payer, rail: str) -> dict[str, Any]:
    """A connection in shillings, and a wallet with some."""
    found = [one for one in org.outside.connections() if one["rail"] == rail and one["currency"] == "KES"]
    if not found:
        pytest.skip(f"the sandbox has no {rail} in shillings")
    if (await org.client.send("GET", "/ledger/accounts/wallet:kes")).status_code != 200:
        for code, kind in (("cash:kes", "asset"), ("wallet:kes", "liability")):
            await org.client.post("/ledger/accounts", {"code": code, "name": code, "type": kind, "currency": "KES"})
        body = transfer("cash:kes", "wallet:kes", 1_000_000)
        for leg in body["legs"]:
            leg["currency"] = "KES"
        await org.client.post("/ledger/transactions", body)
    return await org.connect(rail, "KES")


async def pay_shillings(org: Payer, services: Services, connection: dict[str, Any]) -> Any:
    made = await org.pay(
        amount=150_00,
        currency="KES",
        source="wallet:kes",
        connection=connection["code"],
        payee={"kind": "msisdn", "identifier": "254712345678", "country": "KE"},
    )
    await org.rounds(1)
    assert services.worker_db is not None
    for _ in range(100):
        async with services.worker_db.tx(org.client.tenant_id) as tx:  # Do not wait for the time to ask.
            await tx.connection.execute("UPDATE payment_attempt SET next_query_at = now() WHERE state = 'pending'")
        await org.rounds(1)
        found = await org.detail(made["id"])
        if found["status"] == "CONFIRMED":
            break
        await asyncio.sleep(0.1)
    return found


async def test_a_gsma_operator_gives_back(org: Payer, checker: Client, services: Services) -> None:
    payment = await pay_shillings(org, services, await shillings(org, "gsma"))
    assert payment["status"] == "CONFIRMED", payment
    before = await org.client.get("/ledger/accounts/wallet:kes/balance")
    asked = await org.client.post(f"/payments/{payment['id']}/reversals", {"evidence": "Paid twice."})
    await checker.post(f"/approval-requests/{asked['id']}/approve", {})
    assert await org.client.get("/ledger/accounts/wallet:kes/balance") == before
    assert services.worker_db is not None
    returner = Returner(
        services.worker_db,
        services.payments.links,
        clock=services.clock,
        business_day=services.poster.today,
        worker_id="worker-of-tests",
    )
    await returner.round()
    (reversal,) = (await org.client.get(f"/payments/{payment['id']}/reversals"))["items"]
    assert reversal["state"] == "succeeded", reversal
    assert (await org.detail(payment["id"]))["status"] == "REVERSED"
    after = await org.client.get("/ledger/accounts/wallet:kes/balance")
    assert int(after["posted"]) == int(before["posted"]) + 150_00


# -- standing orders ----------------------------------------------------------------------------------------------


def standing(**more: Any) -> dict[str, Any]:
    start = (datetime.now(UTC) + timedelta(days=1)).date()
    rule = {"frequency": "monthly", "start_on": start.isoformat(), "at": "09:00", "day_of_month": 31}
    return {
        "reference": f"rent-{uuid4()}"[:40], "type": "SUPPLIER_PAYMENT", "currency": "NGN", "source": WALLET,
        "payee": bank_account(), "recurrence": rule, "amount": 5_000, **more,
    }  # fmt: skip


async def test_a_standing_order_is_approved_once_and_turned_on_and_off(
    org: Payer, checker: Client, services: Services
) -> None:
    before = await org.moved()
    made = await org.client.post("/payment-schedules", standing())
    path = f"/payment-schedules/{made['id']}"
    assert (made["state"], made["approvals_needed"], made["time_zone"]) == ("awaiting_approval", 1, "Africa/Lagos")
    assert await refused(org.client, f"{path}/approve", {}) == (403, "schedules.approver_is_requester")
    active = await checker.post(f"{path}/approve", {"comment": "fine"})
    assert (active["state"], active["next_on"]) == ("active", made["next_on"])
    dates = (await org.client.get(f"{path}/dates?limit=3"))["items"]
    assert [one["number"] for one in dates] == [1, 2, 3]
    assert (await org.client.post(f"{path}/pause", {}))["state"] == "paused"
    assert await refused(org.client, f"{path}/pause", {}) == (409, "schedules.wrong_state")
    assert (await org.client.post(f"{path}/resume", {}))["state"] == "active"
    assert services.worker_db is not None
    runner = ScheduleRunner(services.worker_db, services.payments.rulebooks, clock=services.clock)
    await runner.round()
    assert (await org.client.get(f"{path}/occurrences"))["items"] == []
    assert (await org.client.post(f"{path}/cancel", {}))["state"] == "cancelled"
    assert (await org.client.get(f"{path}/dates"))["items"] == []
    assert made["id"] in [one["id"] for one in (await org.client.get("/payment-schedules?state=cancelled"))["items"]]
    assert await org.moved() == before


@pytest.mark.parametrize(
    ("more", "code"),
    [
        ({"amount": None}, "schedules.malformed"),
        ({"sweep": {"above": 0, "max": 5}}, "schedules.malformed"),
        ({"source": "wallet:nobody"}, "payments.source_not_found"),
        ({"connection": "nowhere"}, "schedules.malformed"),
    ],
)
async def test_a_bad_standing_order_is_refused(org: Payer, more: dict[str, Any], code: str) -> None:
    assert (await org.refused(standing(**more), "/payment-schedules"))[1] == code


async def test_the_calendar_of_the_organisation(org: Payer) -> None:
    wanted = {
        "days": [{"day": "2030-01-02", "name": "Stocktaking", "open": False}],
        "cut_offs": [{"rail": "nip", "at": "15:00"}],
    }
    answer = await org.client.send("PUT", "/payment-calendar", json=wanted)
    assert (answer.status_code, answer.json()) == (200, wanted)
    rule = {"frequency": "daily", "start_on": "2030-01-02", "at": "09:00", "count": 1}
    shown = await org.client.post("/payment-schedules/preview", {"recurrence": rule})
    assert [(one["nominal_on"], one["due_on"]) for one in shown["items"]] == [("2030-01-02", "2030-01-03")]
    await org.client.send("PUT", "/payment-calendar", json={})
    assert await org.client.get("/payment-calendar") == {"days": [], "cut_offs": []}

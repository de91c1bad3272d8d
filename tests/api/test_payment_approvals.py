"""Approvals over HTTP: never by who initiated, never too late, each person once; and limits that say no."""

from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import pytest

from omniroute.api import Services
from omniroute.app.cli_sandbox import outside
from omniroute.kit.ids import parse
from omniroute.money.policies import ApprovalRule, Draft, LimitRule, Period, PolicyKind, When
from tests.api.makers import CLOCK, Client
from tests.api.paying import Payer, decide, order, payer

LATER = "2999-01-01T00:00:00Z"


@pytest.fixture(scope="module")
async def org(a: Client, services: Services) -> AsyncIterator[Payer]:
    """Payments from 1,000.00 on need somebody; none passes 5,000.00."""
    async with outside() as sandbox, payer(a, services, sandbox) as made:
        band = When(amount_from_minor=100_000, currency="NGN")
        await decide(made, Draft(PolicyKind.APPROVAL, "larger ones", 1, band, ApprovalRule(1)))
        most = LimitRule(Period.PAYMENT, amount_max_minor=500_000)
        await decide(made, Draft(PolicyKind.LIMIT, "at most", 1, When(currency="NGN"), most))
        yield made


@pytest.fixture(scope="module")
async def approver(org: Payer) -> Client:
    """Somebody else, who may approve and nothing more."""
    body = {"name": "approver", "permissions": ["payments.approve", "payments.read"]}
    issued = await org.client.post("/keys", body)
    return Client(org.client.http, org.client.tenant_id, org.client.slug, issued["secret"])


async def test_a_payment_goes_when_somebody_else_says_yes(org: Payer, approver: Client) -> None:
    made = await org.pay()
    assert (made["status"], made["approvals_needed"]) == ("AWAITING_APPROVAL", 1)
    await org.rounds(1)
    assert (await org.detail(made["id"]))["attempts"] == []
    path = f"/payments/{made['id']}/approve"
    assert await org.refused({}, path) == (403, "payments.approver_is_initiator")
    approved = await approver.post(path, {"comment": "as agreed"})
    assert (approved["status"], approved["approvals_given"]) == ("PENDING", 1)
    await org.rounds(2)
    found = await org.detail(made["id"])
    assert found["status"] == "CONFIRMED"
    assert [(one["approved"], one["comment"]) for one in found["approvals"]] == [(True, "as agreed")]
    again = await approver.send("POST", path, json={})
    assert (again.status_code, again.json()["code"]) == (409, "payments.wrong_state")


async def test_a_no_ends_a_payment_and_frees_its_money(org: Payer, approver: Client) -> None:
    before = await org.client.get("/ledger/accounts/wallet:payroll/balance")
    made = await org.pay()
    assert await org.refused({"comment": "mine"}, f"/payments/{made['id']}/reject") == (
        403, "payments.approver_is_initiator",
    )  # fmt: skip
    ended = await approver.post(f"/payments/{made['id']}/reject", {"comment": "not ours"})
    assert (ended["status"], ended["reason"]) == ("FAILED", "rejected")
    after = await org.client.get("/ledger/accounts/wallet:payroll/balance")
    assert (after["posted"], after["available"]) == (before["posted"], before["available"])


async def test_an_expired_approval_is_refused(org: Payer, approver: Client) -> None:
    made = await org.pay()
    async with org.services.db.tx(org.client.tenant_id) as tx:
        await tx.connection.execute(
            "UPDATE payment SET expires_at = %s WHERE payment_id = %s",
            [CLOCK.now() - timedelta(seconds=1), parse("pay", made["id"])],
        )
    before = await org.moved()
    answer = await approver.send("POST", f"/payments/{made['id']}/approve", json={})
    assert (answer.status_code, answer.json()["code"]) == (422, "payments.approval_expired")
    assert await org.moved() == before
    assert await org.dispatcher.expire() == 1
    assert (await org.detail(made["id"]))["status"] == "EXPIRED"


async def test_many_are_decided_one_by_one(org: Payer, approver: Client) -> None:
    waiting = [await org.pay(send_after=LATER) for _ in range(3)]
    small = await org.pay(amount=100, send_after=LATER)
    ids = [one["id"] for one in (*waiting, small)]
    said = await approver.post("/payments/approve", {"payment_ids": ids})
    assert (said["done"], said["refused"]) == (3, 1)
    assert said["results"][3]["problem"]["code"] == "payments.wrong_state"
    assert {one["payment"]["state"] for one in said["results"][:3]} == {"scheduled"}
    ended = await org.client.post("/payments/cancel", {"payment_ids": ids, "comment": "all of them"})
    assert (ended["done"], ended["refused"]) == (4, 0)
    other = await approver.send("POST", "/payments/cancel", json={"payment_ids": ids})
    assert (other.status_code, other.json()["code"]) == (403, "access.permission_missing")


async def test_a_limit_says_no_and_nothing_moves(org: Payer) -> None:
    body: dict[str, Any] = order(amount=500_001)
    assert await org.refused(body) == (422, "payments.limit_exceeded")
    assert (await org.pay(amount=500_000, send_after=LATER))["status"] == "AWAITING_APPROVAL"

"""Virtual accounts through the gateway: opened at a provider, credited, and told to who follows them, word for word."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx
import pytest

from omniroute.app.gateway_rows import ROWS
from omniroute.graphql import Engine, Metadata, Session
from omniroute.graphql.live.hub import Hub
from omniroute.graphql.triggers import Feeder, TriggerCourier
from omniroute.infra.postgres import Database
from omniroute.kit.ids import parse
from omniroute.money.collections import Collector
from tests.gateway.asking import ask, refusal, session
from tests.gateway.conftest import A1, B1
from tests.gateway.desk import CLOCK, Desk, opened
from tests.gateway.promised import OPERATIONS, READY, ROLES
from tests.graphql.handler import calling, handling

CREATE, FOLLOW = OPERATIONS["CreateVirtualAccount"], OPERATIONS["VirtualAccountTransactions"]
ROW = """query ($number: String!) { virtual_accounts(where: {accountNumber: {_eq: $number}}) {
    id ownerType status balance currency metadata collectionRules expiryDate owner { name }
    transactions { amount type reference } credits { status fee used }
} }"""


@asynccontextmanager
async def following(engine: Engine, who: Session, role: str, hub: Hub, **variables: Any) -> AsyncIterator[Any]:
    """A subscription; `await next()` is the data of its next result."""
    full = asyncio.Event()
    subscription = hub.follow(engine, role, who, FOLLOW, variables, None, lambda _: full.set())

    async def following_result() -> Any:
        async with asyncio.timeout(60):
            while True:
                await full.wait()
                full.clear()
                result = subscription.box.take()
                if result is not None:
                    assert not result.is_error, result.payload
                    answer = json.loads(result.payload)
                    return answer["data"]["virtual_account_transactions"]

    try:
        yield following_result
    finally:
        hub.leave(subscription)


@pytest.mark.parametrize("role", sorted(READY["VirtualAccountTransactions"]))
async def test_what_moves_on_an_account_is_told(
    engine: Engine, app_db: Database, worker_db: Database, role: str
) -> None:
    hub = Hub(app_db, worker_db)
    try:
        for corner, seen in ((A1, True), (B1, False)):
            async with following(
                engine, session(A1, role), role, hub, accountId=str(corner.id("virtual"))
            ) as following_result:
                found = await following_result()
            arrival = str(A1.id("arrival"))
            told = {
                "id": f"{arrival[:-4]}0000", "amount": 2500.50, "type": "CREDIT",
                "reference": f"session-{A1.mark}", "narration": "March", "balanceAfter": 2500.50,
                "createdAt": "2026-03-02T23:30:00+00:00",
            }  # fmt: skip
            assert found == ([told] if seen else [])
    finally:
        await hub.close()


async def test_an_account_leads_to_its_connection(engine: Engine) -> None:
    document = """{ virtual_accounts(where: {reference: {_eq: "alpha-1"}}) { connection { code } ledgerAccountId } }"""
    answer = await ask(engine, "auditor", session(A1, "auditor"), document)
    assert answer["virtual_accounts"] == [{"connection": {"code": A1.mark}, "ledgerAccountId": str(A1.id("vledger"))}]


async def test_fields_are_those_of_the_brief(engine: Engine) -> None:
    document = """{ virtual_accounts(where: {reference: {_eq: "alpha-1"}}) {
        id tenantId accountNumber bankCode accountName ownerId ownerType currency balance status expiryDate
        collectionRules metadata createdAt owner { name } } }"""
    answer = await ask(engine, "auditor", session(A1, "auditor"), document)
    assert answer["virtual_accounts"] == [
        {
            "id": str(A1.id("virtual")), "tenantId": str(A1.tenant_id), "accountNumber": f"62547{A1.mark}",
            "bankCode": "50515", "accountName": A1.mark, "ownerId": str(A1.id("partner")), "ownerType": "CUSTOMER",
            "currency": "NGN", "balance": 2500.50, "status": "ACTIVE", "expiryDate": None,
            "collectionRules": {"minAmount": 100.50}, "metadata": {"order": "7"},
            "createdAt": "2026-03-02T23:30:00+00:00", "owner": {"name": A1.mark},
        }
    ]  # fmt: skip


# -- through a provider -----------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
async def desk(app_db: Database, worker_db: Database, metadata: Metadata) -> AsyncIterator[Desk]:
    async with opened(app_db, worker_db, metadata) as made:
        await made.payer.connect("monnify", "NGN", "collect")
        yield made


@pytest.fixture(scope="module")
async def owner_id(desk: Desk) -> str:
    body = {"code": "nkechi", "kind": "RETAILER", "name": "Mama Nkechi", "email": "nkechi@stores.example"}
    return str(parse("ptn", (await desk.payer.client.post("/partners", body))["id"]))


def wanted(owner_id: str, **more: Any) -> dict[str, Any]:
    return {"ownerId": owner_id, "ownerType": "CUSTOMER", "currency": "NGN", **more}


async def run(desk: Desk, role: str, document: str, **variables: Any) -> Any:
    return await ask(desk.engine, role, await desk.session(role), document, **variables)


async def pay(desk: Desk, account: dict[str, Any], amount: str, narration: str) -> str:
    """A payer's bank sends money; the session of the transfer."""
    (offered,) = (one for one in desk.payer.outside.connections() if one["rail"] == "monnify")
    body = {"accountNumber": account["accountNumber"], "bankCode": account["bankCode"], "amount": amount}
    async with httpx.AsyncClient() as client:
        reply = await client.post(f"{offered['endpoint']}/portal/transfers", json=body | {"narration": narration})
    reply.raise_for_status()
    said: str = reply.json()["sessionId"]
    return said


async def fetched(desk: Desk) -> None:
    """The provider's list is read, whenever it was read before."""
    worker, money = desk.services.worker_db, desk.services.payments
    assert worker is not None
    collector = Collector(worker, money.links, clock=CLOCK, business_day=desk.services.poster.today)
    connection_id = parse("con", desk.payer.connections["collect"]["id"])
    await collector.fetch(desk.payer.client.tenant_id, connection_id, CLOCK.now())


@pytest.mark.parametrize("role", sorted(READY["CreateVirtualAccount"]))
async def test_an_account_is_opened_and_credited(desk: Desk, owner_id: str, role: str) -> None:
    name = role.replace("_", " ")
    given = wanted(
        owner_id, accountName=f"Nkechi of {name}", metadata={"order": 7}, reference=f"order-{role}",
        collectionRules={"minAmount": 10}, expiryDate="2099-01-01T00:00:00Z",
    )  # fmt: skip
    made = (await run(desk, role, CREATE, input=given))["createVirtualAccount"]
    assert made == {
        "accountNumber": made["accountNumber"], "bankCode": "50515", "bankName": "Moniepoint Microfinance Bank",
        "accountName": f"Nkechi of {name}", "expiryDate": "2099-01-01T00:00:00Z",
    }  # fmt: skip
    assert len(made["accountNumber"]) == 10
    assert (await run(desk, role, CREATE, input=given))["createVirtualAccount"] == made
    sent = await pay(desk, made, "2500.50", "Invoice 7")
    await fetched(desk)
    [row] = (await run(desk, role, ROW, number=made["accountNumber"]))["virtual_accounts"]
    assert row.pop("id")
    assert row == {
        "ownerType": "CUSTOMER", "status": "ACTIVE", "balance": 2500.50, "currency": "NGN", "metadata": {"order": 7},
        "collectionRules": {"minAmount": 10.00}, "expiryDate": "2099-01-01T00:00:00+00:00",
        "owner": {"name": "Mama Nkechi"},
        "transactions": [{"amount": 2500.50, "type": "CREDIT", "reference": sent}],
        "credits": [{"status": "BOOKED", "fee": 10.00, "used": 0}],
    }  # fmt: skip


@pytest.mark.parametrize("role", sorted(set(ROLES) - READY["CreateVirtualAccount"]))
async def test_others_open_nothing(desk: Desk, owner_id: str, role: str) -> None:
    before = await desk.payer.client.get("/virtual-accounts?limit=500")
    who = await desk.session(role)
    message, code = await refusal(desk.engine, role, who, CREATE, input=wanted(owner_id))
    assert code == "validation-failed"
    assert message in ("field 'createVirtualAccount' not found in type: 'mutation_root'", "no mutations exist")
    assert await desk.payer.client.get("/virtual-accounts?limit=500") == before


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"currency": "KES"}, "collections.no_issuer"),
        ({"collectionRules": {"minAmount": 1.005}}, "kit.malformed_amount"),
        ({"collectionRules": {"colour": "red"}}, "actions.malformed"),
        ({"expiryDate": "2020-01-01T00:00:00Z"}, "collections.malformed"),
        ({"ownerId": "00000000-0000-8000-8000-000000000000"}, "partners.not_found"),
    ],
)
async def test_what_a_handler_refuses_is_passed_on(
    desk: Desk, owner_id: str, change: dict[str, Any], code: str
) -> None:
    before = await desk.payer.client.get("/virtual-accounts?limit=500")
    who = await desk.session("finance_admin")
    assert (await refusal(desk.engine, "finance_admin", who, CREATE, input=wanted(owner_id) | change))[1] == code
    assert await desk.payer.client.get("/virtual-accounts?limit=500") == before


async def test_a_provider_that_is_silent_leaves_it_requested(desk: Desk, owner_id: str) -> None:
    document = """mutation ($input: CreateVirtualAccountInput!) {
        createVirtualAccount(input: $input) { status accountNumber reason account { status } } }"""
    given = wanted(owner_id, accountName="Nkechi 901", reference="silent")  # The sandbox loses the first request.
    made = (await run(desk, "finance_admin", document, input=given))["createVirtualAccount"]
    assert (made["status"], made["accountNumber"], made["account"]) == ("REQUESTED", None, {"status": "REQUESTED"})
    assert made["reason"]


async def test_who_follows_is_told_of_a_credit_and_so_is_the_order_service(
    desk: Desk, app_db: Database, worker_db: Database, metadata: Metadata, owner_id: str
) -> None:
    document = "mutation ($input: CreateVirtualAccountInput!) { createVirtualAccount(input: $input) { id " + (
        "accountNumber bankCode } }"
    )
    made = (await run(desk, "finance_admin", document, input=wanted(owner_id)))["createVirtualAccount"]
    hub = Hub(app_db, worker_db)
    try:
        async with (
            handling() as receiver,
            calling(receiver.base, {"ORDER_SERVICE_URL": receiver.base}) as calls,
            following(
                desk.engine, await desk.session("auditor"), "auditor", hub, accountId=made["id"]
            ) as following_result,
        ):
            assert await following_result() == []
            feeder = Feeder(app_db, worker_db, metadata, calls, ROWS, clock=CLOCK)
            courier = TriggerCourier(worker_db, metadata, calls, clock=CLOCK, in_flight_max=5)
            while await feeder.feed():
                pass
            sent = await pay(desk, made, "70.00", "Order 8")
            await fetched(desk)
            [told] = await following_result()
            assert (told["amount"], told["type"], told["reference"], told["narration"], told["balanceAfter"]) == (
                70, "CREDIT", sent, "Order 8", 70,
            )  # fmt: skip
            while await feeder.feed():
                pass
            while await courier.deliver():
                await courier.idle()
            await courier.idle()
            [call] = receiver.got
            assert call.path == "/webhooks/payment-received"
            event = call.said["event"]
            assert (event["op"], event["data"]["old"]) == ("INSERT", None)
            new = event["data"]["new"]
            assert (new["id"], new["accountId"], new["amount"], new["reference"]) == (
                told["id"], made["id"], 70, sent,
            )  # fmt: skip
    finally:
        await hub.close()

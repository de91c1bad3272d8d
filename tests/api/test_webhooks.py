"""Outgoing webhooks over HTTP: secrets shown once, versions, refusals that change nothing, a message that arrives."""

import base64
import json
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta
from typing import Any

import httpx
import pytest
from prometheus_client import CollectorRegistry
from standardwebhooks import Webhook

from omniroute.api import Services, create_app
from omniroute.infra.http import HttpMetrics, Limits, RailHttp, public_only
from omniroute.infra.postgres import Database
from omniroute.parties import webhooks
from tests.api.hooks import NOWHERE, make_delivery, make_webhook
from tests.api.makers import CLOCK, Client, open_accounts, transfer
from tests.api.paying import make_payment
from tests.parties.webhooks.house import OK, Receiver, answer, receiving
from tests.vaults import the_vault


@pytest.fixture(scope="module")
async def near(services: Services, a: Client) -> AsyncIterator[Client]:
    """Organisation A at a door that lets events be sent to this machine."""
    near_services = replace(services, loopback_webhooks_allowed=True, registry=CollectorRegistry())
    app = create_app(near_services, access_log=False)
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://omniroute.test") as client:
        yield replace(a, http=client)


@pytest.fixture
async def courier(worker_db: Database) -> AsyncIterator[webhooks.Courier]:
    http = RailHttp(
        rail="webhooks", connection="out", clock=CLOCK, metrics=HttpMetrics(CollectorRegistry()),
        limits=Limits(breaker_failures_min=1 << 30), resolve=public_only(allow_loopback=True),
    )  # fmt: skip
    metrics = webhooks.WebhookMetrics(CollectorRegistry())
    yield webhooks.Courier(
        worker_db, the_vault(), http, clock=CLOCK, metrics=metrics, loopback_allowed=True, jitter=lambda wait: wait
    )
    await http.aclose()


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    async with receiving() as made:
        yield made


async def work(courier: webhooks.Courier, worker_db: Database) -> None:
    while await webhooks.feed(worker_db, now=CLOCK.now()):
        pass
    while await courier.deliver():
        await courier.idle()


async def everything(client: Client) -> list[Any]:
    """What a refused request could have changed."""
    return [(await client.get(path))["items"] for path in ("/webhooks?limit=500", "/events?limit=500")]


async def test_a_message_arrives_and_the_log_shows_it(
    near: Client, courier: webhooks.Courier, worker_db: Database, receiver: Receiver
) -> None:
    body = {"url": receiver.url, "event_types": ["ledger.*"], "description": "books"}
    made = await near.post("/webhooks", body)
    await open_accounts(near, "cash:w", "wallet:w")
    posted = await near.post("/ledger/transactions", transfer("cash:w", "wallet:w", 500))
    await work(courier, worker_db)

    got = next(one for one in receiver.got if one.event["type"] == "ledger.transaction.posted")
    event = Webhook(made["secret"]).verify(got.body, got.headers)
    assert event["subject"] == posted["id"]
    assert event in (await near.get("/events", params={"type": "ledger.transaction.posted"}))["items"]
    assert "500" in str(event["data"])
    listed = await near.get("/webhook-deliveries", params={"webhook_id": made["webhook"]["id"], "status": "delivered"})
    delivery = next(one for one in listed["items"] if one["event_id"] == event["id"])
    shown = await near.get(f"/webhook-deliveries/{delivery['id']}")
    (attempt,) = shown["attempts"]
    assert (attempt["status"], attempt["reply"], attempt["reason"]) == (200, "ok", None)


async def test_payments_and_connections_tell_their_story(
    near: Client, courier: webhooks.Courier, worker_db: Database, receiver: Receiver
) -> None:
    made = await near.post("/webhooks", {"url": receiver.url, "event_types": ["payment.*", "connection.*"]})
    await open_accounts(near, "cash:p", "wallet:p")
    await near.post("/ledger/transactions", transfer("cash:p", "wallet:p", 5_000))
    connection, payment = await make_payment(near, "wallet:p", code="hooked")
    await work(courier, worker_db)

    events = [Webhook(made["secret"]).verify(got.body, got.headers) for got in receiver.got]
    told = {event["type"]: event for event in events}
    assert told["connection.created"]["subject"] == connection["id"]
    assert told["payment.initiated"]["subject"] == payment["id"]
    assert told["payment.initiated"]["data"]["amount_minor"] == 100
    assert "client_secret" not in str(events)


async def test_a_test_event_and_a_replay(
    near: Client, courier: webhooks.Courier, worker_db: Database, receiver: Receiver
) -> None:
    receiver.reply = lambda got: answer(500, b"not yet")
    made = await make_webhook(near, receiver.url, paused=True)
    tested = await near.send("POST", f"/webhooks/{made['id']}/tests", json={})
    assert tested.status_code == 202
    await work(courier, worker_db)
    (got,) = receiver.got
    assert got.event["id"] == tested.json()["event_id"]
    (delivery,) = (await near.get("/webhook-deliveries", params={"webhook_id": made["id"]}))["items"]
    assert (delivery["status"], delivery["last_reason"]) == ("pending", "answered 500")

    receiver.reply = lambda got: OK
    again = await near.send("POST", f"/webhook-deliveries/{delivery['id']}/replays", json={})
    assert again.status_code == 202
    await work(courier, worker_db)
    assert [one.headers["webhook-id"] for one in receiver.got] == [got.event["id"]] * 2
    shown = await near.get(f"/webhook-deliveries/{delivery['id']}")
    assert shown["delivery"]["status"] == "delivered"
    assert [(one["number"], one["status"]) for one in shown["attempts"]] == [(1, 500), (2, 200)]


async def test_the_secret_is_shown_once(a: Client, worker_db: Database) -> None:
    body = {"url": NOWHERE, "event_types": ["payment.*"]}
    first = await a.send("POST", "/webhooks", json=body, key="hook-1")
    secret = first.json()["secret"]
    assert secret.startswith("whsec_")
    assert len(base64.b64decode(secret.removeprefix("whsec_"))) == 32
    again = await a.send("POST", "/webhooks", json=body, key="hook-1")
    assert again.content == first.content
    webhook = first.json()["webhook"]
    rotated = await a.send(
        "POST", f"/webhooks/{webhook['id']}/rotations", json={"overlap_hours": 1}, headers={"if-match": '"1"'}
    )
    assert rotated.status_code == 201
    assert rotated.json()["secret"] != secret
    assert rotated.headers["etag"] == '"2"'
    shown = await a.get(f"/webhooks/{webhook['id']}")
    assert [one["expires_at"] is None for one in shown["secrets"]] == [True, False]
    told = json.dumps([await a.get("/webhooks"), shown, await a.get("/events?limit=500")])
    assert secret not in told
    assert rotated.json()["secret"] not in told
    async with worker_db.tx(a.tenant_id) as tx:
        rows = await (await tx.connection.execute("SELECT webhook_secret::text FROM webhook_secret")).fetchall()
    assert secret not in str(rows)


async def test_changes_name_the_version_that_was_read(a: Client) -> None:
    made = await make_webhook(a)
    path = f"/webhooks/{made['id']}"
    body = {"url": NOWHERE, "event_types": ["*"], "description": "all", "status": "paused"}
    assert (await a.send("PUT", path, json=body)).status_code == 428
    changed = await a.send("PUT", path, json=body, headers={"if-match": '"1"'})
    assert changed.status_code == 200
    assert changed.json()["status"] == "paused"
    before = await a.get(path)
    stale = await a.send("PUT", path, json=body, headers={"if-match": '"1"'})
    assert (stale.status_code, stale.json()["code"]) == (412, "webhooks.stale_version")
    assert await a.get(path) == before
    assert (await a.send("DELETE", path, headers={"if-match": '"1"'})).status_code == 412
    gone = await a.send("DELETE", path, headers={"if-match": '"2"'})
    assert (gone.status_code, gone.json()["status"], gone.json()["secrets"]) == (200, "deleted", [])
    assert (await a.send("GET", path)).status_code == 404
    assert made["id"] not in [one["id"] for one in (await a.get("/webhooks"))["items"]]


@pytest.mark.parametrize(
    "url",
    [
        "http://8.8.8.8/", "https://169.254.169.254/latest/meta-data", "https://10.1.2.3/", "https://[::1]/",
        "https://2130706433/", "https://0x7f.1/", "https://0177.0.0.1/", "https://127.1/", "https://localhost/",
        "https://printer.localhost./", "https://[::ffff:10.0.0.1]/", "https://user:pw@8.8.8.8/", "ftp://8.8.8.8/", "/",
    ],
)  # fmt: skip
async def test_addresses_that_lead_inside_are_refused(a: Client, url: str) -> None:
    before = await everything(a)
    answer = await a.send("POST", "/webhooks", json={"url": url, "event_types": ["*"]})
    assert (answer.status_code, answer.json()["code"]) == (400, "http.private_address")
    assert await everything(a) == before


@pytest.mark.parametrize(
    "change",
    [
        {"event_types": []}, {"event_types": ["Payment.*"]}, {"event_types": ["pay*"]}, {"event_types": ["%"]},
        {"event_types": ["payment.*.*"]}, {"url": "https://8.8.8.8/#frag"}, {"description": "a\u0007b"},
        {"description": "x" * 501}, {"url": "https://8.8.8.8/" + "x" * 2_000}, {"secret": "mine"},
    ],
)  # fmt: skip
async def test_what_is_malformed_is_refused(a: Client, change: dict[str, Any]) -> None:
    before = await everything(a)
    body = {"url": NOWHERE, "event_types": ["*"], **change}
    assert (await a.send("POST", "/webhooks", json=body)).status_code == 400
    assert await everything(a) == before


async def test_permissions(a: Client, worker_db: Database) -> None:
    made = await make_webhook(a)
    delivery = await make_delivery(a, worker_db, made["id"])
    issued = await a.post("/keys", {"name": "reader", "permissions": ["webhooks.read"]})
    reader = replace(a, secret=issued["secret"])
    assert (await reader.get(f"/webhooks/{made['id']}"))["id"] == made["id"]
    assert (await reader.get(f"/webhook-deliveries/{delivery}"))["delivery"]["id"] == delivery
    for method, path, body in (
        ("POST", "/webhooks", {"url": NOWHERE, "event_types": ["*"]}),
        ("POST", f"/webhooks/{made['id']}/tests", {}),
        ("POST", f"/webhook-deliveries/{delivery}/replays", {}),
    ):
        assert (await reader.send(method, path, json=body)).status_code == 403
    other = replace(a, secret=(await a.post("/keys", {"name": "o", "permissions": ["ledger.read"]}))["secret"])
    assert (await other.send("GET", "/webhooks")).status_code == 403
    branch = await a.post("/branches", {"code": "hooks", "name": "North"})
    bound = {"name": "n", "permissions": ["webhooks.read", "webhooks.write"], "branch_ids": [branch["id"]]}
    north = replace(a, secret=(await a.post("/keys", bound))["secret"])
    assert (await north.send("GET", "/webhooks")).status_code == 403


async def test_another_organisations_deliveries_are_not_listed(a: Client, b: Client, worker_db: Database) -> None:
    made = await make_webhook(b)
    await make_delivery(b, worker_db, made["id"])
    listed = await a.get("/webhook-deliveries", params={"webhook_id": made["id"]})
    assert listed == {"items": [], "next_cursor": None}


async def test_replay_since_counts_what_it_queued(a: Client, worker_db: Database) -> None:
    made = await make_webhook(a, NOWHERE, "branch.created")
    since = (CLOCK.now() - timedelta(minutes=1)).isoformat()
    await a.post("/branches", {"code": "replayed", "name": "x"})
    while await webhooks.feed(worker_db, now=CLOCK.now()):
        pass
    disabled = {"url": NOWHERE, "event_types": ["branch.created"], "description": "", "status": "disabled"}
    path = f"/webhooks/{made['id']}"
    assert (await a.send("PUT", path, json=disabled, headers={"if-match": '"1"'})).status_code == 200
    refused = await a.send("POST", f"{path}/replays", json={"since": since})
    assert (refused.status_code, refused.json()["code"]) == (422, "webhooks.endpoint_disabled")
    await a.send("PUT", path, json=disabled | {"status": "active"}, headers={"if-match": '"2"'})
    queued = await a.send("POST", f"{path}/replays", json={"since": since})
    assert queued.status_code == 202
    assert queued.json()["queued_count"] >= 1

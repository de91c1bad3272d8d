"""What rails call us with: stored and acknowledged at once, believed only with evidence, harmless when repeated."""

import asyncio
import hashlib
import hmac
from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import urlsplit
from uuid import uuid4

import httpx
import pytest

from omniroute.api import Services
from omniroute.api.call import Buckets
from omniroute.app.cli_sandbox import outside
from omniroute.kit.ids import parse, show
from omniroute.sandbox.callbacks import CallbackRequest
from tests.api.makers import CLOCK, Client
from tests.api.paying import Payer, call_in, payer


@pytest.fixture(scope="module")
async def org(a: Client, services: Services, http: httpx.AsyncClient) -> AsyncIterator[Payer]:
    """The sandbox reaches us as it would over the network."""

    async def deliver(request: CallbackRequest) -> int:
        path = urlsplit(request.url).path
        answer = await http.request(request.method, path, content=request.body, headers=dict(request.headers))
        return answer.status_code

    async with outside(deliver=deliver) as sandbox, payer(a, services, sandbox) as made:
        body = {"code": "wallet:ke", "name": "Kenya", "type": "liability", "currency": "KES"}
        await a.post("/ledger/accounts", body)
        await made.connect("mpesa", "KES", "mpesa")
        yield made


async def pay_shillings(org: Payer) -> dict[str, Any]:
    """A payment that was taken by M-Pesa; its result comes by call."""
    payee = {"kind": "msisdn", "identifier": "0712345678", "country": "KE"}
    made: dict[str, Any] = await org.pay(source="wallet:ke", currency="KES", payee=payee)
    await org.rounds(1)
    return made


async def address(org: Payer, code: str, purpose: str, ref: str) -> str:
    """The path under which a rail may call us about this."""
    connection_id = parse("con", org.connections[code]["id"])
    link = await org.services.payments.links.get(org.client.tenant_id, connection_id)
    return urlsplit(link.context.callback_url(purpose, ref)).path


async def events(org: Payer, ref: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = (await org.client.get(f"/provider-events?ref={ref}&limit=500"))["items"]
    return found


async def settle(org: Payer, payment_id: str) -> Any:
    """Let the rail call, and hear it, until the payment is over."""
    for _ in range(600):
        await org.outside.sandbox.world.run_due()
        await org.rounds(1)
        found = await org.detail(payment_id)
        if found["completed_at"] is not None:
            return found
        await asyncio.sleep(0.05)
    raise AssertionError(found)


async def test_a_result_that_comes_by_call_is_confirmed_by_a_question(org: Payer) -> None:
    made = await pay_shillings(org)
    await settle(org, made["id"])
    await org.quiet()
    found = await org.detail(made["id"])
    our_ref = found["attempts"][0]["our_ref"]
    calls = await events(org, our_ref)
    assert [one["authentic"] for one in calls] == [True] * len(calls)
    assert {one["state"] for one in calls} == {"processed"}
    assert found["status"] == "CONFIRMED"
    assert "callback" in {step["source"] for step in found["status_history"]}
    assert len(org.outside.sandbox.world.debits("mpesa", our_ref)) == 1
    shown = await org.client.get(f"/provider-events/{calls[0]['id']}")
    assert shown["body"].startswith("{")
    before = await org.detail(made["id"])
    again = await org.client.post(f"/provider-events/{calls[0]['id']}/replay", {})
    assert again["state"] == "received"
    await org.dispatcher.hear()
    await org.dispatcher.idle()
    after = await org.detail(made["id"])
    for name in ("version", "state", "status_history"):
        assert after[name] == before[name]
    assert (await org.client.get(f"/provider-events/{calls[0]['id']}"))["state"] == "processed"


async def test_a_forged_call_is_acknowledged_and_moves_nothing(org: Payer) -> None:
    made = await pay_shillings(org)
    await org.quiet()
    found = await org.detail(made["id"])
    our_ref = found["attempts"][0]["our_ref"]
    right = await address(org, "mpesa", "r", our_ref)
    wrong = right[:-32] + "0" * 32
    body = b'{"Result":{"ResultCode":0,"ResultDesc":"ok","OriginatorConversationID":"x","TransactionID":"X"}}'
    answer = await call_in(org.client.http, "POST", wrong, body)
    assert answer.status_code == 200, answer.text
    await org.dispatcher.hear()
    await org.dispatcher.idle()
    assert await org.detail(made["id"]) == found
    forged = [one for one in await events(org, our_ref) if not one["authentic"]]
    assert [one["state"] for one in forged] == ["rejected"]


async def test_a_repeat_is_the_same_call(org: Payer) -> None:
    path = await address(org, "mpesa", "r", "REPEATED")
    for _ in range(3):
        assert (await call_in(org.client.http, "POST", path, b'{"Result": {}}')).status_code == 200
    (one,) = await events(org, "REPEATED")
    assert (one["repeats"], one["authentic"]) == (2, True)
    # The same content under a wrong code is another call: nobody can take the place of the real one.
    await call_in(org.client.http, "PUT", path[:-1] + "x", b'{"Result": {}}')
    assert sorted(one["authentic"] for one in await events(org, "REPEATED")) == [False, True]


@pytest.mark.parametrize("body", [b"", b"\x00\xff", b"<x/>", b"[" * 100_000, b'{"Result": null}'])
async def test_whatever_comes_is_stored_and_acknowledged(org: Payer, body: bytes) -> None:
    ref = f"R{uuid4().hex}"
    path = await address(org, "mpesa", "r", ref)
    await org.quiet()
    before = await org.moved()
    answer = await call_in(org.client.http, "POST", path, body, **{"content-type": "text/plain"})
    assert 200 <= answer.status_code < 300, answer.text
    await org.dispatcher.hear()
    (one,) = await events(org, ref)
    assert one["state"] in ("unreadable", "rejected", "processed")
    assert one["body_bytes"] == len(body)
    assert await org.moved() == before


async def test_what_is_not_ours_is_not_found(org: Payer) -> None:
    right = await address(org, "mpesa", "r", "NOWHERE")
    parts = right.split("/")
    wrong = [
        "/".join([*parts[:3], uuid4().hex, *parts[4:]]),
        "/".join([*parts[:4], uuid4().hex, *parts[5:]]),
        "/".join([*parts[:3], "x", *parts[4:]]),
        "/".join([*parts[:6], "x" * 200, parts[-1]]),
        "/webhooks/nibss/payment-notification",
        f"/webhooks/nibss/payment-notification?organisation={show('org', org.client.tenant_id)}&connection=con_x",
    ]
    await org.quiet()
    before = await org.moved()
    for path in wrong:
        answer = await call_in(org.client.http, "POST", path, b"{}")
        assert (answer.status_code, answer.json()["code"]) == (404, "api.not_found"), path
    assert await events(org, "NOWHERE") == []
    assert await org.moved() == before


async def test_what_is_too_large_is_refused(org: Payer) -> None:
    path = await address(org, "mpesa", "r", "LARGE")
    answer = await call_in(org.client.http, "POST", path, b" " * (1024 * 1024 + 1))
    assert (answer.status_code, answer.json()["code"]) == (413, "api.body_too_large")
    assert await events(org, "LARGE") == []


@pytest.mark.parametrize("path", ["/webhooks/nibss/payment-notification", "/webhooks/mobile-money/callback"])
async def test_one_address_for_everything_is_a_hint_at_most(org: Payer, path: str) -> None:
    await org.quiet()
    made = await org.pay()
    query = f"?organisation={show('org', org.client.tenant_id)}&connection={org.connection['id']}&ref=FIXED"
    answer = await call_in(org.client.http, "POST", path + query, b"{}")
    assert 200 <= answer.status_code < 300
    await org.dispatcher.hear()
    await org.dispatcher.idle()
    assert not any(one["authentic"] for one in await events(org, "FIXED"))
    (found,) = (await org.client.get(f"/payments?reference={made['reference']}"))["items"]
    assert found == made


async def test_the_portals_address_is_shown_to_who_may_set_it(org: Payer) -> None:
    connection = org.connections["mpesa"]["id"]
    shown = await org.client.get(f"/connections/{connection}/callback-address")
    answer = await call_in(org.client.http, "POST", urlsplit(shown["url"]).path, b"{}")
    assert 200 <= answer.status_code < 300
    assert [one["authentic"] for one in await events(org, "portal")] == [True]


async def test_strangers_may_send_so_much(org: Payer) -> None:
    buckets = Buckets(per_second=2, at_once=3)
    now = CLOCK.now()
    assert [buckets.take("one", now) for _ in range(5)] == [True, True, True, False, False]
    assert buckets.take("two", now)
    later = now.replace(year=now.year + 1)
    assert buckets.take("one", later)
    crowded = Buckets(names_max=2)
    assert all(crowded.take(name, now) for name in range(10))
    bucket = org.services.payments.strangers
    name = parse("con", org.connections["mpesa"]["id"])
    while bucket.take(name, CLOCK.now()):
        pass
    path = (await address(org, "mpesa", "r", "CROWD"))[:-32] + "0" * 32
    answers = [await call_in(org.client.http, "POST", path, b"%d" % number) for number in range(3)]
    assert {answer.status_code for answer in answers} <= {200, 429}
    assert 429 in {answer.status_code for answer in answers}
    right = await address(org, "mpesa", "r", "CROWD")
    assert (await call_in(org.client.http, "POST", right, b"{}")).status_code == 200


async def test_a_forged_signature_does_not_take_the_place_of_the_true_one(org: Payer) -> None:
    made = await org.connect("monnify", "NGN", "monnify")
    path = urlsplit((await org.client.get(f"/connections/{made['id']}/callback-address"))["url"]).path
    body = b'{"eventType": "SETTLEMENT", "eventData": {"settlementReference": "S1"}}'
    (offered,) = (one for one in org.outside.connections() if one["rail"] == "monnify")
    true = hmac.new(offered["secret"]["secret_key"].encode(), body, hashlib.sha512).hexdigest()
    for signature in ("0" * 128, true, true):
        answer = await call_in(org.client.http, "POST", path, body, **{"monnify-signature": signature})
        assert answer.status_code == 200
    await org.dispatcher.hear()
    await org.dispatcher.idle()
    heard = [one for one in await events(org, "portal") if one["connection_id"] == made["id"]]
    assert sorted((one["state"], one["repeats"]) for one in heard) == [("processed", 1), ("rejected", 0)]
    assert {one["authentic"] for one in heard} == {True}

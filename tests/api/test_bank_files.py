"""Files of orders to banks over HTTP, and the answers of banks, which may be large."""

from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from omniroute.api import Services
from omniroute.app.cli_sandbox import Outside, outside
from omniroute.kit.ids import parse
from omniroute.kit.xml import SIZE_MAX
from omniroute.money import payments
from omniroute.sandbox.bank_files import BankFolder, NeftSandbox, read_orders
from omniroute.sandbox.world import World
from tests.api.makers import CLOCK, Client
from tests.api.paying import NEFT, Payer, bank_account, call_in, payer

NEFT_ORDER: dict[str, Any] = {"connection": "neft", "payee": bank_account(name="Ada Obi")}


@pytest.fixture(scope="module")
async def sandbox() -> AsyncIterator[Outside]:
    async with outside() as running:
        yield running


@pytest.fixture(scope="module")
async def org(a: Client, services: Services, sandbox: Outside) -> AsyncIterator[Payer]:
    async with payer(a, services, sandbox) as made:
        made.connections["neft"] = await a.post("/connections", NEFT)
        yield made


async def send_now(org: Payer, code: str = "neft") -> list[Any]:
    path = f"/connections/{org.connections[code]['id']}/bank-files"
    items: list[Any] = (await org.client.post(path, {}))["items"]
    return items


async def address(org: Payer, ref: str = "answers") -> str:
    """Where the bank sends its answers."""
    connection_id = parse("con", org.connections["neft"]["id"])
    link = await org.services.payments.links.get(org.client.tenant_id, connection_id)
    return urlsplit(link.context.callback_url(payments.FILE_ANSWER, ref)).path


async def test_a_file_is_made_delivered_and_answered(org: Payer, services: Services, tmp_path: Path) -> None:
    made = [await org.pay(amount=amount, **NEFT_ORDER) for amount in (100_000, 250)]
    assert [one["status"] for one in made] == ["PENDING"] * 2
    (file,) = await send_now(org)
    assert (file["state"], file["order_count"], file["amount"], file["tries"]) == ("made", 2, 100_250, 0)
    assert await send_now(org) == [], "nothing is sent twice"
    shown = await org.client.get(f"/bank-files/{file['id']}")
    assert shown == file
    answer = await org.client.send("GET", f"/bank-files/{file['id']}/content")
    assert answer.headers["content-type"] == "application/xml; charset=utf-8"
    read = read_orders(answer.content)
    assert (len(read.orders), read.message_id) == (2, file["message_id"])
    assert services.worker_db is not None
    sender = payments.FileSender(
        services.worker_db,
        services.payments.links,
        clock=CLOCK,
        business_day=services.poster.today,
        worker_id="files-1",
        folders=payments.Folders(tmp_path),
    )
    bank = NeftSandbox(World(clock=CLOCK), takes=timedelta(0))
    tenant, connection = org.client.tenant_id, parse("con", org.connections["neft"]["id"])
    folder = BankFolder(bank, tmp_path / tenant.hex / connection.hex)
    for _ in range(200):
        await folder.look()
        await sender.round()
        await org.rounds(1)
        if [(await org.detail(one["id"]))["status"] for one in made] == ["CONFIRMED"] * 2:
            break
    stands = await org.client.get(f"/bank-files/{file['id']}")
    assert (stands["state"], stands["answer_code"]) == ("delivered", "ACSC")
    assert [(await org.detail(one["id"]))["status"] for one in made] == ["CONFIRMED"] * 2


async def test_files_are_found_by_connection_and_state(org: Payer) -> None:
    await org.pay(amount=700, **NEFT_ORDER)
    (file,) = await send_now(org)
    connection = org.connections["neft"]["id"]
    listed = (await org.client.get(f"/bank-files?connection={connection}&state=made"))["items"]
    assert file["id"] in [one["id"] for one in listed]
    other = org.connection["id"]
    assert (await org.client.get(f"/bank-files?connection={other}"))["items"] == []
    for query, code in (("state=lost", "api.invalid_parameter"), ("connection=x", "kit.malformed_id")):
        answer = await org.client.send("GET", f"/bank-files?{query}")
        assert (answer.status_code, answer.json()["code"]) == (400, code)


async def test_who_takes_no_files_gets_none(org: Payer) -> None:
    await org.pay(amount=800)
    path = f"/connections/{org.connection['id']}/bank-files"
    assert await org.refused({}, path) == (422, "connections.operation_off")
    await org.client.post("/connections", NEFT | {"code": "closed"})
    listed = (await org.client.get("/connections?limit=500"))["items"]
    (closed,) = [one for one in listed if one["code"] == "closed"]
    path = f"/connections/{closed['id']}"
    await org.client.post(f"{path}/pause", {}, headers={"if-match": '"1"'})
    assert await org.refused({}, f"{path}/bank-files") == (422, "connections.operation_off")
    assert await org.refused({}, "/connections/con_00000000000000000000000000/bank-files") == (
        404, "connections.not_found",
    )  # fmt: skip


async def test_what_is_not_approved_is_in_no_file(org: Payer) -> None:
    await send_now(org)
    later = await org.pay(amount=900, send_after="2999-01-01T00:00:00Z", **NEFT_ORDER)
    before = await org.moved()
    assert await send_now(org) == []
    assert await org.moved() == before
    assert (await org.detail(later["id"]))["state"] in ("approved", "scheduled")


async def test_an_answer_of_a_bank_may_be_large(org: Payer) -> None:
    path = await address(org)
    large = b"<x>" + b" " * (3 * 1024 * 1024) + b"</x>"
    answer = await call_in(org.client.http, "POST", path, large)
    assert 200 <= answer.status_code < 300, answer.text
    await org.dispatcher.hear()
    (one,) = (await org.client.get("/provider-events?ref=answers"))["items"]
    assert (one["authentic"], one["body_bytes"], one["state"]) == (True, len(large), "unreadable")


@pytest.mark.parametrize("what", ["too large", "forged", "another purpose", "another rail", "nobody"])
async def test_what_else_is_large_is_refused_before_it_is_read(org: Payer, what: str) -> None:
    path, size = await address(org, "others"), 2 * 1024 * 1024
    match what:
        case "too large":
            size = SIZE_MAX + 1
        case "forged":
            path = path[:-32] + "0" * 32
        case "another purpose":
            path = path.replace("/file/", "/r/")
        case "another rail":
            connection_id = parse("con", org.connection["id"])
            link = await org.services.payments.links.get(org.client.tenant_id, connection_id)
            path = urlsplit(link.context.callback_url(payments.FILE_ANSWER, "others")).path
        case "nobody":
            path = path.replace(path.split("/")[3], "0" * 32)
    before = await org.moved()
    answer = await call_in(org.client.http, "POST", path, b" " * size)
    assert (answer.status_code, answer.json()["code"]) == (413, "api.body_too_large")
    assert (await org.client.get("/provider-events?ref=others"))["items"] == []
    assert await org.moved() == before


async def test_files_are_for_the_whole_organisation(org: Payer) -> None:
    branch = await org.client.post("/branches", {"code": "b1", "name": "Branch"})
    permissions = ["connections.read", "connections.write"]
    key = {"name": "branch key", "permissions": permissions, "branch_ids": [branch["id"]]}
    issued = await org.client.post("/keys", key)
    narrow = Client(org.client.http, org.client.tenant_id, org.client.slug, issued["secret"])
    await org.pay(amount=950, **NEFT_ORDER)
    (file,) = await send_now(org)
    before = await org.moved()
    for method, path in (
        ("GET", "/bank-files"), ("GET", f"/bank-files/{file['id']}"), ("GET", f"/bank-files/{file['id']}/content"),
        ("POST", f"/connections/{org.connections['neft']['id']}/bank-files"),
    ):  # fmt: skip
        answer = await narrow.send(method, path, json={})
        assert (answer.status_code, answer.json()["code"]) == (403, "access.permission_missing"), path
    assert await org.moved() == before

"""GraphQL in the running system: the product's own metadata, other metadata, reading it again; and `graphql check`."""

import asyncio
import json
import shutil
import signal
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import pytest
from websockets import Subprotocol
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed

from omniroute import api
from omniroute.graphql import product_metadata
from tests.api.paying import nuban
from tests.app.commands import PATIENCE_S, Running, omniroute, running
from tests.app.newcomer import Newcomer, Receiver, receiving

SECRET = "an admin secret of the tests"
BACKLOG, SOCKETS = 32, 80
TABLE = "[{{name: default, kind: postgres, tables: [{{table: {{schema: omniroute, name: {name}}}}}]}}]"


def write(folder: Path, table: str) -> Path:
    """Metadata that track one table."""
    (folder / "databases").mkdir(parents=True, exist_ok=True)
    (folder / "version.yaml").write_text("version: 3\n")
    (folder / "databases" / "databases.yaml").write_text(TABLE.format(name=table))
    return folder


@pytest.fixture(scope="module")
def metadata(folder: Path) -> Path:
    """The product's own, where they can be changed."""
    copied: Path = shutil.copytree(product_metadata(), folder / "metadata")
    return copied


@pytest.fixture(scope="module")
def receiver() -> Iterator[Receiver]:
    with receiving() as made:
        yield made


@pytest.fixture(scope="module")
def system(folder: Path, metadata: Path, receiver: Receiver) -> Iterator[Running]:
    """As a newcomer starts it; besides, somebody on this machine is told of payments."""
    settings = {"data_dir": str(folder / "data"), "graphql_admin_secret": SECRET, "graphql_metadata_dir": str(metadata)}
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("NOTIFICATION_SERVICE_URL", receiver.url)
        with running(
            folder, "up", "--port", "0", sandbox_port="0", allow_private_handlers="true", http_backlog=str(BACKLOG),
            graphql_connections_max=str(SOCKETS), graphql_connection_operations_max="1", **settings,
        ) as process:  # fmt: skip
            assert process.url
            yield process


def ask(system: Running, document: str) -> Any:
    """The answer for the administrator."""
    headers = {"x-hasura-admin-secret": SECRET}
    answer = httpx.post(f"{system.url}/v1/graphql", json={"query": document}, headers=headers, timeout=60)
    return answer.json()


ROOTS = "{ __schema { queryType { fields { name } } } }"


def roots(system: Running) -> set[str]:
    """The names of the tables that can be asked for."""
    return {one["name"] for one in ask(system, ROOTS)["data"]["__schema"]["queryType"]["fields"]}


def until(system: Running, line: str, count: int) -> None:
    """Wait until this has been said so often."""
    for _ in range(PATIENCE_S * 50):
        if system.text.count(line) >= count:
            return
        time.sleep(0.02)
    raise AssertionError(f"never said {line!r} {count} times:\n{system.text}")


def test_the_system_serves_graphql_and_its_page(system: Running) -> None:
    assert "payment_transactions" in roots(system)
    page = httpx.get(f"{system.url}/v1/graphiql")
    assert page.headers["content-type"] == "text/html; charset=utf-8"
    assert httpx.get(f"{system.url}/v1/graphql").status_code == 401
    assert httpx.get(f"{system.url}/v1/graphql/nothing").status_code in (401, 404)
    # The REST door is where it was.
    assert httpx.get(f"{system.url}/health").json() == {"status": "ok"}


@asynccontextmanager
async def subscribed(system: Running, token: str, document: str) -> AsyncIterator[Callable[[], Awaitable[Any]]]:
    """A subscription under the address of everything else; the next result."""
    address = f"{system.url.replace('http', 'ws', 1)}/v1/graphql"
    async with connect(address, subprotocols=[Subprotocol("graphql-transport-ws")]) as socket:
        payload: dict[str, Any] = {"headers": {"Authorization": f"Bearer {token}"}}
        await socket.send(json.dumps({"type": "connection_init", "payload": payload}))
        await socket.send(json.dumps({"type": "subscribe", "id": "1", "payload": {"query": document}}))

        async def following() -> Any:
            while True:
                got = json.loads(await socket.recv())
                assert got["type"] in ("connection_ack", "ping", "next"), got
                if got["type"] == "ping":
                    await socket.send(json.dumps({"type": "pong"}))
                if got["type"] == "next":
                    return got["payload"]["data"]

        yield following


async def test_open_connections_leave_room_for_others(system: Running) -> None:
    """Far more than the kernel would keep waiting: subscribers stay, and so do clients that idle."""
    headers = {"x-hasura-admin-secret": SECRET}
    hello = json.dumps({"type": "connection_init", "payload": {"headers": headers}})
    wanted = json.dumps({"type": "subscribe", "id": "1", "payload": {"query": "subscription { branches { id } }"}})
    address, protocols = f"{system.url.replace('http', 'ws', 1)}/v1/graphql", [Subprotocol("graphql-transport-ws")]
    async with asyncio.timeout(4 * PATIENCE_S), AsyncExitStack() as stack:
        for _ in range(2 * BACKLOG):
            reader, writer = await asyncio.open_connection("127.0.0.1", int(system.url.rpartition(":")[2]))
            stack.callback(writer.close)
            writer.write(b"GET /health HTTP/1.1\r\nHost: here\r\n\r\n")
            assert await reader.readuntil(b"\r\n") == b"HTTP/1.1 200 OK\r\n"
        sockets = [await stack.enter_async_context(connect(address, subprotocols=protocols)) for _ in range(SOCKETS)]
        for socket in sockets:
            await socket.send(hello)
            await socket.send(wanted)
        for socket in sockets:
            assert [json.loads(await socket.recv())["type"] for _ in range(2)] == ["connection_ack", "next"]
        again = json.dumps({"type": "subscribe", "id": "2", "payload": {"query": "subscription { users { id } }"}})
        await sockets[0].send(again)
        refused = json.loads(await sockets[0].recv())
        assert (refused["type"], refused["id"]) == ("error", "2")
        assert refused["payload"][0]["extensions"]["code"] == "subscription-limit-exceeded"
        async with connect(address, subprotocols=protocols) as late:
            with pytest.raises(ConnectionClosed) as closed:
                await late.recv()
            assert closed.value.rcvd is not None
            assert closed.value.rcvd.code == 1013
        assert await asyncio.to_thread(lambda: httpx.get(f"{system.url}/health").status_code) == 200


def payment(reference: str) -> dict[str, Any]:
    return {
        "reference": reference, "type": "SUPPLIER_PAYMENT", "amount": 250, "currency": "NGN",
        "sourceAccount": {"accountCode": "wallet"},
        "destinationAccount": {"bankCode": "058", "accountNumber": nuban(12_345_678)},
    }  # fmt: skip


VERIFY = 'mutation ($number: String) { said: verifyBankAccount(bankCode: "058", accountNumber: $number) { verified } }'
PAY = "mutation ($input: InitiatePaymentInput!) { said: initiatePayment(input: $input) { status } }"
BULK = """mutation ($batch: uuid!, $payments: [PaymentInput!]!) {
  said: processBulkPayment(batchId: $batch, payments: $payments) { id status batch { status } } }"""
APPROVE = "mutation ($id: uuid!) { said: approveBulkPayment(id: $id) { status } }"
QUEUE = """mutation ($batch: uuid!, $payments: [PaymentInput!]!) {
  said: queueBulkPayment(batchId: $batch, payments: $payments) }"""
QUEUED = "query ($id: uuid!) { said: queueBulkPayment(id: $id) { errors output { batchId totalProcessed status } } }"
FOLLOW = "subscription { payment_transactions(order_by: {reference: asc}) { reference status } }"


async def test_a_newcomer_pays_through_graphql_and_sees_it_happen(system: Running, receiver: Receiver) -> None:
    newcomer = Newcomer(system)
    owner, approver = newcomer.founded()
    newcomer.funded(owner)

    async def said(token: str, document: str, **variables: Any) -> Any:
        answer = await asyncio.to_thread(
            newcomer.post, token, "/v1/graphql", {"query": document, "variables": variables}
        )
        return answer["errors"] if "errors" in answer else answer["data"]["said"]

    async with asyncio.timeout(4 * PATIENCE_S), subscribed(system, owner, FOLLOW) as following:
        assert (await following())["payment_transactions"] == []
        assert await said(owner, VERIFY, number=nuban(12_345_678)) == {"verified": True}
        assert await said(owner, PAY, input=payment("one")) == {"status": "PENDING"}
        batch = str(uuid4())
        made = await said(owner, BULK, batch=batch, payments=[payment("two"), payment("three")])
        assert (made["status"], made["batch"]["status"]) == ("AWAITING_APPROVAL", "AWAITING_APPROVAL")
        (refused,) = await said(owner, APPROVE, id=made["id"])
        assert refused["extensions"]["code"] == "batches.approver_is_initiator"
        assert await said(approver, APPROVE, id=made["id"]) == {"status": "APPROVED"}
        seen: dict[str, str] = {}
        while seen != dict.fromkeys(("one", "two", "three"), "CONFIRMED"):
            seen = {one["reference"]: one["status"] for one in (await following())["payment_transactions"]}
        queued = await said(owner, QUEUE, batch=str(uuid4()), payments=[payment("four")])
        while not (status := await said(owner, QUEUED, id=queued)) or status["output"] is None:
            assert not status or status["errors"] is None
            await asyncio.sleep(0.05)
        assert (status["output"]["totalProcessed"], status["output"]["status"]) == (1, "AWAITING_APPROVAL")
        told: set[str] = set()
        while told != {"one", "two", "three"}:
            await asyncio.sleep(0.05)
            events = [json.loads(body)["event"]["data"]["new"] for _, body in receiver.got]
            told = {one["reference"] for one in events if one["status"] == "CONFIRMED"}
    assert {path for path, _ in receiver.got} == {"/webhooks/payment-status"}
    newcomer.http.close()


def test_metadata_is_read_again_on_sighup(system: Running, metadata: Path) -> None:
    shutil.rmtree(metadata)
    write(metadata, "branch")
    assert "payment_transactions" in roots(system)
    system.process.send_signal(signal.SIGHUP)
    until(system, "the metadata was read again", 1)
    until(system, "background work follows the metadata", 1)
    assert "omniroute_branch" in roots(system)
    assert "payment_transactions" not in roots(system)
    (metadata / "version.yaml").write_text("version: 1\n")
    system.process.send_signal(signal.SIGHUP)
    until(system, "the metadata was not read again", 1)
    assert "omniroute_branch" in roots(system)


def test_a_process_may_serve_graphql_only(folder: Path, system: Running) -> None:
    with pytest.raises(api.UnknownModule, match=r"nothing cannot be served; there are: .*graphql"):
        api.select("nothing", beside=["graphql"])
    with running(folder, "serve", "--port", "0", "--only", "graphql", data_dir=str(folder / "data")) as process:
        assert httpx.get(f"{process.url}/v1/graphql").status_code == 401
        assert httpx.get(f"{process.url}/v1/x/ledger/accounts").json()["code"] == "api.not_served_here"


def test_metadata_that_cannot_be_read_stop_the_start(folder: Path, system: Running) -> None:
    settings = {"data_dir": str(folder / "data"), "graphql_metadata_dir": str(folder / "nothing")}
    with running(folder, "serve", "--port", "0", **settings) as process:
        assert process.process.wait(PATIENCE_S) == 2
        assert "graphql.metadata_unreadable" in process.text


def test_check_says_that_the_products_own_metadata_are_served(folder: Path, system: Running) -> None:
    done = omniroute("graphql", "check", "--json", data_dir=str(folder / "data"))
    found = json.loads(done.stdout)
    assert (found["problems"], found["compared_with_database"]) == ([], True)
    assert done.returncode == 0


def test_check_names_what_is_wrong_or_not_served(folder: Path, tmp_path: Path, system: Running) -> None:
    write(tmp_path, "nothing")
    (tmp_path / "remote_schemas.yaml").write_text("[{name: other, definition: {url: 'https://other.example'}}]")
    done = omniroute("graphql", "check", str(tmp_path), data_dir=str(folder / "data"))
    assert done.returncode == 2
    assert "wrong       table omniroute.nothing" in done.stdout
    assert "not served  remote_schemas: remote schemas are not served" in done.stdout
    nowhere = omniroute("graphql", "check", str(tmp_path / "nowhere"), data_dir=str(tmp_path))
    assert nowhere.returncode == 2
    assert "graphql.metadata_unreadable" in nowhere.stderr

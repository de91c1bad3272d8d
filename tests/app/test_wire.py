"""The door on the wire: bodies in pieces, pipelines, broken connections, and the way out. Raw bytes, real server."""

import asyncio
import json
import re
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import pytest

from tests.app.commands import Running, running

LIMIT = 4_096


@dataclass
class Owner:
    """An organisation with two accounts, and the token of who owns it."""

    url: str
    token: str
    port: int = field(init=False)

    def __post_init__(self) -> None:
        self.port = int(self.url.rpartition(":")[2])

    def head(self, method: str, path: str, *headers: str) -> bytes:
        """The head of a request, with credentials."""
        lines = [f"{method} {path} HTTP/1.1", "host: test", f"authorization: Bearer {self.token}", *headers, "", ""]
        return "\r\n".join(lines).encode("latin-1")

    def posting(self, key: str, body: bytes, *headers: str) -> bytes:
        """A whole request to book a transaction."""
        told = (f"idempotency-key: {key}", "content-type: application/json", f"content-length: {len(body)}")
        return self.head("POST", "/v1/maziwa/ledger/transactions", *told, *headers) + body

    def balance(self) -> int:
        """What the wallet holds."""
        headers = {"Authorization": f"Bearer {self.token}"}
        found = httpx.get(f"{self.url}/v1/maziwa/ledger/accounts/wallet:amina/balance", headers=headers)
        posted: int = found.json()["posted"]
        return posted


@dataclass
class Got:
    """One answer."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        """The body as JSON."""
        return json.loads(self.body)


@dataclass
class Wire:
    """A connection."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    def send(self, *pieces: bytes) -> None:
        """Write."""
        self.writer.write(b"".join(pieces))

    async def answer(self, *, head_only: bool = False) -> Got:
        """The next answer."""
        first, *lines = (await self.reader.readuntil(b"\r\n\r\n")).decode("latin-1").rstrip().split("\r\n")
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
        length = 0 if head_only else int(headers.get("content-length", "0"))
        return Got(int(first.split()[1]), headers, await self.reader.readexactly(length))


def money(amount: int = 5, **more: object) -> bytes:
    """The body of a posting."""
    sides = (("cash:nairobi", "debit"), ("wallet:amina", "credit"))
    legs = [{"account": account, "side": side, "amount": amount, "currency": "KES"} for account, side in sides]
    return json.dumps({"legs": legs, **more}).encode()


def chunked(body: bytes, size: int) -> bytes:
    """The body in chunks, without its length declared."""
    pieces = [body[i : i + size] for i in range(0, len(body), size)]
    return b"".join(b"%x\r\n%s\r\n" % (len(piece), piece) for piece in pieces) + b"0\r\n\r\n"


@pytest.fixture(scope="module")
def system(folder: Path) -> Iterator[Running]:
    """A running system that takes small bodies only."""
    settings = {"data_dir": str(folder / "data"), "request_bytes_max": str(LIMIT), "bulk_bytes_max": "1048576"}
    with running(folder, "up", "--port", "0", **settings) as process:
        assert process.url
        yield process


@pytest.fixture(scope="module")
def owner(system: Running) -> Owner:
    """Somebody with money."""
    platform = system.wait_for("Platform key").split()[-1]

    def post(path: str, body: dict[str, Any], bearer: str | None) -> Any:
        headers = {"Idempotency-Key": str(uuid4())} | ({} if bearer is None else {"Authorization": f"Bearer {bearer}"})
        answer = httpx.post(system.url + path, json=body, headers=headers, timeout=30)
        assert answer.status_code < 300, answer.text
        return answer.json()

    email, password = "amina@example.com", "correct horse battery staple"
    organisation = {"slug": "maziwa", "name": "M", "country": "KE", "currency": "KES", "time_zone": "UTC"}
    invited = post("/v1/organisations", {**organisation, "owner_email": email}, platform)
    post("/v1/invitations/accept", {"token": invited["invitation_token"], "name": "A", "password": password}, None)
    token = post("/v1/sessions", {"email": email, "password": password}, None)["token"]
    for code, kind in (("cash:nairobi", "asset"), ("wallet:amina", "liability")):
        account = {"code": code, "name": code, "type": kind, "currency": "KES"}
        post("/v1/maziwa/ledger/accounts", account, token)
    return Owner(system.url, token)


@asynccontextmanager
async def connected(owner: Owner) -> AsyncIterator[Wire]:
    """A connection of one's own."""
    reader, writer = await asyncio.open_connection("127.0.0.1", owner.port)
    try:
        async with asyncio.timeout(30):
            yield Wire(reader, writer)
    finally:
        writer.close()


async def test_a_body_in_many_pieces(owner: Owner) -> None:
    before = owner.balance()
    request = owner.posting("pieces", money())
    async with connected(owner) as wire:
        for i in range(0, len(request), 40):
            wire.send(request[i : i + 40])
            await wire.writer.drain()
            await asyncio.sleep(0.001)
        assert (await wire.answer()).status == 201
    assert owner.balance() == before + 5


async def test_a_chunked_body(owner: Owner) -> None:
    before = owner.balance()
    head = owner.head(
        "POST", "/v1/maziwa/ledger/transactions",
        "idempotency-key: chunked", "content-type: application/json", "transfer-encoding: chunked",
    )  # fmt: skip
    async with connected(owner) as wire:
        wire.send(head, chunked(money(7), 20))
        assert (await wire.answer()).status == 201
    assert owner.balance() == before + 7


@pytest.mark.parametrize("how", ["declared", "chunked"])
async def test_a_body_that_is_too_large(owner: Owner, how: str) -> None:
    before = owner.balance()
    body = money(3, metadata={f"m{i}": "x" * 900 for i in range(8)})
    assert len(body) > LIMIT
    key = ("idempotency-key: large-" + how, "content-type: application/json")
    async with connected(owner) as wire:
        if how == "declared":
            wire.send(owner.posting("large-declared", body))
        else:
            head = owner.head("POST", "/v1/maziwa/ledger/transactions", *key, "transfer-encoding: chunked")
            wire.send(head, chunked(body, 500))
        got = await wire.answer()
    assert (got.status, got.json["code"]) == (413, "api.body_too_large")
    assert owner.balance() == before


async def test_a_large_body_is_read_where_it_is_allowed(owner: Owner) -> None:
    before = owner.balance()
    items = [{"kind": "posting", "metadata": {"text": "x" * 900}, **json.loads(money(1))} for _ in range(200)]
    body = json.dumps({"items": items}).encode()
    assert len(body) > 128 * 1024
    told = ("idempotency-key: batch", "content-type: application/json", f"content-length: {len(body)}")
    async with connected(owner) as wire:
        wire.send(owner.head("POST", "/v1/maziwa/ledger/batches", *told), body)
        got = await wire.answer()
    assert (got.status, got.json["booked"]) == (200, 200)
    assert owner.balance() == before + 200


async def test_requests_in_one_pipeline_are_answered_in_their_order(owner: Owner) -> None:
    before = owner.balance()
    async with connected(owner) as wire:
        health = owner.head("GET", "/health")
        repeat = owner.posting("pipe-1", money(11))
        wire.send(repeat, owner.posting("pipe-2", money(13)), health, repeat)
        first, second, third, fourth = [await wire.answer() for _ in range(4)]
    assert [first.status, second.status, third.status, fourth.status] == [201, 201, 200, 201]
    assert third.json == {"status": "ok"}
    assert (fourth.body, fourth.headers["idempotency-replayed"]) == (first.body, "true")
    assert "idempotency-replayed" not in first.headers
    assert owner.balance() == before + 24


async def test_who_hangs_up_while_money_moves_finds_it_moved_once(owner: Owner) -> None:
    before = owner.balance()
    for i in range(20):
        async with connected(owner) as wire:
            wire.send(owner.posting(f"hang-{i}", money(2)))
            await wire.writer.drain()
            await asyncio.sleep(0.001 * (i % 5))
            wire.writer.transport.abort()
    async with connected(owner) as wire:
        for i in range(20):
            wire.send(owner.posting(f"hang-{i}", money(2)))
            assert (await wire.answer()).status == 201
    assert owner.balance() == before + 40
    assert await open_requests(owner) == 1  # The one that asks.


async def test_a_body_that_never_comes_books_nothing(owner: Owner) -> None:
    before = owner.balance()
    async with connected(owner) as wire:
        wire.send(owner.posting("half", money())[:-10])
        await wire.writer.drain()
        await asyncio.sleep(0.05)
        wire.writer.transport.abort()
    for _ in range(100):
        if await open_requests(owner) == 1:
            break
        await asyncio.sleep(0.05)
    assert await open_requests(owner) == 1
    assert owner.balance() == before


async def open_requests(owner: Owner) -> int:
    """Requests being worked, as the metrics say."""
    async with httpx.AsyncClient() as client:
        text = (await client.get(f"{owner.url}/metrics")).text
    found = re.search(r"^omniroute_http_requests_in_flight ([\d.]+)$", text, re.MULTILINE)
    assert found, text
    return int(float(found[1]))


async def test_heads_and_addresses_nobody_has(owner: Owner) -> None:
    async with connected(owner) as wire:
        wire.send(owner.head("HEAD", "/v1/maziwa/ledger/transactions/txn_0"))
        assert (await wire.answer(head_only=True)).status == 405
        wire.send(owner.head("GET", "/v1/maziwa/ledger/nothing"))
        nothing = await wire.answer()
        assert (nothing.status, nothing.json["code"]) == (404, "api.not_found")
        wire.send(owner.head("POST", "/v1/other/ledger/transactions", "content-length: 0", "idempotency-key: o"))
        assert (await wire.answer()).status == 404


async def test_a_key_that_is_not_ascii_is_refused(owner: Owner) -> None:
    before = owner.balance()
    async with connected(owner) as wire:
        wire.send(owner.posting("kaf\xe9", money()))
        got = await wire.answer()
    assert (got.status, got.json["code"]) == (400, "api.idempotency_key_malformed")
    assert owner.balance() == before


async def test_answers_carry_the_correlation_id_and_the_security_headers(owner: Owner) -> None:
    asked = str(uuid4())
    async with connected(owner) as wire:
        wire.send(owner.posting("dressed", money(), f"x-correlation-id: {asked}"))
        hot = await wire.answer()
        wire.send(owner.head("GET", "/v1/maziwa/ledger/accounts", f"x-correlation-id: {asked}"))
        cold = await wire.answer()
    for got in (hot, cold):
        assert got.headers["x-correlation-id"] == asked
        assert got.headers["content-type"] == "application/json"
        assert got.headers["x-content-type-options"] == "nosniff"
        assert got.headers["cache-control"] == "no-store"


async def test_hot_and_other_requests_are_counted_alike(owner: Owner) -> None:
    async with connected(owner) as wire:
        wire.send(owner.posting("counted", money()))
        assert (await wire.answer()).status == 201
        wire.send(owner.head("GET", "/metrics"))
        text = (await wire.answer()).body.decode()
    labels = 'method="POST",route="/v1/{tenant}/ledger/transactions"'
    assert re.search(rf'^omniroute_http_requests_total{{{re.escape(labels)},status="201"}} [1-9]', text, re.MULTILINE)
    bucket = rf'omniroute_http_request_seconds_bucket{{(?:le="[^"]+",)?{re.escape(labels)}(?:,le="[^"]+")?}}'
    counts = [float(number) for number in re.findall(rf"^{bucket} (.+)$", text, re.MULTILINE)]
    assert len(counts) == 14
    assert counts == sorted(counts)
    total = re.search(rf"^omniroute_http_request_seconds_count{{{re.escape(labels)}}} (.+)$", text, re.MULTILINE)
    assert total
    assert float(total[1]) == counts[-1] >= 1


async def test_what_is_open_at_the_end_is_answered(owner: Owner, system: Running) -> None:
    """Last in this file: afterwards the system is gone."""
    async with connected(owner) as wire:
        wire.send(*[owner.posting(f"last-{i}", money(1)) for i in range(50)])
        await wire.writer.drain()
        first = await wire.answer()
        system.process.terminate()
        statuses = {first.status}
        try:
            while True:
                statuses.add((await wire.answer()).status)
        except (asyncio.IncompleteReadError, ConnectionError):
            pass  # It left between two answers, not within one.
    assert statuses == {201}
    assert await asyncio.to_thread(system.process.wait, 60) == 0

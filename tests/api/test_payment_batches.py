"""Batches of payments at the door: files in, acts, files out, and everything that is refused on the way."""

from collections.abc import AsyncIterator
from datetime import date
from typing import Any
from uuid import UUID, uuid4

import pytest

from omniroute.infra.postgres import Database
from omniroute.money.batches import BYTES_MAX, BatchWorker
from omniroute.money.payments import BOOK, Decision, InitiatePayment
from tests.api.makers import CLOCK, Client, open_accounts, today, transfer
from tests.money.batches.pain import credit, pain

CSV = {"content-type": "text/csv"}
PATH = "/payment-batches"


class Book:
    """Rules of an organisation that pays from account to account."""

    async def get(self, tenant_id: UUID) -> "Book":
        return self

    def decide(self, command: InitiatePayment, *, actor: str, now: object, today: date) -> Decision:
        return Decision(BOOK, (), ("book",), ())


@pytest.fixture(scope="module")
async def shop(a: Client) -> Client:
    await open_accounts(a, "wallet:shop", floor=0)
    await open_accounts(a, "cash:bank", "wallet:amina", "wallet:bala")
    await a.post("/ledger/transactions", transfer("cash:bank", "wallet:shop", 100_000))
    return a


@pytest.fixture(scope="module")
async def checker(shop: Client) -> Client:
    """Somebody else of the same organisation."""
    made = await shop.post("/keys", {"name": "checker", "permissions": ["payments.approve", "payments.read"]})
    return Client(shop.http, shop.tenant_id, shop.slug, made["secret"])


@pytest.fixture
def worker(worker_db: Database) -> BatchWorker:
    return BatchWorker(worker_db, Book(), clock=CLOCK, business_day=lambda _: today())


def file(*payees: str, amount: str = "10.00") -> bytes:
    """A table of internal transfers with references nobody has used."""
    lines = [f"T-{uuid4()},{amount},{payee},ledger,INTERNAL_TRANSFER" for payee in payees]
    return "\n".join(["reference,amount,identifier,payee_kind,type", *lines]).encode()


async def send(client: Client, content: bytes, query: str = "?source=wallet:shop&currency=NGN", **options: Any) -> Any:
    """The answer to a file."""
    headers = options.pop("headers", CSV)
    return await client.send("POST", PATH + query, content=content, headers=headers, **options)


async def refused(client: Client, content: bytes, status: int, **options: Any) -> str:
    """The code with which a file is refused; nothing moved, and no batch is left."""
    before = await client.books(), await client.get(PATH)
    response = await send(client, content, **options)
    assert response.status_code == status, response.text
    assert (await client.books(), await client.get(PATH)) == before
    code: str = response.json()["code"]
    return code


async def settled(worker: BatchWorker, client: Client, path: str) -> Any:
    """The batch when the worker has nothing more to do at once."""
    while await worker.advance():
        pass
    return await client.get(path)


async def test_a_file_from_upload_to_result(shop: Client, checker: Client, worker: BatchWorker) -> None:
    content = file("wallet:amina", "wallet:bala")
    response = await send(shop, content)
    assert response.status_code == 201, response.text
    made = response.json()
    assert (made["status"], made["total_count"], response.headers["etag"]) == ("DRAFT", 2, '"1"')
    path = f"{PATH}/{made['id']}"
    checked = await settled(worker, shop, path)
    assert (checked["status"], checked["valid_count"], checked["total_amount"]) == ("VALIDATED", 2, 2_000)
    assert checked["funds"] == [
        {"source": "wallet:shop", "currency": "NGN", "needed": 2_000, "available": 100_000, "short": 0}
    ]
    assert (await shop.get(f"{path}/report"))["invalid"] == []
    assert (await shop.post(f"{path}/submit", {}))["status"] == "AWAITING_APPROVAL"
    own = await shop.send("POST", f"{path}/approve", json={})
    assert (own.status_code, own.json()["code"]) == (403, "batches.approver_is_initiator")
    assert (await checker.post(f"{path}/approve", {"comment": "fine"}))["status"] == "APPROVED"
    await settled(worker, shop, path)
    done = await settled(worker, shop, path)
    assert (done["status"], done["successful_count"], done["open_count"]) == ("COMPLETED", 2, 0)
    lines = await shop.get(f"{path}/lines?limit=1")
    assert [line["status"] for line in lines["items"]] == ["CONFIRMED"]
    rest = await shop.get(f"{path}/lines?limit=1&cursor={lines['next_cursor']}")
    assert [line["line_number"] for line in rest["items"]] == [2]
    result = await shop.send("GET", f"{path}/result")
    assert result.headers["content-type"].startswith("text/csv")
    assert result.text.count("CONFIRMED") == 2
    report = await shop.send("GET", f"{path}/report?format=csv")
    assert report.text.startswith("line,reference,amount,")
    assert (await shop.get("/ledger/accounts/wallet:amina/balance"))["posted"] == 1_000
    again = await send(shop, content)
    assert (again.status_code, again.json()["code"], again.json()["batch_id"]) == (
        409,
        "batches.file_known",
        made["id"],
    )


async def test_the_same_key_with_the_same_file_is_the_same_batch(shop: Client) -> None:
    content, key = file("wallet:amina"), str(uuid4())
    first = await send(shop, content, key=key)
    second = await send(shop, content, key=key)
    assert (second.status_code, second.json()) == (201, first.json())
    assert second.headers["idempotency-replayed"] == "true"
    other = await send(shop, file("wallet:amina"), key=key)
    assert (other.status_code, other.json()["code"]) == (422, "idempotency.key_reused")
    where = await send(shop, content, "?source=wallet:bala&currency=NGN", key=key)
    assert where.json()["code"] == "idempotency.key_reused"


async def test_files_that_make_no_sense_leave_nothing(shop: Client) -> None:
    assert await refused(shop, b"", 400) == "batches.empty_file"
    assert await refused(shop, b"amount,msisdn,wat\n1,2,3\n", 400) == "batches.unknown_column"
    assert await refused(shop, b"amount,msisdn\n1,\x81\n", 400) == "batches.unknown_encoding"
    assert await refused(shop, file("wallet:amina"), 415, headers={"content-type": "application/pdf"}) == (
        "api.content_type_unsupported"
    )
    xml = {"content-type": "application/xml"}
    assert await refused(shop, pain(credit("E1", "1"), total="2"), 400, headers=xml) == "batches.control_sum_wrong"
    bomb = b'<!DOCTYPE l [<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;">]><l>&b;</l>'
    assert await refused(shop, bomb, 400, headers=xml) == "batches.unreadable_file"
    assert await refused(shop, file("wallet:amina"), 400, query="?type=GIFT") == "batches.malformed"


async def test_two_hundred_megabytes_are_refused_before_they_are_read(shop: Client) -> None:
    taken = 0

    async def endless() -> AsyncIterator[bytes]:
        nonlocal taken
        while taken < 200 * 1024 * 1024:
            taken += 1024 * 1024
            yield b"1,2\n" * (256 * 1024)

    response = await send(shop, endless())  # type: ignore[arg-type]
    assert (response.status_code, response.json()["code"]) == (413, "api.body_too_large")
    said = await send(shop, b"x", headers={**CSV, "content-length": str(200 * 1024 * 1024)})
    assert (said.status_code, said.json()["bytes_max"]) == (413, BYTES_MAX)


async def test_another_organisation_sees_nothing(shop: Client, b: Client) -> None:
    made = (await send(shop, file("wallet:amina"))).json()
    path = f"{PATH}/{made['id']}"
    for method, end in (
        ("GET", ""), ("GET", "/lines"), ("GET", "/report"), ("GET", "/result"), ("POST", "/submit"),
        ("POST", "/approve"), ("POST", "/pause"), ("POST", "/resume"), ("POST", "/cancel"), ("POST", "/retry-failed"),
    ):  # fmt: skip
        body: Any = {} if end in ("/submit", "/approve") else None
        response = await b.send(method, path + end, json=body)
        assert (response.status_code, response.json()["code"]) == (404, "batches.not_found"), end
    assert (await b.get(PATH))["items"] == []


async def test_acts_at_the_wrong_time(shop: Client) -> None:
    made = (await send(shop, file("wallet:amina"))).json()
    path = f"{PATH}/{made['id']}"
    for end in ("pause", "resume", "retry-failed"):
        response = await shop.send("POST", f"{path}/{end}")
        assert (response.status_code, response.json()["code"]) == (409, "batches.wrong_state")
    cancelled = await shop.send("POST", f"{path}/cancel")
    assert (cancelled.status_code, cancelled.json()["status"]) == (200, "CANCELLED")
    assert (await shop.send("GET", f"{path}/result?format=pain.002")).json()["code"] == "batches.format_not_offered"
    assert (await shop.send("GET", f"{path}/lines?payment_state=gone")).json()["code"] == "batches.malformed"

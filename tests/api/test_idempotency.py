"""Replies the door stores: one effect a key, the same bytes again, and nothing kept of what did not happen."""

import asyncio

import pytest

from omniroute.api import Services
from omniroute.infra import idempotency
from omniroute.infra.postgres import Database
from tests.api.makers import CLOCK, Client

PATH = "/branches"


def _branch(code: str, name: str = "Depot") -> dict[str, str]:
    return {"code": code, "name": name}


async def _count(a: Client) -> int:
    return len((await a.get("/branches?limit=500"))["items"])


@pytest.mark.parametrize("key", ["", " ", "x" * 256, '"open', "caf\u00e9", '"a"b"'])
async def test_a_malformed_key_is_refused(a: Client, key: str) -> None:
    before = await _count(a)
    headers = {"authorization": f"Bearer {a.secret}", "idempotency-key": key.encode("latin-1")}
    answer = await a.http.post(f"/v1/{a.slug}{PATH}", json=_branch("x"), headers=headers)  # type: ignore[arg-type]
    assert (answer.status_code, answer.json()["code"]) == (400, "api.idempotency_key_malformed")
    assert await _count(a) == before


async def test_a_missing_key_is_refused(a: Client) -> None:
    before = await _count(a)
    headers = {"authorization": f"Bearer {a.secret}"}
    answer = await a.http.post(f"/v1/{a.slug}{PATH}", json=_branch("x"), headers=headers)
    assert (answer.status_code, answer.json()["code"]) == (400, "api.idempotency_key_missing")
    assert await _count(a) == before


async def test_a_repeat_gets_the_same_bytes(a: Client) -> None:
    first = await a.send("POST", PATH, key="k1", json=_branch("k1"))
    before = await _count(a)
    again = await a.send("POST", PATH, key="k1", content=b'{"name": "Depot",  "code":"k1"}', headers={
        "content-type": "application/json"
    })  # fmt: skip
    assert (first.status_code, again.status_code) == (201, 201)
    assert first.content == again.content
    assert first.headers["etag"] == again.headers["etag"]
    assert first.headers["content-type"] == again.headers["content-type"]
    assert "idempotency-replayed" not in first.headers
    assert again.headers["idempotency-replayed"] == "true"
    assert await _count(a) == before


async def test_a_quoted_key_is_the_same_key(a: Client) -> None:
    first = await a.send("POST", PATH, key='"quoted"', json=_branch("quoted"))
    again = await a.send("POST", PATH, key="quoted", json=_branch("quoted"))
    assert again.content == first.content
    assert again.headers["idempotency-replayed"] == "true"


@pytest.mark.parametrize("path", [PATH, "/applications"])
async def test_another_body_or_address_is_refused(a: Client, path: str) -> None:
    await a.send("POST", PATH, key="k2", json=_branch("k2"))
    before = await _count(a)
    body = {"code": "k3", "name": "Depot", **({"kind": "pos"} if path != PATH else {})}
    answer = await a.send("POST", path, key="k2", json=body)
    assert (answer.status_code, answer.json()["code"]) == (422, "idempotency.key_reused")
    assert await _count(a) == before


async def test_a_refusal_is_kept_even_when_it_would_succeed_now(a: Client) -> None:
    await a.post(PATH, _branch("taken"))
    first = await a.send("POST", PATH, key="k4", json=_branch("taken"))
    assert (first.status_code, first.json()["code"]) == (409, "tenants.branch_code_taken")
    again = await a.send("POST", PATH, key="k4", json=_branch("taken"))
    assert again.content == first.content
    assert again.headers["idempotency-replayed"] == "true"


async def test_a_body_that_is_not_read_keeps_the_key_free(a: Client) -> None:
    assert (await a.send("POST", PATH, key="k5", json={"code": "k5"})).status_code == 400
    assert (await a.send("POST", PATH, key="k5", json=_branch("k5"))).status_code == 201


async def test_twenty_at_once_have_one_effect(a: Client) -> None:
    before = await _count(a)
    answers = await asyncio.gather(*(a.send("POST", PATH, key="k6", json=_branch("k6")) for _ in range(20)))
    assert {one.status_code for one in answers} <= {201, 409}
    in_flight = [one for one in answers if one.status_code == 409]
    assert {one.json()["code"] for one in in_flight} <= {"idempotency.key_in_flight"}
    assert len({one.content for one in answers if one.status_code == 201}) == 1
    assert await _count(a) == before + 1


async def test_while_the_first_is_open_a_repeat_is_told_so(a: Client, services: Services) -> None:
    open_request = idempotency.Request(a.tenant_id, "someone", "k7", bytes(32))
    async with services.db.tx(a.tenant_id) as first:
        assert await idempotency.claim(first, open_request) is None
        async with services.db.tx(a.tenant_id) as second:
            with pytest.raises(idempotency.KeyInFlight):
                await idempotency.claim(second, open_request)


async def test_a_secret_is_sealed_at_rest_and_shown_again(a: Client, owner_db: Database) -> None:
    body = {"name": "reading key", "permissions": ["ledger.read"]}
    first = await a.send("POST", "/keys", key="k8-secret", json=body)
    again = await a.send("POST", "/keys", key="k8-secret", json=body)
    assert first.status_code == 201
    assert again.content == first.content
    async with owner_db.connection() as connection:
        stored = await (await connection.execute("SELECT body FROM http_reply WHERE sealed")).fetchall()
    assert stored
    assert all(first.json()["secret"].encode() not in row.body for row in stored)


async def test_two_callers_do_not_share_keys(a: Client) -> None:
    issued = await a.post("/keys", {"name": "second caller", "permissions": ["branches.write"]})
    second = Client(a.http, a.tenant_id, a.slug, issued["secret"])
    assert (await a.send("POST", PATH, key="k9", json=_branch("k9a"))).status_code == 201
    assert (await second.send("POST", PATH, key="k9", json=_branch("k9b"))).status_code == 201


async def test_replies_are_purged_after_their_time(a: Client, worker_db: Database) -> None:
    await a.send("POST", PATH, key="k10", json=_branch("k10"))
    async with worker_db.tx() as tx:
        assert await idempotency.purge(tx, now=CLOCK.now()) == 0
    async with worker_db.tx() as tx:
        assert await idempotency.purge(tx, now=CLOCK.now() + 2 * idempotency.KEPT_FOR) > 0
    again = await a.send("POST", PATH, key="k10", json=_branch("k10"))
    assert (again.status_code, again.json()["code"]) == (409, "tenants.branch_code_taken")

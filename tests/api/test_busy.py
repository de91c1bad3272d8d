"""More work than we take: said at once, with when to come again, and nothing moves."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import httpx
import pytest
from prometheus_client import CollectorRegistry

from omniroute.api import Services, create_app
from omniroute.infra.batch import BatchLimits
from omniroute.infra.postgres import Database
from omniroute.ledger import Poster
from tests.api.makers import Client, Makers, open_accounts, today, transfer

POST = "/ledger/transactions"


@asynccontextmanager
async def at(services: Services, **changes: Any) -> AsyncIterator[httpx.AsyncClient]:
    """A door of its own over these services."""
    app = create_app(replace(services, registry=CollectorRegistry(), **changes), access_log=False)
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://omniroute.test") as http:
        yield http


@dataclass
class Door:
    """A door whose queue holds two postings, one of an organisation, and gives them to nobody until it is closed."""

    http: httpx.AsyncClient
    poster: Poster

    def of(self, client: Client) -> Client:
        """The same caller at this door."""
        return replace(client, http=self.http)

    async def waits(self, count: int) -> None:
        """Until so many are in the queue."""
        for _ in range(6_000):
            if self.poster.waiting == count:
                return
            await asyncio.sleep(0.01)
        raise AssertionError(f"{self.poster.waiting} wait")


@pytest.fixture
async def door(services: Services) -> AsyncIterator[Door]:
    limits = BatchLimits(wait_s=3_600, queue_max=2, lane_queue_max=1)
    poster = Poster(services.db, lambda tenant_id: today(), limits)
    async with at(services, poster=poster) as http:
        yield Door(http, poster)
    await poster.close()


async def test_a_full_queue_refuses_at_once_and_fairly(door: Door, a: Client, b: Client, makers: Makers) -> None:
    c = await makers.organisation("gamma")
    for client in (a, b, c):
        await open_accounts(client, "cash", "wallet")
    nothing = await a.books()
    body = transfer("cash", "wallet", 5)
    first = asyncio.create_task(door.of(a).send("POST", POST, json=body, key="first"))
    await door.waits(1)

    own = await door.of(a).send("POST", POST, json=body, key="second")
    assert (own.status_code, own.json()["code"], own.headers["retry-after"]) == (429, "ledger.tenant_busy", "1")
    other = asyncio.create_task(door.of(b).send("POST", POST, json=body))  # The share of others is theirs.
    await door.waits(2)
    everybody = await door.of(c).send("POST", POST, json=body)
    found = (everybody.status_code, everybody.json()["code"], everybody.headers["retry-after"])
    assert found == (503, "ledger.busy", "1")
    assert await a.books() == nothing

    await door.poster.close()
    assert [(await one).status_code for one in (first, other)] == [201, 201]
    assert [len((await one.get(POST))["items"]) for one in (a, b, c)] == [1, 1, 0]
    again = await a.send("POST", POST, json=body, key="second")
    assert (again.status_code, "idempotency-replayed" in again.headers) == (201, False), "a key that was not taken"


async def test_readiness_names_what_is_missing(services: Services, database_url: str, tmp_path: Path) -> None:
    async def ready(**changes: Any) -> tuple[int, object]:
        async with at(services, **changes) as http:
            answer = await http.get("/readiness")
            assert (await http.get("/health")).status_code == 200
        return answer.status_code, answer.json()["checks"]

    assert await ready(data_folder=tmp_path) == (200, {"database": "ok", "disk": "ok"})
    assert await ready(data_folder=tmp_path / "gone") == (503, {"database": "ok", "disk": "failed"})
    full = replace(services.limits, disk_free_bytes_min=2**63)
    assert await ready(data_folder=tmp_path, limits=full) == (503, {"database": "ok", "disk": "failed"})
    closed = await Database.open(database_url, role="omniroute_app")
    await closed.close()
    assert await ready(db=closed) == (503, {"database": "failed", "disk": "ok"})

"""The chain over HTTP: its head, and a walk over all blocks that names the first row that was changed."""

from collections.abc import AsyncIterator
from typing import Any

import psycopg
import pytest
from psycopg.rows import namedtuple_row

from omniroute.infra.events import ChainBuilder
from omniroute.infra.postgres import Database
from tests.api.makers import Client, Makers

Intruder = psycopg.AsyncConnection[Any]


@pytest.fixture
async def intruder(database_url: str) -> AsyncIterator[psycopg.AsyncConnection[Any]]:
    """A superuser who has switched the triggers off: what no right and no trigger can stop, the chain must show."""
    options = "-c search_path=omniroute -c session_replication_role=replica"
    async with await psycopg.AsyncConnection.connect(
        database_url, autocommit=True, options=options, row_factory=namedtuple_row
    ) as connection:
        yield connection


@pytest.fixture(scope="module")
async def sealed(makers: Makers, worker_db: Database) -> Client:
    """An organisation with five blocks of two events each, and those of its beginning."""
    client = await makers.organisation("sealed")
    for number in range(5):
        await ChainBuilder().run_once(worker_db)
        for half in "ab":
            await client.post("/branches", {"code": f"{half}{number}", "name": "Branch"})
    await ChainBuilder().run_once(worker_db)
    return client


async def _walk(client: Client, limit: int) -> list[dict[str, Any]]:
    stretches = [await client.get("/audit/verification", params={"limit": str(limit)})]
    while stretches[-1]["next_after"] is not None:
        asked = {"limit": str(limit), "after": str(stretches[-1]["next_after"])}
        stretches.append(await client.get("/audit/verification", params=asked))
    return stretches


@pytest.mark.parametrize("limit", [1, 2, 6, 7, 100])
async def test_an_untouched_chain_is_intact_in_stretches_of_any_size(sealed: Client, limit: int) -> None:
    blocks = (await sealed.get("/audit/chain"))["head"]["number"]
    assert blocks >= 6
    stretches = await _walk(sealed, limit)
    assert all(one["intact"] and one["first"] is None and one["findings"] == [] for one in stretches)
    assert sum(one["block_count"] for one in stretches) == blocks
    assert max(one["block_count"] for one in stretches) <= limit
    assert sum(one["event_count"] for one in stretches) == len((await sealed.get("/events?limit=500"))["items"])


@pytest.mark.parametrize("limit", [1, 4, 100])
async def test_the_first_changed_row_is_named(sealed: Client, intruder: Intruder, limit: int) -> None:
    victims = (await sealed.get("/events", params={"type": "branch.created", "limit": "500"}))["items"][3:5]
    ids = [victim["id"] for victim in victims]
    rows = await intruder.execute(
        "SELECT seq, actor FROM event_log WHERE tenant_id = %s AND type = 'branch.created' ORDER BY seq",
        [sealed.tenant_id],
    )
    chosen = (await rows.fetchall())[3:5]
    change = "UPDATE event_log SET actor = %s WHERE seq = %s"
    for row in chosen:
        await intruder.execute(change, ["nobody", row.seq])
    try:
        stretches = await _walk(sealed, limit)
    finally:
        for row in chosen:
            await intruder.execute(change, [row.actor, row.seq])

    first = next(one["first"] for one in stretches if not one["intact"])
    assert (first["damage"], first["table"], first["key"]) == ("changed", "event_log", f"seq={chosen[0].seq}")
    assert first["event_id"] == ids[0]
    named = [finding["event_id"] for one in stretches for finding in one["findings"]]
    assert named == ids
    assert all(one["intact"] for one in await _walk(sealed, limit))


async def test_a_missing_block_is_missed_whichever_stretch_begins_there(sealed: Client, intruder: Intruder) -> None:
    third = "FROM audit_block WHERE tenant_id = %s AND number = 3"
    await intruder.execute("CREATE TEMPORARY TABLE kept AS SELECT * " + third, [sealed.tenant_id])
    await intruder.execute("DELETE " + third, [sealed.tenant_id])
    try:
        for asked in ({"limit": "2", "after": "2"}, {"limit": "2", "after": "3"}, {"limit": "9"}):
            found = await sealed.get("/audit/verification", params=asked)
            assert not found["intact"]
            assert (found["first"]["damage"], found["first"]["block_number"]) == ("chain_broken", 4)
    finally:
        await intruder.execute("INSERT INTO audit_block SELECT * FROM kept")
    assert all(one["intact"] for one in await _walk(sealed, 9))


async def test_what_is_refused(sealed: Client, b: Client) -> None:
    permissions = ["organisation.read", "ledger.read"]
    secret = (await sealed.post("/keys", {"name": "clerk", "permissions": permissions}))["secret"]
    clerk = Client(sealed.http, sealed.tenant_id, sealed.slug, secret)
    assert (await clerk.send("GET", "/audit/verification")).json()["code"] == "access.permission_missing"
    stranger = Client(b.http, sealed.tenant_id, sealed.slug, b.secret)
    assert (await stranger.send("GET", "/audit/verification")).status_code == 404
    for wrong in ({"limit": "0"}, {"limit": "101"}, {"after": "-1"}, {"after": "x"}):
        assert (await sealed.send("GET", "/audit/verification", params=wrong)).status_code == 400

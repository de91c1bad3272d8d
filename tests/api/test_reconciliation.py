"""Reconciliation over HTTP: a run and its rehearsal, what is left over, and a match that takes two people."""

import pytest

from omniroute.kit.ids import uuid7
from tests.api.makers import Client, Makers
from tests.api.reconciling import around_today, propose_match, reconcile, write_line
from tests.api.things import Things


@pytest.fixture(scope="module")
async def things(makers: Makers) -> Things:
    return Things(makers, await makers.organisation("reconciling"))


async def as_somebody_else(client: Client, *permissions: str) -> Client:
    """A key without a person behind it: somebody else than who made it."""
    key = await client.post("/keys", {"name": f"k{uuid7()}", "permissions": list(permissions)})
    return Client(client.http, client.tenant_id, client.slug, key["secret"])


async def test_a_rehearsal_shows_what_a_run_keeps(things: Things) -> None:
    client, worker_db = things.client, things.makers.services.worker_db
    assert worker_db is not None
    connection = await things.connections(7_001, "bank")
    line = await write_line(client, worker_db, connection, -500, "what is it")
    body = around_today() | {"connection_id": connection}
    rehearsed = await client.post("/reconciliation-runs", body | {"dry_run": True})
    assert rehearsed["id"] is None
    [left] = rehearsed["unmatched"]
    assert (left["kind"], left["line_id"], left["actual"]) == ("missing_in_books", line, -500)
    path = f"/reconciliation-exceptions?connection_id={connection}"
    assert (await client.get(path))["items"] == []
    kept = await reconcile(client, connection)
    assert (kept["exceptions"], kept["unmatched"]) == (rehearsed["exceptions"], rehearsed["unmatched"])
    [exception] = (await client.get(path))["items"]
    address = f"/reconciliation-exceptions/{exception['id']}"
    assert (await client.post(f"{address}/assign", {"owner": "usr_bisi"}))["owner"] == "usr_bisi"
    done = await client.post(f"{address}/explain", {"reason": "the bank's mistake"})
    assert (done["resolution"], done["reason"]) == ("explained", "the bank's mistake")
    answer = await client.send("POST", f"{address}/explain", json={"reason": "again"})
    assert (answer.status_code, answer.json()["code"]) == (404, "reconciliation.exception_not_found")
    report = await client.get("/reconciliation-report", params=around_today() | {"connection_id": connection})
    [summary] = report["summaries"]
    assert (summary["total_transactions"], summary["unmatched_count"]) == (1, 1)


async def test_a_match_takes_two_people(things: Things) -> None:
    client, worker_db = things.client, things.makers.services.worker_db
    assert worker_db is not None
    match = await propose_match(client, worker_db, await things.connections(7_002, "bank"))
    address = f"/reconciliation-matches/{match['id']}"
    answer = await client.send("POST", f"{address}/approve", json={})
    assert (answer.status_code, answer.json()["code"]) == (403, "reconciliation.approver_is_proposer")
    reader = await as_somebody_else(client, "reconciliation.read")
    assert (await reader.send("POST", f"{address}/approve", json={})).status_code == 403
    assert (await reader.get(address))["state"] == "proposed"
    other = await as_somebody_else(client, "reconciliation.write")
    approved = await other.post(f"{address}/approve", {})
    assert (approved["state"], approved["lines"], approved["difference"]) == ("matched", match["lines"], 0)
    undone = await client.post(f"{address}/undo", {"reason": "another shop's"})
    assert (undone["state"], undone["reason"]) == ("undone", "another shop's")
    answer = await other.send("POST", f"{address}/reject", json={})
    assert (answer.status_code, answer.json()["code"]) == (409, "reconciliation.wrong_state")


async def test_rules_are_kept_for_the_connection(things: Things) -> None:
    address = f"/connections/{await things.connections(7_003, 'bank')}/reconciliation-rules"
    assert (await things.client.get(address)) == {"window_days": 3, "tolerance": 0, "fees": []}
    rules = {"window_days": 5, "tolerance": 1, "fees": [{"flat": 5375, "rate_ppm": 0}]}
    answer = await things.client.send("PUT", address, json=rules)
    assert (answer.status_code, answer.json()) == (200, rules)
    assert (await things.client.get(address)) == rules

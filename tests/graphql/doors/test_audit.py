"""Clients of others over HTTP: the audit of graphql-http, and urql."""

from tests.graphql.clients.node import needs_node, node
from tests.graphql.doors.conftest import PATH, System


@needs_node
async def test_every_must_and_should_of_graphql_over_http(system: System) -> None:
    found = await node("audit.mjs", system.url + PATH, f"Bearer {system.keys['auditor']}")
    assert len(found) > 40
    assert [one for one in found if one["status"] in ("warn", "error")] == []


@needs_node
async def test_urql_reads_answers_and_errors(system: System) -> None:
    found = await node("urql.mjs", system.url + PATH, f"Bearer {system.keys['auditor']}")
    good = {"data": {"payment": {"id": 1, "merchant": {"name": "Adeola Stores"}}}, "error": None}
    bad = [["field 'nothing' not found in type: 'query_root'", "validation-failed"]]
    assert found == [good, bad] * 2

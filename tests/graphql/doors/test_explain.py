"""Explain for administrators, the allow list, introspection, reading metadata again."""

import json

import pytest
from graphql import build_client_schema, get_introspection_query

from omniroute.graphql import Engine, Gate, HttpDoor, RequestRefused, Serving
from omniroute.graphql.doors.allow_list import AllowList
from omniroute.graphql.doors.metrics import NAMES_MAX, OperationTally
from omniroute.graphql.limits import Limits
from tests.graphql.doors.conftest import LISTED, PATH, SECRET, Caller, System, door_metadata
from tests.graphql.doors.test_http import refused

EXPLAIN = f"{PATH}/explain"


async def test_the_admin_sees_statement_and_plan(http: Caller) -> None:
    query = {"query": "query ($id: bigint!) { payment(id: $id) { id } merchants { name } __typename }",
             "variables": {"id": 1}}  # fmt: skip
    body = {"query": query, "user": {"x-hasura-role": "auditor"}}
    answer = await http.http.post(EXPLAIN, json=body, headers={"x-hasura-admin-secret": SECRET})
    assert answer.status_code == 200
    payment, merchants, typename = answer.json()
    assert (payment["field"], merchants["field"]) == ("payment", "merchants")
    assert '"shop"."payment"' in payment["sql"]
    assert '"shop"."merchant"' not in payment["sql"]
    assert any("payment" in line for line in payment["plan"])
    assert typename == {"field": "__typename", "sql": None, "plan": None}


async def test_explain_is_for_the_admin_alone(http: Caller) -> None:
    body = {"query": {"query": "{ merchants { name } }"}}
    told = (http.headers(), {"x-hasura-admin-secret": SECRET, "x-hasura-role": "auditor"})
    for headers in told:
        answer = await http.http.post(EXPLAIN, json=body, headers=headers)
        assert refused(answer) == (403, "access-denied", "$", "restricted access : admin only")
    assert refused(await http.http.post(EXPLAIN, json=body))[0] == 401
    assert refused(await http.http.get(EXPLAIN))[0] == 405


@pytest.mark.parametrize(
    ("body", "status"),
    [({}, 400), ([], 400), ({"query": {}}, 400), ({"query": "{ nothing }"}, 200), ({"query": {"query": "{"}}, 200)],
    ids=range(5),
)
async def test_what_cannot_be_explained(http: Caller, body: object, status: int) -> None:
    answer = await http.http.post(EXPLAIN, json=body, headers={"x-hasura-admin-secret": SECRET})
    assert refused(answer)[0] == status


async def test_the_schema_is_shown_but_to_roles_that_may_not_see_it(http: Caller) -> None:
    document = get_introspection_query()
    schema = build_client_schema((await http.ask(document)).json()["data"])
    assert schema.query_type is not None
    assert "payments" in schema.query_type.fields
    document = "{ __schema { queryType { name } } }"
    answer = await http.ask(document, None, x_hasura_admin_secret=SECRET, x_hasura_role="watcher")
    assert refused(answer)[3] == "field '__schema' not found in type: 'query_root'"


async def test_only_listed_documents_are_executed(system: System, http: Caller) -> None:
    async def opens() -> Engine:
        return system.gate.serving.engine

    listed = await Serving.open(opens, allow_list=True)
    door = HttpDoor(Gate(listed, system.services.authenticator, system.gate.clock, SECRET))

    async def ask(document: str, **headers: str) -> dict[str, object]:
        body = json.dumps({"query": document, "variables": {"id": 1} if "$id" in document else {}}).encode()
        sent: list[dict[str, bytes]] = []
        told = {"authorization": f"Bearer {system.keys['auditor']}", "content-type": "application/json"} | headers

        async def receive() -> dict[str, object]:
            return {"type": "http.request", "body": body}

        async def send(message: dict[str, bytes]) -> None:
            sent.append(message)

        scope = {"type": "http", "method": "POST",
                 "headers": [(name.encode(), text.encode()) for name, text in told.items()]}  # fmt: skip
        await door.graphql(scope, receive, send)
        found: dict[str, object] = json.loads(sent[1]["body"])
        return found

    assert await ask(LISTED) == {"data": {"payment": {"id": 1}}}
    respelt = "# a comment\nquery  Listed($id:bigint!){ __typename payment(id:$id){id __typename} }"
    assert "errors" not in await ask(respelt)
    refusal = {"message": "query is not allowed", "extensions": {"path": "$", "code": "validation-failed"}}
    for other in ("{ payments { id } }", LISTED.replace("{ id }", "{ id amount }")):
        assert await ask(other) == {"errors": [refusal]}
    assert "data" in await ask("{ payments { id } }", **{"x-hasura-admin-secret": SECRET})


def test_collections_are_for_everybody_or_for_roles() -> None:
    found = AllowList(door_metadata(), Limits())
    found.check("anybody", LISTED)
    found.check("user", "{ payments { id } }")
    for role, document in (("auditor", "{ payments { id } }"), ("user", LISTED + " query B { payments { id } }")):
        with pytest.raises(RequestRefused, match="query is not allowed"):
            found.check(role, document)


async def test_metadata_is_read_again_or_the_old_one_stays(system: System) -> None:
    first = system.gate.serving.engine
    opened = [first]

    async def opens() -> Engine:
        if len(opened) > 1:
            raise RequestRefused("broken")
        opened.append(first)
        return await Engine.open(system.db, door_metadata())

    serving = Serving(first, opens, allow_list=False)
    await serving.reload()
    second = serving.engine
    assert second is not first
    with pytest.raises(RequestRefused):
        await serving.reload()
    assert serving.engine is second


def test_clients_cannot_make_metrics_without_end() -> None:
    tally = OperationTally()
    for number in range(NAMES_MAX + 50):
        tally.record(f"Operation{number}", "query", "ok", 0.1)
        tally.record(f"Failing{number}", "query", "validation-failed", 0.1)
        tally.record("x" * (65 + number), "query", "ok", 0.1)
        tally.record(None, "query", f"code-{number}", 0.1)
    outcomes, seconds = tally.collect()
    labels = {sample.labels["operation"] for sample in outcomes.samples}
    assert len(labels) == NAMES_MAX + 2
    assert {"", "other", "Operation0"} <= labels
    assert {sample.labels["code"] for sample in outcomes.samples} == {"ok", "validation-failed", "other"}
    assert len({sample.labels["operation"] for sample in seconds.samples}) == NAMES_MAX + 2

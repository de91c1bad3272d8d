"""GraphQL over HTTP: methods, media types, statuses, batches, errors in Hasura's shape."""

import asyncio
import json

import httpx
import pytest

from tests.graphql.doors.conftest import BODY_BYTES_MAX, PATH, Caller

GRAPHQL = "application/graphql-response+json"
ONE = "{ payment(id: 1) { id amount } }"
UNKNOWN = "{ payment(id: 1) { nothing } }"


def refused(answer: httpx.Response) -> tuple[int, str, str, str]:
    """Status, code, path and message of an answer that has one error and no data."""
    found = answer.json()
    assert list(found) == ["errors"]
    [error] = found["errors"]
    assert list(error) == ["message", "extensions"]
    return answer.status_code, error["extensions"]["code"], error["extensions"]["path"], error["message"]


async def test_a_query_is_answered(http: Caller) -> None:
    answer = await http.ask(ONE)
    assert answer.status_code == 200
    assert json.loads(answer.text, parse_float=str) == {"data": {"payment": {"id": 1, "amount": "1000.50"}}}
    assert answer.headers["content-type"] == "application/json; charset=utf-8"
    assert answer.headers["cache-control"] == "no-store"
    assert answer.headers["x-correlation-id"]


async def test_a_get_answers_queries_only(http: Caller) -> None:
    query = "query One($id: bigint!) { payment(id: $id) { id } } query Two { payments { id } }"
    answer = await http.get(query=query, variables='{"id": 2}', operationName="One", extensions='{"a": 1}')
    assert (answer.status_code, answer.json()) == (200, {"data": {"payment": {"id": 2}}})
    for operation in ("mutation", "subscription"):
        answer = await http.get(query=operation + " { anything }")
        assert refused(answer)[:2] == (405, "not-supported")
        assert answer.headers["allow"] == "POST"


@pytest.mark.parametrize(
    ("query", "code"),
    [
        ("", "parse-failed"),
        ("query=", "validation-failed"),
        ("query={a}&query={b}", "parse-failed"),
        ("query={a}&variables=[1]", "parse-failed"),
        ("query={a}&variables={", "invalid-json"),
        ("query={a}&extensions=1", "parse-failed"),
        ("query=%ff", "parse-failed"),
        ("query=%ED%A0%80", "parse-failed"),
        ("&".join(f"p{i}=1" for i in range(30)), "parse-failed"),
    ],
)
async def test_a_get_that_is_no_request(http: Caller, query: str, code: str) -> None:
    answer = await http.http.get(f"{PATH}?{query}", headers=http.headers(accept=GRAPHQL))
    assert refused(answer)[:2] == (400, code)


@pytest.mark.parametrize("method", ["PUT", "DELETE", "PATCH", "OPTIONS"])
async def test_other_methods_are_named(http: Caller, method: str) -> None:
    answer = await http.http.request(method, PATH, headers=http.headers())
    assert refused(answer)[:2] == (405, "method-not-allowed")
    assert answer.headers["allow"] == "GET, POST"


@pytest.mark.parametrize(
    ("accept", "kind"),
    [
        ("*/*", "application/json"),
        ("application/*", "application/json"),
        ("application/json", "application/json"),
        (GRAPHQL, GRAPHQL),
        (f"{GRAPHQL}, application/json;q=0.9", GRAPHQL),
        (f"{GRAPHQL};q=0.5, application/json;q=0.9", "application/json"),
        (f"application/json, {GRAPHQL}", GRAPHQL),
        (f"{GRAPHQL};charset=utf-8", GRAPHQL),
        ("text/html, */*;q=0.1", "application/json"),
        (f"application/json;q=0, {GRAPHQL}", GRAPHQL),
        (f"{GRAPHQL}, */*;q=0.1", GRAPHQL),
        ("application/json, text/plain, */*", "application/json"),
    ],
)
async def test_the_answer_is_of_the_type_asked_for(http: Caller, accept: str, kind: str) -> None:
    good, bad = await http.ask(ONE, accept=accept), await http.ask(UNKNOWN, accept=accept)
    assert good.headers["content-type"] == bad.headers["content-type"] == f"{kind}; charset=utf-8"
    assert good.status_code == 200
    assert refused(bad) == (
        400 if kind == GRAPHQL else 200,
        "validation-failed",
        "$.selectionSet.payment.selectionSet.nothing",
        "field 'nothing' not found in type: 'payments'",
    )


@pytest.mark.parametrize("accept", ["text/html", "application/json;q=0", f"{GRAPHQL};charset=latin1", "a;q=x"])
async def test_types_nobody_answers_in(http: Caller, accept: str) -> None:
    assert refused(await http.ask(ONE, accept=accept))[:2] == (406, "not-acceptable")


@pytest.mark.parametrize(
    "kind",
    ["text/plain", "application/x-www-form-urlencoded", "application/json; charset=latin1", "application/graphql"],
)
async def test_bodies_that_are_not_json_by_their_type(http: Caller, kind: str) -> None:
    assert refused(await http.post(json.dumps({"query": ONE}), content_type=kind))[:2] == (415, "not-supported")


@pytest.mark.parametrize(
    ("body", "code", "path"),
    [
        (b"", "invalid-json", "$"),
        (b"{", "invalid-json", "$"),
        (b"\xff", "invalid-json", "$"),
        (b'{"query": "{a}", "variables": {"n": NaN}}', "invalid-json", "$"),
        (b'{"query": "{a}", "variables": {"n": ' + b"1" * 5_000 + b"}}", "invalid-json", "$"),
        (b'{"query": "{a}", "variables": {"text": "\\ud800"}}', "invalid-json", "$"),
        (b'{"query": "{a}", "variables": ' + b'{"a":' * 20_000 + b"1" + b"}" * 20_000 + b"}", "invalid-json", "$"),
        (b"1", "parse-failed", "$"),
        (b'"{a}"', "parse-failed", "$"),
        (b"{}", "parse-failed", "$.query"),
        (b'{"query": null}', "parse-failed", "$.query"),
        (b'{"query": {"a": 1}}', "parse-failed", "$.query"),
        (b'{"query": "{a}", "variables": "{}"}', "parse-failed", "$.variables"),
        (b'{"query": "{a}", "variables": [1]}', "parse-failed", "$.variables"),
        (b'{"query": "{a}", "operationName": 1}', "parse-failed", "$.operationName"),
        (b'{"query": "{a}", "extensions": "x"}', "parse-failed", "$.extensions"),
        (b"[]", "parse-failed", "$"),
        (b'[{"query": "{a}"}, 1]', "parse-failed", "$[1]"),
    ],
    ids=range(18),
)
async def test_a_body_that_is_no_request(http: Caller, body: bytes, code: str, path: str) -> None:
    for accept in (GRAPHQL, "application/json"):
        assert refused(await http.post(body, accept=accept))[:3] == (400, code, path)


@pytest.mark.parametrize("how", ["declared", "in chunks"])
async def test_a_body_that_is_too_large(http: Caller, how: str) -> None:
    declared = how == "declared"
    told = http.headers(host="test", content_type="application/json")
    told |= {"content-length": "5000000"} if declared else {"transfer-encoding": "chunked"}
    head = f"POST {PATH} HTTP/1.1\r\n" + "".join(f"{name}: {text}\r\n" for name, text in told.items()) + "\r\n"
    url = httpx.URL(http.system.url)
    reader, writer = await asyncio.open_connection(url.host, url.port)
    # Nothing stays unread, so that the answer arrives before the connection ends.
    piece = b"" if declared else b"%x\r\n%s\r\n" % (BODY_BYTES_MAX + 1, b"x" * (BODY_BYTES_MAX + 1))
    writer.write(head.encode() + piece)
    async with asyncio.timeout(60):
        answer = (await reader.readuntil(b"\r\n\r\n")).decode()
        length = next(line.split()[1] for line in answer.splitlines() if line.lower().startswith("content-length"))
        found = json.loads(await reader.readexactly(int(length)))
    writer.close()
    assert answer.startswith("HTTP/1.1 413 ")
    assert found["errors"][0] == {
        "message": f"the body is longer than {BODY_BYTES_MAX} bytes",
        "extensions": {"path": "$", "code": "payload-too-large"},
    }


async def test_a_document_has_a_limit_below_that_of_the_body(http: Caller) -> None:
    answer = await http.ask("{ payments { id } } #" + "x" * 150_000, accept=GRAPHQL)
    assert refused(answer) == (400, "validation-failed", "$", "the document is longer than 100000 bytes")


def _nested(levels: int) -> str:
    return "{ merchants " + "{ parent " * levels + "{ id }" + " }" * levels + " }"


@pytest.mark.parametrize(
    ("document", "code", "message"),
    [
        ("{ payments { id }", "validation-failed",
         "not a valid graphql query: Syntax Error: Expected Name, found <EOF>."),
        ("", "validation-failed", "not a valid graphql query: Syntax Error: Unexpected <EOF>."),
        ("{ secrets { id } }", "validation-failed", "field 'secrets' not found in type: 'query_root'"),
        ('{ payment(id: "one") { id } }', "validation-failed", None),
        ("{ payments(limit: -1) { id } }", "validation-failed", "unexpected negative value"),
        ("{ payments(limit: 99999999999) { id } }", "parse-failed", None),
        ("query ($id: bigint!) { payment(id: $id) { id } }", "validation-failed",
         'expecting a value for non-nullable variable: "id"'),
        ("{ payment(id: $id) { id } }", "validation-failed", 'unbound variable "id"'),
        ("{ ...A } fragment A on query_root { ...B } fragment B on query_root { ...A }", "validation-failed",
         'the fragment definition(s) "A", "B" form a cycle'),
        ("{ ...A }", "validation-failed", 'reference to undefined fragment "A"'),
        ("{" + " ".join(f"a{i}: __typename" for i in range(10_000)) + "}", "validation-failed", None),
        ("{" + " ".join(f"a{i}: __typename" for i in range(101)) + "}", "node-limit-exceeded",
         "the operation has more than 100 aliases"),
        ("{ payments {" + " id" * 1_001 + "} }", "node-limit-exceeded", "the operation has more than 1000 fields"),
        (_nested(100), "validation-failed", "the document is nested deeper than 100 levels"),
        (_nested(40), "depth-limit-exceeded", "the operation is 42 levels deep; 32 are allowed"),
        ("subscription { payments { id } }", "validation-failed",
         "subscriptions are not supported over HTTP, use websockets instead"),
        ("query A { payments { id } } query B { payments { id } }", "validation-failed",
         "exactly one operation has to be present in the document when operationName is not specified"),
    ],
    ids=range(17),
)  # fmt: skip
async def test_bad_documents_get_clear_errors(http: Caller, document: str, code: str, message: str | None) -> None:
    status, found, _, said = refused(await http.ask(document, accept=GRAPHQL))
    assert (status, found) == (400, code)
    assert said == message if message else said
    assert refused(await http.ask(document))[:2] == (200, code)


async def test_sql_in_strings_is_text(http: Caller) -> None:
    text = "'; DROP TABLE shop.payment; --\" $1 %s \\"
    document = "query ($t: String!) { payments(where: {reference: {_eq: $t}}) { id } }"
    assert (await http.ask(document, variables={"t": text})).json() == {"data": {"payments": []}}
    quoted = json.dumps(text)
    answer = await http.ask(f"{{ payments(where: {{reference: {{_eq: {quoted}}}}}) {{ id }} }}")
    assert answer.json() == {"data": {"payments": []}}
    assert (await http.ask("{ payments_aggregate { aggregate { count } } }")).json() == {
        "data": {"payments_aggregate": {"aggregate": {"count": 5}}}
    }


async def test_variables_keep_every_digit(http: Caller) -> None:
    document = "query ($a: numeric!) { payments(where: {amount: {_eq: $a}}, order_by: {id: asc}) { id } }"
    for digits, found in (("1000.50", [1, 4]), ("1000.5000000000000000000001", []), ("1.0005e3", [1, 4])):
        answer = await http.post(json.dumps({"query": document})[:-1] + f', "variables": {{"a": {digits}}}}}')
        assert answer.json() == {"data": {"payments": [{"id": one} for one in found]}}


async def test_text_that_postgres_cannot_hold(http: Caller) -> None:
    document = "query ($t: String!) { payments(where: {reference: {_eq: $t}}) { id } }"
    status, code, _, _ = refused(await http.ask(document, variables={"t": "a\0b"}))
    assert (status, code) == (200, "data-exception")


async def test_a_batch_is_answered_one_by_one(http: Caller) -> None:
    batch = [{"query": ONE}, {"query": UNKNOWN}, {"query": "query A { payment(id: 3) { id } }", "operationName": "A"}]
    answer = await http.post(json.dumps(batch))
    first, second, third = answer.json()
    assert answer.status_code == 200
    assert first["data"]["payment"]["id"] == 1
    assert second["errors"][0]["extensions"]["code"] == "validation-failed"
    assert third == {"data": {"payment": {"id": 3}}}


async def test_a_batch_has_a_limit(http: Caller) -> None:
    answer = await http.post(json.dumps([{"query": ONE}] * 21))
    assert refused(answer) == (400, "batch-limit-exceeded", "$", "the batch has 21 operations; 20 are allowed")
    assert len((await http.post(json.dumps([{"query": ONE}] * 20))).json()) == 20


async def test_operations_are_counted_by_name(http: Caller) -> None:
    await http.ask("query Counted { payment(id: 1) { id } }", name="Counted")
    await http.ask("query Failing { nothing }", name="Failing")
    text = (await http.http.get("/metrics")).text
    counted = 'omniroute_graphql_operations_total{code="ok",kind="query",operation="Counted"}'
    assert any(line.startswith(counted) for line in text.splitlines())
    assert 'operation="Failing"' not in text
    assert 'code="validation-failed",kind="unknown",operation="other"' in text
    assert 'omniroute_graphql_operation_seconds_count{kind="query",operation="Counted"} 1.0' in text
    assert 'route="/v1/graphql"' in text


async def test_sockets_without_a_door_are_refused(http: Caller) -> None:
    told = {"connection": "upgrade", "upgrade": "websocket", "sec-websocket-version": "13",
            "sec-websocket-key": "dGhlIHNhbXBsZSBub25jZQ=="}  # fmt: skip
    for path in (PATH, f"{PATH}/explain", "/v1/graphiql", "/v1/nothing"):
        assert (await http.http.get(path, headers=told)).status_code != 101

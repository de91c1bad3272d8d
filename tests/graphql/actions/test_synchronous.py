"""Actions that are answered at once: Hasura's payload out, its rules for what comes back."""

from collections.abc import AsyncIterator
from typing import Any

import pytest

from omniroute.graphql import check
from omniroute.infra.postgres import Database
from tests.graphql.actions.desk import ORDER, USER, Desk, action, metadata, opened
from tests.graphql.handler import Got, reply
from tests.graphql.shop import MERCHANTS, open_shop

PLACE = "mutation Place($input: OrderInput!) { placeOrder(input: $input) { id reference } }"
INPUT = {"reference": "A-1", "amount": 12.5}


@pytest.fixture(scope="module")
async def shop(owner_db: Database, app_db: Database) -> Database:
    await open_shop(owner_db)
    return app_db


@pytest.fixture
async def desk(shop: Database) -> AsyncIterator[Desk]:
    async with opened(shop) as made:
        made.handler.says(200, ORDER)
        yield made


async def test_a_handler_gets_hasuras_payload_and_the_headers_of_the_metadata(desk: Desk) -> None:
    desk.headers = {"Authorization": "Bearer nobody's", "x-hasura-role": "admin", "user-agent": "test"}
    extra = {"a": [1, None, "é\u0000"]}
    given = INPUT | {"lines": [{"sku": "RICE"}], "size": "LARGE", "extra": extra, "amount": "0.10"}
    said = await desk.ask(PLACE, input=given)
    assert said == {"placeOrder": {"id": 1, "reference": "A-1"}}
    [got] = desk.handler.got
    assert got.path == "/do"
    assert got.said == {
        "action": {"name": "placeOrder"},
        "input": {"input": given | {"amount": 0.1}},
        "session_variables": {"x-hasura-role": "user", "x-hasura-user-id": str(USER)},
        "request_query": PLACE,
    }
    assert b'"amount":0.10' in got.body
    assert got.headers["content-type"] == "application/json"
    assert (got.headers["x-shared"], got.headers["x-fixed"]) == ("a secret", "1")
    assert not {"authorization", "x-hasura-role"} & got.headers.keys()


async def test_literals_variables_and_long_numbers_arrive_whole(desk: Desk) -> None:
    document = """mutation ($n: numeric!, $x: Int) { placeOrder(input: {reference: "a\\"b", amount: $n, size: SMALL,
        lines: [{sku: "S", count: $x}], extra: {deep: [$x, 1.50, {y: true}]}}) { id } }"""
    await desk.ask(document, n="12345678901234567.89", x=7)
    sent = desk.handler.got[0].said["input"]["input"]
    assert sent == {
        "reference": 'a"b', "amount": "12345678901234567.89", "size": "SMALL",
        "lines": [{"sku": "S", "count": 7}], "extra": {"deep": [7, 1.5, {"y": True}]},
    }  # fmt: skip
    desk.handler.says(200, [])
    await desk.ask("query ($ids: [uuid!]) { orders(ids: $ids) { id } }", ids=[str(USER)])
    assert desk.handler.got[0].said["input"] == {"ids": [str(USER)]}
    assert "idempotency-key" not in desk.handler.got[0].headers


async def test_client_headers_are_passed_on_when_asked_for(desk: Desk) -> None:
    desk.headers = {
        "Authorization": "Bearer t", "X-Fixed": "theirs", "X-Hasura-Role": "admin", "Host": "evil", "Cookie": "c=1",
        "Content-Length": "5", "Sec-WebSocket-Key": "k", "x-request-id": "r",
    }  # fmt: skip
    await desk.ask(PLACE.replace("placeOrder", "passOn"), input=INPUT)
    [got] = desk.handler.got
    assert (got.headers["authorization"], got.headers["x-fixed"], got.headers["cookie"]) == ("Bearer t", "ours", "c=1")
    assert got.headers["x-request-id"] == "r"
    assert got.headers["host"] != "evil"
    assert not {"x-hasura-role", "sec-websocket-key"} & got.headers.keys()
    assert len(got.body) == int(got.headers["content-length"])


async def test_the_idempotency_key_is_the_callers_made_its_own(desk: Desk) -> None:
    async def keys(document: str, **headers: str) -> list[str]:
        desk.handler.got.clear()
        desk.headers = headers
        await desk.ask(document, input=INPUT)
        return [one.headers["idempotency-key"] for one in desk.handler.got]

    twice = PLACE.replace("{ placeOrder", "{ b: placeOrder(input: $input) { id } placeOrder")
    first = await keys(twice, **{"Idempotency-Key": "k1"})
    assert len(set(first)) == 2
    assert await keys(twice, **{"idempotency-key": "k1"}) == first
    assert not set(await keys(twice, **{"Idempotency-Key": "k2"})) & set(first)
    assert await keys(PLACE) != await keys(PLACE)


async def test_only_who_may_sees_an_action(desk: Desk) -> None:
    for role in ("auditor", "nobody", "rails"):
        told = await desk.refused(PLACE, role, input=INPUT)
        assert told["message"] == "no mutations exist", told
    told = await desk.refused("{ orders { id } }", "auditor")
    assert told["message"] == "field 'orders' not found in type: 'query_root'"
    assert desk.handler.got == []
    for role in ("clerk", "both", "admin"):  # `both` inherits from clerk.
        await desk.ask(PLACE, role, input=INPUT)
    assert len(desk.handler.got) == 3


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"reference": "x"}, "amount"),
        ({"reference": None, "amount": 1}, "unexpected null value for type 'String'"),
        (INPUT | {"amount": "much"}, "expected a number"),
        (INPUT | {"size": "HUGE"}, "HUGE"),
        (INPUT | {"colour": "red"}, "colour"),
        (None, "input"),
    ],
)
async def test_wrong_input_never_reaches_the_handler(desk: Desk, given: Any, message: str) -> None:
    told = await desk.refused(PLACE, input=given)
    assert message in told["message"]
    assert desk.handler.got == []


async def test_an_answer_is_cut_to_what_was_asked_for_every_digit_kept(desk: Desk) -> None:
    body = b'{"id":9007199254740993,"reference":"\xc3\xa9","amount":0.10,"extra":{"k":1e2,"z":null},"more":true}'
    desk.handler.says(200, body)
    document = PLACE.replace("{ id reference }", "{ __typename no: id amount reference size lines { sku } extra }")
    answer = await desk.ask(document, input=INPUT)
    assert answer["placeOrder"] == {
        "__typename": "Order", "no": 9007199254740993, "amount": 0.1, "reference": "é", "size": None, "lines": None,
        "extra": {"k": 100.0, "z": None},
    }  # fmt: skip
    assert list(answer["placeOrder"]) == ["__typename", "no", "amount", "reference", "size", "lines", "extra"]


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b"", "not a valid json response from webhook"),
        (b"{", "not a valid json response from webhook"),
        (b'{"id": NaN}', "not a valid json response from webhook"),
        (b"[" * 500 + b"]" * 500, "not a valid json response from webhook"),
        (b"[" * 200_000, "not a valid json response from webhook"),
        (None, 'expecting not null value for field "placeOrder"'),
        ([ORDER], 'expecting object for field "placeOrder" of webhook response'),
        ("text", 'expecting object for field "placeOrder" of webhook response'),
        ({"reference": "A"}, 'expected in webhook response: field "id"'),
        ({"id": 1, "reference": None}, 'expecting not null value for field "reference"'),
        (ORDER | {"reference": {"a": 1}}, 'expecting a String for field "reference" of webhook response'),
        (ORDER | {"size": "HUGE"}, 'unexpected value for field "size": not one of "Size"'),
        (ORDER | {"lines": {}}, 'expecting array for field "lines" of webhook response'),
        (ORDER | {"lines": [None]}, 'expecting not null value for field "lines"'),
        (ORDER | {"lines": [{}]}, 'expected in webhook response: field "sku"'),
    ],
)
async def test_an_answer_that_does_not_fit_its_type_is_an_error(desk: Desk, body: Any, message: str) -> None:
    desk.handler.says(200, body)
    document = PLACE.replace("{ id reference }", "{ id reference size lines { sku } }")
    told = await desk.refused(document, input=INPUT)
    assert told == {"message": message, "extensions": {"path": "$", "code": "unexpected"}}


@pytest.mark.parametrize(
    ("status", "body", "told"),
    [
        (400, {"message": "too much"}, {"message": "too much", "extensions": {"path": "$", "code": "unexpected"}}),
        (422, {"message": "no", "code": "limit"}, {"message": "no", "extensions": {"path": "$", "code": "limit"}}),
        (
            409,
            {"message": "no", "extensions": {"code": "ledger.limit", "left": 5}},
            {"message": "no", "extensions": {"code": "ledger.limit", "left": 5}},
        ),
        (404, {"error": "?"}, {"message": 'the handler refused without a "message"',
                               "extensions": {"path": "$", "code": "parse-failed"}}),
        (400, b"<html>", {"message": "not a valid json response from webhook",
                          "extensions": {"path": "$", "code": "unexpected"}}),
        (500, {"message": "secret"}, {"message": "internal error", "extensions": {"path": "$", "code": "unexpected"}}),
        (503, b"", {"message": "internal error", "extensions": {"path": "$", "code": "unexpected"}}),
        (302, {}, {"message": "internal error", "extensions": {"path": "$", "code": "unexpected"}}),
    ],
)  # fmt: skip
async def test_what_a_handler_refuses_is_told_and_what_breaks_is_not(
    desk: Desk, status: int, body: Any, told: dict[str, Any]
) -> None:
    desk.handler.says(status, body)
    assert await desk.refused(PLACE, input=INPUT) == told
    assert len(desk.handler.got) == 1


async def test_a_mutation_without_an_answer_is_not_sent_again(desk: Desk) -> None:
    gone = {"message": "http exception when calling webhook", "extensions": {"path": "$", "code": "unexpected"}}
    desk.handler.answer = lambda got: None
    assert await desk.refused(PLACE, input=INPUT) == gone
    assert len(desk.handler.got) == 1
    desk.handler.answer = lambda got: b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{"  # And nothing more.
    assert await desk.refused(PLACE.replace("placeOrder", "quick"), input=INPUT) == gone
    assert len(desk.handler.got) == 2


async def test_addresses_that_are_not_public_are_not_called(desk: Desk) -> None:
    told = await desk.refused(PLACE.replace("placeOrder", "abroad"), input=INPUT)
    assert told["message"] == "http exception when calling webhook"
    told = await desk.refused(PLACE.replace("placeOrder", "unset"), input=INPUT)
    assert told["message"] == "internal error"
    assert desk.handler.got == []


async def test_rows_of_tables_stand_beside_the_answer_as_the_role_may_see_them(desk: Desk) -> None:
    merchants = [MERCHANTS[0][0], MERCHANTS[1][0]]
    desk.handler.says(200, [
        {"id": 1, "reference": "a", "merchantId": merchants[0]}, None,
        {"id": 4, "reference": "b", "merchantId": merchants[1]}, {"id": 99, "reference": "c"},
    ])  # fmt: skip
    document = """query ($w: payments_bool_exp) { orders { reference payment { reference amount }
        siblings(where: $w, order_by: {id: desc}) { id } __typename } }"""
    said = await desk.ask(document, "admin", w={"amount": {"_gt": 1}})
    assert said["orders"] == [
        {"reference": "a", "payment": {"reference": "PAY-1", "amount": 1000.5}, "siblings": [{"id": 2}, {"id": 1}],
         "__typename": "Order"},
        None,
        {"reference": "b", "payment": {"reference": "PAY-4", "amount": 1000.5}, "siblings": [{"id": 4}, {"id": 3}],
         "__typename": "Order"},
        {"reference": "c", "payment": None, "siblings": [], "__typename": "Order"},
    ]  # fmt: skip
    # A clerk sees confirmed payments only, one of a list, and no reference.
    said = await desk.ask("{ orders { payment { amount } siblings { id } } }", "clerk")
    assert [one and one["siblings"] for one in said["orders"]] == [[{"id": 1}], None, [{"id": 4}], []]
    told = await desk.refused("{ orders { payment { reference } } }", "clerk")
    assert told["message"] == "field 'reference' not found in type: 'payments'"
    desk.handler.says(200, [{"id": "x", "reference": "a"}])
    told = await desk.refused("{ orders { payment { id } } }", "admin")
    assert told["message"] == "webhook response does not fit the columns of a relationship"


async def test_fields_are_answered_in_order_and_a_refusal_takes_the_whole_answer(desk: Desk) -> None:
    def answer(got: Got) -> bytes:
        if got.said["input"]["input"]["reference"] == "bad":
            return reply(400, {"message": "bad"})
        return reply(200, ORDER)

    desk.handler.answer = answer
    both = "mutation ($a: OrderInput!, $b: OrderInput!) { x: placeOrder(input: $a) { id } y: quick(input: $b) { id } }"
    assert await desk.ask(both, a=INPUT, b=INPUT) == {"x": {"id": 1}, "y": {"id": 1}}
    desk.handler.got.clear()
    told = await desk.refused(both, a=INPUT | {"reference": "bad"}, b=INPUT)
    assert told["message"] == "bad"
    assert [got.said["action"]["name"] for got in desk.handler.got] == ["placeOrder"]


async def test_introspection_shows_the_types_of_actions(desk: Desk) -> None:
    document = """{ __type(name: "Order") { fields { name type { name kind ofType { name } } } }
        __schema { mutationType { fields { name args { name } } } } }"""
    said = await desk.ask(document)
    fields = {one["name"]: one["type"] for one in said["__type"]["fields"]}
    assert fields["id"] == {"name": None, "kind": "NON_NULL", "ofType": {"name": "bigint"}}
    assert fields["payment"]["name"] == "payments"
    names = {one["name"] for one in said["__schema"]["mutationType"]["fields"]}
    assert {"placeOrder", "later", "passOn"} <= names
    assert "orders" not in names


def test_check_names_what_is_not_served() -> None:
    given = metadata(
        action("shaped", request_transform={"version": 2, "template_engine": "Kriti", "shape": {}}),
        action("plain", request_transform={"template_engine": "Kriti"}),
        action("answered", response_transform={"version": 2, "body": {"action": "transform"}}),
        action("asked", type="query", kind="asynchronous"),
        action("headed", headers=[{"name": "x"}]),
        action("plain"),
        action("mistyped", output_type="[Order"),
        action("turned", output_type="OrderInput"),
    )
    said = {str(one) for one in check(given) if "action" in str(one)}
    assert said == {
        "action shaped: request_transform.shape is not served; the action is left out",
        "action answered: response_transform.body.template must be text; the action is left out",
        "action asked: only a mutation may be asynchronous; the action is left out",
        "action headed: a header needs a name, and a value or value_from_env; the action is left out",
        "action plain: is there twice",
        "action mistyped: '[Order' is not a type",
        "action turned: OrderInput cannot stand there",
    }

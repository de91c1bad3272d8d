"""Transforms of actions: what reaches the handler, what its reply becomes, what is refused before anything is sent."""

from collections.abc import Mapping
from contextlib import AbstractAsyncContextManager
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest

from omniroute.graphql import check
from omniroute.infra.postgres import Database
from tests.graphql.actions.desk import ORDER, USER, Desk, action, metadata, opened
from tests.graphql.shop import open_shop

PLACE = 'mutation { place(input: {reference: "A-1", amount: 12.50}) { id reference amount } }'


@pytest.fixture(scope="module")
async def shop(owner_db: Database, app_db: Database) -> Database:
    await open_shop(owner_db)
    return app_db


def open_with(shop: Database, **definition: Any) -> AbstractAsyncContextManager[Desk]:
    """A desk whose one action has these members."""
    return opened(shop, action("place", **definition))


def kriti(**members: Any) -> Mapping[str, Any]:
    return {"version": 2, "template_engine": "Kriti", **members}


async def test_a_transform_that_says_nothing_changes_nothing(shop: Database) -> None:
    for empty in (None, {"template_engine": "Kriti"}, kriti(), kriti(body={}, query_params={}, request_headers={})):
        async with open_with(shop, request_transform=empty, response_transform=empty and kriti()) as desk:
            desk.handler.says(200, ORDER)
            said = await desk.ask(PLACE)
            assert said["place"]["id"] == 1
            [got] = desk.handler.got
            assert (got.method, got.path, got.said["action"]) == ("POST", "/do", {"name": "place"})


async def test_every_part_of_a_request(shop: Database) -> None:
    transform = kriti(
        method="PUT",
        url="{{$base_url}}/orders/{{escapeUri $body.input.input.reference}}",
        query_params={"by": "{{$session_variables['x-hasura-user-id']}}", "gone": "{{$body.input?.nothing}}", "n": "1"},
        body='{"money": {{$body.input.input.amount}}, "who": "{{$body.action.name}}"}',
        request_headers={"add_headers": {"X-User": "u-{{getSessionVariable('x-hasura-user-id')}}"},
                         "remove_headers": ["x-shared", "content-type"]},
    )  # fmt: skip
    headers = [{"name": "X-Shared", "value_from_env": "SHARED"}]
    async with open_with(shop, request_transform=transform, headers=headers) as desk:
        desk.handler.says(200, ORDER)
        await desk.ask(PLACE)
        [got] = desk.handler.got
        assert (got.method, urlsplit(got.path).path) == ("PUT", "/do/orders/A-1")
        assert dict(parse_qsl(urlsplit(got.path).query)) == {"by": str(USER), "n": "1"}
        assert got.body == b'{"money":12.50,"who":"place"}'
        assert got.headers["x-user"] == f"u-{USER}"
        assert got.headers["content-type"] == "application/json"
        assert "x-shared" not in got.headers
        assert "idempotency-key" in got.headers


async def test_a_get_without_a_body_and_a_form(shop: Database) -> None:
    removed = kriti(method="GET", body={"action": "remove"}, query_params="q={{$body.input.input.reference}}&x=a b")
    async with open_with(shop, request_transform=removed) as desk:
        desk.handler.says(200, ORDER)
        await desk.ask(PLACE)
        [got] = desk.handler.got
        assert (got.method, got.body) == ("GET", b"")
        assert parse_qsl(urlsplit(got.path).query) == [("q", "A-1"), ("x", "a b")]
        assert "content-type" not in got.headers
    form = {"action": "x_www_form_urlencoded", "form_template": {"ref": "{{$body.input.input.reference}} &é", "n": "1"}}
    async with open_with(shop, request_transform=kriti(body=form)) as desk:
        desk.handler.says(200, ORDER)
        await desk.ask(PLACE)
        [got] = desk.handler.got
        assert got.headers["content-type"] == "application/x-www-form-urlencoded"
        assert parse_qsl(got.body.decode()) == [("ref", "A-1 &é"), ("n", "1")]


async def test_a_reply_is_made_into_the_output(shop: Database) -> None:
    template = """{"id": {{$body.data.no}}, "amount": {{$body.data.sum}}, "size": {{ if $response.status == 201 }}
        "LARGE" {{ else }} null {{ end }}, "reference": "{{$request.body.input.input.reference}}-{{$body.data.no}}"}"""
    async with open_with(shop, response_transform=kriti(body={"action": "transform", "template": template})) as desk:
        desk.handler.says(201, b'{"data": {"no": 9007199254740993, "sum": 0.10}}')
        said = await desk.ask(PLACE.replace("{ id", "{ size id"))
        assert said["place"] == {
            "size": "LARGE",
            "id": 9007199254740993,
            "reference": "A-1-9007199254740993",
            "amount": 0.1,
        }


async def test_the_error_of_a_handler_is_made_into_one(shop: Database) -> None:
    body = {"action": "transform", "template": '{"message": {{$body.title}}, "code": "no-{{$response.status}}"}'}
    async with open_with(shop, response_transform=kriti(body=body)) as desk:
        desk.handler.says(422, {"title": "too much"})
        told = await desk.refused(PLACE)
        assert told == {"message": "too much", "extensions": {"path": "$", "code": "no-422"}}
        desk.handler.says(503, b"away")
        assert (await desk.refused(PLACE))["message"] == "internal error"


async def test_what_cannot_be_transformed_is_not_sent(shop: Database) -> None:
    for transform in (
        kriti(body='{"a": {{$body.input.nothing}}}'),
        kriti(url="{{$base_url}}/a b"),
        kriti(url="{{$base_url}}.evil.example/"),
        kriti(url="{{$base_url}}@evil.example/"),
        kriti(url="{{concat ['https://evil.example/', $base_url]}}"),
        kriti(request_headers={"add_headers": {"X": "a{{$body.input.input.reference}}\r\nEvil: 1"}}),
    ):
        async with open_with(shop, request_transform=transform, handler="{{HANDLER}}") as desk:
            told = await desk.refused(PLACE)
            assert told["message"] == "Request Transformation Failed", transform
            assert desk.handler.got == []
    async with open_with(shop, response_transform=kriti(body="{{$body.nothing}}")) as desk:
        desk.handler.says(200, ORDER)
        assert (await desk.refused(PLACE))["message"] == "Response Transformation Failed"


@pytest.mark.parametrize(
    ("transform", "told"),
    [
        (kriti(body="{"), "body cannot be read: line 1: '\"' is missing before 'the end'"),
        (kriti(body={"action": "transform"}), "body.template must be text"),
        (kriti(body={"action": "explode"}), "body.action is not served"),
        (kriti(method="BREW"), "method BREW is not served"),
        (kriti(url="https://{{$body.input.host}}/"), "url must begin with {{$base_url}} or name its host"),
        (kriti(url="https://a.example{{$body.input.host}}/"), "url must begin with {{$base_url}} or name its host"),
        (kriti(content_type="text/xml"), "content_type text/xml is not served"),
        (kriti(request_headers={"add_headers": {"Host": "x"}}), "request_headers of the connection are not served"),
        ({"version": 3}, "version is not served"),
        ({"template_engine": "Jinja"}, "template_engine is not served"),
        (kriti(trailers={}), "trailers is not served"),
    ],
)
def test_check_names_what_is_beyond(transform: Mapping[str, Any], told: str) -> None:
    given = metadata(action("place", request_transform=transform))
    assert [str(one) for one in check(given)] == [f"action place: request_transform.{told}; the action is left out"]

"""Root fields that are not tables are answered by what is plugged into the engine."""

import json
from collections.abc import Mapping

import pytest
from graphql import GraphQLArgument, GraphQLField, GraphQLNonNull, GraphQLObjectType, GraphQLString

from omniroute.graphql import Call, Engine, Operation, RequestRefused, Session, Types, execute
from omniroute.infra.postgres import Database
from tests.graphql.shop import metadata, open_shop


class Echo:
    """Says what it was asked."""

    def roles(self) -> frozenset[str]:
        return frozenset({"caller"})

    def fields(self, types: Types, role: str, operation: Operation) -> Mapping[str, GraphQLField]:
        if role not in ("caller", "auditor") or operation == "subscription":
            return {}
        output = types.once("Echo", lambda name: GraphQLObjectType(name, {"said": GraphQLField(GraphQLString)}))
        args = {"text": GraphQLArgument(GraphQLNonNull(GraphQLString))}
        return {"echo": GraphQLField(output, args)}

    async def answer(self, call: Call) -> str:
        said = call.arguments["text"]
        if said == "no":
            raise RequestRefused("not today", path=call.field.path, code="refused")
        return json.dumps({one.response: f"{call.operation} {said}" for one in call.collector.inner(call.field)})


async def test_a_plugged_field_is_a_root_field_beside_the_tables(owner_db: Database, app_db: Database) -> None:
    await open_shop(owner_db)
    engine = await Engine.open(app_db, metadata(), plugged=[Echo()])
    document = "query ($t: String!) { a: echo(text: $t) { x: said } payment(id: 1) { id } }"
    answer = await execute(engine, "auditor", Session(), document, {"t": "é"})
    assert json.loads(answer.body) == {"data": {"a": {"x": "query é"}, "payment": {"id": 1}}}

    mutation = 'mutation { echo(text: "hi") { said } __typename }'
    answer = await execute(engine, "caller", Session(), mutation)
    assert answer.body == b'{"data":{"echo":{"said": "mutation hi"},"__typename":"mutation_root"}}'
    assert (await execute(engine, "caller", Session(), mutation.replace("hi", "no"))).errors[0].code == "refused"
    refused = await execute(engine, "user", Session(), mutation)
    assert refused.errors[0].message == "no mutations exist"


async def test_the_kind_of_an_operation_is_known_before_it_is_executed(app_db: Database) -> None:
    engine = await Engine.open(app_db, metadata(), plugged=[Echo()])
    document = "query a { __typename } mutation b { x } subscription c { x }"
    assert [engine.look_at("caller", document, name)[0] for name in "abc"] == ["query", "mutation", "subscription"]
    for wrong in ("{ x", document):
        with pytest.raises(RequestRefused):
            engine.look_at("caller", wrong, None)

    # The document that was parsed to find out is the one that is prepared; then it is known.
    kind, parsed = engine.look_at("caller", "{ __typename }", None)
    assert kind == "query"
    assert parsed is not None
    prepared = await engine.prepared("caller", "{ __typename }", None, parsed=parsed)
    assert prepared.document is parsed
    assert engine.look_at("caller", "{ __typename }", None) == ("query", None)
    assert await engine.prepared("caller", "{ __typename }", None) is prepared

"""Numbers of any size survive: in literals, variables, filters, presets, and answers. Session variables stand anywhere
in the values of a permission."""

import json
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from omniroute.graphql import Engine, Metadata, Session, check, execute, parse_metadata
from omniroute.graphql.doors.requests import read_json
from omniroute.graphql.model.expressions import Constant, FromSession, Template
from omniroute.graphql.model.filters import FilterUnreadable, read_value
from omniroute.infra.postgres import Database

SCHEMA = b"""
CREATE SCHEMA exact AUTHORIZATION omniroute_owner;
SET ROLE omniroute_owner;
CREATE TABLE exact.fact (
    id bigint PRIMARY KEY, amount numeric, doc jsonb, tags text[], owner text, note jsonb);
GRANT USAGE ON SCHEMA exact TO omniroute_app;
GRANT SELECT, INSERT, UPDATE, DELETE ON exact.fact TO omniroute_app;
RESET ROLE;
"""
DOC = {"owner": {"id": "X-Hasura-User-Id", "n": [1, "x-hasura-org"]}, "plain": "about X-Hasura-User-Id"}
LIMIT = 123456789012345678901234567890
COLUMNS = ["id", "amount", "doc", "tags", "owner", "note"]
METADATA: dict[str, Any] = {
    "version": 3,
    "sources": [{"name": "default", "kind": "postgres", "tables": [{
        "table": {"schema": "exact", "name": "fact"},
        "configuration": {"custom_name": "fact"},
        "select_permissions": [
            {"role": "limited", "permission": {"columns": COLUMNS, "filter": {"amount": {"_lt": LIMIT}}}},
            {"role": "exact", "permission": {"columns": COLUMNS, "filter": {"id": {"_eq": 9007199254740993}}}},
            {"role": "owner", "permission": {"columns": COLUMNS, "filter": {
                "doc": {"_contains": {"owner": {"id": "X-Hasura-User-Id"}}}}}},
            {"role": "tagged", "permission": {"columns": COLUMNS, "filter": {
                "tags": {"_contains": ["x-hasura-user-id", "fixed"]}}}},
        ],
        "insert_permissions": [
            {"role": "limited", "permission": {"columns": ["id"], "check": {},
                                               "set": {"amount": LIMIT - 1, "doc": {"n": LIMIT}}}},
            {"role": "owner", "permission": {"columns": ["id"], "check": {}, "set": {
                "doc": DOC, "tags": ["fixed", "X-Hasura-User-Id"], "owner": "X-Hasura-User-Id"}}},
        ],
    }]}],
}  # fmt: skip


def metadata() -> Metadata:
    made, problems = parse_metadata(METADATA)
    assert problems == ()
    return made


@pytest.fixture(scope="module")
async def engine(owner_db: Database, app_db: Database) -> Engine:
    async with owner_db.connection() as connection:
        await connection.execute(b"SET ROLE NONE")
        await connection.execute(SCHEMA)
    made = await Engine.open(app_db, metadata())
    assert check(made.metadata, (), made.model.catalog) == ()
    return made


async def ask(engine: Engine, document: str, variables: Any = None, role: str = "admin", **session: str) -> Any:
    """The data of an answer, numbers as they stand in its text."""
    named = {f"x-hasura-{name.replace('_', '-')}": text for name, text in session.items()}
    answer = await execute(engine, role, Session(variables=named), document, variables)
    assert answer.errors == (), answer.body
    return json.loads(answer.body, parse_int=str, parse_float=str)["data"]


async def empty(engine: Engine) -> None:
    await ask(engine, "mutation { delete_fact(where: {}) { affected_rows } }")


bigints = st.integers(-(2**63), 2**63 - 1)
numerics = st.builds(
    lambda digits, exponent: Decimal(f"{digits}E{exponent}"), st.integers(-(10**80), 10**80), st.integers(-60, 20)
)
FIELDS = "id amount doc"


def shown(number: Decimal) -> str:
    """As PostgreSQL writes a numeric: all its digits, no exponent."""
    return f"{number:f}" if number or not number.is_signed() else f"{-number:f}"


@settings(max_examples=60, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
@given(big=bigints, amount=numerics)
async def test_every_digit_survives(engine: Engine, big: int, amount: Decimal) -> None:
    await empty(engine)
    insert = f"insert_fact_one(object: {{id: $id, amount: $amount, doc: $doc}}) {{ {FIELDS} }}"
    document = f"mutation ($id: bigint!, $amount: numeric, $doc: jsonb) {{ {insert} }}"
    body = f'{{"id": {big}, "amount": {amount}, "doc": {{"n": [{big}, {amount}]}}}}'
    wanted = {"id": str(big), "amount": shown(amount), "doc": {"n": [str(big), shown(amount)]}}
    assert (await ask(engine, document, read_json(body.encode())))["insert_fact_one"] == wanted
    # As literals, as text, and as what they are compared with.
    where = (
        f'{{id: {{_eq: {big}}}, amount: {{_in: [{amount}, "{amount}"]}}, doc: {{_contains: {{n: [{big}, {amount}]}}}}}}'
    )
    assert (await ask(engine, f"{{ fact(where: {where}) {{ {FIELDS} }} }}"))["fact"] == [wanted]
    found = await ask(engine, f'{{ fact_by_pk(id: "{big}") {{ {FIELDS} }} }}')
    assert found["fact_by_pk"] == wanted
    exact = f"query ($id: bigint!) {{ fact_by_pk(id: $id) {{ {FIELDS} }} }}"
    for value in (big, str(big)):
        assert (await ask(engine, exact, {"id": value}))["fact_by_pk"] == wanted
    if big < 2**63 - 1:
        assert (await ask(engine, exact, {"id": big + 1}))["fact_by_pk"] is None
    total = (await ask(engine, "{ fact_aggregate { aggregate { sum { amount } max { id } } } }"))["fact_aggregate"]
    assert total["aggregate"] == {"sum": {"amount": shown(amount)}, "max": {"id": str(big)}}


async def test_numbers_of_permissions_keep_their_digits(engine: Engine) -> None:
    await empty(engine)
    insert = "mutation { insert_fact_one(object: {id: 1}) { amount doc } }"
    made = (await ask(engine, insert, role="limited"))["insert_fact_one"]
    assert made == {"amount": str(LIMIT - 1), "doc": {"n": str(LIMIT)}}
    rows = f"[{{id: 2, amount: {LIMIT}}}, {{id: 9007199254740993}}, {{id: 9007199254740992}}]"
    await ask(engine, f"mutation {{ insert_fact(objects: {rows}) {{ affected_rows }} }}")
    assert (await ask(engine, "{ fact { id } }", role="limited"))["fact"] == [{"id": "1"}]
    assert (await ask(engine, "{ fact { id } }", role="exact"))["fact"] == [{"id": "9007199254740993"}]


async def test_a_number_nobody_can_hold_is_refused(engine: Engine) -> None:
    await empty(engine)
    document = "mutation ($doc: jsonb) { insert_fact_one(object: {id: 1, doc: $doc}) { id } }"
    answer = await execute(engine, "admin", Session(), document, read_json(b'{"doc": {"n": 1e400000}}'))
    assert [one.code for one in answer.errors] == ["data-exception"]
    literal = "mutation { insert_fact_one(object: {id: 1, doc: {n: " + "9" * 5_000 + "}}) { doc } }"
    made = await execute(engine, "admin", Session(), literal)
    assert b"9" * 5_000 in made.body


async def test_session_variables_inside_of_json(engine: Engine) -> None:
    await empty(engine)
    insert = "mutation { insert_fact_one(object: {id: 1}) { doc tags owner } }"
    made = (await ask(engine, insert, role="owner", user_id='u"1', org="acme"))["insert_fact_one"]
    assert made == {
        "doc": {"owner": {"id": 'u"1', "n": ["1", "acme"]}, "plain": "about X-Hasura-User-Id"},
        "tags": ["fixed", 'u"1'], "owner": 'u"1',
    }  # fmt: skip
    for role in ("owner", "tagged"):
        assert len((await ask(engine, "{ fact { id } }", role=role, user_id='u"1'))["fact"]) == 1
        assert (await ask(engine, "{ fact { id } }", role=role, user_id="u2"))["fact"] == []
    missing = await execute(engine, "owner", Session(), "{ fact { id } }")
    assert [one.code for one in missing.errors] == ["not-found"]


def test_how_values_of_permissions_are_read() -> None:
    assert read_value({"a": ["X-Hasura-B", 1]}) == Template({"a": Template((FromSession("x-hasura-b"), Constant(1)))})
    assert read_value({"a": "not X-Hasura-B"}) == Constant({"a": "not X-Hasura-B"})
    with pytest.raises(FilterUnreadable, match="name of a member"):
        read_value({"a": {"X-Hasura-B": 1}})

"""Bad input gets a clear error, cheaply, and never reaches the text of a statement."""

import pytest

from omniroute.graphql import Engine
from tests.graphql.shop import PAYMENTS, Asker

HOSTILE = ["'; DROP TABLE shop.payment; --", "$1", "%s %(x)s %", "\\'; SELECT 1", '"', "x' OR '1'='1", "{}", "🙂"]


@pytest.mark.parametrize("text", HOSTILE)
async def test_sql_in_strings_is_only_text(ask: Asker, text: str) -> None:
    document = "query ($t: String!) { payments(where: {narration: {_eq: $t}}) { id } }"
    assert await ask(document, t=text) == {"payments": []}
    quoted = text.replace("\\", "\\\\").replace('"', '\\"')
    assert await ask(f'{{ payments(where: {{narration: {{_in: ["{quoted}"]}}}}) {{ id }} }}') == {"payments": []}
    assert len((await ask("{ payments { id } }"))["payments"]) == len(PAYMENTS)


def test_no_variable_changes_the_text_of_a_statement(engine: Engine) -> None:
    document = "query ($w: payments_bool_exp) { payments(where: $w) { id } }"
    prepared = engine.prepare("auditor", document, None)

    def text(value: str) -> bytes:
        variables = engine.variables("auditor", prepared, {"w": {"narration": {"_in": [value]}, "id": {"_gt": 1}}})
        plan = engine._plan("auditor", prepared, variables)
        assert plan.statement is not None
        return plan.statement.text

    assert len({text(value) for value in HOSTILE}) == 1


REFUSED = [
    ("{ payments { nope } }", "field 'nope' not found in type: 'payments'",
     "$.selectionSet.payments.selectionSet.nope"),
    ("{ payments(nope: 1) { id } }", "'payments' has no argument named 'nope'", "$.selectionSet.payments"),
    ("{ payment { id } }", "missing required field 'id'", "$.selectionSet.payment.args.id"),
    ("{ payments }", "missing selection set for 'payments'", "$.selectionSet.payments.selectionSet"),
    ("{ payments { ...none } }", 'reference to undefined fragment "none"', "$.selectionSet.payments.selectionSet"),
    ("{ payments(where: {id: {_eq: null}}) { id } }", "unexpected null value for type 'bigint'",
     "$.selectionSet.payments.args.where.id._eq"),
    ("{ payments(limit: -1) { id } }", "unexpected negative value", "$.selectionSet.payments.args.limit"),
    ("mutation { insert_payments { id } }", "no mutations exist", "$"),
    ("subscription { payments { id } a: payments { id } }", "subscriptions must select one top level field",
     "$"),
    ("{ a: __typename } query b { __typename }",
     "exactly one operation has to be present in the document when operationName is not specified", "$"),
    ("{ ...a } fragment a on query_root { ...b } fragment b on query_root { ...a }",
     'the fragment definition(s) "a", "b" form a cycle', "$"),
]  # fmt: skip


@pytest.mark.parametrize(("document", "message", "path"), REFUSED, ids=[one[0] for one in REFUSED])
async def test_what_is_wrong_is_named(ask: Asker, document: str, message: str, path: str) -> None:
    assert await ask.refused(document) == (message, path, "validation-failed")


ARGS = "$.selectionSet.payments.args"
WAYS = "['asc', 'asc_nulls_first', 'asc_nulls_last', 'desc', 'desc_nulls_first', 'desc_nulls_last']"
STATUSES = "['CONFIRMED', 'FAILED', 'PENDING']"
WRONG_TYPES = [
    ('limit: "x"', f"{ARGS}.limit", "expected a 32-bit integer for type 'Int', but found a string"),
    ("limit: many", f"{ARGS}.limit", "expected a 32-bit integer for type 'Int', but found an enum value"),
    ("limit: 1.5", f"{ARGS}.limit", "expected a 32-bit integer for type 'Int', but found a number"),
    ("where: {id: {_in: [1, null]}}", f"{ARGS}.where.id._in[1]", "unexpected null value for type 'bigint'"),
    ("where: {status: {_eq: \"NOPE\"}}", f"{ARGS}.where.status._eq",
     "expected an enum value for type 'shop_status_enum', but found a string"),
    ("where: {id: {_eq: true}}", f"{ARGS}.where.id._eq", "expected a number for type 'bigint', but found a boolean"),
    ("where: {id: {_eq: [1]}}", f"{ARGS}.where.id._eq", "expected a value, but found an object or a list"),
    ("where: {tries: {_in: [1, true]}}", f"{ARGS}.where.tries._in[1]",
     "expected a 32-bit integer for type 'Int', but found a boolean"),
    ("where: {reference: {_eq: 1}}", f"{ARGS}.where.reference._eq",
     "expected a string for type 'String', but found a number"),
    ("where: {id: {_is_null: 1}}", f"{ARGS}.where.id._is_null",
     "expected a boolean for type 'Boolean', but found a number"),
    ("where: [1]", f"{ARGS}.where", "expected an object for type 'payments_bool_exp', but found a list"),
    ("order_by: {id: up}", f"{ARGS}.order_by.id",
     f"expected one of the values {WAYS} for type 'order_by', but found 'up'"),
    ("where: {status: {_eq: NOPE}}", f"{ARGS}.where.status._eq",
     f"expected one of the values {STATUSES} for type 'shop_status_enum', but found 'NOPE'"),
]  # fmt: skip


@pytest.mark.parametrize(("args", "path", "message"), WRONG_TYPES, ids=[one[0][:40] for one in WRONG_TYPES])
async def test_a_value_of_the_wrong_type_is_named_where_it_stands(
    ask: Asker, args: str, path: str, message: str
) -> None:
    assert await ask.refused(f"{{ payments({args}) {{ id }} }}") == (message, path, "validation-failed")


@pytest.mark.parametrize("limit", ["2147483648", f"1{'0' * 50}"])
async def test_a_whole_number_has_bounds(ask: Asker, limit: str) -> None:
    told = f"The value {limit} lies outside the bounds or is not an integer."
    told += " Maybe it is a float, or is there integer overflow?"
    assert await ask.refused(f"{{ payments(limit: {limit}) {{ id }} }}") == (told, f"{ARGS}.limit", "parse-failed")
    document = "query ($n: Int!) { payments(limit: $n) { id } }"
    assert await ask.refused(document, n=int(limit)) == (told, "$.variables", "parse-failed")


async def test_a_huge_limit_is_only_a_limit(ask: Asker) -> None:
    document = "query ($n: Int!) { payments(limit: $n, order_by: {id: asc}) { id } }"
    assert len((await ask(document, n=2_147_483_647))["payments"]) == len(PAYMENTS)
    # A role's own limit stays.
    assert len((await ask(document, "user", n=2_147_483_647))["payments"]) == 2
    assert await ask.refused(document, n="9") == (
        "expected a 32-bit integer for type 'Int', but found a string", "$.variables", "validation-failed",
    )  # fmt: skip


async def test_variables_are_checked(ask: Asker) -> None:
    document = "query ($id: bigint!) { payment(id: $id) { id } }"
    assert await ask.refused(document) == (
        'expecting a value for non-nullable variable: "id"', "$", "validation-failed",
    )  # fmt: skip
    assert (await ask.refused(document, id=1, more=2))[0] == "unexpected variables in variableValues: more"
    assert (await ask.refused(document, id={"a": 1}))[1] == "$.variables"
    assert (await ask.refused('{ payments(where: {due_on: {_eq: "soon"}}) { id } }'))[2] == "data-exception"
    assert (await ask.refused("query ($t: String) { payments(where: {narration: {_eq: $t}}) { id } }", t="\0"))[2] == (
        "data-exception"
    )
    deep: object = "x"
    for _ in range(5_000):
        deep = [deep]
    assert "nested deeper" in (await ask.refused(document, id=deep))[0]


@pytest.mark.parametrize(
    ("document", "code"),
    [
        ("{" + " ".join(f"a{n}: payments {{ id }}" for n in range(3_000)) + "}", "node-limit-exceeded"),
        ("{" + " ".join(f"a{n}: __typename" for n in range(200)) + "}", "node-limit-exceeded"),
        ("{" + " ".join(f"a{n}: payments {{ id }}" for n in range(10_000)) + "}", "validation-failed"),
        ("{ payments " + "{ merchant { payments " * 20 + "{ id }" + "} }" * 20 + "}", "depth-limit-exceeded"),
        ("{ payments " + "{ merchant { payments " * 100 + "{ id }" + "} }" * 100 + "}", "validation-failed"),
        ("{ payments { merchant " * 50 + "{ id }" + " } }" * 50, "validation-failed"),
        ("{" + "x" * 5_000_000 + "}", "validation-failed"),
        ("{ payments(where: " + "{_not: " * 5_000 + "{}" + "}" * 5_000 + ") { id } }", "validation-failed"),
        ("{ ...f0 }" + " ".join(f"fragment f{n} on query_root {{ ...f{n + 1} ...f{n + 1} }}" for n in range(60))
         + " fragment f60 on query_root { payments { id } }", "node-limit-exceeded"),
        ("{ nope", "validation-failed"),
    ],
    ids=["3000 aliases", "aliases", "10000 aliases", "depth 41", "depth 200", "depth 100", "5 MB", "where",
         "2^60 fields", "syntax"],
)  # fmt: skip
async def test_what_is_too_large_is_refused(ask: Asker, document: str, code: str) -> None:
    assert (await ask.refused(document))[2] == code

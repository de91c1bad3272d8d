"""Shapes of answers: relationships, aggregates, fragments, variables, introspection, functions, permissions."""

import json

from tests.graphql.shop import Asker

ADEOLA = "00000000-0000-7000-8000-000000000001"


async def test_members_stand_in_the_order_they_were_asked_for(ask: Asker) -> None:
    data = await ask("{ b: payments(where: {id: {_eq: 1}}) { reference __typename x: id } a: __typename }")
    assert json.dumps(data) == json.dumps(
        {"b": [{"reference": "PAY-1", "__typename": "payments", "x": 1}], "a": "query_root"}
    )


async def test_rows_are_found_by_their_key(ask: Asker) -> None:
    assert await ask("query ($id: bigint!) { payment(id: $id) { id merchant { name } } }", id=3) == {
        "payment": {"id": 3, "merchant": {"name": "Bello & Sons"}}
    }
    assert await ask("{ payment(id: 99) { id } }") == {"payment": None}


async def test_nested_lists_have_arguments_of_their_own(ask: Asker) -> None:
    document = """query ($id: uuid!, $least: numeric) {
      merchants_by_pk(id: $id) { name parent { id }
        payments(where: {amount: {_gte: $least}}, order_by: {id: desc}, limit: 1) { id merchant { city } }
        payments_aggregate { aggregate { count sum { amount } } }
        children { name children { name children { name } } } } }"""
    assert await ask(document, id=ADEOLA, least=100) == {
        "merchants_by_pk": {
            "name": "Adeola Stores",
            "parent": None,
            "payments": [{"id": 2, "merchant": {"city": "Lagos"}}],
            "payments_aggregate": {"aggregate": {"count": 2, "sum": {"amount": 1250.5}}},
            "children": [{"name": "Bello & Sons", "children": [{"name": "Chidi's", "children": []}]}],
        }
    }


async def test_aggregates(ask: Asker) -> None:
    document = """{ payments_aggregate(where: {id: {_lte: 4}}) {
      __typename
      aggregate { count many: count(columns: [amount], distinct: true) tried: count(columns: tries)
        min { id merchant_id created_at } max { amount } avg { tries } variance { tries } stddev_pop { tries } }
      nodes { id } } }"""
    data = (await ask(document))["payments_aggregate"]
    assert data["aggregate"].pop("stddev_pop")["tries"] > 0
    assert data == {
        "__typename": "payments_aggregate",
        "aggregate": {
            "count": 4, "many": 3, "tried": 4,
            "min": {"id": 1, "merchant_id": ADEOLA, "created_at": "2026-01-01T08:00:00+00:00"},
            "max": {"amount": 1000.5}, "avg": {"tries": 1.75}, "variance": {"tries": 0.91666666666666666667},
        },
        "nodes": [{"id": 1}, {"id": 2}, {"id": 3}, {"id": 4}],
    }  # fmt: skip


async def test_fragments_directives_and_variables(ask: Asker) -> None:
    document = """query q($where: payments_bool_exp!, $all: Boolean!, $by: [payments_order_by!]) @cached(ttl: 5) {
      payments(where: $where, order_by: $by) { ...short narration @include(if: $all) ... @skip(if: $all) { rail } } }
      fragment short on payments { id merchant { name } ...again } fragment again on payments { merchant { city } }"""
    where = {"_or": [{"id": {"_in": [1, 2]}}, {"reference": {"_like": "%-4"}}]}
    merchant = {"name": "Adeola Stores", "city": "Lagos"}
    answer = await ask(document, where=where, all=False, by=[{"id": "desc"}])
    assert answer["payments"][2] == {"id": 1, "merchant": merchant, "rail": "nip"}
    assert [row["id"] for row in answer["payments"]] == [4, 2, 1]
    answer = await ask(document, where=where | {"id": {"_eq": 1}}, all=True)
    assert answer == {"payments": [{"id": 1, "merchant": merchant, "narration": "Rice, 10 bags"}]}


async def test_computed_fields_paths_and_functions(ask: Asker) -> None:
    document = """{ payment(id: 1) { net with_tax(args: {percent: 20}) usual: with_tax details(path: "$.lines[0].sku") }
      search_payments(args: {term: "PAY-2"}, where: {id: {_gt: 0}}) { id }
      search_payments_aggregate(args: {term: "PAY"}) { aggregate { count } } }"""
    data = await ask(document)
    payment = {"net": 900.5, "with_tax": 1200.6, "usual": 1100.55, "details": "RICE"}
    assert {name: value for name, value in data["payment"].items() if name != "usual"} == {
        name: value for name, value in payment.items() if name != "usual"
    }
    assert data["search_payments"] == [{"id": 2}]
    assert data["search_payments_aggregate"] == {"aggregate": {"count": 5}}
    large = await ask("{ merchants(where: {city: {_is_null: false}}) { large(args: {at_least: 1000}) { id } } }")
    assert large == {"merchants": [{"large": [{"id": 1}]}, {"large": [{"id": 4}]}]}


async def test_a_function_that_returns_one_row_is_an_object(ask: Asker) -> None:
    document = """query ($n: numeric) { largest_payment(args: {above: $n}) { id merchant { name } }
      usual: largest_payment { id } }"""
    largest = {"id": 1, "merchant": {"name": "Adeola Stores"}}
    assert await ask(document, n=999) == {"largest_payment": largest, "usual": {"id": 1}}
    assert (await ask(document, n=5_000))["largest_payment"] is None
    # The role does not see this row.
    assert await ask("{ largest_payment { id } }", "user", session={"x-hasura-user-id": "u2"}) == {
        "largest_payment": None
    }


async def test_a_query_cannot_change_data(ask: Asker) -> None:
    assert (await ask.refused("{ break_payments { id } }"))[2] == "unexpected"
    assert await ask("{ payments_aggregate { aggregate { sum { amount } } } }") == {
        "payments_aggregate": {"aggregate": {"sum": {"amount": 2350.99}}}
    }


async def test_introspection_shows_only_what_the_role_sees(ask: Asker) -> None:
    document = '{ __type(name: "payments") { fields { name } } __schema { queryType { name } } }'
    names = {one["name"] for one in (await ask(document, "user"))["__type"]["fields"]}
    assert names == {"id", "reference", "amount", "status", "merchant_id", "merchant"}
    assert (await ask.refused("{ __schema { queryType { name } } }", "watcher"))[0] == (
        "field '__schema' not found in type: 'query_root'"
    )


async def test_rows_and_columns_of_a_role(ask: Asker) -> None:
    assert await ask("{ payments(order_by: {id: desc}, limit: 9) { id merchant { name } } }", "user") == {
        "payments": [{"id": 5, "merchant": {"name": "Chidi's"}}, {"id": 2, "merchant": {"name": "Adeola Stores"}}]
    }
    assert await ask("{ payment(id: 3) { id } }", "user") == {"payment": None}
    assert await ask("{ payments { id } }", "user", session={"x-hasura-user-id": "u1' OR '1'='1"}) == {"payments": []}
    assert await ask.refused("{ payments { id narration } }", "user") == (
        "field 'narration' not found in type: 'payments'",
        "$.selectionSet.payments.selectionSet.narration",
        "validation-failed",
    )
    for hidden in ("{ payments_aggregate { aggregate { count } } }", "{ confirmed { id } }", "{ nothing { id } }"):
        assert "not found in type: 'query_root'" in (await ask.refused(hidden, "user"))[0]
    assert (await ask.refused('{ payments(where: {narration: {_eq: "x"}}) { id } }', "user"))[:2] == (
        "field 'narration' not found in type: 'payments_bool_exp'",
        "$.selectionSet.payments.args.where.narration",
    )
    assert await ask("{ merchants(where: {payments: {id: {_eq: 3}}}) { id } }", "user") == {"merchants": []}
    assert (await ask.refused("{ payments { id } }", "user"))[0] == 'missing session variable: "x-hasura-user-id"'
    assert "not found" in (await ask.refused("{ payments { id } }", "stranger"))[0]


async def test_a_roles_limit_is_about_rows_shown(ask: Asker) -> None:
    document = "{ payments_aggregate { aggregate { count } nodes { amount } } }"
    assert await ask(document, "clerk") == {
        "payments_aggregate": {"aggregate": {"count": 2}, "nodes": [{"amount": 1000.5}]}
    }


async def test_an_inherited_role_sees_each_cell_under_the_filter_that_grants_it(ask: Asker) -> None:
    document = "{ payments(order_by: {id: asc}) { id amount rail } }"
    assert await ask(document, "both", session={"x-hasura-rails": "{nip,mpesa}"}) == {
        "payments": [
            {"id": 1, "amount": 1000.5, "rail": "nip"},
            {"id": 2, "amount": None, "rail": "mpesa"},
            {"id": 4, "amount": 1000.5, "rail": "nip"},
        ]
    }
    document = "{ payments(distinct_on: [amount], order_by: [{amount: asc}, {id: asc}]) { id } }"
    assert await ask(document, "both", session={"x-hasura-rails": "{nip,mpesa}"}) == {
        "payments": [{"id": 1}, {"id": 2}]
    }
    hidden = "{ payments(where: {amount: {_eq: 250}}) { id } }"
    assert await ask(hidden, "both", session={"x-hasura-rails": "{mpesa}"}) == {"payments": []}


async def test_exists_stands_for_any_row(ask: Asker) -> None:
    assert len((await ask("{ payments { id } }", "watcher"))["payments"]) == 5
    assert await ask("{ payments { id } }", "watcher", session={"x-hasura-user-id": "u9"}) == {"payments": []}


async def test_wide_rows_and_long_names(ask: Asker) -> None:
    names = [f"a{number}" for number in range(90)] + ["b" * 70]
    document = "{ payments(where: {id: {_eq: 1}}) { " + " ".join(f"{name}: id" for name in names) + " } }"
    assert await ask(document) == {"payments": [dict.fromkeys(names, 1)]}

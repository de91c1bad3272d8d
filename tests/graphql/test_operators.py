"""Every operator of `where`, on every kind of column, with the payments it must find."""

import pytest

from tests.graphql.shop import Asker

CASES: list[tuple[str, list[int]]] = [
    ("{}", [1, 2, 3, 4, 5]),
    ("{id: {_eq: 2}}", [2]),
    ('{id: {_eq: "2"}}', [2]),
    ("{id: {_neq: 2}}", [1, 3, 4, 5]),
    ("{id: {_gt: 3}}", [4, 5]),
    ("{id: {_gte: 3}}", [3, 4, 5]),
    ("{id: {_lt: 2}}", [1]),
    ("{id: {_lte: 2}}", [1, 2]),
    ("{id: {_gt: 1, _lt: 4}}", [2, 3]),
    ("{id: {_in: [1, 5, 77]}}", [1, 5]),
    ("{id: {_in: 4}}", [4]),
    ("{id: {_in: []}}", []),
    ("{id: {_nin: [1, 5]}}", [2, 3, 4]),
    ("{id: {_nin: []}}", [1, 2, 3, 4, 5]),
    ("{fee: {_eq: 9007199254740993}}", [2]),
    ("{fee: {_gt: 9007199254740992}}", [2]),
    ("{fee: {_is_null: true}}", [5]),
    ("{fee: {_is_null: false}}", [1, 2, 3, 4]),
    ("{fee: {_neq: 0}}", [1, 2, 4]),
    ("{amount: {_eq: 1000.5}}", [1, 4]),
    ('{amount: {_eq: "1000.50"}}', [1, 4]),
    ("{amount: {_gt: 99.98, _lt: 99.991}}", [3]),
    ("{tries: {_eq: 1}}", [1, 3]),
    ("{risk: {_lt: 0.75}}", [1, 5]),
    ('{merchant_id: {_eq: "00000000-0000-7000-8000-000000000002"}}', [3, 4]),
    ('{created_at: {_gte: "2026-01-03T09:00:00+01:00"}}', [3, 4, 5]),
    ('{due_on: {_lt: "2026-02-02"}}', [1, 4]),
    ('{currency: {_eq: "KES"}}', [3]),
    ('{currency: {_like: "K%"}}', [3]),
    ('{rail: {_in: ["mpesa", "card"]}}', [2, 3, 5]),
    ('{rail: {_eq: "nip"}}', [1, 4]),
    ("{status: {_eq: CONFIRMED}}", [1, 4]),
    ("{status: {_in: [FAILED, CONFIRMED]}}", [1, 2, 4]),
    ("{status: {_nin: [PENDING]}}", [1, 2, 4]),
    ('{narration: {_eq: ""}}', [5]),
    ('{narration: {_like: "%rice%"}}', [2]),
    ('{narration: {_nlike: "%rice%"}}', [1, 3, 5]),
    ('{narration: {_ilike: "%RICE%"}}', [1, 2]),
    ('{narration: {_nilike: "%RICE%"}}', [3, 5]),
    ('{narration: {_like: "100\\\\%%"}}', [3]),
    ('{narration: {_similar: "(R|r)ice%"}}', [1, 2]),
    ('{narration: {_nsimilar: "(R|r)ice%"}}', [3, 5]),
    ('{narration: {_regex: "^rice"}}', [2]),
    ('{narration: {_nregex: "^rice"}}', [1, 3, 5]),
    ('{narration: {_iregex: "^rice"}}', [1, 2]),
    ('{narration: {_niregex: "^rice"}}', [3, 5]),
    ('{details: {_contains: {channel: "app"}}}', [1, 5]),
    ('{details: {_contains: {lines: [{sku: "RICE"}]}}}', [1]),
    ('{details: {_contained_in: {channel: "app", more: 1}}}', [3, 5]),
    ('{details: {_has_key: "retry"}}', [2]),
    ('{details: {_has_keys_any: ["retry", "lines"]}}', [1, 2]),
    ('{details: {_has_keys_all: ["channel", "lines"]}}', [1]),
    ("{details: {_eq: {}}}", [3]),
    ('{details: {_in: [{}, {channel: "app"}]}}', [3, 5]),
    ('{details: {_nin: [{}, {channel: "app"}]}}', [1, 2]),
    ('{details: {_cast: {String: {_like: "%ussd%"}}}}', [2]),
    ("{details: {_is_null: true}}", [4]),
    ('{labels: {_contains: ["bulk"]}}', [1, 4]),
    ('{labels: {_contained_in: ["food"]}}', [2, 3, 5]),
    ('{labels: {_eq: ["food", "bulk"]}}', [1]),
    ("{labels: {_eq: []}}", [3, 5]),
    ('{labels: {_in: [["bulk"], ["food"]]}}', [2, 4]),
    ('{labels: {_nin: [["bulk"], ["food"]]}}', [1, 3, 5]),
    ("{_and: []}", [1, 2, 3, 4, 5]),
    ("{_or: []}", []),
    ("{_not: {}}", []),
    ("{_not: {id: {_gt: 1}}}", [1]),
    ("{_not: {fee: {_gt: 1}}}", [3]),
    ("{_or: [{id: {_eq: 1}}, {amount: {_eq: 0}}]}", [1, 5]),
    ("{_and: [{id: {_gt: 1}}, {id: {_lt: 3}}]}", [2]),
    ("{_or: {id: {_eq: 3}}}", [3]),
    ('{merchant: {name: {_like: "Bello%"}}}', [3, 4]),
    ('{merchant: {parent: {name: {_eq: "Adeola Stores"}}}}', [3, 4]),
    ("{merchant: {is_active: {_eq: false}}}", [5]),
    ("{merchant: {payments: {status: {_eq: FAILED}}}}", [1, 2]),
    ("{_not: {merchant: {payments: {status: {_eq: FAILED}}}}}", [3, 4, 5]),
    ("{confirmed: {}}", [1, 4]),
    ("{net: {_eq: 900.5}}", [1]),
]


@pytest.mark.parametrize(("where", "found"), CASES, ids=[case[0] for case in CASES])
async def test_an_operator_finds_its_rows(ask: Asker, where: str, found: list[int]) -> None:
    data = await ask(f"{{ payments(where: {where}, order_by: {{id: asc}}) {{ id }} }}")
    assert [row["id"] for row in data["payments"]] == found


ORDERS: list[tuple[str, list[int]]] = [
    ("{id: desc}", [5, 4, 3, 2, 1]),
    ("{id: asc}", [1, 2, 3, 4, 5]),
    ("[{amount: desc}, {id: desc}]", [4, 1, 2, 3, 5]),
    ("{amount: desc, id: asc}", [1, 4, 2, 3, 5]),
    ("[{risk: asc}, {id: asc}]", [5, 1, 3, 2, 4]),
    ("[{risk: desc}, {id: asc}]", [2, 4, 3, 1, 5]),
    ("[{risk: asc_nulls_first}, {id: asc}]", [2, 4, 5, 1, 3]),
    ("[{risk: asc_nulls_last}, {id: asc}]", [5, 1, 3, 2, 4]),
    ("[{risk: desc_nulls_last}, {id: asc}]", [3, 1, 5, 2, 4]),
    ("[{risk: desc_nulls_first}, {id: asc}]", [2, 4, 3, 1, 5]),
    ("[{merchant: {name: desc}}, {id: asc}]", [5, 3, 4, 1, 2]),
    ("[{merchant: {parent: {name: asc_nulls_first}}}, {id: desc}]", [2, 1, 4, 3, 5]),
    ("[{merchant: {payments_aggregate: {count: asc}}}, {id: asc}]", [5, 1, 2, 3, 4]),
    ("[{merchant: {payments_aggregate: {sum: {amount: desc}}}}, {id: asc}]", [1, 2, 3, 4, 5]),
    ("[{merchant: {payments_aggregate: {max: {id: desc}}}}, {id: asc}]", [5, 3, 4, 1, 2]),
    ("[{net: asc}, {id: asc}]", [2, 5, 3, 1, 4]),
    ("[]", [1, 2, 3, 4, 5]),
]


@pytest.mark.parametrize(("order", "found"), ORDERS, ids=[case[0] for case in ORDERS])
async def test_an_order_is_kept(ask: Asker, order: str, found: list[int]) -> None:
    data = await ask(f"{{ payments(order_by: {order}) {{ id }} }}")
    assert [row["id"] for row in data["payments"]] == found


async def test_limit_offset_and_distinct_on(ask: Asker) -> None:
    assert await ask("{ payments(order_by: {id: asc}, limit: 2, offset: 1) { id } }") == {
        "payments": [{"id": 2}, {"id": 3}]
    }
    assert await ask("{ payments(limit: 0) { id } }") == {"payments": []}
    distinct = "{ payments(distinct_on: [currency], order_by: [{currency: desc}, {id: desc}]) { id currency } }"
    assert await ask(distinct) == {"payments": [{"id": 5, "currency": "NGN"}, {"id": 3, "currency": "KES"}]}
    wrong = "{ payments(distinct_on: [currency], order_by: {id: asc}) { id } }"
    assert await ask.refused(wrong) == (
        '"distinct_on" columns must match initial "order_by" columns',
        "$.selectionSet.payments.args",
        "validation-failed",
    )

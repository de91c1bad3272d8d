"""Which root fields a permission leaves to a role: those of queries and those of subscriptions, each by itself."""

import copy
from typing import Any

import pytest

from omniroute.graphql import Engine, RequestRefused, parse_metadata
from tests.graphql.shop import METADATA, Asker

QUERIES = {"payments": "select", "payment": "select_by_pk", "payments_aggregate": "select_aggregate"}
FIELDS = QUERIES | {"payments_stream": "select_stream"}
FULL = {"columns": "*", "filter": {}, "allow_aggregations": True}
ASKED = {
    "payments": "payments { id }",
    "payment": "payment(id: 1) { id }",
    "payments_aggregate": "payments_aggregate { aggregate { count } }",
    "payments_stream": "payments_stream(batch_size: 1, cursor: {initial_value: {id: 0}}) { id }",
}


def engine_of(engine: Engine, *permissions: dict[str, Any]) -> Engine:
    """An engine in which the roles `r0`, `r1` and so on have these permissions on payments, and `all` inherits them."""
    document = copy.deepcopy(METADATA)
    names = [f"r{number}" for number in range(len(permissions))]
    document["sources"][0]["tables"][1]["select_permissions"] = [
        {"role": name, "permission": FULL | one} for name, one in zip(names, permissions, strict=True)
    ]
    document["sources"][0]["tables"][0]["select_permissions"] = [
        {"role": name, "permission": {"columns": ["id", "name"], "filter": {}}} for name in names
    ]
    document["inherited_roles"] = [{"role_name": "all", "role_set": names}]
    found, problems = parse_metadata(document)
    assert problems == ()
    return Engine(engine.db, found, engine.model.catalog)


def served(engine: Engine, role: str) -> tuple[set[str], set[str]]:
    """The root fields of payments a role has in queries and in subscriptions, by what they do."""
    schema = engine.schema(role).schema
    found = []
    for root in (schema.query_type, schema.subscription_type):
        names = root.fields.keys() & FIELDS.keys() if root else set()
        found.append({FIELDS[name] for name in names})
    return found[0], found[1]


CASES: list[tuple[dict[str, Any], set[str], set[str]]] = [
    ({}, set(QUERIES.values()), set(FIELDS.values())),
    ({"query_root_fields": []}, set(), set(FIELDS.values())),
    ({"subscription_root_fields": []}, set(QUERIES.values()), set()),
    ({"query_root_fields": [], "subscription_root_fields": []}, set(), set()),
    ({"query_root_fields": ["select_by_pk"], "subscription_root_fields": ["select"]}, {"select_by_pk"}, {"select"}),
    ({"query_root_fields": ["select"], "subscription_root_fields": ["select_stream"]}, {"select"}, {"select_stream"}),
    ({"subscription_root_fields": ["select_by_pk"]}, set(QUERIES.values()), {"select_by_pk"}),
    ({"subscription_root_fields": ["select_aggregate"]}, set(QUERIES.values()), {"select_aggregate"}),
    ({"subscription_root_fields": ["select_aggregate", "select"], "allow_aggregations": False},
     {"select", "select_by_pk"}, {"select"}),
]  # fmt: skip


@pytest.mark.parametrize(("permission", "queries", "subscriptions"), CASES)
def test_a_role_has_the_root_fields_it_is_left(
    engine: Engine, permission: dict[str, Any], queries: set[str], subscriptions: set[str]
) -> None:
    made = engine_of(engine, permission)
    assert served(made, "r0") == (queries, subscriptions)
    # Asking says the same as looking; what is not there is an unknown field.
    for name, kind in FIELDS.items():
        for operation, found in (("query", queries), ("subscription", subscriptions)):
            document = f"{operation} {{ {ASKED[name]} }}"
            if kind in found:
                made.prepare("r0", document, None)
                continue
            with pytest.raises(RequestRefused) as refused:
                made.prepare("r0", document, None)
            said = f"field '{name}' not found in type: '{operation}_root'"
            assert str(refused.value) in (said, "no subscriptions exist")


def test_an_inherited_role_has_those_of_all_its_parents(engine: Engine) -> None:
    made = engine_of(
        engine,
        {"query_root_fields": ["select"], "subscription_root_fields": ["select_stream"]},
        {"query_root_fields": ["select_by_pk"], "subscription_root_fields": []},
    )
    assert served(made, "all") == ({"select", "select_by_pk"}, {"select_stream"})
    assert served(engine_of(engine, {"subscription_root_fields": []}, {}), "all")[1] == set(FIELDS.values())


async def test_related_rows_are_no_root_fields(engine: Engine) -> None:
    ask = Asker(engine_of(engine, {"query_root_fields": [], "subscription_root_fields": []}))
    document = '{ merchants(where: {name: {_eq: "Chidi\'s"}}) { payments_aggregate { nodes { id } } payments { id } } }'
    assert await ask(document, "r0") == {
        "merchants": [{"payments_aggregate": {"nodes": [{"id": 5}]}, "payments": [{"id": 5}]}]
    }


@pytest.mark.parametrize("key", ["query_root_fields", "subscription_root_fields"])
def test_a_root_field_nobody_knows_is_named(key: str) -> None:
    document = copy.deepcopy(METADATA)
    document["sources"][0]["tables"][1]["select_permissions"][0]["permission"] |= {key: ["select", "nope"]}
    [problem] = parse_metadata(document)[1]
    assert problem.is_wrong
    assert str(problem).endswith(
        f"{key} must be some of select, select_by_pk, select_aggregate"
        f"{', select_stream' if key.startswith('sub') else ''}, not nope"
    )

"""Every list of the document, in every order it names: each item once, in order, also while others come."""

from datetime import datetime
from typing import Any

import pytest

from tests.api.makers import Makers, open_accounts
from tests.api.things import LISTS, SORTED, Things

CASES = [(name, sort) for name, (_, given) in SORTED.items() for sort in given["sort"]["schema"]["enum"]]
# Their order is what they mean: what happened, one after the other; and balances, each after the line before.
IN_THEIR_OWN_ORDER = {"list_events", "get_statement", "get_general_ledger", "get_rail_statement"}
FILTERS = {
    "status": None,
    "state": None,
    "kind": None,
    "act": None,
    "prefix": "w",
    "account": "cash",
    "base": "USD",
    "booked_from": "2020-01-01T00:00:00Z",
    "open": "true",
}


@pytest.fixture(scope="module")
async def things(makers: Makers) -> Things:
    """An organisation with five things in each list."""
    found = Things(makers, await makers.organisation("lists"))
    await open_accounts(found.client, "cash", "till")
    for name in SORTED:
        for _ in range(5):
            await found.make(name)
    return found


def _key(item: dict[str, Any], sort: str) -> tuple[Any, str]:
    """Where an item stands, by what is shown of it."""
    name = sort.removeprefix("-")
    value = item[name]
    if name == "id":
        value = value[4:]
    elif name.endswith("_at") or name == "valid_from":
        value = datetime.fromisoformat(value)
    return value, item.get("id", "")[4:]


def _name(item: dict[str, Any]) -> Any:
    """What tells an item from the others: its id, or its number below what it belongs to."""
    return next(item[name] for name in ("id", "line_number", "number") if name in item)


def test_every_list_names_its_orders() -> None:
    paged = {name for name, (_, given) in LISTS.items() if "cursor" in given}
    assert paged - SORTED.keys() == IN_THEIR_OWN_ORDER
    for _, given in SORTED.values():
        sorts = given["sort"]["schema"]["enum"]
        assert given["sort"]["schema"]["default"] == sorts[0]
        assert {sort.removeprefix("-") for sort in sorts} == {sort for sort in sorts if not sort.startswith("-")}
        assert len(sorts) == 2 * len({sort.removeprefix("-") for sort in sorts})


@pytest.mark.parametrize(("name", "sort"), CASES, ids=[f"{name}:{sort}" for name, sort in CASES])
async def test_a_walk_meets_each_item_once_and_in_order(things: Things, name: str, sort: str) -> None:
    path = await things.path(name)
    everything = await things.client.get(path, params={"sort": sort, "limit": "500"})
    assert everything["next_cursor"] is None
    before = [_name(item) for item in everything["items"]]
    assert len(before) >= 5
    assert everything["items"] == sorted(
        everything["items"], key=lambda item: _key(item, sort), reverse=sort.startswith("-")
    )

    seen: list[dict[str, Any]] = []
    cursor, pages = None, 0
    while pages == 0 or cursor is not None:
        asked = {"sort": sort, "limit": "2"} | ({"cursor": cursor} if cursor else {})
        page = await things.client.get(path, params=asked)
        seen += page["items"]
        cursor, pages = page["next_cursor"], pages + 1
        assert len(page["items"]) == 2 or cursor is None
        if pages <= 2:
            await things.make(name)

    ids = [_name(item) for item in seen]
    assert len(set(ids)) == len(ids)
    assert [one for one in ids if one in set(before)] == before
    keys = [_key(item, sort) for item in seen]
    assert keys == sorted(keys, reverse=sort.startswith("-"))


@pytest.mark.parametrize("name", SORTED)
async def test_the_usual_order_is_the_first(things: Things, name: str) -> None:
    path, given = await things.path(name), SORTED[name][1]
    usual = given["sort"]["schema"]["default"]
    found = [await things.client.get(path, params=params) for params in ({}, {"sort": usual})]
    # What is unknown shows its age, which goes on between the two.
    first, second = ([_name(item) for item in page["items"]] for page in found)
    assert first == second


@pytest.mark.parametrize("name", SORTED)
async def test_an_unknown_order_is_refused(things: Things, name: str) -> None:
    path, given = await things.path(name), SORTED[name][1]
    for wrong in ("colour", "-", "--" + given["sort"]["schema"]["enum"][0], "id; DROP TABLE branch", "tenant_id"):
        answer = await things.client.send("GET", path, params={"sort": wrong})
        assert (answer.status_code, answer.json()["code"]) == (400, "kit.unknown_sort")
        assert answer.json()["allowed"] == given["sort"]["schema"]["enum"]


@pytest.mark.parametrize("name", SORTED)
async def test_a_cursor_goes_on_only_where_it_was_made(things: Things, name: str) -> None:
    path, given = await things.path(name), SORTED[name][1]
    usual, other, *_ = given["sort"]["schema"]["enum"]
    cursor = (await things.client.get(path, params={"limit": "2"}))["next_cursor"]

    assert len((await things.client.get(path, params={"limit": "1", "cursor": cursor, "sort": usual}))["items"]) == 1
    foreign = [{"sort": other}]
    for parameter in FILTERS.keys() & given.keys():
        choices = given[parameter]["schema"].get("enum", [FILTERS[parameter]])
        foreign.append({parameter: choices[0]})
    for more in foreign:
        answer = await things.client.send("GET", path, params={"cursor": cursor, **more})
        assert (answer.status_code, answer.json()["code"]) == (400, "kit.foreign_cursor"), more
    for elsewhere in SORTED.keys() - {name}:
        answer = await things.client.send("GET", await things.path(elsewhere), params={"cursor": cursor})
        assert (answer.status_code, answer.json()["code"]) == (400, "kit.foreign_cursor")


@pytest.mark.parametrize("name", ["list_payment_batch_lines", "list_occurrences"])
async def test_a_cursor_does_not_go_on_below_something_else(things: Things, name: str) -> None:
    path = await things.path(name)
    cursor = (await things.client.get(path, params={"limit": "2"}))["next_cursor"]
    make, mine = (things.payment_batches, things.batch) if "lines" in name else (things.schedules, things.schedule)
    other = await make(next(things.numbers), "other")
    answer = await things.client.send("GET", path.replace(mine, other), params={"cursor": cursor})
    assert (answer.status_code, answer.json()["code"]) == (400, "kit.foreign_cursor")

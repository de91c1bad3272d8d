"""For any rows, permissions and mutations, what is written and answered is that of a plain evaluation in Python."""

import copy
import json
import os
from collections.abc import Iterable
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from omniroute.graphql import Catalog, Engine, Session, execute, parse_metadata
from omniroute.infra.postgres import Database
from tests.graphql.test_oracle import holds

ASKED = os.environ.get("OMNIROUTE_MUTATION_EXAMPLES")
"""How many examples, other ones each time. Without it a few, always the same."""
USER = 2
Row = dict[str, Any]
Rows = list[Row]

SCHEMA = b"""
CREATE SCHEMA store AUTHORIZATION omniroute_owner;
SET ROLE omniroute_owner;
CREATE TABLE store.item (
    id integer PRIMARY KEY, owner integer NOT NULL DEFAULT 7, name text COLLATE "C", fee integer DEFAULT 1,
    CONSTRAINT item_name_key UNIQUE (owner, name));
GRANT USAGE ON SCHEMA store TO omniroute_app;
GRANT SELECT, INSERT, UPDATE, DELETE ON store.item TO omniroute_app;
RESET ROLE;
"""
VALUES: dict[str, list[Any]] = {
    "id": [1, 2, 3, 4, 5],
    "owner": [1, 2, 3],
    "name": ["a", "b", "'", None],
    "fee": [5, 0, 1, None],
}
DEFAULTS = {"id": None, "owner": 7, "name": None, "fee": 1}
KEYS = {"item_pkey": ("id",), "item_name_key": ("owner", "name")}
UPDATED = ("owner", "name", "fee")


class Refused(Exception):
    """With the code of the answer."""


def value(column: str) -> st.SearchStrategy[Any]:
    return st.sampled_from(VALUES[column])


@st.composite
def conditions(draw: st.DrawFn) -> Row:
    column = draw(st.sampled_from(sorted(VALUES)))
    if column != "name" and draw(st.booleans()):
        least = draw(value(column).filter(lambda one: one is not None))
        return {column: {draw(st.sampled_from(["_gte", "_lte", "_neq"])): least}}
    if column == "owner":
        return {"owner": {"_eq": "X-Hasura-User-Id"}}
    return {column: {"_is_null": draw(st.booleans())}}


FILTERS = st.one_of(st.just({}), conditions(), st.lists(conditions(), max_size=2).map(lambda items: {"_or": items}))
COLUMNS = st.one_of(
    st.just(sorted(VALUES)), st.just(sorted(VALUES)), st.lists(st.sampled_from(sorted(VALUES)), unique=True, min_size=1)
)
ROWS = st.lists(
    st.fixed_dictionaries({column: value(column) for column in VALUES}),
    min_size=1,
    max_size=4,
    unique_by=lambda row: row["id"],
).filter(lambda rows: not clash(rows))


def clash(rows: Rows) -> bool:
    """Whether two rows have the same key. Nulls are never the same."""
    for columns in KEYS.values():
        keys = [tuple(row[one] for one in columns) for row in rows]
        kept = [one for one in keys if None not in one]
        if len(kept) != len(set(kept)):
            return True
    return False


@st.composite
def rights(draw: st.DrawFn) -> Row:
    """What the role may do."""
    preset: Row = draw(st.sampled_from([{}, {"owner": "X-Hasura-User-Id"}, {"fee": 5}]))
    return {
        "select": draw(FILTERS),
        "insert": {"columns": draw(COLUMNS), "check": draw(FILTERS), "set": preset},
        "update": {
            "columns": draw(st.lists(st.sampled_from(UPDATED), unique=True, min_size=1)),
            "filter": draw(FILTERS),
            "check": draw(FILTERS),
            "set": draw(st.sampled_from([{}, {"fee": 0}])),
        },
        "delete": draw(FILTERS),
    }


@st.composite
def fields(draw: st.DrawFn, may: Row, rows: Rows) -> Row:
    """One field of a mutation that the schema of the role has."""
    insertable = [one for one in may["insert"]["columns"] if one not in may["insert"]["set"]]
    updatable = [one for one in may["update"]["columns"] if one not in may["update"]["set"]]
    kinds = [*(["insert"] * 3 if insertable else []), *(["update"] if updatable else []), "delete"]
    match draw(st.sampled_from(kinds)):
        case "insert":
            columns = {column: value(column) for column in insertable}
            there = [{column: row[column] for column in insertable} for row in rows]
            other = {column: one for column, one in columns.items() if column == "fee"}
            almost = st.tuples(st.sampled_from(there), st.fixed_dictionaries({}, optional=other))
            one = st.one_of(almost.map(lambda pair: pair[0] | pair[1]), st.fixed_dictionaries({}, optional=columns))
            conflict: Row | None = None
            if draw(st.integers(0, 3)):
                chosen = draw(st.lists(st.sampled_from(updatable), unique=True)) if updatable else []
                where = plain(draw(st.one_of(st.just({}), FILTERS)))
                constraint = draw(st.sampled_from(sorted(KEYS)))
                conflict = {"constraint": constraint, "update_columns": chosen, "where": where}
            return {"kind": "insert", "objects": draw(st.lists(one, min_size=1, max_size=2)), "conflict": conflict}
        case "update":
            chosen = draw(st.lists(st.sampled_from(updatable), unique=True, min_size=1))
            changes = {column: draw(value(column)) for column in chosen}
            add = draw(st.sampled_from([-1, 2])) if "fee" in updatable and "fee" not in changes else None
            return {"kind": "update", "where": plain(draw(FILTERS)), "set": changes, "inc": add}
    return {"kind": "delete", "where": plain(draw(FILTERS))}


def plain(condition: Any) -> Any:
    """A condition with the session variable's value in it."""
    if isinstance(condition, dict):
        return {name: plain(item) for name, item in condition.items()}
    if isinstance(condition, list):
        return [plain(item) for item in condition]
    return USER if condition == "X-Hasura-User-Id" else condition


CASES = st.tuples(rights(), ROWS).flatmap(
    lambda case: st.tuples(*map(st.just, case), st.lists(fields(*case), min_size=1, max_size=3))
)


@st.composite
def upserts(draw: st.DrawFn) -> tuple[Row, Rows, list[Row]]:
    """Rows that are there already, inserted again by a role that gives every column."""
    may = draw(rights())
    may["insert"] |= {"columns": sorted(VALUES), "set": {}}
    may["update"] |= {"columns": list(UPDATED), "set": {}}
    rows = draw(ROWS)
    again = st.tuples(st.sampled_from(rows), value("fee")).map(lambda pair: pair[0] | {"fee": pair[1]})
    conflict = {"constraint": "item_pkey", "update_columns": ["fee"], "where": plain(draw(FILTERS))}
    objects = draw(st.lists(again, min_size=1, max_size=2))
    return may, rows, [{"kind": "insert", "objects": objects, "conflict": conflict}]


# What should happen.


def passes(condition: Row, row: Row) -> bool:
    return holds(plain(condition), row) is True


def must_be_stored(rows: Rows, changed: Iterable[Row]) -> None:
    if clash(rows) or any(row["id"] is None or row["owner"] is None for row in changed):
        raise Refused("constraint-violation")


def evaluate(rows: Rows, may: Row, field: Row) -> tuple[int, list[int]]:
    """Change the rows; how many are affected, and which of them the role sees."""
    match field["kind"]:
        case "insert":
            written = inserted(rows, may, field)
        case "update":
            written = updated(rows, may, field)
        case _:
            written = [row for row in rows if passes(may["delete"], row) and passes(field["where"], row)]
            rows[:] = [row for row in rows if row not in written]
    return len(written), sorted(row["id"] for row in written if passes(may["select"], row))


def updated(rows: Rows, may: Row, field: Row) -> Rows:
    right = may["update"]
    written = [row for row in rows if passes(right["filter"], row) and passes(field["where"], row)]
    for row in written:
        row |= field["set"] | plain(right["set"])
        if field["inc"] is not None and row["fee"] is not None and "fee" not in right["set"]:
            row["fee"] += field["inc"]
    must_be_stored(rows, written)
    if not all(passes(right["check"], row) for row in written):
        raise Refused("permission-error")
    return written


def inserted(rows: Rows, may: Row, field: Row) -> Rows:
    conflict, fresh, changed, written = field["conflict"], [], [], Rows()
    for given_ in field["objects"]:
        row = DEFAULTS | given_ | plain(may["insert"]["set"])
        must_be_stored([], [row])
        other = same_key(rows, row, conflict)
        if other is None:
            rows.append(row)
            must_be_stored(rows, [row])
            fresh.append(row)
            written.append(row)
        elif conflict["update_columns"]:
            if any(other is one for one in written):
                raise Refused("data-exception")
            if passes(may["update"]["filter"], other) and passes(conflict["where"], other):
                other |= {one: row[one] for one in conflict["update_columns"]} | plain(may["update"]["set"])
                must_be_stored(rows, [other])
                changed.append(other)
                written.append(other)
    # Hasura's rule: without a check of its own, an update is held to the one of the insert.
    after = may["update"]["check"] or may["insert"]["check"]
    allowed = [passes(may["insert"]["check"], row) for row in fresh] + [passes(after, row) for row in changed]
    if not all(allowed):
        raise Refused("permission-error")
    return written


def same_key(rows: Rows, row: Row, conflict: Row | None) -> Row | None:
    if conflict is None:
        return None
    columns = KEYS[conflict["constraint"]]
    key = [row[one] for one in columns]
    return None if None in key else next((one for one in rows if [one[name] for name in columns] == key), None)


# What does happen.


def metadata(may: Row) -> Any:
    def permission(**inner: Any) -> list[Row]:
        return [{"role": "user", "permission": inner}]

    item = {
        "table": {"schema": "store", "name": "item"},
        "configuration": {"custom_name": "item"},
        "select_permissions": permission(columns="*", filter=may["select"]),
        "insert_permissions": permission(**may["insert"]),
        "update_permissions": permission(**may["update"]),
        "delete_permissions": permission(filter=may["delete"]),
    }
    found, problems = parse_metadata({"version": 3, "sources": [{"name": "x", "kind": "postgres", "tables": [item]}]})
    assert problems == ()
    return found


def document(asked: list[Row]) -> tuple[str, Row]:
    declared, parts, variables = [], [], Row()
    for number, field in enumerate(asked):

        def variable(name: str, kind: str, given_: Any, number: int = number) -> str:
            declared.append(f"${name}{number}: {kind}")
            variables[f"{name}{number}"] = given_
            return f"${name}{number}"

        match field["kind"]:
            case "insert":
                args = "objects: " + variable("o", "[item_insert_input!]!", field["objects"])
                if field["conflict"]:
                    args += ", on_conflict: " + variable("c", "item_on_conflict", field["conflict"])
            case "update":
                args = "where: " + variable("w", "item_bool_exp!", field["where"])
                args += ", _set: " + variable("s", "item_set_input", field["set"])
                if field["inc"] is not None:
                    args += ", _inc: " + variable("i", "item_inc_input", {"fee": field["inc"]})
            case _:
                args = "where: " + variable("w", "item_bool_exp!", field["where"])
        parts.append(f"f{number}: {field['kind']}_item({args}) {{ affected_rows returning {{ id }} }}")
    return f"mutation ({', '.join(declared)}) {{ {' '.join(parts)} }}", variables


@pytest.fixture(scope="module")
async def catalog(owner_db: Database, app_db: Database) -> Catalog:
    async with owner_db.connection() as connection:
        await connection.execute(b"SET ROLE NONE")
        await connection.execute(SCHEMA)
        await connection.execute(b"SET ROLE omniroute_owner")
    empty: Row = {"select": {}, "insert": {"columns": []}, "update": {"columns": [], "filter": {}}, "delete": {}}
    return (await Engine.open(app_db, metadata(empty))).model.catalog


async def stored(owner: Database, rows: Rows | None = None) -> Rows:
    """Fill the table, or say what is in it."""
    async with owner.connection() as connection:
        if rows is not None:
            await connection.execute(b"TRUNCATE store.item")
            async with connection.cursor() as cursor:
                await cursor.executemany(b"INSERT INTO store.item VALUES (%(id)s, %(owner)s, %(name)s, %(fee)s)", rows)
        found = await connection.execute(b"SELECT id, owner, name, fee FROM store.item ORDER BY id")
        return [row._asdict() for row in await found.fetchall()]


@settings(
    max_examples=int(ASKED or 60),
    derandomize=ASKED is None,
    deadline=None,
    suppress_health_check=list(HealthCheck),
)
@given(case=st.one_of(CASES, upserts()))
async def test_the_database_and_python_agree(
    catalog: Catalog, owner_db: Database, app_db: Database, case: tuple[Row, Rows, list[Row]]
) -> None:
    may, rows, asked = case
    before = await stored(owner_db, rows)
    text, variables = document(asked)
    session = Session(variables={"x-hasura-user-id": str(USER)})
    answer = await execute(Engine(app_db, metadata(may), catalog), "user", session, text, variables)

    expected = copy.deepcopy(before)
    found: list[tuple[int, list[int]]] = []
    try:
        found += [evaluate(expected, may, field) for field in asked]
    except Refused as error:
        refused = str(error)
    else:
        refused = ""
    if refused:
        assert [one.code for one in answer.errors] == [refused], answer.body
        assert await stored(owner_db) == before
        return
    assert answer.errors == (), answer.body
    data = json.loads(answer.body)["data"]
    given_ = [(one["affected_rows"], sorted(row["id"] for row in one["returning"])) for one in data.values()]
    assert given_ == found
    assert await stored(owner_db) == sorted(expected, key=lambda row: row["id"])


HOSTILE = ["'; DROP TABLE store.item; --", "$1", "%s %(x)s %", "\\'; SELECT 1", '"', "x' OR '1'='1", "{}", "🙂", "NULL"]


async def test_no_variable_changes_the_text_of_a_statement(
    catalog: Catalog, owner_db: Database, app_db: Database
) -> None:
    await stored(owner_db, [])
    full: Row = {"columns": "*", "check": {}, "filter": {}}
    may: Row = {"select": {}, "insert": {"columns": "*", "check": {}}, "update": full, "delete": {}}
    engine = Engine(app_db, metadata(may), catalog)
    text = """mutation ($o: [item_insert_input!]!, $n: String, $w: item_bool_exp!) {
      insert_item(objects: $o, on_conflict: {constraint: item_pkey, update_columns: [name], where: $w}) {
        affected_rows }
      update_item(where: $w, _set: {name: $n}) { returning { name } } delete_item(where: $w) { affected_rows } }"""
    prepared = engine.prepare("user", text, None)
    texts = set()
    for number, hostile in enumerate(HOSTILE):
        variables = {"o": [{"id": number, "name": hostile}], "n": hostile, "w": {"name": {"_eq": hostile}}}
        plan = engine._plan("user", prepared, engine.variables("user", prepared, variables))
        steps = [step.statement.text for one in plan.changes.values() for item in one.items for step in item.steps]
        texts.add(tuple(steps))
        answer = await execute(engine, "user", Session(), text, variables)
        assert json.loads(answer.body)["data"] == {
            "insert_item": {"affected_rows": 1},
            "update_item": {"returning": [{"name": hostile}]},
            "delete_item": {"affected_rows": 1},
        }
    assert len(texts) == 1
    assert await stored(owner_db) == []

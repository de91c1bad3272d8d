"""For random tables, rows, permissions and mutations, what is written, answered and refused is what a plain evaluation
in Python says: rows of related tables beside, upserts, inherited roles."""

import copy
import json
import os
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from omniroute.graphql import Session, execute
from omniroute.infra.postgres import Database
from tests.graphql.oracle.answering import same, same_value
from tests.graphql.oracle.asking import Args, Field
from tests.graphql.oracle.changing import Change, Changing, Refused
from tests.graphql.oracle.database import build, stored
from tests.graphql.oracle.rights import RoleReader, grant
from tests.graphql.oracle.wanting import MutationText, Wanting
from tests.graphql.oracle.worlds import INHERITED, ROLES, USER, Rows, World, contents, tables

ASKED = os.environ.get("OMNIROUTE_RANDOM_MUTATION_EXAMPLES")
"""How many examples, other ones each time. Without it a few, always the same."""
SESSION = Session(variables={"x-hasura-user-id": str(USER)})


@dataclass(repr=False)
class Case:
    """A world, and what a role wants to change in it."""

    world: World
    role: str
    changes: list[Change]
    document: str
    variables: dict[str, Any]


@st.composite
def cases(draw: st.DrawFn) -> Case:
    made = draw(tables())
    grant(draw, made, writing=True)
    world = World(made, draw(contents(made)))
    role = draw(st.sampled_from(["admin", *ROLES, INHERITED]))
    changes = Wanting(draw, RoleReader(made, world.rows, role)).changes()
    text = MutationText(draw, made)
    document = text.mutation(changes) if changes else ""
    return Case(world, role, changes, document, text.variables)


@settings(
    max_examples=int(ASKED or 20),
    derandomize=ASKED is None,
    deadline=None,
    suppress_health_check=list(HealthCheck),
    phases=[Phase.generate],
)
@given(case=cases())
async def test_the_database_and_python_agree(owner_db: Database, app_db: Database, case: Case) -> None:
    if not case.changes:
        return
    world, asked = case.world, f"{case.role}: {case.document} {case.variables}"
    engine, schema = await build(owner_db, app_db, world)
    answer = await execute(engine, case.role, SESSION, case.document, case.variables)

    expected, found, code = copy.deepcopy(world.rows), [], None
    changing = Changing(world.tables, expected, case.role)
    try:
        found = [changing.change(one) for one in case.changes]
    except Refused as error:
        expected, code = world.rows, str(error)
    if [one.code for one in answer.errors] != ([code] if code else []):
        cause = answer.errors[0] if answer.errors else None
        raise AssertionError(f"{asked}: {answer.body!r} is not {code or found}") from cause
    if code is None:
        data = json.loads(answer.body, parse_float=Decimal)["data"]
        for place, one in enumerate(case.changes):
            assert alike(one, found[place], data[f"m{place}"]), f"{asked}: {data} is not {found}"
    check_rows(world, expected, await stored(owner_db, schema, world.tables), asked)


def alike(one: Change, expected: Any, answer: Any) -> bool:
    """Whether the answer of a field is the one expected; rows may come in any order."""
    if one.is_one:
        return same(one.inner, expected, answer)
    pairs = list(zip(expected, answer, strict=True)) if one.kind == "update_many" else [(expected, answer)]
    rows = Field("rows", "returning", "returning", one.table, Args(), one.inner)
    asked = [Field("column", "affected_rows", "affected_rows", one.table), *([rows] if one.inner else [])]
    return all(same(asked, left, right) for left, right in pairs)


def check_rows(world: World, expected: Rows, found: Rows, asked: str) -> None:
    for table in world.tables.values():
        rows = sorted(expected[table.name], key=lambda row: [row[one] for one in table.primary])
        assert len(rows) == len(found[table.name]), f"{asked}: {table} has {found[table.name]}, not {rows}"
        for row, other in zip(rows, found[table.name], strict=True):
            for name, value in row.items():
                assert same_value(value, other[name]), f"{asked}: {table}.{name} is {other[name]}, not {value}"

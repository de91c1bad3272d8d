"""For random tables, rows, permissions and queries, the answer is that of a plain evaluation in Python: a role never
gets a row or a cell it may not see, and no value of a variable is part of a statement."""

import json
import os
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from omniroute.graphql import Engine, RequestRefused, Session, execute
from omniroute.infra.postgres import Database
from tests.graphql.oracle.answering import Answering, same
from tests.graphql.oracle.asking import Asking, Field, Text
from tests.graphql.oracle.database import build
from tests.graphql.oracle.kinds import Bare
from tests.graphql.oracle.rights import RoleReader, grant
from tests.graphql.oracle.worlds import INHERITED, ROLES, USER, Table, World, contents, tables

ASKED = os.environ.get("OMNIROUTE_QUERY_EXAMPLES")
"""How many examples, other ones each time. Without it a few, always the same."""
SESSION = Session(variables={"x-hasura-user-id": str(USER)})
HOSTILE = "'; DROP TABLE t0; -- \" $1 %s {} \\"


@dataclass(repr=False)
class Case:
    """A world, and what roles ask of it: role, fields, document, variables."""

    world: World
    asked: list[tuple[str, list[Field], str, dict[str, Any]]]
    looked_at: list[tuple[str, Table]]
    """Roles, and tables in which they look for what they do not see."""

    def __repr__(self) -> str:
        return "; ".join(f"{role}: {document} {variables}" for role, _, document, variables in self.asked)[:20_000]


@st.composite
def cases(draw: st.DrawFn) -> Case:
    """A world, and what some roles ask of it."""
    made = draw(tables())
    grant(draw, made)
    world = World(made, draw(contents(made)))
    asked = []
    for role in ("admin", *ROLES, INHERITED, INHERITED):
        roots = Asking(draw, RoleReader(made, world.rows, role)).roots()
        if roots:
            text = Text(draw, made)
            asked.append((role, roots, text.document(roots), text.variables))
    return Case(world, asked, [(role, draw(st.sampled_from(list(made.values())))) for role in (*ROLES, INHERITED)])


@settings(
    max_examples=int(ASKED or 15),
    derandomize=ASKED is None,
    deadline=None,
    suppress_health_check=list(HealthCheck),
    phases=[Phase.generate],
)
@given(case=cases())
async def test_the_database_and_python_agree(owner_db: Database, app_db: Database, case: Case) -> None:
    world = case.world
    engine, _ = await build(owner_db, app_db, world)
    for role, roots, document, variables in case.asked:
        answer = await execute(engine, role, SESSION, document, variables)
        if answer.errors:
            raise AssertionError(f"{role}: {document} {variables}") from answer.errors[0]
        data = json.loads(answer.body, parse_float=Decimal)["data"]
        expected = Answering(RoleReader(world.tables, world.rows, role)).data(roots)
        assert same(roots, expected, data), f"{role}: {document} {variables}: {data} is not {expected}"
        check_text(engine, role, document, variables)
    for role, table in case.looked_at:
        check_hidden(engine, RoleReader(world.tables, world.rows, role), table)


def check_text(engine: Engine, role: str, document: str, variables: dict[str, Any]) -> None:
    """Other values, the same statement."""
    prepared = engine.prepare(role, document, None)

    def text(values: dict[str, Any]) -> bytes:
        plan = engine._plan(role, prepared, engine.variables(role, prepared, values))
        assert plan.statement is not None
        return plan.statement.text

    assert text(variables) == text(hostile(variables))
    assert HOSTILE.encode() not in text(hostile(variables))


def hostile(value: Any) -> Any:
    """The same value with the worst text where there is text, except names of enums."""
    match value:
        case dict():
            return {name: hostile(item) for name, item in value.items()}
        case list():
            return [hostile(item) for item in value]
        case str() if not isinstance(value, Bare) and not value.strip("-").replace(".", "").isdigit():
            return HOSTILE
    return value


def check_hidden(engine: Engine, reader: RoleReader, table: Table) -> None:
    """What a role does not see is unknown, wherever it is named."""
    if not reader.rights(table):
        with pytest.raises(RequestRefused, match=f"field '{table.name}' not found in type: 'query_root'"):
            engine.prepare(reader.role, f"{{ {table.name} {{ __typename }} }}", None)
        return
    seen = reader.columns(table)
    hidden = next((one.field for one in table.columns if one.name not in seen), None)
    if hidden is None:
        return
    for document in (
        f"{{ {table.name} {{ {hidden} }} }}",
        f"{{ {table.name}(where: {{{hidden}: {{_is_null: true}}}}) {{ __typename }} }}",
        f"{{ {table.name}(order_by: {{{hidden}: asc}}) {{ __typename }} }}",
    ):
        with pytest.raises(RequestRefused, match=f"field '{hidden}' not found in type"):
            engine.prepare(reader.role, document, None)

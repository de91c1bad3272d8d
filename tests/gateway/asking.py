"""Requests to the gateway in a role, and what a role may ask for."""

import json
from typing import Any
from uuid import UUID

from graphql import GraphQLEnumType, GraphQLList, GraphQLNonNull, GraphQLObjectType, GraphQLScalarType

from omniroute.graphql import Engine, Session, execute
from tests.gateway.planted import Corner


def session(
    corner: Corner, role: str, *, branches: tuple[UUID, ...] | None = None, user: UUID | None = None
) -> Session:
    """The session of somebody of the corner's organisation; of its maker unless told otherwise."""
    variables = {
        "x-hasura-role": role,
        "x-hasura-user-id": str(user or corner.id("maker")),
        "x-hasura-tenant-id": str(corner.tenant_id),
    }
    return Session(corner.tenant_id, branches, variables)


async def ask(engine: Engine, role: str, who: Session, document: str, **variables: Any) -> Any:
    """The data of an answer that must succeed."""
    answer = json.loads((await execute(engine, role, who, document, variables)).body)
    assert "errors" not in answer, answer["errors"]
    return answer["data"]


async def refusal(engine: Engine, role: str, who: Session, document: str, **variables: Any) -> tuple[str, str]:
    """Message and code of an answer that must be a refusal, and nothing else."""
    answer = json.loads((await execute(engine, role, who, document, variables)).body)
    assert answer.keys() == {"errors"}, answer
    [error] = answer["errors"]
    return error["message"], error["extensions"]["code"]


def fields_of(engine: Engine, role: str, table: str) -> list[str]:
    """The plain fields of a table that a role sees; none when it does not see the table."""
    kind = engine.schema(role).schema.type_map.get(table)
    if not isinstance(kind, GraphQLObjectType):
        return []

    def inner(one: Any) -> Any:
        return inner(one.of_type) if isinstance(one, GraphQLNonNull | GraphQLList) else one

    return [n for n, f in kind.fields.items() if isinstance(inner(f.type), GraphQLScalarType | GraphQLEnumType)]

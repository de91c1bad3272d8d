"""Answers requests with what the engine keeps."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any

import psycopg
from graphql import DocumentNode, GraphQLError, OperationDefinitionNode, SelectionSetNode, execute_sync

from omniroute.graphql.changing import run_changes
from omniroute.graphql.compiler.selecting import Statement
from omniroute.graphql.compiler.writing import parameters
from omniroute.graphql.engine import Engine, Plan, Prepared
from omniroute.graphql.errors import RequestRefused
from omniroute.graphql.fields import META, Collector
from omniroute.graphql.plugged import Call, operation_of
from omniroute.graphql.session import Session
from omniroute.infra.postgres import StatementTimeout


@dataclass(frozen=True, slots=True)
class Answer:
    """What a request gets: data as JSON text, or errors."""

    data: bytes | None
    errors: tuple[RequestRefused, ...] = ()

    @property
    def body(self) -> bytes:
        """The whole answer as JSON. Hasura gives no `data` beside errors."""
        if self.errors:
            return json.dumps({"errors": [error.shown() for error in self.errors]}, ensure_ascii=False).encode()
        assert self.data is not None
        return b'{"data":' + self.data + b"}"


@dataclass(frozen=True, slots=True)
class _Request:
    """A request that is allowed, with its plan."""

    engine: Engine
    role: str
    session: Session
    text: str
    prepared: Prepared
    plan: Plan
    variables: Mapping[str, Any]


async def execute(
    engine: Engine,
    role: str,
    session: Session,
    document: str,
    variables: Mapping[str, Any] | None = None,
    operation_name: str | None = None,
) -> Answer:
    """Answer one request for a role. What is refused is in the answer; a broken machine is raised.

    Raises: DatabaseUnavailable.
    """
    try:
        given = variables or {}
        prepared = await engine.prepared(role, document, operation_name, is_backend=session.is_backend)
        if operation_of(prepared.operation) == "subscription":
            raise RequestRefused(
                "subscriptions are not supported over HTTP, use websockets instead", code="unexpected-payload"
            )
        values, plan = await engine.planned(role, prepared, given)
        request = _Request(engine, role, session, document, prepared, plan, values)
        found: dict[str, str | bytes | None] = {**_meta(request, given)}
        if plan.statement is not None:
            sent = parameters(plan.statement.slots, values, session.variables)
            rows = await _read(request, plan.statement, sent)
            found |= zip(plan.read, rows, strict=True)
        if operation_of(prepared.operation) == "mutation":
            found |= await _mutated(request)
        else:
            found |= {response: await _plugged(request, response) for response in plan.plugged}
        return Answer(_joined(plan, found))
    except RequestRefused as error:
        return Answer(None, (error,))


async def _read(request: _Request, statement: Statement, sent: list[Any]) -> Sequence[bytes | None]:
    engine, session = request.engine, request.session
    limit_s = engine.metadata.time_limit_s.of(request.role, engine.limits.time_s)
    try:
        [row] = await engine.db.read(
            statement.text, sent, tenant_id=session.tenant_id, branches=session.branches, limit_s=limit_s
        )
        return row
    except StatementTimeout as error:
        raise RequestRefused(f"the operation took longer than {limit_s} s", code="time-limit-exceeded") from error
    except psycopg.DataError as error:
        raise RequestRefused(error.diag.message_primary or str(error), code="data-exception") from error
    except psycopg.Error as error:
        raise RequestRefused("database query error", code="unexpected") from error


async def _mutated(request: _Request) -> dict[str, str | None]:
    """The answers of a mutation. Fields of tables that stand beside each other are one transaction; a plugged field
    between them, whose work cannot be taken back with ours, ends it."""
    engine, plan, found = request.engine, request.plan, dict[str, str | None]()
    limit_s = engine.metadata.time_limit_s.of(request.role, engine.limits.time_s)
    asked = [one.response for one in plan.fields if one.response in plan.changes or one.response in plan.plugged]
    for is_plugged, group in groupby(asked, lambda one: one in plan.plugged):
        names = list(group)
        if is_plugged:
            found |= {one: await _plugged(request, one) for one in names}
            continue
        changes = [plan.changes[one] for one in names]
        answers = await run_changes(engine.db, request.session, changes, request.variables, limit_s=limit_s)
        found |= zip(names, answers, strict=True)
    return found


async def _plugged(request: _Request, response: str) -> str:
    """The value of a field that is no table's."""
    prepared, plan = request.prepared, request.plan
    [asked] = [one for one in plan.fields if one.response == response]
    collector = Collector(prepared.fragments, request.variables)
    operation = operation_of(prepared.operation)
    call = Call(request.role, request.session, operation, asked, collector, request.variables, request.text)
    return await plan.plugged[response].answer(call)


def _meta(request: _Request, variables: Mapping[str, Any]) -> dict[str, str | None]:
    """What the schema says about itself."""
    asked = [one for one in request.plan.fields if one.name in META]
    if not asked:
        return {}
    operation = request.prepared.operation
    inner = OperationDefinitionNode(
        operation=operation.operation,
        name=operation.name,
        variable_definitions=operation.variable_definitions,
        directives=(),
        selection_set=SelectionSetNode(selections=tuple(node for one in asked for node in one.nodes)),
    )
    document = DocumentNode(definitions=(inner, *request.prepared.fragments.values()))
    answer = execute_sync(request.prepared.schema.schema, document, variable_values=dict(variables))
    if answer.errors:
        raise RequestRefused(_first(answer.errors))
    return {name: json.dumps(value) for name, value in (answer.data or {}).items()}


def _first(errors: Sequence[GraphQLError]) -> str:
    return errors[0].message


def _joined(plan: Plan, found: Mapping[str, str | bytes | None]) -> bytes:
    """The members of the answer in the order they were asked for. Nothing there is null, such as `NOTHING`."""
    return (
        b"{"
        + b",".join([b'"%s":%s' % (one.response.encode(), _json(found.get(one.response))) for one in plan.fields])
        + b"}"
    )


def _json(value: str | bytes | None) -> bytes:
    return value.encode() if isinstance(value, str) else value or b"null"

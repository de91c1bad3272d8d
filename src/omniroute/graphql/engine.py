"""Answers queries: a document becomes one SQL statement, kept for the next request of the same role and shape."""

import json
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar
from uuid import UUID

import psycopg
from graphql import (
    DocumentNode,
    FragmentDefinitionNode,
    GraphQLError,
    OperationDefinitionNode,
    OperationType,
    SelectionSetNode,
    execute_sync,
    get_variable_values,
    type_from_ast,
)
from psycopg.rows import tuple_row

from omniroute.graphql.catalog import Catalog, read_catalog
from omniroute.graphql.errors import RequestRefused
from omniroute.graphql.fields import META, Collector, Field
from omniroute.graphql.given import shape
from omniroute.graphql.limits import Limits, check_size, check_value_nesting, parse_within
from omniroute.graphql.metadata import Metadata
from omniroute.graphql.model import Model
from omniroute.graphql.roles import RoleView, known_roles
from omniroute.graphql.schema import NOTHING, RoleSchema, build_schema
from omniroute.graphql.selecting import Compiler, Statement
from omniroute.graphql.validating import check_document, choose_operation
from omniroute.graphql.writing import parameters
from omniroute.infra.postgres import Database, StatementTimeout
from omniroute.parties.access import Caller

K = TypeVar("K")
V = TypeVar("V")

OPERATIONS_KEPT = 1_000
SHAPES_KEPT = 50
UNKNOWN_ROLE = "\0"


@dataclass(frozen=True, slots=True)
class Session:
    """Whose data is read: the transaction's organisation and branches, and the session variables of permissions.

    Names of variables are lower case. They come from the caller's credentials, never from headers of a request.
    """

    tenant_id: UUID | None = None
    branches: tuple[UUID, ...] | None = None
    variables: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def of(cls, caller: Caller, role: str) -> "Session":
        """The session of an authenticated caller who acts in a role."""
        variables = {
            "x-hasura-role": role,
            "x-hasura-user-id": str(caller.subject_id),
            "x-hasura-tenant-id": str(caller.tenant_id),
        }
        return cls(caller.tenant_id, caller.branches, variables)


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


@dataclass(slots=True)
class _Prepared:
    """A validated operation and its plans by the shape of the variables."""

    document: DocumentNode
    operation: OperationDefinitionNode
    fragments: Mapping[str, FragmentDefinitionNode]
    types: Mapping[str, Any]
    plans: "_Kept[Any, _Plan]"


@dataclass(frozen=True, slots=True)
class _Plan:
    """The statement for the fields read from tables; the others are answered from the schema."""

    fields: tuple[Field, ...]
    statement: Statement | None


class _Kept(OrderedDict[K, V]):
    """The most recently used items."""

    def __init__(self, size_max: int) -> None:
        super().__init__()
        self.size_max = size_max

    def find(self, key: K) -> V | None:
        found = self.get(key)
        if found is not None:
            self.move_to_end(key)
        return found

    def keep(self, key: K, value: V) -> V:
        self[key] = value
        if len(self) > self.size_max:
            self.popitem(last=False)
        return value


class Engine:
    """One database under one metadata. Safe to share between requests of an event loop."""

    def __init__(
        self,
        db: Database,
        metadata: Metadata,
        catalog: Catalog,
        *,
        limits: Limits | None = None,
        stringify_numerics: bool = False,
    ) -> None:
        self.db = db
        self.metadata = metadata
        self.model = Model(metadata, catalog)
        self.limits = limits or Limits()
        self.stringify_numerics = stringify_numerics
        self._roles = known_roles(metadata)
        self._schemas: dict[str, RoleSchema] = {}
        self._operations: _Kept[tuple[str, str, str | None], _Prepared] = _Kept(OPERATIONS_KEPT)

    @classmethod
    async def open(cls, db: Database, metadata: Metadata, **options: Any) -> "Engine":
        """An engine over what the database is like now; open another after a migration."""
        return cls(db, metadata, await read_catalog(db, metadata), **options)

    def schema(self, role: str) -> RoleSchema:
        """The schema of a role; one nobody has heard of sees nothing."""
        known = role if role in self._roles else UNKNOWN_ROLE
        if known not in self._schemas:
            self._schemas[known] = build_schema(RoleView(self.model, known))
        return self._schemas[known]

    def prepare(self, role: str, document: str, operation_name: str | None) -> _Prepared:
        """Parse, bound and validate a document, once.

        Raises: RequestRefused.
        """
        key = (role if role in self._roles else UNKNOWN_ROLE, document, operation_name)
        found = self._operations.find(key)
        return found or self._operations.keep(key, self._prepare(*key))

    def _prepare(self, role: str, text: str, operation_name: str | None) -> _Prepared:
        document = parse_within(text, self.limits)
        operation = choose_operation(document, operation_name)
        fragments = {one.name.value: one for one in document.definitions if isinstance(one, FragmentDefinitionNode)}
        depth = self.metadata.depth_limit.of(role, self.limits.depth)
        nodes = self.metadata.node_limit.of(role, self.limits.nodes)
        for one in document.definitions:
            # Every operation is validated, so every one is bounded.
            if isinstance(one, OperationDefinitionNode):
                check_size(one, fragments, self.limits, depth=depth, nodes=nodes)
        for fragment in fragments.values():
            # Also one nobody uses.
            check_fragment = OperationDefinitionNode(
                operation=OperationType.QUERY, selection_set=fragment.selection_set
            )
            check_size(check_fragment, fragments, self.limits, depth=depth, nodes=nodes)
        schema = self.schema(role)
        check_document(schema, document, operation)
        types = {
            one.variable.name.value: type_from_ast(schema.schema, one.type)
            for one in operation.variable_definitions or ()
        }
        return _Prepared(document, operation, fragments, types, _Kept(SHAPES_KEPT))

    def variables(self, role: str, prepared: _Prepared, given: Mapping[str, Any]) -> dict[str, Any]:
        """The variables of a request as their types want them, defaults filled in.

        Raises: RequestRefused.
        """
        check_value_nesting(given)
        unexpected = sorted(given.keys() - prepared.types.keys())
        if unexpected:
            raise RequestRefused(f"unexpected variables in variableValues: {', '.join(unexpected)}")
        for one in prepared.operation.variable_definitions or ():
            name = one.variable.name.value
            required = one.type.kind == "non_null_type" and one.default_value is None
            if required and given.get(name) is None:
                raise RequestRefused(f'expecting a value for non-nullable variable: "{name}"')
        schema = self.schema(role).schema
        found = get_variable_values(schema, prepared.operation.variable_definitions or (), dict(given), max_errors=1)
        if isinstance(found, list):
            raise RequestRefused(found[0].message, path="$.variables")
        return _coerced(found)

    def plan(self, role: str, prepared: _Prepared, variables: Mapping[str, Any]) -> _Plan:
        """The statement for variables of this shape.

        Raises: RequestRefused.
        """
        key = tuple((name, shape(value, prepared.types[name])) for name, value in sorted(variables.items()))
        found = prepared.plans.find(key)
        return found or prepared.plans.keep(key, self._plan(role, prepared, variables))

    def _plan(self, role: str, prepared: _Prepared, variables: Mapping[str, Any]) -> _Plan:
        schema = self.schema(role)
        collector = Collector(prepared.fragments, variables)
        root = schema.schema.query_type
        assert root is not None
        fields = collector.collect([prepared.operation.selection_set], root, "$")
        for one in fields:
            if one.name in ("__schema", "__type") and role in self.metadata.introspection_off:
                raise RequestRefused(f"field '{one.name}' not found in type: 'query_root'", path=one.path)
        read = [one for one in fields if one.name not in META and one.name != NOTHING]
        compiler = Compiler(schema, collector, variables, stringify=self.stringify_numerics)
        return _Plan(tuple(fields), compiler.statement(read) if read else None)


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
        prepared = engine.prepare(role, document, operation_name)
        values = engine.variables(role, prepared, variables or {})
        plan = engine.plan(role, prepared, values)
        rows: Sequence[str | None] = ()
        if plan.statement is not None:
            sent = parameters(plan.statement.slots, values, session.variables)
            rows = await _read(engine, role, session, plan.statement, sent)
        return Answer(_joined(plan.fields, rows, _meta(engine, role, prepared, plan, variables or {})))
    except RequestRefused as error:
        return Answer(None, (error,))


async def _read(
    engine: Engine, role: str, session: Session, statement: Statement, sent: list[Any]
) -> Sequence[str | None]:
    limit_s = engine.metadata.time_limit_s.of(role, engine.limits.time_s)
    try:
        async with engine.db.tx(session.tenant_id, branches=session.branches, readonly=True) as tx:
            cursor = psycopg.AsyncRawCursor(tx.connection, row_factory=tuple_row)
            async with tx.connection.pipeline():
                await tx.connection.execute(
                    "SELECT set_config('statement_timeout', %(limit)s, true)", {"limit": f"{limit_s}s"}
                )
                await cursor.execute(statement.text, sent)
            row = await cursor.fetchone()
            assert row is not None
            return row
    except StatementTimeout as error:
        raise RequestRefused(f"the operation took longer than {limit_s} s", code="time-limit-exceeded") from error
    except psycopg.DataError as error:
        raise RequestRefused(error.diag.message_primary or str(error), code="data-exception") from error
    except psycopg.Error as error:
        raise RequestRefused("database query error", code="unexpected") from error


def _meta(engine: Engine, role: str, prepared: _Prepared, plan: _Plan, variables: Mapping[str, Any]) -> dict[str, Any]:
    """What the schema says about itself."""
    nodes = tuple(node for one in plan.fields if one.name in META for node in one.nodes)
    if not nodes:
        return {}
    operation = prepared.operation
    inner = OperationDefinitionNode(
        operation=operation.operation,
        name=operation.name,
        variable_definitions=operation.variable_definitions,
        directives=(),
        selection_set=SelectionSetNode(selections=nodes),
    )
    document = DocumentNode(definitions=(inner, *prepared.fragments.values()))
    answer = execute_sync(engine.schema(role).schema, document, variable_values=dict(variables))
    if answer.errors:
        raise RequestRefused(_first(answer.errors))
    return answer.data or {}


def _first(errors: Sequence[GraphQLError]) -> str:
    return errors[0].message


def _joined(fields: Sequence[Field], rows: Sequence[str | None], meta: Mapping[str, Any]) -> bytes:
    """The members of the answer in the order they were asked for."""
    parts, place = [], 0
    for one in fields:
        if one.name in META or one.name == NOTHING:
            text = json.dumps(meta.get(one.response))
        else:
            text, place = rows[place] or "null", place + 1
        parts.append(f'"{one.response}":{text}')
    return ("{" + ",".join(parts) + "}").encode()


def _coerced(found: Any) -> dict[str, Any]:
    return dict(getattr(found, "coerced", found))

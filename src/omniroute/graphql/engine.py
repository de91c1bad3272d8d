"""What is kept between requests: the schema of each role, and for each operation its statement by the shape of the
variables."""

import asyncio
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

from graphql import (
    DocumentNode,
    FragmentDefinitionNode,
    OperationDefinitionNode,
    OperationType,
    get_variable_values,
    type_from_ast,
)

from omniroute.graphql.compiler.following import Following, FollowingCompiler
from omniroute.graphql.compiler.given import shape
from omniroute.graphql.compiler.mutating import Changes, compile_mutation
from omniroute.graphql.compiler.selecting import Compiler, Statement
from omniroute.graphql.errors import RequestRefused
from omniroute.graphql.fields import META, Collector, Field
from omniroute.graphql.limits import Limits, check_size, check_value_nesting, has_more_values, parse_within
from omniroute.graphql.metadata.tree import Metadata
from omniroute.graphql.model.catalog import Catalog, read_catalog
from omniroute.graphql.model.implied import Implied
from omniroute.graphql.model.roles import RoleView, known_roles
from omniroute.graphql.model.tables import Model
from omniroute.graphql.plugged import Operation, RootFields, operation_of
from omniroute.graphql.schema.building import NOTHING, RoleSchema, build_schema
from omniroute.graphql.validating import check_document, choose_operation, code_of, worded
from omniroute.infra.postgres import Database

K = TypeVar("K")
V = TypeVar("V")

DOCUMENT_LARGE = 10_000
"""Characters of a document, and"""
VALUES_LARGE = 2_000
"""values in variables beyond which others would wait for the work put into a request. It is done beside the event loop,
for one such request at a time. A statement with a place for each of very many values is not kept."""
OPERATIONS_KEPT = 1_000
SHAPES_KEPT = 50
UNKNOWN_ROLE = "\0"
NO_TABLES = META | {NOTHING}


@dataclass(slots=True)
class Prepared:
    """A validated operation and its plans by the shape of the variables."""

    schema: RoleSchema
    document: DocumentNode
    operation: OperationDefinitionNode
    fragments: Mapping[str, FragmentDefinitionNode]
    types: Mapping[str, Any]
    plans: "_Kept[Any, Plan]"


@dataclass(frozen=True, slots=True)
class Plan:
    """The statement for the fields read from tables; others are answered from the schema, or by what is plugged in."""

    fields: tuple[Field, ...]
    statement: Statement | None
    read: tuple[str, ...]
    """The names in the answer of what the statement gives."""
    plugged: Mapping[str, RootFields]
    """By the name in the answer, who answers the fields that are no tables."""
    changes: Mapping[str, Changes] = field(default_factory=dict)
    """Of a mutation: by the name in the answer, what the fields of tables and functions do. Then there is no
    statement."""
    following: Following | None = None
    """Of a subscription: the statement that answers many subscribers at once. Then there is no other."""


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
        plugged: Sequence[RootFields] = (),
        implied: Sequence[Implied] = (),
    ) -> None:
        self.db = db
        self.metadata = metadata
        self.model = Model(metadata, catalog, implied)
        self.limits = limits or Limits()
        self.stringify_numerics = stringify_numerics
        self.plugged = tuple(plugged)
        self.roles = known_roles(metadata).union(*(one.roles() for one in self.plugged))
        self._large = asyncio.Semaphore(1)
        self._schemas: dict[tuple[str, bool], RoleSchema] = {}
        self._operations: _Kept[tuple[str, str, str | None, bool], Prepared] = _Kept(OPERATIONS_KEPT)

    @classmethod
    async def open(cls, db: Database, metadata: Metadata, **options: Any) -> "Engine":
        """An engine over what the database is like now; open another after a migration."""
        return cls(db, metadata, await read_catalog(db, metadata), **options)

    def schema(self, role: str, *, is_backend: bool = False) -> RoleSchema:
        """The schema of a role; one nobody has heard of sees nothing."""
        known = role if role in self.roles else UNKNOWN_ROLE
        key = (known, is_backend)
        if key not in self._schemas:
            self._schemas[key] = build_schema(RoleView(self.model, known), self.plugged, is_backend=is_backend)
        return self._schemas[key]

    def look_at(
        self, role: str, document: str, operation_name: str | None, *, is_backend: bool = False
    ) -> tuple[Operation, DocumentNode | None]:
        """Whether a request asks for a query, a mutation or a subscription, before it is checked; and the document
        for `prepared`, if it had to be parsed to find out.

        Raises: RequestRefused when the document is too large, cannot be read, or has no such operation.
        """
        key = (role if role in self.roles else UNKNOWN_ROLE, document, operation_name, is_backend)
        found = self._operations.find(key)
        if found is not None:
            return operation_of(found.operation), None
        parsed = parse_within(document, self.limits)
        return operation_of(choose_operation(parsed, operation_name)), parsed

    async def prepared(
        self,
        role: str,
        document: str,
        operation_name: str | None,
        *,
        is_backend: bool = False,
        parsed: DocumentNode | None = None,
    ) -> Prepared:
        """As `prepare`; others are served while a large document is read. `parsed`: the document, if it has been.

        Raises: RequestRefused.
        """
        key = (role if role in self.roles else UNKNOWN_ROLE, document, operation_name, is_backend)
        found = self._operations.find(key)
        if found is not None:
            return found
        if len(document) <= DOCUMENT_LARGE:
            return self._operations.keep(key, self._prepare(*key, parsed))
        self.schema(role, is_backend=is_backend)
        async with self._large:
            made = await asyncio.to_thread(self._prepare, *key, parsed)
        return self._operations.keep(key, made)

    async def planned(self, role: str, prepared: Prepared, given: Mapping[str, Any]) -> tuple[dict[str, Any], Plan]:
        """The variables and the plan of a request; others are served while one for very many values is made.

        Raises: RequestRefused.
        """
        if not has_more_values(given, VALUES_LARGE):
            values = self.variables(role, prepared, given)
            return values, self.plan(role, prepared, values)
        async with self._large:
            values = await asyncio.to_thread(self.variables, role, prepared, given)
            return values, await asyncio.to_thread(self._plan, role, prepared, values)

    def prepare(self, role: str, document: str, operation_name: str | None, *, is_backend: bool = False) -> Prepared:
        """Parse, bound and validate a document, once. `is_backend`: for one of our own side.

        Raises: RequestRefused.
        """
        key = (role if role in self.roles else UNKNOWN_ROLE, document, operation_name, is_backend)
        found = self._operations.find(key)
        return found or self._operations.keep(key, self._prepare(*key))

    def _prepare(
        self, role: str, text: str, operation_name: str | None, is_backend: bool, parsed: DocumentNode | None = None
    ) -> Prepared:
        document = parsed or parse_within(text, self.limits)
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
        schema = self.schema(role, is_backend=is_backend)
        check_document(schema, document, operation)
        types = {
            one.variable.name.value: type_from_ast(schema.schema, one.type)
            for one in operation.variable_definitions or ()
        }
        return Prepared(schema, document, operation, fragments, types, _Kept(SHAPES_KEPT))

    def variables(self, role: str, prepared: Prepared, given: Mapping[str, Any]) -> dict[str, Any]:
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
        found = get_variable_values(
            prepared.schema.schema, prepared.operation.variable_definitions or (), dict(given), max_errors=1
        )
        if isinstance(found, list):
            message = worded(found[0].message, prepared.schema.schema)
            raise RequestRefused(message, path="$.variables", code=code_of(message))
        return _coerced(found)

    def plan(self, role: str, prepared: Prepared, variables: Mapping[str, Any]) -> Plan:
        """The statement for variables of this shape.

        Raises: RequestRefused.
        """
        key = tuple((name, shape(value, prepared.types[name])) for name, value in sorted(variables.items()))
        found = prepared.plans.find(key)
        return found or prepared.plans.keep(key, self._plan(role, prepared, variables))

    def _plan(self, role: str, prepared: Prepared, variables: Mapping[str, Any]) -> Plan:
        schema, operation = prepared.schema, prepared.operation.operation
        collector = Collector(prepared.fragments, variables)
        root = schema.schema.get_root_type(operation)
        assert root is not None
        fields = collector.collect([prepared.operation.selection_set], root, "$")
        for one in fields:
            if one.name in ("__schema", "__type") and role in self.metadata.introspection_off:
                raise RequestRefused(f"field '{one.name}' not found in type: 'query_root'", path=one.path)
        found = {one.response: schema.plugged.get((operation_of(prepared.operation), one.name)) for one in fields}
        plugged = {response: answers for response, answers in found.items() if answers is not None}
        read = [one for one in fields if one.name not in NO_TABLES and one.response not in plugged]
        if operation is OperationType.SUBSCRIPTION:
            made = FollowingCompiler(schema, collector, variables, stringify=self.stringify_numerics)
            return Plan(tuple(fields), None, (), plugged, following=made.following(read[0]) if read else None)
        if operation is OperationType.MUTATION:
            done = {
                one.response: compile_mutation(schema, collector, variables, one, stringify=self.stringify_numerics)
                for one in read
            }
            return Plan(tuple(fields), None, (), plugged, done)
        compiler = Compiler(schema, collector, variables, stringify=self.stringify_numerics)
        names = tuple(one.response for one in read)
        return Plan(tuple(fields), compiler.statement(read) if read else None, names, plugged)


def _coerced(found: Any) -> dict[str, Any]:
    return dict(getattr(found, "coerced", found))

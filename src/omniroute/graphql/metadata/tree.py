"""Nouns of Hasura metadata, as far as a PostgreSQL source goes. Frozen; no I/O.

Everything here is data: permissions, actions and triggers are read and kept whether or not this engine serves them;
`checking` says what it does not serve.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

Json = Any
Naming = Literal["hasura-default", "graphql-default"]


@dataclass(frozen=True, slots=True, order=True)
class Name:
    """A table or function with its schema."""

    schema: str
    name: str

    def __str__(self) -> str:
        return f"{self.schema}.{self.name}"


@dataclass(frozen=True, slots=True)
class SelectPermission:
    """Which columns (None: all) and rows a role may read."""

    role: str
    columns: frozenset[str] | None
    computed_fields: frozenset[str]
    filter: Json
    limit: int | None
    allow_aggregations: bool
    query_root_fields: frozenset[str] | None
    """None: all of select, select_by_pk, select_aggregate."""
    subscription_root_fields: frozenset[str] | None
    """None: all of these, and select_stream."""


@dataclass(frozen=True, slots=True)
class InsertPermission:
    """What a role may insert."""

    role: str
    columns: frozenset[str] | None
    check: Json
    presets: Mapping[str, Json]
    backend_only: bool


@dataclass(frozen=True, slots=True)
class UpdatePermission:
    """What a role may update."""

    role: str
    columns: frozenset[str] | None
    filter: Json
    check: Json
    presets: Mapping[str, Json]
    backend_only: bool


@dataclass(frozen=True, slots=True)
class DeletePermission:
    """What a role may delete."""

    role: str
    filter: Json
    backend_only: bool


@dataclass(frozen=True, slots=True)
class Relationship:
    """From one table to one row (object) or many rows (array) of another.

    `columns` are ours that hold the foreign key (object), or with `remote` set those of the remote table (array).
    `mapping` (ours to theirs) is a manual relationship: no foreign key is needed.
    """

    name: str
    is_array: bool
    columns: tuple[str, ...]
    remote: Name | None
    mapping: Mapping[str, str] | None
    is_after: bool = False
    """Whether, inserted beside one of ours, its row comes second (insertion_order: after_parent)."""


@dataclass(frozen=True, slots=True)
class ComputedField:
    """A function of the row that looks like a column, or like a relationship when it returns rows of a table."""

    name: str
    function: Name
    table_argument: str | None
    session_argument: str | None


@dataclass(frozen=True, slots=True)
class EventTrigger:
    """A webhook told of changed rows. `transforms`: members that change what is sent."""

    name: str
    definition: Mapping[str, Json]
    webhook: str | None
    webhook_from_env: str | None
    retry: Mapping[str, Json]
    headers: tuple[Mapping[str, Json], ...]
    transforms: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Table:
    """One tracked table or view."""

    name: Name
    is_enum: bool = False
    custom_name: str | None = None
    root_fields: Mapping[str, str] = field(default_factory=dict)
    """Custom names of root fields by what they do: select, select_by_pk, select_aggregate, insert, ..."""
    column_names: Mapping[str, str] = field(default_factory=dict)
    """Custom GraphQL names by column."""
    relationships: tuple[Relationship, ...] = ()
    computed_fields: tuple[ComputedField, ...] = ()
    select: tuple[SelectPermission, ...] = ()
    insert: tuple[InsertPermission, ...] = ()
    update: tuple[UpdatePermission, ...] = ()
    delete: tuple[DeletePermission, ...] = ()
    event_triggers: tuple[EventTrigger, ...] = ()


@dataclass(frozen=True, slots=True)
class Function:
    """A tracked function that returns rows of a tracked table."""

    name: Name
    custom_name: str | None = None
    root_fields: Mapping[str, str] = field(default_factory=dict)
    session_argument: str | None = None
    exposed_as: Literal["query", "mutation"] | None = None
    """None: by its volatility (VOLATILE is a mutation)."""
    roles: frozenset[str] = frozenset()
    """Roles with an explicit permission; anyone who may select the returned table may call it as a query anyway."""


@dataclass(frozen=True, slots=True)
class Source:
    """One database: its tracked tables and functions."""

    name: str
    naming: Naming = "hasura-default"
    tables: tuple[Table, ...] = ()
    functions: tuple[Function, ...] = ()


@dataclass(frozen=True, slots=True)
class Argument:
    """An argument or field of a custom type, with its type as GraphQL writes it."""

    name: str
    type: str


@dataclass(frozen=True, slots=True)
class Action:
    """A query or mutation answered by a handler over HTTP."""

    name: str
    operation: Literal["query", "mutation"]
    kind: Literal["synchronous", "asynchronous"]
    handler: str
    output_type: str
    arguments: tuple[Argument, ...]
    timeout_s: int
    forward_client_headers: bool
    headers: tuple[Mapping[str, Json], ...]
    request_transform: Mapping[str, Json] | None
    response_transform: Mapping[str, Json] | None
    roles: frozenset[str]
    comment: str | None


@dataclass(frozen=True, slots=True)
class CustomType:
    """A type made for actions: input object, object, scalar or enum."""

    name: str
    kind: Literal["input", "object", "scalar", "enum"]
    fields: tuple[Argument, ...] = ()
    values: tuple[str, ...] = ()
    relationships: tuple[Mapping[str, Json], ...] = ()


@dataclass(frozen=True, slots=True)
class CronTrigger:
    """A webhook called on a schedule. `transforms`: members that change what is sent."""

    name: str
    webhook: str
    schedule: str
    payload: Json
    headers: tuple[Mapping[str, Json], ...]
    retry: Mapping[str, Json]
    comment: str | None
    transforms: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class RoleLimit:
    """A limit for every role, and for single ones."""

    everyone: int | None = None
    by_role: Mapping[str, int] = field(default_factory=dict)

    def of(self, role: str, usual: int) -> int:
        """The limit of a role; `usual` where the metadata names none."""
        if role in self.by_role:
            return self.by_role[role]
        return usual if self.everyone is None else self.everyone


ADDRESS = "ip"
"""What stands for the caller's address among the names of session variables."""


@dataclass(frozen=True, slots=True)
class RateLimit:
    """How many operations a minute. `by`: beside the role, what tells callers apart."""

    per_minute: int
    by: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class RateLimits:
    """One for every role, and for single ones."""

    everyone: RateLimit | None = None
    by_role: Mapping[str, RateLimit] = field(default_factory=dict)

    def of(self, role: str) -> RateLimit | None:
        """The limit of a role, if it has one."""
        return self.by_role.get(role, self.everyone)


@dataclass(frozen=True, slots=True)
class AllowedQueries:
    """A collection of documents on the allow list: for every role, or for these."""

    name: str
    documents: tuple[str, ...]
    roles: frozenset[str] | None


@dataclass(frozen=True, slots=True)
class Metadata:
    """All of it."""

    sources: tuple[Source, ...] = ()
    inherited_roles: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    actions: tuple[Action, ...] = ()
    custom_types: tuple[CustomType, ...] = ()
    cron_triggers: tuple[CronTrigger, ...] = ()
    depth_limit: RoleLimit = RoleLimit()
    node_limit: RoleLimit = RoleLimit()
    time_limit_s: RoleLimit = RoleLimit()
    batch_limit: RoleLimit = RoleLimit()
    rate_limit: RateLimits = RateLimits()
    introspection_off: frozenset[str] = frozenset()
    """Roles that may not ask for the schema."""
    allow_list: tuple[AllowedQueries, ...] = ()


@dataclass(frozen=True, slots=True)
class Problem:
    """A place in the metadata that is wrong (it will not load) or is not served by this engine."""

    where: str
    what: str
    is_wrong: bool = False

    def __str__(self) -> str:
        return f"{self.where}: {self.what}"

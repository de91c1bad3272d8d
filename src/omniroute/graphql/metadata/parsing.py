"""From the metadata document to its nouns. What cannot be understood or is not known becomes a `Problem` by name;
nothing is dropped silently."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Literal, TypeVar, cast

from omniroute.graphql.metadata.tree import (
    Action,
    AllowedQueries,
    Argument,
    ComputedField,
    CronTrigger,
    CustomType,
    DeletePermission,
    EventTrigger,
    Function,
    InsertPermission,
    Metadata,
    Name,
    Naming,
    Problem,
    Relationship,
    RoleLimit,
    SelectPermission,
    Source,
    Table,
    UpdatePermission,
)

T = TypeVar("T")

NOT_SERVED = {
    "remote_schemas": "remote schemas are not served",
    "rest_endpoints": "REST endpoints are not served",
    "backend_configs": "sources other than PostgreSQL are not served",
    "network": "network settings are not used",
    "opentelemetry": "telemetry is set by our own settings",
    "metrics_config": "metrics are set by our own settings",
}
_SOURCE_NOT_SERVED = {
    "logical_models": "logical models are not served",
    "native_queries": "native queries are not served",
    "stored_procedures": "stored procedures are not served",
}
_QUERY_ROOTS = ("select", "select_by_pk", "select_aggregate")
_NAMINGS = ("hasura-default", "graphql-default")


class Part:
    """A mapping being read: where it stands, and which of its members have been asked for."""

    def __init__(self, value: Any, where: str, problems: list[Problem]) -> None:
        self.where = where
        self.problems = problems
        self.members: dict[str, Any] = dict(value) if isinstance(value, Mapping) else {}
        self._asked: set[str] = set()
        if value is not None and not isinstance(value, Mapping):
            self.wrong(f"must be a mapping, not {value!r:.60}")

    def wrong(self, what: str) -> None:
        self.problems.append(Problem(self.where, what, is_wrong=True))

    def unserved(self, what: str) -> None:
        self.problems.append(Problem(self.where, what))

    def raw(self, key: str) -> Any:
        self._asked.add(key)
        return self.members.get(key)

    def _of(self, key: str, kinds: type | tuple[type, ...], kind: str, default: T) -> Any | T:
        value = self.raw(key)
        if value is None:
            return default
        if not isinstance(value, kinds) or (isinstance(value, bool) and kinds is int):
            self.wrong(f"{key} must be {kind}, not {value!r:.60}")
            return default
        return value

    def text(self, key: str) -> str | None:
        return cast("str | None", self._of(key, str, "text", None))

    def need(self, key: str) -> str:
        if key not in self.members:
            self.wrong(f"{key} is missing")
        return self.text(key) or ""

    def flag(self, key: str) -> bool:
        return bool(self._of(key, bool, "true or false", False))

    def number(self, key: str) -> int | None:
        return cast("int | None", self._of(key, int, "a whole number", None))

    def mapping(self, key: str) -> dict[str, Any]:
        return dict(self._of(key, Mapping, "a mapping", {}))

    def texts(self, key: str) -> dict[str, str]:
        return {k: v for k, v in self.mapping(key).items() if isinstance(v, str) and v}

    def items(self, key: str) -> list[Any]:
        return list(self._of(key, list, "a list", []))

    def part(self, key: str) -> "Part":
        return Part(self.raw(key), f"{self.where}.{key}", self.problems)

    def name(self, key: str) -> Name:
        """A qualified name: text (schema public), or a mapping of schema and name."""
        value = self.raw(key)
        match value:
            case str():
                return Name("public", value)
            case {"name": str(name)}:
                return Name(str(value.get("schema") or "public"), name)
        self.wrong(f"{key} must be a name, not {value!r:.60}")
        return Name("public", "")

    @contextmanager
    def read(self) -> Iterator["Part"]:
        """At the end, members nobody asked for are problems."""
        yield self
        for key in self.members.keys() - self._asked - {"comment"}:
            self.unserved(f"{key} is not known")

    def each(self, key: str, called: Callable[[Any, int], str], make: Callable[["Part"], T]) -> tuple[T, ...]:
        """The items of a list, each read as a part with a name of its own."""
        found = []
        for place, item in enumerate(self.items(key)):
            part = Part(item, f"{self.where} {called(item, place)}".strip(), self.problems)
            if isinstance(item, Mapping):
                with part.read():
                    found.append(make(part))
        return tuple(found)


def parse_metadata(document: Mapping[str, Any]) -> tuple[Metadata, tuple[Problem, ...]]:
    """The nouns of a metadata document, and everything in it that is wrong or not known."""
    problems: list[Problem] = []
    inner = document.get("metadata")
    if isinstance(inner, Mapping):
        document = inner  # `export_metadata` of version 2 of its API wraps the document.
    top = Part(document, "metadata", problems)
    top.raw("version")
    if document.get("version", 3) != 3:
        top.wrong(f"version {document['version']!r} is not read; 3 is needed")
    for key, what in NOT_SERVED.items():
        if top.raw(key):
            problems.append(Problem(key, what))
    limits = top.part("api_limits")
    with top.read(), limits.read():
        metadata = Metadata(
            sources=_sources(top),
            inherited_roles=dict(top.each("inherited_roles", _called("inherited role", "role_name"), _inherited)),
            actions=top.each("actions", _called("action", "name"), _action),
            custom_types=_custom_types(top.part("custom_types")),
            cron_triggers=top.each("cron_triggers", _called("cron trigger", "name"), _cron),
            introspection_off=frozenset(map(str, top.part("graphql_schema_introspection").items("disabled_for_roles"))),
            allow_list=_allow_list(top),
            **_limits(limits),
        )
    return metadata, tuple(problems)


def _called(noun: str, key: str) -> Callable[[Any, int], str]:
    def called(item: Any, place: int) -> str:
        name = item.get(key) if isinstance(item, Mapping) else None
        if isinstance(name, Mapping):
            name = f"{name.get('schema') or 'public'}.{name.get('name')}"
        return f"{noun} {name if isinstance(name, str) else place + 1}"

    return called


def _sources(top: Part) -> tuple[Source, ...]:
    found = top.each("sources", _called("source", "name"), _source)
    if top.raw("tables") or top.raw("functions"):
        top.wrong("tables outside of a source (version 2) are not read; export version 3")
    return found


def _source(part: Part) -> Source:
    if (part.text("kind") or "postgres") not in ("postgres", "pg", "citus", "cockroach"):
        part.unserved(f"kind {part.text('kind')} is not served")
    for key, what in _SOURCE_NOT_SERVED.items():
        if part.items(key):
            part.unserved(what)
    for key in ("configuration", "query_tags", "health_check"):
        part.raw(key)  # How Hasura reaches the database and watches it; we have our own settings.
    custom = part.part("customization")
    for key in ("root_fields", "type_names"):
        if any(custom.mapping(key).values()):
            custom.unserved(f"{key} is not served")
    naming = custom.text("naming_convention") or "hasura-default"
    if naming not in _NAMINGS:
        custom.wrong(f"naming_convention must be one of {', '.join(_NAMINGS)}, not {naming}")
        naming = "hasura-default"
    return Source(
        part.need("name"),
        cast("Naming", naming),
        part.each("tables", _called("table", "table"), _table),
        part.each("functions", _called("function", "function"), _function),
    )


def _table(part: Part) -> Table:
    configuration = part.part("configuration")
    with configuration.read():
        columns = configuration.texts("custom_column_names")
        for column, config in configuration.mapping("column_config").items():
            if isinstance(config, Mapping) and isinstance(config.get("custom_name"), str):
                columns[column] = config["custom_name"]
        custom_name = configuration.text("custom_name")
        root_fields = _root_fields(configuration.mapping("custom_root_fields"))
    if part.items("remote_relationships"):
        part.unserved("remote relationships are not served")
    if part.raw("apollo_federation_config"):
        part.unserved("Apollo federation is not served")
    return Table(
        name=part.name("table"),
        is_enum=part.flag("is_enum"),
        custom_name=custom_name,
        root_fields=root_fields,
        column_names=columns,
        relationships=part.each("object_relationships", _called("object relationship", "name"), _object)
        + part.each("array_relationships", _called("array relationship", "name"), _array),
        computed_fields=part.each("computed_fields", _called("computed field", "name"), _computed),
        select=part.each("select_permissions", _called("select permission of", "role"), _select),
        insert=part.each("insert_permissions", _called("insert permission of", "role"), _insert),
        update=part.each("update_permissions", _called("update permission of", "role"), _update),
        delete=part.each("delete_permissions", _called("delete permission of", "role"), _delete),
        event_triggers=part.each("event_triggers", _called("event trigger", "name"), _event_trigger),
    )


def _root_fields(given: Mapping[str, Any]) -> dict[str, str]:
    """Custom root field names; each is a text, or a mapping of name and comment."""
    names = {key: value.get("name") if isinstance(value, Mapping) else value for key, value in given.items()}
    return {key: name for key, name in names.items() if isinstance(name, str) and name}


def _function(part: Part) -> Function:
    configuration = part.part("configuration")
    with configuration.read():
        exposed = configuration.text("exposed_as")
        if exposed not in (None, "query", "mutation"):
            configuration.wrong(f"exposed_as must be query or mutation, not {exposed}")
            exposed = None
        if configuration.raw("response"):
            configuration.unserved("response is not served")
        roles = {str(item.get("role")) for item in part.items("permissions") if isinstance(item, Mapping)}
        return Function(
            part.name("function"),
            configuration.text("custom_name"),
            _root_fields(configuration.mapping("custom_root_fields")),
            configuration.text("session_argument"),
            cast("Literal['query', 'mutation'] | None", exposed),
            frozenset(roles),
        )


def _manual(part: Part) -> tuple[Name, dict[str, str], bool] | None:
    if "manual_configuration" not in part.members:
        return None
    manual = part.part("manual_configuration")
    with manual.read():
        is_after = manual.text("insertion_order") == "after_parent"
        return manual.name("remote_table"), manual.texts("column_mapping"), is_after


def _columns(part: Part, value: Any) -> tuple[str, ...]:
    match value:
        case str():
            return (value,)
        case list() if value and all(isinstance(item, str) for item in value):
            return tuple(value)
    part.wrong(f"foreign_key_constraint_on must name columns, not {value!r:.60}")
    return ()


def _object(part: Part) -> Relationship:
    name, using = part.need("name"), part.part("using")
    with using.read():
        manual = _manual(using)
        if manual:
            return Relationship(name, False, (), *manual)
        on = using.raw("foreign_key_constraint_on")
        if isinstance(on, Mapping):  # One to one: the other table holds the key.
            remote = using.part("foreign_key_constraint_on")
            columns = _columns(remote, remote.raw("column") or remote.raw("columns"))
            return Relationship(name, False, columns, remote.name("table"), None)
        return Relationship(name, False, _columns(using, on), None, None)


def _array(part: Part) -> Relationship:
    name, using = part.need("name"), part.part("using")
    with using.read():
        manual = _manual(using)
        if manual:
            return Relationship(name, True, (), *manual)
        remote = using.part("foreign_key_constraint_on")
        columns = _columns(remote, remote.raw("column") or remote.raw("columns"))
        return Relationship(name, True, columns, remote.name("table"), None)


def _computed(part: Part) -> ComputedField:
    definition = part.part("definition")
    with definition.read():
        return ComputedField(
            part.need("name"),
            definition.name("function"),
            definition.text("table_argument"),
            definition.text("session_argument"),
        )


def _permission(part: Part) -> tuple[str, Part]:
    return part.need("role"), part.part("permission")


def _column_set(part: Part) -> frozenset[str] | None:
    value = part.raw("columns")
    if value == "*":
        return None
    if isinstance(value, list) and all(isinstance(item, str) for item in value):
        return frozenset(value)
    if value is not None:
        part.wrong(f"columns must be a list or *, not {value!r:.60}")
    return frozenset()


def _select(part: Part) -> SelectPermission:
    role, permission = _permission(part)
    with permission.read():
        if permission.raw("validate_input"):
            permission.unserved("validate_input is not served")
        return SelectPermission(
            role,
            _column_set(permission),
            frozenset(map(str, permission.items("computed_fields"))),
            permission.mapping("filter"),
            permission.number("limit"),
            permission.flag("allow_aggregations"),
            _root_kinds(permission, "query_root_fields", _QUERY_ROOTS),
            _root_kinds(permission, "subscription_root_fields", (*_QUERY_ROOTS, "select_stream")),
        )


def _root_kinds(part: Part, key: str, known: tuple[str, ...]) -> frozenset[str] | None:
    """The root fields a role is left with; None where the metadata do not say."""
    if part.raw(key) is None:
        return None
    kinds = frozenset(map(str, part.items(key)))
    if kinds - set(known):
        part.wrong(f"{key} must be some of {', '.join(known)}, not {', '.join(sorted(kinds - set(known)))}")
    return kinds


def _insert(part: Part) -> InsertPermission:
    role, permission = _permission(part)
    with permission.read():
        if permission.raw("validate_input"):
            permission.unserved("validate_input is not served")
        return InsertPermission(
            role,
            _column_set(permission),
            permission.mapping("check"),
            permission.mapping("set"),
            permission.flag("backend_only"),
        )


def _update(part: Part) -> UpdatePermission:
    role, permission = _permission(part)
    with permission.read():
        if permission.raw("validate_input"):
            permission.unserved("validate_input is not served")
        return UpdatePermission(
            role,
            _column_set(permission),
            permission.mapping("filter"),
            permission.mapping("check"),
            permission.mapping("set"),
            permission.flag("backend_only"),
        )


def _delete(part: Part) -> DeletePermission:
    role, permission = _permission(part)
    with permission.read():
        if permission.raw("validate_input"):
            permission.unserved("validate_input is not served")
        return DeletePermission(role, permission.mapping("filter"), permission.flag("backend_only"))


def _event_trigger(part: Part) -> EventTrigger:
    part.raw("cleanup_config")  # Old deliveries are forgotten by our own settings.
    return EventTrigger(
        part.need("name"),
        part.mapping("definition"),
        part.text("webhook"),
        part.text("webhook_from_env"),
        part.mapping("retry_conf"),
        tuple(part.items("headers")),
        _transforms(part),
    )


def _transforms(part: Part) -> tuple[str, ...]:
    return tuple(key for key in ("request_transform", "response_transform") if part.raw(key))


def _inherited(part: Part) -> tuple[str, tuple[str, ...]]:
    return part.need("role_name"), tuple(map(str, part.items("role_set")))


def _arguments(part: Part, key: str) -> tuple[Argument, ...]:
    return part.each(key, _called("argument", "name"), _argument)


def _argument(part: Part) -> Argument:
    part.raw("description")
    return Argument(part.need("name"), part.need("type"))


def _action(part: Part) -> Action:
    definition = part.part("definition")
    roles = {str(item.get("role")) for item in part.items("permissions") if isinstance(item, Mapping)}
    with definition.read():
        operation, kind = definition.text("type") or "mutation", definition.text("kind") or "synchronous"
        if operation not in ("query", "mutation"):
            definition.wrong(f"type must be query or mutation, not {operation}")
        if kind not in ("synchronous", "asynchronous"):
            definition.wrong(f"kind must be synchronous or asynchronous, not {kind}")
        return Action(
            part.need("name"),
            "query" if operation == "query" else "mutation",
            "asynchronous" if kind == "asynchronous" else "synchronous",
            definition.need("handler"),
            definition.need("output_type"),
            _arguments(definition, "arguments"),
            definition.number("timeout") or 30,
            definition.flag("forward_client_headers"),
            tuple(definition.items("headers")),
            definition.mapping("request_transform") or None,
            definition.mapping("response_transform") or None,
            frozenset(roles),
            part.text("comment"),
        )


def _custom_types(part: Part) -> tuple[CustomType, ...]:
    with part.read():
        return (
            *part.each("input_objects", _called("input object", "name"), lambda item: _custom(item, "input")),
            *part.each("objects", _called("object", "name"), lambda item: _custom(item, "object")),
            *part.each("scalars", _called("scalar", "name"), lambda item: _custom(item, "scalar")),
            *part.each("enums", _called("enum", "name"), lambda item: _custom(item, "enum")),
        )


def _custom(part: Part, kind: Literal["input", "object", "scalar", "enum"]) -> CustomType:
    part.raw("description")
    values = tuple(str(item.get("value")) for item in part.items("values") if isinstance(item, Mapping))
    return CustomType(part.need("name"), kind, _arguments(part, "fields"), values, tuple(part.items("relationships")))


def _cron(part: Part) -> CronTrigger:
    part.raw("include_in_metadata")
    return CronTrigger(
        part.need("name"),
        part.need("webhook"),
        part.need("schedule"),
        part.raw("payload"),
        tuple(part.items("headers")),
        part.mapping("retry_conf"),
        part.text("comment"),
        _transforms(part),
    )


def _limits(part: Part) -> dict[str, RoleLimit]:
    if part.raw("rate_limit"):
        part.unserved("rate_limit is not served")
    off = part.flag("disabled")
    kinds = {"depth_limit": "depth_limit", "node_limit": "node_limit", "time_limit": "time_limit_s"}
    found = {}
    for key, name in (kinds | {"batch_limit": "batch_limit"}).items():
        one = part.part(key)
        with one.read():
            by_role = {role: value for role, value in one.mapping("per_role").items() if isinstance(value, int)}
            found[name] = RoleLimit() if off else RoleLimit(one.number("global"), by_role)
    return found


def _allow_list(top: Part) -> tuple[AllowedQueries, ...]:
    """The collections that are on the allow list; the others are only kept for reference."""
    collections = dict(top.each("query_collections", _called("query collection", "name"), _collection))

    def allowed(part: Part) -> AllowedQueries:
        name, scope = part.need("collection"), part.part("scope")
        if name not in collections:
            part.wrong(f"there is no query collection {name}")
        with scope.read():
            everyone = scope.raw("global") in (None, True)
            roles = None if everyone else frozenset(map(str, scope.items("roles")))
        return AllowedQueries(name, collections.get(name, ()), roles)

    return top.each("allowlist", _called("allow list", "collection"), allowed)


def _collection(part: Part) -> tuple[str, tuple[str, ...]]:
    definition = part.part("definition")
    with definition.read():
        queries = definition.each(
            "queries", _called("query", "name"), lambda one: (one.need("name"), one.need("query"))
        )
        return part.need("name"), tuple(text for _, text in queries)

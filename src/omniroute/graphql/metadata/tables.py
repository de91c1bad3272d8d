"""Reads a source: its tables with their relationships and computed fields, and its functions."""

from collections.abc import Mapping
from typing import Any, Literal, cast

from omniroute.graphql.metadata.parts import Part, called
from omniroute.graphql.metadata.permissions import (
    delete_permissions,
    insert_permissions,
    select_permissions,
    update_permissions,
)
from omniroute.graphql.metadata.tree import ComputedField, Function, Name, Naming, Relationship, Source, Table
from omniroute.graphql.metadata.triggers import event_triggers

_NOT_SERVED = {
    "logical_models": "logical models are not served",
    "native_queries": "native queries are not served",
    "stored_procedures": "stored procedures are not served",
}
_NAMINGS = ("hasura-default", "graphql-default")


def read_source(part: Part) -> Source:
    """A database and what is tracked of it."""
    if (part.text("kind") or "postgres") not in ("postgres", "pg", "citus", "cockroach"):
        part.unserved(f"kind {part.text('kind')} is not served")
    for key, what in _NOT_SERVED.items():
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
        part.each("tables", called("table", "table"), _table),
        part.each("functions", called("function", "function"), _function),
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
        relationships=part.each("object_relationships", called("object relationship", "name"), _object)
        + part.each("array_relationships", called("array relationship", "name"), _array),
        computed_fields=part.each("computed_fields", called("computed field", "name"), _computed),
        select=select_permissions(part),
        insert=insert_permissions(part),
        update=update_permissions(part),
        delete=delete_permissions(part),
        event_triggers=event_triggers(part),
    )


def _root_fields(given: Mapping[str, Any]) -> dict[str, str]:
    """Custom root field names; each is a text, or a mapping of name and comment."""
    names = {key: value.get("name") if isinstance(value, Mapping) else value for key, value in given.items()}
    return {key: name for key, name in names.items() if isinstance(name, str) and name}


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

"""Says what of a metadata folder this engine does not serve, or cannot, by name."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from omniroute.graphql.actions import check_actions
from omniroute.graphql.errors import MetadataRefused
from omniroute.graphql.metadata.parsing import parse_metadata
from omniroute.graphql.metadata.reading import read_folder
from omniroute.graphql.metadata.tree import DeletePermission, InsertPermission, Metadata, Problem, Table
from omniroute.graphql.model.catalog import Catalog
from omniroute.graphql.model.filters import FilterUnreadable, read_filter
from omniroute.graphql.model.rights import VERBS, Permission, Verb, has_conflict, read_presets
from omniroute.graphql.model.roles import ADMIN, GRAPHQL_NAME, RoleView, known_roles
from omniroute.graphql.model.tables import Model, Tracked
from omniroute.graphql.schema.building import build_schema
from omniroute.graphql.triggers import check_triggers


def load_metadata(folder: Path) -> Metadata:
    """The metadata in a folder, for an engine. What is only not served is left to `check`.

    Raises: MetadataUnreadable, MetadataRefused.
    """
    metadata, problems = parse_metadata(read_folder(folder))
    wrong = [str(one) for one in problems if one.is_wrong]
    if wrong:
        raise MetadataRefused("; ".join(wrong[:5]), problems=wrong)
    return metadata


def check(metadata: Metadata, found: tuple[Problem, ...] = (), catalog: Catalog | None = None) -> tuple[Problem, ...]:
    """Everything wrong or not served: `found` while reading, what this engine leaves out, and, with a catalog, where
    the metadata does not fit the database."""
    problems = [*found, *_left_out(metadata)]
    if catalog is not None:
        problems += _unfit(metadata, catalog)
    return tuple(dict.fromkeys(problems))


def _left_out(metadata: Metadata) -> Iterator[Problem]:
    for source in metadata.sources[1:]:
        yield Problem(f"source {source.name}", "one source is served, the first")
    yield from check_actions(metadata)
    yield from check_triggers(metadata)


def _unfit(metadata: Metadata, catalog: Catalog) -> Iterator[Problem]:
    model = Model(metadata, catalog)
    yield from model.problems
    for tracked in model.tables.values():
        yield from _unfit_table(model, tracked)
    yield from check_actions(metadata, RoleView(model, ADMIN))
    yield from check_triggers(metadata, model)
    for role in sorted(known_roles(metadata)):
        yield from _clashes(model, role)


def _unfit_table(model: Model, tracked: Tracked) -> Iterator[Problem]:
    table, columns = tracked.table, tracked.relation.columns
    for column in columns:
        if not GRAPHQL_NAME.fullmatch(model.names.column(table, column)):
            yield Problem(f"table {table.name} column {column}", "is not a GraphQL name; it is left out")
    for permission in table.select:
        where = f"table {table.name} select permission of {permission.role}"
        unknown = sorted((permission.columns or frozenset()) - columns.keys())
        unknown += sorted(permission.computed_fields - tracked.computed.keys())
        if unknown:
            yield Problem(where, f"names fields that do not exist: {', '.join(unknown)}", is_wrong=True)
        yield from _unread(model, table, where, permission.filter)
    for verb in VERBS:
        for writing in getattr(table, verb):
            yield from _unfit_writing(model, tracked, verb, writing)


def _unread(model: Model, table: Table, where: str, condition: Any) -> Iterator[Problem]:
    try:
        read_filter(model, table.name, condition)
    except FilterUnreadable as error:
        yield Problem(where, f"no row passes: {error}", is_wrong=True)


def _unfit_writing(model: Model, tracked: Tracked, verb: Verb, permission: Permission) -> Iterator[Problem]:
    """Where a permission to write does not fit the table."""
    where = f"table {tracked.table.name} {verb} permission of {permission.role}"
    if verb not in tracked.relation.writes:
        yield Problem(where, f"PostgreSQL has no {verb} for it; it is left out")
    if not isinstance(permission, InsertPermission):
        yield from _unread(model, tracked.table, where, permission.filter)
    if isinstance(permission, DeletePermission):
        return
    yield from _unread(model, tracked.table, where, permission.check)
    columns = tracked.relation.columns
    unknown = sorted(((permission.columns or frozenset()) | permission.presets.keys()) - columns.keys())
    if unknown:
        yield Problem(where, f"names columns that do not exist: {', '.join(unknown)}", is_wrong=True)
    elif read_presets(tracked, permission.presets) is None:
        yield Problem(where, "a session variable in set cannot be the name of a member; it is left out", is_wrong=True)
    unwritten = sorted(name for name in permission.columns or () if name in columns and not columns[name].is_written)
    if unwritten:
        yield Problem(where, f"names columns that PostgreSQL computes itself: {', '.join(unwritten)}")


def _clashes(model: Model, role: str) -> Iterator[Problem]:
    view = RoleView(model, role)
    for tracked in model.tables.values():
        for verb in VERBS:
            if has_conflict(model, role, getattr(tracked.table, verb)):
                where = f"table {tracked.table.name} {verb} permission of {role}"
                yield Problem(where, "the roles it inherits from differ; it has none until one is written for it")
    tables: dict[str, Table] = {}
    for one in view.tables.values():
        if one.type_name in tables:
            other = tables[one.type_name].name
            yield Problem(f"table {one.name}", f"has the type name {one.type_name} of {other}", is_wrong=True)
        tables[one.type_name] = one.tracked.table
    try:
        build_schema(view, is_backend=True)
    except (TypeError, ValueError) as error:
        yield Problem(f"role {role}", f"its schema cannot be made: {error}", is_wrong=True)

"""Says what of a metadata folder this engine does not serve, or cannot, by name."""

from collections.abc import Iterator
from pathlib import Path

from omniroute.graphql.catalog import Catalog
from omniroute.graphql.errors import MetadataRefused
from omniroute.graphql.filters import FilterUnreadable, read_filter
from omniroute.graphql.metadata import Metadata, Problem, Source, Table
from omniroute.graphql.model import Model, Tracked
from omniroute.graphql.parsing import parse_metadata
from omniroute.graphql.reading import read_folder
from omniroute.graphql.roles import GRAPHQL_NAME, RoleView, is_query, known_roles
from omniroute.graphql.schema import build_schema


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
    for source in metadata.sources[:1]:
        yield from _left_out_of(source)
    for action in metadata.actions:
        yield Problem(f"action {action.name}", "actions are not served")
    for cron in metadata.cron_triggers:
        yield Problem(f"cron trigger {cron.name}", "cron triggers are not served")
    if metadata.batch_limit.everyone is not None or metadata.batch_limit.by_role:
        yield Problem("api_limits.batch_limit", "batches are not served")


def _left_out_of(source: Source) -> Iterator[Problem]:
    for table in source.tables:
        for kind in ("insert", "update", "delete"):
            for permission in getattr(table, kind):
                yield Problem(f"table {table.name} {kind} permission of {permission.role}", "mutations are not served")
        for trigger in table.event_triggers:
            yield Problem(f"table {table.name} event trigger {trigger.name}", "event triggers are not served")
    for function in source.functions:
        if function.exposed_as == "mutation":
            yield Problem(f"function {function.name}", "mutations are not served")


def _unfit(metadata: Metadata, catalog: Catalog) -> Iterator[Problem]:
    model = Model(metadata, catalog)
    yield from model.problems
    for tracked in model.tables.values():
        yield from _unfit_table(model, tracked)
    for one in model.functions:
        if one.function.exposed_as is None and not is_query(one):
            yield Problem(f"function {one.function.name}", "it may change data, and mutations are not served")
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
        try:
            read_filter(model, table.name, permission.filter)
        except FilterUnreadable as error:
            yield Problem(where, f"no row passes: {error}", is_wrong=True)


def _clashes(model: Model, role: str) -> Iterator[Problem]:
    view = RoleView(model, role)
    tables: dict[str, Table] = {}
    for one in view.tables.values():
        if one.type_name in tables:
            other = tables[one.type_name].name
            yield Problem(f"table {one.name}", f"has the type name {one.type_name} of {other}", is_wrong=True)
        tables[one.type_name] = one.tracked.table
    try:
        build_schema(view)
    except (TypeError, ValueError) as error:
        yield Problem(f"role {role}", f"its schema cannot be made: {error}", is_wrong=True)

"""From the metadata document to its nouns. What cannot be understood or is not known becomes a `Problem` by name;
nothing is dropped silently."""

from collections.abc import Mapping
from typing import Any

from omniroute.graphql.metadata.actions import actions, custom_types
from omniroute.graphql.metadata.parts import Part, called
from omniroute.graphql.metadata.tables import read_source
from omniroute.graphql.metadata.tree import (
    ADDRESS,
    AllowedQueries,
    Metadata,
    Problem,
    RateLimit,
    RateLimits,
    RoleLimit,
    Source,
)
from omniroute.graphql.metadata.triggers import cron_triggers

NOT_SERVED = {
    "remote_schemas": "remote schemas are not served",
    "rest_endpoints": "REST endpoints are not served",
    "backend_configs": "sources other than PostgreSQL are not served",
    "network": "network settings are not used",
    "opentelemetry": "telemetry is set by our own settings",
    "metrics_config": "metrics are set by our own settings",
}


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
            inherited_roles=dict(top.each("inherited_roles", called("inherited role", "role_name"), _inherited)),
            actions=actions(top),
            custom_types=custom_types(top.part("custom_types")),
            cron_triggers=cron_triggers(top),
            introspection_off=frozenset(map(str, top.part("graphql_schema_introspection").items("disabled_for_roles"))),
            allow_list=_allow_list(top),
            rate_limit=_rates(limits),
            **_limits(limits),
        )
    return metadata, tuple(problems)


def _sources(top: Part) -> tuple[Source, ...]:
    found = top.each("sources", called("source", "name"), read_source)
    if top.raw("tables") or top.raw("functions"):
        top.wrong("tables outside of a source (version 2) are not read; export version 3")
    return found


def _inherited(part: Part) -> tuple[str, tuple[str, ...]]:
    return part.need("role_name"), tuple(map(str, part.items("role_set")))


def _limits(part: Part) -> dict[str, RoleLimit]:
    off = part.flag("disabled")
    kinds = {"depth_limit": "depth_limit", "node_limit": "node_limit", "time_limit": "time_limit_s"}
    found = {}
    for key, name in (kinds | {"batch_limit": "batch_limit"}).items():
        one = part.part(key)
        with one.read():
            by_role = {role: value for role, value in one.mapping("per_role").items() if isinstance(value, int)}
            found[name] = RoleLimit() if off else RoleLimit(one.number("global"), by_role)
    return found


def _rates(limits: Part) -> RateLimits:
    """Operations a minute."""
    part = limits.part("rate_limit")
    with part.read():
        by_role = part.part("per_role")
        found = {role: one for role in by_role.members if (one := _rate(by_role.part(role))) is not None}
        everyone = _rate(part.part("global"))
    return RateLimits() if limits.flag("disabled") else RateLimits(everyone, found)


def _rate(part: Part) -> RateLimit | None:
    with part.read():
        most, by = part.number("max_reqs_per_min"), part.raw("unique_params")
        match by:
            case None | []:
                names: tuple[str, ...] = ()
            case str() if by.lower() == ADDRESS:
                names = (ADDRESS,)
            case list() if all(isinstance(one, str) for one in by):
                names = tuple(one.lower() for one in by)
            case _:
                part.wrong(f"unique_params must be IP or a list of session variables, not {by!r:.60}")
                names = ()
        return None if most is None else RateLimit(most, names)


def _allow_list(top: Part) -> tuple[AllowedQueries, ...]:
    """The collections that are on the allow list; the others are only kept for reference."""
    collections = dict(top.each("query_collections", called("query collection", "name"), _collection))

    def allowed(part: Part) -> AllowedQueries:
        name, scope = part.need("collection"), part.part("scope")
        if name not in collections:
            part.wrong(f"there is no query collection {name}")
        with scope.read():
            everyone = scope.raw("global") in (None, True)
            roles = None if everyone else frozenset(map(str, scope.items("roles")))
        return AllowedQueries(name, collections.get(name, ()), roles)

    return top.each("allowlist", called("allow list", "collection"), allowed)


def _collection(part: Part) -> tuple[str, tuple[str, ...]]:
    definition = part.part("definition")
    with definition.read():
        queries = definition.each("queries", called("query", "name"), lambda one: (one.need("name"), one.need("query")))
        return part.need("name"), tuple(text for _, text in queries)

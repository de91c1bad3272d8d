"""What one role sees: tables, fields and rows. What is not here does not exist for the role."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from omniroute.graphql.metadata.tree import Metadata, Name, Table
from omniroute.graphql.model.catalog import Column
from omniroute.graphql.model.expressions import TRUE, Expression, Or, Term
from omniroute.graphql.model.filters import FilterUnreadable, read_filter
from omniroute.graphql.model.tables import Computed, Link, Model, Tracked, TrackedFunction

GRAPHQL_NAME = re.compile(r"[_A-Za-z][_0-9A-Za-z]*")


@dataclass(frozen=True, slots=True)
class ColumnField:
    """A column a role sees. `only_where`: it is null unless one of these holds (inherited roles)."""

    column: Column
    only_where: tuple[Expression, ...] | None = None
    names_an_enum: bool = False
    """Whether its values are those of an enum table, which have no order."""

    def term(self) -> Term:
        return Term(self.column.type, column=self.column.name, only_where=self.only_where)


@dataclass(frozen=True, slots=True)
class ComputedView:
    """A computed field a role sees."""

    computed: Computed
    only_where: tuple[Expression, ...] | None = None

    def term(self) -> Term:
        one = self.computed
        return Term(one.routine.returns, None, one.routine, one.session_argument, self.only_where)


@dataclass(frozen=True, slots=True)
class AggregateLink:
    """The aggregate beside an array relationship."""

    link: Link


Member = ColumnField | ComputedView | Link | AggregateLink


@dataclass(frozen=True, slots=True)
class TableView:
    """A table as one role sees it: its fields by GraphQL name, and which rows (`guards`: one must hold; none: all)."""

    tracked: Tracked
    type_name: str
    root: str
    members: Mapping[str, Member]
    guards: tuple[Expression, ...]
    limit: int | None
    has_aggregates: bool
    roots: frozenset[str]
    """Which fields of query_root: select, select_by_pk, select_aggregate."""
    followed: frozenset[str]
    """Which fields of subscription_root: these, and select_stream."""

    @property
    def name(self) -> Name:
        return self.tracked.table.name

    def columns(self) -> dict[str, ColumnField]:
        return {name: one for name, one in self.members.items() if isinstance(one, ColumnField)}

    def primary_key(self) -> dict[str, ColumnField] | None:
        """The fields of the primary key, if there is one and the role sees all of it, always."""
        by_column = {one.column.name: (name, one) for name, one in self.columns().items()}
        key = self.tracked.relation.primary_key
        if not key or any(column not in by_column or by_column[column][1].only_where for column in key):
            return None
        return dict(by_column[column] for column in key)


ALL_ROOTS = frozenset({"select", "select_by_pk", "select_aggregate"})
ALL_FOLLOWED = ALL_ROOTS | {"select_stream"}
ADMIN = "admin"


class RoleView:
    """All that one role may see."""

    def __init__(self, model: Model, role: str) -> None:
        self.model = model
        self.role = role
        seen = {name: one for name, tracked in model.tables.items() if (one := self._rights(tracked)) is not None}
        self.tables = {name: self._view(model.tables[name], rights, seen) for name, rights in seen.items()}
        self.functions = tuple(one for one in model.functions if one.target in self.tables and is_query(one))

    def unseen(self, tracked: Tracked) -> TableView:
        """A table the role sees nothing of; it may still be one it writes."""
        names, table = self.model.names, tracked.table
        nobody = (Or(()),)
        none = frozenset[str]()
        return TableView(tracked, names.table_type(table), names.table_root(table), {}, nobody, None, False, none, none)

    def _rights(self, tracked: Tracked) -> "list[_Right] | None":
        if self.role == ADMIN:
            return [_Right(TRUE, None, frozenset(tracked.computed), None, True, ALL_ROOTS, ALL_FOLLOWED)]
        found = []
        own = {one.role: one for one in tracked.table.select}
        for role in [self.role] if self.role in own else _parents(self.model.metadata, self.role):
            if role in own:
                one = own[role]
                rows = guard(self.model, tracked.table.name, one.filter)
                roots = ALL_ROOTS if one.query_root_fields is None else one.query_root_fields
                followed = ALL_FOLLOWED if one.subscription_root_fields is None else one.subscription_root_fields
                found.append(
                    _Right(rows, one.columns, one.computed_fields, one.limit, one.allow_aggregations, roots, followed)
                )
        return [one for one in found if _sees_something(one, tracked)] or None

    def _view(self, tracked: Tracked, rights: "list[_Right]", seen: Mapping[Name, "list[_Right]"]) -> TableView:
        names, table = self.model.names, tracked.table
        members: dict[str, Member] = {}
        for column in tracked.relation.columns.values():
            holds = [one for one in rights if one.columns is None or column.name in one.columns]
            if holds and GRAPHQL_NAME.fullmatch(names.column(table, column.name)):
                only_where, is_enum = _only_where(holds, rights), self.model.names_an_enum(tracked, column.name)
                members[names.column(table, column.name)] = ColumnField(column, only_where, is_enum)
        for computed in tracked.computed.values():
            # Rows of another table are seen by who sees that table; a scalar must be granted.
            holds = [one for one in rights if computed.target is not None or computed.name in one.computed_fields]
            if holds and (computed.target is None or computed.target in seen):
                members[computed.name] = ComputedView(computed, _only_where(holds, rights))
        for link in tracked.links.values():
            if link.target in seen:
                members[link.name] = link
                if link.is_array and any(one.has_aggregates for one in seen[link.target]):
                    members[names.field(link.name, "aggregate")] = AggregateLink(link)
        limits = [one.limit for one in rights]
        return TableView(
            tracked,
            names.table_type(table),
            names.table_root(table),
            members,
            () if any(one.guard == TRUE for one in rights) else tuple(one.guard for one in rights),
            None if None in limits else max(limit for limit in limits if limit is not None),
            any(one.has_aggregates for one in rights),
            frozenset[str]().union(*(one.roots for one in rights)),
            frozenset[str]().union(*(one.followed for one in rights)),
        )


@dataclass(frozen=True, slots=True)
class _Right:
    """A select permission, ready to be joined with others of an inherited role."""

    guard: Expression
    columns: frozenset[str] | None
    computed_fields: frozenset[str]
    limit: int | None
    has_aggregates: bool
    roots: frozenset[str]
    followed: frozenset[str]


def _only_where(holds: list[_Right], rights: list[_Right]) -> tuple[Expression, ...] | None:
    """Under which of its parents' filters an inherited role sees a column; None: wherever it sees the row."""
    if len(holds) == len(rights) or any(one.guard == TRUE for one in holds):
        return None
    return tuple(one.guard for one in holds)


def _sees_something(right: _Right, tracked: Tracked) -> bool:
    columns = tracked.relation.columns.keys()
    return bool(right.computed_fields or (columns if right.columns is None else right.columns & columns))


def is_query(one: TrackedFunction) -> bool:
    """Whether a function is a field of query_root; the others are mutations."""
    exposed = one.function.exposed_as
    return exposed == "query" or (exposed is None and one.routine.volatility != "v")


def _parents(metadata: Metadata, role: str) -> list[str]:
    """The roles an inherited role is made of, all the way down."""
    found: list[str] = []
    open_: list[str] = list(metadata.inherited_roles.get(role, ()))
    while open_:
        one = open_.pop(0)
        if one not in found:
            found.append(one)
            open_ += metadata.inherited_roles.get(one, ())
    return found


def known_roles(metadata: Metadata) -> frozenset[str]:
    """Every role that some permission or inheritance names, and admin."""
    tables: Iterable[Table] = (table for source in metadata.sources for table in source.tables)
    named = set[str]()
    for table in tables:
        for kind in (table.select, table.insert, table.update, table.delete):
            named |= {one.role for one in kind}
    return frozenset(named | metadata.inherited_roles.keys() | {ADMIN})


def guard(model: Model, table: Name, condition: Any) -> Expression:
    """A filter that cannot be read lets no row pass; `check` names it."""
    try:
        return read_filter(model, table, condition)
    except FilterUnreadable:
        return Or(())

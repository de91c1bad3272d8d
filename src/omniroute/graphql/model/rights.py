"""What one role may write: which tables, rows and columns, and what is set for it."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal, TypeVar

from omniroute.graphql.metadata.tree import DeletePermission, InsertPermission, Name, UpdatePermission
from omniroute.graphql.model.catalog import Column
from omniroute.graphql.model.expressions import TRUE, Constant, Expression, FromSession, Template
from omniroute.graphql.model.filters import FilterUnreadable, read_value
from omniroute.graphql.model.roles import ADMIN, GRAPHQL_NAME, RoleView, TableView, guard, is_query
from omniroute.graphql.model.tables import Link, Model, Tracked, TrackedFunction

Verb = Literal["insert", "update", "delete"]
Permission = InsertPermission | UpdatePermission | DeletePermission
P = TypeVar("P", bound=Permission)
Preset = Constant | FromSession | Template

VERBS: tuple[Verb, ...] = ("insert", "update", "delete")


@dataclass(frozen=True, slots=True)
class InsertRight:
    """Columns a role gives by GraphQL name, what is set for it, and what a new row must be like."""

    columns: Mapping[str, Column]
    presets: Mapping[str, Preset]
    check: Expression


@dataclass(frozen=True, slots=True)
class UpdateRight:
    """Also which rows, and what they must be like afterwards."""

    columns: Mapping[str, Column]
    presets: Mapping[str, Preset]
    filter: Expression
    check: Expression


@dataclass(frozen=True, slots=True)
class WriteView:
    """A table as one role writes it. `rows` is how it sees the table: perhaps no field of it (`is_seen`)."""

    tracked: Tracked
    rows: TableView
    is_seen: bool
    insert: InsertRight | None
    update: UpdateRight | None
    delete: Expression | None

    @property
    def name(self) -> Name:
        return self.tracked.table.name

    @property
    def type_name(self) -> str:
        return self.rows.type_name


class Writes:
    """All that one role may write. `is_backend`: also by permissions that are only for our own side."""

    def __init__(self, view: RoleView, *, is_backend: bool) -> None:
        self.view = view
        self.model = view.model
        self.is_backend = is_backend
        found = [self._table(tracked) for tracked in self.model.tables.values()]
        self.tables = {one.name: one for one in found if one.insert or one.update or one.delete is not None}
        self.functions = tuple(
            one
            for one in self.model.functions
            if not is_query(one) and one.target in view.tables and may_call(self.model, view.role, one)
        )

    def links(self, table: WriteView) -> dict[str, Link]:
        """Relationships through which rows of other tables can be inserted beside one of this table."""
        return {
            name: link
            for name, link in table.tracked.links.items()
            if link.target in self.tables and self.tables[link.target].insert and GRAPHQL_NAME.fullmatch(name)
        }

    def _table(self, tracked: Tracked) -> WriteView:
        seen = self.view.tables.get(tracked.table.name)
        can = tracked.relation.writes
        return WriteView(
            tracked,
            seen or self.view.unseen(tracked),
            seen is not None,
            self._insert(tracked) if "insert" in can else None,
            self._update(tracked) if "update" in can else None,
            self._delete(tracked) if "delete" in can else None,
        )

    def _allowed(self, tracked: Tracked, permissions: tuple[P, ...]) -> P | None:
        found = permission_of(self.model, self.view.role, permissions)
        return None if found is None or (found.backend_only and not self.is_backend) else found

    def _columns(self, tracked: Tracked, names: frozenset[str] | None, presets: Mapping[str, Any]) -> dict[str, Column]:
        fields = {self.model.names.column(tracked.table, one.name): one for one in tracked.relation.columns.values()}
        return {
            name: one
            for name, one in fields.items()
            if one.is_written
            and (names is None or one.name in names)
            and one.name not in presets
            and GRAPHQL_NAME.fullmatch(name)
        }

    def _insert(self, tracked: Tracked) -> InsertRight | None:
        if self.view.role == ADMIN:
            return InsertRight(self._columns(tracked, None, {}), {}, TRUE)
        one = self._allowed(tracked, tracked.table.insert)
        presets = None if one is None else read_presets(tracked, one.presets)
        if one is None or presets is None:
            return None
        check = guard(self.model, tracked.table.name, one.check)
        return InsertRight(self._columns(tracked, one.columns, presets), presets, check)

    def _update(self, tracked: Tracked) -> UpdateRight | None:
        if self.view.role == ADMIN:
            return UpdateRight(self._columns(tracked, None, {}), {}, TRUE, TRUE)
        one = self._allowed(tracked, tracked.table.update)
        presets = None if one is None else read_presets(tracked, one.presets)
        if one is None or presets is None:
            return None
        filter_, check = (guard(self.model, tracked.table.name, item) for item in (one.filter, one.check))
        return UpdateRight(self._columns(tracked, one.columns, presets), presets, filter_, check)

    def _delete(self, tracked: Tracked) -> Expression | None:
        if self.view.role == ADMIN:
            return TRUE
        one = self._allowed(tracked, tracked.table.delete)
        return None if one is None else guard(self.model, tracked.table.name, one.filter)


def read_presets(tracked: Tracked, given: Mapping[str, Any]) -> dict[str, Preset] | None:
    """What is set for a role. None when it cannot be read: then the role may do nothing here, and `check` names it."""
    if given.keys() - tracked.relation.columns.keys():
        return None
    try:
        return {name: read_value(value) for name, value in given.items()}
    except FilterUnreadable:
        return None


def permission_of(model: Model, role: str, permissions: Iterable[P]) -> P | None:
    """The permission of a role: its own, or the one its parents agree on. Parents that differ leave it with none."""
    by_role = {one.role: one for one in permissions}
    return next(iter(_candidates(model, role, by_role.get, frozenset())), None)


def has_conflict(model: Model, role: str, permissions: Iterable[Permission]) -> bool:
    """Whether the parents of an inherited role differ in what they may write."""
    by_role = {one.role: one for one in permissions}
    inherited = model.metadata.inherited_roles.get(role, ())
    found = [one for parent in inherited for one in _candidates(model, parent, by_role.get, frozenset({role}))]
    return role not in by_role and not _agree(found)


def _candidates(model: Model, role: str, own: Callable[[str], P | None], above: frozenset[str]) -> list[P]:
    """At most one permission. Above are the roles it is being looked up for: inheritance may be circular."""
    mine = own(role)
    if mine is not None:
        return [mine]
    parents = [one for one in model.metadata.inherited_roles.get(role, ()) if one not in above]
    found = [one for parent in parents for one in _candidates(model, parent, own, above | {role})]
    return found[:1] if _agree(found) else []


def _agree(found: Sequence[Permission]) -> bool:
    return all(replace(one, role="") == replace(found[0], role="") for one in found)


def may_call(model: Model, role: str, one: TrackedFunction) -> bool:
    """Whether a role may call a function that is a mutation: it or one of its parents must be named."""
    if role == ADMIN or role in one.function.roles:
        return True
    return any(parent in one.function.roles for parent in model.metadata.inherited_roles.get(role, ()))

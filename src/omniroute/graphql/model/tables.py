"""The tracked tables with everything resolved: relationships have their columns, computed fields their functions.

Made from metadata and catalog together; where they do not fit, the place is named in `problems` and left out.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from omniroute.graphql.metadata.naming import Names
from omniroute.graphql.metadata.tree import (
    ComputedField,
    Function,
    Metadata,
    Name,
    Problem,
    Relationship,
    Source,
    Table,
)
from omniroute.graphql.model.catalog import Catalog, Parameter, Relation, Routine
from omniroute.graphql.model.implied import Implied


@dataclass(frozen=True, slots=True)
class Link:
    """A relationship with its columns: (ours, theirs)."""

    name: str
    is_array: bool
    target: Name
    pairs: tuple[tuple[str, str], ...]
    nullable: bool
    is_after: bool = False
    """Whether the other row points to ours, and so is inserted after it."""


@dataclass(frozen=True, slots=True)
class Computed:
    """A computed field with its function. `target` names the table when it returns rows of one."""

    name: str
    routine: Routine
    session_argument: str | None
    parameters: tuple[Parameter, ...]
    """What the caller gives: neither the row nor the session."""
    target: Name | None


@dataclass(frozen=True, slots=True)
class TrackedFunction:
    """A tracked function with what the caller gives."""

    function: Function
    routine: Routine
    parameters: tuple[Parameter, ...]
    target: Name


@dataclass(frozen=True, slots=True)
class Tracked:
    """A tracked table as the database and the metadata have it."""

    table: Table
    relation: Relation
    links: Mapping[str, Link]
    computed: Mapping[str, Computed]


class Model:
    """Everything tracked in one source, resolved."""

    def __init__(self, metadata: Metadata, catalog: Catalog, implied: Sequence[Implied] = ()) -> None:
        self.metadata = metadata
        self.source = metadata.sources[0] if metadata.sources else Source("default")
        self.names = Names(self.source.naming)
        self.catalog = catalog
        self.problems: list[Problem] = []
        self.tables: dict[Name, Tracked] = {}
        tracked = {table.name: table for table in self.source.tables}
        for table in self.source.tables:
            self._add(table, tracked)
        self.functions = tuple(found for one in self.source.functions if (found := self._callable(one)))
        columns = {name: one.relation.columns for name, one in self.tables.items()}
        self.implied = {
            (one.table, one.column): one
            for one in implied
            if {one.column, one.other} <= columns.get(one.table, {}).keys()
        }

    def _add(self, table: Table, tracked: Mapping[Name, Table]) -> None:
        where = f"table {table.name}"
        relation = self.catalog.relations.get(table.name)
        if relation is None:
            self._wrong(where, "does not exist in the database")
            return
        if table.name in self.tables:
            self._wrong(where, "is tracked twice")
        unknown = sorted(table.column_names.keys() - relation.columns.keys())
        if unknown:
            self._wrong(where, f"names columns that do not exist: {', '.join(unknown)}")
        links = {}
        for relationship in table.relationships:
            link = self._link(relation, relationship, tracked)
            if isinstance(link, str):
                self._wrong(f"{where} relationship {relationship.name}", link)
            else:
                links[link.name] = link
        computed = {}
        for item in table.computed_fields:
            found = self._computed(table.name, item, tracked)
            if isinstance(found, str):
                self._wrong(f"{where} computed field {item.name}", found)
            else:
                computed[found.name] = found
        self.tables[table.name] = Tracked(table, relation, links, computed)

    def names_an_enum(self, tracked: Tracked, column: str) -> bool:
        """Whether a column points to an enum table, and so has the values of an enum."""
        targets = [self.tables.get(one.remote) for one in tracked.relation.foreign_keys if one.columns == (column,)]
        return any(one is not None and one.table.is_enum and one.relation.enum_values for one in targets)

    def _wrong(self, where: str, what: str) -> None:
        self.problems.append(Problem(where, what, is_wrong=True))

    def _link(self, relation: Relation, asked: Relationship, tracked: Mapping[Name, Table]) -> Link | str:
        if asked.mapping is not None:
            pairs, target = tuple(asked.mapping.items()), asked.remote
        elif asked.remote is not None:
            found = self._key_of(asked.remote, asked.columns, to=relation.name)
            if found is None:
                return f"{asked.remote} has no foreign key on {', '.join(asked.columns)} to {relation.name}"
            pairs, target = tuple((theirs, ours) for ours, theirs in found[1]), asked.remote
        else:
            found = self._key_of(relation.name, asked.columns)
            if found is None:
                return f"there is no foreign key on {', '.join(asked.columns)}"
            target, pairs = found
        if target is None or target not in tracked:
            return f"its table {target} is not tracked"
        remote = self.catalog.relations.get(target)
        if remote is None:
            return f"its table {target} does not exist"
        missing = [ours for ours, _ in pairs if ours not in relation.columns]
        missing += [theirs for _, theirs in pairs if theirs not in remote.columns]
        if missing or not pairs:
            return f"columns do not exist: {', '.join(missing)}" if missing else "no columns are mapped"
        # Only our own foreign key promises that there is a row; what a role may not see is missing all the same.
        promised = asked.mapping is None and asked.remote is None
        nullable = not promised or any(relation.columns[ours].nullable for ours, _ in pairs)
        is_after = asked.is_array or asked.is_after or (asked.mapping is None and asked.remote is not None)
        return Link(asked.name, asked.is_array, target, pairs, nullable, is_after)

    def _key_of(
        self, name: Name, columns: tuple[str, ...], to: Name | None = None
    ) -> tuple[Name, tuple[tuple[str, str], ...]] | None:
        relation = self.catalog.relations.get(name)
        for key in relation.foreign_keys if relation else ():
            if sorted(key.columns) == sorted(columns) and to in (None, key.remote):
                return key.remote, tuple(zip(key.columns, key.remote_columns, strict=True))
        return None

    def _routine(self, name: Name) -> Routine | str:
        if name in self.catalog.overloaded:
            return f"function {name} exists more than once"
        return self.catalog.routines.get(name) or f"function {name} does not exist"

    def _computed(self, table: Name, asked: ComputedField, tracked: Mapping[Name, Table]) -> Computed | str:
        routine = self._routine(asked.function)
        if isinstance(routine, str):
            return routine
        row = [
            place
            for place, one in enumerate(routine.parameters)
            if one.row_of == table and asked.table_argument in (None, one.name)
        ]
        if not row:
            return f"function {asked.function} does not take a row of {table}"
        if row[0] != 0:
            return f"function {asked.function} must take the row first"
        if routine.row_of is not None and routine.row_of not in tracked:
            return f"function {asked.function} returns rows of {routine.row_of}, which is not tracked"
        if routine.returns_set and routine.row_of is None:
            return f"function {asked.function} returns several values"
        given = tuple(one for one in routine.parameters[1:] if one.name != asked.session_argument)
        if any(not one.name for one in given):
            return f"function {asked.function} has arguments without names"
        return Computed(asked.name, routine, asked.session_argument, given, routine.row_of)

    def _callable(self, asked: Function) -> TrackedFunction | None:
        where, routine = f"function {asked.name}", self._routine(asked.name)
        if isinstance(routine, str):
            self._wrong(where, routine)
        elif routine.row_of is None or routine.row_of not in self.tables:
            self._wrong(where, "does not return rows of a tracked table")
        elif any(not one.name for one in routine.parameters):
            self._wrong(where, "has arguments without names")
        else:
            given = tuple(one for one in routine.parameters if one.name != asked.session_argument)
            return TrackedFunction(asked, routine, given, routine.row_of)
        return None

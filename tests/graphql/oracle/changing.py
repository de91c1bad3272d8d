"""What a mutation must do, worked out plainly: rows written, what is answered, what is refused."""

import copy
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from tests.graphql.oracle.answering import Answering
from tests.graphql.oracle.asking import Field
from tests.graphql.oracle.conditions import Condition, Reader
from tests.graphql.oracle.rights import EVERYTHING, RoleReader, Write
from tests.graphql.oracle.worlds import INHERITED, ROLES, Row, Rows, Table, clashes


class Refused(Exception):
    """With the code of the answer."""


@dataclass(frozen=True)
class Conflict:
    """on_conflict."""

    constraint: str
    columns: tuple[str, ...]
    where: Condition


@dataclass(frozen=True)
class Object:
    """A row to be inserted, and those of related tables beside it."""

    columns: Row
    beside: dict[str, tuple[list["Object"], Conflict | None]] = field(default_factory=dict)


@dataclass(frozen=True)
class Update:
    """Rows meant, and what becomes of their columns."""

    where: Condition
    sets: Row
    adds: Row
    appends: Row


@dataclass(frozen=True)
class Change:
    """A field of mutation_root."""

    kind: str
    table: Table
    objects: tuple[Object, ...] = ()
    conflict: Conflict | None = None
    updates: tuple[Update, ...] = ()
    key: Row | None = None
    inner: tuple[Field, ...] = ()
    """What is asked of the rows; nothing when the role does not see them."""

    @property
    def is_one(self) -> bool:
        return self.kind in ("insert_one", "update_by_pk", "delete_by_pk")


def right_of(role: str, table: Table, verb: str) -> Write | None:
    """What a role may write: parents must agree."""
    if role == "admin":
        return Write(tuple(one.name for one in table.columns))
    roles = ROLES if role == INHERITED else (role,)
    found = [table.rights[one][verb] for one in roles if verb in table.rights[one]]
    right: Write | None = found[0] if found and all(one == found[0] for one in found) else None
    return right


class Changing:
    """Carries out the mutation of a role on rows, which it changes."""

    def __init__(self, tables: dict[str, Table], rows: Rows, role: str) -> None:
        self.tables = tables
        self.rows = rows
        self.role = role

    def right(self, table: Table, verb: str) -> Write:
        found = right_of(self.role, table, verb)
        assert found is not None
        return found

    def change(self, one: Change) -> Any:
        """The answer of a field. Raises Refused."""
        match one.kind:
            case "insert" | "insert_one":
                written, affected = self._insert(one)
                return self._answer(one, written, affected, self.rows)
            case "update_many":
                found = []
                for update in one.updates:
                    written = self._update(one.table, update, None)
                    found.append(self._answer(one, written, len(written), self.rows))
                return found
            case "update" | "update_by_pk":
                written = self._update(one.table, one.updates[0], one.key)
                return self._answer(one, written, len(written), self.rows)
        before = copy.deepcopy(self.rows)
        written = self._delete(one)
        return self._answer(one, written, len(written), before)

    def _answer(self, one: Change, written: list[Row], affected: int, seen_in: Rows) -> Any:
        guard = RoleReader(self.tables, seen_in, self.role)
        answering = Answering(RoleReader(self.tables, self.rows, self.role))
        shown = [answering.row(one.inner, one.table, row) for row in written if guard.sees(one.table, row)]
        if one.is_one:
            return shown[0] if shown else None
        return {"affected_rows": affected} | ({"returning": shown} if one.inner else {})

    # Inserts.

    def _insert(self, one: Change) -> tuple[list[Row], int]:
        self.affected = 0
        if not any(item.beside for item in one.objects):
            written = self._statement(one.table, [item.columns for item in one.objects], one.conflict)
        else:
            found = [self._one(one.table, item, one.conflict, {}, is_needed=False) for item in one.objects]
            written = [row for row in found if row is not None]
        return written, self.affected

    def _one(self, table: Table, item: Object, conflict: Conflict | None, fixed: Row, *, is_needed: bool) -> Row | None:
        columns = item.columns | fixed
        after = []
        for name, (objects, inner) in item.beside.items():
            link = table.link(name)
            if link.is_array:
                after.append((link, objects, inner))
                continue
            row = self._one(self.tables[link.target], objects[0], inner, {}, is_needed=True)
            assert row is not None
            columns |= {ours: row[theirs] for ours, theirs in link.pairs}
        written = self._statement(table, [columns], conflict)
        if not written:
            if is_needed or after:
                raise Refused("not-supported")
            return None
        for link, objects, inner in after:
            target = self.tables[link.target]
            given = {theirs: written[0][ours] for ours, theirs in link.pairs}
            if any(one.beside for one in objects):
                for one in objects:
                    self._one(target, one, inner, given, is_needed=False)
            elif objects:
                self._statement(target, [one.columns | given for one in objects], inner)
        return written[0]

    def _statement(self, table: Table, rows: list[Row], conflict: Conflict | None) -> list[Row]:
        """Rows in one statement, one after the other; each condition sees what was there before all of them."""
        right, before = self.right(table, "insert"), copy.deepcopy(self.rows)
        defaults = {one.name: one.default for one in table.columns}
        written: list[Row] = []
        checked: list[tuple[Row, Condition]] = []
        for given in rows:
            row = defaults | given | right.presets
            self._must_be_whole(table, row)
            other = self._same_key(table, row, conflict)
            if other is None:
                self.rows[table.name].append(row)
                self._must_be_unique(table, row)
                written.append(row)
                checked.append((row, right.check))
            elif conflict and conflict.columns:
                if any(other is one for one in written):
                    raise Refused("data-exception")
                if self._upsert(table, other, row, conflict, before):
                    written.append(other)
                    after = self.right(table, "update").check
                    checked.append((other, right.check if after == EVERYTHING else after))
        self._must_point_somewhere()
        self._must_pass(table, checked, before)
        self.affected += len(written)
        return [dict(row) for row in written]

    def _same_key(self, table: Table, row: Row, conflict: Conflict | None) -> Row | None:
        if conflict is None:
            return None
        columns = table.unique[conflict.constraint]
        key = [row[one] for one in columns]
        same = (one for one in self.rows[table.name] if [one[name] for name in columns] == key)
        return None if None in key else next(same, None)

    def _upsert(self, table: Table, other: Row, row: Row, conflict: Conflict, before: Rows) -> bool:
        right = self.right(table, "update")
        if Reader(self.tables, before).holds(right.filter, table, other) is not True:
            return False
        if RoleReader(self.tables, before, self.role).holds(conflict.where, table, other) is not True:
            return False
        other |= {one: row[one] for one in conflict.columns} | right.presets
        self._must_be_whole(table, other)
        self._must_be_unique(table, other)
        return True

    # Updates and deletes.

    def _update(self, table: Table, update: Update, key: Row | None) -> list[Row]:
        right, before = self.right(table, "update"), copy.deepcopy(self.rows)
        if not (update.sets or update.adds or update.appends or right.presets):
            return []
        written = self._meant(table, right.filter, update.where, key)
        for row in written:
            adds = {name: None if row[name] is None else row[name] + more for name, more in update.adds.items()}
            appends = {name: None if row[name] is None else row[name] | more for name, more in update.appends.items()}
            row |= update.sets | adds | appends | right.presets
            self._must_be_whole(table, row)
        for row in written:
            self._must_be_unique(table, row)
        self._must_point_somewhere()
        self._must_pass(table, ((row, right.check) for row in written), before)
        return [dict(row) for row in written]

    def _delete(self, one: Change) -> list[Row]:
        where = one.updates[0].where if one.updates else EVERYTHING
        gone = self._meant(one.table, self.right(one.table, "delete").filter, where, one.key)
        kept = [row for row in self.rows[one.table.name] if not any(row is other for other in gone)]
        self.rows[one.table.name] = kept
        self._must_point_somewhere()
        return gone

    def _meant(self, table: Table, allowed: Condition, where: Condition, key: Row | None) -> list[Row]:
        raw, reader = Reader(self.tables, self.rows), RoleReader(self.tables, self.rows, self.role)
        return [
            row
            for row in self.rows[table.name]
            if raw.holds(allowed, table, row) is True
            and reader.holds(where, table, row) is True
            and all(row[name] == value for name, value in (key or {}).items())
        ]

    # What the database and the permissions demand.

    def _must_be_whole(self, table: Table, row: Row) -> None:
        if any(row[one.name] is None and not one.nullable for one in table.columns):
            raise Refused("constraint-violation")

    def _must_be_unique(self, table: Table, row: Row) -> None:
        if clashes(table, self.rows, row):
            raise Refused("constraint-violation")

    def _must_point_somewhere(self) -> None:
        for table in self.tables.values():
            for key in table.keys:
                target = self.tables[key.target]
                there = [[row[one] for one in target.primary] for row in self.rows[key.target]]
                for row in self.rows[table.name]:
                    ours = [row[one] for one in key.columns]
                    if None not in ours and ours not in there:
                        raise Refused("constraint-violation")

    def _must_pass(self, table: Table, checked: Iterable[tuple[Row, Condition]], before: Rows) -> None:
        raw = Reader(self.tables, before)
        if not all(raw.holds(condition, table, row) is True for row, condition in checked):
            raise Refused("permission-error")

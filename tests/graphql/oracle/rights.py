"""What roles may do with the tables of a world: made at random, and how a role sees the rows."""

from dataclasses import dataclass, field
from typing import Any

from hypothesis import strategies as st

from tests.graphql.oracle.conditions import Condition, Reader, Scope, condition
from tests.graphql.oracle.kinds import KINDS, Value
from tests.graphql.oracle.worlds import INHERITED, ROLES, Row, Table, pick, some

EVERYTHING: Condition = ("and", [])


@dataclass(frozen=True)
class Select:
    """A select permission."""

    columns: tuple[str, ...]
    filter: Condition
    limit: int | None = None
    aggregates: bool = True


@dataclass(frozen=True)
class Write:
    """A permission to insert, update or delete, as far as it has these members."""

    columns: tuple[str, ...] = ()
    filter: Condition = EVERYTHING
    check: Condition = EVERYTHING
    presets: dict[str, Value] = field(default_factory=dict)


def grant(draw: st.DrawFn, tables: dict[str, Table], *, writing: bool = False) -> None:
    """Give each role its rights on each table."""
    scope = Scope(
        tables,
        lambda table: [one.name for one in table.columns],
        lambda table: [one.name for one in table.links],
        is_filter=True,
    )
    for table in tables.values():
        for role in ROLES:
            rights: dict[str, Any] = {}
            table.rights[role] = rights
            if draw(st.integers(0, 5)):
                rights["select"] = _select(draw, scope, table)
            if writing:
                rights |= _writes(draw, scope, table)


def filters(draw: st.DrawFn, scope: Scope, table: Table) -> Condition:
    return condition(draw, scope, table) if some(draw) else EVERYTHING


def chosen(draw: st.DrawFn, table: Table, most: int = 8) -> tuple[str, ...]:
    """Usually the primary key and a few others."""
    names = [one.name for one in table.columns]
    found = draw(st.lists(st.sampled_from(names), min_size=1, max_size=most, unique=True))
    keys = list(table.primary) if draw(st.integers(0, 4)) else []
    return tuple(one for one in names if one in {*found, *keys})


def _select(draw: st.DrawFn, scope: Scope, table: Table) -> Select:
    limit = draw(st.integers(0, 3)) if some(draw, 4) else None
    return Select(chosen(draw, table), filters(draw, scope, table), limit, bool(draw(st.integers(0, 3))))


def _writes(draw: st.DrawFn, scope: Scope, table: Table) -> dict[str, Write]:
    found = {}
    if draw(st.integers(0, 5)):
        found["insert"] = Write(chosen(draw, table), check=filters(draw, scope, table), presets=_presets(draw, table))
    if draw(st.integers(0, 4)):
        found["update"] = Write(
            chosen(draw, table), filters(draw, scope, table), filters(draw, scope, table), _presets(draw, table)
        )
    if draw(st.integers(0, 2)):
        found["delete"] = Write(filter=filters(draw, scope, table))
    return found


def _presets(draw: st.DrawFn, table: Table) -> dict[str, Value]:
    own = [one for one in table.columns if one.name.startswith("c") and one.kind not in ("json", "texts")]
    if not own or draw(st.integers(0, 2)):
        return {}
    column = pick(draw, own)
    return {column.name: pick(draw, KINDS[column.kind].values)}


class RoleReader(Reader):
    """How a role sees the rows: those some right of it lets through, each cell only where a right that has it does."""

    def __init__(self, tables: dict[str, Table], rows: dict[str, list[Row]], role: str) -> None:
        super().__init__(tables, rows)
        self.role = role
        self.raw = Reader(tables, rows)
        self._seen: dict[str, list[Row]] = {}

    def rights(self, table: Table) -> list[Select]:
        """None of them: the role does not know the table."""
        if self.role == "admin":
            return [Select(tuple(one.name for one in table.columns), EVERYTHING)]
        roles = ROLES if self.role == INHERITED else (self.role,)
        return [table.rights[one]["select"] for one in roles if "select" in table.rights[one]]

    def columns(self, table: Table) -> list[str]:
        return [one.name for one in table.columns if any(one.name in right.columns for right in self.rights(table))]

    def links(self, table: Table) -> list[str]:
        return [one.name for one in table.links if self.rights(self.tables[one.target])]

    def always(self, table: Table, column: str) -> bool:
        """Whether the role sees a column of every row it sees."""
        holds = [one for one in self.rights(table) if column in one.columns]
        return bool(holds) and (len(holds) == len(self.rights(table)) or any(one.filter == EVERYTHING for one in holds))

    def has_key(self, table: Table) -> bool:
        return all(self.always(table, one) for one in table.primary)

    def limit(self, table: Table) -> int | None:
        limits = [one.limit for one in self.rights(table)]
        return None if None in limits else max(one for one in limits if one is not None)

    def aggregates(self, table: Table) -> bool:
        return any(one.aggregates for one in self.rights(table))

    def sees(self, table: Table, row: Row) -> bool:
        return any(self.raw.holds(one.filter, table, row) is True for one in self.rights(table))

    def rows(self, table: Table) -> list[Row]:
        if table.name not in self._seen:
            self._seen[table.name] = [row for row in self.content[table.name] if self.sees(table, row)]
        return self._seen[table.name]

    def cell(self, table: Table, row: Row, column: str) -> Any:
        holds = [one for one in self.rights(table) if column in one.columns]
        if len(holds) == len(self.rights(table)):
            return row[column]
        return row[column] if any(self.raw.holds(one.filter, table, row) is True for one in holds) else None

    def scope(self) -> Scope:
        return Scope(self.tables, self.columns, self.links, is_filter=False, aggregates=self.aggregates)

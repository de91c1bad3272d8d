"""Random worlds: tables with keys and relationships, their rows, and what each role may do with them."""

from dataclasses import dataclass, field
from typing import Any

from hypothesis import strategies as st

from tests.graphql.oracle.kinds import KINDS, Value

Row = dict[str, Value]
Rows = dict[str, list[Row]]
USER = 1
"""Who asks: a number, as columns hold."""
ROLES = ("r1", "r2")
INHERITED = "both"
"""The role that inherits from the others."""


@dataclass(frozen=True)
class Column:
    """A column; `field` is its name in GraphQL."""

    name: str
    field: str
    kind: str
    nullable: bool
    default: Value = None


@dataclass(frozen=True)
class Link:
    """A relationship. `pairs` are columns (ours, theirs); `by` says how the metadata find them."""

    name: str
    is_array: bool
    target: str
    pairs: tuple[tuple[str, str], ...]
    by: str


@dataclass(frozen=True)
class Key:
    """Columns that point to the primary key of another table."""

    columns: tuple[str, ...]
    target: str


@dataclass(repr=False)
class Table:
    """A table. Its name in GraphQL is its own."""

    name: str
    columns: list[Column]
    primary: tuple[str, ...]
    keys: list[Key] = field(default_factory=list)
    unique: dict[str, tuple[str, ...]] = field(default_factory=dict)
    links: list[Link] = field(default_factory=list)
    rights: dict[str, dict[str, Any]] = field(default_factory=dict)
    """By role, and then select, insert, update, delete: what it may."""

    def __repr__(self) -> str:
        return self.name

    def column(self, name: str) -> Column:
        return next(one for one in self.columns if one.name == name)

    def link(self, name: str) -> Link:
        return next(one for one in self.links if one.name == name)

    def of_kind(self, *kinds: str) -> list[Column]:
        return [one for one in self.columns if one.kind in kinds]


@dataclass(repr=False)
class World:
    """Tables by name, and their rows."""

    tables: dict[str, Table]
    rows: Rows


def some(draw: st.DrawFn, one_in: int = 2) -> bool:
    """True once in so many times."""
    return draw(st.integers(1, one_in)) == one_in


def number(draw: st.DrawFn, least: int, most: int) -> int:
    """A whole number."""
    found: int = draw(st.integers(least, most))
    return found


def pick(draw: st.DrawFn, items: Any) -> Any:
    """One of these."""
    return draw(st.sampled_from(list(items)))


@st.composite
def tables(draw: st.DrawFn) -> dict[str, Table]:
    """Two to four tables. Each may point to those before it, and to itself."""
    made: dict[str, Table] = {}
    for place in range(number(draw, 2, 4)):
        table = _columns(draw, place)
        made[table.name] = table
        for another in range(number(draw, 0 if place == 0 else 1, 2)):
            _point(draw, table, made[pick(draw, made)], another)
    for table in made.values():
        for key in table.keys:
            _relate(draw, table, made[key.target], key)
        if some(draw, 3):
            _relate_by_hand(draw, table, made[pick(draw, made)])
    return made


def _columns(draw: st.DrawFn, count: int) -> Table:
    primary = [Column("id", "id", pick(draw, ["int", "big"]), nullable=False)]
    if some(draw, 4):
        primary.append(Column("part", "part", pick(draw, ["text", "uuid"]), nullable=False))
    more = [
        Column(f"c{place}", f"f{place}" if some(draw, 3) else f"c{place}", kind, nullable=not some(draw, 4))
        for place, kind in enumerate(draw(st.lists(st.sampled_from(sorted(KINDS)), min_size=1, max_size=4)))
    ]
    more = [Column(one.name, one.field, one.kind, one.nullable, _default(draw, one)) for one in more]
    table = Table(f"t{count}", [*primary, *more], tuple(one.name for one in primary))
    table.unique[f"{table.name}_pkey"] = table.primary
    if some(draw):
        alone = [one.name for one in more if one.kind not in ("json", "bool")]
        if alone:
            table.unique[f"{table.name}_key"] = tuple(
                draw(st.lists(st.sampled_from(alone), min_size=1, max_size=2, unique=True))
            )
    return table


def _default(draw: st.DrawFn, column: Column) -> Value:
    return pick(draw, KINDS[column.kind].values) if not column.nullable or some(draw, 4) else None


def _point(draw: st.DrawFn, table: Table, target: Table, place: int) -> None:
    nullable = target is table or some(draw)
    columns = [
        Column(f"k{place}_{one}", f"k{place}_{one}", target.column(one).kind, nullable=nullable)
        for one in target.primary
    ]
    table.columns += columns
    table.keys.append(Key(tuple(one.name for one in columns), target.name))


def _relate(draw: st.DrawFn, table: Table, target: Table, key: Key) -> None:
    pairs = tuple(zip(key.columns, target.primary, strict=True))
    name = f"o{len(table.links)}"
    if some(draw, 4) or name in [one.name for one in table.links]:
        table.links.append(Link(name, False, target.name, pairs, "manual"))
    else:
        table.links.append(Link(name, False, target.name, pairs, "key"))
    if draw(st.integers(0, 3)):
        back = tuple((theirs, ours) for ours, theirs in pairs)
        by = "manual" if some(draw, 4) else "key"
        target.links.append(Link(f"a{len(target.links)}", True, table.name, back, by))


def _relate_by_hand(draw: st.DrawFn, table: Table, target: Table) -> None:
    """Many to many, by any two columns of a kind."""
    kinds = ("int", "text", "bool", "date", "uuid")
    pairs = [(a.name, b.name) for a in table.of_kind(*kinds) for b in target.of_kind(*kinds) if a.kind == b.kind]
    if pairs:
        table.links.append(Link(f"m{len(table.links)}", True, target.name, (pick(draw, pairs),), "manual"))


@st.composite
def contents(draw: st.DrawFn, made: dict[str, Table], most: int = 4) -> Rows:
    """Rows that keep every constraint."""
    found: Rows = {}
    for table in made.values():
        found[table.name] = []
        for place in range(number(draw, 0, most)):
            row = {one.name: value(draw, one) for one in table.columns} | {"id": place + 1}
            if all(_aim(draw, table, key, row, found) for key in table.keys) and not clashes(table, found, row):
                found[table.name].append(row)
    return found


def value(draw: st.DrawFn, column: Column) -> Value:
    """A value of a column."""
    if column.nullable and some(draw, 4):
        return None
    return pick(draw, KINDS[column.kind].values)


def _aim(draw: st.DrawFn, table: Table, key: Key, row: Row, found: Rows) -> bool:
    """Let a row point to one that is there, or to none."""
    targets: list[Any] = list(found[key.target])
    if table.column(key.columns[0]).nullable:
        targets.append(None)
    if not targets:
        return False
    chosen, primary = pick(draw, targets), list(key.columns)
    for ours in primary:
        theirs = ours.partition("_")[2]
        row[ours] = None if chosen is None else chosen[theirs]
    return True


def clashes(table: Table, found: Rows, row: Row) -> bool:
    """Whether a row has the same key as another. Nulls are never the same."""
    for columns in table.unique.values():
        mine = [row[one] for one in columns]
        if None not in mine and any(
            other is not row and [other[one] for one in columns] == mine for other in found[table.name]
        ):
            return True
    return False

"""Random mutations over a world, and their text."""

from typing import Any

from hypothesis import strategies as st

from tests.graphql.oracle.asking import Asking, Field, Text, literal
from tests.graphql.oracle.changing import Change, Conflict, Object, Update, right_of
from tests.graphql.oracle.conditions import Condition, as_where, condition
from tests.graphql.oracle.kinds import KINDS, Bare, shown
from tests.graphql.oracle.rights import EVERYTHING, RoleReader
from tests.graphql.oracle.worlds import Row, Table, number, pick, some, value


class Wanting:
    """Makes mutations a role may ask for."""

    def __init__(self, draw: st.DrawFn, reader: RoleReader) -> None:
        self.draw = draw
        self.reader = reader
        self.role = reader.role
        self.scope = reader.scope()

    def changes(self) -> list[Change]:
        """A few fields; none when the role may write nothing."""
        found = [one for table in self.reader.tables.values() for one in self._kinds(table)]
        count = number(self.draw, 1, 2)
        return [self._change(*pick(self.draw, found)) for _ in range(count)] if found else []

    def _kinds(self, table: Table) -> list[tuple[str, Table]]:
        is_seen, has_key = bool(self.reader.rights(table)), self.reader.has_key(table)
        kinds = []
        if self._may_insert(table):
            kinds += ["insert"] * 3 + (["insert_one"] * 2 if is_seen else [])
        update = right_of(self.role, table, "update")
        if update and (self._given(table, "update") or update.presets):
            kinds += ["update", "update_many"] + (["update_by_pk"] if has_key else [])
        if right_of(self.role, table, "delete"):
            kinds += ["delete"] + (["delete_by_pk"] if has_key else [])
        return [(kind, table) for kind in kinds]

    def _given(self, table: Table, verb: str) -> list[str]:
        right = right_of(self.role, table, verb)
        return [one for one in right.columns if one not in right.presets] if right else []

    def _may_insert(self, table: Table) -> bool:
        return bool(self._given(table, "insert"))

    def _change(self, kind: str, table: Table) -> Change:
        inner = self._asked(table)
        match kind:
            case "insert" | "insert_one":
                count = 1 if kind == "insert_one" else number(self.draw, 1, 3)
                objects = tuple(self._object(table, 1, frozenset()) for _ in range(count))
                return Change(kind, table, objects, self._conflict(table), inner=inner)
            case "update" | "update_many":
                count = 1 if kind == "update" else number(self.draw, 0, 2)
                updates = tuple(self._update(table, self._where(table)) for _ in range(count))
                return Change(kind, table, updates=updates, inner=inner)
            case "update_by_pk":
                return Change(
                    kind, table, updates=(self._update(table, EVERYTHING),), key=self._key(table), inner=inner
                )
            case "delete":
                return Change(kind, table, updates=(Update(self._where(table), {}, {}, {}),), inner=inner)
        return Change(kind, table, key=self._key(table), inner=inner)

    def _asked(self, table: Table) -> tuple[Field, ...]:
        if not self.reader.rights(table):
            return ()
        return Asking(self.draw, self.reader).row(table, number(self.draw, 0, 1))

    def _where(self, table: Table) -> Condition:
        seen = self.reader.rights(table)
        return condition(self.draw, self.scope, table, 1) if seen and number(self.draw, 0, 3) else EVERYTHING

    def _key(self, table: Table) -> Row:
        rows = self.reader.content[table.name]
        if rows and number(self.draw, 0, 4):
            row = pick(self.draw, rows)
            return {one: row[one] for one in table.primary}
        return {one: pick(self.draw, KINDS[table.column(one).kind].values) for one in table.primary}

    def _value(self, table: Table, column: str) -> Any:
        """Often one that is there: of a row of the table, or of one that a key may point to."""
        draw, rows = self.draw, list(self.reader.content[table.name])
        for key in table.keys:
            if column in key.columns:
                theirs = column.partition("_")[2]
                found = [row[theirs] for row in self.reader.content[key.target]]
                return pick(draw, found) if found and number(draw, 0, 5) else None
        if column == "id" and some(draw):
            return number(draw, 1, 9)
        if rows and some(draw, 3):
            return pick(draw, rows)[column]
        return value(draw, table.column(column))

    def _object(self, table: Table, depth: int, fixed: frozenset[str]) -> Object:
        draw = self.draw
        beside: dict[str, tuple[list[Object], Conflict | None]] = {}
        taken = set(fixed)
        for link in table.links:
            target = self.reader.tables[link.target]
            ours, theirs = {one for one, _ in link.pairs}, frozenset(one for _, one in link.pairs)
            if not depth or not self._may_insert(target) or not some(draw, 3):
                continue
            if link.is_array:
                count = number(draw, 0, 2)
                beside[link.name] = (
                    [self._object(target, depth - 1, theirs) for _ in range(count)],
                    self._conflict(target),
                )
            elif not ours & taken:
                taken |= ours
                beside[link.name] = [self._object(target, depth - 1, frozenset())], self._conflict(target)
        names = [one for one in self._given(table, "insert") if one not in taken]
        chosen = [one for one in names if one in table.primary or number(draw, 0, 3)]
        return Object({one: self._value(table, one) for one in chosen}, beside)

    def _conflict(self, table: Table) -> Conflict | None:
        if not some(self.draw):
            return None
        names = self._given(table, "update")
        chosen = self.draw(st.lists(st.sampled_from(names), max_size=2, unique=True)) if names else []
        where = self._where(table) if some(self.draw) else EVERYTHING
        return Conflict(pick(self.draw, sorted(table.unique)), tuple(chosen), where)

    def _update(self, table: Table, where: Condition) -> Update:
        draw, names = self.draw, self._given(table, "update")
        unique = {column for columns in table.unique.values() for column in columns}
        sets, adds, appends = Row(), Row(), Row()
        for name in names:
            kind = KINDS[table.column(name).kind]
            match pick(draw, ["none", "none", "set", "more"]):
                case "set":
                    sets[name] = self._value(table, name)
                case "more" if kind.is_number and name not in unique and not name.startswith("k"):
                    adds[name] = 1
                case "more" if kind.scalar == "jsonb":
                    appends[name] = pick(draw, kind.values)
        return Update(where, sets, adds, appends)


class MutationText(Text):
    """Writes the document of a mutation. Every change has its arguments in the document or in variables."""

    def mutation(self, changes: list[Change]) -> str:
        body = " ".join(f"m{place}: {self._of(one)}" for place, one in enumerate(changes))
        declared = f"({', '.join(self.declared)})" if self.declared else ""
        return " ".join([f"mutation M{declared} {{ {body} }}", *self.fragments])

    def _of(self, one: Change) -> str:
        verb, _, rest = one.kind.partition("_")
        name = f"{verb}_{one.table.name}" + (f"_{rest}" if rest else "")
        rows = " ".join(self.field(item, one.table.name) for item in one.inner)
        asked = rows if one.is_one else f"affected_rows returning {{ {rows} }}" if rows else "affected_rows"
        return f"{name}({', '.join(self._given(one))}) {{ {asked} }}"

    def _given(self, one: Change) -> list[str]:
        table, kind = one.table, one.kind
        if kind.startswith("insert"):
            objects = [self._object(table, item) for item in one.objects]
            found = [
                f"objects: {self.argument(f'[{table.name}_insert_input!]!', objects)}"
                if kind == "insert"
                else f"object: {self.argument(f'{table.name}_insert_input!', objects[0])}"
            ]
            if one.conflict:
                conflict = self._conflict(table, one.conflict)
                found.append(f"on_conflict: {self.argument(f'{table.name}_on_conflict', conflict)}")
            return found
        if kind == "update_many":
            updates = [self._changes(table, item) | {"where": self._where(table, item.where)} for item in one.updates]
            return [f"updates: {self.argument(f'[{table.name}_updates!]!', updates)}"]
        parts = []
        if kind == "delete_by_pk":
            return [f"{name}: {literal(shown(item))}" for name, item in (one.key or {}).items()]
        if kind == "update_by_pk":
            key = {name: shown(item) for name, item in (one.key or {}).items()}
            parts.append(f"pk_columns: {self.argument(f'{table.name}_pk_columns_input!', key)}")
        else:
            parts.append(f"where: {self.argument(f'{table.name}_bool_exp!', self._where(table, one.updates[0].where))}")
        for name, inner in self._changes(table, one.updates[0]).items() if kind != "delete" else ():
            parts.append(f"{name}: {self.argument(f'{table.name}_{name[1:]}_input', inner)}")
        return parts

    def _where(self, table: Table, where: Condition) -> Any:
        return as_where(where, table, self.tables)

    def _row(self, table: Table, row: Row) -> dict[str, Any]:
        return {table.column(name).field: shown(item) for name, item in row.items()}

    def _changes(self, table: Table, update: Update) -> dict[str, Any]:
        found = {"_set": update.sets, "_inc": update.adds, "_append": update.appends}
        return {name: self._row(table, row) for name, row in found.items() if row}

    def _object(self, table: Table, one: Object) -> dict[str, Any]:
        found = self._row(table, one.columns)
        for name, (objects, conflict) in one.beside.items():
            link = table.link(name)
            target = self.tables[link.target]
            data = [self._object(target, item) for item in objects]
            found[name] = {"data": data if link.is_array else data[0]}
            if conflict:
                found[name]["on_conflict"] = self._conflict(target, conflict)
        return found

    def _conflict(self, table: Table, one: Conflict) -> dict[str, Any]:
        columns = [Bare(table.column(name).field) for name in one.columns]
        return {
            "constraint": Bare(one.constraint),
            "update_columns": columns,
            "where": as_where(one.where, table, self.tables),
        }

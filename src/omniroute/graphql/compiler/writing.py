"""Turns conditions into SQL. Every value is a parameter; names are quoted by the driver."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from psycopg.sql import SQL, Composable, Identifier

from omniroute.graphql.errors import RequestRefused
from omniroute.graphql.metadata.tree import Name
from omniroute.graphql.model.catalog import PgType, Routine
from omniroute.graphql.model.expressions import (
    COLUMN_OPERATORS,
    COMPARISONS,
    CONTAINMENT,
    KEY_OPERATORS,
    TEXT_OPERATORS,
    TOTAL,
    And,
    Compare,
    CompareColumns,
    Constant,
    Exists,
    Expression,
    FromSession,
    FromVariable,
    IsNull,
    Listed,
    Mapped,
    Not,
    Or,
    Template,
    Term,
    Total,
    Value,
    any_of,
)
from omniroute.graphql.model.scalars import JSONS, as_parameter

How = Literal["value", "json", "list", "jsons", "count", "path", "session"]

TEXT = PgType("pg_catalog", "text")
BIGINT = PgType("pg_catalog", "int8")
TEXT_ARRAY = PgType("pg_catalog", "text", is_array=True)
JSONB = PgType("pg_catalog", "jsonb")


@dataclass(frozen=True, slots=True)
class Slot:
    """A parameter of a statement: where its value comes from, and how it is handed over."""

    value: Value
    how: How
    path: str


def table_name(name: Name) -> Composable:
    """A table or function with its schema, quoted."""
    return Identifier(name.schema, name.name)


def type_name(kind: PgType) -> Composable:
    """A type, quoted."""
    text: Composable = Identifier(kind.schema, kind.name)
    return text + SQL("[]") if kind.is_array else text


@dataclass(slots=True)
class Writer:
    """Writes one statement: hands out aliases and numbers parameters."""

    slots: list[Slot] = field(default_factory=list)
    _aliases: int = 0
    _session: dict[tuple[str, How], int] = field(default_factory=dict)
    _guarded: dict[tuple[str, str], Composable] = field(default_factory=dict)
    """Columns that are null under conditions: DISTINCT ON wants the very expression of ORDER BY, parameters and all."""

    def alias(self) -> Identifier:
        """A name no column and no field of a request can have: GraphQL names hold no dollar sign."""
        self._aliases += 1
        return Identifier(f"${self._aliases}")

    def bind(self, value: Value, kind: PgType, *, how: How = "value", path: str = "$") -> Composable:
        """A parameter, cast to its type."""
        if isinstance(value, FromSession):
            # The same session variable stands in many guards: one parameter a type.
            key = (f"{value.name} {kind}", how)
            if key not in self._session:
                self.slots.append(Slot(value, how, path))
                self._session[key] = len(self.slots)
            number = self._session[key]
        else:
            self.slots.append(Slot(value, how, path))
            number = len(self.slots)
        return self.slot(number, kind)

    def slot(self, number: int, kind: PgType) -> Composable:
        """The parameter of this number, cast to its type."""
        return SQL("${}::{}").format(SQL(str(number)), type_name(kind))

    def column(self, alias: Identifier, name: str) -> Composable:
        """A column of a row."""
        return SQL("{}.{}").format(alias, Identifier(name))

    def condition(self, item: Expression, alias: Identifier, root: Identifier | None = None) -> Composable:
        """A condition on the row called `alias`; `root` is the row the whole condition is about."""
        root = root or alias
        match item:
            case And(items):
                return self._joined(items, " AND ", "true", alias, root)
            case Or(items):
                return self._joined(items, " OR ", "false", alias, root)
            case Not(inner):
                return SQL("(NOT {})").format(self.condition(inner, alias, root))
            case IsNull(term, yes):
                return SQL("({} IS {}NULL)").format(self.term(term, alias), SQL("" if yes else "NOT "))
            case CompareColumns(term, operator, other, of_root):
                right = self.column(root if of_root else alias, other)
                return SQL("({} {} {})").format(self.term(term, alias), SQL(COLUMN_OPERATORS[operator]), right)
            case Exists():
                return self._exists(item, alias, root)
            case Total():
                return self._total(item, alias, root)
            case Compare():
                return self._compare(item, alias)
        raise AssertionError(item)

    def _joined(
        self, items: tuple[Expression, ...], word: str, empty: str, alias: Identifier, root: Identifier
    ) -> Composable:
        if not items:
            return SQL(empty)
        return SQL("({})").format(SQL(word).join([self.condition(one, alias, root) for one in items]))

    def _exists(self, item: Exists, alias: Identifier, root: Identifier) -> Composable:
        return SQL("EXISTS (SELECT 1 FROM {})").format(self._related(item, self.alias(), alias, root))

    def _related(self, item: Exists | Total, other: Identifier, alias: Identifier, root: Identifier) -> Composable:
        """The rows a condition is about, from their table's name on."""
        parts = [self.pair(alias, other, pair) for pair in item.pairs]
        if item.guards:
            # A guard is about the rows of its own table.
            parts.append(self.condition(any_of(item.guards), other))
        parts.append(self.condition(item.item, other, root))
        return SQL("{} AS {} WHERE {}").format(table_name(item.target), other, SQL(" AND ").join(parts))

    def _total(self, item: Total, alias: Identifier, root: Identifier) -> Composable:
        other, found = self.alias(), self.alias()
        terms = [self.term(one, other) for one in item.arguments]
        if item.function == "count":
            called = self.count(terms, is_distinct=item.is_distinct)
        else:
            word = SQL("DISTINCT " if item.is_distinct else "")
            called = SQL("{}({}{})").format(Identifier(item.function), word, SQL(", ").join(terms))
        rows = SQL("SELECT {} AS {} FROM {}").format(called, Identifier(TOTAL), self._related(item, other, alias, root))
        return SQL("EXISTS (SELECT 1 FROM ({}) AS {} WHERE {})").format(rows, found, self.condition(item.holds, found))

    def count(self, columns: list[Composable], *, is_distinct: bool) -> Composable:
        """How many rows; those with a value in a column; or those that differ in some columns."""
        if not columns:
            return SQL("count(*)")
        listed = columns[0] if len(columns) == 1 else SQL("({})").format(SQL(", ").join(columns))
        return SQL("count({}{})").format(SQL("DISTINCT " if is_distinct else ""), listed)

    def pair(self, ours: Identifier, theirs: Identifier, pair: tuple[str, str]) -> Composable:
        """That two rows belong together."""
        return SQL("{} = {}").format(self.column(theirs, pair[1]), self.column(ours, pair[0]))

    def term(self, term: Term, alias: Identifier) -> Composable:
        """What is compared, selected or ordered by."""
        if term.column is not None and term.only_where is not None:
            text = self._guarded_column(term.column, term.only_where, alias)
            return SQL("({})::text").format(text) if term.as_text else text
        if term.routine is not None:
            text = self.call(term.routine, alias, {}, term.session_argument)
        else:
            assert term.column is not None
            text = self.column(alias, term.column)
        if term.only_where is not None:
            text = SQL("CASE WHEN {} THEN {} END").format(self.condition(any_of(term.only_where), alias), text)
        return SQL("({})::text").format(text) if term.as_text else text

    def _guarded_column(self, name: str, only_where: tuple[Expression, ...], alias: Identifier) -> Composable:
        key = (alias.as_string(None), name)
        if key not in self._guarded:
            allowed = self.condition(any_of(only_where), alias)
            self._guarded[key] = SQL("CASE WHEN {} THEN {} END").format(allowed, self.column(alias, name))
        return self._guarded[key]

    def call(
        self,
        routine: Routine,
        row: Identifier | None,
        given: Mapping[str, Composable],
        session_argument: str | None,
    ) -> Composable:
        """A call of a function, with the row first if it takes one; arguments not given have their defaults."""
        parts: list[Composable] = [] if row is None else [row]
        for one in routine.parameters[0 if row is None else 1 :]:
            if one.name == session_argument and one.name:
                value = self.bind(Constant(None), one.type, how="session")
                parts.append(SQL("{} => {}").format(Identifier(one.name), value))
            elif one.name in given:
                parts.append(SQL("{} => {}").format(Identifier(one.name), given[one.name]))
        return SQL("{}({})").format(table_name(routine.name), SQL(", ").join(parts))

    def _compare(self, item: Compare, alias: Identifier) -> Composable:
        left, operator, kind = self.term(item.term, alias), item.operator, item.term.type
        if item.term.as_text:
            kind = TEXT
        if operator in ("_in", "_nin"):
            if kind.is_array:
                return self._in_arrays(left, item, kind)
            many = PgType(kind.schema, kind.name, True, kind.is_enum)
            word = SQL("= ANY") if operator == "_in" else SQL("<> ALL")
            return SQL("({} {} ({}))").format(left, word, self.bind(item.value, many, how=_many(kind)))
        symbols = COMPARISONS | TEXT_OPERATORS | CONTAINMENT | KEY_OPERATORS
        how: How = _many(kind) if kind.is_array else "value"
        if operator in TEXT_OPERATORS:
            kind = kind if kind.name == "citext" else TEXT
        elif operator == "_has_key":
            kind = TEXT
        elif operator in KEY_OPERATORS:
            kind, how = TEXT_ARRAY, "list"
        elif kind.name == "jsonb" and not kind.is_array:
            how = "json"
        return SQL("({} {} {})").format(left, SQL(symbols[operator]), self.bind(item.value, kind, how=how))

    def _in_arrays(self, left: Composable, item: Compare, kind: PgType) -> Composable:
        """Lists of lists have no PostgreSQL array of their own: each is compared by itself."""
        if not isinstance(item.value, Listed):
            raise RequestRefused("a list of lists must stand in the document, not in a variable", code="not-supported")
        equal = [SQL("({} = {})").format(left, self.bind(one, kind, how=_many(kind))) for one in item.value.items]
        found = SQL("({})").format(SQL(" OR ").join(equal)) if equal else SQL("false")
        return found if item.operator == "_in" else SQL("(NOT {})").format(found)


def _many(kind: PgType) -> How:
    """How a list of values of a type is handed over."""
    return "jsons" if kind.name in JSONS else "list"


def parameters(slots: Iterable[Slot], variables: Mapping[str, Any], session: Mapping[str, str]) -> list[Any]:
    """The values of one request for a statement.

    Raises: RequestRefused when a session variable is missing or a value cannot be sent.
    """
    return [_parameter(slot, variables, session) for slot in slots]


def _parameter(slot: Slot, variables: Mapping[str, Any], session: Mapping[str, str]) -> Any:
    if slot.how == "session":
        return as_parameter(dict(session), is_json=True)
    value = resolve(slot.value, variables, session)
    match slot.how:
        case "count":
            if value is not None and int(value) < 0:
                raise RequestRefused("unexpected negative value", path=slot.path)
        case "path":
            value = _json_path(str(value), slot.path)
        case "list" | "jsons":
            # A session variable holds an array as PostgreSQL writes it.
            if not isinstance(value, list | str):
                value = [value]
    if slot.how == "jsons" and isinstance(value, list):
        value = [as_parameter(item, is_json=True) for item in value]
    made = as_parameter(value, is_json=slot.how == "json")
    try:
        for text in made if isinstance(made, list) else [made]:
            if isinstance(text, str):
                text.encode()
    except UnicodeEncodeError as error:
        raise RequestRefused("text is not valid Unicode", path=slot.path, code="data-exception") from error
    return made


def resolve(value: Value, variables: Mapping[str, Any], session: Mapping[str, str]) -> Any:
    """A value of this request."""
    match value:
        case Constant(found):
            return found
        case FromVariable(path):
            inner: Any = variables
            for step in path:
                inner = inner[step]
            return inner
        case FromSession(name):
            if name not in session:
                raise RequestRefused(f'missing session variable: "{name}"', code="not-found")
            return session[name]
        case Listed(items):
            return [resolve(item, variables, session) for item in items]
        case Mapped(inner, means):
            found = resolve(inner, variables, session)
            said = [item for item in (found if isinstance(found, list) else [found]) if isinstance(item, str)]
            return [one for item in said for one in means.get(item, ())]
        case Template(members) if isinstance(members, tuple):
            return [resolve(item, variables, session) for item in members]
        case Template(members):
            assert isinstance(members, Mapping)
            return {name: resolve(item, variables, session) for name, item in members.items()}
    raise AssertionError(value)


def _json_path(text: str, path: str) -> list[str]:
    """`$.a.b[0]` as PostgreSQL takes it."""
    rest = text.removeprefix("$").replace("[", ".").replace("]", "")
    parts = [part.strip("\"'") for part in rest.split(".") if part]
    if not parts and text not in ("$", "$."):
        raise RequestRefused("parse json path error: " + text, path=path, code="parse-failed")
    return parts

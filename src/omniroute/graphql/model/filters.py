"""Reads the filters of permissions: JSON in Hasura's form, with names as the database has them."""

from collections.abc import Mapping
from typing import Any

from omniroute.graphql.metadata.tree import Name
from omniroute.graphql.model.expressions import (
    COLUMN_OPERATORS,
    COMPARISONS,
    CONTAINMENT,
    KEY_OPERATORS,
    TEXT_OPERATORS,
    And,
    Compare,
    CompareColumns,
    Constant,
    Exists,
    Expression,
    FromSession,
    IsNull,
    Listed,
    Not,
    Or,
    Template,
    Term,
)
from omniroute.graphql.model.tables import Model

_SESSION = "x-hasura-"


class FilterUnreadable(Exception):
    """A part of a permission's filter that makes no sense."""


def read_filter(model: Model, table: Name, condition: Any) -> Expression:
    """A permission's filter as a condition.

    Raises: FilterUnreadable.
    """
    return _Filter(model, table).read(table, condition)


class _Filter:
    """Reads the JSON of a filter. Columns and relationships have their database and metadata names here."""

    def __init__(self, model: Model, root: Name) -> None:
        self.model = model
        self.root = root

    def read(self, table: Name, condition: Any) -> Expression:
        if not isinstance(condition, Mapping):
            raise FilterUnreadable(f"a condition must be a mapping, not {condition!r:.60}")
        items = tuple(self._member(table, str(key), value) for key, value in condition.items())
        return items[0] if len(items) == 1 else And(items)

    def _all(self, table: Name, items: Any) -> tuple[Expression, ...]:
        if not isinstance(items, list):
            raise FilterUnreadable("_and and _or take a list")
        return tuple(self.read(table, item) for item in items)

    def _member(self, table: Name, key: str, value: Any) -> Expression:
        match _plain(key):
            case "_and":
                return And(self._all(table, value))
            case "_or":
                return Or(self._all(table, value))
            case "_not":
                return Not(self.read(table, value))
            case "_exists":
                return self._exists(value)
        tracked = self.model.tables.get(table)
        if tracked is None:
            raise FilterUnreadable(f"table {table} is not tracked")
        if key in tracked.links:
            link = tracked.links[key]
            return Exists(link.target, link.pairs, self.read(link.target, value))
        if key in tracked.relation.columns:
            column = tracked.relation.columns[key]
            return self._column(Term(column.type, column=column.name), value)
        if key in tracked.computed and tracked.computed[key].target is None:
            computed = tracked.computed[key]
            term = Term(computed.routine.returns, routine=computed.routine, session_argument=computed.session_argument)
            return self._column(term, value)
        raise FilterUnreadable(f"{key} is not a column or relationship of {table}")

    def _exists(self, value: Any) -> Expression:
        if not isinstance(value, Mapping) or "_table" not in value:
            raise FilterUnreadable("_exists takes _table and _where")
        asked = value["_table"]
        name = Name("public", asked) if isinstance(asked, str) else Name(asked.get("schema", "public"), asked["name"])
        if name not in self.model.catalog.relations:
            raise FilterUnreadable(f"table {name} of _exists is not tracked")
        return Exists(name, (), self.read(name, value.get("_where", {})))

    def _column(self, term: Term, value: Any) -> Expression:
        if not isinstance(value, Mapping):
            return Compare(term, "_eq", read_value(value))  # Short for _eq.
        items = tuple(self._operator(term, _plain(str(key)), given) for key, given in value.items())
        return items[0] if len(items) == 1 else And(items)

    def _operator(self, term: Term, operator: str, given: Any) -> Expression:
        operator = {"_ne": "_neq"}.get(operator, operator)
        if operator == "_is_null":
            if not isinstance(given, bool):
                raise FilterUnreadable(f"_is_null takes true or false, not {given!r:.60}")
            return IsNull(term, given)
        if operator in COLUMN_OPERATORS:
            return self._columns(term, operator, given)
        if operator in ("_in", "_nin"):
            if isinstance(given, list):
                return Compare(term, operator, Listed(tuple(read_value(item) for item in given)))
            return Compare(term, operator, read_value(given))
        if operator == "_cast" and isinstance(given, Mapping) and set(given) == {"String"}:
            return self._column(Term(term.type, column=term.column, as_text=True), given["String"])
        if operator in COMPARISONS | TEXT_OPERATORS | CONTAINMENT | KEY_OPERATORS:
            return Compare(term, operator, read_value(given))
        raise FilterUnreadable(f"{operator} is not an operator")

    def _columns(self, term: Term, operator: str, given: Any) -> Expression:
        match given:
            case ["$", str(column)]:
                of_root = True
            case str(column) | [str(column)]:
                of_root = False
            case _:
                raise FilterUnreadable(f"{operator} takes the name of a column, not {given!r:.60}")
        if of_root and column not in self.model.tables[self.root].relation.columns:
            raise FilterUnreadable(f"{column} is not a column of {self.root}")
        return CompareColumns(term, operator, column, of_root)


def _plain(key: str) -> str:
    """Operators may be written the old way: $eq for _eq."""
    return "_" + key[1:] if key.startswith("$") else key


def read_value(given: Any) -> Constant | FromSession | Template:
    """A value in a permission: itself, the session variable it names, or JSON with session variables in it.

    Raises: FilterUnreadable.
    """
    match given:
        case str() if given.lower().startswith(_SESSION):
            return FromSession(given.lower())
        case Mapping() if _has_session(given):
            if any(str(name).lower().startswith(_SESSION) for name in given):
                raise FilterUnreadable("a session variable cannot be the name of a member")
            return Template({str(name): read_value(item) for name, item in given.items()})
        case list() if _has_session(given):
            return Template(tuple(read_value(item) for item in given))
    return Constant(given)


def _has_session(given: Any) -> bool:
    match given:
        case str():
            return given.lower().startswith(_SESSION)
        case Mapping():
            return any(map(_has_session, (*given, *given.values())))
        case list():
            return any(map(_has_session, given))
    return False

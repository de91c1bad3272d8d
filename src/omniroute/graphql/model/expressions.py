"""Conditions on rows, whatever they come from: the `where` of a request, or the filter of a permission.

One tree for both, so that there is one place that turns a condition into SQL.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from omniroute.graphql.metadata.tree import Name
from omniroute.graphql.model.catalog import PgType, Routine


@dataclass(frozen=True, slots=True)
class Constant:
    """A value that stands in the document or the metadata. Sent as a parameter like any other."""

    value: Any


@dataclass(frozen=True, slots=True)
class FromVariable:
    """A value, or a part of one, of the request's variables."""

    path: tuple[str | int, ...]


@dataclass(frozen=True, slots=True)
class FromSession:
    """A session variable, by its lower-case name."""

    name: str


@dataclass(frozen=True, slots=True)
class Listed:
    """A list whose items come from different places."""

    items: tuple["Value", ...]


@dataclass(frozen=True, slots=True)
class Template:
    """A JSON literal with variables in it."""

    members: Mapping[str, "Value | Template"] | tuple["Value | Template", ...]


@dataclass(frozen=True, slots=True)
class Mapped:
    """What a value, or each of a list, stands for in `means`; values that are not there stand for nothing."""

    value: "Value"
    means: Mapping[str, tuple[str, ...]]


Value = Constant | FromVariable | FromSession | Listed | Template | Mapped


@dataclass(frozen=True, slots=True)
class Term:
    """What is compared: a column, or a scalar computed field. `only_where`: null unless one of these holds."""

    type: PgType
    column: str | None = None
    routine: Routine | None = None
    session_argument: str | None = None
    only_where: "tuple[Expression, ...] | None" = None
    as_text: bool = False


@dataclass(frozen=True, slots=True)
class And:
    """All of these; true when empty."""

    items: "tuple[Expression, ...]"


@dataclass(frozen=True, slots=True)
class Or:
    """Any of these; false when empty."""

    items: "tuple[Expression, ...]"


@dataclass(frozen=True, slots=True)
class Not:
    """The opposite; unknown stays unknown."""

    item: "Expression"


@dataclass(frozen=True, slots=True)
class Compare:
    """A term and a value. `operator` is Hasura's."""

    term: Term
    operator: str
    value: Value


@dataclass(frozen=True, slots=True)
class IsNull:
    """Whether a term has no value."""

    term: Term
    yes: bool


@dataclass(frozen=True, slots=True)
class CompareColumns:
    """A column with another of the same row, or of the row the whole condition is about (`of_root`)."""

    term: Term
    operator: str
    other: str
    of_root: bool


@dataclass(frozen=True, slots=True)
class Exists:
    """A row of `target`, joined by `pairs` (ours, theirs), for which `item` holds and one of `guards`, if any."""

    target: Name
    pairs: tuple[tuple[str, str], ...]
    item: "Expression"
    guards: "tuple[Expression, ...]" = ()


@dataclass(frozen=True, slots=True)
class Total:
    """That `holds` is true of an aggregate, over the rows of `target` that belong to ours (as in `Exists`).

    `holds` is about the term `TOTAL`; `arguments` are what is aggregated, none: the rows themselves.
    """

    target: Name
    pairs: tuple[tuple[str, str], ...]
    item: "Expression"
    guards: "tuple[Expression, ...]"
    function: str
    arguments: tuple[Term, ...]
    is_distinct: bool
    holds: "Expression"


TOTAL = "$total"
"""The column an aggregate is in while it is compared."""
Expression = And | Or | Not | Compare | IsNull | CompareColumns | Exists | Total
TRUE = And(())

COMPARISONS = {"_eq": "=", "_neq": "<>", "_gt": ">", "_lt": "<", "_gte": ">=", "_lte": "<="}
TEXT_OPERATORS = {
    "_like": "LIKE",
    "_nlike": "NOT LIKE",
    "_ilike": "ILIKE",
    "_nilike": "NOT ILIKE",
    "_similar": "SIMILAR TO",
    "_nsimilar": "NOT SIMILAR TO",
    "_regex": "~",
    "_nregex": "!~",
    "_iregex": "~*",
    "_niregex": "!~*",
}
CONTAINMENT = {"_contains": "@>", "_contained_in": "<@"}
KEY_OPERATORS = {"_has_key": "?", "_has_keys_any": "?|", "_has_keys_all": "?&"}
COLUMN_OPERATORS = {"_ceq": "=", "_cne": "<>", "_cneq": "<>", "_cgt": ">", "_clt": "<", "_cgte": ">=", "_clte": "<="}


def looks_elsewhere(item: Expression) -> bool:
    """Whether a condition on a row depends on other rows too; functions may look anywhere."""
    match item:
        case And(items) | Or(items):
            return any(map(looks_elsewhere, items))
        case Not(inner):
            return looks_elsewhere(inner)
        case Exists() | Total():
            return True
        case Compare(term=term) | IsNull(term=term) | CompareColumns(term=term):
            return term.routine is not None
    raise AssertionError(item)


def any_of(items: tuple[Expression, ...]) -> Expression:
    """One of these; no condition at all when there are none."""
    if not items or TRUE in items:
        return TRUE
    return items[0] if len(items) == 1 else Or(items)

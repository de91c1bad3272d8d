"""Types of columns with a few values each, so that equal ones and neighbours are met often."""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

Value = Any
MOODS = ("glad", "calm", "cross")
"""Values of an enum of PostgreSQL, in its order."""
STATES = ("NEW", "OLD", "GONE")
"""Rows of an enum table."""


class Bare(str):
    """A name of an enum, which stands in a document without quotes."""

    __slots__ = ()


@dataclass(frozen=True)
class Kind:
    """A type: as PostgreSQL writes it, as GraphQL calls it, some of its values, and whether they have an order."""

    sql: str
    scalar: str
    values: tuple[Value, ...]
    is_ordered: bool = True
    is_number: bool = False
    cast: str | None = None

    @property
    def is_aggregated(self) -> bool:
        """Whether it has a least and a greatest value."""
        return self.is_ordered and self.scalar != "Boolean"


KINDS: dict[str, Kind] = {
    "int": Kind("integer", "Int", (-3, 0, 1, 2, 7), is_number=True),
    "big": Kind("bigint", "bigint", (0, 1, 9007199254740993, -5), is_number=True),
    "numeric": Kind("numeric", "numeric", tuple(map(Decimal, ("0", "99.99", "1000.50", "-1"))), is_number=True),
    "float": Kind("double precision", "float8", (0.5, -1.25, 2.0, 0.0), is_number=True),
    "text": Kind('text COLLATE "C"', "String", ("", "a", "B", "it's", "ä🙂", "%_\\")),
    "bool": Kind("boolean", "Boolean", (True, False)),
    "uuid": Kind("uuid", "uuid", tuple(f"{n}0000000-0000-7000-8000-00000000000{n}" for n in (1, 2, 9))),
    "date": Kind("date", "date", ("2026-01-01", "2025-12-31", "2026-02-28")),
    "time": Kind("timestamptz", "timestamptz", ("2026-01-01T00:00:00+00:00", "2026-01-01T00:00:00.5+00:00")),
    "json": Kind("jsonb", "jsonb", ({}, {"a": 1}, {"a": 1, "b": ["x", "y"]}, {"b": "it's"}), is_ordered=False),
    "mood": Kind("{schema}.mood", "mood", MOODS, cast="{schema}.mood"),
    "texts": Kind('text[] COLLATE "C"', "String", ([], ["a"], ["a", "b"], ["b", "it's"]), is_ordered=False),
    "state": Kind("text", "state_enum", tuple(map(Bare, STATES)), is_ordered=False),
}
LIKE = {"_like", "_nlike", "_ilike", "_nilike"}


def rank(kind: str, value: Value) -> Value:
    """A value in the order PostgreSQL has them in."""
    return MOODS.index(value) if kind == "mood" else value


def shown(value: Value) -> Value:
    """A value as it stands in a request."""
    if isinstance(value, Decimal):
        return str(value)
    return list(value) if isinstance(value, tuple) else value


def contains(outer: Value, inner: Value) -> bool:
    """Whether one document of JSON contains another, as @> has it."""
    if isinstance(outer, dict) and isinstance(inner, dict):
        return all(name in outer and contains(outer[name], value) for name, value in inner.items())
    if isinstance(outer, list) and isinstance(inner, list):
        return all(any(contains(one, value) for one in outer) for value in inner)
    return bool(outer == inner and type(outer) is type(inner))


def compare(kind: str, operator: str, ours: Value, theirs: Value) -> bool:
    """An operator of `where` on two values that are there."""
    match operator:
        case "_in":
            return any(ours == one for one in theirs)
        case "_nin":
            return all(ours != one for one in theirs)
        case "_contains":
            return set(theirs) <= set(ours) if kind == "texts" else contains(ours, theirs)
        case "_contained_in":
            return set(ours) <= set(theirs) if kind == "texts" else contains(theirs, ours)
        case "_has_key":
            return bool(theirs in ours)
        case "_has_keys_any":
            return any(one in ours for one in theirs)
        case "_has_keys_all":
            return all(one in ours for one in theirs)
        case "_like" | "_nlike":
            return _like(ours, theirs) is (operator == "_like")
        case "_ilike" | "_nilike":
            return _like(ours.lower(), theirs.lower()) is (operator == "_ilike")
    a, b = rank(kind, ours), rank(kind, theirs)
    found: dict[str, bool] = {
        "_eq": a == b, "_neq": a != b,
        **({"_gt": a > b, "_gte": a >= b, "_lt": a < b, "_lte": a <= b} if KINDS[kind].is_ordered else {}),
    }  # fmt: skip
    return found[operator]


def _like(text: str, pattern: str) -> bool:
    """LIKE with % alone, which is all we ask for."""
    first, *rest = pattern.split("%")
    if not rest:
        return text == pattern
    if not text.startswith(first):
        return False
    text = text[len(first) :]
    for part in rest[:-1]:
        _, found, text = text.partition(part)
        if not found and part:
            return False
    return text.endswith(rest[-1])


def total(kind: str, name: str, values: Sequence[Value]) -> Value:
    """An aggregate of the values that are there; None where SQL has NULL."""
    if not values:
        return None
    if name in ("min", "max"):
        return (min if name == "min" else max)(values, key=lambda one: rank(kind, one))
    exact = [Decimal(one) for one in values]
    if name == "sum":
        return sum(exact)
    mean = sum(exact, Decimal(0)) / len(exact)
    if name == "avg":
        return mean
    is_sample = not name.endswith("_pop")
    if is_sample and len(exact) < 2:
        return None
    variance = sum(((one - mean) ** 2 for one in exact), Decimal(0)) / (len(exact) - is_sample)
    return variance if name.startswith("var") else variance.sqrt()

"""Evaluates templates over values of JSON, whose numbers are whole or `Decimal`."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from omniroute.graphql.encoding import encode
from omniroute.graphql.kriti.functions import FUNCTIONS, KritiFailed
from omniroute.graphql.kriti.tree import (
    Call,
    Choice,
    Items,
    Lookup,
    Loop,
    Members,
    Node,
    Operation,
    Plain,
    Step,
    Text,
)

STEPS_MAX = 1_000_000
SESSION = "$session_variables"
_ORDER = (dict, list, str, (int, Decimal), bool, type(None))
"""Kinds of values, the least first, when values of two kinds are compared."""


def evaluate(node: Node, scope: Mapping[str, Any]) -> Any:
    """The value of a template, for what its names stand for.

    Raises: KritiFailed.
    """
    try:
        return _Evaluator(dict(scope)).value(node)
    except RecursionError:
        raise KritiFailed("is nested too deep") from None


def scalar_text(value: Any) -> str:
    """A value as it stands in an address, a header or a string.

    Raises: KritiFailed for what is no string, number or boolean.
    """
    match value:
        case str():
            return value
        case bool() | int() | Decimal():
            return encode(value)
    raise KritiFailed("must produce a string, number or boolean")


@dataclass(slots=True)
class _Evaluator:
    """Evaluates one template once."""

    scope: dict[str, Any]
    steps: int = field(default=0)

    def value(self, node: Node) -> Any:
        self.steps += 1
        if self.steps > STEPS_MAX:
            raise KritiFailed(f"takes more than {STEPS_MAX} steps")
        match node:
            case Plain(value):
                return value
            case Text(parts):
                return "".join(self._interpolated(one) for one in parts)
            case Items(items):
                return [self.value(one) for one in items]
            case Members(members):
                return {name: self.value(one) for name, one in members.items()}
            case Lookup():
                return self._lookup(node)
            case Choice(condition, then, otherwise):
                return self.value(then if self._truth(condition) else otherwise)
            case Loop():
                return self._loop(node)
            case Operation():
                return self._operation(node)
            case Call(name, given):
                return self._call(name, self.value(given))
        raise AssertionError(node)

    def _interpolated(self, node: Node) -> str:
        found = self.value(node)
        return "null" if found is None else scalar_text(found)

    def _lookup(self, node: Lookup) -> Any:
        if node.name not in self.scope:
            raise KritiFailed(f"{node.name} is not known")
        found = self.scope[node.name]
        for step in node.steps:
            if not _has(found, step):
                if step.is_optional:
                    return None
                raise KritiFailed(f"{node.name} has no {step.key!r}")
            found = found[step.key]
        return found

    def _loop(self, node: Loop) -> list[Any]:
        items = self.value(node.source)
        if not isinstance(items, list):
            raise KritiFailed("range needs an array")
        before, made = dict(self.scope), []
        for place, item in enumerate(items):
            self.scope[node.item] = item
            if node.place is not None:
                self.scope[node.place] = place
            made.append(self.value(node.body))
        self.scope = before
        return made

    def _truth(self, node: Node) -> bool:
        found = self.value(node)
        if not isinstance(found, bool):
            raise KritiFailed("expected a boolean")
        return found

    def _operation(self, node: Operation) -> Any:
        match node.operator:
            case "??":
                found = self.value(node.left)
                return self.value(node.right) if found is None else found
            case "&&":
                return self._truth(node.left) and self._truth(node.right)
            case "||":
                return self._truth(node.left) or self._truth(node.right)
        left, right = self.value(node.left), self.value(node.right)
        match node.operator:
            case "==":
                return same(left, right)
            case "!=":
                return not same(left, right)
            case "in":
                return _is_in(left, right)
            case "<":
                return _less(left, right)
            case ">":
                return _less(right, left)
            case "<=":
                return not _less(right, left)
        return not _less(left, right)

    def _call(self, name: str, given: Any) -> Any:
        function = FUNCTIONS[name]
        if function is not None:
            return function(given)
        variables = self.scope.get(SESSION) or {}
        if not isinstance(given, str) or given.lower() not in variables:
            raise KritiFailed("that session variable is not there")
        return variables[given.lower()]


def _has(value: Any, step: Step) -> bool:
    if isinstance(step.key, int):
        return isinstance(value, list) and step.key < len(value)
    return isinstance(value, dict) and step.key in value


def _rank(value: Any) -> int:
    if isinstance(value, bool):
        return _ORDER.index(bool)
    return next(place for place, kind in enumerate(_ORDER) if isinstance(value, kind))  # type: ignore[arg-type]


def same(left: Any, right: Any) -> bool:
    """Whether two values of JSON are equal; true is not 1."""
    if _rank(left) != _rank(right):
        return False
    match left:
        case dict():
            return left.keys() == right.keys() and all(same(item, right[name]) for name, item in left.items())
        case list():
            return len(left) == len(right) and all(map(same, left, right))
    return bool(left == right)


def _less(left: Any, right: Any) -> bool:
    if _rank(left) != _rank(right):
        return _rank(left) < _rank(right)
    if isinstance(left, dict | list):
        raise KritiFailed("objects and arrays have no order")
    return left is not None and bool(left < right)


def _is_in(value: Any, many: Any) -> bool:
    match many:
        case dict() if isinstance(value, str):
            return value in many
        case list():
            return any(same(value, one) for one in many)
    raise KritiFailed("in needs an array, or a string and an object")

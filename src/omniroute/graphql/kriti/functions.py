"""The functions a template may call. Each takes one value."""

from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any
from urllib.parse import quote


class KritiFailed(Exception):
    """A template that cannot be evaluated for this request."""


def _empty(value: Any) -> Any:
    match value:
        case bool():
            raise KritiFailed("a boolean is never empty")
        case str():
            return not value.strip()
        case None:
            return True
        case int() | Decimal():
            return value == 0
    return len(value) == 0


def _size(value: Any) -> Any:
    match value:
        case bool():
            return int(value)
        case int() | Decimal():
            return value
        case None:
            return 0
    return len(value)


def _inverse(value: Any) -> Any:
    match value:
        case bool():
            return not value
        case str() | list():
            return value[::-1]
        case int() | Decimal():
            if value == 0:
                raise KritiFailed("zero has no inverse")
            return Decimal(1) / value
    return value


def _head(value: Any) -> Any:
    return _some(value)[0]


def _tail(value: Any) -> Any:
    return _some(value)[1:]


def _some(value: Any) -> Any:
    if not isinstance(value, str | list):
        raise KritiFailed("expected an array or string")
    if not value:
        raise KritiFailed("empty array or string")
    return value


def _not(value: Any) -> Any:
    if not isinstance(value, bool):
        raise KritiFailed("expected a boolean")
    return not value


def _of_text(made: Callable[[str], str]) -> Callable[[Any], Any]:
    def call(value: Any) -> Any:
        if not isinstance(value, str):
            raise KritiFailed("expected a string")
        return made(value)

    return call


def _listed(value: Any) -> list[Any]:
    if not isinstance(value, list):
        raise KritiFailed("expected an array")
    return value


def _to_pairs(value: Any) -> Any:
    if not isinstance(value, dict):
        raise KritiFailed("expected an object")
    return [[name, item] for name, item in value.items()]


def _from_pairs(value: Any) -> Any:
    found = {}
    for one in _listed(value):
        if not isinstance(one, list) or len(one) != 2 or not isinstance(one[0], str):
            raise KritiFailed("expected an array of pairs of a string and a value")
        found[one[0]] = one[1]
    return found


def _concat(value: Any) -> Any:
    items = _listed(value)
    if all(isinstance(one, list) for one in items):
        return [item for one in items for item in one]
    if all(isinstance(one, str) for one in items):
        return "".join(items)
    if all(isinstance(one, dict) for one in items):
        return {name: item for one in items for name, item in one.items()}
    raise KritiFailed("expected an array of arrays, of strings or of objects")


FUNCTIONS: Mapping[str, Callable[[Any], Any] | None] = {
    "concat": _concat,
    "empty": _empty,
    "escapeUri": _of_text(lambda text: quote(text, safe="-_.~")),
    "fromPairs": _from_pairs,
    "getSessionVariable": None,
    "head": _head,
    "inverse": _inverse,
    "not": _not,
    "removeNulls": lambda value: [one for one in _listed(value) if one is not None],
    "size": _size,
    "tail": _tail,
    "toCaseFold": _of_text(str.casefold),
    "toLower": _of_text(str.lower),
    "toPairs": _to_pairs,
    "toTitle": _of_text(str.title),
    "toUpper": _of_text(str.upper),
}
"""By name. None: it depends on who asks."""

"""What a handler says, made into the answer of a field: checked against its type, cut to what was asked for."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from dataclasses import field as member
from decimal import Decimal
from typing import Any

from graphql import (
    GraphQLEnumType,
    GraphQLList,
    GraphQLNonNull,
    GraphQLObjectType,
    GraphQLScalarType,
)

from omniroute.graphql.actions.definitions import BUILT_IN, Relation
from omniroute.graphql.encoding import Slot
from omniroute.graphql.errors import RequestRefused
from omniroute.graphql.fields import Collector, Field
from omniroute.infra.http import Reply

NESTING_MAX = 100


class HandlerRefused(RequestRefused):
    """A handler refused. `extensions` are its own, if it gave some."""

    def __init__(self, message: str, *, code: str = "unexpected", extensions: Mapping[str, Any] | None = None) -> None:
        super().__init__(message, code=code)
        self.extensions = extensions

    def shown(self) -> dict[str, Any]:
        """The error as it stands in the answer: the handler's extensions take the place of ours."""
        if self.extensions is None:
            return super().shown()
        return {"message": self.message, "extensions": dict(self.extensions)}


def unexpected(message: str) -> RequestRefused:
    """A handler said what it may not."""
    return RequestRefused(message, code="unexpected")


def read_reply(reply: Reply) -> Any:
    """What a handler answered: the value of 2xx.

    Raises: HandlerRefused of 4xx; RequestRefused of everything else.
    """
    if reply.status < 200 or reply.status >= 500 or 300 <= reply.status < 400:
        raise unexpected("internal error")
    try:
        value = json.loads(reply.body, parse_float=Decimal, parse_constant=_no_constant)
    except (ValueError, RecursionError):
        raise unexpected("not a valid json response from webhook") from None
    if _depth(value) > NESTING_MAX:
        raise unexpected("not a valid json response from webhook")
    if reply.status < 300:
        return value
    if not isinstance(value, dict) or not isinstance(value.get("message"), str):
        raise RequestRefused('the handler refused without a "message"', code="parse-failed")
    code, extensions = value.get("code"), value.get("extensions")
    raise HandlerRefused(
        value["message"],
        code=code if isinstance(code, str) else "unexpected",
        extensions=extensions if isinstance(extensions, dict) else None,
    )


def _no_constant(text: str) -> Any:
    raise ValueError(text)


def _depth(value: Any) -> int:
    deepest, open_ = 0, [(value, 1)]
    while open_:
        one, level = open_.pop()
        deepest = max(deepest, level)
        inner = one.values() if isinstance(one, dict) else one if isinstance(one, list) else ()
        open_ += ((item, level + 1) for item in inner)
        if deepest > NESTING_MAX:
            break
    return deepest


@dataclass(slots=True)
class Asked:
    """One relationship that is asked for, with the keys of every object it is asked of."""

    field: Field
    relation: Relation
    keys: list[dict[str, Any]] = member(default_factory=list)
    slots: list[Slot] = member(default_factory=list)


class Shaper:
    """Cuts one value to what a request asks for. `asked`: what remains to be read from tables."""

    def __init__(self, collector: Collector, relations: Mapping[str, Mapping[str, Relation]]) -> None:
        self._collector = collector
        self._relations = relations
        self._inner: dict[int, list[Field]] = {}
        self.asked: dict[int, Asked] = {}

    def shape(self, value: Any, kind: Any, one: Field) -> Any:
        """A value as its type wants it.

        Raises: RequestRefused.
        """
        if isinstance(kind, GraphQLNonNull):
            if value is None:
                raise unexpected(f'expecting not null value for field "{one.name}"')
            return self.shape(value, kind.of_type, one)
        if value is None:
            return None
        if isinstance(kind, GraphQLList):
            if not isinstance(value, list):
                raise unexpected(f'expecting array for field "{one.name}" of webhook response')
            return [self.shape(item, kind.of_type, one) for item in value]
        if isinstance(kind, GraphQLObjectType):
            if not isinstance(value, dict):
                raise unexpected(f'expecting object for field "{one.name}" of webhook response')
            return self._object(value, kind, one)
        return _leaf(value, kind, one)

    def _object(self, value: dict[str, Any], kind: GraphQLObjectType, one: Field) -> dict[str, Any]:
        relations = self._relations.get(kind.name, {})
        # Also what nobody asked for must be there: a handler that breaks its word is found at once.
        for name, defined in kind.fields.items():
            if name not in relations and isinstance(defined.type, GraphQLNonNull) and value.get(name) is None:
                told = "expecting not null value for field" if name in value else "expected in webhook response: field"
                raise unexpected(f'{told} "{name}"')
        found: dict[str, Any] = {}
        for inner in self._fields(one):
            if inner.name == "__typename":
                found[inner.response] = kind.name
            elif inner.name in relations:
                found[inner.response] = self._related(value, relations[inner.name], inner)
            else:
                found[inner.response] = self.shape(value.get(inner.name), inner.definition.type, inner)
        return found

    def _fields(self, one: Field) -> list[Field]:
        if id(one) not in self._inner:
            self._inner[id(one)] = self._collector.inner(one)
        return self._inner[id(one)]

    def _related(self, value: dict[str, Any], relation: Relation, one: Field) -> Slot:
        asked = self.asked.setdefault(id(one), Asked(one, relation))
        asked.keys.append({name: value.get(name) for name in relation.fields})
        asked.slots.append(Slot())
        return asked.slots[-1]


def _leaf(value: Any, kind: Any, one: Field) -> Any:
    if isinstance(kind, GraphQLEnumType) and (not isinstance(value, str) or value not in kind.values):
        raise unexpected(f'unexpected value for field "{one.name}": not one of "{kind.name}"')
    if isinstance(kind, GraphQLScalarType) and kind.name in BUILT_IN and isinstance(value, dict | list):
        raise unexpected(f'expecting a {kind.name} for field "{one.name}" of webhook response')
    return value

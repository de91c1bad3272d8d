"""GraphQL scalars for PostgreSQL types, under Hasura's names.

A value of a request is turned into text, the form PostgreSQL reads it in; PostgreSQL then checks it against the type it
is cast to. Numbers keep every digit: nothing passes through a binary fraction that did not come in as one.
"""

import json
import re
from decimal import Decimal
from typing import Any

from graphql import (
    BooleanValueNode,
    EnumValueNode,
    FloatValueNode,
    GraphQLBoolean,
    GraphQLError,
    GraphQLFloat,
    GraphQLInt,
    GraphQLScalarType,
    GraphQLString,
    IntValueNode,
    ListValueNode,
    NullValueNode,
    ObjectValueNode,
    StringValueNode,
    ValueNode,
    VariableNode,
)

from omniroute.graphql.encoding import encode
from omniroute.graphql.model.catalog import PgType

NUMBERS = frozenset({"int2", "int4", "int8", "float4", "float8", "numeric", "money"})
BIG = frozenset({"int8", "float8", "numeric"})
"""Types that lose digits in JavaScript; shown as text when asked (`stringify_numerics`)."""
TEXTS = frozenset({"text", "varchar", "bpchar", "citext", "name"})
JSONS = frozenset({"json", "jsonb"})
NOT_COMPARED = frozenset({"bool", "json", "jsonb", "bytea", "xml"})
"""Types without a least or greatest value."""

_NAMES = {
    "int4": "Int",
    "int2": "smallint",
    "int8": "bigint",
    "float4": "Float",
    "bool": "Boolean",
    "text": "String",
    "varchar": "String",
}
DIGITS_INT = 4_000
"""Python refuses to read longer whole numbers."""
_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?|NaN|[+-]?Infinity")


def scalar_name(kind: PgType) -> str:
    """Hasura's name of a type (of the elements, for an array)."""
    return _NAMES.get(kind.name, kind.name)


def make_scalar(name: str) -> GraphQLScalarType:
    """The scalar of this name; those GraphQL has already are GraphQL's own."""
    match name:
        case "Int":
            return GraphQLInt
        case "Float":
            return GraphQLFloat
        case "Boolean":
            return GraphQLBoolean
        case "String":
            return GraphQLString
        case "json" | "jsonb":
            return GraphQLScalarType(name, parse_value=_plain, parse_literal=_json_literal)
        case "bigint" | "smallint" | "numeric" | "float8" | "money":
            return GraphQLScalarType(name, parse_value=_number(name), parse_literal=_literal(_number(name)))
    return GraphQLScalarType(name, parse_value=_text(name), parse_literal=_literal(_text(name)))


def as_parameter(value: Any, *, is_json: bool) -> Any:
    """What the driver is given: text, or a list of texts; PostgreSQL casts it."""
    if is_json:
        # The library is faster, and cuts fractions.
        return encode(value) if _has_fractions(value) else json.dumps(value)
    match value:
        case None | str():
            return value
        case bool():
            return "true" if value else "false"
        case list():
            return [as_parameter(item, is_json=False) for item in value]
    return str(value)


def _has_fractions(value: Any) -> bool:
    open_ = [value]
    while open_:
        one = open_.pop()
        if isinstance(one, dict):
            open_ += one.values()
        elif isinstance(one, list):
            open_ += one
        elif isinstance(one, float | Decimal):
            return True
    return False


def _plain(value: Any) -> Any:
    return value


def _text(name: str) -> Any:
    def parse(value: Any) -> str:
        if isinstance(value, str):
            return value
        if isinstance(value, int | float | Decimal) and not isinstance(value, bool):
            return str(value)
        raise GraphQLError(f"expected a string for type '{name}', but found {_kind(value)}")

    return parse


def _number(name: str) -> Any:
    def parse(value: Any) -> str:
        if isinstance(value, int | float | Decimal) and not isinstance(value, bool):
            return str(value)
        if isinstance(value, str) and _NUMBER.fullmatch(value.strip()):
            return value.strip()
        raise GraphQLError(f"expected a number for type '{name}', but found {_kind(value)}")

    return parse


def _kind(value: Any) -> str:
    match value:
        case bool():
            return "a boolean"
        case str():
            return "a string"
        case int() | float() | Decimal():
            return "a number"
        case list():
            return "a list"
        case None:
            return "null"
    return "an object"


def _literal(parse: Any) -> Any:
    def parse_literal(node: ValueNode, _variables: dict[str, Any] | None = None) -> Any:
        try:
            match node:
                case StringValueNode():
                    return parse(node.value)
                case IntValueNode() | FloatValueNode():
                    return parse(Decimal(node.value))
                case BooleanValueNode() | EnumValueNode():
                    return parse(node.value)  # A value of PostgreSQL's enumerations may stand without quotes.
            raise GraphQLError("expected a value, but found an object or a list")
        except GraphQLError as error:
            raise GraphQLError(error.message, node) from None  # Where it stands is part of the answer.

    return parse_literal


def _json_literal(node: ValueNode, variables: dict[str, Any] | None = None) -> Any:
    match node:
        case StringValueNode() | BooleanValueNode() | EnumValueNode():
            return node.value
        case IntValueNode() if len(node.value) <= DIGITS_INT:
            return int(node.value)
        case IntValueNode() | FloatValueNode():
            return Decimal(node.value)
        case NullValueNode():
            return None
        case ListValueNode():
            return [_json_literal(item, variables) for item in node.values]
        case ObjectValueNode():
            return {item.name.value: _json_literal(item.value, variables) for item in node.fields}
        case VariableNode():
            return (variables or {}).get(node.name.value)
    raise AssertionError(node)

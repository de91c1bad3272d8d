"""Arguments of a field, from literals and variables alike.

The result is plain dicts and lists with values at the leaves. What decides the form of the SQL (which members are
there, names of an enum, true and false) is read here; every other value of a variable stays a reference, so that the
statement made from it serves any request of the same shape.
"""

from collections.abc import Mapping
from typing import Any, Union

from graphql import (
    GraphQLEnumType,
    GraphQLInputObjectType,
    GraphQLList,
    GraphQLNonNull,
    GraphQLScalarType,
    ListValueNode,
    NullValueNode,
    ObjectValueNode,
    ValueNode,
    VariableNode,
)

from omniroute.graphql.model.expressions import Constant, FromVariable, Listed, Template, Value
from omniroute.graphql.model.scalars import JSONS

Given = Union[Value, None, dict[str, "Given"], list["Given"]]  # noqa: UP007 - recursive
Variables = Mapping[str, Any]

NESTING_MAX = 100
"""Levels of brackets in a document or in a variable; more would only serve to exhaust the stack."""


class Absent:
    """Said of an argument whose variable was not given."""


ABSENT = Absent()


def lift(node: ValueNode, kind: Any, variables: Variables) -> "Given | Absent":
    """What an argument says. The document has been validated, so its values fit their types."""
    if isinstance(kind, GraphQLNonNull):
        return lift(node, kind.of_type, variables)
    match node:
        case VariableNode():
            name = node.name.value
            return _from_variable(variables[name], kind, (name,)) if name in variables else ABSENT
        case NullValueNode():
            return None
    if isinstance(kind, GraphQLList):
        nodes = node.values if isinstance(node, ListValueNode) else (node,)
        return _list([lift(one, kind.of_type, variables) for one in nodes], kind)
    if isinstance(kind, GraphQLInputObjectType):
        assert isinstance(node, ObjectValueNode)
        members = {one.name.value: lift(one.value, kind.fields[one.name.value].type, variables) for one in node.fields}
        return {name: value for name, value in members.items() if not isinstance(value, Absent)}
    if isinstance(kind, GraphQLScalarType) and (
        kind.name in JSONS or isinstance(node, ListValueNode | ObjectValueNode)
    ):
        return _json(node, kind, variables)
    assert isinstance(kind, GraphQLScalarType | GraphQLEnumType)
    return Constant(kind.parse_literal(node))


def _list(items: list[Any], kind: GraphQLList[Any]) -> Given:
    plain = [None if isinstance(item, Absent) else item for item in items]
    if _is_leaf(kind.of_type) and not _is_enum(kind.of_type):
        return Listed(tuple(Constant(None) if item is None else item for item in plain))
    return plain


def _from_variable(value: Any, kind: Any, path: tuple[str | int, ...]) -> Given:
    if isinstance(kind, GraphQLNonNull):
        return _from_variable(value, kind.of_type, path)
    if value is None:
        return None
    if isinstance(kind, GraphQLList):
        if _is_leaf(kind.of_type) and not _is_enum(kind.of_type):
            return FromVariable(path)
        return [_from_variable(item, kind.of_type, (*path, place)) for place, item in enumerate(value)]
    if isinstance(kind, GraphQLInputObjectType):
        return {name: _from_variable(item, kind.fields[name].type, (*path, name)) for name, item in value.items()}
    return Constant(value) if _is_structural(kind) else FromVariable(path)


def _json(node: ValueNode, kind: GraphQLScalarType, variables: Variables) -> Value:
    """A JSON literal; with variables in it, a template."""
    match node:
        case VariableNode():
            name = node.name.value
            return FromVariable((name,)) if name in variables else Constant(None)
        case ListValueNode() if _has_variable(node):
            return Template(tuple(_json(item, kind, variables) for item in node.values))
        case ObjectValueNode() if _has_variable(node):
            return Template({item.name.value: _json(item.value, kind, variables) for item in node.fields})
    return Constant(kind.parse_literal(node))


def _has_variable(node: ValueNode) -> bool:
    match node:
        case VariableNode():
            return True
        case ListValueNode():
            return any(_has_variable(item) for item in node.values)
        case ObjectValueNode():
            return any(_has_variable(item.value) for item in node.fields)
    return False


def shape(value: Any, kind: Any) -> Any:
    """What of a variable's value decides the form of the SQL. Equal shapes share one statement."""
    if isinstance(kind, GraphQLNonNull):
        return shape(value, kind.of_type)
    if value is None:
        return None
    if isinstance(kind, GraphQLList):
        if _is_leaf(kind.of_type) and not _is_structural(kind.of_type):
            return "list"
        return tuple(shape(item, kind.of_type) for item in value)
    if isinstance(kind, GraphQLInputObjectType):
        return frozenset((name, shape(item, kind.fields[name].type)) for name, item in value.items()), tuple(value)
    return ("is", value) if _is_structural(kind) else "value"


def _bare(kind: Any) -> Any:
    return kind.of_type if isinstance(kind, GraphQLNonNull) else kind


def _is_leaf(kind: Any) -> bool:
    return isinstance(_bare(kind), GraphQLScalarType | GraphQLEnumType)


def _is_enum(kind: Any) -> bool:
    return isinstance(_bare(kind), GraphQLEnumType)


def _is_structural(kind: Any) -> bool:
    bare = _bare(kind)
    return isinstance(bare, GraphQLEnumType) or bare.name == "Boolean"

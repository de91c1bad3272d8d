"""The fields an operation asks for: fragments opened, equal ones joined, `@skip` and `@include` obeyed."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from graphql import (
    BooleanValueNode,
    ConstDirectiveNode,
    DirectiveNode,
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    GraphQLField,
    GraphQLObjectType,
    InlineFragmentNode,
    SelectionSetNode,
    VariableNode,
    get_named_type,
)

META = frozenset({"__typename", "__schema", "__type"})
_NONE = GraphQLField(GraphQLObjectType("none", {}))


@dataclass(frozen=True, slots=True)
class Field:
    """A field of an answer: its name there, its name in the schema, and every place that asks for parts of it."""

    response: str
    name: str
    nodes: tuple[FieldNode, ...]
    definition: GraphQLField
    path: str
    """Where it stands, as errors name it."""

    @property
    def node(self) -> FieldNode:
        """The first place; the arguments of all are the same."""
        return self.nodes[0]


class Collector:
    """Collects fields of one document with the variables of one request."""

    def __init__(self, fragments: Mapping[str, FragmentDefinitionNode], variables: Mapping[str, Any]) -> None:
        self.fragments = fragments
        self.variables = dict(variables)

    def collect(self, sets: Iterable[SelectionSetNode], kind: GraphQLObjectType, path: str) -> list[Field]:
        """The fields of these selection sets, in the order of the answer."""
        found: dict[str, Field] = {}
        for one in sets:
            self._collect(one, kind, path, found, set())
        return list(found.values())

    def inner(self, field: Field) -> list[Field]:
        """The fields inside of a field."""
        kind = get_named_type(field.definition.type)
        assert isinstance(kind, GraphQLObjectType)
        sets = [node.selection_set for node in field.nodes if node.selection_set]
        return self.collect(sets, kind, field.path)

    def _collect(
        self, one: SelectionSetNode, kind: GraphQLObjectType, path: str, found: dict[str, Field], seen: set[str]
    ) -> None:
        for item in one.selections:
            if not self._is_wanted(item):
                continue
            match item:
                case FieldNode():
                    self._add(item, kind, path, found)
                case InlineFragmentNode():
                    self._collect(item.selection_set, kind, path, found, seen)
                case FragmentSpreadNode() if item.name.value not in seen:
                    seen.add(item.name.value)
                    self._collect(self.fragments[item.name.value].selection_set, kind, path, found, seen)

    def _add(self, node: FieldNode, kind: GraphQLObjectType, path: str, found: dict[str, Field]) -> None:
        name = node.name.value
        response = node.alias.value if node.alias else name
        if response in found:
            found[response] = replace(found[response], nodes=(*found[response].nodes, node))
        else:
            definition = _NONE if name in META else kind.fields[name]
            found[response] = Field(response, name, (node,), definition, f"{path}.selectionSet.{name}")

    def _is_wanted(self, node: Any) -> bool:
        if not node.directives:
            return True
        said = {one.name.value: self._if(one) for one in node.directives if one.name.value in ("skip", "include")}
        return not said.get("skip", False) and said.get("include", True)

    def _if(self, directive: ConstDirectiveNode | DirectiveNode) -> bool:
        """The only argument of @skip and @include; validation has seen that it is there."""
        assert directive.arguments
        value = directive.arguments[0].value
        if isinstance(value, VariableNode):
            return bool(self.variables[value.name.value])
        assert isinstance(value, BooleanValueNode)
        return value.value

"""The types of actions in the schema of a role, from the custom types of the metadata."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from graphql import (
    GraphQLArgument,
    GraphQLEnumType,
    GraphQLEnumValue,
    GraphQLError,
    GraphQLField,
    GraphQLID,
    GraphQLInputField,
    GraphQLInputObjectType,
    GraphQLList,
    GraphQLNonNull,
    GraphQLObjectType,
    GraphQLScalarType,
    ListTypeNode,
    NamedTypeNode,
    NonNullTypeNode,
    TypeNode,
    parse_type,
)

from omniroute.graphql.actions.transforms import (
    TransformUnreadable,
    read_request_transform,
    read_response_transform,
)
from omniroute.graphql.metadata.tree import Action, CustomType, Metadata, Name, Problem
from omniroute.graphql.model.roles import ADMIN, RoleView
from omniroute.graphql.model.scalars import make_scalar
from omniroute.graphql.model.tables import Link
from omniroute.graphql.plugged import Types

BUILT_IN = frozenset({"Int", "Float", "String", "Boolean", "ID"})
_MANY = ("array", "manual_array")


@dataclass(frozen=True, slots=True)
class Relation:
    """From an object of an action's output to rows of a table. `fields`: of the object, in the order of the link's
    columns."""

    link: Link

    @property
    def fields(self) -> tuple[str, ...]:
        return tuple(ours for ours, _ in self.link.pairs)


def relations_of(custom: CustomType) -> tuple[Relation, ...]:
    """The relationships of an object type."""
    found = []
    for one in custom.relationships:
        name, mapping, table = one.get("name"), one.get("field_mapping"), one.get("remote_table")
        if isinstance(table, Mapping):
            table = Name(str(table.get("schema") or "public"), str(table.get("name")))
        elif isinstance(table, str):
            table = Name("public", table)
        if isinstance(name, str) and isinstance(mapping, Mapping) and mapping and isinstance(table, Name):
            pairs = tuple((str(ours), str(theirs)) for ours, theirs in mapping.items())
            found.append(Relation(Link(name, one.get("type") in _MANY, table, pairs, nullable=True)))
    return tuple(found)


def why_not_served(action: Action) -> str | None:
    """What of an action this engine would do wrong."""
    try:
        key = "request_transform"
        read_request_transform(action.request_transform or {})
        key = "response_transform"
        read_response_transform(action.response_transform or {})
    except TransformUnreadable as error:
        return f"{key}.{error}; the action is left out"
    if action.kind == "asynchronous" and action.operation == "query":
        return "only a mutation may be asynchronous; the action is left out"
    if any("name" not in one or not ({"value", "value_from_env"} & one.keys()) for one in action.headers):
        return "a header needs a name, and a value or value_from_env; the action is left out"
    return None


def check_actions(metadata: Metadata, view: RoleView | None = None) -> Iterator[Problem]:
    """What of the actions and their types is wrong or not served. `view`: of the role that sees everything."""
    kinds = {one.name: one.kind for one in metadata.custom_types}
    for custom in metadata.custom_types:
        if custom.kind in ("input", "object") and not custom.fields:
            yield Problem(f"type {custom.name}", "has no fields", is_wrong=True)
        if view is not None and any(table.type_name == custom.name for table in view.tables.values()):
            yield Problem(f"type {custom.name}", "has the name of a table's type", is_wrong=True)
        yield from _check_relations(custom, view)
    names: set[tuple[str, str]] = set()
    for action in metadata.actions:
        where = f"action {action.name}"
        if (action.operation, action.name) in names:
            yield Problem(where, "is there twice", is_wrong=True)
        names.add((action.operation, action.name))
        left_out = why_not_served(action)
        if left_out:
            yield Problem(where, left_out)
        for text in (action.output_type, *(one.type for one in action.arguments)):
            try:
                name = named(parse_type(text))
            except GraphQLError:
                yield Problem(where, f"{text!r} is not a type", is_wrong=True)
                continue
            wanted = ("input",) if text is not action.output_type else ("object",)
            if kinds.get(name) in ({"input", "object"} - set(wanted)):
                yield Problem(where, f"{name} cannot stand there", is_wrong=True)


def _check_relations(custom: CustomType, view: RoleView | None) -> Iterator[Problem]:
    known = {one.name for one in custom.fields}
    found = relations_of(custom)
    if len(found) < len(custom.relationships):
        yield Problem(f"type {custom.name}", "a relationship needs name, type, remote_table and field_mapping", True)
    for relation in found:
        where, link = f"type {custom.name} relationship {relation.link.name}", relation.link
        if not set(relation.fields) <= known:
            yield Problem(where, "maps fields that do not exist", is_wrong=True)
        if view is not None:
            tracked = view.model.tables.get(link.target)
            columns = tracked.relation.columns.keys() if tracked else frozenset[str]()
            if not {theirs for _, theirs in link.pairs} <= columns:
                yield Problem(where, f"maps columns that {link.target} does not have", is_wrong=True)


def served(metadata: Metadata) -> list[Action]:
    """The actions this engine answers: those nothing is wrong with."""
    wrong = {one.where for one in check_actions(metadata)}
    return [one for one in metadata.actions if f"action {one.name}" not in wrong]


def named(node: TypeNode) -> str:
    """The name inside of a type."""
    while isinstance(node, NonNullTypeNode | ListTypeNode):
        node = node.type
    assert isinstance(node, NamedTypeNode)
    return node.name.value


class ActionTypes:
    """Makes GraphQL types of the custom types, each once in a schema."""

    def __init__(self, metadata: Metadata, types: Types) -> None:
        self._custom = {one.name: one for one in metadata.custom_types}
        self._types = types

    def field(self, action: Action) -> GraphQLField:
        """The root field of a synchronous action."""
        return GraphQLField(self.of(action.output_type), self.arguments(action), description=action.comment)

    def arguments(self, action: Action) -> dict[str, GraphQLArgument]:
        """What a caller gives."""
        return {one.name: GraphQLArgument(self.of(one.type)) for one in action.arguments}

    def of(self, text: str) -> Any:
        """A type as GraphQL writes it."""
        return self._made(parse_type(text))

    def _made(self, node: TypeNode) -> Any:
        match node:
            case NonNullTypeNode():
                return GraphQLNonNull(self._made(node.type))
            case ListTypeNode():
                return GraphQLList(self._made(node.type))
        return self._named(named(node))

    def _named(self, name: str) -> Any:
        custom = self._custom.get(name)
        if custom is None:
            return self._types.once(name, scalar)
        match custom.kind:
            case "scalar":
                return self._types.once(name, free_scalar)
            case "enum":
                values = {one: GraphQLEnumValue(one) for one in custom.values}
                return self._types.once(name, lambda made: GraphQLEnumType(made, values))
            case "input":
                return self._types.once(name, lambda made: GraphQLInputObjectType(made, lambda: self._inputs(custom)))
        return self._types.once(name, lambda made: GraphQLObjectType(made, lambda: self._outputs(custom)))

    def _inputs(self, custom: CustomType) -> dict[str, GraphQLInputField]:
        return {one.name: GraphQLInputField(self.of(one.type)) for one in custom.fields}

    def _outputs(self, custom: CustomType) -> dict[str, GraphQLField]:
        fields = {one.name: GraphQLField(self.of(one.type)) for one in custom.fields}
        for relation in relations_of(custom):
            link = relation.link
            table = self._types.view.tables.get(link.target)
            if table is None or not {theirs for _, theirs in link.pairs} <= table.tracked.relation.columns.keys():
                continue  # The role does not see that table.
            fields[link.name] = self._types.rows(table) if link.is_array else GraphQLField(self._types.object(table))
        return fields


def scalar(name: str) -> GraphQLScalarType:
    """A scalar that is not declared: GraphQL's own, or one of PostgreSQL's."""
    return GraphQLID if name == "ID" else make_scalar(name)


def free_scalar(name: str) -> GraphQLScalarType:
    """A declared scalar: any JSON."""
    like = make_scalar("json")
    return GraphQLScalarType(name, parse_value=like.parse_value, parse_literal=like.parse_literal)


def roles_of(metadata: Metadata, action: Action) -> frozenset[str]:
    """Who may ask for an action: the roles it names, those that inherit one of them, and the administrator."""
    found = {ADMIN, *action.roles}
    grown = True
    while grown:
        more = {role for role, parents in metadata.inherited_roles.items() if found & set(parents) - {ADMIN}}
        grown = not more <= found
        found |= more
    return frozenset(found)

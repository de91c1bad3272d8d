"""Validates a document against a role's schema, and says what is wrong as Hasura does."""

import re
from collections.abc import Iterator, Mapping
from typing import Any

from graphql import (
    ArgumentNode,
    DocumentNode,
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    GraphQLEnumType,
    GraphQLError,
    GraphQLSchema,
    InlineFragmentNode,
    KnownTypeNamesRule,
    ListValueNode,
    Node,
    ObjectValueNode,
    OperationDefinitionNode,
    OperationType,
    SelectionSetNode,
    ValueNode,
    specified_rules,
    validate,
)

from omniroute.graphql.errors import RequestRefused
from omniroute.graphql.schema.building import RoleSchema

_FIRST = [rule for rule in specified_rules if rule is not KnownTypeNamesRule]
_MESSAGES = (
    (re.compile(r"Cannot query field '(\w+)' on type '(\w+)'"), "field '{0}' not found in type: '{1}'"),
    (re.compile(r"Field '(\w+)' is not defined by type '(\w+)'"), "field '{0}' not found in type: '{1}'"),
    (
        re.compile(r"Expected value of type '(\w+)!?' not to include unknown field '(\w+)'"),
        "field '{1}' not found in type: '{0}'",
    ),
    (re.compile(r"to include required field '(\w+)'"), "missing required field '{0}'"),
    (re.compile(r"Argument '\w+\.\w+\((\w+):\)' of type '[^']+' is required"), "missing required field '{0}'"),
    (re.compile(r"Unknown argument '(\w+)' on field '\w+\.(\w+)'"), "'{1}' has no argument named '{0}'"),
    (re.compile(r"Unknown fragment '(\w+)'"), 'reference to undefined fragment "{0}"'),
    (re.compile(r"Variable '\$(\w+)' is not defined"), 'unbound variable "{0}"'),
    (re.compile(r"Field '\w+' argument '(\w+)' of type '[^']+' is required"), "missing required field '{0}'"),
    (re.compile(r"Field '[\w.]+\.(\w+)' of required type"), "missing required field '{0}'"),
    (
        re.compile(r"[Ss]ubscription.* must select only one top level field"),
        "subscriptions must select one top level field",
    ),
    (
        re.compile(r"[Ss]ubscription.* must not select an introspection top level field"),
        "subscriptions must select one top level field",
    ),
    (re.compile(r"Field '\w+' of type '\[?(\w+)[^']*' must have a selection"), "missing selection set for '{0}'"),
    (re.compile(r"Field '\w+' must not have a selection"), "unexpected subselection set for non-object field"),
    (re.compile(r"Expected value of non-null type '\[?(\w+)[^']*' not to be"), "unexpected null value for type '{0}'"),
    (
        re.compile(r"Int cannot represent non 32-bit signed integer value: (.+)", re.DOTALL),
        "The value {0} lies outside the bounds or is not an integer."
        " Maybe it is a float, or is there integer overflow?",
    ),
)


_WRONG_TYPE = (
    (re.compile(r"Int cannot represent non-integer value: (.+)", re.DOTALL), "a 32-bit integer for type 'Int'"),
    (re.compile(r"Float cannot represent non numeric value: (.+)", re.DOTALL), "a number for type 'Float'"),
    (re.compile(r"String cannot represent a non string value: (.+)", re.DOTALL), "a string for type 'String'"),
    (re.compile(r"Boolean cannot represent a non boolean value: (.+)", re.DOTALL), "a boolean for type 'Boolean'"),
    (
        re.compile(r"Enum '(?P<type>\w+)' cannot represent non-\w+ value: (.+)\.", re.DOTALL),
        "an enum value for type '{type}'",
    ),
    (
        re.compile(r"Expected value of type '(?P<type>\w+)!?' to be an object, found: (.+)\.", re.DOTALL),
        "an object for type '{type}'",
    ),
)
_NO_VALUE = re.compile(r"Value '(\w+)' does not exist in '(\w+)' enum")
_KINDS = {'"': "a string", "'": "a string", "{": "an object", "[": "a list"}
_WORDS = {"true": "a boolean", "false": "a boolean", "True": "a boolean", "False": "a boolean", "null": "null"}


def choose_operation(document: DocumentNode, name: str | None) -> OperationDefinitionNode:
    """The operation asked for.

    Raises: RequestRefused.
    """
    operations = [one for one in document.definitions if isinstance(one, OperationDefinitionNode)]
    if name is None:
        if len(operations) != 1:
            raise RequestRefused(
                "exactly one operation has to be present in the document when operationName is not specified"
            )
        return operations[0]
    found = [one for one in operations if one.name and one.name.value == name]
    if not found:
        raise RequestRefused(f'no such operation found in the document: "{name}"')
    return found[0]


def check_document(schema: RoleSchema, document: DocumentNode, operation: OperationDefinitionNode) -> None:
    """Refuse what the role's schema does not have.

    Raises: RequestRefused.
    """
    if operation.operation is OperationType.MUTATION and schema.schema.mutation_type is None:
        raise RequestRefused("no mutations exist")
    if operation.operation is OperationType.SUBSCRIPTION and schema.schema.subscription_type is None:
        raise RequestRefused("no subscriptions exist")
    # A field that is not there comes first: with it, types of variables that only it would take are not there either.
    errors = validate(schema.schema, document, _FIRST, max_errors=1)
    errors = errors or validate(schema.schema, document, [KnownTypeNamesRule], max_errors=1)
    if errors:
        raise said(errors[0], document, operation, schema.schema)


def worded(message: str, schema: GraphQLSchema) -> str:
    """What graphql-core says, in Hasura's words where it has some."""
    message = message.split(" Did you mean")[0]
    unknown = _NO_VALUE.search(message)
    if unknown:
        enum = schema.type_map.get(unknown[2])
        known = ", ".join(f"'{one}'" for one in enum.values) if isinstance(enum, GraphQLEnumType) else ""
        return f"expected one of the values [{known}] for type '{unknown[2]}', but found '{unknown[1]}'"
    for pattern, words in _MESSAGES:
        found = pattern.search(message)
        if found:
            return words.format(*found.groups())
    for pattern, wanted in _WRONG_TYPE:
        found = pattern.search(message)
        if found:
            value = found.groups()[-1]
            kind = _WORDS.get(value) or _KINDS.get(
                value[0], "a number" if value[0] in "-0123456789" else "an enum value"
            )
            return f"expected {wanted.format(**found.groupdict())}, but found {kind}"
    return message


def code_of(message: str) -> str:
    """Hasura's code of an error in its words."""
    return "parse-failed" if message.startswith("The value ") else "validation-failed"


def said(
    error: GraphQLError, document: DocumentNode, operation: OperationDefinitionNode, schema: GraphQLSchema
) -> RequestRefused:
    """An error of validation in Hasura's words. Names that only resemble the one asked for are not suggested."""
    message = worded(error.message, schema)
    fragments = {one.name.value: one for one in document.definitions if isinstance(one, FragmentDefinitionNode)}
    nodes = error.nodes or []
    path = next((path for node in nodes for one, path in _walk(operation, fragments) if one is node), "$")
    return RequestRefused(message, path=_place(message, path), code=code_of(message))


def _place(message: str, path: str) -> str:
    """Where Hasura says it is: what is missing stands where it would be, an unknown argument at its field."""
    if message.startswith("subscriptions must select"):
        return "$"
    if message.startswith("missing selection set"):
        return f"{path}.selectionSet"
    missing = re.fullmatch(r"missing required field '(\w+)'", message)
    if missing:
        return f"{path}.{missing[1]}" if ".args." in path else f"{path}.args.{missing[1]}"
    return path.rpartition(".args.")[0] if "has no argument named" in message else path


def _walk(
    operation: OperationDefinitionNode, fragments: Mapping[str, FragmentDefinitionNode]
) -> Iterator[tuple[Node, str]]:
    """Every node with its path, fragments seen where they are used first."""
    yield from _selections(operation.selection_set, "$", fragments, set())


def _selections(
    one: SelectionSetNode, path: str, fragments: Mapping[str, FragmentDefinitionNode], seen: set[str]
) -> Iterator[tuple[Node, str]]:
    for item in one.selections:
        match item:
            case FieldNode():
                here = f"{path}.selectionSet.{item.name.value}"
                yield item, here
                for argument in item.arguments or ():
                    yield from _argument(argument, f"{here}.args.{argument.name.value}")
                if item.selection_set:
                    yield item.selection_set, here
                    yield from _selections(item.selection_set, here, fragments, seen)
            case InlineFragmentNode():
                yield item, path
                yield from _selections(item.selection_set, path, fragments, seen)
            case FragmentSpreadNode():
                yield item, path
                yield item.name, f"{path}.selectionSet"
                name = item.name.value
                if name in fragments and name not in seen:
                    seen.add(name)
                    yield from _selections(fragments[name].selection_set, path, fragments, seen)


def _argument(node: ArgumentNode, path: str) -> Iterator[tuple[Node, str]]:
    yield node, path
    yield from _value(node.value, path)


def _value(node: ValueNode, path: str) -> Iterator[tuple[Any, str]]:
    yield node, path
    match node:
        case ListValueNode():
            for place, item in enumerate(node.values):
                yield from _value(item, f"{path}[{place}]")
        case ObjectValueNode():
            for field in node.fields:
                yield field, f"{path}.{field.name.value}"
                yield from _value(field.value, f"{path}.{field.name.value}")

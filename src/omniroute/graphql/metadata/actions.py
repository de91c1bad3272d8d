"""Reads actions and the types they use."""

from collections.abc import Mapping
from typing import Literal

from omniroute.graphql.metadata.parts import Part, called
from omniroute.graphql.metadata.tree import Action, Argument, CustomType


def actions(part: Part) -> tuple[Action, ...]:
    return part.each("actions", called("action", "name"), _action)


def _action(part: Part) -> Action:
    definition = part.part("definition")
    roles = {str(item.get("role")) for item in part.items("permissions") if isinstance(item, Mapping)}
    with definition.read():
        operation, kind = definition.text("type") or "mutation", definition.text("kind") or "synchronous"
        if operation not in ("query", "mutation"):
            definition.wrong(f"type must be query or mutation, not {operation}")
        if kind not in ("synchronous", "asynchronous"):
            definition.wrong(f"kind must be synchronous or asynchronous, not {kind}")
        return Action(
            part.need("name"),
            "query" if operation == "query" else "mutation",
            "asynchronous" if kind == "asynchronous" else "synchronous",
            definition.need("handler"),
            definition.need("output_type"),
            _arguments(definition, "arguments"),
            definition.number("timeout") or 30,
            definition.flag("forward_client_headers"),
            tuple(definition.items("headers")),
            definition.mapping("request_transform") or None,
            definition.mapping("response_transform") or None,
            frozenset(roles),
            part.text("comment"),
        )


def custom_types(part: Part) -> tuple[CustomType, ...]:
    with part.read():
        return (
            *part.each("input_objects", called("input object", "name"), lambda item: _custom(item, "input")),
            *part.each("objects", called("object", "name"), lambda item: _custom(item, "object")),
            *part.each("scalars", called("scalar", "name"), lambda item: _custom(item, "scalar")),
            *part.each("enums", called("enum", "name"), lambda item: _custom(item, "enum")),
        )


def _custom(part: Part, kind: Literal["input", "object", "scalar", "enum"]) -> CustomType:
    part.raw("description")
    values = tuple(str(item.get("value")) for item in part.items("values") if isinstance(item, Mapping))
    return CustomType(part.need("name"), kind, _arguments(part, "fields"), values, tuple(part.items("relationships")))


def _arguments(part: Part, key: str) -> tuple[Argument, ...]:
    return part.each(key, called("argument", "name"), _argument)


def _argument(part: Part) -> Argument:
    part.raw("description")
    return Argument(part.need("name"), part.need("type"))

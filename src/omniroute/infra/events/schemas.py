"""Public schemas of events, from their declarations: `docs/events/*.json` and the list `docs/events.md`."""

import json
import types
from collections.abc import Mapping, Sequence, Set
from dataclasses import fields, is_dataclass
from datetime import date, datetime
from decimal import Decimal
from enum import Enum
from fractions import Fraction
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints
from uuid import UUID

from omniroute.infra.events.model import Event
from omniroute.kit.money import JSON_SAFE_MAX, Money

_INTEGER = {
    "anyOf": [
        {"type": "integer", "minimum": -JSON_SAFE_MAX, "maximum": JSON_SAFE_MAX},
        {"type": "string", "pattern": "^-?[0-9]{16,19}$"},
    ]
}
_PLAIN: dict[object, dict[str, Any]] = {
    bool: {"type": "boolean"},
    str: {"type": "string"},
    int: _INTEGER,
    UUID: {"type": "string", "format": "uuid"},
    datetime: {"type": "string", "format": "date-time"},
    date: {"type": "string", "format": "date"},
    Decimal: {"type": "string", "pattern": "^-?[0-9]+(\\.[0-9]+)?$"},
    Fraction: {"type": "string", "pattern": "^-?[0-9]+(/[0-9]+)?$"},
    type(None): {"type": "null"},
    object: {},
    Any: {},
}


def schema_documents() -> dict[str, str]:
    """Every document about events, by its path in the repository.

    Covers the modules that are imported; the caller imports them all first.
    """
    events = sorted(_declared(), key=lambda event: (event.topic, event.version))
    documents = {_path(event): json.dumps(event_schema(event), indent=2) + "\n" for event in events}
    lines = [
        "# Events",
        "",
        "Generated from the `Event` classes of each module; do not edit.",
        "How events are written and read: [modules/events.md](modules/events.md).",
        "",
        "| type | version | means | schema |",
        "|---|---|---|---|",
    ]
    for event in events:
        name = _path(event).rpartition("/")[2]
        lines.append(f"| `{event.topic}` | {event.version} | {_meaning(event)} | [{name}](events/{name}) |")
    return {"docs/events.md": "\n".join(lines) + "\n", **documents}


def _declared() -> list[type[Event]]:
    """Our events; those that tests declare are not for the public."""
    return [event for event in Event.by_topic.values() if event.__module__.startswith("omniroute.")]


def _path(event: type[Event]) -> str:
    return f"docs/events/{event.topic}.v{event.version}.json"


def _meaning(event: type[Event]) -> str:
    return " ".join((event.__doc__ or "").split("\n\n")[0].split())


def event_schema(event: type[Event]) -> dict[str, Any]:
    """The JSON Schema of an event's `data`."""
    schema = _object(event, event.id_prefixes)
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": f"{event.topic}.v{event.version}.json",
        "title": f"{event.topic} version {event.version}",
        "description": _meaning(event),
        **schema,
    }


def _object(kind: type, id_prefixes: Mapping[str, str]) -> dict[str, Any]:
    """Readers must ignore what they do not know, so that a field may be added without a new version."""
    assert is_dataclass(kind), f"{kind.__name__} must be a frozen dataclass"
    hints = get_type_hints(kind)
    properties: dict[str, Any] = {}
    for field in fields(kind):
        properties[field.name] = _schema(hints[field.name], id_prefixes.get(field.name))
    return {"type": "object", "properties": properties, "required": list(properties)}


def _schema(hint: Any, prefix: str | None = None) -> dict[str, Any]:
    if hint is UUID and prefix:
        return {"type": "string", "pattern": f"^{prefix}_[0-9a-hjkmnp-tv-z]{{26}}$"}
    try:
        if hint in _PLAIN:
            return _PLAIN[hint]
    except TypeError:
        pass  # An unhashable hint is none of the plain ones.
    origin, arguments = get_origin(hint), get_args(hint)
    if origin in (Union, types.UnionType):
        return {"anyOf": [_schema(argument, prefix) for argument in arguments]}
    if origin is Literal:
        return {"enum": list(arguments)}
    if isinstance(origin, type):
        return _collection(origin, arguments, prefix)
    assert isinstance(hint, type), f"{hint!r} has no place in an event"
    if hint is Money:
        currency = {"type": "string", "pattern": "^[A-Z]{3}$"}
        return {
            "type": "object",
            "properties": {"amount_minor": _INTEGER, "currency": currency},
            "required": ["amount_minor", "currency"],
        }
    if issubclass(hint, Enum):
        return {"enum": [member.value for member in hint]}
    if is_dataclass(hint):
        return _object(hint, {})
    return _collection(hint, (), prefix)


def _collection(origin: type, arguments: tuple[Any, ...], prefix: str | None) -> dict[str, Any]:
    if issubclass(origin, Mapping):
        return {"type": "object", "additionalProperties": _schema(arguments[1]) if arguments else {}}
    assert issubclass(origin, Sequence | Set), f"{origin.__name__} has no place in an event"
    return {"type": "array", "items": _schema(arguments[0], prefix) if arguments else {}}

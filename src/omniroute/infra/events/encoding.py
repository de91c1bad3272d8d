"""Fields of an event -> JSON, exact: amounts beyond 2^53 become strings, instants are UTC, floats do not exist."""

from collections.abc import Mapping, Sequence, Set
from dataclasses import fields, is_dataclass
from datetime import UTC, date, datetime
from decimal import Decimal
from enum import Enum
from fractions import Fraction
from typing import Any
from uuid import UUID

from omniroute.infra.events.model import Event
from omniroute.kit import ids
from omniroute.kit.money import Money, json_amount


def event_data(event: Event) -> dict[str, Any]:
    """The `data` of an event, from its dataclass fields."""
    assert is_dataclass(event), f"{type(event).__name__} must be a frozen dataclass"
    data: dict[str, Any] = {}
    for field in fields(event):
        value = getattr(event, field.name)
        prefix = event.id_prefixes.get(field.name)
        data[field.name] = _public_id(prefix, value) if prefix else plain(value)
    return data


def _public_id(prefix: str, value: object) -> Any:
    if isinstance(value, UUID):
        return ids.show(prefix, value)
    if isinstance(value, list | tuple):
        return [_public_id(prefix, item) for item in value]
    assert value is None, f"{prefix} ids are UUIDs, not {value!r}"
    return None


def plain(value: object) -> Any:
    """A value as JSON knows it. A type it does not know, and any float, is a mistake of ours."""
    match value:
        case None | bool() | str():
            return value.value if isinstance(value, Enum) else value
        case Enum():
            return plain(value.value)
        case int():
            return json_amount(value)
        case UUID() | Decimal() | Fraction():
            return str(value)
        case Money():
            return {"amount_minor": json_amount(value.amount_minor), "currency": value.currency}
        case datetime():
            assert value.tzinfo is not None, "an instant needs a time zone"
            return value.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")
        case date():
            return value.isoformat()
        case Mapping():
            return {str(plain(key)): plain(item) for key, item in value.items()}
        case Set():
            return sorted(plain(item) for item in value)
        case Sequence() if not isinstance(value, bytes | bytearray | memoryview):
            return [plain(item) for item in value]
        case _ if is_dataclass(value) and not isinstance(value, type):
            return {field.name: plain(getattr(value, field.name)) for field in fields(value)}
        case _:
            raise AssertionError(f"{type(value).__name__} has no place in an event")

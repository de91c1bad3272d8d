"""JSON as text, with every digit of its numbers."""

import json
from dataclasses import dataclass
from decimal import Decimal
from typing import Any


@dataclass(slots=True)
class Slot:
    """The place of rows that are still to be read; `text` is their JSON."""

    text: str = "null"


def encode(value: Any) -> str:
    """JSON, with every digit of its numbers."""
    match value:
        case Slot():
            return value.text
        case dict():
            return "{" + ",".join(f"{json.dumps(name)}:{encode(item)}" for name, item in value.items()) + "}"
        case list():
            return "[" + ",".join(encode(item) for item in value) + "]"
        case Decimal() | float():  # One that remembers how it was written says so.
            return str(value)
    return json.dumps(value)

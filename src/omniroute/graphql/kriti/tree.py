"""What a template is made of."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Plain:
    """A value that stands in the template."""

    value: Any


@dataclass(frozen=True, slots=True)
class Text:
    """A string put together from parts."""

    parts: tuple["Node", ...]


@dataclass(frozen=True, slots=True)
class Items:
    """A list."""

    items: tuple["Node", ...]


@dataclass(frozen=True, slots=True)
class Members:
    """An object."""

    members: Mapping[str, "Node"]


@dataclass(frozen=True, slots=True)
class Step:
    """One step of a lookup: a member's name or a place. `is_optional`: null when it is not there."""

    key: str | int
    is_optional: bool


@dataclass(frozen=True, slots=True)
class Lookup:
    """A value of the scope, or a part of one."""

    name: str
    steps: tuple[Step, ...]


@dataclass(frozen=True, slots=True)
class Choice:
    """One value or another."""

    condition: "Node"
    then: "Node"
    otherwise: "Node"


@dataclass(frozen=True, slots=True)
class Loop:
    """A list: `body` for each item of another."""

    place: str | None
    item: str
    source: "Node"
    body: "Node"


@dataclass(frozen=True, slots=True)
class Operation:
    """Two values and what is between them."""

    operator: str
    left: "Node"
    right: "Node"


@dataclass(frozen=True, slots=True)
class Call:
    """A function of one value."""

    name: str
    given: "Node"


Node = Plain | Text | Items | Members | Lookup | Choice | Loop | Operation | Call

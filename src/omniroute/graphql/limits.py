"""Bounds on what a document may ask for, held before anything expensive is done with it."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from graphql import (
    DocumentNode,
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    GraphQLError,
    InlineFragmentNode,
    OperationDefinitionNode,
    SelectionSetNode,
    parse,
)

from omniroute.graphql.compiler.given import NESTING_MAX
from omniroute.graphql.errors import RequestRefused

_QUIET = re.compile(r'"""(?:\\"""|.)*?"""|"(?:\\.|[^"\\\n])*"|#[^\n\r]*', re.DOTALL)
_OPENING, _CLOSING = frozenset("{[("), frozenset("}])")


@dataclass(frozen=True, slots=True)
class Limits:
    """The usual bounds; metadata's `api_limits` may name others for depth, nodes, time and batches."""

    document_bytes: int = 100_000
    tokens: int = 20_000
    depth: int = 32
    """Levels of fields."""
    nodes: int = 1_000
    """Fields, those of fragments counted each time they are used."""
    aliases: int = 100
    time_s: int = 10
    batch: int = 20
    """Operations in one request."""


@dataclass(frozen=True, slots=True)
class Size:
    """How much an operation asks for."""

    depth: int = 0
    nodes: int = 0
    aliases: int = 0

    def beside(self, other: "Size") -> "Size":
        return Size(max(self.depth, other.depth), self.nodes + other.nodes, self.aliases + other.aliases)


def parse_within(text: str, limits: Limits) -> DocumentNode:
    """The document, if it is small enough to be read at all.

    Raises: RequestRefused.
    """
    if len(text) > limits.document_bytes or len(text.encode(errors="replace")) > limits.document_bytes:
        raise RequestRefused(f"the document is longer than {limits.document_bytes} bytes")
    if _nesting(text) > NESTING_MAX:
        raise RequestRefused(f"the document is nested deeper than {NESTING_MAX} levels")
    try:
        return parse(text, max_tokens=limits.tokens)
    except GraphQLError as error:
        raise RequestRefused(f"not a valid graphql query: {error.message}", path="$.query") from error


def _nesting(text: str) -> int:
    deepest = level = 0
    for mark in _QUIET.sub("", text):
        if mark in _OPENING:
            level += 1
            deepest = max(deepest, level)
        elif mark in _CLOSING:
            level -= 1
    return deepest


def check_value_nesting(value: Any) -> None:
    """Refuse variables that are nested too deeply.

    Raises: RequestRefused.
    """
    open_: list[tuple[Any, int]] = [(value, 0)]
    while open_:
        one, level = open_.pop()
        if level > NESTING_MAX:
            raise RequestRefused(f"variables are nested deeper than {NESTING_MAX} levels", path="$.variables")
        inner = one.values() if isinstance(one, Mapping) else one if isinstance(one, list) else ()
        open_ += ((item, level + 1) for item in inner)


def has_more_values(value: Any, most: int) -> bool:
    """Whether variables hold more values than this. It stops counting there."""
    open_, count = [value], 0
    while open_ and count <= most:
        one = open_.pop()
        inner = one.values() if isinstance(one, Mapping) else one if isinstance(one, list) else ()
        count += 1
        open_ += inner
    return count > most


def check_size(
    operation: OperationDefinitionNode,
    fragments: Mapping[str, FragmentDefinitionNode],
    limits: Limits,
    *,
    depth: int,
    nodes: int,
) -> None:
    """Refuse an operation that is too large, or whose fragments contain themselves.

    Raises: RequestRefused.
    """
    size = _Measure(fragments).of(operation.selection_set)
    if size.depth > depth:
        raise RequestRefused(
            f"the operation is {size.depth} levels deep; {depth} are allowed", code="depth-limit-exceeded"
        )
    if size.nodes > nodes:
        raise RequestRefused(f"the operation has more than {nodes} fields", code="node-limit-exceeded")
    if size.aliases > limits.aliases:
        raise RequestRefused(f"the operation has more than {limits.aliases} aliases", code="node-limit-exceeded")


class _Measure:
    """Measures with each fragment looked at once, however often it is used."""

    def __init__(self, fragments: Mapping[str, FragmentDefinitionNode]) -> None:
        self.fragments = fragments
        self.known: dict[str, Size] = {}
        self.open: list[str] = []

    def of(self, one: SelectionSetNode | None) -> Size:
        total = Size()
        for item in one.selections if one else ():
            match item:
                case FieldNode():
                    inner = self.of(item.selection_set)
                    aliases = inner.aliases + (item.alias is not None)
                    total = total.beside(Size(inner.depth + 1, inner.nodes + 1, aliases))
                case InlineFragmentNode():
                    total = total.beside(self.of(item.selection_set))
                case FragmentSpreadNode():
                    total = total.beside(self._fragment(item.name.value))
        return total

    def _fragment(self, name: str) -> Size:
        if name in self.open:
            cycle = ", ".join(f'"{one}"' for one in self.open[self.open.index(name) :])
            raise RequestRefused(f"the fragment definition(s) {cycle} form a cycle")
        if name not in self.known:
            self.open.append(name)
            self.known[name] = self.of(self.fragments[name].selection_set) if name in self.fragments else Size()
            self.open.pop()
        return self.known[name]

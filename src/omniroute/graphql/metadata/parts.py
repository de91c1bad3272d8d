"""Reads one mapping of the metadata document: its members by kind, and what is wrong with them."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, TypeVar, cast

from omniroute.graphql.metadata.tree import Name, Problem

T = TypeVar("T")


class Part:
    """A mapping being read: where it stands, and which of its members have been asked for."""

    def __init__(self, value: Any, where: str, problems: list[Problem]) -> None:
        self.where = where
        self.problems = problems
        self.members: dict[str, Any] = dict(value) if isinstance(value, Mapping) else {}
        self._asked: set[str] = set()
        if value is not None and not isinstance(value, Mapping):
            self.wrong(f"must be a mapping, not {value!r:.60}")

    def wrong(self, what: str) -> None:
        self.problems.append(Problem(self.where, what, is_wrong=True))

    def unserved(self, what: str) -> None:
        self.problems.append(Problem(self.where, what))

    def raw(self, key: str) -> Any:
        self._asked.add(key)
        return self.members.get(key)

    def _of(self, key: str, kinds: type | tuple[type, ...], kind: str, default: T) -> Any | T:
        value = self.raw(key)
        if value is None:
            return default
        if not isinstance(value, kinds) or (isinstance(value, bool) and kinds is int):
            self.wrong(f"{key} must be {kind}, not {value!r:.60}")
            return default
        return value

    def text(self, key: str) -> str | None:
        return cast("str | None", self._of(key, str, "text", None))

    def need(self, key: str) -> str:
        if key not in self.members:
            self.wrong(f"{key} is missing")
        return self.text(key) or ""

    def flag(self, key: str) -> bool:
        return bool(self._of(key, bool, "true or false", False))

    def number(self, key: str) -> int | None:
        return cast("int | None", self._of(key, int, "a whole number", None))

    def mapping(self, key: str) -> dict[str, Any]:
        return dict(self._of(key, Mapping, "a mapping", {}))

    def texts(self, key: str) -> dict[str, str]:
        return {k: v for k, v in self.mapping(key).items() if isinstance(v, str) and v}

    def items(self, key: str) -> list[Any]:
        return list(self._of(key, list, "a list", []))

    def part(self, key: str) -> "Part":
        return Part(self.raw(key), f"{self.where}.{key}", self.problems)

    def name(self, key: str) -> Name:
        """A qualified name: text (schema public), or a mapping of schema and name."""
        value = self.raw(key)
        match value:
            case str():
                return Name("public", value)
            case {"name": str(name)}:
                return Name(str(value.get("schema") or "public"), name)
        self.wrong(f"{key} must be a name, not {value!r:.60}")
        return Name("public", "")

    @contextmanager
    def read(self) -> Iterator["Part"]:
        """At the end, members nobody asked for are problems."""
        yield self
        for key in self.members.keys() - self._asked - {"comment"}:
            self.unserved(f"{key} is not known")

    def each(self, key: str, called: Callable[[Any, int], str], make: Callable[["Part"], T]) -> tuple[T, ...]:
        """The items of a list, each read as a part with a name of its own."""
        found = []
        for place, item in enumerate(self.items(key)):
            part = Part(item, f"{self.where} {called(item, place)}".strip(), self.problems)
            if isinstance(item, Mapping):
                with part.read():
                    found.append(make(part))
        return tuple(found)


def called(noun: str, key: str) -> Callable[[Any, int], str]:
    """What an item of a list is called in a problem: by its name, else by its place."""

    def said(item: Any, place: int) -> str:
        name = item.get(key) if isinstance(item, Mapping) else None
        if isinstance(name, Mapping):
            name = f"{name.get('schema') or 'public'}.{name.get('name')}"
        return f"{noun} {name if isinstance(name, str) else place + 1}"

    return said

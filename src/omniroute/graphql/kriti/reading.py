"""Reads templates. What is not of the language is refused here, before anything is evaluated."""

import json
import re
from collections.abc import Callable
from decimal import Decimal
from typing import NoReturn

from omniroute.graphql.kriti.functions import FUNCTIONS
from omniroute.graphql.kriti.tree import (
    Call,
    Choice,
    Items,
    Lookup,
    Loop,
    Members,
    Node,
    Operation,
    Plain,
    Step,
    Text,
)

CHARACTERS_MAX = 100_000
NESTING_MAX = 100
_BLANK = re.compile(r"(?:\s|#[^\n]*)*")
_NAME = re.compile(r"\$?[A-Za-z][$A-Za-z0-9_-]*|\$|_[A-Za-z0-9_]*")
_NUMBER = re.compile(r"-?(?:0|[1-9][0-9]*)(\.[0-9]+)?([eE][+-]?[0-9]+)?")
_WORDS = {"true": True, "false": False, "null": None}
_LEVELS = (("||",), ("&&",), ("==", "!=", "<=", ">=", "<", ">", "in"), ("??",))
"""Operators, those that bind least first."""


class KritiUnreadable(Exception):
    """A template that is not of the language; the message says where."""


def read_template(text: str) -> Node:
    """A template whose value is JSON.

    Raises: KritiUnreadable.
    """
    reader = _Reader(text)
    node = reader.term()
    reader.end()
    return node


def read_text_template(text: str) -> Node:
    """A template that is the inside of a string, such as `{{$base_url}}/orders`.

    Raises: KritiUnreadable.
    """
    reader = _Reader(text)
    return reader.text(None)


class _Reader:
    """Goes through a template from left to right."""

    def __init__(self, text: str) -> None:
        if len(text) > CHARACTERS_MAX:
            raise KritiUnreadable(f"is longer than {CHARACTERS_MAX} characters")
        self.rest = text
        self.at = 0
        self.depth = 0

    # Signs.

    def wrong(self, wanted: str) -> NoReturn:
        line = self.rest.count("\n", 0, self.at) + 1
        found = self.rest[self.at : self.at + 10].split("\n")[0] or "the end"
        raise KritiUnreadable(f"line {line}: {wanted} is missing before {found!r}")

    def blank(self) -> None:
        found = _BLANK.match(self.rest, self.at)
        assert found is not None
        self.at = found.end()

    def sees(self, sign: str) -> bool:
        self.blank()
        return self.rest.startswith(sign, self.at)

    def takes(self, sign: str) -> bool:
        found = self.sees(sign)
        self.at += len(sign) if found else 0
        return found

    def needs(self, sign: str) -> None:
        if not self.takes(sign):
            self.wrong(repr(sign))

    def word(self) -> str | None:
        """The name that comes next, left where it is."""
        self.blank()
        found = _NAME.match(self.rest, self.at)
        return found[0] if found else None

    def name(self) -> str:
        found = self.word()
        if found is None:
            self.wrong("a name")
        self.at += len(found)
        return found

    def end(self) -> None:
        self.blank()
        if self.at < len(self.rest):
            self.wrong("the end")

    # JSON, with braces in it.

    def term(self) -> Node:
        """A value of JSON, or what stands in double braces for one."""
        self.depth += 1
        if self.depth > NESTING_MAX:
            raise KritiUnreadable(f"is nested deeper than {NESTING_MAX}")
        try:
            return self._braces() if self.takes("{{") else self._value(self.term)
        finally:
            self.depth -= 1

    def _value(self, read: Callable[[], Node]) -> Node:
        """A value as JSON writes it; what is in it is read by `read`."""
        if self.takes("{"):
            return self._members(read)
        if self.takes("["):
            items: list[Node] = []
            while not self.takes("]"):
                if items:
                    self.needs(",")
                items.append(read())
            return Items(tuple(items))
        if self.takes('"'):
            return self.text('"')
        if self.takes("("):
            node = read()
            self.needs(")")
            return node
        found = _NUMBER.match(self.rest, self.at)
        if found:
            self.at = found.end()
            return Plain(Decimal(found[0]) if found[1] or found[2] else int(found[0]))
        word = self.word()
        if word in _WORDS:
            self.name()
            return Plain(_WORDS[word])
        self.wrong("a value")

    def _members(self, read: Callable[[], Node]) -> Node:
        found: dict[str, Node] = {}
        while not self.takes("}"):
            if found:
                self.needs(",")
            self.needs('"')
            key = self.text('"')
            if not isinstance(key, Plain):
                self.wrong("a name without braces in it")
            self.needs(":")
            found[key.value] = read()
        return Members(found)

    def text(self, quote: str | None) -> Node:
        """A string up to its quote, or all that is left: letters, escapes of JSON, and lookups in double braces."""
        parts: list[Node] = []
        plain: list[str] = []

        def close() -> None:
            if plain:
                parts.append(Plain(self._unescaped("".join(plain)) if quote else "".join(plain)))
                plain.clear()

        while True:
            if self.at >= len(self.rest):
                if quote is not None:
                    self.wrong(quote)
                break
            sign = self.rest[self.at]
            if sign == quote:
                self.at += 1
                break
            if self.rest.startswith("{{", self.at):
                close()
                self.at += 2
                parts.append(self._braces())
                continue
            if sign == "\\" and quote is not None:
                plain.append(self.rest[self.at : self.at + 2])
                self.at += 2
                continue
            plain.append(sign)
            self.at += 1
        close()
        if all(isinstance(one, Plain) for one in parts):
            return Plain("".join(one.value for one in parts if isinstance(one, Plain)))
        return Text(tuple(parts))

    def _unescaped(self, text: str) -> str:
        try:
            found = json.loads(f'"{text}"', strict=False)
        except ValueError:
            self.wrong("an escape of JSON")
        assert isinstance(found, str)
        return found

    # What stands in double braces.

    def _braces(self) -> Node:
        """From behind `{{` to its end."""
        match self.word():
            case "if":
                self.name()
                return self._choice()
            case "range":
                self.name()
                return self._loop()
        node = self.expression()
        self.needs("}}")
        return node

    def _choice(self) -> Node:
        condition = self.expression()
        self.needs("}}")
        then = self.term()
        self.needs("{{")
        match self.name():
            case "elif":
                return Choice(condition, then, self._choice())
            case "else":
                self.needs("}}")
                otherwise = self.term()
                self._close()
                return Choice(condition, then, otherwise)
        self.wrong("else")

    def _loop(self) -> Node:
        place = self.name()
        self.needs(",")
        item = self.name()
        self.needs(":=")
        source = self.expression()
        self.needs("}}")
        body = self.term()
        self._close()
        return Loop(None if place == "_" else place, item, source, body)

    def _close(self) -> None:
        self.needs("{{")
        if self.name() != "end":
            self.wrong("end")
        self.needs("}}")

    def expression(self, level: int = 0) -> Node:
        """A value made of others."""
        self.depth += 1
        if self.depth > NESTING_MAX * len(_LEVELS):
            raise KritiUnreadable(f"is nested deeper than {NESTING_MAX}")
        try:
            if level == len(_LEVELS):
                return self._primary()
            node = self.expression(level + 1)
            while operator := next((one for one in _LEVELS[level] if self._is_operator(one)), None):
                self.takes(operator)
                node = Operation(operator, node, self.expression(level + 1))
            return node
        finally:
            self.depth -= 1

    def _is_operator(self, operator: str) -> bool:
        return self.word() == operator if operator.isalpha() else self.sees(operator)

    def _primary(self) -> Node:
        if self.takes("{{"):
            return self._braces()
        if self.takes("'"):
            return Plain(self._quoted("'"))
        word = self.word()
        if word is None or word in _WORDS:
            return self._value(self.expression)
        if word in FUNCTIONS:
            self.name()
            return Call(word, self._primary())
        self.name()
        return Lookup(word, tuple(self._steps()))

    def _quoted(self, quote: str) -> str:
        end = self.rest.find(quote, self.at)
        if end < 0:
            self.wrong(quote)
        found = self.rest[self.at : end]
        self.at = end + 1
        return found

    def _steps(self) -> list[Step]:
        steps = []
        while True:
            is_optional = self.sees("?.") or self.sees("?[")
            self.at += is_optional
            if self.takes("."):
                steps.append(Step(self.name(), is_optional))
            elif self.takes("["):
                steps.append(Step(self._key(), is_optional))
                self.needs("]")
            else:
                return steps

    def _key(self) -> str | int:
        for quote in ("'", '"'):
            if self.takes(quote):
                return self._quoted(quote)
        self.blank()
        found = re.compile(r"[0-9]{1,9}").match(self.rest, self.at)
        if found is None:
            self.wrong("a place or a name in quotes")
        self.at = found.end()
        return int(found[0])

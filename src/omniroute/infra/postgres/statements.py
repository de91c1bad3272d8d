"""Cutting an SQL file into its statements, so that an error can name the line.

Knows what PostgreSQL lets a semicolon hide in: strings, quoted names, dollar quotes, comments (nested too), and the
BEGIN ATOMIC ... END body of a function.
"""

import re
from dataclasses import dataclass

_TOKEN = re.compile(
    r"""
    (?P<comment>--[^\n]*)
  | (?P<block>/\*)
  | (?P<dollar>\$(?:[A-Za-z_\u0080-\uffff][A-Za-z0-9_\u0080-\uffff]*)?\$)
  | (?P<escape>\b[eE]'(?:[^'\\]|\\.|'')*')
  | (?P<string>'(?:[^']|'')*')
  | (?P<name>"(?:[^"]|"")*")
  | (?P<end>;)
  | (?P<word>[A-Za-z_\u0080-\uffff][A-Za-z0-9_$\u0080-\uffff]*)
    """,
    re.VERBOSE | re.DOTALL,
)
_BLOCK = re.compile(r"/\*|\*/")


@dataclass(frozen=True, slots=True)
class Statement:
    """One statement without its semicolon, and the line of the file it begins on."""

    text: str
    line: int


def split(text: str) -> list[Statement]:
    """The statements of a file, in order; comments between them are left out."""
    found: list[Statement] = []
    start: int | None = None  # Where the present statement begins; None between statements.
    last_word, depth, at = "", 0, 0
    while match := _TOKEN.search(text, at):
        kind = match.lastgroup
        start = _first_character(text, at, match.start()) if start is None else start
        at = match.end()
        if kind == "comment":
            continue
        if kind == "block":
            at = _end_of_block(text, at)
            continue
        if kind == "end":
            if depth == 0:
                if start is not None:
                    found.append(_statement(text, start, match.start()))
                start, last_word = None, ""
            continue
        start = match.start() if start is None else start
        if kind == "dollar":
            close = text.find(match[0], at)
            at = len(text) if close < 0 else close + len(match[0])
        elif kind == "word":
            word = match[0].upper()
            if word == "ATOMIC" and last_word == "BEGIN":
                depth = 1
            elif depth and word == "CASE":
                depth += 1
            elif depth and word == "END":
                depth -= 1
            last_word = word
    start = _first_character(text, at, len(text)) if start is None else start
    if start is not None:
        found.append(_statement(text, start, len(text)))
    return found


def _statement(text: str, start: int, end: int) -> Statement:
    return Statement(text[start:end].rstrip(), text.count("\n", 0, start) + 1)


def _first_character(text: str, start: int, end: int) -> int | None:
    """The first place between two tokens that is not blank (a sign or a number, say)."""
    rest = text[start:end].lstrip()
    return end - len(rest) if rest else None


def _end_of_block(text: str, at: int) -> int:
    depth = 1
    while depth and (match := _BLOCK.search(text, at)):
        depth += 1 if match[0] == "/*" else -1
        at = match.end()
    return len(text) if depth else at

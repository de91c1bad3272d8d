"""References as banks write them: cut off, in capitals, with spaces and letters for digits."""

import re
from bisect import bisect_left
from collections.abc import Iterable, Iterator
from typing import Generic, TypeVar

OURS_MIN = 10
"""Shorter references of ours say too little to be looked for in texts."""
PART_MIN = 14
"""So many characters of a reference that was cut off stand for it, where no other begins or ends alike."""
ACCOUNT_MIN = 8

_FOLDED: dict[int, str | None] = {code: None for code in range(128) if not chr(code).isalnum()}
_FOLDED |= {ord(letter): digit for letter, digit in (("O", "0"), ("I", "1"), ("L", "1"))}
_WORD = re.compile(rf"[0-9A-Za-z]{{{PART_MIN},}}")
_DIGITS = re.compile(rf"[0-9]{{{ACCOUNT_MIN},}}")


def normalised(text: str) -> str:
    """Without case, spaces and punctuation; O is 0, I and L are 1, as clerks and scanners take them."""
    return text.upper().translate(_FOLDED)


def accounts_in(text: str) -> set[str]:
    """Numbers in a text that may be accounts or telephones."""
    return set(_DIGITS.findall(text))


T = TypeVar("T")


class OurReferences(Generic[T]):
    """Finds references of ours in texts: whole, or a part that can be of no other."""

    def __init__(self, known: Iterable[tuple[str, T]]) -> None:
        self._whole: dict[str, list[T]] = {}
        for text, item in known:
            folded = normalised(text)
            if len(folded) >= OURS_MIN:
                self._whole.setdefault(folded, []).append(item)
        self._lengths = sorted({len(one) for one in self._whole}, reverse=True)
        self._forward = sorted(self._whole)
        self._backward = sorted(one[::-1] for one in self._whole)

    def whole(self, text: str) -> Iterator[T]:
        """Items whose reference stands in the text."""
        folded = normalised(text)
        for length in self._lengths:
            for start in range(len(folded) - length + 1):
                found = self._whole.get(folded[start : start + length])
                if found is not None:
                    yield from found

    def parts(self, text: str) -> Iterator[T]:
        """Items whose reference begins or ends with a word of the text, where only one does."""
        for word in _WORD.findall(text):
            folded = normalised(word)
            for known, part, turned in (
                (self._forward, folded, False),
                (self._backward, folded[::-1], True),
            ):
                one = _only(known, part)
                if one is not None and len(part) * 10 >= len(one) * 6:
                    yield from self._whole[one[::-1] if turned else one]


def _only(known: list[str], part: str) -> str | None:
    """The only one of a sorted list that begins with this part."""
    place = bisect_left(known, part)
    if place == len(known) or not known[place].startswith(part):
        return None
    if place + 1 < len(known) and known[place + 1].startswith(part):
        return None
    return known[place]


def alike(one: str, other: str) -> int:
    """How alike two texts are, 0 to 100: pairs of neighbouring characters they share."""
    first, second = _pairs(normalised(one)), _pairs(normalised(other))
    if not first or not second:
        return 0
    return 200 * len(first & second) // (len(first) + len(second))


def _pairs(text: str) -> set[str]:
    return {text[i : i + 2] for i in range(len(text) - 1)}

"""How well the name a rail knows fits the name that was ordered. Banks reorder, shorten and drop names."""

import unicodedata

from rapidfuzz import fuzz

SCORE_GOOD = 80
"""From here on a payment goes without a question."""


def normalise(name: str) -> str:
    """Upper case, without accents, signs, titles and repeated spaces."""
    plain = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode().upper()
    words = "".join(char if char.isalnum() else " " for char in plain).split()
    return " ".join(word for word in words if word not in _TITLES)


_TITLES = frozenset(
    {"MR", "MRS", "MS", "MISS", "DR", "CHIEF", "ALHAJI", "ALHAJA", "ENGR", "PROF", "LTD", "LIMITED", "PLC"}
)


def score(ordered: str, told: str) -> int:
    """0 to 100; 100 when every word of one name stands in the other, in any order."""
    one, two = normalise(ordered), normalise(told)
    if not one or not two:
        return 0
    return round(fuzz.token_set_ratio(one, two))

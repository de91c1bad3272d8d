"""How things are written down in bank files: names, words, amounts, references.

Words are limited to the characters every clearing system accepts (the x set of SWIFT without its quote and plus):
what a bank replaces by itself it would also echo changed.
"""

import re
import unicodedata
from collections.abc import Iterable
from datetime import datetime
from hashlib import blake2b
from uuid import UUID

from omniroute.connectors import replies
from omniroute.kit.currency import EXPONENTS
from omniroute.kit.money import Money, decimal_text
from omniroute.ports.rails import RailUnable

REFERENCE_MAX = 35
NAME_MAX = 140
DIGITS_MAX = 18
"""Of an amount in any ISO 20022 message, before and after the point together."""

_ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
_NOT_PLAIN = re.compile(r"[^A-Za-z0-9/?:().,' -]+")


def plain(words: str, length_max: int) -> str:
    """Words in the characters of bank files, cut to a length; accents go, what has no like becomes a blank."""
    decomposed = unicodedata.normalize("NFKD", words)
    ascii_only = "".join(char for char in decomposed if not unicodedata.combining(char))
    text = " ".join(_NOT_PLAIN.sub(" ", ascii_only).split())
    # Neither may begin with a slash: old systems behind the new format take that for one of their own marks.
    return text.lstrip("/ ")[:length_max].strip()


def reference(letter: str, identity: UUID, at: datetime) -> str:
    """A name of 33 capitals and digits: what it is, the day, and the whole identity. Unique for ever as that is."""
    number = identity.int
    tail = "".join(_ALPHABET[number >> 5 * place & 31] for place in reversed(range(26)))
    return f"{letter}{at:%y%m%d}{tail}"


def uetr(our_ref: str) -> str:
    """The end-to-end reference of an order: a UUID in the form of version 4, always the same for the same order."""
    number = int.from_bytes(blake2b(f"uetr:{our_ref}".encode(), digest_size=16).digest())
    number = number & ~(0xF << 76) | 0x4 << 76
    number = number & ~(0x3 << 62) | 0x2 << 62
    return str(UUID(int=number))


def amount_text(money: Money) -> str:
    """The amount as a file carries it, with the decimals of its currency. Raises: RailUnable."""
    if not 0 < money.amount_minor < 10**DIGITS_MAX:
        raise RailUnable(f"a bank file carries amounts of 1 to {DIGITS_MAX} digits")
    return decimal_text(money.amount_minor, EXPONENTS[money.currency])


def control_sum(amounts: Iterable[Money]) -> str:
    """The exact sum of all amounts, whatever their currencies, as plain numbers. Raises: RailUnable."""
    places = 0
    total = 0
    for money in amounts:
        exponent = EXPONENTS[money.currency]
        if exponent > places:
            total *= 10 ** (exponent - places)
            places = exponent
        total += money.amount_minor * 10 ** (places - exponent)
    if total >= 10**DIGITS_MAX:
        raise RailUnable(f"the sum of a bank file has at most {DIGITS_MAX} digits")
    return decimal_text(total, places)


def read_amount(text: str, currency: str | None) -> Money | None:
    """An amount as a file tells it; None when it is not an exact one of its currency."""
    return replies.amount(text.strip(), currency)

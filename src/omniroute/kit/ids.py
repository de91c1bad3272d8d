"""Identifiers: time-ordered UUIDs inside, prefixed text at the doors.

Inside, an id is a `uuid.UUID`; new ones are version 7 (RFC 9562 section 5.7), so that indexes grow at their end.
Outside, it is `prefix_` + 26 characters of Crockford base 32 (`txn_01JD...`), so that a wrong kind of id is
refused with a clear message instead of quietly not being found.
"""

import os
import time
from uuid import UUID

from omniroute.kit.refusal import Kind, Refusal

_ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"
_VALUES = {c: i for i, c in enumerate(_ALPHABET)}
_PAIRS = [a + b for a in _ALPHABET for b in _ALPHABET]  # Ten bits at a time: half the steps.
_LENGTH = 26


class MalformedId(Refusal):
    """The id is not of the expected form; copy it exactly as we printed it."""

    code = "kit.malformed_id"
    kind = Kind.INVALID


_last = 0
_entropy = b""
_used = 0


def _forget_entropy() -> None:
    global _entropy, _used
    _entropy, _used = b"", 0


os.register_at_fork(after_in_child=_forget_entropy)  # A child must not hand out its parent's numbers.


def uuid7() -> UUID:
    """A new UUID version 7; within one process each is greater than the one before."""
    global _last, _entropy, _used
    # 48 bits of milliseconds, then 12 bits of sub-millisecond: RFC 9562 section 6.2, method 3.
    stamp = time.time_ns() * 4096 // 1_000_000
    if stamp <= _last:
        stamp = _last + 1
    _last = stamp
    if _used == len(_entropy):  # Fetched in stock: a system call for each id costs more than the id.
        _entropy, _used = os.urandom(4096), 0
    random = int.from_bytes(_entropy[_used : _used + 8]) & 0x3FFF_FFFF_FFFF_FFFF
    _used += 8
    value = (stamp >> 12) << 80 | 0x7 << 76 | (stamp & 0xFFF) << 64 | 0x2 << 62 | random
    return UUID(int=value)


def show(prefix: str, value: UUID) -> str:
    """The public text of an id: `show("txn", id)` is `txn_` and 26 characters."""
    # Ten bits a pair; cut in three first, because shifting a long number costs more the longer it is.
    number = value.int
    a, b, c, pairs = number >> 70, number >> 30 & 0xFF_FFFF_FFFF, number & 0x3FFF_FFFF, _PAIRS
    return (
        f"{prefix}_{pairs[a >> 50]}{pairs[a >> 40 & 1023]}{pairs[a >> 30 & 1023]}{pairs[a >> 20 & 1023]}"
        f"{pairs[a >> 10 & 1023]}{pairs[a & 1023]}{pairs[b >> 30]}{pairs[b >> 20 & 1023]}{pairs[b >> 10 & 1023]}"
        f"{pairs[b & 1023]}{pairs[c >> 20]}{pairs[c >> 10 & 1023]}{pairs[c & 1023]}"
    )


def parse(prefix: str, text: str) -> UUID:
    """The id behind a public text.

    Raises: MalformedId when the prefix is another one or the rest is not 26 base-32 characters.
    """
    head, _, tail = text.rpartition("_")
    if head != prefix or len(tail) != _LENGTH:
        raise MalformedId(f"expected an id that starts with {prefix}_", expected=f"{prefix}_", got=text[:64])
    number = 0
    for char in tail:
        digit = _VALUES.get(char)
        if digit is None:
            raise MalformedId(f"expected 26 base-32 characters after {prefix}_", expected=f"{prefix}_", got=text[:64])
        number = number << 5 | digit
    if number >> 128:
        raise MalformedId("the id is out of range", expected=f"{prefix}_", got=text[:64])
    return UUID(int=number)

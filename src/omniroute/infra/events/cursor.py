"""Where a reader stands, and why it can neither skip nor run ahead.

A cut is a snapshot: transactions below `top` are over, except those in `open`. A reader walks windows from one
cut to the next and reads each in the order of `seq`. Two changes of one subject share a lock, so the later one
drew its number later, and no cut contains the later without the earlier: their order is kept, in a window and across.
(Transaction ids alone would not do: an id may be assigned before the lock is got.)
"""

from dataclasses import dataclass

from omniroute.kit.paging import MalformedCursor, decode_cursor, encode_cursor

_NUMBER_MAX = 2**62
_OPEN_MAX = 20_000


@dataclass(frozen=True, slots=True)
class Cut:
    """Transactions below `top` are over, except those in `open` (ascending)."""

    top: int = 0
    open: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Cursor:
    """The window (`seen`, `until`], read up to `after_seq`. Equal cuts: the window is done."""

    seen: Cut = Cut()
    until: Cut = Cut()
    after_seq: int = 0

    @property
    def is_done(self) -> bool:
        """Nothing is left in the window; the next read looks for a new one."""
        return self.seen == self.until

    def show(self) -> str:
        """Opaque text for the outside."""
        seen, until = self.seen, self.until
        return encode_cursor(
            seen.top, _distances(seen), until.top - seen.top, "=" if self.is_done else _distances(until), self.after_seq
        )

    @classmethod
    def parse(cls, text: str) -> "Cursor":
        """The cursor behind a text.

        Raises: MalformedCursor.
        """
        top, open_, step, until_open, after = decode_cursor(text, int, str, int, str, int)
        numbers = (int(top), int(step), int(after))
        if not all(0 <= number < _NUMBER_MAX for number in numbers):
            raise MalformedCursor()
        seen = Cut(numbers[0], _numbers(numbers[0], str(open_)))
        until_top = numbers[0] + numbers[1]
        until = seen if until_open == "=" else Cut(until_top, _numbers(until_top, str(until_open)))
        return cls(seen, until, numbers[2])


def _distances(cut: Cut) -> str:
    return ".".join(str(cut.top - xid) for xid in cut.open)


def _numbers(top: int, distances: str) -> tuple[int, ...]:
    if not distances:
        return ()
    parts = distances.split(".")
    if len(parts) > _OPEN_MAX or not all(part.isascii() and part.isdigit() and len(part) < 19 for part in parts):
        raise MalformedCursor()
    return tuple(top - int(part) for part in parts)

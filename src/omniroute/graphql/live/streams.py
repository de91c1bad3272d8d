"""Where a stream stands: what it has given, and from where on something may still come.

A value of the cursor is drawn before its transaction commits, so a row may appear behind others that were given
already. A stream does not move past a value until nothing can come before it any more: it remembers the keys of the
rows it gave, and asks for all rows from `low` on without these.
"""

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal

from omniroute.graphql.live.limits import LiveLimits


@dataclass(frozen=True, slots=True)
class _Mark:
    """Up to `value`, every row visible at an instant was given; transactions below `xmax` had begun to write then."""

    value: str
    xmax: int
    at: float
    count: int


class Position:
    """The position of one stream."""

    def __init__(self, limits: LiveLimits, *, is_numeric: bool) -> None:
        self.low: str | None = None
        self._limits = limits
        self._is_numeric = is_numeric
        self._keys: deque[tuple[str, str]] = deque()
        self._count = 0
        """Rows given in all."""
        self._marks: deque[_Mark] = deque()

    @property
    def mark(self) -> str | None:
        """The last value up to which everything visible was given."""
        return self._marks[-1].value if self._marks else self.low

    @property
    def keys(self) -> list[str]:
        """Rows given that the next statement must leave out."""
        return [key for key, _ in self._keys]

    @property
    def is_full(self) -> bool:
        """Too much was given that is not settled yet."""
        return len(self._keys) >= self._limits.stream_keys_max

    def given(
        self, keys: Sequence[str], values: Sequence[str], until: str | None, snapshot: tuple[int, int], began: float
    ) -> None:
        """Rows were given; up to `until` there are no others in this snapshot, which was taken after `began`.

        `until` is never before `mark`; None: not everything up to the mark was given this time.
        """
        self._keys.extend(zip(keys, values, strict=True))
        self._count += len(keys)
        if until is None:
            return
        xmin, xmax = snapshot
        # What had begun by the time of a mark is over, and this snapshot has seen it.
        self._settle(xmin, began)
        if until != self.mark:
            self._marks.append(_Mark(until, xmax, began, self._count))

    def _settle(self, oldest: int, now: float) -> None:
        """Forget what cannot be preceded any more. Transactions below `oldest` are over."""
        settled = None
        while self._marks and oldest >= self._marks[0].xmax and now - self._marks[0].at >= self._limits.stream_grace_s:
            settled = self._marks.popleft()
        if settled is None:
            return
        self.low = settled.value
        before = len(self._keys) - (self._count - settled.count)
        kept = [pair for place, pair in enumerate(self._keys) if place >= before or self._is_low(pair[1])]
        self._keys = deque(kept)

    def _is_low(self, value: str) -> bool:
        # 1.0 and 1.00 are one value.
        return Decimal(value) == Decimal(self.low or 0) if self._is_numeric else value == self.low

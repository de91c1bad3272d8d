"""When a cron trigger fires: five fields of cron, in UTC. No I/O."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

_RANGES = ((0, 59), (0, 23), (1, 31), (1, 12), (0, 7))
_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_WEEKDAYS = ("sun", "mon", "tue", "wed", "thu", "fri", "sat")
_NAMES: tuple[dict[str, int], ...] = (
    {},
    {},
    {},
    {name: place for place, name in enumerate(_MONTHS, start=1)},
    {name: place for place, name in enumerate(_WEEKDAYS)},
)
_MINUTE = timedelta(minutes=1)


class BadSchedule(ValueError):
    """It is not a schedule; the message says why."""


@dataclass(frozen=True, slots=True)
class Schedule:
    """Minutes, hours, days of the month, months, days of the week (0 is Sunday)."""

    minutes: frozenset[int]
    hours: frozenset[int]
    days: frozenset[int]
    months: frozenset[int]
    weekdays: frozenset[int]
    either_day: bool
    """Both kinds of days are given: one of them is enough."""

    def fires(self, at: datetime) -> bool:
        """Whether it fires in this minute."""
        if at.minute not in self.minutes or at.hour not in self.hours or at.month not in self.months:
            return False
        day, weekday = at.day in self.days, at.isoweekday() % 7 in self.weekdays
        return (day or weekday) if self.either_day else (day and weekday)

    def ticks(self, after: datetime, until: datetime) -> Iterator[datetime]:
        """The instants after one and up to another."""
        at = after.astimezone(UTC).replace(second=0, microsecond=0) + _MINUTE
        while at <= until:
            if self.fires(at):
                yield at
            at += _MINUTE


def read_schedule(text: str) -> Schedule:
    """A schedule from its five fields.

    Raises: BadSchedule.
    """
    fields = text.split()
    if len(fields) != len(_RANGES):
        raise BadSchedule("a schedule has five fields: minute, hour, day, month, day of the week")
    minutes, hours, days, months, weekdays = (
        _field(one, *span, names) for one, span, names in zip(fields, _RANGES, _NAMES, strict=True)
    )
    either = not fields[2].startswith("*") and not fields[4].startswith("*")
    return Schedule(minutes, hours, days, months, frozenset(one % 7 for one in weekdays), either)


def _field(text: str, low: int, high: int, names: dict[str, int]) -> frozenset[int]:
    found: set[int] = set()
    for part in text.split(","):
        span, slash, step_text = part.partition("/")
        step = _number(step_text, 1, high, {}) if slash else 1
        if span == "*":
            first, last = low, high
        else:
            left, dash, right = span.partition("-")
            first = _number(left, low, high, names)
            last = _number(right, low, high, names) if dash else (high if slash else first)
        if last < first:
            raise BadSchedule(f"{part} runs backwards")
        found |= set(range(first, last + 1, step))
    return frozenset(found)


def _number(text: str, low: int, high: int, names: dict[str, int]) -> int:
    known = names.get(text.lower())
    if known is not None:
        return known
    if not (text.isascii() and text.isdigit() and len(text) <= 4 and low <= int(text) <= high):
        raise BadSchedule(f"{text!r} is not one of {low} to {high}")
    return int(text)

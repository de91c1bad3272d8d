"""When something that repeats happens: pure functions from a rule and a calendar to dates and instants. No I/O.

A rule names nominal dates (the 31st, every second Friday). The calendar then moves each that is no business day, or
leaves it out. Counting goes by nominal dates, so that a holiday never makes an order longer.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from enum import StrEnum
from functools import lru_cache
from zoneinfo import ZoneInfo

import holidays

YEARS_MAX = 50
SHIFT_DAYS_MAX = 31
SATURDAY = 5
LAST_DAY = 31
MONTHS_A_YEAR = 12


class Frequency(StrEnum):
    """How it repeats."""

    ONCE = "once"
    DAILY = "daily"
    WEEKLY = "weekly"
    MONTHLY = "monthly"


class OffDay(StrEnum):
    """What becomes of a date that is no business day."""

    PAY = "pay"  # It is paid all the same.
    SKIP = "skip"
    NEXT = "next"
    PREVIOUS = "previous"


@dataclass(frozen=True, slots=True)
class Recurrence:
    """The rule. `interval`: every n days, weeks or months from `start_on` on. Weekdays count from Monday, 0.

    `day_of_month`: 1 to 31; a month that is shorter has it on its last day, so 31 is always the last. `ends_on` is the
    last day that may be, `count` how many dates there are; both may be given, neither must.
    """

    frequency: Frequency
    start_on: date
    at: time
    interval: int = 1
    weekdays: tuple[int, ...] = ()
    day_of_month: int | None = None
    ends_on: date | None = None
    count: int | None = None
    off_day: OffDay = OffDay.NEXT

    def problem(self) -> str | None:
        """What is wrong with the rule, in words, or None."""
        weekly, monthly = self.frequency is Frequency.WEEKLY, self.frequency is Frequency.MONTHLY
        if not 1 <= self.interval <= 366:
            return "interval: 1 to 366"
        if self.weekdays and (
            not weekly or len(set(self.weekdays)) != len(self.weekdays) or not all(0 <= d <= 6 for d in self.weekdays)
        ):
            return "weekdays: different days of a weekly schedule, 0 (Monday) to 6"
        if self.day_of_month is not None and (not monthly or not 1 <= self.day_of_month <= LAST_DAY):
            return "day_of_month: 1 to 31, of a monthly schedule"
        if self.count is not None and not 1 <= self.count <= 10_000:
            return "count: 1 to 10,000"
        if self.ends_on is not None and self.ends_on < self.start_on:
            return "ends_on: not before start_on"
        if self.at.tzinfo is not None:
            return "at: a local time, without an offset"
        if not 2000 <= self.start_on.year <= 2200:
            return "start_on: a year from 2000 to 2200"
        return None


@dataclass(frozen=True, slots=True)
class Calendar:
    """Where and when business is done. `days`: what the organisation knows better: day -> (name, open).

    `cut_off`: local time after which an order counts for the next business day; None: there is none.
    """

    country: str
    time_zone: str
    days: Mapping[date, tuple[str, bool]] = field(default_factory=dict)
    cut_off: time | None = None

    def off(self, day: date) -> str | None:
        """Why this is no business day, or None when it is one."""
        own = self.days.get(day)
        if own is not None:
            return None if own[1] else own[0]
        if day.weekday() >= SATURDAY:
            return "weekend"
        return _holidays(self.country, day.year).get(day)

    def instant(self, day: date, at: time) -> datetime:
        """When it is this local time. A time that is skipped comes as much later; of two, the first."""
        return datetime.combine(day, at, ZoneInfo(self.time_zone)).astimezone(UTC)

    def next_open(self, day: date) -> date | None:
        """The first business day after this one, within a month."""
        return self._shift(day + timedelta(days=1), 1)

    def _shift(self, day: date, step: int) -> date | None:
        for offset in range(SHIFT_DAYS_MAX):
            moved = day + timedelta(days=step * offset)
            if self.off(moved) is None:
                return moved
        return None

    def move(self, day: date, at: time, rule: OffDay) -> tuple[date, str | None]:
        """The day an order of this nominal day is for, and why it is left out, if it is."""
        why = self.off(day)
        if why is not None:
            match rule:
                case OffDay.PAY:
                    return day, None
                case OffDay.SKIP:
                    return day, why
                case OffDay.PREVIOUS:
                    moved = self._shift(day, -1)
                case _:
                    moved = self._shift(day, 1)
            if moved is None:
                return day, why
            day = moved
        if self.cut_off is not None and at > self.cut_off and rule is not OffDay.PAY:
            return self.next_open(day) or day, None
        return day, None


@lru_cache(maxsize=512)
def _holidays(country: str, year: int) -> Mapping[date, str]:
    try:
        return dict(holidays.country_holidays(country, years=year))
    except NotImplementedError:
        return {}  # A country nobody has collected; the organisation names its days itself.


@dataclass(frozen=True, slots=True)
class Occurrence:
    """One date of a schedule. `skipped`: why it is left out, or None. `due_at` is when it is due on `due_on`."""

    number: int
    nominal_on: date
    due_on: date
    due_at: datetime
    skipped: str | None


def nominal_dates(rule: Recurrence) -> Iterator[date]:
    """The dates the rule names, in order, each once."""
    for number, day in enumerate(_dates(rule), start=1):
        if (rule.ends_on is not None and day > rule.ends_on) or (rule.count is not None and number > rule.count):
            return
        yield day


def _dates(rule: Recurrence) -> Iterator[date]:
    start, last_year = rule.start_on, rule.start_on.year + YEARS_MAX
    match rule.frequency:
        case Frequency.ONCE:
            yield start
        case Frequency.DAILY:
            day = start
            while day.year < last_year:
                yield day
                day += timedelta(days=rule.interval)
        case Frequency.WEEKLY:
            monday = start - timedelta(days=start.weekday())
            while monday.year < last_year:
                for weekday in sorted(rule.weekdays or (start.weekday(),)):
                    day = monday + timedelta(days=weekday)
                    if day >= start:
                        yield day
                monday += timedelta(weeks=rule.interval)
        case Frequency.MONTHLY:
            month = start.year * MONTHS_A_YEAR + start.month - 1
            while month < last_year * MONTHS_A_YEAR:
                day = _day_of(month, rule.day_of_month or start.day)
                if day >= start:
                    yield day
                month += rule.interval


def _day_of(month: int, day_of_month: int) -> date:
    """This day of a month counted from year 0; its last day when it is shorter."""
    first = date(month // MONTHS_A_YEAR, month % MONTHS_A_YEAR + 1, 1)
    following = date((month + 1) // MONTHS_A_YEAR, (month + 1) % MONTHS_A_YEAR + 1, 1)
    return first.replace(day=min(day_of_month, (following - first).days))


def occurrences(rule: Recurrence, calendar: Calendar, *, first: int = 1) -> Iterator[Occurrence]:
    """The dates of the rule as the calendar moves them, from number `first` on."""
    for number, nominal_on in enumerate(nominal_dates(rule), start=1):
        if number < first:
            continue
        due_on, skipped = calendar.move(nominal_on, rule.at, rule.off_day)
        yield Occurrence(number, nominal_on, due_on, calendar.instant(due_on, rule.at), skipped)


def preview(rule: Recurrence, calendar: Calendar, *, after: datetime, limit: int) -> list[Occurrence]:
    """The next dates after an instant, those left out included."""
    found: list[Occurrence] = []
    for occurrence in occurrences(rule, calendar):
        if len(found) >= limit:
            break
        if occurrence.due_at > after:
            found.append(occurrence)
    return found

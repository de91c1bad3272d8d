"""When Nigerian clearing takes files: sessions with cut-offs, a window, and the days on which there is none.

Times are Lagos time. Nigeria keeps one offset all year, and has since 1919.
"""

import re
from collections.abc import Mapping
from datetime import date, datetime, time, timedelta, timezone

from omniroute.ports.rails import FileSession, RailUnable

LAGOS = timezone(timedelta(hours=1), "Africa/Lagos")
_FIXED = frozenset({(1, 1), (5, 1), (6, 12), (10, 1), (12, 25), (12, 26)})
_TIME = re.compile(r"([01][0-9]|2[0-3]):([0-5][0-9])")
DAYS_AHEAD_MAX = 30


def is_open(day: date, holidays: frozenset[date]) -> bool:
    """Whether banks clear that day. Fixed and Easter holidays are known; those of the moon are declared each year
    and come as `holidays`."""
    if day.weekday() >= 5 or (day.month, day.day) in _FIXED or day in holidays:
        return False
    return day - easter(day.year) not in (timedelta(days=-2), timedelta(days=1))


def easter(year: int) -> date:
    """Easter Sunday of the Gregorian calendar (the anonymous algorithm of 1876)."""
    a, b, c = year % 19, year // 100, year % 100
    d, e = divmod(b, 4)
    g = (8 * b + 13) // 25
    h = (19 * a + b - d - g + 15) % 30
    i, k = divmod(c, 4)
    m = (32 + 2 * e + 2 * i - h - k) % 7
    n = (a + 11 * h + 22 * m) // 451
    month, day = divmod(h + m - 7 * n + 114, 31)
    return date(year, month, day + 1)


def read_times(public: Mapping[str, str], name: str, default: str, separator: str) -> tuple[time, ...]:
    """Times of day from a connection's settings, in order. Raises: RailUnable."""
    found = [_TIME.fullmatch(part.strip()) for part in public.get(name, default).split(separator)]
    times = tuple(time(int(one[1]), int(one[2])) for one in found if one is not None)
    if len(times) != len(found) or list(times) != sorted(set(times)):
        raise RailUnable(f"{name}: rising times of day such as {default}")
    return times


def next_cut_off(
    cut_offs: tuple[time, ...], now: datetime, holidays: frozenset[date], *, collect: timedelta, answer: timedelta
) -> FileSession:
    """The first cut-off after `now` on a day that is open. Raises: RailUnable when no day is."""
    local = now.astimezone(LAGOS)
    for offset in range(DAYS_AHEAD_MAX):
        day = local.date() + timedelta(days=offset)
        if not is_open(day, holidays):
            continue
        for cut_off in cut_offs:
            at = datetime.combine(day, cut_off, LAGOS)
            if at > now:
                return FileSession(at - collect, at, at + answer)
    raise RailUnable(f"clearing is closed for the next {DAYS_AHEAD_MAX} days")


def next_in_window(
    opens: time, closes: time, now: datetime, holidays: frozenset[date], *, slot: timedelta, answer: timedelta
) -> FileSession:
    """A window that takes orders at any moment is a row of short sessions: the one under way, or the next day's first.

    Raises: RailUnable when no day is open.
    """
    start = datetime.combine(now.astimezone(LAGOS).date(), opens, LAGOS)
    end = datetime.combine(start.date(), closes, LAGOS)
    if is_open(start.date(), holidays) and start <= now < end:
        begun = start + (now - start) // slot * slot
        cut_off = min(begun + slot, end)
        return FileSession(begun, cut_off, cut_off + answer)
    first = next_cut_off((opens,), now, holidays, collect=timedelta(0), answer=answer)
    opening = first.cut_off
    return FileSession(opening, opening + slot, opening + slot + answer)

"""The calendar of settlements: what is known of every day of years, and a few days by name."""

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from omniroute.money.atc import Frequency
from omniroute.money.settlement.periods import Period, latest_period

SINCE = date(2026, 1, 7)  # A Wednesday.
REGULAR = (Frequency.DAILY, Frequency.WEEKLY, Frequency.BIWEEKLY, Frequency.MONTHLY)
DAYS: dict[Frequency, list[int | None]] = {Frequency.DAILY: [None], Frequency.MONTHLY: [1, 15, 28, 29, 30, 31]}


@pytest.mark.parametrize(
    ("frequency", "day", "today", "start", "end"),
    [
        (Frequency.DAILY, None, "2026-03-01", "2026-02-28", "2026-03-01"),
        (Frequency.WEEKLY, 5, "2026-03-05", "2026-02-20", "2026-02-27"),
        (Frequency.WEEKLY, 5, "2026-03-06", "2026-02-27", "2026-03-06"),
        (Frequency.BIWEEKLY, 5, "2026-01-09", "2025-12-26", "2026-01-09"),
        (Frequency.BIWEEKLY, 5, "2026-01-22", "2025-12-26", "2026-01-09"),
        (Frequency.BIWEEKLY, 5, "2026-01-23", "2026-01-09", "2026-01-23"),
        (Frequency.BIWEEKLY, 3, "2026-01-14", "2025-12-31", "2026-01-14"),
        (Frequency.MONTHLY, 31, "2026-02-27", "2025-12-31", "2026-01-31"),
        (Frequency.MONTHLY, 31, "2026-02-28", "2026-01-31", "2026-02-28"),
        (Frequency.MONTHLY, 30, "2028-02-29", "2028-01-30", "2028-02-29"),
        (Frequency.MONTHLY, 1, "2026-01-01", "2025-12-01", "2026-01-01"),
    ],
)
def test_days_by_name(frequency: Frequency, day: int | None, today: str, start: str, end: str) -> None:
    found = latest_period(frequency, day, since=SINCE, today=date.fromisoformat(today))
    assert found == Period(date.fromisoformat(start), date.fromisoformat(end))


def test_nothing_is_due_before_the_first_settlement_day_or_without_a_calendar() -> None:
    assert latest_period(Frequency.BIWEEKLY, 5, since=SINCE, today=date(2026, 1, 8)) is None
    assert latest_period(Frequency.INSTANT, None, since=SINCE, today=SINCE) is None
    assert latest_period(Frequency.ON_DEMAND, None, since=SINCE, today=SINCE) is None


@given(
    frequency=st.sampled_from(REGULAR),
    since=st.dates(date(2024, 1, 1), date(2026, 12, 31)),
    pick=st.integers(0, 6),
)
def test_periods_follow_each_other_without_gap_or_overlap(frequency: Frequency, since: date, pick: int) -> None:
    days = DAYS.get(frequency, [*range(1, 8)])
    day = days[pick % len(days)]
    before: Period | None = None
    for number in range(400):
        today = since + timedelta(days=number)
        found = latest_period(frequency, day, since=since, today=today)
        if found is None:
            assert before is None
            continue
        assert found.start_on < found.end_on <= today
        if before is not None and found != before:
            assert (found.start_on, found.end_on) == (before.end_on, today)
        before = found
    assert before is not None


def test_a_period_begins_and_ends_with_the_days_of_the_organisation() -> None:
    period = Period(date(2026, 3, 28), date(2026, 3, 30))
    assert period.instants(ZoneInfo("Africa/Lagos")) == (
        datetime(2026, 3, 27, 23, tzinfo=UTC),
        datetime(2026, 3, 29, 23, tzinfo=UTC),
    )
    assert period.instants(ZoneInfo("Europe/Berlin")) == (  # Summer time begins in between.
        datetime(2026, 3, 27, 23, tzinfo=UTC),
        datetime(2026, 3, 29, 22, tzinfo=UTC),
    )

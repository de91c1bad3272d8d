"""Dates: month ends, leap years, weekends, holidays, zones that change their clocks."""

from datetime import UTC, date, datetime, time, timedelta
from itertools import islice, pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from omniroute.money.schedules.recurrence import (
    Calendar,
    Frequency,
    OffDay,
    Recurrence,
    nominal_dates,
    occurrences,
    preview,
)

NINE = time(9, 0)
LAGOS = Calendar("NG", "Africa/Lagos")
ZONES = ["Africa/Lagos", "Africa/Cairo", "Africa/Casablanca", "Europe/London", "America/New_York", "Pacific/Apia"]


def first(rule: Recurrence, count: int) -> list[str]:
    return [day.isoformat() for day in islice(nominal_dates(rule), count)]


def test_the_last_day_of_each_month() -> None:
    rule = Recurrence(Frequency.MONTHLY, date(2027, 12, 5), NINE, day_of_month=31)
    assert first(rule, 4) == ["2027-12-31", "2028-01-31", "2028-02-29", "2028-03-31"]


def test_a_day_that_some_months_lack() -> None:
    rule = Recurrence(Frequency.MONTHLY, date(2027, 1, 30), NINE)
    assert first(rule, 3) == ["2027-01-30", "2027-02-28", "2027-03-30"]


def test_a_day_before_the_start_begins_next_month() -> None:
    rule = Recurrence(Frequency.MONTHLY, date(2027, 1, 20), NINE, interval=3, day_of_month=5)
    assert first(rule, 2) == ["2027-04-05", "2027-07-05"]


def test_every_second_monday_and_friday() -> None:
    rule = Recurrence(Frequency.WEEKLY, date(2026, 3, 4), NINE, interval=2, weekdays=(4, 0))
    assert first(rule, 4) == ["2026-03-06", "2026-03-16", "2026-03-20", "2026-03-30"]


def test_count_and_end() -> None:
    assert len(list(nominal_dates(Recurrence(Frequency.DAILY, date(2026, 3, 1), NINE, count=3)))) == 3
    rule = Recurrence(Frequency.DAILY, date(2026, 3, 1), NINE, interval=2, ends_on=date(2026, 3, 5), count=9)
    assert first(rule, 9) == ["2026-03-01", "2026-03-03", "2026-03-05"]
    assert first(Recurrence(Frequency.ONCE, date(2026, 3, 1), NINE), 9) == ["2026-03-01"]


@pytest.mark.parametrize(
    ("off_day", "due"),
    [
        (OffDay.PAY, ("2026-10-01", None)),
        (OffDay.SKIP, ("2026-10-01", "National Day")),
        (OffDay.NEXT, ("2026-10-02", None)),
        (OffDay.PREVIOUS, ("2026-09-30", None)),
    ],
)
def test_a_public_holiday(off_day: OffDay, due: tuple[str, str | None]) -> None:
    rule = Recurrence(Frequency.ONCE, date(2026, 10, 1), NINE, off_day=off_day)
    (one,) = occurrences(rule, LAGOS)
    assert (one.due_on.isoformat(), one.skipped) == due


def test_a_holiday_before_a_weekend_moves_to_monday() -> None:
    rule = Recurrence(Frequency.ONCE, date(2026, 4, 3), NINE)  # Good Friday; Easter Monday follows.
    (one,) = occurrences(rule, LAGOS)
    assert one.due_on == date(2026, 4, 7)


def test_the_organisations_own_days_win() -> None:
    own = Calendar(
        "NG", "Africa/Lagos", {date(2026, 10, 1): ("We work", True), date(2026, 10, 2): ("Stocktaking", False)}
    )
    rule = Recurrence(Frequency.DAILY, date(2026, 10, 1), NINE, count=2)
    assert [one.due_on for one in occurrences(rule, own)] == [date(2026, 10, 1), date(2026, 10, 5)]


def test_after_the_cut_off_it_is_for_the_next_business_day() -> None:
    calendar = Calendar("NG", "Africa/Lagos", cut_off=time(15, 0))
    friday = Recurrence(Frequency.ONCE, date(2026, 3, 6), time(16, 0))
    assert [one.due_on for one in occurrences(friday, calendar)] == [date(2026, 3, 9)]
    early = Recurrence(Frequency.ONCE, date(2026, 3, 6), time(15, 0))
    assert [one.due_on for one in occurrences(early, calendar)] == [date(2026, 3, 6)]


def test_clocks_that_change() -> None:
    london = Calendar("GB", "Europe/London")
    skipped = london.instant(date(2026, 3, 29), time(1, 30))  # There is no half past one that night.
    assert skipped == datetime(2026, 3, 29, 1, 30, tzinfo=UTC)
    twice = london.instant(date(2026, 10, 25), time(1, 30))
    assert twice == datetime(2026, 10, 25, 0, 30, tzinfo=UTC)


def test_an_unknown_country_has_weekends_only() -> None:
    assert Calendar("XX", "UTC").off(date(2026, 12, 25)) is None
    assert Calendar("XX", "UTC").off(date(2026, 12, 26)) == "weekend"


rules = st.builds(
    Recurrence,
    st.sampled_from(list(Frequency)),
    st.dates(date(2024, 1, 1), date(2032, 12, 31)),
    st.times().map(lambda at: at.replace(microsecond=0, fold=0)),
    interval=st.integers(1, 15),
    count=st.none() | st.integers(1, 60),
    off_day=st.sampled_from(list(OffDay)),
)
calendars = st.builds(Calendar, st.sampled_from(["NG", "KE", "GH", "GB", "XX"]), st.sampled_from(ZONES))


@given(rules, calendars)
def test_dates_go_forward_and_moved_ones_are_business_days(rule: Recurrence, calendar: Calendar) -> None:
    assert rule.problem() is None
    found = list(islice(occurrences(rule, calendar), 40))
    assert found[0].number == 1
    for one, following in pairwise(found):
        assert one.nominal_on < following.nominal_on
        assert one.due_on <= following.due_on
        assert one.due_at <= following.due_at
    for one in found:
        if rule.off_day in (OffDay.NEXT, OffDay.PREVIOUS):
            assert calendar.off(one.due_on) is None
            assert one.skipped is None
        else:
            assert one.due_on == one.nominal_on
        local = one.due_at.astimezone(ZoneInfo(calendar.time_zone))
        shift = local.replace(tzinfo=None) - datetime.combine(one.due_on, rule.at)
        assert timedelta(0) <= shift <= timedelta(days=1)


@given(rules, calendars, st.integers(1, 30))
def test_going_on_is_the_same_as_starting_over(rule: Recurrence, calendar: Calendar, number: int) -> None:
    whole = list(islice(occurrences(rule, calendar), 40))
    assert list(islice(occurrences(rule, calendar, first=number), 40 - number + 1)) == whole[number - 1 :]


@given(rules, calendars, st.integers(0, 5 * 365 * 24))
def test_the_preview_tells_what_will_be(rule: Recurrence, calendar: Calendar, hours: int) -> None:
    after = datetime(2025, 1, 1, tzinfo=UTC) + timedelta(hours=hours)
    shown = preview(rule, calendar, after=after, limit=5)
    assert all(one.due_at > after for one in shown)
    assert shown == [one for one in islice(occurrences(rule, calendar), 3_000) if one.due_at > after][:5]


@pytest.mark.parametrize(
    "wrong",
    [
        {"interval": 0},
        {"weekdays": (1,)},
        {"day_of_month": 3},
        {"count": 0},
        {"ends_on": date(2026, 2, 28)},
        {"at": time(9, tzinfo=UTC)},
        {"start_on": date(1999, 1, 1)},
    ],
)
def test_rules_nobody_could_mean(wrong: dict[str, object]) -> None:
    given_: dict[str, object] = {"frequency": Frequency.DAILY, "start_on": date(2026, 3, 1), "at": NINE, **wrong}
    assert Recurrence(**given_).problem() is not None  # type: ignore[arg-type]

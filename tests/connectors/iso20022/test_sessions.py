"""Cut-offs, windows and the days on which nothing clears."""

from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from omniroute.connectors.iso20022 import LAGOS
from omniroute.ports.rails import RailUnable
from tests.connectors.iso20022.filing import NEFT, RTGS

MOON = frozenset({date(2026, 3, 20), date(2026, 5, 27)})


def lagos(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=LAGOS)


@pytest.mark.parametrize(
    ("now", "cut_off"),
    [
        ("2026-03-02 00:00", "2026-03-02 10:00"),  # Monday.
        ("2026-03-02 09:59", "2026-03-02 10:00"),
        ("2026-03-02 10:00", "2026-03-02 13:00"),  # At the cut-off it is over.
        ("2026-03-02 15:29", "2026-03-02 15:30"),
        ("2026-03-02 15:30", "2026-03-03 10:00"),
        ("2026-03-06 16:00", "2026-03-09 10:00"),  # Over a weekend.
        ("2026-03-19 16:00", "2026-03-23 10:00"),  # Friday is declared a holiday.
        ("2026-04-02 16:00", "2026-04-07 10:00"),  # Good Friday to Easter Monday.
        ("2026-04-30 16:00", "2026-05-04 10:00"),  # 1 May is a Friday.
        ("2026-06-11 16:00", "2026-06-15 10:00"),  # Democracy day, a Friday.
        ("2026-09-30 16:00", "2026-10-02 10:00"),
        ("2026-12-24 16:00", "2026-12-28 10:00"),  # 26 December is a Saturday.
        ("2026-12-31 16:00", "2027-01-04 10:00"),
    ],
)  # fmt: skip
def test_the_next_session(now: str, cut_off: str) -> None:
    session = NEFT.next_session({}, lagos(now).astimezone(UTC), holidays=MOON)
    assert session.cut_off == lagos(cut_off)
    assert session.collects_from == session.cut_off - timedelta(minutes=15)
    assert session.answers_by > session.cut_off


@pytest.mark.parametrize(
    ("now", "begins", "ends"),
    [
        ("2026-03-02 08:59", "2026-03-02 09:00", "2026-03-02 09:05"),
        ("2026-03-02 09:00", "2026-03-02 09:00", "2026-03-02 09:05"),
        ("2026-03-02 12:03", "2026-03-02 12:00", "2026-03-02 12:05"),
        ("2026-03-02 14:59", "2026-03-02 14:55", "2026-03-02 15:00"),
        ("2026-03-02 15:00", "2026-03-03 09:00", "2026-03-03 09:05"),
        ("2026-04-03 12:00", "2026-04-07 09:00", "2026-04-07 09:05"),
        ("2026-03-20 12:00", "2026-03-23 09:00", "2026-03-23 09:05"),
    ],
)  # fmt: skip
def test_the_window(now: str, begins: str, ends: str) -> None:
    session = RTGS.next_session({}, lagos(now).astimezone(UTC), holidays=MOON)
    assert (session.collects_from, session.cut_off) == (lagos(begins), lagos(ends))


def test_a_bank_has_its_own_sessions() -> None:
    now = lagos("2026-03-02 10:30")
    assert NEFT.next_session({"sessions": "11:15, 14:00"}, now, holidays=MOON).cut_off == lagos("2026-03-02 11:15")
    assert RTGS.next_session({"window": "10:45-16:00"}, now, holidays=MOON).collects_from == lagos("2026-03-02 10:45")
    for sessions in ("", "25:00", "14:00,11:15", "11:00,11:00", "noon"):
        with pytest.raises(RailUnable):
            NEFT.next_session({"sessions": sessions}, now, holidays=MOON)
    for window in ("09:00", "09:00-10:00-11:00", "15:00-09:00"):
        with pytest.raises(RailUnable):
            RTGS.next_session({"window": window}, now, holidays=MOON)


def test_a_month_without_a_day_that_clears_is_said() -> None:
    closed = frozenset(date(2026, 3, 1) + timedelta(days=number) for number in range(60))
    for connector in (NEFT, RTGS):
        with pytest.raises(RailUnable):
            connector.next_session({}, lagos("2026-03-02 10:30"), holidays=closed)


@given(st.datetimes(datetime(2025, 1, 1), datetime(2031, 1, 1)))  # noqa: DTZ001 - given a zone below
def test_a_session_is_always_ahead_and_on_a_working_day(when: datetime) -> None:
    now = when.replace(tzinfo=UTC)
    for connector in (NEFT, RTGS):
        session = connector.next_session({}, now, holidays=frozenset())
        assert session.cut_off > now
        assert session.collects_from < session.cut_off <= session.answers_by
        assert session.cut_off.astimezone(LAGOS).weekday() < 5

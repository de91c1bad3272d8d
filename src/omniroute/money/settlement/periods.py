"""When settlements are due. Pure: local days of the organisation in, periods out.

    DAILY      each day, what was collected before it
    WEEKLY     on the settlement day (Monday is 1), what was collected in the seven days before
    BIWEEKLY   on every second such day, counted from the first after the grant came into force
    MONTHLY    on the day of the month (a shorter month has it on its last), what was collected since the last time
    INSTANT    whenever there is something;  ON_DEMAND  whenever somebody asks

What was collected earlier and was not with us or not due then comes along.
"""

from calendar import monthrange
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from omniroute.money.atc import Frequency

DAY, WEEK = timedelta(days=1), timedelta(days=7)


@dataclass(frozen=True, slots=True)
class Period:
    """Days from `start_on` to just before `end_on`, which is the settlement day."""

    start_on: date
    end_on: date

    def instants(self, zone: ZoneInfo) -> tuple[datetime, datetime]:
        """When it begins and ends, as the days of this zone do."""
        return midnight(self.start_on, zone), midnight(self.end_on, zone)


def midnight(day: date, zone: ZoneInfo) -> datetime:
    """When a day begins in a zone."""
    return datetime.combine(day, time(0), zone).astimezone(UTC)


def latest_period(frequency: Frequency, day: int | None, *, since: date, today: date) -> Period | None:
    """The last period whose settlement day has come; None: none has, or the calendar does not say when.

    `day` as grants have it; `since`: when the grant came into force.
    """
    match frequency:
        case Frequency.DAILY:
            return Period(today - DAY, today)
        case Frequency.WEEKLY:
            assert day is not None
            end = today - timedelta(days=(today.isoweekday() - day) % 7)
            return Period(end - WEEK, end)
        case Frequency.BIWEEKLY:
            assert day is not None
            first = since + timedelta(days=(day - since.isoweekday() - 1) % 7 + 1)
            if today < first:
                return None
            end = today - timedelta(days=(today - first).days % 14)
            return Period(end - 2 * WEEK, end)
        case Frequency.MONTHLY:
            assert day is not None
            end = day_in_month(today.year, today.month, day)
            if end > today:
                end = _month_before(today, day)
            return Period(_month_before(end, day), end)
        case _:
            return None


def day_in_month(year: int, month: int, day: int) -> date:
    """The day of a month; its last, where it is shorter."""
    return date(year, month, min(day, monthrange(year, month)[1]))


def _month_before(one: date, day: int) -> date:
    last = one.replace(day=1) - DAY
    return day_in_month(last.year, last.month, day)

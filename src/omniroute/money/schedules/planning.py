"""Which dates of a schedule have come: each gets its row, once, and the schedule its next date."""

from dataclasses import replace
from datetime import datetime
from itertools import islice
from zoneinfo import ZoneInfo

from omniroute.infra import events
from omniroute.infra.events import Meta
from omniroute.infra.postgres import Tx
from omniroute.money.schedules.events import OccurrenceSkipped, ScheduleCompleted, ScheduleEvent
from omniroute.money.schedules.model import Missed, OccurrenceState, Schedule, ScheduleState, reference_on
from omniroute.money.schedules.recurrence import Calendar, Occurrence, occurrences
from omniroute.money.schedules.store import SQL, write

AT_ONCE_MAX = 100
"""Dates planned in one transaction; the rest follows in the next round."""


async def plan(tx: Tx, schedule: Schedule, calendar: Calendar, *, now: datetime, meta: Meta) -> Schedule:
    """Write down the dates that have come, and what is next. The schedule is locked by whoever calls.

    Dates whose day is over before the schedule was approved are left out, whatever is to become of missed ones.
    """
    ahead = list(islice(occurrences(schedule.terms.recurrence, calendar, first=schedule.next_number), AT_ONCE_MAX + 1))
    following: list[Occurrence | None] = [*ahead[1:], None]
    upcoming: Occurrence | None = None
    for one, after in zip(ahead, following, strict=True):
        if one.due_at > now or one.number >= schedule.next_number + AT_ONCE_MAX:
            upcoming = one
            break
        why, detail = _left_out(schedule, one, after, now)
        reference = reference_on(schedule.reference, one.nominal_on)
        await tx.execute(
            SQL.insert_occurrence,
            tenant=tx.tenant,
            schedule=schedule.schedule_id,
            number=one.number,
            nominal_on=one.nominal_on,
            due_on=one.due_on,
            due_at=one.due_at,
            reference=reference,
            state=(OccurrenceState.DUE if why is None else OccurrenceState.SKIPPED).value,
            reason=why,
            detail=detail,
            try_at=one.due_at if why is None else None,
            now=now,
        )
        if why is not None:
            skipped = OccurrenceSkipped(
                schedule.schedule_id, one.number, one.nominal_on, one.due_on, reference, why, None
            )
            await events.append(tx, skipped, meta)
    if upcoming is not None:
        changed = replace(schedule, next_number=upcoming.number, next_on=upcoming.due_on, next_at=upcoming.due_at)
        return await write(tx, changed, now)
    last = ahead[-1].number if ahead else schedule.next_number - 1
    done = replace(
        schedule, state=ScheduleState.COMPLETED, next_number=last + 1, next_on=None, next_at=None, ended_at=now
    )
    done = await write(tx, done, now)
    event: ScheduleEvent = ScheduleCompleted(done.schedule_id, done.reference, done.state.value, None)
    await events.append(tx, event, meta)
    return done


def _left_out(
    schedule: Schedule, one: Occurrence, after: Occurrence | None, now: datetime
) -> tuple[str | None, str | None]:
    """Why a date that has come is not paid, in a word and in detail; None: it is."""
    if one.skipped is not None:
        return "no_business_day", one.skipped
    if schedule.state is ScheduleState.PAUSED:
        return "paused", None
    is_over = now.astimezone(ZoneInfo(schedule.time_zone)).date() > one.due_on
    if is_over and schedule.state is ScheduleState.AWAITING_APPROVAL:
        return "not_approved_in_time", None
    if is_over and schedule.terms.missed is Missed.SKIP:
        return "missed", None
    if is_over and schedule.terms.missed is Missed.LATEST and after is not None and after.due_at <= now:
        return "missed", None
    return None, None

"""Schedules and standing orders: payments by the calendar, approved once, each date paid exactly once.

    awaiting_approval -> active <-> paused -> completed | cancelled;  awaiting_approval -> rejected | cancelled
    a date: due -> initiated | skipped | failed

`recurrence` says when, as pure functions; `planning` gives each date that has come its row; `runner` pays the rows.
"""

from omniroute.money.schedules.days import (
    CutOff,
    OwnDay,
    list_cut_offs,
    list_days,
    replace_calendar,
)
from omniroute.money.schedules.model import (
    Missed,
    OccurrenceState,
    PastOccurrence,
    Schedule,
    ScheduleState,
    Sweep,
    Terms,
)
from omniroute.money.schedules.recurrence import Calendar, Frequency, Occurrence, OffDay, Recurrence, preview
from omniroute.money.schedules.runner import ScheduleRunner
from omniroute.money.schedules.service import (
    approve_schedule,
    cancel_schedule,
    create_schedule,
    find_schedule,
    list_occurrences,
    list_schedules,
    next_dates,
    pause_schedule,
    preview_dates,
    reject_schedule,
    resume_schedule,
)
from omniroute.money.schedules.store import OCCURRENCES, SCHEDULES

__all__ = [
    "OCCURRENCES",
    "SCHEDULES",
    "Calendar",
    "CutOff",
    "Frequency",
    "Missed",
    "Occurrence",
    "OccurrenceState",
    "OffDay",
    "OwnDay",
    "PastOccurrence",
    "Recurrence",
    "Schedule",
    "ScheduleRunner",
    "ScheduleState",
    "Sweep",
    "Terms",
    "approve_schedule",
    "cancel_schedule",
    "create_schedule",
    "find_schedule",
    "list_cut_offs",
    "list_days",
    "list_occurrences",
    "list_schedules",
    "next_dates",
    "pause_schedule",
    "preview",
    "preview_dates",
    "reject_schedule",
    "replace_calendar",
    "resume_schedule",
]

"""Schedules and standing orders over HTTP, and the organisation's calendar."""

from datetime import date, time
from typing import Annotated

import msgspec
from msgspec import Meta

from omniroute.api.call import Call
from omniroute.api.operations import Reply, operation
from omniroute.api.payment_schedules_shapes import (
    ACTIVE,
    BODY,
    EXAMPLE,
    EXAMPLE_DATES,
    EXAMPLE_OCCURRENCE,
    RULE,
    CreateScheduleIn,
    DatesOut,
    NextDatesIn,
    OccurrenceOut,
    OccurrencesIn,
    PreviewScheduleIn,
    ScheduleCommentIn,
    ScheduleOut,
    ScheduleReasonIn,
    SchedulesIn,
    TimeOfDay,
    TurnScheduleIn,
    dates_out,
    occurrence_out,
    rule_in,
    schedule_out,
    terms_in,
)
from omniroute.api.shapes import (
    In,
    Out,
    PageOut,
    page,
)
from omniroute.infra.postgres import Tx
from omniroute.money import schedules
from omniroute.money.schedules import (
    CutOff,
    OccurrenceState,
    OwnDay,
    ScheduleState,
)
from omniroute.parties.access import Permission

_SCHEDULES = "/v1/{tenant}/payment-schedules"
_SCHEDULE = _SCHEDULES + "/{schedule}"
_CALENDAR = "/v1/{tenant}/payment-calendar"


class OwnDayIn(In):
    """How a day is kept. `open`: a business day although the calendar says otherwise."""

    day: date
    name: Annotated[str, Meta(min_length=1, max_length=100)]
    open: bool = False


class CutOffIn(In):
    """Orders over the rail after it count for the next business day."""

    rail: Annotated[str, Meta(min_length=1, max_length=40)]
    at: TimeOfDay


class CalendarIn(In):
    """The whole of it: what is not named is kept as the country does, and has no cut-off."""

    days: Annotated[list[OwnDayIn], Meta(max_length=1_000)] = msgspec.field(default_factory=list)
    cut_offs: Annotated[list[CutOffIn], Meta(max_length=50)] = msgspec.field(default_factory=list)


class OwnDayOut(Out):
    """A day the organisation keeps otherwise than its country."""

    day: date
    name: str
    open: bool


class CutOffOut(Out):
    """After it orders over this rail count for the next business day."""

    rail: str
    at: str


class CalendarOut(Out):
    """What the organisation knows better than the calendar of its country, and when the day of a rail is over."""

    days: list[OwnDayOut]
    cut_offs: list[CutOffOut]


_DECIDING = (
    "schedules.not_found", "schedules.wrong_state", "schedules.approver_is_requester", "schedules.already_decided",
)  # fmt: skip
_TURNING = ("schedules.not_found", "schedules.wrong_state")
_ORDERING = (
    "schedules.malformed", "schedules.no_dates", "schedules.reference_taken", "payments.malformed",
    "payments.source_not_found", "payments.no_route", "payments.limit_exceeded",
)  # fmt: skip


@operation(
    "POST", _SCHEDULES, tag="Schedules", status=201, permission=Permission.SCHEDULES_WRITE, body=CreateScheduleIn,
    reply=ScheduleOut, idempotent=True, refusals=_ORDERING, example=BODY, example_reply=EXAMPLE,
)  # fmt: skip
async def create_schedule(call: Call, tx: Tx, body: CreateScheduleIn) -> Reply:
    """Order payments by the calendar.

    Nothing is paid before somebody else has approved it, once for all its dates.
    """
    rules = await call.services.payments.rulebooks.get(call.tenant_id)
    schedule = await schedules.create_schedule(
        tx,
        terms_in(body),
        reference=body.reference,
        actor=call.caller.subject,
        branches=call.caller.branches,
        rules=rules,
        now=call.now,
        today=call.today,
        meta=call.meta,
    )
    return Reply(schedule_out(schedule))


@operation(
    "POST", _SCHEDULES + "/preview", tag="Schedules", permission=Permission.PAYMENTS_READ, body=PreviewScheduleIn,
    reply=DatesOut, idempotent=True, refusals=("schedules.malformed",), example={"recurrence": RULE, "limit": 3},
    example_reply=EXAMPLE_DATES,
)  # fmt: skip
async def preview_schedule(call: Call, tx: Tx, body: PreviewScheduleIn) -> DatesOut:
    """Show when a rule would fall, by the calendar as it is now; nothing is stored."""
    return dates_out(await schedules.preview_dates(tx, rule_in(body.recurrence), limit=body.limit, now=call.now))


@operation(
    "GET", _SCHEDULES, tag="Schedules", permission=Permission.PAYMENTS_READ, query=SchedulesIn,
    reply=PageOut[ScheduleOut], sorts=schedules.SCHEDULES.sorts, example_query={"state": "active"},
    example_reply={"items": [EXAMPLE | ACTIVE], "next_cursor": None},
)  # fmt: skip
async def list_schedules(call: Call, tx: Tx, query: SchedulesIn) -> PageOut[ScheduleOut]:
    """List schedules, the latest first."""
    found = await schedules.list_schedules(
        tx,
        state=None if query.state is None else ScheduleState(query.state),
        sort=query.sort,
        limit=query.limit,
        cursor=query.cursor,
    )
    return page(found, schedule_out)


@operation(
    "GET", _SCHEDULE, tag="Schedules", permission=Permission.PAYMENTS_READ, reply=ScheduleOut,
    refusals=("schedules.not_found",), example_reply=EXAMPLE | ACTIVE,
)  # fmt: skip
async def get_schedule(call: Call, tx: Tx) -> ScheduleOut:
    """Show a schedule."""
    return schedule_out(await schedules.find_schedule(tx, call.id("schedule")))


@operation(
    "GET", _SCHEDULE + "/dates", tag="Schedules", permission=Permission.PAYMENTS_READ, query=NextDatesIn,
    reply=DatesOut, refusals=("schedules.not_found",), example_query={"limit": "3"}, example_reply=EXAMPLE_DATES,
)  # fmt: skip
async def list_next_dates(call: Call, tx: Tx, query: NextDatesIn) -> DatesOut:
    """Show the dates of a schedule that are still to come, those that will be left out included."""
    return dates_out(await schedules.next_dates(tx, call.id("schedule"), limit=query.limit))


@operation(
    "GET", _SCHEDULE + "/occurrences", tag="Schedules", permission=Permission.PAYMENTS_READ, query=OccurrencesIn,
    reply=PageOut[OccurrenceOut], sorts=schedules.OCCURRENCES.sorts, refusals=("schedules.not_found",),
    example_query={"state": "failed"}, example_reply={"items": [EXAMPLE_OCCURRENCE], "next_cursor": None},
)  # fmt: skip
async def list_occurrences(call: Call, tx: Tx, query: OccurrencesIn) -> PageOut[OccurrenceOut]:
    """List what became of the dates of a schedule, the latest first."""
    found = await schedules.list_occurrences(
        tx,
        call.id("schedule"),
        state=None if query.state is None else OccurrenceState(query.state),
        sort=query.sort,
        limit=query.limit,
        cursor=query.cursor,
    )
    return page(found, occurrence_out)


@operation(
    "POST", _SCHEDULE + "/approve", tag="Schedules", permission=Permission.PAYMENTS_APPROVE, body=ScheduleCommentIn,
    reply=ScheduleOut, idempotent=True, refusals=_DECIDING, example={"comment": "as agreed"},
    example_reply=EXAMPLE | ACTIVE,
)  # fmt: skip
async def approve_schedule(call: Call, tx: Tx, body: ScheduleCommentIn) -> Reply:
    """Say yes to a schedule, once for all its dates. Never by who ordered it."""
    schedule = await schedules.approve_schedule(
        tx, call.id("schedule"), actor=call.caller.subject, comment=body.comment, now=call.now, meta=call.meta
    )
    return Reply(schedule_out(schedule))


@operation(
    "POST", _SCHEDULE + "/reject", tag="Schedules", permission=Permission.PAYMENTS_APPROVE, body=ScheduleReasonIn,
    reply=ScheduleOut, idempotent=True, refusals=_DECIDING, example={"comment": "the lease has ended"},
    example_reply=EXAMPLE | {"state": "rejected", "next_on": None, "ended_at": "2026-11-21T09:00:00Z", "version": 2},
)  # fmt: skip
async def reject_schedule(call: Call, tx: Tx, body: ScheduleReasonIn) -> Reply:
    """Say no to a schedule; nothing of it is paid."""
    schedule = await schedules.reject_schedule(
        tx, call.id("schedule"), actor=call.caller.subject, comment=body.comment, now=call.now, meta=call.meta
    )
    return Reply(schedule_out(schedule))


@operation(
    "POST", _SCHEDULE + "/pause", tag="Schedules", permission=Permission.SCHEDULES_WRITE, body=TurnScheduleIn,
    reply=ScheduleOut, idempotent=True, refusals=_TURNING, example={},
    example_reply=EXAMPLE | ACTIVE | {"state": "paused", "version": 3},
)  # fmt: skip
async def pause_schedule(call: Call, tx: Tx, body: TurnScheduleIn) -> Reply:
    """Leave out the dates that come until it is resumed."""
    return Reply(schedule_out(await schedules.pause_schedule(tx, call.id("schedule"), now=call.now, meta=call.meta)))


@operation(
    "POST", _SCHEDULE + "/resume", tag="Schedules", permission=Permission.SCHEDULES_WRITE, body=TurnScheduleIn,
    reply=ScheduleOut, idempotent=True, refusals=_TURNING, example={}, example_reply=EXAMPLE | ACTIVE,
)  # fmt: skip
async def resume_schedule(call: Call, tx: Tx, body: TurnScheduleIn) -> Reply:
    """Pay the dates that come from now on; those that came meanwhile are not paid."""
    return Reply(schedule_out(await schedules.resume_schedule(tx, call.id("schedule"), now=call.now, meta=call.meta)))


@operation(
    "POST", _SCHEDULE + "/cancel", tag="Schedules", permission=Permission.SCHEDULES_WRITE, body=TurnScheduleIn,
    reply=ScheduleOut, idempotent=True, refusals=_TURNING, example={},
    example_reply=EXAMPLE | {"state": "cancelled", "next_on": None, "ended_at": "2026-11-21T09:00:00Z", "version": 2},
)  # fmt: skip
async def cancel_schedule(call: Call, tx: Tx, body: TurnScheduleIn) -> Reply:
    """Call a schedule off for good. Payments that exist already go on."""
    return Reply(schedule_out(await schedules.cancel_schedule(tx, call.id("schedule"), now=call.now, meta=call.meta)))


# -- the calendar -------------------------------------------------------------------------------------------------


@operation(
    "GET", _CALENDAR, tag="Schedules", permission=Permission.PAYMENTS_READ, reply=CalendarOut,
    example_reply={"days": [{"day": "2026-12-24", "name": "Stocktaking", "open": False}],
                   "cut_offs": [{"rail": "neft", "at": "15:00"}]},
)  # fmt: skip
async def get_payment_calendar(call: Call, tx: Tx) -> CalendarOut:
    """Show the organisation's own days and the cut-offs of rails. Public holidays of its country hold besides."""
    return await _calendar(tx)


async def _calendar(tx: Tx) -> CalendarOut:
    return CalendarOut(
        days=[OwnDayOut(day=one.day, name=one.name, open=one.is_open) for one in await schedules.list_days(tx)],
        cut_offs=[CutOffOut(rail=one.rail, at=f"{one.at:%H:%M}") for one in await schedules.list_cut_offs(tx)],
    )


@operation(
    "PUT", _CALENDAR, tag="Schedules", permission=Permission.SCHEDULES_WRITE, whole=True, body=CalendarIn,
    reply=CalendarOut, refusals=("schedules.malformed",),
    example={"days": [{"day": "2026-12-24", "name": "Stocktaking"}], "cut_offs": [{"rail": "neft", "at": "15:00"}]},
    example_reply={"days": [{"day": "2026-12-24", "name": "Stocktaking", "open": False}],
                   "cut_offs": [{"rail": "neft", "at": "15:00"}]},
)  # fmt: skip
async def replace_payment_calendar(call: Call, tx: Tx, body: CalendarIn) -> CalendarOut:
    """Set the organisation's own days and the cut-offs of rails; every schedule works out its next date anew.

    Cut-offs hold for schedules that name a connection of the rail.
    """
    days = [OwnDay(one.day, one.name, one.open) for one in body.days]
    cut_offs = [CutOff(one.rail, time.fromisoformat(one.at)) for one in body.cut_offs]
    await schedules.replace_calendar(tx, days, cut_offs, now=call.now)
    return await _calendar(tx)

"""Schedules and standing orders over HTTP, and the organisation's calendar."""

from datetime import date, time
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from omniroute.api.call import Call
from omniroute.api.operations import Reply, operation
from omniroute.api.payments_shapes import ConnectionText, PayeeIn, PayeeOut, TypeIn, payee_in
from omniroute.api.shapes import (
    AmountIn,
    AmountOut,
    Currency,
    In,
    Instant,
    ListIn,
    Metadata,
    Out,
    PageOut,
    page,
    show_id,
)
from omniroute.infra.postgres import Tx
from omniroute.kit import ids
from omniroute.kit.money import json_amount, parse_amount
from omniroute.money import schedules
from omniroute.money.payments import PaymentType
from omniroute.money.schedules import (
    CutOff,
    Frequency,
    Missed,
    Occurrence,
    OccurrenceState,
    OffDay,
    OwnDay,
    PastOccurrence,
    Recurrence,
    Schedule,
    ScheduleState,
    Sweep,
    Terms,
)
from omniroute.parties.access import Permission

_SCHEDULES = "/v1/{tenant}/payment-schedules"
_SCHEDULE = _SCHEDULES + "/{schedule}"
_CALENDAR = "/v1/{tenant}/payment-calendar"

TimeOfDay = Annotated[
    str,
    Meta(pattern="^([01][0-9]|2[0-3]):[0-5][0-9]$", description="Local time of the organisation.", examples=["09:00"]),
]
StateOut = Literal["awaiting_approval", "active", "paused", "completed", "cancelled", "rejected"]
Comment = Annotated[str, Meta(min_length=1, max_length=500, description="Kept with the schedule for ever.")]


class RecurrenceIn(In):
    """When. `weekdays` from Monday, 0. A month shorter than `day_of_month` has it on its last day."""

    frequency: Literal["once", "daily", "weekly", "monthly"]
    start_on: date
    at: TimeOfDay
    interval: Annotated[int, Meta(ge=1, le=366, description="Every n days, weeks or months.")] = 1
    weekdays: Annotated[list[Annotated[int, Meta(ge=0, le=6)]], Meta(max_length=7)] = msgspec.field(
        default_factory=list
    )
    day_of_month: Annotated[int, Meta(ge=1, le=31)] | None = None
    ends_on: date | None = None
    count: Annotated[int, Meta(ge=1, le=10_000)] | None = None
    off_day: Literal["pay", "skip", "next", "previous"] = "next"


class SweepIn(In):
    """Whatever is available above a mark, up to a maximum, its fee included."""

    above: AmountIn
    max: AmountIn
    min: AmountIn = 1


class CreateScheduleIn(In):
    """A payment by the calendar: an `amount`, or a `sweep`. Its payments are called `reference:YYYYMMDD`."""

    reference: Annotated[
        str, Meta(min_length=1, max_length=48, pattern=r"^[A-Za-z0-9][A-Za-z0-9._:/-]*$", examples=["rent-shop-4"])
    ]
    type: TypeIn
    currency: Currency
    source: Annotated[str, Meta(min_length=1, max_length=128, examples=["wallet:payroll"])]
    payee: PayeeIn
    recurrence: RecurrenceIn
    amount: AmountIn | None = None
    sweep: SweepIn | None = None
    narration: Annotated[str, Meta(max_length=100, description="What the payee reads.")] = ""
    metadata: Metadata = msgspec.field(default_factory=dict)
    connection: ConnectionText | None = None
    missed: Annotated[
        Literal["each", "latest", "skip"], Meta(description="Dates whose day passed while nobody was there to pay.")
    ] = "each"
    retry_days: Annotated[
        int, Meta(ge=0, le=30, description="Tried again on so many business days when there is too little money.")
    ] = 0


class PreviewScheduleIn(In):
    """A rule to try out."""

    recurrence: RecurrenceIn
    limit: Annotated[int, Meta(ge=1, le=100)] = 12


class NextDatesIn(In):
    """How many."""

    limit: Annotated[int, Meta(ge=1, le=100)] = 12


class ScheduleCommentIn(In):
    """Why, if you like."""

    comment: Comment | None = None


class ScheduleReasonIn(In):
    """Why not."""

    comment: Comment


class TurnScheduleIn(In):
    """Nothing is to be said."""


class SchedulesIn(ListIn):
    """Which schedules."""

    state: StateOut | None = None


class OccurrencesIn(ListIn):
    """Which dates."""

    state: Literal["due", "initiated", "skipped", "failed"] | None = None


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


class RecurrenceOut(Out):
    """When."""

    frequency: str
    start_on: date
    at: str
    interval: int
    weekdays: list[int]
    day_of_month: int | None
    ends_on: date | None
    count: int | None
    off_day: str


class SweepOut(Out):
    """Whatever is available above a mark, up to a maximum."""

    above: AmountOut
    max: AmountOut
    min: AmountOut


class ScheduleOut(Out):
    """A schedule as it stands."""

    id: str
    reference: str
    state: StateOut
    type: str
    currency: str
    source: str
    payee: PayeeOut
    recurrence: RecurrenceOut
    amount: AmountOut | None
    sweep: SweepOut | None
    narration: str
    metadata: dict[str, Any]
    connection: str | None
    missed: str
    retry_days: int
    time_zone: str
    country: str
    branch_id: str | None
    requested_by: str
    approvals_needed: int
    approvals_given: int
    next_on: date | None
    next_at: Instant | None
    created_at: Instant
    updated_at: Instant
    ended_at: Instant | None
    version: int


class DateOut(Out):
    """A date to come. `skipped`: why it is left out."""

    number: int
    nominal_on: date
    due_on: date
    due_at: Instant
    skipped: str | None


class DatesOut(Out):
    """Dates to come, in order."""

    items: list[DateOut]


class OccurrenceOut(Out):
    """A date that has come, and what became of it."""

    number: int
    nominal_on: date
    due_on: date
    due_at: Instant
    reference: str
    state: Literal["due", "initiated", "skipped", "failed"]
    reason: str | None
    detail: str | None
    amount: AmountOut | None
    payment_id: str | None
    tries: int
    try_at: Instant | None
    updated_at: Instant


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


def _rule_in(rule: RecurrenceIn) -> Recurrence:
    return Recurrence(
        Frequency(rule.frequency),
        rule.start_on,
        time.fromisoformat(rule.at),
        rule.interval,
        tuple(rule.weekdays),
        rule.day_of_month,
        rule.ends_on,
        rule.count,
        OffDay(rule.off_day),
    )


def _terms_in(body: CreateScheduleIn) -> Terms:
    sweep = body.sweep
    return Terms(
        PaymentType(body.type),
        body.currency,
        body.source,
        payee_in(body.payee, body.currency),
        _rule_in(body.recurrence),
        None if body.amount is None else parse_amount(body.amount),
        None if sweep is None else Sweep(parse_amount(sweep.above), parse_amount(sweep.max), parse_amount(sweep.min)),
        body.narration,
        body.metadata,
        body.connection,
        Missed(body.missed),
        body.retry_days,
    )


def _rule_out(rule: Recurrence) -> RecurrenceOut:
    return RecurrenceOut(
        frequency=rule.frequency.value,
        start_on=rule.start_on,
        at=f"{rule.at:%H:%M}",
        interval=rule.interval,
        weekdays=list(rule.weekdays),
        day_of_month=rule.day_of_month,
        ends_on=rule.ends_on,
        count=rule.count,
        off_day=rule.off_day.value,
    )


def _schedule_out(schedule: Schedule) -> ScheduleOut:
    terms = schedule.terms
    payee, sweep = terms.payee, terms.sweep
    return ScheduleOut(
        id=ids.show("sch", schedule.schedule_id),
        reference=schedule.reference,
        state=schedule.state.value,
        type=terms.type.value,
        currency=terms.currency,
        source=terms.source_code,
        payee=PayeeOut(
            kind=payee.kind.value,
            identifier=payee.identifier,
            institution=payee.institution,
            name=payee.name,
            country=payee.country,
            account=payee.account,
        ),
        recurrence=_rule_out(terms.recurrence),
        amount=None if terms.amount_minor is None else json_amount(terms.amount_minor),
        sweep=None
        if sweep is None
        else SweepOut(
            above=json_amount(sweep.above_minor), max=json_amount(sweep.max_minor), min=json_amount(sweep.min_minor)
        ),
        narration=terms.narration,
        metadata=dict(terms.metadata),
        connection=terms.connection,
        missed=terms.missed.value,
        retry_days=terms.retry_days,
        time_zone=schedule.time_zone,
        country=schedule.country,
        branch_id=show_id("brn", schedule.branch_id),
        requested_by=schedule.requested_by,
        approvals_needed=schedule.approvals_needed,
        approvals_given=schedule.approvals_given,
        next_on=schedule.next_on,
        next_at=schedule.next_at,
        created_at=schedule.created_at,
        updated_at=schedule.updated_at,
        ended_at=schedule.ended_at,
        version=schedule.version,
    )


def _dates_out(found: list[Occurrence]) -> DatesOut:
    return DatesOut(
        items=[
            DateOut(
                number=one.number,
                nominal_on=one.nominal_on,
                due_on=one.due_on,
                due_at=one.due_at,
                skipped=one.skipped,
            )
            for one in found
        ]
    )


def _occurrence_out(one: PastOccurrence) -> OccurrenceOut:
    return OccurrenceOut(
        number=one.number,
        nominal_on=one.nominal_on,
        due_on=one.due_on,
        due_at=one.due_at,
        reference=one.reference,
        state=one.state.value,
        reason=one.reason,
        detail=one.detail,
        amount=None if one.amount_minor is None else json_amount(one.amount_minor),
        payment_id=show_id("pay", one.payment_id),
        tries=one.tries,
        try_at=one.try_at,
        updated_at=one.updated_at,
    )


_RULE: dict[str, Any] = {
    "frequency": "monthly", "start_on": "2026-12-01", "at": "09:00", "day_of_month": 31, "off_day": "previous",
}  # fmt: skip
_PAYEE = {"kind": "bank_account", "identifier": "0123456785", "institution": "058", "name": "Kano Estates"}
_BODY: dict[str, Any] = {
    "reference": "rent-shop-4", "type": "SUPPLIER_PAYMENT", "currency": "NGN", "source": "wallet:shop",
    "payee": _PAYEE, "recurrence": _RULE, "amount": 25_000_000, "retry_days": 3,
}  # fmt: skip
_EXAMPLE: dict[str, Any] = {
    "id": "sch_01jd3m8q4vv8k8x2n0c5t7yh6r", "reference": "rent-shop-4", "state": "awaiting_approval",
    "type": "SUPPLIER_PAYMENT", "currency": "NGN", "source": "wallet:shop",
    "payee": _PAYEE | {"country": "NG", "account": None},
    "recurrence": _RULE | {"interval": 1, "weekdays": [], "ends_on": None, "count": None},
    "amount": 25_000_000, "sweep": None, "narration": "", "metadata": {}, "connection": None, "missed": "each",
    "retry_days": 3, "time_zone": "Africa/Lagos", "country": "NG", "branch_id": None,
    "requested_by": "usr_01jd3m8q4vv8k8x2n0c5t7yh6r", "approvals_needed": 1, "approvals_given": 0,
    "next_on": "2026-12-31", "next_at": None, "created_at": "2026-11-21T08:00:00Z",
    "updated_at": "2026-11-21T08:00:00Z", "ended_at": None, "version": 1,
}  # fmt: skip
_ACTIVE = {"state": "active", "approvals_given": 1, "next_at": "2026-12-31T08:00:00Z", "version": 2}
_EXAMPLE_DATES = {"items": [{"number": 1, "nominal_on": "2026-12-31", "due_on": "2026-12-31",
                             "due_at": "2026-12-31T08:00:00Z", "skipped": None}]}  # fmt: skip
_EXAMPLE_OCCURRENCE = {
    "number": 1, "nominal_on": "2026-12-31", "due_on": "2026-12-31", "due_at": "2026-12-31T08:00:00Z",
    "reference": "rent-shop-4:20261231", "state": "initiated", "reason": None, "detail": None, "amount": 25_000_000,
    "payment_id": "pay_01jd3m8q4vv8k8x2n0c5t7yh6r", "tries": 1, "try_at": None, "updated_at": "2026-12-31T08:00:01Z",
}  # fmt: skip
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
    reply=ScheduleOut, idempotent=True, refusals=_ORDERING, example=_BODY, example_reply=_EXAMPLE,
)  # fmt: skip
async def create_schedule(call: Call, tx: Tx, body: CreateScheduleIn) -> Reply:
    """Order payments by the calendar.

    Nothing is paid before somebody else has approved it, once for all its dates.
    """
    rules = await call.services.payments.rulebooks.get(call.tenant_id)
    schedule = await schedules.create_schedule(
        tx,
        _terms_in(body),
        reference=body.reference,
        actor=call.caller.subject,
        branches=call.caller.branches,
        rules=rules,
        now=call.now,
        today=call.today,
        meta=call.meta,
    )
    return Reply(_schedule_out(schedule))


@operation(
    "POST", _SCHEDULES + "/preview", tag="Schedules", permission=Permission.PAYMENTS_READ, body=PreviewScheduleIn,
    reply=DatesOut, idempotent=True, refusals=("schedules.malformed",), example={"recurrence": _RULE, "limit": 3},
    example_reply=_EXAMPLE_DATES,
)  # fmt: skip
async def preview_schedule(call: Call, tx: Tx, body: PreviewScheduleIn) -> DatesOut:
    """Show when a rule would fall, by the calendar as it is now; nothing is stored."""
    return _dates_out(await schedules.preview_dates(tx, _rule_in(body.recurrence), limit=body.limit, now=call.now))


@operation(
    "GET", _SCHEDULES, tag="Schedules", permission=Permission.PAYMENTS_READ, query=SchedulesIn,
    reply=PageOut[ScheduleOut], sorts=schedules.SCHEDULES.sorts, example_query={"state": "active"},
    example_reply={"items": [_EXAMPLE | _ACTIVE], "next_cursor": None},
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
    return page(found, _schedule_out)


@operation(
    "GET", _SCHEDULE, tag="Schedules", permission=Permission.PAYMENTS_READ, reply=ScheduleOut,
    refusals=("schedules.not_found",), example_reply=_EXAMPLE | _ACTIVE,
)  # fmt: skip
async def get_schedule(call: Call, tx: Tx) -> ScheduleOut:
    """Show a schedule."""
    return _schedule_out(await schedules.find_schedule(tx, call.id("schedule")))


@operation(
    "GET", _SCHEDULE + "/dates", tag="Schedules", permission=Permission.PAYMENTS_READ, query=NextDatesIn,
    reply=DatesOut, refusals=("schedules.not_found",), example_query={"limit": "3"}, example_reply=_EXAMPLE_DATES,
)  # fmt: skip
async def list_next_dates(call: Call, tx: Tx, query: NextDatesIn) -> DatesOut:
    """Show the dates of a schedule that are still to come, those that will be left out included."""
    return _dates_out(await schedules.next_dates(tx, call.id("schedule"), limit=query.limit))


@operation(
    "GET", _SCHEDULE + "/occurrences", tag="Schedules", permission=Permission.PAYMENTS_READ, query=OccurrencesIn,
    reply=PageOut[OccurrenceOut], sorts=schedules.OCCURRENCES.sorts, refusals=("schedules.not_found",),
    example_query={"state": "failed"}, example_reply={"items": [_EXAMPLE_OCCURRENCE], "next_cursor": None},
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
    return page(found, _occurrence_out)


@operation(
    "POST", _SCHEDULE + "/approve", tag="Schedules", permission=Permission.PAYMENTS_APPROVE, body=ScheduleCommentIn,
    reply=ScheduleOut, idempotent=True, refusals=_DECIDING, example={"comment": "as agreed"},
    example_reply=_EXAMPLE | _ACTIVE,
)  # fmt: skip
async def approve_schedule(call: Call, tx: Tx, body: ScheduleCommentIn) -> Reply:
    """Say yes to a schedule, once for all its dates. Never by who ordered it."""
    schedule = await schedules.approve_schedule(
        tx, call.id("schedule"), actor=call.caller.subject, comment=body.comment, now=call.now, meta=call.meta
    )
    return Reply(_schedule_out(schedule))


@operation(
    "POST", _SCHEDULE + "/reject", tag="Schedules", permission=Permission.PAYMENTS_APPROVE, body=ScheduleReasonIn,
    reply=ScheduleOut, idempotent=True, refusals=_DECIDING, example={"comment": "the lease has ended"},
    example_reply=_EXAMPLE | {"state": "rejected", "next_on": None, "ended_at": "2026-11-21T09:00:00Z", "version": 2},
)  # fmt: skip
async def reject_schedule(call: Call, tx: Tx, body: ScheduleReasonIn) -> Reply:
    """Say no to a schedule; nothing of it is paid."""
    schedule = await schedules.reject_schedule(
        tx, call.id("schedule"), actor=call.caller.subject, comment=body.comment, now=call.now, meta=call.meta
    )
    return Reply(_schedule_out(schedule))


@operation(
    "POST", _SCHEDULE + "/pause", tag="Schedules", permission=Permission.SCHEDULES_WRITE, body=TurnScheduleIn,
    reply=ScheduleOut, idempotent=True, refusals=_TURNING, example={},
    example_reply=_EXAMPLE | _ACTIVE | {"state": "paused", "version": 3},
)  # fmt: skip
async def pause_schedule(call: Call, tx: Tx, body: TurnScheduleIn) -> Reply:
    """Leave out the dates that come until it is resumed."""
    return Reply(_schedule_out(await schedules.pause_schedule(tx, call.id("schedule"), now=call.now, meta=call.meta)))


@operation(
    "POST", _SCHEDULE + "/resume", tag="Schedules", permission=Permission.SCHEDULES_WRITE, body=TurnScheduleIn,
    reply=ScheduleOut, idempotent=True, refusals=_TURNING, example={}, example_reply=_EXAMPLE | _ACTIVE,
)  # fmt: skip
async def resume_schedule(call: Call, tx: Tx, body: TurnScheduleIn) -> Reply:
    """Pay the dates that come from now on; those that came meanwhile are not paid."""
    return Reply(_schedule_out(await schedules.resume_schedule(tx, call.id("schedule"), now=call.now, meta=call.meta)))


@operation(
    "POST", _SCHEDULE + "/cancel", tag="Schedules", permission=Permission.SCHEDULES_WRITE, body=TurnScheduleIn,
    reply=ScheduleOut, idempotent=True, refusals=_TURNING, example={},
    example_reply=_EXAMPLE | {"state": "cancelled", "next_on": None, "ended_at": "2026-11-21T09:00:00Z", "version": 2},
)  # fmt: skip
async def cancel_schedule(call: Call, tx: Tx, body: TurnScheduleIn) -> Reply:
    """Call a schedule off for good. Payments that exist already go on."""
    return Reply(_schedule_out(await schedules.cancel_schedule(tx, call.id("schedule"), now=call.now, meta=call.meta)))


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

"""What schedules and standing orders look like over HTTP."""

from datetime import date, time
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

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
    show_id,
)
from omniroute.kit import ids
from omniroute.kit.money import json_amount, parse_amount
from omniroute.money.payments import PaymentType
from omniroute.money.schedules import (
    Frequency,
    Missed,
    Occurrence,
    OffDay,
    PastOccurrence,
    Recurrence,
    Schedule,
    Sweep,
    Terms,
)

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


def rule_in(rule: RecurrenceIn) -> Recurrence:
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


def terms_in(body: CreateScheduleIn) -> Terms:
    sweep = body.sweep
    return Terms(
        PaymentType(body.type),
        body.currency,
        body.source,
        payee_in(body.payee, body.currency),
        rule_in(body.recurrence),
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


def schedule_out(schedule: Schedule) -> ScheduleOut:
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


def dates_out(found: list[Occurrence]) -> DatesOut:
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


def occurrence_out(one: PastOccurrence) -> OccurrenceOut:
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


RULE: dict[str, Any] = {
    "frequency": "monthly", "start_on": "2026-12-01", "at": "09:00", "day_of_month": 31, "off_day": "previous",
}  # fmt: skip
_PAYEE = {"kind": "bank_account", "identifier": "0123456785", "institution": "058", "name": "Kano Estates"}
BODY: dict[str, Any] = {
    "reference": "rent-shop-4", "type": "SUPPLIER_PAYMENT", "currency": "NGN", "source": "wallet:shop",
    "payee": _PAYEE, "recurrence": RULE, "amount": 25_000_000, "retry_days": 3,
}  # fmt: skip
EXAMPLE: dict[str, Any] = {
    "id": "sch_01jd3m8q4vv8k8x2n0c5t7yh6r", "reference": "rent-shop-4", "state": "awaiting_approval",
    "type": "SUPPLIER_PAYMENT", "currency": "NGN", "source": "wallet:shop",
    "payee": _PAYEE | {"country": "NG", "account": None},
    "recurrence": RULE | {"interval": 1, "weekdays": [], "ends_on": None, "count": None},
    "amount": 25_000_000, "sweep": None, "narration": "", "metadata": {}, "connection": None, "missed": "each",
    "retry_days": 3, "time_zone": "Africa/Lagos", "country": "NG", "branch_id": None,
    "requested_by": "usr_01jd3m8q4vv8k8x2n0c5t7yh6r", "approvals_needed": 1, "approvals_given": 0,
    "next_on": "2026-12-31", "next_at": None, "created_at": "2026-11-21T08:00:00Z",
    "updated_at": "2026-11-21T08:00:00Z", "ended_at": None, "version": 1,
}  # fmt: skip
ACTIVE = {"state": "active", "approvals_given": 1, "next_at": "2026-12-31T08:00:00Z", "version": 2}
EXAMPLE_DATES = {"items": [{"number": 1, "nominal_on": "2026-12-31", "due_on": "2026-12-31",
                             "due_at": "2026-12-31T08:00:00Z", "skipped": None}]}  # fmt: skip
EXAMPLE_OCCURRENCE = {
    "number": 1, "nominal_on": "2026-12-31", "due_on": "2026-12-31", "due_at": "2026-12-31T08:00:00Z",
    "reference": "rent-shop-4:20261231", "state": "initiated", "reason": None, "detail": None, "amount": 25_000_000,
    "payment_id": "pay_01jd3m8q4vv8k8x2n0c5t7yh6r", "tries": 1, "try_at": None, "updated_at": "2026-12-31T08:00:01Z",
}  # fmt: skip

"""Ordering, approving, pausing and looking at schedules. Paying their dates is `runner`'s."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import date, datetime
from uuid import UUID
from zoneinfo import ZoneInfo

from psycopg import errors as pg

from omniroute import ledger
from omniroute.infra import events
from omniroute.infra.events import Meta
from omniroute.infra.postgres import Tx, read_page
from omniroute.kit import ids
from omniroute.kit.ids import uuid7
from omniroute.kit.paging import Page
from omniroute.money import connections
from omniroute.money.payments import Rulebook
from omniroute.money.payments.errors import SourceNotFound
from omniroute.money.schedules.errors import (
    AlreadyDecided,
    ApproverIsRequester,
    MalformedSchedule,
    NoDates,
    ScheduleExists,
    ScheduleNotFound,
    WrongState,
)
from omniroute.money.schedules.events import (
    ScheduleApproved,
    ScheduleCancelled,
    ScheduleCreated,
    ScheduleEvent,
    SchedulePaused,
    ScheduleRejected,
    ScheduleResumed,
)
from omniroute.money.schedules.model import (
    ENDED,
    REFERENCE_MAX,
    OccurrenceState,
    PastOccurrence,
    Schedule,
    ScheduleState,
    Terms,
    order,
    reference_on,
)
from omniroute.money.schedules.planning import plan
from omniroute.money.schedules.recurrence import Calendar, Occurrence, Recurrence, occurrences, preview
from omniroute.money.schedules.store import (
    OCCURRENCES,
    SCHEDULES,
    SQL,
    find_calendar,
    jsonb,
    occurrence_of,
    schedule_of,
    write,
)

PREVIEW_MAX = 100


async def create_schedule(
    tx: Tx,
    terms: Terms,
    *,
    reference: str,
    actor: str,
    branches: Sequence[UUID] | None,
    rules: Rulebook,
    now: datetime,
    today: date,
    meta: Meta,
) -> Schedule:
    """Order payments by the calendar; somebody else must approve it once. What no rule would let pass is refused now.

    Raises: MalformedSchedule, MalformedPayment, NoDates, SourceNotFound, ScheduleExists, and what `rules` refuses.
    """
    terms.check()
    if not 1 <= len(reference) <= REFERENCE_MAX:
        raise MalformedSchedule(f"reference: 1 to {REFERENCE_MAX} characters", field="reference")
    calendar, rail = await calendar_for(tx, terms)
    if terms.recurrence.start_on < now.astimezone(ZoneInfo(calendar.time_zone)).date():
        raise MalformedSchedule("start_on: today or later", field="start_on")
    first = next(iter(preview(terms.recurrence, calendar, after=now, limit=1)), None)
    if first is None:
        raise NoDates()
    largest = order(terms, reference_on(reference, first.nominal_on), terms.largest_minor)
    source_id = ledger.account_id(tx.tenant, terms.source_code)
    source = (await ledger.find_accounts(tx, [source_id])).get(source_id)
    if source is None or (branches is not None and source.branch_id not in branches):
        raise SourceNotFound(source=terms.source_code)
    if source.currency != terms.currency:
        raise MalformedSchedule(f"currency: {terms.source_code} is kept in {source.currency}", field="currency")
    decision = rules.decide(largest, actor=actor, now=now, today=today)
    try:
        async with tx.savepoint():
            row = await tx.one(
                SQL.insert_schedule,
                tenant=tx.tenant,
                schedule=uuid7(),
                reference=reference,
                branch=source.branch_id,
                source=source_id,
                terms=jsonb(terms),
                time_zone=calendar.time_zone,
                country=calendar.country,
                rail=rail,
                requested_by=actor,
                needed=min(5, max(1, decision.approvals_needed)),
                next_number=first.number,
                next_on=first.due_on,
                now=now,
            )
    except pg.UniqueViolation as error:
        raise ScheduleExists(reference=reference) from error
    schedule = schedule_of(row)
    await events.append(tx, _told(ScheduleCreated, schedule), meta)
    return schedule


async def calendar_for(tx: Tx, terms: Terms) -> tuple[Calendar, str | None]:
    """The calendar such an order goes by, and the rail it names. Raises: MalformedSchedule."""
    rail = None
    if terms.connection is not None:
        named = [
            one
            for one in await connections.open_connections(tx)
            if terms.connection in (one.code, ids.show("con", one.connection_id))
        ]
        if not named:
            raise MalformedSchedule("connection: there is no such bank connection", field="connection")
        rail = named[0].rail
    home = await tx.one(SQL.find_organisation, tenant=tx.tenant)
    return await find_calendar(tx, country=home.country, time_zone=home.time_zone, rail=rail), rail


async def preview_dates(tx: Tx, rule: Recurrence, *, limit: int, now: datetime) -> list[Occurrence]:
    """When a rule would fall, by the organisation's calendar and without a cut-off. Raises: MalformedSchedule."""
    problem = rule.problem()
    if problem is not None:
        raise MalformedSchedule(problem, field=problem.partition(":")[0])
    home = await tx.one(SQL.find_organisation, tenant=tx.tenant)
    calendar = await find_calendar(tx, country=home.country, time_zone=home.time_zone, rail=None)
    return preview(rule, calendar, after=now, limit=min(limit, PREVIEW_MAX))


async def next_dates(tx: Tx, schedule_id: UUID, *, limit: int) -> list[Occurrence]:
    """The dates of a schedule that are still to come, those left out included. Raises: ScheduleNotFound."""
    schedule = await find_schedule(tx, schedule_id)
    if schedule.state in ENDED:
        return []
    calendar = await find_calendar(tx, country=schedule.country, time_zone=schedule.time_zone, rail=schedule.rail)
    found: list[Occurrence] = []
    for one in occurrences(schedule.terms.recurrence, calendar, first=schedule.next_number):
        if len(found) >= min(limit, PREVIEW_MAX):
            break
        found.append(one)
    return found


async def approve_schedule(
    tx: Tx, schedule_id: UUID, *, actor: str, comment: str | None = None, now: datetime, meta: Meta
) -> Schedule:
    """One person's yes; with the last one that is needed the schedule is active.

    Raises: ScheduleNotFound, WrongState, ApproverIsRequester, AlreadyDecided.
    """
    schedule = await _decide(tx, schedule_id, actor=actor, approved=True, comment=comment, now=now)
    given = schedule.approvals_given + 1
    schedule = replace(schedule, approvals_given=given)
    if given < schedule.approvals_needed:
        return await write(tx, schedule, now)
    calendar = await find_calendar(tx, country=schedule.country, time_zone=schedule.time_zone, rail=schedule.rail)
    schedule = await plan(tx, schedule, calendar, now=now, meta=meta)
    if schedule.state not in ENDED:
        schedule = await write(tx, replace(schedule, state=ScheduleState.ACTIVE), now)
    await events.append(tx, _told(ScheduleApproved, schedule), meta)
    return schedule


async def reject_schedule(
    tx: Tx, schedule_id: UUID, *, actor: str, comment: str, now: datetime, meta: Meta
) -> Schedule:
    """One person's no: nothing of it is paid.

    Raises: ScheduleNotFound, WrongState, ApproverIsRequester, AlreadyDecided.
    """
    schedule = await _decide(tx, schedule_id, actor=actor, approved=False, comment=comment, now=now)
    return await _turn(tx, schedule, ScheduleState.REJECTED, ScheduleRejected, now=now, meta=meta)


async def _decide(
    tx: Tx, schedule_id: UUID, *, actor: str, approved: bool, comment: str | None, now: datetime
) -> Schedule:
    schedule = await _lock(tx, schedule_id, ScheduleState.AWAITING_APPROVAL)
    if schedule.requested_by == actor:
        raise ApproverIsRequester()
    try:
        async with tx.savepoint():
            written = await tx.execute(
                SQL.insert_approval,
                tenant=tx.tenant,
                schedule=schedule_id,
                approver=actor,
                approved=approved,
                comment=comment,
                now=now,
            )
    except pg.IntegrityError as error:  # By a key of their own, it is still the same person.
        if error.diag.constraint_name == "payment_schedule_approval_four_eyes":
            raise ApproverIsRequester() from error
        raise
    if not written:
        raise AlreadyDecided()
    return schedule


async def pause_schedule(tx: Tx, schedule_id: UUID, *, now: datetime, meta: Meta) -> Schedule:
    """Leave out the dates that come until it is resumed. Raises: ScheduleNotFound, WrongState."""
    schedule = await _lock(tx, schedule_id, ScheduleState.ACTIVE)
    return await _turn(tx, schedule, ScheduleState.PAUSED, SchedulePaused, now=now, meta=meta)


async def resume_schedule(tx: Tx, schedule_id: UUID, *, now: datetime, meta: Meta) -> Schedule:
    """Pay the dates that come from now on. Those that came meanwhile are not paid.

    Raises: ScheduleNotFound, WrongState.
    """
    schedule = await _lock(tx, schedule_id, ScheduleState.PAUSED)
    calendar = await find_calendar(tx, country=schedule.country, time_zone=schedule.time_zone, rail=schedule.rail)
    schedule = await plan(tx, schedule, calendar, now=now, meta=meta)
    if schedule.state is not ScheduleState.PAUSED:
        return schedule
    return await _turn(tx, schedule, ScheduleState.ACTIVE, ScheduleResumed, now=now, meta=meta)


async def cancel_schedule(tx: Tx, schedule_id: UUID, *, now: datetime, meta: Meta) -> Schedule:
    """Call a schedule off for good. Payments that exist already go on. Raises: ScheduleNotFound, WrongState."""
    schedule = await _lock(tx, schedule_id, ScheduleState.AWAITING_APPROVAL, ScheduleState.ACTIVE, ScheduleState.PAUSED)
    await tx.execute(SQL.drop_due, tenant=tx.tenant, schedule=schedule_id, reason="cancelled", now=now)
    return await _turn(tx, schedule, ScheduleState.CANCELLED, ScheduleCancelled, now=now, meta=meta)


async def _turn(
    tx: Tx, schedule: Schedule, state: ScheduleState, kind: type[ScheduleEvent], *, now: datetime, meta: Meta
) -> Schedule:
    ended = state in ENDED
    changed = replace(
        schedule,
        state=state,
        ended_at=now if ended else None,
        next_on=None if ended else schedule.next_on,
        next_at=None if ended else schedule.next_at,
    )
    schedule = await write(tx, changed, now)
    await events.append(tx, _told(kind, schedule), meta)
    return schedule


async def _lock(tx: Tx, schedule_id: UUID, *states: ScheduleState) -> Schedule:
    row = await tx.one_or_none(SQL.lock_schedule, tenant=tx.tenant, schedule=schedule_id)
    if row is None:
        raise ScheduleNotFound()
    schedule = schedule_of(row)
    if schedule.state not in states:
        raise WrongState(state=schedule.state.value)
    return schedule


async def find_schedule(tx: Tx, schedule_id: UUID) -> Schedule:
    """One schedule. Raises: ScheduleNotFound."""
    row = await tx.one_or_none(SQL.find_schedule, tenant=tx.tenant, schedule=schedule_id)
    if row is None:
        raise ScheduleNotFound()
    return schedule_of(row)


async def list_schedules(
    tx: Tx,
    *,
    state: ScheduleState | None = None,
    sort: str | None = None,
    limit: int | None = None,
    cursor: str | None = None,
) -> Page[Schedule]:
    """A page of schedules. Raises: UnknownSort, LimitOutOfRange, MalformedCursor, ForeignCursor."""
    asked = None if state is None else state.value
    page = await read_page(tx, SCHEDULES, sort=sort, limit=limit, cursor=cursor, tenant=tx.tenant, state=asked)
    return page.map(schedule_of)


async def list_occurrences(
    tx: Tx,
    schedule_id: UUID,
    *,
    state: OccurrenceState | None = None,
    sort: str | None = None,
    limit: int | None = None,
    cursor: str | None = None,
) -> Page[PastOccurrence]:
    """A page of what became of the dates of a schedule.

    Raises: ScheduleNotFound, UnknownSort, LimitOutOfRange, MalformedCursor, ForeignCursor.
    """
    await find_schedule(tx, schedule_id)
    page = await read_page(
        tx,
        OCCURRENCES,
        sort=sort,
        limit=limit,
        cursor=cursor,
        tenant=tx.tenant,
        schedule=schedule_id,
        state=None if state is None else state.value,
    )
    return page.map(occurrence_of)


def _told(kind: type[ScheduleEvent], schedule: Schedule) -> ScheduleEvent:
    return kind(schedule.schedule_id, schedule.reference, schedule.state.value, schedule.next_on)

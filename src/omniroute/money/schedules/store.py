"""Rows of schedules as values."""

from datetime import datetime
from typing import Any

import msgspec
from psycopg.types.json import Jsonb

from omniroute.infra.postgres import Tx, load
from omniroute.money.schedules.model import OccurrenceState, PastOccurrence, Schedule, ScheduleState, Terms
from omniroute.money.schedules.recurrence import Calendar

SQL = load("omniroute.money.schedules")
SCHEDULES = SQL.listing("list_schedules")
OCCURRENCES = SQL.listing("list_occurrences")
_json = msgspec.json.encode


def jsonb(value: object) -> Jsonb:
    """A value for a jsonb column."""
    return Jsonb(value, dumps=_json)


def schedule_of(row: Any) -> Schedule:
    """A row of `payment_schedule`."""
    return Schedule(
        schedule_id=row.schedule_id,
        reference=row.reference,
        state=ScheduleState(row.state),
        branch_id=row.branch_id,
        source_account_id=row.source_account_id,
        terms=msgspec.convert(row.terms, Terms),
        time_zone=row.time_zone,
        country=row.country,
        rail=row.rail,
        requested_by=row.requested_by,
        approvals_needed=row.approvals_needed,
        approvals_given=row.approvals_given,
        next_number=row.next_number,
        next_on=row.next_on,
        next_at=row.next_at,
        created_at=row.created_at,
        updated_at=row.updated_at,
        ended_at=row.ended_at,
        version=row.version,
    )


def occurrence_of(row: Any) -> PastOccurrence:
    """A row of `payment_occurrence`."""
    return PastOccurrence(
        number=row.number,
        nominal_on=row.nominal_on,
        due_on=row.due_on,
        due_at=row.due_at,
        reference=row.reference,
        state=OccurrenceState(row.state),
        reason=row.reason,
        detail=row.detail,
        amount_minor=row.amount_minor,
        payment_id=row.payment_id,
        tries=row.tries,
        try_at=row.try_at,
        updated_at=row.updated_at,
    )


async def write(tx: Tx, schedule: Schedule, now: datetime) -> Schedule:
    """Where a schedule stands now."""
    row = await tx.one(
        SQL.update_schedule,
        tenant=tx.tenant,
        schedule=schedule.schedule_id,
        state=schedule.state.value,
        given=schedule.approvals_given,
        next_number=schedule.next_number,
        next_on=schedule.next_on,
        next_at=schedule.next_at,
        ended_at=schedule.ended_at,
        now=now,
    )
    return schedule_of(row)


async def find_calendar(tx: Tx, *, country: str, time_zone: str, rail: str | None) -> Calendar:
    """The calendar of the organisation, with the cut-off of this rail."""
    days = await tx.all(SQL.calendar_days, tenant=tx.tenant)
    cut_off = None
    if rail is not None:
        cut_off = await tx.one_or_none(SQL.cut_off, tenant=tx.tenant, rail=rail)
    return Calendar(
        country,
        time_zone,
        {row.day: (row.name, row.is_open) for row in days},
        None if cut_off is None else cut_off.at,
    )

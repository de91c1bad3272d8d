"""Days an organisation keeps otherwise than its country, and times after which a rail's day is over."""

from dataclasses import dataclass
from datetime import date, datetime, time

from omniroute.infra.postgres import Tx
from omniroute.money.schedules.errors import MalformedSchedule
from omniroute.money.schedules.store import SQL

NAME_MAX = 100


@dataclass(frozen=True, slots=True)
class OwnDay:
    """A day the organisation keeps otherwise: closed, or open although the calendar says otherwise."""

    day: date
    name: str
    is_open: bool


@dataclass(frozen=True, slots=True)
class CutOff:
    """Local time after which an order over this rail counts for the next business day."""

    rail: str
    at: time


async def set_day(tx: Tx, day: OwnDay, *, now: datetime) -> None:
    """Keep a day otherwise; schedules work out their next dates anew. Raises: MalformedSchedule."""
    if not 1 <= len(day.name) <= NAME_MAX:
        raise MalformedSchedule(f"name: 1 to {NAME_MAX} characters", field="name")
    await tx.execute(SQL.set_day, tenant=tx.tenant, day=day.day, name=day.name, is_open=day.is_open)
    await tx.execute(SQL.look_again, tenant=tx.tenant, now=now)


async def remove_day(tx: Tx, day: date, *, now: datetime) -> None:
    """Keep a day as the country does."""
    await tx.execute(SQL.remove_day, tenant=tx.tenant, day=day)
    await tx.execute(SQL.look_again, tenant=tx.tenant, now=now)


async def list_days(tx: Tx, *, first: date | None = None) -> list[OwnDay]:
    """Every such day from `first` on."""
    return [
        OwnDay(row.day, row.name, row.is_open) for row in await tx.all(SQL.calendar_days, tenant=tx.tenant, first=first)
    ]


async def set_cut_off(tx: Tx, cut_off: CutOff, *, now: datetime) -> None:
    """Set the cut-off of a rail, for schedules that name a connection of it. Raises: MalformedSchedule."""
    if not 1 <= len(cut_off.rail) <= 40 or cut_off.at.tzinfo is not None:
        raise MalformedSchedule("at: a local time, without an offset", field="at")
    await tx.execute(SQL.set_cut_off, tenant=tx.tenant, rail=cut_off.rail, at=cut_off.at)
    await tx.execute(SQL.look_again, tenant=tx.tenant, now=now)


async def remove_cut_off(tx: Tx, rail: str, *, now: datetime) -> None:
    """The rail has no cut-off any more."""
    await tx.execute(SQL.remove_cut_off, tenant=tx.tenant, rail=rail)
    await tx.execute(SQL.look_again, tenant=tx.tenant, now=now)


async def list_cut_offs(tx: Tx) -> list[CutOff]:
    """Every cut-off."""
    return [CutOff(row.rail, row.at) for row in await tx.all(SQL.cut_offs, tenant=tx.tenant)]

"""Days an organisation keeps otherwise than its country, and times after which a rail's day is over."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, time

from omniroute.infra.postgres import Tx
from omniroute.money.schedules.errors import MalformedSchedule
from omniroute.money.schedules.store import SQL

NAME_MAX = 100
RAIL_MAX = 40


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


async def replace_calendar(tx: Tx, days: Sequence[OwnDay], cut_offs: Sequence[CutOff], *, now: datetime) -> None:
    """Set every own day and cut-off; schedules work out their next dates anew. Raises: MalformedSchedule."""
    if len({one.day for one in days}) != len(days) or len({one.rail for one in cut_offs}) != len(cut_offs):
        raise MalformedSchedule("days, cut_offs: each day and each rail once", field="days")
    if any(not 1 <= len(one.name) <= NAME_MAX for one in days):
        raise MalformedSchedule(f"name: 1 to {NAME_MAX} characters", field="name")
    if any(not 1 <= len(one.rail) <= RAIL_MAX or one.at.tzinfo is not None for one in cut_offs):
        raise MalformedSchedule("at: a local time of a rail, without an offset", field="at")
    await tx.execute(SQL.forget_days, tenant=tx.tenant)
    await tx.execute(SQL.forget_cut_offs, tenant=tx.tenant)
    await tx.execute(
        SQL.insert_days,
        tenant=tx.tenant,
        days=[one.day for one in days],
        names=[one.name for one in days],
        opened=[one.is_open for one in days],
    )
    await tx.execute(
        SQL.insert_cut_offs,
        tenant=tx.tenant,
        rails=[one.rail for one in cut_offs],
        times=[one.at for one in cut_offs],
    )
    await tx.execute(SQL.look_again, tenant=tx.tenant, now=now)


async def list_days(tx: Tx) -> list[OwnDay]:
    """Every own day, in order."""
    rows = await tx.all(SQL.calendar_days, tenant=tx.tenant)
    return [OwnDay(row.day, row.name, row.is_open) for row in rows]


async def list_cut_offs(tx: Tx) -> list[CutOff]:
    """Every cut-off."""
    return [CutOff(row.rail, row.at) for row in await tx.all(SQL.cut_offs, tenant=tx.tenant)]

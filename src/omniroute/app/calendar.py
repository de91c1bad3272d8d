"""What day it is for each organisation: the value date of a posting that names none."""

import asyncio
from contextlib import suppress
from datetime import date, datetime
from uuid import UUID
from zoneinfo import ZoneInfo

from omniroute.infra.postgres import Database, load
from omniroute.infra.telemetry import logger
from omniroute.kit.clock import Clock
from omniroute.kit.refusal import Fault

SQL = load("omniroute.app")
REFRESH_S = 30

log = logger("omniroute.calendar")


def day_in(time_zone: str, at: datetime) -> date:
    """What day it is at an instant for an organisation of this time zone."""
    return at.astimezone(ZoneInfo(time_zone)).date()


class BusinessDays:
    """Time zones of all organisations, kept in memory because each posting asks. `db` is the worker's.

    An organisation we have not heard of yet has the day of UTC, and makes us look at once.
    """

    def __init__(self, db: Database, clock: Clock) -> None:
        self._db = db
        self._clock = clock
        self._zones: dict[UUID, ZoneInfo] = {}
        self._holidays: dict[UUID, frozenset[date]] = {}
        self._wanted = asyncio.Event()

    def __call__(self, tenant_id: UUID) -> date:
        """The organisation's present day."""
        zone = self._zones.get(tenant_id)
        if zone is None:
            self._wanted.set()
        return self._clock.now().astimezone(zone).date() if zone else self._clock.now().date()

    def holidays(self, tenant_id: UUID) -> frozenset[date]:
        """The days on which the organisation does not work, as it has said."""
        return self._holidays.get(tenant_id, frozenset())

    async def refresh(self) -> None:
        """Read all time zones and holidays.

        Raises: DatabaseUnavailable, WriteConflict.
        """
        async with self._db.tx(readonly=True) as tx:
            rows = await tx.all(SQL.time_zones)
        self._zones = {row.tenant_id: ZoneInfo(row.time_zone) for row in rows}
        self._holidays = {
            row.tenant_id: frozenset(date.fromisoformat(day) for day in row.holidays) for row in rows if row.holidays
        }

    async def keep_fresh(self) -> None:
        """Refresh now and then, and soon after an unknown organisation was asked about, until cancelled."""
        while True:
            with suppress(TimeoutError):
                async with asyncio.timeout(REFRESH_S):
                    await self._wanted.wait()
            self._wanted.clear()
            try:
                await self.refresh()
            except Fault as fault:
                log.warning("time zones are as of before", fault=str(fault))
            await asyncio.sleep(1)  # Questions about an organisation that does not exist must not keep us busy.

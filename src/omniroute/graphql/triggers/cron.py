"""Writes down the ticks of cron triggers, each once, whatever number of workers does it."""

from collections.abc import Sequence
from datetime import timedelta

from omniroute.graphql.calling import Calls
from omniroute.graphql.metadata.tree import Metadata
from omniroute.graphql.triggers.definitions import Cron, read_crons
from omniroute.graphql.triggers.store import SQL
from omniroute.infra.postgres import Database
from omniroute.infra.telemetry import logger
from omniroute.kit.clock import Clock
from omniroute.kit.ids import uuid7

log = logger("omniroute.graphql.triggers")

_MINUTE = timedelta(minutes=1)


class CronPlanner:
    """One a process; any number of processes. `db` is the background's.

    Triggers that need a variable without a value have no ticks until it has one.
    """

    def __init__(self, db: Database, metadata: Metadata, calls: Calls, *, clock: Clock) -> None:
        self._db, self._clock = db, clock
        known = read_crons(metadata)
        self._crons: Sequence[Cron] = [one for one in known if not calls.missing(one.address, one.headers)]

    async def plan(self) -> int:
        """Write down the ticks that have come; how many.

        What was missed for longer than a trigger tolerates is left out, and said in the log.
        """
        if not self._crons:
            return 0
        now, names, made = self._clock.now(), [one.name for one in self._crons], 0
        async with self._db.tx() as tx:
            await tx.execute(SQL.enrol_cron, names=names, now=now)
            planned = {row.trigger_name: row.planned_until for row in await tx.all(SQL.cron_planned, names=names)}
        for cron in self._crons:
            if now - planned[cron.name] >= _MINUTE or now.minute != planned[cron.name].minute:
                made += await self._plan(cron)
        return made

    async def _plan(self, cron: Cron) -> int:
        now = self._clock.now()
        async with self._db.tx() as tx:
            row = await tx.one_or_none(SQL.lock_cron, name=cron.name)
            if row is None or row.planned_until >= now:
                return 0  # Somebody else is at it.
            since = max(row.planned_until, now - timedelta(seconds=cron.retry.tolerance_s))
            if since > row.planned_until:
                log.warning("ticks of a cron trigger were missed", trigger=cron.name, since=str(row.planned_until))
            ticks = list(cron.schedule.ticks(since, now))
            if ticks:
                ids = [uuid7() for _ in ticks]
                await tx.execute(SQL.plan_ticks, name=cron.name, instants=ticks, ids=ids, now=now)
            await tx.execute(SQL.advance_cron, name=cron.name, until=now)
        return len(ticks)

"""Background work of the GraphQL door: asynchronous actions, event triggers, cron triggers."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from omniroute import graphql
from omniroute.app.gateway import handler_calls, metadata_folder
from omniroute.app.gateway_rows import ROWS
from omniroute.app.wiring import House
from omniroute.graphql import Working
from omniroute.infra.telemetry import logger
from omniroute.kit.refusal import Refusal

log = logger("omniroute.gateway")


class GatewayWork:
    """What the metadata ask of the background. `working` is that of the metadata as they were read last; None when they
    never could be."""

    def __init__(self, house: House) -> None:
        self._house = house
        self._reading = asyncio.Lock()
        self._left: list[Working] = []
        self.working: Working | None = None

    async def read(self) -> None:
        """Read the metadata, again or for the first time; those that cannot be read leave what was in use.

        What is under way goes on by the metadata it began with.
        """
        async with self._reading:
            house, settings = self._house, self._house.settings
            try:
                metadata = await asyncio.to_thread(graphql.load_metadata, metadata_folder(settings))
            except Refusal as refusal:
                waits = self.working is None
                log.error("the metadata of triggers and actions cannot be read", reason=refusal.detail, waits=waits)
                return
            working = Working(
                house.db,
                house.worker_db,
                metadata,
                await handler_calls(settings, house.money.clients),
                clock=house.clock,
                vault=house.vault,
                rows=ROWS,
                repeatable=[one.strip() for one in settings.graphql_repeatable_actions.split(",") if one.strip()],
            )
            # Nobody asked for the triggers we bring along; who has metadata of their own wants to know.
            say = log.warning if settings.graphql_metadata_dir else log.debug
            for problem in working.problems:
                say("a trigger is not served", where=problem.where, what=problem.what)
            self._left = [one for one in self._left if one.is_busy]
            if self.working is not None:
                self._left.append(self.working)
            self.working = working

    async def read_again(self) -> None:
        """As `read`, and say so."""
        before = self.working
        await self.read()
        if self.working is not before:
            log.info("background work follows the metadata as they are now")

    async def close(self) -> None:
        """Take nothing new, record what is under way."""
        for one in (*self._left, *([] if self.working is None else [self.working])):
            await one.close()


@asynccontextmanager
async def gateway_work(house: House) -> AsyncIterator[GatewayWork | None]:
    """What the metadata ask of the background; None when GraphQL is not served. SIGHUP reads the metadata again.

    Metadata that cannot be read stop only this work: payments go on.
    """
    if not house.settings.graphql_enabled:
        yield None
        return
    work = GatewayWork(house)
    await work.read()
    async with house.hangups.heard(work.read_again):
        try:
            yield work
        finally:
            await work.close()

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


@asynccontextmanager
async def gateway_work(house: House) -> AsyncIterator[Working | None]:
    """What the metadata ask of the background, as they are now; None when GraphQL is not served.

    Metadata that cannot be read stop only this work: payments go on.
    """
    settings = house.settings
    if not settings.graphql_enabled:
        yield None
        return
    try:
        metadata = await asyncio.to_thread(graphql.load_metadata, metadata_folder(settings))
    except Refusal as refusal:
        log.error("the metadata cannot be read; triggers and asynchronous actions wait", reason=refusal.detail)
        yield None
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
    for problem in working.problems:
        log.warning("a trigger is not served", where=problem.where, what=problem.what)
    try:
        yield working
    finally:
        await working.close()

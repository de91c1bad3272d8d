"""The GraphQL door of a process: an engine over the metadata, and who may ask it."""

import asyncio
import signal
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

from omniroute import graphql
from omniroute.app.settings import Settings
from omniroute.app.wiring import House
from omniroute.graphql import DoorLimits, Engine, Gate, HttpDoor, Serving
from omniroute.infra.postgres import Database
from omniroute.infra.telemetry import logger
from omniroute.parties.access import Authenticator

NAME = "graphql"
"""What `serve --only` calls it."""

log = logger("omniroute.gateway")


@dataclass(frozen=True, slots=True)
class Gateway:
    """The doors by path; none when GraphQL is not served."""

    doors: Mapping[str, graphql.App] = field(default_factory=dict)

    async def drain(self) -> None:
        """Take nothing new, and end what would not end by itself."""


def metadata_folder(settings: Settings) -> Path:
    """The folder of the metadata that is served.

    Raises: MetadataUnreadable.
    """
    chosen = settings.graphql_metadata_dir
    return Path(chosen).expanduser().absolute() if chosen else graphql.product_metadata()


async def open_engine(settings: Settings, db: Database) -> Engine:
    """An engine over the metadata and the database as they are now. What does not fit is logged by name.

    Raises: MetadataUnreadable, MetadataRefused, DatabaseUnavailable.
    """
    metadata = await asyncio.to_thread(graphql.load_metadata, metadata_folder(settings))
    engine = await Engine.open(db, metadata, stringify_numerics=settings.graphql_stringify_numerics)
    for problem in engine.model.problems:
        log.warning("metadata does not fit the database", where=problem.where, what=problem.what)
    return engine


@asynccontextmanager
async def gateway(house: House, authenticator: Authenticator, *, served: bool = True) -> AsyncIterator[Gateway]:
    """The GraphQL door, as long as the process listens. SIGHUP reads metadata and database again.

    Raises: MetadataUnreadable, MetadataRefused, DatabaseUnavailable.
    """
    settings = house.settings
    if not served or not settings.graphql_enabled:
        yield Gateway()
        return
    serving = await Serving.open(lambda: open_engine(settings, house.db), allow_list=settings.graphql_allow_list)
    gate = Gate(
        serving,
        authenticator,
        house.clock,
        admin_secret=settings.graphql_admin_secret,
        stranger_role=settings.graphql_unauthorized_role,
    )
    door = HttpDoor(gate, limits=DoorLimits(settings.request_bytes_max), registry=house.registry)
    async with _reloading(serving):
        yield Gateway(graphql.mount(door, page=settings.graphql_page))


@asynccontextmanager
async def _reloading(serving: Serving) -> AsyncIterator[None]:
    """Reload on SIGHUP, one at a time. What cannot be loaded is logged, and what was served is served on."""
    loop, tasks = asyncio.get_running_loop(), set[asyncio.Task[None]]()

    async def reload() -> None:
        try:
            await serving.reload()
        except Exception as error:
            log.error("the metadata was not read again", error=str(error))
        else:
            log.info("the metadata was read again")

    def told() -> None:
        task = loop.create_task(reload())
        tasks.add(task)
        task.add_done_callback(tasks.discard)

    loop.add_signal_handler(signal.SIGHUP, told)
    try:
        yield
    finally:
        loop.remove_signal_handler(signal.SIGHUP)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

"""The processes: serve HTTP, work in the background, or both over an embedded server. Each stops in order.

On SIGTERM or SIGINT: take no new connections, let open requests finish, post what the group commit holds, finish the
round of each background job, close the pools, stop the embedded server.
"""

import asyncio
import gc
from collections.abc import AsyncIterator, Callable, Collection, Coroutine, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager, contextmanager, suppress
from dataclasses import replace
from typing import Any

import uvloop
from granian.constants import HTTPModes, Interfaces
from granian.server.embed import Server

from omniroute import api
from omniroute.app.gateway import NAME as GRAPHQL
from omniroute.app.gateway import Gateway, gateway
from omniroute.app.listening import reserved, room_for, until_listening
from omniroute.app.places import postgres_folder, with_server
from omniroute.app.settings import Settings
from omniroute.app.signals import stop_on_signal
from omniroute.app.wiring import House, opened
from omniroute.app.workers import JOB_NAMES, select_jobs, work
from omniroute.infra import events, postgres
from omniroute.infra.postgres import EmbeddedPostgres
from omniroute.infra.telemetry import logger, start_logging, start_tracing, stop_tracing

log = logger("omniroute.processes")


def run(main: Coroutine[Any, Any, None]) -> None:
    """Run a process to its end on uvloop."""
    uvloop.run(main)


@contextmanager
def telemetry(settings: Settings, service: str) -> Iterator[None]:
    """Logs and traces for as long as the process lives."""
    start_logging(settings.log_level, settings.log_format)
    start_tracing(settings.otel_endpoint, service=service, sample_percent=settings.otel_sample_percent)
    try:
        yield
    finally:
        stop_tracing()


def _spare_the_collector() -> None:
    """What is loaded stays, and requests leave no cycles behind: looking for them cost a third of the time."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 50)


async def listen(
    house: House,
    stop: asyncio.Event,
    *,
    started: Callable[[str], None],
    selection: api.Selection = api.EVERYTHING,
    at: Settings | None = None,
) -> None:
    """Answer HTTP until told to stop, then until the last open request is answered (or the drain time is over).

    `at`: settings with another port.

    Raises: MetadataUnreadable, MetadataRefused.
    """
    services = house.services(selection)
    async with gateway(house, services.authenticator, served=selection.includes(GRAPHQL)) as graphql:
        app = api.create_app(services, access_log=house.settings.http_access_log, beside=graphql.doors)
        _spare_the_collector()
        await _answer(at or house.settings, app, graphql, stop, started)


async def _answer(
    settings: Settings, app: api.Front, graphql: Gateway, stop: asyncio.Event, started: Callable[[str], None]
) -> None:
    port = settings.http_port
    server = Server(
        app,
        address=settings.http_host,
        port=port,
        interface=Interfaces.ASGINL,
        http=HTTPModes.auto,
        websockets=bool(graphql.doors),
        backlog=settings.http_backlog,
        backpressure=room_for(settings.http_connections_max),  # Of connections, those that idle too.
        log_enabled=False,
    )
    serving = asyncio.create_task(server.serve())
    stopping = asyncio.create_task(stop.wait())
    await until_listening(settings.http_host, port, serving)
    started(f"http://{settings.http_host}:{port}")
    await asyncio.wait({serving, stopping}, return_when=asyncio.FIRST_COMPLETED)
    stopping.cancel()
    if serving.done():
        await serving
        raise ConnectionError("the HTTP server ended by itself")
    log.info("draining", requests_open=app.open_count)
    server.stop()  # type: ignore[no-untyped-call]
    with suppress(TimeoutError):
        async with asyncio.timeout(settings.http_drain_s):
            await graphql.drain()
            await app.idle.wait()
            await serving
    if app.open_count:
        log.warning("drain time is over", requests_open=app.open_count)


async def serve(settings: Settings, *, started: Callable[[str], None], only: Collection[str] | None = None) -> None:
    """The REST door over an existing database; `only` these of its modules.

    Raises: api.UnknownModule, MetadataUnreadable, MetadataRefused.
    """
    selection = api.EVERYTHING if only is None else api.select(*only, beside=[GRAPHQL])
    stop = stop_on_signal()
    with reserved(settings, started) as (settings, listens):
        async with opened(settings) as house:
            await repair_epoch(house)
            await listen(house, stop, started=listens, selection=selection)


async def background(
    settings: Settings, *, started: Callable[[str], None], only: Collection[str] | None = None
) -> None:
    """Background work over an existing database; `only` these jobs. Tells about itself over HTTP where that is set.

    Raises: UnknownJob.
    """
    chosen = JOB_NAMES if only is None else select_jobs(only)
    stop = stop_on_signal()
    async with opened(settings, works=True) as house:
        await repair_epoch(house)
        log.info("working", jobs=sorted(chosen))
        if settings.worker_http_port < 0:
            await work(house, stop, chosen)
            return
        with reserved(replace(settings, http_port=settings.worker_http_port), started) as (at, listens):
            working = asyncio.create_task(work(house, stop, chosen))
            try:
                await listen(house, stop, started=listens, selection=api.NOTHING, at=at)
            finally:
                stop.set()
                await working


async def repair_epoch(house: House) -> None:
    """After a dump was restored into a new server: readers must not wait for transaction numbers of the old one."""
    async with house.worker_db.tx() as tx:
        await events.repair_epoch(tx)


@asynccontextmanager
async def embedded(settings: Settings) -> AsyncIterator[Settings]:
    """Settings with a database: the one that is set, or an embedded server that lives as long as this block."""
    if settings.database_url:
        yield settings
        return
    async with EmbeddedPostgres(postgres_folder(settings)) as server:
        keeping = asyncio.create_task(server.keep_running())  # It comes back when it is killed, as a service would.
        try:
            yield with_server(settings, server)
        finally:
            keeping.cancel()
            await asyncio.gather(keeping, return_exceptions=True)


async def up(
    settings: Settings,
    *,
    started: Callable[[str], None],
    first: Callable[[House], Coroutine[Any, Any, None]],
    beside: Callable[[Settings], AbstractAsyncContextManager[None]] | None = None,
) -> None:
    """Everything in one process: server, migrations, first credential, doors and background work; and what runs
    `beside` it as long as it does."""
    stop = stop_on_signal()
    with reserved(settings, started) as (settings, listens):
        async with embedded(settings) as settled:
            await postgres.migrate(settled.database_owner_url or settled.database_url)
            async with (beside or _nothing)(settled), opened(settled, create_keys=True, works=True) as house:
                await repair_epoch(house)
                await first(house)
                working = asyncio.create_task(work(house, stop, JOB_NAMES))
                try:
                    await listen(house, stop, started=listens)
                finally:
                    stop.set()
                    await working


@asynccontextmanager
async def _nothing(_: Settings) -> AsyncIterator[None]:
    yield

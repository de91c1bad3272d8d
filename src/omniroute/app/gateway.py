"""The GraphQL door of a process: an engine over the metadata, and who may ask it."""

import asyncio
import os
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

from omniroute import api, graphql
from omniroute.app.gateway_states import IMPLIED
from omniroute.app.settings import PREFIX, Settings
from omniroute.app.wiring import House
from omniroute.graphql import (
    Actions,
    Calls,
    DoorLimits,
    Engine,
    Gate,
    HttpDoor,
    Hub,
    LiveLimits,
    Serving,
    SocketDoor,
    SocketLimits,
)
from omniroute.infra.http import Limits, RailClients, public_only
from omniroute.infra.telemetry import logger
from omniroute.kit.networks import read_networks
from omniroute.parties.access import Authenticator

NAME = "graphql"
"""What `serve --only` calls it."""

log = logger("omniroute.gateway")


@dataclass(frozen=True, slots=True)
class Gateway:
    """The doors by path; none when GraphQL is not served."""

    doors: Mapping[str, graphql.App] = field(default_factory=dict)
    socket: SocketDoor | None = None

    async def drain(self) -> None:
        """End what would not end by itself: connections that stay."""
        if self.socket is not None:
            await self.socket.drain()


def metadata_folder(settings: Settings) -> Path:
    """The folder of the metadata that is served.

    Raises: MetadataUnreadable.
    """
    chosen = settings.graphql_metadata_dir
    return Path(chosen).expanduser().absolute() if chosen else graphql.product_metadata()


def own_address(settings: Settings) -> str:
    """Where this process reaches itself, for handlers that are ours."""
    host = {"0.0.0.0": "127.0.0.1", "::": "[::1]", "": "127.0.0.1"}.get(settings.http_host, settings.http_host)  # noqa: S104
    return f"http://{host}:{settings.http_port}"


async def handler_calls(settings: Settings, clients: RailClients) -> Calls:
    """How handlers of actions and receivers of triggers are called.

    The metadata may name variables of the environment, but none of our own settings. `BANK_GATEWAY_URL`, where the
    product's metadata look for its handlers, is this process unless it is set.
    """
    private_allowed = settings.allow_private_handlers
    # Each handler is judged by itself, never by what others do: no breaker over all of them.
    limits = Limits(concurrency_max=settings.webhook_in_flight_max, breaker_failures_min=1 << 30)
    resolve = None if private_allowed else public_only()
    own = await clients.client("graphql", "own", limits=limits)
    outside = await clients.client("graphql", "outside", limits=limits, resolve=resolve)
    address = own_address(settings)
    variables = {name: text for name, text in os.environ.items() if not name.startswith(PREFIX)}
    return Calls(
        own,
        outside,
        base_url=address,
        variables={"BANK_GATEWAY_URL": address} | variables,
        private_allowed=private_allowed,
    )


async def open_engine(house: House) -> Engine:
    """An engine over the metadata and the database as they are now. What does not fit is logged by name.

    Raises: MetadataUnreadable, MetadataRefused, DatabaseUnavailable.
    """
    settings, db = house.settings, house.db
    metadata = await asyncio.to_thread(graphql.load_metadata, metadata_folder(settings))
    stringify = settings.graphql_stringify_numerics
    calls = await handler_calls(settings, house.money.clients)
    actions = Actions(db, metadata, calls, clock=house.clock, vault=house.vault, stringify_numerics=stringify)
    engine = await Engine.open(db, metadata, stringify_numerics=stringify, plugged=[actions], implied=IMPLIED)
    for problem in engine.model.problems:
        log.warning("metadata does not fit the database", where=problem.where, what=problem.what)
    return engine


def _address(settings: Settings) -> Callable[[graphql.Scope], str]:
    """Where a request comes from, as the REST door sees it too."""
    proxies = api.Proxies(read_networks(settings.trusted_proxies), settings.trusted_proxy_header)
    return lambda scope: proxies.client(graphql.address_of(scope), scope["headers"])


@asynccontextmanager
async def gateway(house: House, authenticator: Authenticator, *, served: bool = True) -> AsyncIterator[Gateway]:
    """The GraphQL doors, as long as the process listens. SIGHUP reads metadata and database again.

    Raises: MetadataUnreadable, MetadataRefused, DatabaseUnavailable.
    """
    settings, clock, registry = house.settings, house.clock, house.registry
    if not served or not settings.graphql_enabled:
        async with house.hangups.heard():
            yield Gateway()
        return
    serving = await Serving.open(lambda: open_engine(house), allow_list=settings.graphql_allow_list)
    gate = Gate(
        serving,
        authenticator,
        clock,
        admin_secret=settings.graphql_admin_secret,
        stranger_role=settings.graphql_unauthorized_role,
    )
    http = HttpDoor(gate, limits=DoorLimits(settings.request_bytes_max), registry=registry)
    live = LiveLimits(
        floor_ms=settings.graphql_refresh_interval_ms,
        poll_s=settings.graphql_refresh_without_events_s,
        subscriptions_max=settings.graphql_subscriptions_max,
    )
    hub = Hub(house.db, house.worker_db, limits=live)
    limits = SocketLimits(
        connections_max=settings.graphql_connections_max, operations_max=settings.graphql_connection_operations_max
    )
    socket = SocketDoor(gate, serving, hub, clock=clock, limits=limits, operations=http.tally, registry=registry)

    async def read_again() -> None:
        try:
            await serving.reload()
        except Exception as error:
            log.error("the metadata was not read again", error=str(error))
        else:
            log.info("the metadata was read again")

    async with house.hangups.heard(read_again):
        try:
            doors = graphql.mount(http, socket, page=settings.graphql_page, address=_address(settings))
            yield Gateway(doors, socket)
        finally:
            await hub.close()

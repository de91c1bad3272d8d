"""The clients of a process, one for each bank connection."""

import asyncio

from prometheus_client import CollectorRegistry

from omniroute.infra.http.addresses import Resolve
from omniroute.infra.http.client import RailHttp
from omniroute.infra.http.limits import Limits, Sleep
from omniroute.infra.http.metrics import HttpMetrics
from omniroute.infra.http.tls import Tls
from omniroute.kit.clock import Clock


class RailClients:
    """Gives the same client to all who use the same connection: breaker, rate and places are shared."""

    def __init__(self, *, clock: Clock, registry: CollectorRegistry, sleep: Sleep = asyncio.sleep) -> None:
        self._clock = clock
        self._metrics = HttpMetrics(registry)
        self._sleep = sleep
        self._clients: dict[tuple[str, str], tuple[Limits, Tls, RailHttp]] = {}

    async def client(
        self,
        rail: str,
        connection: str,
        *,
        limits: Limits | None = None,
        tls: Tls | None = None,
        resolve: Resolve | None = None,
    ) -> RailHttp:
        """The client of this connection; a new one when its limits or certificates changed."""
        limits, tls = limits or Limits(), tls or Tls()
        known = self._clients.get((rail, connection))
        if known is not None and known[:2] == (limits, tls):
            return known[2]
        client = RailHttp(
            rail=rail,
            connection=connection,
            clock=self._clock,
            metrics=self._metrics,
            limits=limits,
            tls=tls,
            resolve=resolve,
            sleep=self._sleep,
        )
        self._clients[rail, connection] = (limits, tls, client)
        if known is not None:
            await known[2].aclose()
        return client

    async def drop(self, rail: str, connection: str) -> None:
        """Forget a connection that was closed or whose credentials changed."""
        known = self._clients.pop((rail, connection), None)
        if known is not None:
            await known[2].aclose()

    async def aclose(self) -> None:
        """Close all; the process ends."""
        while self._clients:
            _, (_, _, client) = self._clients.popitem()
            await client.aclose()

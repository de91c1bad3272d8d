"""GraphQL over WebSocket: `graphql-transport-ws`, and the older `graphql-ws`, under the address of the HTTP door."""

import asyncio
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from prometheus_client import CollectorRegistry

from omniroute.graphql.doors.admission import Admitted, Gate
from omniroute.graphql.doors.asgi import address_of
from omniroute.graphql.doors.metrics import OperationTally
from omniroute.graphql.doors.serving import Serving
from omniroute.graphql.doors.socket_connection import Connection, Desk, SocketLimits
from omniroute.graphql.doors.socket_messages import Code, choose
from omniroute.graphql.live.hub import Hub
from omniroute.kit.clock import Clock, SystemClock

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Any]]
Send = Callable[[Any], Awaitable[None]]

DRAIN_S = 10.0
FRAMES_S = 0.2
"""Until close frames are answered: a process that ends in the middle of that takes the server down hard."""


class SocketDoor:
    """An ASGI application for scopes of type `websocket`. It checks no path: mount it where it belongs.

    `operations` is the tally of the HTTP door, so that operations are counted in one place; `registry` gets what is
    counted of connections and subscriptions.
    """

    def __init__(
        self,
        gate: Gate,
        serving: Serving,
        hub: Hub,
        *,
        clock: Clock | None = None,
        limits: SocketLimits | None = None,
        operations: OperationTally | None = None,
        registry: CollectorRegistry | None = None,
    ) -> None:
        self.hub = hub
        self._desk = Desk(
            gate,
            serving,
            hub,
            clock or SystemClock(),
            limits or SocketLimits(),
            operations or OperationTally(),
            set(),
        )
        self._connections: set[Connection] = set()
        self._is_draining = False
        self._none_left = asyncio.Event()
        self._none_left.set()
        if registry is not None:
            registry.register(hub.tally)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection until it ends."""
        message = await receive()
        if message["type"] != "websocket.connect":
            return
        dialect = choose(list(scope.get("subprotocols") or ()))
        await send({"type": "websocket.accept", "subprotocol": None if dialect is None else dialect.name})
        if dialect is None:
            await self._turn_away(receive, send, Code.NOT_ACCEPTABLE, "Subprotocol not acceptable")
            return
        if self._is_draining:
            await self._turn_away(receive, send, Code.GOING_AWAY, "Going away")
            return
        if len(self._connections) >= self._desk.limits.connections_max:
            await self._turn_away(receive, send, Code.TRY_LATER, "Too many connections are open")
            return
        headers = {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in scope["headers"]}
        connection = Connection(self._desk, dialect, headers, receive, send, address_of(scope))
        open_ = self.hub.tally.connections
        self._connections.add(connection)
        self._none_left.clear()
        open_[dialect.name] = open_.get(dialect.name, 0) + 1
        try:
            await connection.serve()
        finally:
            open_[dialect.name] -= 1
            self._connections.discard(connection)
            if not self._connections:
                self._none_left.set()

    async def _turn_away(self, receive: Receive, send: Send, code: Code, reason: str) -> None:
        self.hub.tally.closed[code] = self.hub.tally.closed.get(code, 0) + 1
        await send({"type": "websocket.close", "code": int(code), "reason": reason})

    async def drain(self) -> None:
        """Close every connection with 1001 (going away), take no new ones, and wait for operations under way."""
        self._is_draining, was_open = True, bool(self._connections)
        for connection in tuple(self._connections):
            connection.close(Code.GOING_AWAY, "Going away")
        try:
            async with asyncio.timeout(DRAIN_S):
                await self._none_left.wait()
                if self._desk.tasks:
                    await asyncio.wait(set(self._desk.tasks))
        except TimeoutError:
            pass
        await self.hub.close()
        if was_open:
            await asyncio.sleep(FRAMES_S)


__all__ = ["Admitted", "Gate", "Hub", "SocketDoor", "SocketLimits"]

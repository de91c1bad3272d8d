"""GraphQL over WebSocket: `graphql-transport-ws`, and the older `graphql-ws`, under the address of the HTTP door."""

from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

from omniroute.graphql.session import Session

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Any]]
Send = Callable[[Any], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Admitted:
    """Who speaks on a connection: the role, whose data, and until when the credentials hold."""

    role: str
    session: Session
    expires_at: datetime | None = None


class Gate(Protocol):
    """Decides about credentials and role, for HTTP and for sockets alike."""

    async def admit(self, headers: Mapping[str, str]) -> Admitted:
        """Who asks, by the headers of a request (names in lower case).

        Raises: RequestRefused, Refusal.
        """


class SocketDoor:
    """An ASGI application for scopes of type `websocket`. It checks no path: mount it where it belongs."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection until it ends."""
        raise NotImplementedError

    async def drain(self) -> None:
        """Close every connection with 1001 (going away), and take no new ones. Call it before waiting for the rest."""
        raise NotImplementedError

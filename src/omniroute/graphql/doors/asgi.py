"""The little of ASGI that the doors need: read a body within its limit, send an answer."""

from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from dataclasses import dataclass
from typing import Any

from omniroute.graphql.doors.errors import HttpRefused

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Any]]
Send = Callable[[Any], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer before it is on the wire."""

    status: int
    body: bytes
    content_type: str
    headers: tuple[tuple[str, str], ...] = ()


def headers_of(scope: Scope) -> dict[str, str]:
    """The headers of a request by lower-case name; of several, the last one."""
    return {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in scope["headers"]}


def address_of(scope: Scope) -> str:
    """Where a request comes from, as the server or a proxy we trust says."""
    client = scope.get("client")
    return str(client[0]) if client else ""


async def read_body(receive: Receive, headers: Mapping[str, str], bytes_max: int) -> bytes:
    """The whole body, refused as soon as it is seen to be too large.

    Raises: HttpRefused.
    """
    length = headers.get("content-length", "")
    parts, size, more = [], int(length[:19]) if length.isdigit() else 0, True
    while more and size <= bytes_max:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise HttpRefused(400, "the connection was closed before the body was complete", code="parse-failed")
        parts.append(message.get("body", b""))
        size = max(size, sum(map(len, parts)))
        more = message.get("more_body", False)
    if size > bytes_max:
        raise HttpRefused(413, f"the body is longer than {bytes_max} bytes", code="payload-too-large")
    return b"".join(parts)


async def send_reply(send: Send, reply: Reply) -> None:
    """Put an answer on the wire."""
    headers = [("content-type", reply.content_type), ("content-length", str(len(reply.body))), *reply.headers]
    await send(
        {
            "type": "http.response.start",
            "status": reply.status,
            "headers": [(name.encode(), value.encode("latin-1")) for name, value in headers],
        }
    )
    await send({"type": "http.response.body", "body": reply.body})

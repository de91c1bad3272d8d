"""HTTP/1.1 at the level at which things go wrong: a handler may end the connection without a word."""

import asyncio
import ssl
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from urllib.parse import parse_qsl, unquote, urlsplit

import h11

BODY_MAX = 64 * 2**20
READ_BYTES = 2**16


class Drop(Exception):
    """End the connection without a reply."""


@dataclass(frozen=True, slots=True)
class WireCall:
    """One request. Header names in lower case; `path` is decoded; of a repeated query name the last counts."""

    method: str
    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    body: bytes
    peer: str = ""


@dataclass(frozen=True, slots=True)
class WireReply:
    """One reply."""

    status: int
    body: bytes = b""
    content_type: str = "application/json"
    headers: Mapping[str, str] = field(default_factory=dict)


Handler = Callable[[WireCall], Awaitable[WireReply]]


class WireServer:
    """Serves a handler on a port of this machine."""

    def __init__(
        self, handler: Handler, *, host: str = "127.0.0.1", port: int = 0, tls: ssl.SSLContext | None = None
    ) -> None:
        """`port` 0: any free one."""
        self._handler = handler
        self._host, self._port, self._tls = host, port, tls
        self._server: asyncio.Server | None = None
        self._connections: set[asyncio.Task[None]] = set()
        self.request_count = 0

    @property
    def url(self) -> str:
        """Where it listens, without a slash at the end."""
        assert self._server is not None, "the server was not started"
        port = self._server.sockets[0].getsockname()[1]
        return f"{'https' if self._tls else 'http'}://{self._host}:{port}"

    async def __aenter__(self) -> "WireServer":
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()

    async def start(self) -> None:
        """Listen."""
        self._server = await asyncio.start_server(self._connected, self._host, self._port, ssl=self._tls, backlog=1024)

    async def stop(self) -> None:
        """Stop listening and end every connection."""
        if self._server is None:
            return
        self._server.close()
        for task in list(self._connections):
            task.cancel()
        await asyncio.gather(*self._connections, return_exceptions=True)
        await self._server.wait_closed()
        self._server = None

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._connections.add(task)
        try:
            await self._talk(reader, writer)
        except (Drop, ConnectionError, h11.RemoteProtocolError, TimeoutError, ssl.SSLError, asyncio.CancelledError):
            writer.transport.abort()  # A reset, not a farewell: that is what a lost connection looks like.
        finally:
            self._connections.discard(task)
            writer.close()

    async def _talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        peer = str((writer.get_extra_info("peername") or ("",))[0])
        connection = h11.Connection(h11.SERVER, max_incomplete_event_size=READ_BYTES)
        while True:
            call = await self._read(connection, reader, writer, peer)
            if call is None:
                return
            self.request_count += 1
            reply = await self._handler(call)
            headers = {"content-length": str(len(reply.body)), "content-type": reply.content_type, **reply.headers}
            head = h11.Response(status_code=reply.status, headers=list(headers.items()))
            writer.write(
                (connection.send(head) or b"")
                + (connection.send(h11.Data(data=reply.body)) or b"" if call.method != "HEAD" else b"")
                + (connection.send(h11.EndOfMessage()) or b"")
            )
            await writer.drain()
            if connection.our_state is h11.MUST_CLOSE:
                return
            connection.start_next_cycle()

    async def _read(
        self, connection: h11.Connection, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, peer: str
    ) -> WireCall | None:
        request: h11.Request | None = None
        body = bytearray()
        while True:
            event = connection.next_event()
            if event is h11.NEED_DATA:
                if connection.they_are_waiting_for_100_continue:
                    go_on = h11.InformationalResponse(status_code=100, headers=[])
                    writer.write(connection.send(go_on) or b"")
                connection.receive_data(await reader.read(READ_BYTES))
            elif isinstance(event, h11.Request):
                request = event
            elif isinstance(event, h11.Data):
                body += event.data
                if len(body) > BODY_MAX:
                    raise Drop
            elif isinstance(event, h11.EndOfMessage):
                assert request is not None
                return _call(request, bytes(body), peer)
            else:  # ConnectionClosed, or paused by something that is not HTTP.
                return None


def _call(request: h11.Request, body: bytes, peer: str) -> WireCall:
    target = urlsplit(request.target.decode("latin-1"))
    return WireCall(
        method=request.method.decode("ascii"),
        path=unquote(target.path),
        query=dict(parse_qsl(target.query, keep_blank_values=True)),
        headers={name.decode("latin-1").lower(): value.decode("latin-1") for name, value in request.headers},
        body=body,
        peer=peer,
    )

"""A real server that misbehaves on cue, and tells the truth about what it got."""

import asyncio
import socket
import ssl
import struct
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

from prometheus_client import CollectorRegistry

from omniroute.infra.http import ExchangeFailed, HttpMetrics, Limits, RailHttp, Reply, Request, Tls
from omniroute.kit.clock import Clock, SystemClock

OK = b'HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 13\r\n\r\n{"code":"00"}'


class Peer:
    """One server; `connections` and `received` are what really arrived (plain bytes, below TLS)."""

    def __init__(self) -> None:
        self.url = ""
        self.connections = 0
        self.requests = 0
        self.asked = asyncio.Event()
        self.received = bytearray()
        self.tasks: set[asyncio.Task[None]] = set()
        self.stop_listening: Callable[[], None] = lambda: None


class Caller:
    """One connection of the peer, for the script that plays it."""

    def __init__(self, peer: Peer, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.peer = peer
        self.number = peer.connections
        self._reader = reader
        self._writer = writer

    async def request(self) -> bytes:
        """Read one whole request; b"" when the other side closed."""
        got = bytearray()
        try:
            while b"\r\n\r\n" not in got:
                got += await self._some()
            head, _, body = bytes(got).partition(b"\r\n\r\n")
            length = next(
                (int(line[15:]) for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")), 0
            )
            while len(body) < length:
                more = await self._some()
                got += more
                body += more
        except EOFError:
            return b""
        self.peer.requests += 1
        self.peer.asked.set()
        return bytes(got)

    async def _some(self) -> bytes:
        data = await self._reader.read(65_536)
        self.peer.received += data
        if not data:
            raise EOFError
        return data

    async def drain_input(self) -> None:
        """Take notice of everything that still comes."""
        try:
            while True:
                await self._some()
        except (EOFError, OSError):
            pass

    async def say(self, data: bytes) -> None:
        self._writer.write(data)
        await self._writer.drain()

    def reset(self) -> None:
        """Close with RST."""
        raw = self._writer.get_extra_info("socket")
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self._writer.transport.abort()

    def close(self) -> None:
        self._writer.close()


Script = Callable[[Caller], Awaitable[None]]


@asynccontextmanager
async def serve(script: Script, *, tls: ssl.SSLContext | None = None, host: str = "127.0.0.1") -> AsyncIterator[Peer]:
    """Run a peer that plays `script` on every connection."""
    peer = Peer()

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        peer.connections += 1
        task = asyncio.current_task()
        assert task is not None
        peer.tasks.add(task)
        try:
            await script(Caller(peer, reader, writer))
        except (OSError, asyncio.CancelledError):
            pass
        finally:
            peer.tasks.discard(task)
            writer.close()

    server = await asyncio.start_server(handle, host, 0, ssl=tls)
    peer.stop_listening = server.close
    port = server.sockets[0].getsockname()[1]
    name = f"[{host}]" if ":" in host else host
    peer.url = f"{'https' if tls else 'http'}://{'localhost' if tls else name}:{port}/pay"
    try:
        yield peer
    finally:
        server.close()
        for task in list(peer.tasks):
            task.cancel()
        await asyncio.gather(*peer.tasks, return_exceptions=True)
        await server.wait_closed()
        await asyncio.sleep(0)


@asynccontextmanager
async def client(
    *,
    limits: Limits | None = None,
    tls: Tls | None = None,
    clock: Clock | None = None,
    registry: CollectorRegistry | None = None,
    **more: object,
) -> AsyncIterator[RailHttp]:
    """A client of its own, closed at the end."""
    http = RailHttp(
        rail="testrail",
        connection="con_1",
        clock=clock or SystemClock(),
        metrics=HttpMetrics(registry or CollectorRegistry()),
        limits=limits or Limits(retry_wait_ms=2),
        tls=tls,
        **more,  # type: ignore[arg-type]
    )
    try:
        yield http
    finally:
        await http.aclose()
        await asyncio.sleep(0.01)  # Sockets close in the next rounds of the loop.


def submit(url: str, body: bytes = b'{"amount":"10"}', **more: object) -> Request:
    """An order to pay."""
    return Request("POST", url, "submit", {"Content-Type": "application/json"}, body, submit=True, **more)  # type: ignore[arg-type]


def query(url: str, **more: object) -> Request:
    """A question that may be asked twice."""
    return Request("GET", url, "query", safe=True, **more)  # type: ignore[arg-type]


async def ask(http: RailHttp, request: Request) -> Reply | ExchangeFailed:
    """What came of it, either way."""
    try:
        return await http.exchange(request)
    except ExchangeFailed as failure:
        return failure


def closed_port() -> int:
    """A port nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


async def replies(caller: Caller) -> None:
    """A well-behaved rail."""
    while await caller.request():
        await caller.say(OK)

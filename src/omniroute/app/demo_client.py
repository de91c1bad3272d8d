"""The client of `omniroute demo`: connections that stay open, and requests repeated until they are answered.

Plain HTTP/1.1 by hand: one machine is client, server and database at once, and a general client would take most of it.
"""

import asyncio
from contextlib import suppress
from dataclasses import dataclass
from decimal import Decimal
from types import TracebackType
from typing import Any, Self

import msgspec

from omniroute.kit.refusal import Fault

PAUSES_S = (0.05, 0.1, 0.2, 0.4, 0.8, 1.0)
PATIENCE_S = 120
ANSWER_S = 60
REPEATABLE = frozenset({429, 503})
"""What says: nothing was done, or you cannot know; ask again with the same key."""


_decode = msgspec.json.Decoder(float_hook=Decimal).decode


class NoAnswer(Fault):
    """A request was repeated with patience, and never answered."""


class Unexpected(Fault):
    """An answer that the demonstration does not know."""


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer. `tries`: how often it was asked."""

    status: int
    body: bytes
    replayed: bool
    tries: int

    def json(self) -> Any:
        """The body as JSON; decimals stay exact."""
        return _decode(self.body)


class Connection:
    """One client: a connection that is opened again whenever it breaks. One request at a time."""

    def __init__(self, host: str, port: int, secret: str | None = None) -> None:
        self._host, self._port = host, port
        self._head = f"host: {host}:{port}\r\n" + (f"authorization: Bearer {secret}\r\n" if secret else "")
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Hang up."""
        if self._streams is not None:
            self._streams[1].close()
            self._streams = None

    async def is_ready(self) -> bool:
        """Whether the server says so. Asks once."""
        with suppress(OSError, EOFError, TimeoutError):
            async with asyncio.timeout(5):
                return (await self._ask(f"GET /readiness HTTP/1.1\r\n{self._head}\r\n".encode(), 1)).status == 200
        self.close()
        return False

    async def create(self, path: str, body: object, *, key: str) -> Any:
        """Create something that must be accepted; the answer as JSON.

        Raises: NoAnswer, Unexpected.
        """
        return _accepted(await self.post(path, msgspec.json.encode(body), key=key), path).json()

    async def get(self, path: str) -> Any:
        """What is there, as JSON.

        Raises: NoAnswer, Unexpected.
        """
        return _accepted(await self._persist(f"GET {path} HTTP/1.1\r\n{self._head}\r\n".encode()), path).json()

    async def replace(self, path: str, body: object) -> Any:
        """Put something where it belongs, which must be accepted; the answer as JSON.

        Raises: NoAnswer, Unexpected.
        """
        content = msgspec.json.encode(body)
        head = f"PUT {path} HTTP/1.1\r\n{self._head}content-type: application/json\r\n"
        request = f"{head}content-length: {len(content)}\r\n\r\n".encode() + content
        return _accepted(await self._persist(request), path).json()

    async def upload(self, path: str, content: bytes, *, content_type: str, key: str) -> Any:
        """Send a file that must be accepted; the answer as JSON.

        Raises: NoAnswer, Unexpected.
        """
        return _accepted(await self.post(path, content, key=key, content_type=content_type), path).json()

    async def post(self, path: str, body: bytes, *, key: str, content_type: str = "application/json") -> Reply:
        """Ask until answered, always with the same key, so that it is done once however often it is asked.

        Raises: NoAnswer.
        """
        head = f"POST {path} HTTP/1.1\r\n{self._head}idempotency-key: {key}\r\ncontent-type: {content_type}\r\n"
        return await self._persist(f"{head}content-length: {len(body)}\r\n\r\n".encode() + body)

    async def _persist(self, request: bytes) -> Reply:
        loop = asyncio.get_running_loop()
        deadline = loop.time() + PATIENCE_S
        tries = 0
        while True:
            tries += 1
            what = ""
            try:
                async with asyncio.timeout(ANSWER_S):
                    reply = await self._ask(request, tries)
                if reply.status not in REPEATABLE:
                    return reply
                what = f"status {reply.status}"
            except (OSError, EOFError, TimeoutError) as error:
                self.close()
                what = f"{type(error).__name__}: {error}"
            except BaseException:
                self.close()
                raise
            if loop.time() > deadline:
                raise NoAnswer(f"no answer after {tries} tries: {what}")
            await asyncio.sleep(PAUSES_S[min(tries, len(PAUSES_S)) - 1])

    async def _ask(self, request: bytes, tries: int) -> Reply:
        if self._streams is None:
            self._streams = await asyncio.open_connection(self._host, self._port)
        reader, writer = self._streams
        writer.write(request)
        head = (await reader.readuntil(b"\r\n\r\n")).lower()
        status = int(head[9:12])
        length = head.partition(b"content-length:")[2].partition(b"\r\n")[0]
        body = await reader.readexactly(int(length or 0))
        if b"connection: close" in head:
            self.close()
        return Reply(status, body, b"idempotency-replayed: true" in head, tries)


def _accepted(reply: Reply, path: str) -> Reply:
    if reply.status not in (200, 201):
        raise Unexpected(f"{path} answered {reply.status}: {reply.body[:500].decode(errors='replace')}")
    return reply

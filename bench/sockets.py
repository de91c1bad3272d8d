"""Many WebSocket connections that cost next to nothing: frames are looked for and timed, not understood."""

import asyncio
import json
import os
import resource
import struct
import time
from collections.abc import Callable

_UPGRADE = (
    "GET {path} HTTP/1.1\r\nhost: bench\r\nupgrade: websocket\r\nconnection: upgrade\r\nsec-websocket-version: 13\r\n"
    "sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\nsec-websocket-protocol: graphql-transport-ws\r\n\r\n"
)


def raise_file_limit(count: int) -> None:
    """Have room for so many sockets."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft < count:
        resource.setrlimit(resource.RLIMIT_NOFILE, (min(count, hard) if hard > 0 else count, hard))


class Socket(asyncio.Protocol):
    """One connection. `heard` is called with the instant and the payload of each text message."""

    def __init__(self, path: str, heard: "Callable[[Socket, float, bytes], None]") -> None:
        self._path = path
        self._heard = heard
        self._buffer = bytearray()
        self._is_open = False
        self.opened: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        transport.write(_UPGRADE.format(path=self._path).encode())

    def data_received(self, data: bytes) -> None:
        now = time.perf_counter()
        self._buffer += data
        if not self._is_open:
            end = self._buffer.find(b"\r\n\r\n")
            if end < 0:
                return
            assert self._buffer.startswith(b"HTTP/1.1 101"), bytes(self._buffer[:end])
            del self._buffer[: end + 4]
            self._is_open = True
            self.opened.set_result(None)
        while (frame := self._frame()) is not None:
            self._heard(self, now, frame)

    def _frame(self) -> bytes | None:
        """The next text message; the server sends each in one frame, without a mask."""
        buffer = self._buffer
        if len(buffer) < 2:
            return None
        length, start = buffer[1] & 127, 2
        if length == 126:
            if len(buffer) < 4:
                return None
            length, start = struct.unpack_from("!H", buffer, 2)[0], 4
        assert length != 127, "no message here is that long"
        if len(buffer) < start + length:
            return None
        payload = bytes(buffer[start : start + length])
        del buffer[: start + length]
        return payload

    def say(self, message: object) -> None:
        """Send a message."""
        data, mask = json.dumps(message).encode(), os.urandom(4)
        head = (
            struct.pack("!BB", 0x81, 0x80 | len(data))
            if len(data) < 126
            else struct.pack("!BBH", 0x81, 0xFE, len(data))
        )
        covered = bytes(byte ^ mask[place & 3] for place, byte in enumerate(data))
        self._transport.write(head + mask + covered)

    def close(self) -> None:
        """Hang up."""
        self._transport.close()


async def connect(port: int, path: str, count: int, heard: Callable[[Socket, float, bytes], None]) -> list[Socket]:
    """So many connections, opened 50 at a time."""
    loop, sockets = asyncio.get_running_loop(), list[Socket]()
    for _ in range(0, count, 50):
        made = await asyncio.gather(
            *(loop.create_connection(lambda: Socket(path, heard), "127.0.0.1", port) for _ in range(50))
        )
        for _, socket in made:
            await socket.opened
            sockets.append(socket)
    return sockets

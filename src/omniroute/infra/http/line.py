"""One connection and one exchange on it, over HTTP/1.1.

Bytes of a request leave in exactly one place (`Line._write`), which notes it before it does it. So whether the other
side may have got anything is known, not guessed from the kind of error.
"""

import asyncio
import select
from typing import cast

import h11

from omniroute.infra.http.model import Reply

HEAD_BYTES_MAX = 65_536
READ_BYTES_KEPT_MAX = 1_048_576


class Broken(Exception):
    """The exchange came to no whole reply; the text has nothing of the other side's in it."""


class Line(asyncio.Protocol):
    """A connection. It carries one exchange at a time and knows whether it can carry another."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.loop = loop
        self.has_written = False  # In the present exchange.
        self.idle_since = 0.0
        self._transport: asyncio.Transport | None = None
        self._received = bytearray()
        self._ended = False
        self._busy = False
        self._used = False
        self._encrypted = False
        self._waiter: asyncio.Future[None] | None = None
        self._http = h11.Connection(h11.CLIENT, max_incomplete_event_size=HEAD_BYTES_MAX)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._encrypted = transport.get_extra_info("ssl_object") is not None

    def data_received(self, data: bytes) -> None:
        if not self._busy:
            # Nobody asked: whatever it says belongs to no request of ours.
            self.abort()
            return
        self._received += data
        if len(self._received) > READ_BYTES_KEPT_MAX and self._transport is not None:
            self._transport.pause_reading()
        self._wake()

    def eof_received(self) -> bool:
        self._ended = True
        self._wake()
        return False

    def connection_lost(self, error: Exception | None) -> None:
        self._ended = True
        self._wake()

    def is_usable(self) -> bool:
        """Nothing speaks against writing a request: not closed over there as far as this machine can know."""
        transport = self._transport
        if transport is None or self._ended or self._received or transport.is_closing():
            return False
        if self._encrypted and not self._used:
            return True  # What is waiting may be session tickets.
        return not _is_readable(transport)

    async def exchange(
        self, head: h11.Request, body: bytes, *, read_timeout_s: float, ends_at: float, bytes_max: int
    ) -> Reply:
        """Write a request and read its reply. `ends_at` is in the loop's time.

        Raises: Broken; `has_written` then tells whether any byte left.
        """
        self.has_written = False
        self._busy = True
        try:
            sent = self._http.send(head) or b""
            if body:
                sent += self._http.send(h11.Data(data=body)) or b""
            sent += self._http.send(h11.EndOfMessage()) or b""
        except h11.LocalProtocolError:
            raise Broken("the request is not legal HTTP") from None
        if self._ended or self._received:
            raise Broken("the connection was closed before anything was written")
        self._write(sent)
        try:
            return await self._read_reply(read_timeout_s, ends_at, bytes_max)
        except h11.RemoteProtocolError:
            # Its text repeats what came in, and that may hold anything.
            raise Broken("the reply ended early" if self._ended else "the reply is not legal HTTP") from None

    def release(self) -> bool:
        """The exchange is over. True: the line may carry another; else it is closed."""
        http = self._http
        self._busy = False
        self._used = True
        # Bytes after the reply would be taken for the reply to the next request.
        if (
            http.our_state is h11.DONE
            and http.their_state is h11.DONE
            and not http.trailing_data[0]
            and not self._received
            and not self._ended
        ):
            http.start_next_cycle()
            self.idle_since = self.loop.time()
            return True
        self.abort()
        return False

    def abort(self) -> None:
        """Close at once."""
        self._ended = True
        if self._transport is not None:
            self._transport.abort()

    def _write(self, data: bytes) -> None:
        assert self._transport is not None
        self.has_written = True
        self._transport.write(data)

    async def _read_reply(self, read_timeout_s: float, ends_at: float, bytes_max: int) -> Reply:
        http = self._http
        status, headers, body = 0, {}, bytearray()
        while True:
            event = http.next_event()
            if event is h11.NEED_DATA:
                http.receive_data(await self._read(read_timeout_s, ends_at))
            elif isinstance(event, h11.Data):
                body += event.data
                if len(body) > bytes_max:
                    raise Broken(f"the reply is larger than {bytes_max} bytes")
            elif isinstance(event, h11.Response):
                status, headers = event.status_code, _headers(event)
            elif isinstance(event, h11.EndOfMessage):
                return Reply(status, headers, bytes(body))
            elif not isinstance(event, h11.InformationalResponse) or event.status_code == 101:
                raise Broken("closed without a reply" if self._ended else "the reply is not one to a request")

    async def _read(self, timeout_s: float, ends_at: float) -> bytes:
        """What came in; empty at the end."""
        if not self._received and not self._ended:
            now = self.loop.time()
            timer = self.loop.call_at(min(now + timeout_s, ends_at), self._expire)
            self._waiter = self.loop.create_future()
            try:
                await self._waiter
            except TimeoutError:
                raise Broken("no reply in time") from None
            finally:
                timer.cancel()
                self._waiter = None
        elif self.loop.time() > ends_at:
            raise Broken("no whole reply in time")
        data = bytes(self._received)
        self._received.clear()
        if self._transport is not None and not self._ended and not self._transport.is_reading():
            self._transport.resume_reading()
        return data

    def _expire(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_exception(TimeoutError())

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)


def _headers(response: h11.Response) -> dict[str, str]:
    headers: dict[str, str] = {}
    for raw_name, raw_value in response.headers:
        name, value = raw_name.decode("ascii"), raw_value.decode("latin-1")
        headers[name] = f"{headers[name]}, {value}" if name in headers else value
    return headers


def _is_readable(transport: asyncio.Transport) -> bool:
    """The other side closed or spoke, and the loop did not look yet."""
    connection = transport.get_extra_info("socket")
    if connection is None or connection.fileno() < 0:
        return True
    poll = select.poll()
    poll.register(connection.fileno(), select.POLLIN | select.POLLERR | select.POLLHUP)
    return bool(poll.poll(0))

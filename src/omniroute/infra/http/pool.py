"""Connections of one client: opened when needed, kept a while, never more than the bulkhead has places."""

import asyncio
import os
import socket
import ssl
from collections import defaultdict
from collections.abc import Callable

from omniroute.infra.http.addresses import PrivateAddress, Resolve
from omniroute.infra.http.line import Broken, Line
from omniroute.infra.http.target import Origin
from omniroute.infra.http.tls import BadTls, Tls, tls_context


class Pool:
    """Idle lines by origin; the one used last is taken first, so that the others grow old and go."""

    def __init__(self, tls: Tls, *, keepalive_s: int, resolve: Resolve | None) -> None:
        self._tls = tls
        self._keepalive_s = keepalive_s
        self._resolve = resolve
        self._idle: defaultdict[Origin, list[Line]] = defaultdict(list)
        self._sweeper: asyncio.TimerHandle | None = None
        self._closed = False

    async def take(self, origin: Origin, *, timeout_s: float) -> Line:
        """A line that seems alive: an idle one, else a new one.

        Raises: Broken; nothing of a request was written then.
        """
        idle = self._idle[origin]
        while idle:
            line = idle.pop()
            if line.is_usable() and line.loop.time() - line.idle_since < self._keepalive_s:
                return line
            line.abort()
        try:
            async with asyncio.timeout(timeout_s):
                line = await self._connect(origin, timeout_s)
        except TimeoutError:
            raise Broken("no connection in time") from None
        except PrivateAddress as refusal:
            raise Broken(refusal.detail) from None
        except BadTls as error:
            raise Broken(str(error)) from None
        except ssl.SSLCertVerificationError as error:
            raise Broken(f"the certificate of the other side is not accepted: {error.verify_message}") from error
        except ssl.SSLError as error:
            raise Broken(f"no TLS connection: {error.reason or 'closed'}") from error
        except OSError as error:
            raise Broken(f"no connection: {_reason(error)}") from error
        if not line.is_usable():
            line.abort()
            raise Broken("the connection was closed before anything was written")
        return line

    def give(self, origin: Origin, line: Line) -> None:
        """Take a line back after its exchange."""
        if not line.release():
            return
        if self._closed or self._keepalive_s <= 0:
            line.abort()
            return
        self._idle[origin].append(line)
        if self._sweeper is None:
            self._sweeper = line.loop.call_later(self._keepalive_s, self._sweep, line.loop.time)

    def close(self) -> None:
        """Close what is idle; what is busy closes when it is given back."""
        self._closed = True
        if self._sweeper is not None:
            self._sweeper.cancel()
            self._sweeper = None
        for line in [line for lines in self._idle.values() for line in lines]:
            line.abort()
        self._idle.clear()

    def _sweep(self, time: Callable[[], float]) -> None:
        self._sweeper = None
        oldest = time() - self._keepalive_s
        for origin, lines in list(self._idle.items()):
            for line in lines:
                if line.idle_since <= oldest or not line.is_usable():
                    line.abort()
            kept = [line for line in lines if line.is_usable()]
            if kept:
                self._idle[origin] = kept
                self._sweeper = self._sweeper or kept[0].loop.call_later(self._keepalive_s, self._sweep, time)
            else:
                del self._idle[origin]

    async def _connect(self, origin: Origin, timeout_s: float) -> Line:
        loop = asyncio.get_running_loop()
        context, name = None, None
        if origin.scheme == "https":
            context, name = tls_context(self._tls), self._tls.server_name or origin.host
        if self._resolve is None:
            hosts: tuple[str, ...] = (origin.host,)
        else:
            hosts = await self._resolve(origin.host, origin.port)
        failure: OSError | None = None
        for host in hosts:
            try:
                _, line = await loop.create_connection(
                    lambda: Line(loop),
                    host,
                    origin.port,
                    ssl=context,
                    server_hostname=name,
                    ssl_handshake_timeout=timeout_s if context else None,
                )
            except ssl.SSLError:
                raise
            except OSError as error:
                failure = error
            else:
                return line
        raise failure or OSError("no address")


def _reason(error: OSError) -> str:
    if isinstance(error, socket.gaierror) or not error.errno:
        return error.strerror or type(error).__name__
    return os.strerror(error.errno)  # asyncio puts the address into its own text.

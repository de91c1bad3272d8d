"""The outermost layer, plain ASGI: correlation id, security headers, metrics, access log, and the last catch."""

import asyncio
import re
import time
from collections.abc import Awaitable, Callable, Coroutine, Mapping, MutableMapping
from functools import lru_cache
from typing import Any
from uuid import UUID

import structlog

from omniroute.api.call import Services
from omniroute.api.door import Incoming, perform
from omniroute.api.hot import HotRoutes
from omniroute.api.operations import Operation
from omniroute.api.problems import Answer, Headers, internal_error
from omniroute.api.tally import Tally
from omniroute.kit.ids import uuid7

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Any]]
Send = Callable[[Any], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

CORRELATION = "omniroute.correlation_id"
HEADERS = "omniroute.headers"
ROUTE = "omniroute.route"
_STATUS = "omniroute.status"

_UUID = re.compile(rb"[0-9a-f]{8}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{12}", re.IGNORECASE)
_TRACEPARENT = re.compile(rb"[0-9a-f]{2}-([0-9a-f]{32})-[0-9a-f]{16}-[0-9a-f]{2}(?:-.*)?")

SECURITY_HEADERS: list[tuple[bytes, bytes]] = [
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
    (b"referrer-policy", b"no-referrer"),
    (b"strict-transport-security", b"max-age=31536000; includeSubDomains"),
    (b"cache-control", b"no-store"),
    (b"content-security-policy", b"default-src 'none'; frame-ancestors 'none'"),
]

log = structlog.get_logger("omniroute.api")


def correlation_id(headers: MutableMapping[bytes, bytes]) -> UUID:
    """The caller's X-Correlation-Id (a UUID), else the trace of its traceparent, else a new one."""
    given = headers.get(b"x-correlation-id")
    if given is not None and _UUID.fullmatch(given):
        return UUID(given.decode())
    trace = headers.get(b"traceparent")
    found = None if trace is None else _TRACEPARENT.fullmatch(trace)
    if found and found[1].strip(b"0"):
        return UUID(found[1].decode())
    return uuid7()


class Front:
    """Wraps the framework and other doors that stand `beside` it, by path; works hot operations itself.

    `open_count` and `idle` tell a process that wants to leave whether somebody is still being answered.
    """

    def __init__(
        self, framework: App, services: Services, hot: HotRoutes, beside: Mapping[str, App], *, access_log: bool
    ) -> None:
        self.framework = framework
        self.beside = beside
        self.services = services
        self.hot = hot
        self.access_log = access_log
        self.open_count = 0
        self.idle = asyncio.Event()
        self.idle.set()
        self._tally = Tally()
        services.registry.register(self._tally)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.open_count += 1
        self.idle.clear()
        try:
            if scope["type"] == "http":
                await self._answer(scope, receive, send)
            elif scope["type"] == "websocket":
                await self.beside.get(scope["path"], _no_socket)(scope, receive, send)
            else:
                await self.framework(scope, receive, send)
        finally:
            self.open_count -= 1
            if self.open_count == 0:
                self.idle.set()

    async def _answer(self, scope: Scope, receive: Receive, send: Send) -> None:
        started = time.perf_counter()
        headers: dict[bytes, bytes] = dict(scope["headers"])
        correlation = correlation_id(headers)
        scope[HEADERS], scope[CORRELATION], scope[ROUTE], scope[_STATUS] = headers, correlation, "other", 0
        self._tally.in_flight += 1
        try:
            hot = self.hot.find(scope["method"], scope["path"])
            if hot is not None:
                await send_answer(scope, send, await answer(self.services, hot[0], scope, receive, hot[1]))
            elif (other := self.beside.get(scope["path"])) is not None:
                scope[ROUTE] = scope["path"]
                await other(scope, receive, _dressing(scope, send))
            else:
                await self.framework(scope, receive, _dressing(scope, send))
        except Exception:
            # The last catch: a mistake of ours ends this request, not the process.
            log.exception("request failed", correlation_id=str(correlation), route=scope[ROUTE])
            if scope[_STATUS]:
                raise
            await send_answer(scope, send, internal_error())
        finally:
            self._tally.in_flight -= 1
            self._record(scope, time.perf_counter() - started)

    def _record(self, scope: Scope, seconds: float) -> None:
        status: int = scope[_STATUS]
        method = self._tally.record(scope["method"], scope[ROUTE], status, seconds)
        if self.access_log:
            log.info(
                "request",
                method=method,
                route=scope[ROUTE],
                status=status,
                duration_ms=round(seconds * 1000, 2),
                correlation_id=str(scope[CORRELATION]),
            )


def answer(
    services: Services, op: Operation, scope: Scope, receive: Receive, path: dict[str, str]
) -> Coroutine[Any, Any, Answer]:
    """Work an operation for an ASGI request."""
    scope[ROUTE] = op.path
    client = scope.get("client")
    incoming = Incoming(
        headers=scope[HEADERS],
        query=scope["query_string"],
        path=path,
        receive=receive,
        correlation_id=scope[CORRELATION],
        address=services.proxies.client(client[0] if client else "", scope["headers"]),
    )
    return perform(services, op, incoming)


def dress(headers: Any, correlation: UUID) -> list[tuple[bytes, bytes]]:
    """The headers of every answer: those of the answer, the correlation id, the security headers it does not set."""
    own = [*headers, (b"x-correlation-id", str(correlation).encode())]
    names = [name for name, _ in own]
    own += [header for header in SECURITY_HEADERS if header[0] not in names]
    return own


def _dressing(scope: Scope, send: Send) -> Send:
    """Sends what the framework answers, dressed."""

    async def send_dressed(message: Any) -> None:
        if message["type"] == "http.response.start":
            scope[_STATUS] = message["status"]
            message["headers"] = dress(message["headers"], scope[CORRELATION])
        await send(message)

    return send_dressed


async def _no_socket(scope: Scope, receive: Receive, send: Send) -> None:
    """Nobody listens for sockets there: refused before it is open."""
    await receive()
    await send({"type": "websocket.close", "code": 1000})


@lru_cache(maxsize=1_024)
def _dressed(headers: Headers) -> list[tuple[bytes, bytes]]:
    """Headers of a hot answer on the wire, all but those that differ each time. They are few, so they are kept."""
    own = [(name.encode(), value.encode("latin-1")) for name, value in headers]
    names = [name for name, _ in own]
    return own + [header for header in SECURITY_HEADERS if header[0] not in names]


async def send_answer(scope: Scope, send: Send, reply: Answer) -> None:
    """Put an answer on the wire, dressed."""
    scope[_STATUS] = reply.status
    headers = [*_dressed(reply.headers), (b"x-correlation-id", str(scope[CORRELATION]).encode())]
    if reply.status != 304:
        headers.append((b"content-length", str(len(reply.body)).encode()))
    await send({"type": "http.response.start", "status": reply.status, "headers": headers})
    await send({"type": "http.response.body", "body": reply.body})

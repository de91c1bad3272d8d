"""The outermost layer, plain ASGI: correlation id, security headers, metrics, access log, and the last catch."""

import re
import time
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any
from uuid import UUID

import structlog
from prometheus_client import Counter, Gauge, Histogram

from omniroute.api.call import Services
from omniroute.api.door import Incoming, perform
from omniroute.api.hot import HotRoutes
from omniroute.api.operations import Operation
from omniroute.api.problems import Answer, internal_error
from omniroute.kit.ids import uuid7

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Any]]
Send = Callable[[Any], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

CORRELATION = "omniroute.correlation_id"
HEADERS = "omniroute.headers"
ROUTE = "omniroute.route"

_UUID = re.compile(rb"[0-9a-f]{8}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{12}", re.IGNORECASE)
_TRACEPARENT = re.compile(rb"[0-9a-f]{2}-([0-9a-f]{32})-[0-9a-f]{16}-[0-9a-f]{2}(?:-.*)?")
_METHODS = frozenset({"GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS"})
_BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)

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
    """Wraps the framework; works hot operations itself."""

    def __init__(self, framework: App, services: Services, hot: HotRoutes, *, access_log: bool) -> None:
        self.framework = framework
        self.services = services
        self.hot = hot
        self.access_log = access_log
        registry = services.registry
        labels = ("method", "route", "status")
        self._requests = Counter("omniroute_http_requests", "Requests answered.", labels, registry=registry)
        self._seconds = Histogram(
            "omniroute_http_request_seconds",
            "Time to answer.",
            ("method", "route"),
            registry=registry,
            buckets=_BUCKETS,
        )
        self._open = Gauge("omniroute_http_requests_in_flight", "Requests being worked.", registry=registry)
        self._children: dict[tuple[str, str, int], tuple[Any, Any]] = {}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.framework(scope, receive, send)
            return
        started = time.perf_counter()
        headers: dict[bytes, bytes] = dict(scope["headers"])
        correlation = correlation_id(headers)
        scope[HEADERS], scope[CORRELATION], scope[ROUTE] = headers, correlation, "other"
        status = 0

        async def send_dressed(message: Any) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message["headers"] = dress(message["headers"], correlation)
            await send(message)

        self._open.inc()
        try:
            await self._work(scope, receive, send_dressed, headers, correlation)
        except Exception:
            # The last catch: a mistake of ours ends this request, not the process.
            log.exception("request failed", correlation_id=str(correlation), route=scope[ROUTE])
            if status:
                raise
            await send_answer(send_dressed, internal_error())
        finally:
            self._open.dec()
            self._record(scope, status, time.perf_counter() - started)

    async def _work(
        self, scope: Scope, receive: Receive, send: Send, headers: dict[bytes, bytes], correlation: UUID
    ) -> None:
        found = self.hot.find(scope["method"], scope["path"])
        if found is None:
            await self.framework(scope, receive, send)
            return
        op, path = found
        await send_answer(send, await answer(self.services, op, scope, receive, path))

    def _record(self, scope: Scope, status: int, seconds: float) -> None:
        method = scope["method"] if scope["method"] in _METHODS else "other"
        key = (method, scope[ROUTE], status)
        children = self._children.get(key)
        if children is None:
            children = self._requests.labels(*key), self._seconds.labels(*key[:2])
            self._children[key] = children
        children[0].inc()
        children[1].observe(seconds)
        if self.access_log:
            log.info(
                "request",
                method=method,
                route=scope[ROUTE],
                status=status,
                duration_ms=round(seconds * 1000, 2),
                correlation_id=str(scope[CORRELATION]),
            )


async def answer(services: Services, op: Operation, scope: Scope, receive: Receive, path: dict[str, str]) -> Answer:
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
    return await perform(services, op, incoming)


def dress(headers: Any, correlation: UUID) -> list[tuple[bytes, bytes]]:
    """The headers of every answer: those of the answer, the correlation id, the security headers it does not set."""
    own = [*headers, (b"x-correlation-id", str(correlation).encode())]
    names = [name for name, _ in own]
    own += [header for header in SECURITY_HEADERS if header[0] not in names]
    return own


async def send_answer(send: Send, reply: Answer) -> None:
    """Put an answer on the wire."""
    headers = [(name.encode(), value.encode("latin-1")) for name, value in reply.headers]
    if reply.status != 304:
        headers.append((b"content-length", str(len(reply.body)).encode()))
    await send({"type": "http.response.start", "status": reply.status, "headers": headers})
    await send({"type": "http.response.body", "body": reply.body})

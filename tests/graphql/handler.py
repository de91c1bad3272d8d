"""A handler over HTTP that answers on cue, and the calls of an engine that knows it."""

import json
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from prometheus_client import CollectorRegistry

from omniroute.graphql.calling import Calls
from omniroute.infra.http import HttpMetrics, Limits, RailHttp, public_only
from omniroute.kit.clock import SystemClock
from tests.infra.http.peer import Caller, serve


@dataclass(frozen=True)
class Got:
    """A call as it arrived."""

    path: str
    headers: dict[str, str]
    body: bytes
    method: str = "POST"

    @property
    def said(self) -> Any:
        """The body."""
        return json.loads(self.body)


def reply(status: int, body: Any = None, *headers: str) -> bytes:
    """A reply as bytes; a body that is not bytes is sent as JSON."""
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    lines = [f"HTTP/1.1 {status} Text", f"Content-Length: {len(raw)}", *headers]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + raw


@dataclass
class Handler:
    """A server that keeps what it got. `answer` says what it replies; None closes the connection without a word."""

    base: str = ""
    answer: Callable[[Got], bytes | None] = lambda got: reply(200, {})
    got: list[Got] = field(default_factory=list)

    async def play(self, caller: Caller) -> None:
        while raw := await caller.request():
            head, _, body = raw.partition(b"\r\n\r\n")
            first, *lines = head.decode("latin-1").split("\r\n")
            named = (line.partition(": ") for line in lines)
            found = {name.lower(): value for name, _, value in named}
            self.got.append(Got(first.split(" ")[1], found, body, first.split(" ")[0]))
            said = self.answer(self.got[-1])
            if said is None:
                caller.close()
                return
            await caller.say(said)

    def says(self, status: int, body: Any = None, *headers: str) -> None:
        """Answer this from now on, and forget what came."""
        self.answer = lambda got: reply(status, body, *headers)
        self.got.clear()


@asynccontextmanager
async def handling() -> AsyncIterator[Handler]:
    """A handler on a real socket."""
    handler = Handler()
    async with serve(handler.play) as peer:
        handler.base = peer.url.removesuffix("/pay")
        yield handler


@asynccontextmanager
async def calling(
    base_url: str, variables: Mapping[str, str] | None = None, *, private_allowed: bool = False
) -> AsyncIterator[Calls]:
    """Calls of a process whose own address is `base_url`."""
    clients = [
        RailHttp(
            rail="graphql",
            connection=name,
            clock=SystemClock(),
            metrics=HttpMetrics(CollectorRegistry()),
            limits=Limits(breaker_failures_min=1 << 30),
            resolve=resolve,
        )
        for name, resolve in (("own", None), ("outside", None if private_allowed else public_only()))
    ]
    try:
        yield Calls(
            clients[0], clients[1], base_url=base_url, variables=variables or {}, private_allowed=private_allowed
        )
    finally:
        for one in clients:
            await one.aclose()

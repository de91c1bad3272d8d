"""One connection: reads messages, runs operations, writes results as fast as the client takes them."""

import asyncio
import json
import time
from collections import deque
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any

from omniroute.graphql.doors.admission import Admitted, Gate
from omniroute.graphql.doors.metrics import OperationTally
from omniroute.graphql.doors.requests import Asked, asked_in
from omniroute.graphql.doors.serving import Serving
from omniroute.graphql.doors.socket_messages import (
    ACK,
    KEEP_ALIVE,
    PING,
    PONG,
    Closed,
    Code,
    Dialect,
    connection_error,
    read_message,
)
from omniroute.graphql.engine import Engine
from omniroute.graphql.errors import RequestRefused
from omniroute.graphql.executing import execute
from omniroute.graphql.live.boxes import Box
from omniroute.graphql.live.hub import Hub, Subscription
from omniroute.kit.clock import Clock
from omniroute.kit.refusal import Fault

Receive = Callable[[], Awaitable[Any]]
Send = Callable[[Any], Awaitable[None]]

ID_LENGTH_MAX = 256
CONTROL_MAX = 200
"""Messages that wait for a slow client before we stop listening to it."""
GOODBYE_S = 5.0
"""A client that takes nothing is not waited for longer when the connection ends."""


@dataclass(frozen=True, slots=True)
class SocketLimits:
    """Bounds of the door for sockets. Times are in seconds."""

    connections_max: int = 2_000
    operations_max: int = 100
    """Of one connection, subscriptions and others together."""
    message_bytes_max: int = 1_048_576
    init_timeout_s: float = 10
    ping_s: float = 20
    silence_s: float = 60
    """A client that says nothing for so long, not even that it lives, is gone."""
    recheck_s: float = 30
    """Credentials that were revoked end a connection after so long at most."""


@dataclass(frozen=True, slots=True)
class Desk:
    """What all connections of a process share."""

    gate: Gate
    serving: Serving
    hub: Hub
    clock: Clock
    limits: SocketLimits
    operations: OperationTally
    tasks: "set[asyncio.Task[None]]"
    """Queries and mutations under way. They end by themselves, also when nobody waits for the answer any more."""


class Connection:
    """From the handshake to the end. `serve` returns when it is over, `close` asks for that."""

    def __init__(
        self, desk: Desk, dialect: Dialect, headers: Mapping[str, str], receive: Receive, send: Send, address: str = ""
    ) -> None:
        self._desk, self._dialect, self._headers, self._address = desk, dialect, headers, address
        self._receive, self._send = receive, send
        self._admitted: Admitted | None = None
        self._engine: Engine | None = None
        self._is_initialised = False
        self._subscriptions: dict[str, Subscription] = {}
        self._ids: dict[Box, str] = {}
        self._running: dict[str, asyncio.Task[None]] = {}
        self._busy = 0
        self._control: deque[str] = deque()
        self._full: deque[Box] = deque()
        self._closing: Closed | None = None
        self._is_over = False
        self._work = asyncio.Event()
        self._room = asyncio.Event()
        self._heard_at = time.monotonic()
        self._timers: dict[str, asyncio.TimerHandle] = {}

    async def serve(self) -> None:
        """Serve until the client leaves or must leave."""
        self._timer("init", self._desk.limits.init_timeout_s, self._init_is_late)
        reader = asyncio.create_task(self._read())
        writer = asyncio.create_task(self._write())
        try:
            await asyncio.wait({reader, writer}, return_when=asyncio.FIRST_COMPLETED)
            if self._closing is not None:
                # What is on its way goes first. The server sends no close frame while somebody still listens.
                await asyncio.wait({writer}, timeout=GOODBYE_S)
        finally:
            self._end()
            for task in (reader, writer):
                task.cancel()
            results = await asyncio.gather(reader, writer, return_exceptions=True)
        for result in results:
            if isinstance(result, Exception) and not isinstance(result, OSError | RuntimeError):
                raise result
        if self._closing is not None:
            await self._say_goodbye(self._closing)

    async def _say_goodbye(self, closing: Closed) -> None:
        closed = self._desk.hub.tally.closed
        closed[closing.code] = closed.get(closing.code, 0) + 1
        with suppress(TimeoutError, OSError, RuntimeError):
            async with asyncio.timeout(GOODBYE_S):
                await self._send({"type": "websocket.close", "code": int(closing.code), "reason": closing.reason})

    def close(self, code: Code, reason: str) -> None:
        """Say goodbye, after what is on its way."""
        if self._closing is None:
            self._closing = Closed(code, reason)
            self._work.set()

    def _end(self) -> None:
        self._is_over = True
        for timer in self._timers.values():
            timer.cancel()
        for subscription in self._subscriptions.values():
            self._desk.hub.leave(subscription)
        self._subscriptions.clear()
        self._ids.clear()
        self._running.clear()

    def _timer(self, name: str, seconds: float, told: Callable[[], None]) -> None:
        if not self._is_over:
            self._timers[name] = asyncio.get_running_loop().call_later(seconds, told)

    # Out.

    async def _write(self) -> None:
        while True:
            while self._control:
                await self._say(self._control.popleft())
                self._room.set()
            while self._full and not self._control:
                await self._give(self._full.popleft())
            if self._control:
                continue
            if self._closing is not None:
                return
            self._work.clear()
            await self._work.wait()

    async def _give(self, box: Box) -> None:
        result, id_ = box.take(), self._ids.get(box)
        if result is None or id_ is None:
            return
        if result.is_error:
            self._leave(id_)
        await self._say(self._dialect.message(id_, result))

    async def _say(self, text: str) -> None:
        self._desk.hub.tally.messages_out += 1
        await self._send({"type": "websocket.send", "text": text})

    def _tell(self, text: str) -> None:
        self._control.append(text)
        self._work.set()

    def _is_full(self, box: Box) -> None:
        self._full.append(box)
        self._work.set()

    # In.

    async def _read(self) -> None:
        try:
            while True:
                message = await self._receive()
                if message["type"] != "websocket.receive":
                    return
                self._heard_at = time.monotonic()
                self._desk.hub.tally.messages_in += 1
                text = message.get("text")
                if text is None:
                    raise Closed(Code.BAD_REQUEST, "Invalid message: expected text")
                if len(text) > self._desk.limits.message_bytes_max:
                    raise Closed(Code.TOO_LARGE, "The message is too large")
                await self._take(read_message(text))
                while len(self._control) >= CONTROL_MAX:
                    self._room.clear()
                    await self._room.wait()
        except Closed as closed:
            self.close(closed.code, closed.reason)

    async def _take(self, message: dict[str, Any]) -> None:
        kind, dialect = message["type"], self._dialect
        if kind == "connection_init":
            await self._initialise(message.get("payload") or {})
        elif kind == dialect.begin:
            await self._begin(message)
        elif kind == dialect.end:
            self._stop(_id(message))
        elif kind == "connection_terminate" and dialect.is_legacy:
            raise Closed(Code.NORMAL, "")
        elif kind == "ping" and not dialect.is_legacy:
            payload = message.get("payload")
            self._tell(PONG if payload is None else json.dumps({"type": "pong", "payload": payload}))
        elif kind != "pong" or dialect.is_legacy:
            raise Closed(Code.BAD_REQUEST, "Invalid message: its type is unknown")

    # Who speaks.

    async def _initialise(self, payload: dict[str, Any]) -> None:
        if self._is_initialised:
            raise Closed(Code.TOO_MANY_INITS, "Too many initialisation requests")
        self._is_initialised = True
        given = payload.get("headers") or {}
        if not isinstance(given, dict) or not all(isinstance(text, str) for text in given.values()):
            raise Closed(Code.BAD_REQUEST, "Invalid message: headers must be texts by name")
        self._headers = {**self._headers, **{name.lower(): text for name, text in given.items()}}
        self._engine = self._desk.serving.engine
        try:
            admitted = await self._desk.gate.admit(self._headers)
        except RequestRefused as error:
            if self._dialect.is_legacy:
                self._tell(connection_error(error))
            raise Closed(_code_of(error), f"Forbidden: {error.message}") from error
        except Fault as error:
            raise Closed(Code.TRY_LATER, "The database cannot be asked at present") from error
        self._timers["init"].cancel()
        self._admitted = admitted
        limits = self._desk.limits
        if admitted.expires_at is not None:
            left = (admitted.expires_at - self._desk.clock.now()).total_seconds()
            self._timer("expiry", max(0.0, left), self._has_expired)
        self._timer("recheck", limits.recheck_s, self._check_again)
        self._timer("ping", limits.ping_s, self._ping)
        self._tell(ACK)
        if self._dialect.is_legacy:
            self._tell(KEEP_ALIVE)

    def _init_is_late(self) -> None:
        self.close(Code.INIT_TIMEOUT, "Connection initialisation timeout")

    def _has_expired(self) -> None:
        self.close(Code.FORBIDDEN, "Forbidden: the credentials have expired")

    def _ping(self) -> None:
        limits = self._desk.limits
        # The older protocol asks nothing of clients.
        if not self._dialect.is_legacy and time.monotonic() - self._heard_at > limits.silence_s:
            self.close(Code.GOING_AWAY, "The client does not answer")
            return
        if len(self._control) < CONTROL_MAX:
            self._tell(KEEP_ALIVE if self._dialect.is_legacy else PING)
        self._timer("ping", limits.ping_s, self._ping)

    def _check_again(self) -> None:
        task = asyncio.create_task(self._recheck())
        self._desk.tasks.add(task)
        task.add_done_callback(self._desk.tasks.discard)

    async def _recheck(self) -> None:
        """Whether the credentials still say the same, and the same metadata is served."""
        if self._desk.serving.engine is not self._engine:
            self.close(Code.RELOADED, "The schema was read again")
            return
        try:
            admitted = await self._desk.gate.admit(self._headers)
        except RequestRefused as error:
            if _code_of(error) is Code.FORBIDDEN:
                self.close(Code.FORBIDDEN, f"Forbidden: {error.message}")
                return
        except Fault:
            pass  # Later.
        else:
            known = self._admitted
            assert known is not None
            if replace(admitted, expires_at=None) != replace(known, expires_at=None):
                self.close(Code.FORBIDDEN, "Forbidden: the credentials say something else now")
                return
        if self._closing is None:
            self._timer("recheck", self._desk.limits.recheck_s, self._check_again)

    # Operations.

    async def _begin(self, message: dict[str, Any]) -> None:
        id_ = _id(message)
        if self._admitted is None:
            if not self._dialect.is_legacy:
                raise Closed(Code.UNAUTHORIZED, "Unauthorized")
            self._refuse(id_, RequestRefused(f"{self._dialect.begin} received before the connection is initialised"))
            return
        if id_ in self._subscriptions or id_ in self._running:
            if not self._dialect.is_legacy:
                raise Closed(Code.DUPLICATE, f"Subscriber for {id_} already exists")
            self._refuse(id_, RequestRefused(f"an operation already exists with this id: {id_}"))
            return
        try:
            asked = asked_in(message.get("payload"), "$.payload")
        except RequestRefused as error:
            raise Closed(Code.BAD_REQUEST, f"Invalid message: {error.message}") from error
        try:
            self._operate(id_, asked, self._admitted)
        except RequestRefused as error:
            self._refuse(id_, error)

    def _operate(self, id_: str, asked: Asked, admitted: Admitted) -> None:
        """Raises: RequestRefused."""
        desk = self._desk
        if len(self._subscriptions) + self._busy >= desk.limits.operations_max:
            raise RequestRefused("too many operations are open on this connection", code="subscription-limit-exceeded")
        engine, allowed = desk.serving.engine, desk.serving.allow_list
        desk.serving.rates.check(engine.metadata.rate_limit, admitted, self._address)
        prepared = engine.prepare(admitted.role, asked.document, asked.operation_name)
        if allowed is not None and not admitted.is_admin:
            allowed.check(admitted.role, asked.document)
        kind = prepared.operation.operation.value
        if kind == "subscription":
            followed = (asked.document, asked.variables, asked.operation_name)
            subscription = desk.hub.follow(engine, admitted.role, admitted.session, *followed, self._is_full)
            self._subscriptions[id_] = subscription
            self._ids[subscription.box] = id_
            return
        self._busy += 1
        task = asyncio.create_task(self._execute(id_, asked, admitted, engine, kind))
        self._running[id_] = task
        desk.tasks.add(task)
        task.add_done_callback(self._executed)

    async def _execute(self, id_: str, asked: Asked, admitted: Admitted, engine: Engine, kind: str) -> None:
        started = time.perf_counter()
        try:
            answer = await execute(
                engine, admitted.role, admitted.session, asked.document, asked.variables, asked.operation_name
            )
            errors, data = answer.errors, answer.data
        except Fault:
            errors = (RequestRefused("the database cannot be asked at present", code="unexpected"),)
            data = None
        code = errors[0].code if errors else "ok"
        self._desk.operations.record(asked.operation_name, kind, code, time.perf_counter() - started)
        if self._running.get(id_) is not asyncio.current_task():
            return  # Nobody waits for it any more.
        del self._running[id_]
        if data is None:
            self._tell(self._dialect.error(id_, json.dumps([one.shown() for one in errors], ensure_ascii=False)))
        else:
            self._tell(self._dialect.data(id_, f'{{"data":{data.decode()}}}'))
            self._tell(self._dialect.complete(id_))

    def _executed(self, task: "asyncio.Task[None]") -> None:
        self._busy -= 1
        self._desk.tasks.discard(task)

    def _refuse(self, id_: str, error: RequestRefused) -> None:
        self._tell(self._dialect.error(id_, json.dumps([error.shown()], ensure_ascii=False)))

    def _stop(self, id_: str) -> None:
        self._running.pop(id_, None)
        was_there = self._leave(id_)
        if was_there and self._dialect.is_legacy:
            self._tell(self._dialect.complete(id_))

    def _leave(self, id_: str) -> bool:
        subscription = self._subscriptions.pop(id_, None)
        if subscription is None:
            return False
        self._ids.pop(subscription.box, None)
        self._desk.hub.leave(subscription)
        return True


def _id(message: dict[str, Any]) -> str:
    id_ = message.get("id")
    if not isinstance(id_, str) or not 0 < len(id_) <= ID_LENGTH_MAX:
        raise Closed(Code.BAD_REQUEST, "Invalid message: the id must be a text that is not empty")
    return id_


def _code_of(error: RequestRefused) -> Code:
    return Code.TRY_LATER if getattr(error, "status", 403) == 503 else Code.FORBIDDEN

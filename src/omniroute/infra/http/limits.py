"""How much at a time, and how fast."""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta

from omniroute.kit.clock import Clock

Sleep = Callable[[float], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Limits:
    """What one client may ask of the other side. Waits longer than `wait_timeout_s` end with nothing sent."""

    concurrency_max: int = 20
    submits_per_second: int | None = None
    wait_timeout_s: int = 10  # For a free place or for the rate.
    response_bytes_max: int = 2_097_152
    keepalive_s: int = 15  # An idle connection is closed after this; most rails close after 30 or 60.
    tries_max: int = 3  # Of a safe request.
    retry_wait_ms: int = 200  # Before the second try; doubles, with jitter.
    retry_wait_max_s: int = 10  # A longer Retry-After is not waited for.
    breaker_window: int = 20
    breaker_failures_min: int = 5
    breaker_open_s: int = 30
    breaker_open_max_s: int = 300


class NoPlace(Exception):
    """It would take too long until this may go out."""


class Bulkhead:
    """Places for exchanges. Submits never take all of them: a query must get through while submits hang."""

    def __init__(self, concurrency_max: int) -> None:
        self._all = asyncio.Semaphore(concurrency_max)
        self._submits = asyncio.Semaphore(max(1, concurrency_max - max(1, concurrency_max // 5)))

    @asynccontextmanager
    async def place(self, *, submit: bool, timeout_s: float) -> AsyncIterator[None]:
        """Hold a place.

        Raises: NoPlace.
        """
        wanted = (self._submits, self._all) if submit else (self._all,)
        held: list[asyncio.Semaphore] = []
        try:
            try:
                if any(places.locked() for places in wanted):
                    async with asyncio.timeout(timeout_s):
                        for places in wanted:
                            await places.acquire()
                            held.append(places)
                else:
                    for places in wanted:
                        await places.acquire()  # Free: does not wait.
                        held.append(places)
            except TimeoutError:
                raise NoPlace("all connections are busy") from None
            yield
        finally:
            for places in held:
                places.release()


class Rate:
    """Lets at most `per_second` through in any one second; each of the others gets its moment."""

    def __init__(self, clock: Clock, sleep: Sleep, per_second: int | None) -> None:
        self._clock = clock
        self._sleep = sleep
        self._moments: deque[datetime] | None = None if per_second is None else deque(maxlen=per_second)
        self._paused_until: datetime | None = None

    async def take(self, timeout_s: float) -> None:
        """Wait for the moment.

        Raises: NoPlace when it is further away than `timeout_s`; nothing is taken then.
        """
        moments = self._moments
        if moments is None and self._paused_until is None:
            return
        now = self._clock.now()
        at = now
        if self._paused_until is not None:
            at = max(at, self._paused_until)
            self._paused_until = None if at == now else at
        if moments is not None and len(moments) == moments.maxlen:
            at = max(at, moments[0] + timedelta(seconds=1))
        if at - now > timedelta(seconds=timeout_s):
            raise NoPlace("the rate limit is used up")
        if moments is not None:
            moments.append(at)
        if at > now:
            await self._sleep((at - now).total_seconds())

    def pause(self, seconds: float) -> None:
        """The other side asked for a pause."""
        until = self._clock.now() + timedelta(seconds=seconds)
        self._paused_until = max(until, self._paused_until or until)

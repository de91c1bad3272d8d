"""Access tokens of one connection, fetched once for all who need them."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta

from omniroute.kit.clock import Clock

Fetch = Callable[[], Awaitable[tuple[str, datetime]]]
MARGIN_S_MAX = 60


class Tokens:
    """Keeps each token until shortly before its end: a tenth of its life, at most `margin_s`."""

    def __init__(self, clock: Clock, *, margin_s: int = MARGIN_S_MAX) -> None:
        self._clock = clock
        self._margin = timedelta(seconds=margin_s)
        self._kept: dict[str, tuple[str, datetime]] = {}
        self._flights: dict[str, asyncio.Task[str]] = {}

    def __repr__(self) -> str:
        return f"<Tokens {sorted(self._kept)}>"

    async def get(self, name: str, fetch: Fetch) -> str:
        """The token of this name; `fetch` gives a new one and when it ends. Who comes meanwhile waits for the same.

        Raises: what `fetch` raises; nothing is kept then.
        """
        kept = self._kept.get(name)
        if kept is not None and self._clock.now() < kept[1]:
            return kept[0]
        flight = self._flights.get(name)
        if flight is None:
            flight = asyncio.create_task(self._fetch(name, fetch))
            self._flights[name] = flight
            flight.add_done_callback(lambda done: self._landed(name, done))
        # Called off is this caller, not the fetch the others wait for.
        return await asyncio.shield(flight)

    def forget(self, name: str) -> None:
        """The other side did not accept it; the next `get` fetches a new one."""
        self._kept.pop(name, None)

    async def _fetch(self, name: str, fetch: Fetch) -> str:
        asked_at = self._clock.now()
        token, ends_at = await fetch()
        self._kept[name] = (token, ends_at - min(self._margin, (ends_at - asked_at) / 10))
        return token

    def _landed(self, name: str, flight: asyncio.Task[str]) -> None:
        self._flights.pop(name, None)
        if not flight.cancelled():
            flight.exception()  # Taken notice of, also when every caller has gone.

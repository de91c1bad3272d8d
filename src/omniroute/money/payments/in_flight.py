"""What one worker has under way at rails, and how much more may start: in all, of one kind, and over one connection.

A rail that hangs keeps its own places busy and nobody else's; questions and orders never take each other's last place.
"""

import asyncio
from collections import Counter
from collections.abc import Coroutine
from datetime import timedelta
from enum import StrEnum
from typing import Any
from uuid import UUID

from omniroute.infra.telemetry import logger

log = logger("omniroute.payments")


class Exchange(StrEnum):
    """What is done at a rail."""

    SEND = "send"
    ASK = "ask"


class InFlight:
    """Exchanges under way. Of one kind there are at most three quarters of `most`, over one connection two fifths."""

    def __init__(self, most: int) -> None:
        self.tasks: set[asyncio.Task[None]] = set()
        self._most = most
        self._kind_max = max(1, most - most // 4)
        self._connection_max = max(1, most * 2 // 5)
        # Work is taken up in handfuls: a claim for every place that becomes free would be a transaction for each.
        self._handful = max(1, self._connection_max // 4)
        self._kinds: Counter[Exchange] = Counter()
        self._connections: Counter[tuple[Exchange, UUID]] = Counter()
        self._eased = asyncio.Event()

    def start(self, kind: Exchange, connection_id: UUID, work: Coroutine[Any, Any, None]) -> None:
        """Begin an exchange."""
        task = asyncio.create_task(work)
        self.tasks.add(task)
        self._kinds[kind] += 1
        self._connections[kind, connection_id] += 1
        task.add_done_callback(lambda ended: self._ended(ended, kind, connection_id))

    def _ended(self, task: asyncio.Task[None], kind: Exchange, connection_id: UUID) -> None:
        self.tasks.discard(task)
        self._kinds[kind] -= 1
        self._connections[kind, connection_id] -= 1
        if not self._connections[kind, connection_id]:
            del self._connections[kind, connection_id]
        self._eased.set()
        if not task.cancelled() and task.exception() is not None:
            # Nothing is lost: its lease runs out, and the attempt is recovered.
            log.error("an exchange could not be recorded", fault=repr(task.exception()))

    def room(self, kind: Exchange) -> int:
        """How many more of this kind may start."""
        return min(self._most - len(self.tasks), self._kind_max - self._kinds[kind])

    def room_over(self, kind: Exchange, connection_id: UUID) -> int:
        """How many more may start over this connection."""
        return max(0, self._connection_max - self._connections[kind, connection_id])

    def full(self, kind: Exchange) -> list[UUID]:
        """The connections over which less than a handful more may start."""
        return [
            connection_id
            for (of, connection_id), count in self._connections.items()
            if of is kind and self._connection_max - count < self._handful
        ]

    async def ease(self, kind: Exchange, *, patience: timedelta) -> None:
        """If something is full, wait until it takes a handful more again; not longer than this."""
        before = self._tight(kind)
        if not before:
            return
        try:
            async with asyncio.timeout(patience.total_seconds()):
                while self._tight(kind) >= before:
                    self._eased.clear()
                    await self._eased.wait()
        except TimeoutError:
            return

    def _tight(self, kind: Exchange) -> set[UUID | None]:
        """The connections that are full, and None if this worker is."""
        tight: set[UUID | None] = set(self.full(kind))
        return tight | {None} if self.room(kind) < self._handful else tight

    async def idle(self) -> None:
        """Wait until nothing is under way."""
        while self.tasks:
            await asyncio.gather(*self.tasks, return_exceptions=True)

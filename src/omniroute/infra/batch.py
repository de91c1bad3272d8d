"""Group commit: single requests of many callers become one call of the database.

    submit -> queue of its lane -> a drain of up to `items_max` after at most `wait_s` -> flush -> each caller's answer

A lane is what one call may carry together (a tenant). Lanes take turns, so a busy one cannot starve the others.
When a flush fails, it is tried again in halves, so that one poisonous item cannot take its companions with it.
Nothing is kept in memory that the caller believes to be done: `submit` returns after the flush has committed.
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Hashable, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

K = TypeVar("K", bound=Hashable)
T = TypeVar("T")
R = TypeVar("R")


class QueueFull(Exception):
    """No place in the queue; nothing happened. `lane_full`: this lane's share is used up, others have room."""

    def __init__(self, *, lane_full: bool) -> None:
        self.lane_full = lane_full
        super().__init__("queue full")


@dataclass(frozen=True, slots=True)
class BatchLimits:
    """How long to wait for companions, how many to take, how many may wait, how many calls may run at once."""

    wait_s: float = 0.002
    items_max: int = 512
    queue_max: int = 8_192
    lane_queue_max: int = 4_096
    calls_max: int = 2


class GroupCommit(Generic[K, T, R]):
    """Collects items by lane and flushes them together. One a process and kind of work."""

    def __init__(
        self, flush: Callable[[K, Sequence[T]], Awaitable[Sequence[R]]], limits: BatchLimits | None = None
    ) -> None:
        """`flush(lane, items)` returns one result an item, in order, after it has committed."""
        self._flush = flush
        self._limits = limits or BatchLimits()
        self._lanes: dict[K, deque[tuple[T, asyncio.Future[R]]]] = {}
        self._turns: deque[K] = deque()
        self._waiting = 0
        self._calls: set[asyncio.Task[None]] = set()
        self._timer: asyncio.TimerHandle | None = None
        self._closed = False
        self.flush_count = 0
        self.item_count = 0

    @property
    def waiting(self) -> int:
        """Items in the queue, not counting those in a running call."""
        return self._waiting

    def submit(self, lane: K, item: T) -> asyncio.Future[R]:
        """A place in the queue; await the result. What the flush raises for this item is raised there.

        Raises: QueueFull.
        """
        queue = self._lanes.get(lane)
        if self._closed or self._waiting >= self._limits.queue_max:
            raise QueueFull(lane_full=False)
        if queue is None:
            queue = self._lanes[lane] = deque()
            self._turns.append(lane)
        elif len(queue) >= self._limits.lane_queue_max:
            raise QueueFull(lane_full=True)
        future: asyncio.Future[R] = asyncio.get_running_loop().create_future()
        queue.append((item, future))
        self._waiting += 1
        if len(queue) >= self._limits.items_max:
            self._start()
        elif self._timer is None and len(self._calls) < self._limits.calls_max:
            self._timer = asyncio.get_running_loop().call_later(self._limits.wait_s, self._start)
        return future

    def _start(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        while self._turns and len(self._calls) < self._limits.calls_max:
            lane = self._turns.popleft()
            queue = self._lanes[lane]
            taken = [queue.popleft() for _ in range(min(len(queue), self._limits.items_max))]
            if queue:
                self._turns.append(lane)
            else:
                del self._lanes[lane]
            self._waiting -= len(taken)
            task = asyncio.create_task(self._run(lane, taken))
            self._calls.add(task)
            task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._calls.discard(task)
        if self._turns:
            self._start()

    async def _run(self, lane: K, taken: Sequence[tuple[T, asyncio.Future[R]]]) -> None:
        # A caller that went away before its item was sent need not be served; its key makes a repeat safe.
        taken = [pair for pair in taken if not pair[1].cancelled()]
        if not taken:
            return
        self.flush_count += 1
        self.item_count += len(taken)
        try:
            results = await self._flush(lane, [item for item, _ in taken])
        except asyncio.CancelledError:
            for _, future in taken:
                future.cancel()
            raise
        except Exception as error:  # noqa: BLE001 - whatever it is, it belongs to the callers, not to this task.
            if len(taken) > 1:
                half = len(taken) // 2
                await self._run(lane, taken[:half])
                await self._run(lane, taken[half:])
            elif not taken[0][1].done():
                taken[0][1].set_exception(error)
            return
        assert len(results) == len(taken)
        for (_, future), result in zip(taken, results, strict=True):
            if not future.done():
                future.set_result(result)

    async def close(self) -> None:
        """Take nothing more, finish what waits."""
        self._closed = True
        while self._turns or self._calls:
            self._start()
            await asyncio.gather(*self._calls, return_exceptions=True)

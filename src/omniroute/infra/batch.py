"""Group commit: single requests of many callers become one call of the database.

    submit -> queue of its lane -> a drain of up to `items_max` -> flush -> each caller's answer

A lane is what one call may carry together (a tenant), and has one call under way at a time: what arrives meanwhile is
the next one. So a call grows with the load by itself, and a lone item does not wait for companions that never come.
Two calls of one tenant would only wait for each other's locks. Lanes take turns, so that a busy one starves nobody.
Work that nobody waits for may have a pace: a lane that has just been called rests, so that a busy one is called seldom
with much instead of often with little; the first item after a rest still goes at once.
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


# Callers that hear their result in one turn of the loop. Each of them has an answer to write, and meanwhile the next
# call could not even be sent.
TOLD_AT_ONCE = 32


class QueueFull(Exception):
    """No place in the queue; nothing happened. `lane_full`: this lane's share is used up, others have room."""

    def __init__(self, *, lane_full: bool) -> None:
        self.lane_full = lane_full
        super().__init__("queue full")


@dataclass(frozen=True, slots=True)
class BatchLimits:
    """How long to wait for companions when nothing is under way (0: for those of the same turn of the loop), how many
    to take, how many may wait, how many lanes may have a call under way. `pace_s`: so long after the start of a call a
    lane rests, unless `items_max` are waiting."""

    wait_s: float = 0
    pace_s: float = 0
    items_max: int = 512
    queue_max: int = 8_192
    lane_queue_max: int = 4_096
    calls_max: int = 4


class GroupCommit(Generic[K, T, R]):
    """Collects items by lane and flushes them together. One a process and kind of work."""

    def __init__(
        self, flush: Callable[[K, Sequence[T]], Awaitable[Sequence[R]]], limits: BatchLimits | None = None
    ) -> None:
        """`flush(lane, items)` returns one result an item, in order, after it has committed."""
        self._flush = flush
        self._limits = limits or BatchLimits()
        self._lanes: dict[K, deque[tuple[T, asyncio.Future[R]]]] = {}
        self._turns: deque[K] = deque()  # Lanes that may be called: something waits there, and nothing is under way.
        self._under_way: set[K] = set()
        self._started: dict[K, float] = {}  # Of the calls under way.
        self._resting: dict[K, asyncio.TimerHandle] = {}
        self._waiting = 0
        self._tasks: set[asyncio.Task[None]] = set()
        self._timer: asyncio.Handle | None = None
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
            if lane not in self._under_way and lane not in self._resting:
                self._turns.append(lane)
        elif len(queue) >= self._limits.lane_queue_max:
            raise QueueFull(lane_full=True)
        loop = asyncio.get_running_loop()
        future: asyncio.Future[R] = loop.create_future()
        queue.append((item, future))
        self._waiting += 1
        if lane in self._resting and len(queue) >= self._limits.items_max:
            self._wake(lane)
        if self._turns and len(self._under_way) < self._limits.calls_max:
            if len(queue) >= self._limits.items_max:
                self._start()
            elif self._timer is None:
                wait_s = self._limits.wait_s
                self._timer = loop.call_later(wait_s, self._start) if wait_s else loop.call_soon(self._start)
        return future

    def _start(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        while self._turns and len(self._under_way) < self._limits.calls_max:
            lane = self._turns.popleft()
            queue = self._lanes[lane]
            taken = [queue.popleft() for _ in range(min(len(queue), self._limits.items_max))]
            self._waiting -= len(taken)
            if not queue:
                del self._lanes[lane]
            self._under_way.add(lane)
            self._started[lane] = asyncio.get_running_loop().time()
            task = asyncio.create_task(self._run(lane, taken, last=True))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    def _free(self, lane: K) -> None:
        """The lane's call has ended: what has come meanwhile goes at once, or after the rest."""
        self._under_way.discard(lane)
        rest_until = self._started.pop(lane) + self._limits.pace_s
        loop = asyncio.get_running_loop()
        full = len(self._lanes.get(lane, ())) >= self._limits.items_max
        if self._limits.pace_s and not full and not self._closed and loop.time() < rest_until:
            self._resting[lane] = loop.call_at(rest_until, self._rested, lane)
        elif lane in self._lanes:
            self._turns.append(lane)
        if self._turns:
            self._start()

    def _wake(self, lane: K) -> None:
        self._resting.pop(lane).cancel()
        if lane in self._lanes:
            self._turns.append(lane)

    def _rested(self, lane: K) -> None:
        self._wake(lane)
        self._start()

    async def _run(self, lane: K, taken: Sequence[tuple[T, asyncio.Future[R]]], *, last: bool) -> None:
        # A caller that went away before its item was sent need not be served; its key makes a repeat safe.
        taken = [pair for pair in taken if not pair[1].cancelled()]
        results: Sequence[R] = ()
        error: Exception | None = None
        try:
            if taken:
                self.flush_count += 1
                self.item_count += len(taken)
                results = await self._flush(lane, [item for item, _ in taken])
        except asyncio.CancelledError:
            for _, future in taken:
                future.cancel()
            raise
        except Exception as raised:  # noqa: BLE001 - whatever it is, it belongs to the callers, not to this task.
            error = raised
        if error is not None and len(taken) > 1:
            half = len(taken) // 2
            await self._run(lane, taken[:half], last=False)
            await self._run(lane, taken[half:], last=last)
            return
        if last:
            self._free(lane)  # Before anybody hears: the next call is on its way while answers are written.
        if error is not None:
            if not taken[0][1].done():
                taken[0][1].set_exception(error)
            return
        assert len(results) == len(taken)
        await _tell(taken, results)

    async def close(self) -> None:
        """Take nothing more, finish what waits."""
        self._closed = True
        for lane in list(self._resting):
            self._wake(lane)
        while self._lanes or self._tasks:
            self._start()
            await asyncio.gather(*self._tasks, return_exceptions=True)


async def _tell(taken: Sequence[tuple[T, asyncio.Future[R]]], results: Sequence[R]) -> None:
    """Give each caller its result."""
    for i, ((_, future), result) in enumerate(zip(taken, results, strict=True), start=1):
        if not future.done():
            future.set_result(result)
        if i % TOLD_AT_ONCE == 0:
            await asyncio.sleep(0)

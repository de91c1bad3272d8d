"""How a process is told to end, and to read its files again."""

import asyncio
import signal
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager


def stop_on_signal() -> asyncio.Event:
    """An event that SIGTERM and SIGINT set; the second signal ends the process at once."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()

    def told(number: int) -> None:
        stop.set()
        loop.remove_signal_handler(number)

    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, told, number)
    return stop


class Hangups:
    """What a process does again on SIGHUP. One an event loop: a signal has one handler."""

    def __init__(self) -> None:
        self._again: list[Callable[[], Awaitable[None]]] = []
        self._listening = 0
        self._tasks: set[asyncio.Task[None]] = set()

    @asynccontextmanager
    async def heard(self, *again: Callable[[], Awaitable[None]]) -> AsyncIterator[None]:
        """As long as this block lasts SIGHUP does this `again`, and does not end the process."""
        self._again.extend(again)
        self._listening += 1
        asyncio.get_running_loop().add_signal_handler(signal.SIGHUP, self._told)
        try:
            yield
        finally:
            self._listening -= 1
            for one in again:
                self._again.remove(one)
            if not self._listening:
                asyncio.get_running_loop().remove_signal_handler(signal.SIGHUP)
                tasks = tuple(self._tasks)
                for task in tasks:
                    task.cancel()
                await asyncio.gather(*tasks, return_exceptions=True)

    def _told(self) -> None:
        for again in self._again:
            task = asyncio.ensure_future(again())
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

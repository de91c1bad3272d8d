"""A subscription to a field that is no table's: its value is asked for again until somebody leaves.

What becomes of an asynchronous action is such a field. It changes without an event, so it is asked for in growing
intervals, and whenever something happened in its organisation. Each subscriber is on its own.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable
from uuid import UUID

from omniroute.graphql.errors import RequestRefused
from omniroute.graphql.live.boxes import Box, data, errors
from omniroute.graphql.live.cohorts import RETRY_S, Shared
from omniroute.kit.refusal import Fault

FIRST_S = 0.5
GROWTH = 10
"""What has stood still for so many times a wait is waited for that long."""


class Watch:
    """One subscriber of such a field. `ask` gives its value as JSON; `on_empty` is told when it has left."""

    is_stream = False

    def __init__(
        self,
        tenant_id: UUID | None,
        response: str,
        ask: Callable[[], Awaitable[str]],
        box: Box,
        shared: Shared,
        on_empty: Callable[["Watch"], None],
    ) -> None:
        self.tenant_id = tenant_id
        self.key: object = self
        self.asked_at = time.monotonic()
        self._response, self._ask, self._box = response, ask, box
        self._shared, self._on_empty = shared, on_empty
        self._wake = asyncio.Event()
        task = asyncio.create_task(self._run())
        shared.tasks.add(task)
        task.add_done_callback(self._ended)

    def stir(self) -> None:
        """Something has changed; perhaps it concerns us."""
        self._wake.set()

    def leave(self, box: Box) -> None:
        """Let the subscriber go."""
        box.close()
        self._wake.set()
        self._on_empty(self)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._shared.tasks.discard(task)
        if not task.cancelled() and task.exception() is not None:
            self._box.put(errors(RequestRefused("the subscription has failed", code="unexpected")))
            task.get_loop().call_exception_handler(
                {"message": "a subscription failed", "exception": task.exception(), "task": task}
            )

    async def _run(self) -> None:
        began, last = time.monotonic(), ""
        while self._box.is_open:
            self._wake.clear()
            self.asked_at = time.monotonic()
            try:
                async with self._shared.runs:
                    found = await self._ask()
                self._shared.tally.asked += 1
                began, last = (self.asked_at, found) if found != last else (began, last)
                self._box.put(data(self._response, found))
                still = time.monotonic() - began
                wait = min(max(FIRST_S, still / GROWTH), self._shared.limits.poll_s or FIRST_S)
            except RequestRefused as error:
                self._box.put(errors(error))
                return
            except Fault:
                self._shared.tally.failed += 1
                wait = RETRY_S
            await self._rest(wait)

    async def _rest(self, seconds: float) -> None:
        try:
            async with asyncio.timeout(seconds):
                await self._wake.wait()
        except TimeoutError:
            return
        # Events may come in crowds; no more than one look in so much time.
        await asyncio.sleep(self._shared.limits.floor_ms / 1_000)

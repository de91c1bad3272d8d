"""Stops submits to a side that fails, and finds out carefully whether it is back."""

from collections import deque
from collections.abc import Callable
from datetime import datetime, timedelta
from enum import IntEnum

from omniroute.kit.clock import Clock


class State(IntEnum):
    """Closed lets through, open does not, half-open lets one through at a time to see."""

    CLOSED = 0
    HALF_OPEN = 1
    OPEN = 2


class Admission(IntEnum):
    """How a submit was let through, if it was."""

    REFUSED = 0
    NORMAL = 1
    PROBE = 2


class Breaker:
    """Opens when at least half of the last exchanges failed, and `failures_min` of them; then waits, then probes.

    Every failed probe doubles the wait, up to `open_max_s`. Only submits ask `admit`; queries go through always, and
    what becomes of them counts.
    """

    def __init__(
        self,
        clock: Clock,
        *,
        window: int = 20,
        failures_min: int = 5,
        open_s: int = 30,
        open_max_s: int = 300,
        changed: Callable[[State, State], None] = lambda before, after: None,
    ) -> None:
        self._clock = clock
        self._failures: deque[bool] = deque(maxlen=window)
        self._failures_min = failures_min
        self._open_s = open_s
        self._open_max_s = open_max_s
        self._wait_s = open_s
        self._until: datetime | None = None
        self._probing = False
        self._changed = changed
        self.state = State.CLOSED

    def refuses(self) -> bool:
        """A submit would not be let through now."""
        if self.state is State.OPEN:
            assert self._until is not None
            return self._clock.now() < self._until
        return self.state is State.HALF_OPEN and self._probing

    def admit(self) -> Admission:
        """Let a submit through, if it may. The end of a probe must be told: `record` or `forget`."""
        if self.refuses():
            return Admission.REFUSED
        if self.state is State.CLOSED:
            return Admission.NORMAL
        self._become(State.HALF_OPEN)
        self._probing = True
        return Admission.PROBE

    def record(self, *, failed: bool, probe: bool) -> None:
        """Tell how an exchange ended. What was under way when the breaker opened tells nothing new."""
        if probe:
            self._probing = False
            if failed:
                self._wait_s = min(self._wait_s * 2, self._open_max_s)
                self._open()
            else:
                self._wait_s = self._open_s
                self._become(State.CLOSED)
        elif self.state is State.CLOSED:
            self._failures.append(failed)
            count = sum(self._failures)
            if failed and count >= self._failures_min and 2 * count >= len(self._failures):
                self._open()

    def forget(self, *, probe: bool) -> None:
        """A submit that was let through ended without telling anything (it was called off)."""
        if probe:
            self._probing = False

    def _open(self) -> None:
        self._until = self._clock.now() + timedelta(seconds=self._wait_s)
        self._failures.clear()
        self._become(State.OPEN)

    def _become(self, state: State) -> None:
        before, self.state = self.state, state
        if before is not state:
            self._changed(before, state)

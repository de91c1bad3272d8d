"""Bounds of live queries."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class LiveLimits:
    """How often and how much. Times are of one process."""

    floor_ms: int = 25
    """The event log is looked at this often, so nothing is asked again sooner."""
    poll_s: float = 10
    """Everything is asked again this often although no event came: for what changes without one, such as time."""
    batch_max: int = 100
    """Subscribers answered by one statement."""
    runs_max: int = 4
    """Statements at a time, so that requests find connections too."""
    subscriptions_max: int = 10_000
    stream_grace_s: float = 10
    """How long rows of a stream may come late: from drawing the value of the cursor until the first write. Beyond it,
    a transaction that has written is waited for as long as it takes."""
    stream_keys_max: int = 20_000
    """Rows a stream remembers while others may still come before them; beyond it, one batch a second."""

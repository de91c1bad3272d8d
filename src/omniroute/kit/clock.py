"""Time comes from here, so that tests and replays can set it. Nothing else asks the machine for the time."""

from datetime import UTC, datetime
from typing import Protocol


class Clock(Protocol):
    """Tells the present instant, always in UTC."""

    def now(self) -> datetime: ...


class SystemClock:
    """The machine's clock."""

    def now(self) -> datetime:
        """The present instant in UTC."""
        return datetime.now(UTC)


class FixedClock:
    """A clock that stands still until told otherwise."""

    def __init__(self, at: datetime) -> None:
        assert at.tzinfo is not None, "an instant needs a time zone"
        self.at = at

    def now(self) -> datetime:
        """The instant it was set to."""
        return self.at

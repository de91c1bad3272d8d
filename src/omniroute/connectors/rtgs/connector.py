"""The rail: a window of the day, and one order a message."""

from collections.abc import Mapping, Sequence
from datetime import date, datetime, timedelta

from omniroute.connectors.iso20022 import BankFiles, Head, next_in_window, read_times, write_pacs_008
from omniroute.ports.rails import FileSession, Payout, RailUnable

WINDOW = "09:00-15:00"
"""A guess to start with, for payments of customers; the connection's setting `window` says its bank's own."""
SYSTEM = "NGRTGS"
SLOT = timedelta(minutes=5)
ANSWER = timedelta(hours=1)


class RtgsConnector(BankFiles):
    """RTGS. Without a limit; each message is one order, settled by itself."""

    rail = "rtgs"
    orders_max = 1
    letter = "R"

    def write(
        self, head: Head, payouts: Sequence[Payout], public: Mapping[str, str]
    ) -> tuple[bytes, Mapping[str, str]]:
        """A pacs.008. Raises: RailUnable."""
        system, instructed = public.get("clearing_system", SYSTEM), public.get("instructed_bank")
        return write_pacs_008(head, payouts, system=system, instructed=instructed), {}

    def next_session(self, public: Mapping[str, str], now: datetime, *, holidays: frozenset[date]) -> FileSession:
        """Now, while the window is open; else the next opening. Raises: RailUnable."""
        window = read_times(public, "window", WINDOW, "-")
        if len(window) != 2:
            raise RailUnable(f"window: two times of day such as {WINDOW}")
        return next_in_window(*window, now, holidays, slot=SLOT, answer=ANSWER)

"""The rail: sessions of the day, and files of many orders."""

from collections.abc import Mapping, Sequence
from datetime import date, datetime, timedelta

from omniroute.connectors.iso20022 import BankFiles, Head, next_cut_off, read_times, write_pain_001
from omniroute.ports.rails import FileSession, Payout

SESSIONS = "10:00,13:00,15:30"
"""A guess to start with: the sponsoring bank tells its own, which the connection's setting `sessions` then says."""
COLLECT = timedelta(minutes=15)
ANSWER = timedelta(hours=4)


class NeftConnector(BankFiles):
    """NEFT. The limit is that of the Central Bank: ten million naira an order."""

    rail = "neft"
    orders_max = 10_000
    letter = "N"
    amount_max_minor = 1_000_000_000

    def write(
        self, head: Head, payouts: Sequence[Payout], public: Mapping[str, str]
    ) -> tuple[bytes, Mapping[str, str]]:
        """A pain.001, one block for each category of payments. Raises: RailUnable."""
        return write_pain_001(head, payouts)

    def next_session(self, public: Mapping[str, str], now: datetime, *, holidays: frozenset[date]) -> FileSession:
        """The next of the day's sessions, or the first of the next day that clears. Raises: RailUnable."""
        cut_offs = read_times(public, "sessions", SESSIONS, ",")
        return next_cut_off(cut_offs, now, holidays, collect=COLLECT, answer=ANSWER)

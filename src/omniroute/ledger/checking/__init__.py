"""Are the books right? Everything that is kept twice is compared, online, and what differs is named.

check       compares; yields what is wrong and where
state_hash  a fingerprint of the books, now or at an instant
replay      the same fingerprint, from the log alone
"""

from omniroute.ledger.checking.check import CHECKS, Finding, check
from omniroute.ledger.checking.replay import Replayed, replay, state_hash

__all__ = ["CHECKS", "Finding", "Replayed", "check", "replay", "state_hash"]

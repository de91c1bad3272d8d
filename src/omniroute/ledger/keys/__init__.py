"""Idempotency keys: remembered for a time, then purged.

    claimed (with its outcome, in the transaction of the entries) -> purged when it is old

References are not purged: they say for ever that a thing in the world was booked, also to a repeat whose key is gone.
"""

from omniroute.ledger.keys.service import KEYS_KEPT_MIN, purge_keys

__all__ = ["KEYS_KEPT_MIN", "purge_keys"]

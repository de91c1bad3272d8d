"""The event log: what changed, written in the transaction of the change, read by everybody else behind a cursor.

change -> append(tx, Event)      same transaction: both happen or neither
       -> read(tx, cursor)       tenants and doors; never skips a late commit, never shows an early one
       -> Consumer               background effects, each exactly once, in order per subject
       -> ChainBuilder, verify   sealed in blocks; a changed byte is found and named
"""

from omniroute.infra.events.model import Event, Meta
from omniroute.infra.events.store import append, append_many

__all__ = ["Event", "Meta", "append", "append_many"]

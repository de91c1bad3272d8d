"""The event log: what changed, written in the transaction of the change, read by everybody else behind a cursor.

    change -> append(tx, Event)       same transaction: both happen or neither
           -> read(tx, cursor)        tenants and doors; never skips a late commit, never shows an early one
           -> Consumer                background effects, each exactly once, in order per subject
           -> ChainBuilder, verify    sealed in blocks; a changed byte is found and named

Nothing is ever altered. Old events leave only through `retain`, and the chain verifies over the rest.
"""

from omniroute.infra.events.chain import (
    ChainBuilder,
    Head,
    InclusionProof,
    Retained,
    check_inclusion,
    head,
    inclusion_proof,
    repair_epoch,
    retain,
)
from omniroute.infra.events.consumer import (
    Consumer,
    Handler,
    Lag,
    advance,
    enrol,
    lag,
    parked,
    position,
    prune_inbox,
    replay,
)
from omniroute.infra.events.cursor import Cursor, Cut
from omniroute.infra.events.envelope import envelope
from omniroute.infra.events.errors import EventNotFound, EventNotSealed
from omniroute.infra.events.facts import EventsRetired
from omniroute.infra.events.model import Event, Meta, Recorded
from omniroute.infra.events.reader import StandbyCannotRead, at, history, newest, present, read, stirred
from omniroute.infra.events.schemas import event_schema, schema_documents
from omniroute.infra.events.store import append, append_each, append_many
from omniroute.infra.events.verify import Damage, Finding, Verified, verify, verify_stretch

__all__ = [
    "ChainBuilder",
    "Consumer",
    "Cursor",
    "Cut",
    "Damage",
    "Event",
    "EventNotFound",
    "EventNotSealed",
    "EventsRetired",
    "Finding",
    "Handler",
    "Head",
    "InclusionProof",
    "Lag",
    "Meta",
    "Recorded",
    "Retained",
    "StandbyCannotRead",
    "Verified",
    "advance",
    "append",
    "append_each",
    "append_many",
    "at",
    "check_inclusion",
    "enrol",
    "envelope",
    "event_schema",
    "head",
    "history",
    "inclusion_proof",
    "lag",
    "newest",
    "parked",
    "position",
    "present",
    "prune_inbox",
    "read",
    "repair_epoch",
    "replay",
    "retain",
    "schema_documents",
    "stirred",
    "verify",
    "verify_stretch",
]

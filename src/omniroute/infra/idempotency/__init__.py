"""Stored replies: the same request with the same key gets the same bytes back, and its effect happens once.

    absent -> (claimed while a transaction is open) -> stored -> purged after its time

`claim` opens the story inside the caller's transaction: it answers with the stored reply, with None (go ahead; nobody
else can until this transaction ends), or refuses. `store` writes the reply in the same transaction as the effect.
"""

from omniroute.infra.idempotency.service import (
    KEPT_FOR,
    KeyInFlight,
    KeyReused,
    Request,
    StoredReply,
    claim,
    purge,
    store,
)

__all__ = ["KEPT_FOR", "KeyInFlight", "KeyReused", "Request", "StoredReply", "claim", "purge", "store"]

"""Pausing payments of a batch: nothing of it is sent, or sent again, until it is resumed."""

from uuid import UUID

from omniroute.infra.postgres import Tx
from omniroute.money.payments import store


async def pause_batch(tx: Tx, batch_id: UUID) -> int:
    """From the commit on no sender takes up a payment of this batch; how many were stopped.

    What is under way is not called back: its outcome is recorded, but if it was not paid it is not tried again.
    """
    return await tx.execute(store.SQL.pause_batch, tenant=tx.tenant, batch=batch_id)


async def resume_batch(tx: Tx, batch_id: UUID) -> int:
    """Payments of this batch are sent again; how many were paused."""
    return await tx.execute(store.SQL.resume_batch, tenant=tx.tenant, batch=batch_id)

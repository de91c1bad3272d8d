"""What becomes of collections: money in hand is remitted, and what the grantor is due is settled.

Who remits and who settles is `money.settlement`; here is what that does to collections.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from uuid import UUID

from omniroute.infra.postgres import Tx
from omniroute.money.atc.collections_model import Collection, SettlementStatus
from omniroute.money.atc.collections_store import SQL, collection_of

_AT_ONCE = 200


@dataclass(frozen=True, slots=True)
class Allocation:
    """What of a remittance is for a collection. `funded`: it is all with us now."""

    collection_id: UUID
    reference: str
    amount_minor: int
    funded: bool


async def allocate_remittance(
    tx: Tx, *, collector_id: UUID, currency: str, amount_minor: int, now: datetime
) -> list[Allocation]:
    """Put money that a collector has paid in against what is in their hand, the oldest first.

    What is left over is not allocated: add the allocations up. Those collections are held until the transaction ends.
    """
    left = amount_minor
    allocations: list[Allocation] = []
    while left > 0:
        rows = await tx.all(SQL.lock_in_hand, tenant=tx.tenant, grantee=collector_id, currency=currency, limit=_AT_ONCE)
        for row in rows:
            part = min(left, row.gross_minor - row.remitted_minor)
            if not part:
                break
            left -= part
            funded = row.remitted_minor + part == row.gross_minor
            await tx.execute(
                SQL.remit,
                tenant=tx.tenant,
                root=row.collection_id,
                amount=part,
                funded_at=now if funded else None,
            )
            allocations.append(Allocation(row.collection_id, row.reference, part, funded))
        if len(rows) < _AT_ONCE:
            break
    return allocations


async def lock_due_collections(tx: Tx, grant_id: UUID, *, until_on: date, limit: int) -> list[Collection]:
    """Top levels of collections under a root grant that may be settled: with us, due by `until_on`, in no settlement.

    The oldest first, held until the transaction ends.
    """
    rows = await tx.all(SQL.lock_due, tenant=tx.tenant, grant=grant_id, until_on=until_on, limit=limit)
    return [collection_of(row) for row in rows]


async def place_in_batch(
    tx: Tx, collection_ids: Sequence[UUID], batch_id: UUID, *, status: SettlementStatus = SettlementStatus.SCHEDULED
) -> None:
    """Put top levels into a settlement batch; the levels below them follow their status, and are in no batch."""
    await tx.execute(
        SQL.place_in_batch, tenant=tx.tenant, collections=list(collection_ids), batch=batch_id, status=status.value
    )


async def follow_batch(tx: Tx, batch_id: UUID, status: SettlementStatus, *, now: datetime) -> None:
    """All collections of a batch, on all levels, stand where it stands. PENDING: they are free for the next batch."""
    settled_at = now if status is SettlementStatus.SETTLED else None
    await tx.execute(SQL.follow_batch, tenant=tx.tenant, batch=batch_id, status=status.value, settled_at=settled_at)

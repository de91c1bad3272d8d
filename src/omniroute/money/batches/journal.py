"""How a change of a batch is told to the event log."""

from omniroute.infra import events as log
from omniroute.infra.events import Meta
from omniroute.infra.postgres import Tx
from omniroute.money.batches import events
from omniroute.money.batches.model import Batch

WORKER = Meta(actor="system:batches", channel="worker")


async def tell(tx: Tx, kind: type[events.BatchEvent], batch: Batch, meta: Meta) -> None:
    """Record the event of a batch as it stands now."""
    event = kind(
        batch_id=batch.batch_id,
        reference=batch.reference,
        state=batch.state.value,
        reason=batch.reason,
        total_count=batch.total_count,
        valid_count=batch.valid_count,
        invalid_count=batch.invalid_count,
        successful_count=batch.successful_count,
        failed_count=batch.failed_count,
    )
    await log.append(tx, event, meta)

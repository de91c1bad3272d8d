"""Settlement: what was collected by authority to collect reaches the root grantor, and what collectors have in hand us.

    settlement   created -> processing -> settled | failed;  settled -> failed when the rail gives the payment back
    collection   pending -> scheduled -> processing -> settled;  of a settlement that failed: pending again

A settlement takes collections under one root grant that are with us and due, the oldest first, each once, and pays
their net out of what we owe the grantor. Its payment is a payment like others: rules, approvals and rails are theirs.
A payment nobody knows about is no failure: the settlement stays under way until there is evidence.

A remittance is money a collector had in hand; what it covers whole is with us from then on.
"""

from omniroute.money.settlement.batches import COLLECTIONS_MAX, find_batch, list_batches, settle_now
from omniroute.money.settlement.model import (
    BatchState,
    Cause,
    RecordRemittance,
    Remittance,
    RemittanceItem,
    SettlementBatch,
)
from omniroute.money.settlement.periods import Period, latest_period
from omniroute.money.settlement.remittances import find_remittance, list_remittances, record_remittance
from omniroute.money.settlement.runner import SettlementRunner
from omniroute.money.settlement.store import REMITTANCES, SETTLEMENTS

__all__ = [
    "COLLECTIONS_MAX",
    "REMITTANCES",
    "SETTLEMENTS",
    "BatchState",
    "Cause",
    "Period",
    "RecordRemittance",
    "Remittance",
    "RemittanceItem",
    "SettlementBatch",
    "SettlementRunner",
    "find_batch",
    "find_remittance",
    "latest_period",
    "list_batches",
    "list_remittances",
    "record_remittance",
    "settle_now",
]

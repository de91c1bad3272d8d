"""Which states a row of each status may be in: the status is computed, the state has an index."""

from omniroute.graphql import Implied, Name

IMPLIED = (
    Implied(
        Name("gateway", "payment_transactions"),
        "status",
        "state",
        {
            "PENDING": ("approved", "scheduled"),
            "AWAITING_APPROVAL": ("awaiting_approval",),
            "PROCESSING": ("executing", "needs_review"),
            "SENT_TO_BANK": ("executing", "needs_review"),
            "CONFIRMED": ("succeeded",),
            "FAILED": ("failed", "cancelled"),
            "REVERSED": ("reversed",),
            "EXPIRED": ("expired",),
        },
        undecided=frozenset({"executing", "needs_review"}),
    ),
    Implied(
        Name("gateway", "atc_collections"),
        "settlement_status",
        "settlement_state",
        {
            status: (status.lower(),)
            for status in ("PENDING", "SCHEDULED", "PROCESSING", "SETTLED", "FAILED", "DISPUTED")
        },
    ),
)

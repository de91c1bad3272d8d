"""Which events of the log change the rows of our own tables in GraphQL: what event triggers of them wait for."""

from omniroute.graphql import Name, RowEvents


def _told(*columns: str) -> dict[str, str]:
    """Columns whose value an event tells under the same name."""
    return {column: column for column in columns}


def _named(subject: str, *happenings: str) -> tuple[str, ...]:
    return tuple(f"{subject}.{one}" for one in happenings)


ROWS = (
    RowEvents(
        Name("gateway", "payment_transactions"),
        inserts=("payment.initiated",),
        updates=(
            *_named("payment", "approved", "sent", "unknown", "retried", "confirmed", "failed"),
            *_named("payment", "cancelled", "expired", "needs_review", "reversed"),
        ),
        known=_told("reference", "type", "status", "reason", "amount_minor", "currency", "fee_minor"),
    ),
    RowEvents(
        Name("gateway", "bulk_payment_batches"),
        inserts=("batch.received",),
        updates=_named("batch", "validated", "submitted", "approved", "paused", "resumed", "completed", "cancelled"),
        known=_told(
            "reference", "reason", "total_count", "valid_count", "invalid_count", "successful_count", "failed_count"
        ),
    ),
    RowEvents(
        Name("gateway", "bank_connections"),
        inserts=("connection.created",),
        updates=_named("connection", "updated", "health_changed"),
        known=_told("code", "currency"),
    ),
    RowEvents(
        Name("gateway", "standing_orders"),
        inserts=("schedule.created",),
        updates=_named("schedule", "approved", "rejected", "paused", "resumed", "cancelled", "completed"),
        known=_told("reference"),
    ),
    RowEvents(
        Name("gateway", "approval_requests"),
        inserts=("approval.requested",),
        updates=_named("approval", "given", "executed", "rejected", "withdrawn", "expired"),
        known=_told("approvals_needed", "approvals_given"),
    ),
    RowEvents(
        Name("gateway", "atc_grants"),
        inserts=("atc.grant.created",),
        updates=(
            *_named("atc.grant", "submitted", "approved", "rejected", "suspended", "resumed", "revoked", "expired"),
        ),
        known=_told("reference", "currency"),
    ),
    RowEvents(
        Name("gateway", "atc_collections"),
        inserts=("atc.collection.recorded",),
        updates=("atc.collection.reversed",),
        known=_told("reference", "currency", "level"),
    ),
    RowEvents(
        Name("gateway", "virtual_accounts"),
        inserts=("virtual_account.requested",),
        updates=_named("virtual_account", "opened", "failed", "suspended", "resumed", "closed", "expired"),
        known=_told("reference", "currency", "account_number", "bank_code"),
    ),
    RowEvents(
        Name("gateway", "virtual_account_transactions"),
        inserts=("virtual_account.credited",),
        key="credit_id",
        known=_told("amount_minor", "currency", "reference"),
    ),
    RowEvents(
        Name("gateway", "virtual_account_credits"),
        inserts=("collection.unplaced",),
        updates=_named("collection", "placed", "returning", "returned"),
        known=_told("amount_minor", "currency"),
    ),
    RowEvents(
        Name("gateway", "atc_settlement_batches"),
        inserts=("settlement.created",),
        updates=_named("settlement", "initiated", "settled", "failed"),
        known=_told("reference", "currency", "reason", "fee_minor"),
    ),
    RowEvents(
        Name("gateway", "partners"),
        inserts=("partner.created",),
        updates=_named("partner", "updated", "closed"),
        known=_told("code", "kind", "name"),
    ),
)

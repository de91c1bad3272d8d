"""Rows of settlement as values."""

from typing import Any

from omniroute.infra.postgres import load
from omniroute.money.settlement.model import BatchState, Cause, Remittance, RemittanceItem, SettlementBatch

SQL = load("omniroute.money.settlement")
SETTLEMENTS = SQL.listing("list_settlements")
REMITTANCES = SQL.listing("list_remittances")


def batch_of(row: Any) -> SettlementBatch:
    """A row of `atc_settlement_batch`."""
    return SettlementBatch(
        batch_id=row.batch_id,
        reference=row.reference,
        grant_id=row.grant_id,
        grantor_id=row.grantor_id,
        currency=row.currency,
        cause=Cause(row.cause),
        period_start=row.period_start,
        period_end=row.period_end,
        collection_count=row.collection_count,
        gross_minor=row.gross_minor,
        commission_minor=row.commission_minor,
        net_minor=row.net_minor,
        fee_minor=row.fee_minor,
        state=BatchState(row.state),
        reason=row.reason,
        tries=row.tries,
        try_at=row.try_at,
        payment_id=row.payment_id,
        requested_by=row.requested_by,
        version=row.version,
        created_at=row.created_at,
        updated_at=row.updated_at,
        settled_at=row.settled_at,
        failed_at=row.failed_at,
    )


def remittance_of(row: Any, items: tuple[RemittanceItem, ...] = ()) -> Remittance:
    """A row of `atc_remittance`."""
    return Remittance(
        remittance_id=row.remittance_id,
        reference=row.reference,
        partner_id=row.partner_id,
        currency=row.currency,
        paid_minor=row.paid_minor,
        kept_minor=row.kept_minor,
        connection_id=row.connection_id,
        credit_id=row.credit_id,
        transaction_id=row.transaction_id,
        note=row.note,
        recorded_by=row.recorded_by,
        created_at=row.created_at,
        items=items,
    )

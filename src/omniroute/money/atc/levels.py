"""A collection as its rows, a level each, and as the facts that are told of them."""

from collections.abc import Sequence
from datetime import date, datetime, timedelta
from uuid import UUID

from omniroute.kit.ids import uuid7
from omniroute.money.atc.cascade import Level
from omniroute.money.atc.collections_events import CollectionEvent
from omniroute.money.atc.collections_model import Collection, CollectionRequest, SettlementStatus, Source
from omniroute.money.atc.model import Grant


def levels_of(
    request: CollectionRequest,
    chain: Sequence[Grant],
    parts: Sequence[Level],
    *,
    credit_id: UUID | None,
    transaction_id: UUID,
    now: datetime,
    today: date,
) -> tuple[Collection, ...]:
    """The levels of a collection that was booked, the collector's first."""
    command = request.command
    ids = [uuid7() for _ in parts]
    body_hash = command.body_hash
    return tuple(
        Collection(
            collection_id=ids[level.level],
            root_collection_id=ids[0],
            parent_collection_id=ids[level.level - 1] if level.level else None,
            level=level.level,
            is_top=grant.parent_id is None,
            grant_id=grant.grant_id,
            grantee_id=grant.grantee_id,
            reference=f"{command.reference}#{level.level}" if level.level else command.reference,
            body_hash=body_hash,
            collected_from_id=command.collected_from_id,
            method=command.method,
            payment_reference=command.payment_reference,
            source=command.source,
            credit_id=credit_id,
            currency=grant.currency,
            gross_minor=level.gross_minor,
            commission_minor=level.commission_minor,
            net_minor=level.net_minor,
            order_id=command.order_id,
            invoice_id=command.invoice_id,
            collected_on=today,
            due_on=today + timedelta(days=grant.settlement.delay_days),
            transaction_id=transaction_id,
            settlement_status=SettlementStatus.PENDING,
            settlement_batch_id=None,
            settled_at=None,
            remitted_minor=0,
            funded_at=None if command.source is Source.IN_HAND else now,
            point=command.point,
            collected_by=command.collected_by,
            notes=command.notes,
            recorded_by=request.actor,
            created_at=now,
            reversed_at=None,
            reversed_by=None,
            reversal_reason=None,
            reversal_transaction_id=None,
        )
        for grant, level in zip(chain, parts, strict=True)
    )


def tell(kind: type[CollectionEvent], one: Collection, transaction_id: UUID | None = None) -> CollectionEvent:
    """The fact of a level."""
    return kind(
        one.collection_id,
        one.root_collection_id,
        one.level,
        one.grant_id,
        one.grantee_id,
        one.reference,
        one.collected_from_id,
        one.method.value,
        one.currency,
        one.gross_minor,
        one.commission_minor,
        one.net_minor,
        transaction_id or one.transaction_id,
        one.funded_at is not None,
    )

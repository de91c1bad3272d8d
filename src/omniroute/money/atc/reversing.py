"""Taking a collection back: a mistake, a cheque that bounced. The whole of it, on all levels."""

from datetime import date, datetime
from uuid import UUID

from omniroute import ledger
from omniroute.infra import events
from omniroute.infra.events import Meta
from omniroute.infra.postgres import Tx
from omniroute.kit.money import Money
from omniroute.kit.refusal import Refusal
from omniroute.ledger import Refused
from omniroute.money import collections
from omniroute.money.atc import books
from omniroute.money.atc.collections_errors import (
    AlreadyRemitted,
    AlreadyReversed,
    AlreadySpent,
    CollectionNotFound,
    InSettlement,
)
from omniroute.money.atc.collections_events import CollectionReversed
from omniroute.money.atc.collections_model import Collection, SettlementStatus
from omniroute.money.atc.collections_store import SQL, collection_of
from omniroute.money.atc.levels import tell
from omniroute.money.atc.standing import clean_reason

_FREE = (SettlementStatus.PENDING, SettlementStatus.FAILED, SettlementStatus.DISPUTED)


async def reverse_collection(
    tx: Tx, collection_id: UUID, *, reason: str, actor: str, now: datetime, today: date, meta: Meta
) -> tuple[Collection, ...]:
    """Take a collection back, by the id of any of its levels; its levels, the collector's first.

    Only what is in no settlement and of which nothing was remitted; commissions, what the grantor is owed and what
    counts against limits go back, and a credit that paid is free again.

    Raises: MalformedGrant (the reason), CollectionNotFound, AlreadyReversed, InSettlement, AlreadyRemitted,
    AlreadySpent.
    """
    why = clean_reason(reason)
    rows = await tx.all(SQL.lock_levels, tenant=tx.tenant, collection=collection_id)
    if not rows:
        raise CollectionNotFound()
    levels = [collection_of(row) for row in rows]
    own = levels[0]
    _check_free(levels)
    if own.credit_id is not None:
        await collections.release_credit(tx, own.credit_id, Money(own.gross_minor, own.currency), now=now)
    (booked,) = await ledger.book(tx, [books.reverse(own.transaction_id, own.reference, meta=meta)], today=today)
    if isinstance(booked, Refused):
        raise _refusal(booked.refusal) from booked.refusal
    rows = await tx.all(
        SQL.reverse_levels,
        tenant=tx.tenant,
        root=own.collection_id,
        transaction=booked,
        reason=why,
        actor=actor,
        now=now,
    )
    reversed_levels = sorted((collection_of(row) for row in rows), key=lambda one: one.level)
    await events.append_many(tx, [tell(CollectionReversed, one, booked) for one in reversed_levels], meta)
    return tuple(reversed_levels)


def _check_free(levels: list[Collection]) -> None:
    own = levels[0]
    if own.reversed_at is not None:
        raise AlreadyReversed()
    for one in levels:
        if one.settlement_batch_id is not None or one.settlement_status not in _FREE:
            raise InSettlement(settlement_status=one.settlement_status.value.upper())
    if own.remitted_minor:
        raise AlreadyRemitted(remitted_minor=own.remitted_minor)


def _refusal(refusal: Refusal) -> Refusal:
    if refusal.code == "ledger.insufficient_funds":
        return AlreadySpent(account=refusal.facts.get("account"))
    return refusal

"""The nouns of collections by authority. Frozen; no I/O. Amounts are integers in minor units."""

from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from enum import StrEnum
from hashlib import blake2b
from uuid import UUID

import msgspec

from omniroute.infra.events import Meta
from omniroute.kit.money import Money
from omniroute.kit.refusal import Refusal
from omniroute.money.atc.model import CollectionType, ScopeType

_json = msgspec.json.Encoder(order="sorted").encode


class Source(StrEnum):
    """Where collected money is."""

    IN_HAND = "in_hand"  # With the collector, who owes it until it is remitted.
    CREDIT = "credit"  # On a virtual account, as one credit.
    PURCHASE = "purchase"  # Taken from what we owe the payer.


class SettlementStatus(StrEnum):
    """How far the grantor's part has come. A collection that was taken back is failed: it is never settled."""

    PENDING = "pending"
    SCHEDULED = "scheduled"
    PROCESSING = "processing"
    SETTLED = "settled"
    FAILED = "failed"
    DISPUTED = "disputed"


@dataclass(frozen=True, slots=True)
class GeoPoint:
    """Where something was collected: degrees, to six places."""

    latitude: Decimal
    longitude: Decimal


@dataclass(frozen=True, slots=True)
class RecordCollection:
    """Money that was collected.

    `grant_id` None: the grant is found, by `grantee_id` (the collector) or `collected_by` where one is given.
    `currency` None: that of the grant. `payment_reference` of mobile money and transfers: the virtual account credit
    with which the payer has paid us; without one the collector has the money. `facts`: what is paid for, by scope.
    """

    reference: str
    amount_minor: int
    collected_from_id: UUID
    method: CollectionType
    grant_id: UUID | None = None
    grantee_id: UUID | None = None
    currency: str | None = None
    payment_reference: str | None = None
    order_id: UUID | None = None
    invoice_id: UUID | None = None
    point: GeoPoint | None = None
    collected_by: UUID | None = None
    notes: str | None = None
    facts: tuple[tuple[ScopeType, tuple[str, ...]], ...] = ()

    @property
    def source(self) -> Source:
        """Where the money is."""
        if self.method is CollectionType.CREDIT_AGAINST_PURCHASE:
            return Source.PURCHASE
        by_wire = self.method in (CollectionType.MOBILE_MONEY, CollectionType.BANK_TRANSFER)
        return Source.CREDIT if by_wire and self.payment_reference is not None else Source.IN_HAND

    @property
    def body_hash(self) -> UUID:
        """128-bit hash of what was asked: the same reference with the same content is the same collection."""
        return UUID(bytes=blake2b(_json(self), digest_size=16).digest())


@dataclass(frozen=True, slots=True)
class CollectionRequest:
    """One collection to record, and on whose behalf.

    `key`: the idempotency key it came under (`collection_key` makes it); it stands for one collection for ever.
    """

    command: RecordCollection
    actor: str
    meta: Meta
    key: UUID | None = None


def collection_key(owner: str, key: str) -> UUID:
    """What is kept of an idempotency key: a 128-bit hash of it and whose it is."""
    return UUID(bytes=blake2b(f"collection:{owner}\n{key}".encode(), digest_size=16).digest())


@dataclass(frozen=True, slots=True)
class Collection:
    """One level of what was collected: 0 is the collector's, and each level up has collected what the one below passes
    on. `is_top`: its `net_minor` is what the root grantor is due.

    `remitted_minor`: what of the money in the collector's hand was paid in. `funded_at`: since when all is with us.
    """

    collection_id: UUID
    root_collection_id: UUID
    parent_collection_id: UUID | None
    level: int
    is_top: bool
    grant_id: UUID
    grantee_id: UUID
    reference: str
    body_hash: UUID
    collected_from_id: UUID
    method: CollectionType
    payment_reference: str | None
    source: Source
    credit_id: UUID | None
    currency: str
    gross_minor: int
    commission_minor: int
    net_minor: int
    order_id: UUID | None
    invoice_id: UUID | None
    collected_on: date
    due_on: date
    transaction_id: UUID
    settlement_status: SettlementStatus
    settlement_batch_id: UUID | None
    settled_at: datetime | None
    remitted_minor: int
    funded_at: datetime | None
    point: GeoPoint | None
    collected_by: UUID | None
    notes: str | None
    recorded_by: str
    created_at: datetime
    reversed_at: datetime | None
    reversed_by: str | None
    reversal_reason: str | None
    reversal_transaction_id: UUID | None

    @property
    def gross(self) -> Money:
        """What was collected at this level."""
        return Money(self.gross_minor, self.currency)


@dataclass(frozen=True, slots=True)
class Recorded:
    """The collection stands: its levels, the collector's first. `replayed`: it was recorded before."""

    levels: tuple[Collection, ...]
    replayed: bool = False

    @property
    def collection(self) -> Collection:
        """The collector's level."""
        return self.levels[0]


@dataclass(frozen=True, slots=True)
class NotRecorded:
    """The collection was refused; nothing of it moved."""

    refusal: Refusal


RecordOutcome = Recorded | NotRecorded

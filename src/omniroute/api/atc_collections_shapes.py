"""What collections by authority look like over HTTP."""

from collections.abc import Sequence
from decimal import Decimal
from typing import Annotated, Any, Literal
from uuid import UUID

import msgspec
from msgspec import Meta

from omniroute.api.atc_grants_shapes import GrantId
from omniroute.api.partners import PartnerId
from omniroute.api.payments_shapes import Reference
from omniroute.api.shapes import AmountIn, AmountOut, Currency, In, Instant, ListIn, Out, parse_id, show_id
from omniroute.kit import ids
from omniroute.kit.money import json_amount, parse_amount
from omniroute.money.atc import Collection, CollectionType, GeoPoint, RecordCollection, ScopeType

MANY_MAX = 500
Method = Literal["CASH", "MOBILE_MONEY", "BANK_TRANSFER", "CHEQUE", "CREDIT_AGAINST_PURCHASE"]
StatusText = Literal["pending", "scheduled", "processing", "settled", "failed", "disputed"]
SourceText = Literal["in_hand", "credit", "purchase"]
Degrees = Annotated[
    str,
    Meta(
        pattern=r"^-?[0-9]{1,3}(\.[0-9]{1,6})?$",
        description="Degrees as text, with up to six digits behind the point.",
        examples=["6.524400"],
    ),
]
Uuid = Annotated[
    str,
    Meta(
        pattern="^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$",
        description="A UUID of yours.",
        examples=["0193457e-1b7c-7d2c-8a35-9f1f6b7a2c11"],
    ),
]
Collector = Annotated[
    str,
    Meta(
        pattern="^(ptn_[0-7][0-9a-hjkmnp-tv-z]{25}|[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12})$",
        description="Who collected: a partner, or a UUID of yours.",
        examples=["ptn_01jd3m8q4vv8k8x2n0c5t7yh6r"],
    ),
]
FactText = Annotated[str, Meta(min_length=1, max_length=200)]
Facts = Annotated[list[FactText], Meta(max_length=100)]
BatchId = Annotated[
    str,
    Meta(
        pattern="^stl_[0-7][0-9a-hjkmnp-tv-z]{25}$",
        description="A settlement batch.",
        examples=["stl_01jd3m8q4vv8k8x2n0c5t7yh6r"],
    ),
]


class PointIn(In):
    """Where something was collected."""

    latitude: Degrees
    longitude: Degrees


class RecordCollectionIn(In):
    """Money that was collected.

    Without `atc_grant_id` the grant is found: the only one in force that covers this, among those of `collector_id`, or
    of `collected_by` where that is a partner. `payment_reference` of mobile money and transfers: the virtual account
    credit by which the payer has paid us; without one the collector has the money. What is paid for (`product_ids` to
    `order_type`) is compared with the scope of the grant.
    """

    collected_from_id: PartnerId
    collection_method: Method
    amount: AmountIn
    reference: Reference | None = None
    atc_grant_id: GrantId | None = None
    collector_id: PartnerId | None = None
    currency: Currency | None = None
    payment_reference: Annotated[str, Meta(min_length=1, max_length=128)] | None = None
    order_id: Uuid | None = None
    invoice_id: Uuid | None = None
    collection_point: PointIn | None = None
    collected_by: Collector | None = None
    notes: Annotated[str, Meta(max_length=1_000)] | None = None
    product_ids: Facts = msgspec.field(default_factory=list)
    product_categories: Facts = msgspec.field(default_factory=list)
    customer_tier: FactText | None = None
    zone: FactText | None = None
    order_type: FactText | None = None


class RecordCollectionsIn(In):
    """Up to 500 collections, each for itself."""

    collections: Annotated[list[RecordCollectionIn], Meta(min_length=1, max_length=MANY_MAX)]


class ReverseCollectionIn(In):
    """Why."""

    reason: Annotated[str, Meta(min_length=1, max_length=500, description="Kept with the collection for ever.")]


class CollectionsIn(ListIn):
    """Which collections; `created_from` inclusive, `created_to` exclusive."""

    reference: Annotated[str, Meta(min_length=1, max_length=66)] | None = None
    grant: GrantId | None = None
    collector: PartnerId | None = None
    payer: PartnerId | None = None
    settlement_batch: BatchId | None = None
    settlement_status: StatusText | None = None
    created_from: Instant | None = None
    created_to: Instant | None = None


class PointOut(Out):
    """Where something was collected."""

    latitude: str
    longitude: str


class CollectionOut(Out):
    """What was collected at one level: 0 is the collector's, each level up has collected what the one below passes on.

    `net_amount` of the top level is what the root grantor is due. `funded_at`: since when all of the money is with us;
    null: some of it is in the collector's hand. A collection that was taken back has `reversed_at`.
    """

    id: str
    reference: str
    level: int
    is_top: bool
    root_collection_id: str
    parent_collection_id: str | None
    atc_grant_id: str
    collector_id: str
    collected_from_id: str
    collection_method: Method
    payment_reference: str | None
    source: SourceText
    credit_id: str | None
    currency: str
    gross_amount: AmountOut
    commission_amount: AmountOut
    net_amount: AmountOut
    remitted_amount: AmountOut
    order_id: str | None
    invoice_id: str | None
    collected_on: str
    due_on: str
    settlement_status: StatusText
    settlement_batch_id: str | None
    settled_at: Instant | None
    funded_at: Instant | None
    collection_point: PointOut | None
    collected_by: str | None
    notes: str | None
    transaction_id: str
    recorded_by: str
    created_at: Instant
    reversed_at: Instant | None
    reversed_by: str | None
    reversal_reason: str | None
    reversal_transaction_id: str | None


class CollectionLevelsOut(CollectionOut):
    """The collector's level of a collection, and all levels from it up to the root grant."""

    levels: list[CollectionOut]


class RecordedOut(Out, omit_defaults=True):
    """What became of one item."""

    outcome: Literal["recorded", "refused"]
    replayed: bool = False
    collection: CollectionLevelsOut | None = None
    problem: dict[str, Any] | None = None


class RecordedManyOut(Out):
    """A result for each item, in their order."""

    recorded: int
    refused: int
    results: list[RecordedOut]


def command_in(body: RecordCollectionIn, reference: str) -> RecordCollection:
    """What is to be recorded. `reference`: of those who name none. Raises: MalformedId, MalformedAmount."""
    point = body.collection_point
    return RecordCollection(
        reference=body.reference or reference,
        amount_minor=parse_amount(body.amount),
        collected_from_id=ids.parse("ptn", body.collected_from_id),
        method=CollectionType(body.collection_method),
        grant_id=parse_id("atc", body.atc_grant_id),
        grantee_id=parse_id("ptn", body.collector_id),
        currency=body.currency,
        payment_reference=body.payment_reference,
        order_id=_uuid(body.order_id),
        invoice_id=_uuid(body.invoice_id),
        point=None if point is None else GeoPoint(Decimal(point.latitude), Decimal(point.longitude)),
        collected_by=_uuid(body.collected_by),
        notes=body.notes,
        facts=facts_in(body.product_ids, body.product_categories, body.customer_tier, body.zone, body.order_type),
    )


def facts_in(
    products: Sequence[str], categories: Sequence[str], tier: str | None, zone: str | None, order_type: str | None
) -> tuple[tuple[ScopeType, tuple[str, ...]], ...]:
    """What is paid for, by the kind of scope it is compared with; what is not told is left out."""
    told: dict[ScopeType, Sequence[str]] = {
        ScopeType.PRODUCT_ID: products,
        ScopeType.PRODUCT_CATEGORY: categories,
        ScopeType.CUSTOMER_TIER: [] if tier is None else [tier],
        ScopeType.GEOGRAPHIC_ZONE: [] if zone is None else [zone],
        ScopeType.ORDER_TYPE: [] if order_type is None else [order_type],
    }
    return tuple((kind, tuple(values)) for kind, values in told.items() if values)


def _uuid(text: str | None) -> UUID | None:
    if text is None:
        return None
    return ids.parse("ptn", text) if text.startswith("ptn_") else UUID(text)


def collection_out(one: Collection) -> CollectionOut:
    """One level as shown."""
    return CollectionOut(**_members(one))


def levels_out(levels: Sequence[Collection]) -> CollectionLevelsOut:
    """A collection with all its levels, as shown."""
    return CollectionLevelsOut(**_members(levels[0]), levels=[collection_out(one) for one in levels])


def _members(one: Collection) -> dict[str, Any]:
    return {
        "id": ids.show("col", one.collection_id),
        "reference": one.reference,
        "level": one.level,
        "is_top": one.is_top,
        "root_collection_id": ids.show("col", one.root_collection_id),
        "parent_collection_id": show_id("col", one.parent_collection_id),
        "atc_grant_id": ids.show("atc", one.grant_id),
        "collector_id": ids.show("ptn", one.grantee_id),
        "collected_from_id": ids.show("ptn", one.collected_from_id),
        "collection_method": one.method.value,
        "payment_reference": one.payment_reference,
        "source": one.source.value,
        "credit_id": show_id("crd", one.credit_id),
        "currency": one.currency,
        "gross_amount": json_amount(one.gross_minor),
        "commission_amount": json_amount(one.commission_minor),
        "net_amount": json_amount(one.net_minor),
        "remitted_amount": json_amount(one.remitted_minor),
        "order_id": None if one.order_id is None else str(one.order_id),
        "invoice_id": None if one.invoice_id is None else str(one.invoice_id),
        "collected_on": one.collected_on.isoformat(),
        "due_on": one.due_on.isoformat(),
        "settlement_status": one.settlement_status.value,
        "settlement_batch_id": show_id("stl", one.settlement_batch_id),
        "settled_at": one.settled_at,
        "funded_at": one.funded_at,
        "collection_point": _point_out(one.point),
        "collected_by": None if one.collected_by is None else str(one.collected_by),
        "notes": one.notes,
        "transaction_id": ids.show("txn", one.transaction_id),
        "recorded_by": one.recorded_by,
        "created_at": one.created_at,
        "reversed_at": one.reversed_at,
        "reversed_by": one.reversed_by,
        "reversal_reason": one.reversal_reason,
        "reversal_transaction_id": show_id("txn", one.reversal_transaction_id),
    }


def _point_out(point: GeoPoint | None) -> PointOut | None:
    if point is None:
        return None
    return PointOut(latitude=f"{point.latitude:.6f}", longitude=f"{point.longitude:.6f}")


BODY = {
    "reference": "van-7-0042", "atc_grant_id": "atc_01jd3m8q4vv8k8x2n0c5t7yh6r",
    "collected_from_id": "ptn_01jd3m8q4vv8k8x2n0c5t7yh6r", "collection_method": "CASH", "amount": 5000000,
    "collection_point": {"latitude": "6.524400", "longitude": "3.379200"}, "notes": "two crates",
}  # fmt: skip
EXAMPLE_LEVEL = {
    "id": "col_01jd3m8q4vv8k8x2n0c5t7yh6r", "reference": "van-7-0042", "level": 0, "is_top": True,
    "root_collection_id": "col_01jd3m8q4vv8k8x2n0c5t7yh6r", "parent_collection_id": None,
    "atc_grant_id": "atc_01jd3m8q4vv8k8x2n0c5t7yh6r", "collector_id": "ptn_01jd3m8q4vv8k8x2n0c5t7yh6s",
    "collected_from_id": "ptn_01jd3m8q4vv8k8x2n0c5t7yh6r", "collection_method": "CASH", "payment_reference": None,
    "source": "in_hand", "credit_id": None, "currency": "NGN", "gross_amount": 5000000, "commission_amount": 125000,
    "net_amount": 4875000, "remitted_amount": 0, "order_id": None, "invoice_id": None, "collected_on": "2026-11-21",
    "due_on": "2026-11-23", "settlement_status": "pending", "settlement_batch_id": None, "settled_at": None,
    "funded_at": None, "collection_point": {"latitude": "6.524400", "longitude": "3.379200"}, "collected_by": None,
    "notes": "two crates", "transaction_id": "txn_01jd3m8q4vv8k8x2n0c5t7yh6r",
    "recorded_by": "key_01jd3m8q4vv8k8x2n0c5t7yh6r", "created_at": "2026-11-21T08:00:00Z", "reversed_at": None,
    "reversed_by": None, "reversal_reason": None, "reversal_transaction_id": None,
}  # fmt: skip
EXAMPLE = EXAMPLE_LEVEL | {"levels": [EXAMPLE_LEVEL]}
REVERSED = {
    "settlement_status": "failed", "reversed_at": "2026-11-21T09:00:00Z",
    "reversed_by": "usr_01jd3m8q4vv8k8x2n0c5t7yh6r", "reversal_reason": "the cheque bounced",
    "reversal_transaction_id": "txn_01jd3m8q4vv8k8x2n0c5t7yh6s",
}  # fmt: skip

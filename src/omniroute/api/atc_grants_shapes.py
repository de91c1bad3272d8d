"""What authority to collect looks like over HTTP."""

from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from omniroute.api.partners import PartnerId, account_out
from omniroute.api.payments_shapes import PayeeIn, PayeeOut, Reference, payee_in
from omniroute.api.shapes import AmountIn, AmountOut, Currency, In, Instant, ListIn, Out, show_id
from omniroute.kit import ids
from omniroute.kit.money import json_amount, parse_amount
from omniroute.money.atc import (
    CollectionType,
    Commission,
    CommissionTier,
    CommissionType,
    CreateGrant,
    Frequency,
    Grant,
    ScopeConfig,
    ScopeKind,
    ScopeType,
    SettlementTerms,
)

Scope = Literal["ALL_PRODUCTS", "PRODUCT_CATEGORY", "SPECIFIC_PRODUCTS", "SPECIFIC_CUSTOMERS", "GEOGRAPHIC_AREA"]
Narrowing = Literal["PRODUCT_ID", "PRODUCT_CATEGORY", "CUSTOMER_ID", "CUSTOMER_TIER", "GEOGRAPHIC_ZONE", "ORDER_TYPE"]
Means = Literal["CASH", "MOBILE_MONEY", "BANK_TRANSFER", "CHEQUE", "CREDIT_AGAINST_PURCHASE", "ALL_METHODS"]
CommissionKind = Literal["PERCENTAGE", "FLAT_FEE", "TIERED_PERCENTAGE", "HYBRID"]
HowOften = Literal["INSTANT", "DAILY", "WEEKLY", "BIWEEKLY", "MONTHLY", "ON_DEMAND"]
StatusOut = Literal["draft", "pending_approval", "active", "suspended", "expired", "revoked"]
Rate = Annotated[
    int, Meta(ge=0, le=1_000_000, description="Parts per million: 2.5 percent are 25000.", examples=[25000])
]
GrantId = Annotated[
    str,
    Meta(
        pattern="^atc_[0-7][0-9a-hjkmnp-tv-z]{25}$",
        description="Authority to collect.",
        examples=["atc_01jd3m8q4vv8k8x2n0c5t7yh6r"],
    ),
]
Reason = Annotated[str, Meta(min_length=1, max_length=500, description="Kept with the grant for ever.")]


class AtcScopeIn(In):
    """What is collected for must be one of these. A `CUSTOMER_ID` is a partner: `ptn_` or a UUID."""

    scope_type: Narrowing
    scope_values: Annotated[
        list[Annotated[str, Meta(min_length=1, max_length=200)]], Meta(min_length=1, max_length=1_000)
    ]


class AtcTierIn(In):
    """The rate of collections from `min_amount` to `max_amount`; the last has no `max_amount`."""

    min_amount: AmountIn
    commission_rate_ppm: Rate
    max_amount: AmountIn | None = None


class CreateAtcGrantIn(In):
    """Authority to be given. With `parent_atc_id` the grantor passes on what that grant gave it.

    `max_amount`: of one collection; `cumulative_limit`: of all of them. `settlement_account` left out: where the
    grantor is paid anyway. `settlement_day`: of the week (Monday is 1) or of the month (31: its last).
    """

    grantor_id: PartnerId
    grantee_id: PartnerId
    scope: Scope
    collection_type: Means
    currency: Currency
    commission_type: CommissionKind
    settlement_frequency: HowOften
    reference: Reference | None = None
    parent_atc_id: GrantId | None = None
    scope_config: Annotated[list[AtcScopeIn], Meta(max_length=6)] = msgspec.field(default_factory=list)
    max_amount: AmountIn | None = None
    cumulative_limit: AmountIn | None = None
    commission_rate_ppm: Rate | None = None
    commission_flat: AmountIn | None = None
    min_commission: AmountIn | None = None
    max_commission: AmountIn | None = None
    commission_tiers: Annotated[list[AtcTierIn], Meta(max_length=50)] = msgspec.field(default_factory=list)
    settlement_day: Annotated[int, Meta(ge=1, le=31)] | None = None
    settlement_delay_days: Annotated[int, Meta(ge=0, le=365)] = 0
    settlement_account: PayeeIn | None = None
    effective_from: Instant | None = None
    effective_to: Instant | None = None
    terms_document_url: Annotated[str, Meta(min_length=1, max_length=2_000)] | None = None
    draft: bool = False


class TurnAtcGrantIn(In):
    """Nothing is to be said."""


class AtcGrantReasonIn(In):
    """Why."""

    reason: Reason


class SuspendAtcGrantIn(In):
    """Why, if you like."""

    reason: Reason | None = None


class AtcGrantsIn(ListIn):
    """Which grants."""

    status: StatusOut | None = None
    grantor: PartnerId | None = None
    grantee: PartnerId | None = None
    parent: GrantId | None = None


class AtcScopeOut(Out):
    """What is collected for must be one of these."""

    scope_type: Narrowing
    scope_values: list[str]


class AtcTierOut(Out):
    """The rate of collections of this size; a border belongs to the lower tier."""

    tier_number: int
    min_amount: AmountOut
    max_amount: AmountOut | None
    commission_rate_ppm: int


class AtcGrantOut(Out):
    """Authority to collect as it stands. `cumulative_collected`: what the books say was collected under it; null for
    who is bound to branches."""

    id: str
    reference: str
    status: StatusOut
    status_reason: str | None
    grantor_id: str
    grantee_id: str
    scope: Scope
    scope_config: list[AtcScopeOut]
    collection_type: Means
    currency: str
    max_amount: AmountOut | None
    cumulative_limit: AmountOut | None
    cumulative_collected: AmountOut | None
    commission_type: CommissionKind
    commission_rate_ppm: int
    commission_flat: AmountOut
    min_commission: AmountOut | None
    max_commission: AmountOut | None
    commission_tiers: list[AtcTierOut]
    settlement_frequency: HowOften
    settlement_day: int | None
    settlement_delay_days: int
    settlement_account: PayeeOut | None
    effective_from: Instant
    effective_to: Instant | None
    parent_atc_id: str | None
    depth: int
    terms_document_url: str | None
    created_by: str
    approved_by: str | None
    approved_at: Instant | None
    ended_at: Instant | None
    created_at: Instant
    updated_at: Instant
    version: int


class AtcHierarchyOut(Out):
    """Grants, parents before children."""

    items: list[AtcGrantOut]


class AtcRevokedOut(Out):
    """What was revoked: the grant itself first, then what hung below it."""

    items: list[AtcGrantOut]


def _minor(amount: int | str | None) -> int | None:
    return None if amount is None else parse_amount(amount)


def grant_in(body: CreateAtcGrantIn) -> CreateGrant:
    """A grant as the service takes it.

    Raises: MalformedId, MalformedAmount, and what institutions refuse of a payee.
    """
    account = body.settlement_account
    tiers = [
        CommissionTier(number, parse_amount(one.min_amount), _minor(one.max_amount), one.commission_rate_ppm)
        for number, one in enumerate(body.commission_tiers, 1)
    ]
    return CreateGrant(
        grantor_id=ids.parse("ptn", body.grantor_id),
        grantee_id=ids.parse("ptn", body.grantee_id),
        scope=ScopeKind(body.scope),
        collection_type=CollectionType(body.collection_type),
        currency=body.currency,
        commission=Commission(
            CommissionType(body.commission_type),
            body.commission_rate_ppm or 0,
            _minor(body.commission_flat) or 0,
            _minor(body.min_commission),
            _minor(body.max_commission),
            tuple(tiers),
        ),
        settlement=SettlementTerms(
            Frequency(body.settlement_frequency),
            body.settlement_day,
            body.settlement_delay_days,
            None if account is None else payee_in(account, body.currency),
        ),
        scopes=tuple(ScopeConfig(ScopeType(one.scope_type), tuple(one.scope_values)) for one in body.scope_config),
        max_amount_minor=_minor(body.max_amount),
        cumulative_limit_minor=_minor(body.cumulative_limit),
        effective_from=body.effective_from,
        effective_to=body.effective_to,
        parent_id=None if body.parent_atc_id is None else ids.parse("atc", body.parent_atc_id),
        reference=body.reference,
        terms_document_url=body.terms_document_url,
        is_draft=body.draft,
    )


def _shown(minor: int | None) -> int | str | None:
    return None if minor is None else json_amount(minor)


def grant_out(grant: Grant, collected_minor: int | None) -> AtcGrantOut:
    """A grant as shown."""
    terms, settlement = grant.commission, grant.settlement
    return AtcGrantOut(
        id=ids.show("atc", grant.grant_id),
        reference=grant.reference,
        status=grant.status.value,
        status_reason=grant.status_reason,
        grantor_id=ids.show("ptn", grant.grantor_id),
        grantee_id=ids.show("ptn", grant.grantee_id),
        scope=grant.scope.value,
        scope_config=[
            AtcScopeOut(scope_type=one.scope_type.value, scope_values=list(one.scope_values)) for one in grant.scopes
        ],
        collection_type=grant.collection_type.value,
        currency=grant.currency,
        max_amount=_shown(grant.max_amount_minor),
        cumulative_limit=_shown(grant.cumulative_limit_minor),
        cumulative_collected=_shown(collected_minor),
        commission_type=terms.type.value,
        commission_rate_ppm=terms.rate_ppm,
        commission_flat=json_amount(terms.flat_minor),
        min_commission=_shown(terms.min_minor),
        max_commission=_shown(terms.max_minor),
        commission_tiers=[
            AtcTierOut(
                tier_number=one.tier_number,
                min_amount=json_amount(one.min_minor),
                max_amount=_shown(one.max_minor),
                commission_rate_ppm=one.rate_ppm,
            )
            for one in terms.tiers
        ],
        settlement_frequency=settlement.frequency.value,
        settlement_day=settlement.day,
        settlement_delay_days=settlement.delay_days,
        settlement_account=account_out(settlement.account),
        effective_from=grant.effective_from,
        effective_to=grant.effective_to,
        parent_atc_id=show_id("atc", grant.parent_id),
        depth=grant.depth,
        terms_document_url=grant.terms_document_url,
        created_by=grant.created_by,
        approved_by=grant.approved_by,
        approved_at=grant.approved_at,
        ended_at=grant.ended_at,
        created_at=grant.created_at,
        updated_at=grant.updated_at,
        version=grant.version,
    )


BODY: dict[str, Any] = {
    "grantor_id": "ptn_01jd3m8q4vv8k8x2n0c5t7yh6r", "grantee_id": "ptn_01jd3m8q4vv8k8x2n0c5t7yh6s",
    "scope": "PRODUCT_CATEGORY", "scope_config": [{"scope_type": "PRODUCT_CATEGORY", "scope_values": ["flour"]}],
    "collection_type": "CASH", "currency": "NGN", "max_amount": 5000000, "commission_type": "PERCENTAGE",
    "commission_rate_ppm": 25000, "settlement_frequency": "WEEKLY", "settlement_day": 5, "settlement_delay_days": 1,
}  # fmt: skip
EXAMPLE: dict[str, Any] = BODY | {
    "id": "atc_01jd3m8q4vv8k8x2n0c5t7yh6r", "reference": "ATC-2N0C5T7YH6R0", "status": "pending_approval",
    "status_reason": None, "cumulative_limit": None, "cumulative_collected": 0, "commission_flat": 0,
    "min_commission": None, "max_commission": None, "commission_tiers": [],
    "settlement_account": {"kind": "bank_account", "identifier": "0123456785", "institution": "000013",
                           "name": "Kano Mills Ltd", "country": "NG", "account": None},
    "effective_from": "2026-11-21T08:00:00Z", "effective_to": None, "parent_atc_id": None, "depth": 0,
    "terms_document_url": None, "created_by": "usr_01jd3m8q4vv8k8x2n0c5t7yh6r", "approved_by": None,
    "approved_at": None, "ended_at": None, "created_at": "2026-11-21T08:00:00Z", "updated_at": "2026-11-21T08:00:00Z",
    "version": 1,
}  # fmt: skip
ACTIVE: dict[str, Any] = {
    "status": "active", "approved_by": "usr_01jd3m8q4vv8k8x2n0c5t7yh6s", "approved_at": "2026-11-21T09:00:00Z",
    "updated_at": "2026-11-21T09:00:00Z", "version": 2,
}  # fmt: skip
REVOKED: dict[str, Any] = ACTIVE | {
    "status": "revoked", "status_reason": "moved away", "ended_at": "2026-11-21T10:00:00Z",
    "updated_at": "2026-11-21T10:00:00Z", "version": 3,
}  # fmt: skip

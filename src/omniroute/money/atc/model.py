"""The nouns of authority to collect. Frozen; no I/O. Amounts are integers in minor units, rates parts per million."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from uuid import UUID

from omniroute.money.atc.commission import Commission
from omniroute.parties.partners import PartnerKind
from omniroute.ports.rails import Party

DEPTH_MAX = 8
"""So many grants may hang below each other, the first counted."""
TIERS_MAX = 50
SCOPE_VALUES_MAX = 1_000
DELAY_DAYS_MAX = 365
REFERENCE_MAX = 64

PARTY_KINDS = frozenset(
    {
        PartnerKind.MANUFACTURER,
        PartnerKind.DISTRIBUTOR,
        PartnerKind.WHOLESALER,
        PartnerKind.RETAILER,
        PartnerKind.WORKER,
        PartnerKind.PLATFORM,
    }
)
"""Partners who may give and receive authority."""


class ScopeKind(StrEnum):
    """What a grantee may collect for."""

    ALL_PRODUCTS = "ALL_PRODUCTS"
    PRODUCT_CATEGORY = "PRODUCT_CATEGORY"
    SPECIFIC_PRODUCTS = "SPECIFIC_PRODUCTS"
    SPECIFIC_CUSTOMERS = "SPECIFIC_CUSTOMERS"
    GEOGRAPHIC_AREA = "GEOGRAPHIC_AREA"


class ScopeType(StrEnum):
    """By what a scope is narrowed."""

    PRODUCT_ID = "PRODUCT_ID"
    PRODUCT_CATEGORY = "PRODUCT_CATEGORY"
    CUSTOMER_ID = "CUSTOMER_ID"  # A partner: its UUID.
    CUSTOMER_TIER = "CUSTOMER_TIER"
    GEOGRAPHIC_ZONE = "GEOGRAPHIC_ZONE"
    ORDER_TYPE = "ORDER_TYPE"


class CollectionType(StrEnum):
    """By which means is collected. ALL_METHODS is an answer of grants only: each collection has one means."""

    CASH = "CASH"
    MOBILE_MONEY = "MOBILE_MONEY"
    BANK_TRANSFER = "BANK_TRANSFER"
    CHEQUE = "CHEQUE"
    CREDIT_AGAINST_PURCHASE = "CREDIT_AGAINST_PURCHASE"
    ALL_METHODS = "ALL_METHODS"


class Frequency(StrEnum):
    """When the grantor is paid."""

    INSTANT = "INSTANT"
    DAILY = "DAILY"
    WEEKLY = "WEEKLY"
    BIWEEKLY = "BIWEEKLY"
    MONTHLY = "MONTHLY"
    ON_DEMAND = "ON_DEMAND"


DAYS: Mapping[Frequency, int] = {Frequency.WEEKLY: 7, Frequency.BIWEEKLY: 7, Frequency.MONTHLY: 31}
"""Frequencies that have a day, and the last it may be: of the week (Monday is 1), or of the month (31: its last)."""


class GrantStatus(StrEnum):
    """Where a grant stands. `draft` was not sent to approval yet; expired and revoked are final."""

    DRAFT = "draft"
    PENDING_APPROVAL = "pending_approval"
    ACTIVE = "active"
    SUSPENDED = "suspended"
    EXPIRED = "expired"
    REVOKED = "revoked"


ENDED = (GrantStatus.EXPIRED, GrantStatus.REVOKED)
LIVE = (GrantStatus.PENDING_APPROVAL, GrantStatus.ACTIVE, GrantStatus.SUSPENDED)
"""Grants that nothing else may overlap with."""


@dataclass(frozen=True, slots=True)
class ScopeConfig:
    """One way in which a scope is narrowed: what is collected for must be one of these. Values are sorted."""

    scope_type: ScopeType
    scope_values: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class SettlementTerms:
    """When and where the grantor is paid. `day` as in DAYS; `delay_days` after a collection it becomes due.

    `account` None: where the grantor is paid anyway.
    """

    frequency: Frequency
    day: int | None = None
    delay_days: int = 0
    account: Party | None = None


@dataclass(frozen=True, slots=True)
class CreateGrant:
    """Authority that is to be given. `effective_from` None: from now on; `reference` None: we make one.

    With a `parent_id` the grantor passes on what that grant gave it; without, it gives what is its own.
    """

    grantor_id: UUID
    grantee_id: UUID
    scope: ScopeKind
    collection_type: CollectionType
    currency: str
    commission: Commission
    settlement: SettlementTerms
    scopes: tuple[ScopeConfig, ...] = ()
    max_amount_minor: int | None = None
    cumulative_limit_minor: int | None = None
    effective_from: datetime | None = None
    effective_to: datetime | None = None
    parent_id: UUID | None = None
    reference: str | None = None
    terms_document_url: str | None = None
    is_draft: bool = False


@dataclass(frozen=True, slots=True)
class Grant:
    """Authority to collect. What it says never changes; where it stands does.

    `collected_account_id` is the ledger account of what was collected under it, open from its approval on. It is in
    force from `effective_from` to just before `effective_to`. `depth`: how many grants are above it.
    """

    grant_id: UUID
    reference: str
    grantor_id: UUID
    grantee_id: UUID
    scope: ScopeKind
    scopes: tuple[ScopeConfig, ...]
    collection_type: CollectionType
    currency: str
    max_amount_minor: int | None
    cumulative_limit_minor: int | None
    collected_account_id: UUID
    commission: Commission
    settlement: SettlementTerms
    status: GrantStatus
    status_reason: str | None
    effective_from: datetime
    effective_to: datetime | None
    parent_id: UUID | None
    depth: int
    terms_document_url: str | None
    created_by: str
    approved_by: str | None
    approved_at: datetime | None
    ended_at: datetime | None
    created_at: datetime
    updated_at: datetime
    version: int

    def is_in_force(self, at: datetime) -> bool:
        """Whether something may be collected under it at this time, its parents apart."""
        return (
            self.status is GrantStatus.ACTIVE
            and self.effective_from <= at
            and (self.effective_to is None or at < self.effective_to)
        )


def collected_code(grant_id: UUID) -> str:
    """The ledger account of what was collected under a grant; its ceiling is the cumulative limit."""
    return f"atc:{grant_id}:collected"


def collected_contra_code(currency: str) -> str:
    """The ledger account that stands against what was collected under all grants."""
    return f"atc:collected:{currency}"

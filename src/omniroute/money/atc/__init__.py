"""Authority to collect: who may collect money for whom, of what, by which means, and what it earns.

    draft -> pending_approval -> active <-> suspended;  each of them -> expired | revoked

A grant is written by one person and approved by another. Its terms never change: other terms are another grant. Its
grantee may pass on what it was given, or a part of it, as a child of the grant; revoking a grant revokes its children.
What was collected under it stands on its ledger account, whose ceiling is the cumulative limit.
"""

from omniroute.money.atc.commission import (
    RATE_UNIT,
    Commission,
    CommissionTier,
    CommissionType,
    commission_of,
)
from omniroute.money.atc.model import (
    DAYS,
    DEPTH_MAX,
    ENDED,
    LIVE,
    PARTY_KINDS,
    CollectionType,
    CreateGrant,
    Frequency,
    Grant,
    GrantStatus,
    ScopeConfig,
    ScopeKind,
    ScopeType,
    SettlementTerms,
    collected_code,
    collected_contra_code,
)

__all__ = [
    "DAYS",
    "DEPTH_MAX",
    "ENDED",
    "LIVE",
    "PARTY_KINDS",
    "RATE_UNIT",
    "CollectionType",
    "Commission",
    "CommissionTier",
    "CommissionType",
    "CreateGrant",
    "Frequency",
    "Grant",
    "GrantStatus",
    "ScopeConfig",
    "ScopeKind",
    "ScopeType",
    "SettlementTerms",
    "collected_code",
    "collected_contra_code",
    "commission_of",
]

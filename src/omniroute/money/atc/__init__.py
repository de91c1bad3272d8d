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
from omniroute.money.atc.expiring import GrantExpirer
from omniroute.money.atc.grants import (
    create_grant,
    find_collected,
    find_grant,
    find_grants,
    find_line,
    find_tree,
    list_grants,
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
from omniroute.money.atc.standing import (
    approve_grant,
    reject_grant,
    resume_grant,
    revoke_grant,
    submit_grant,
    suspend_grant,
)
from omniroute.money.atc.store import GRANTS

__all__ = [
    "DAYS",
    "DEPTH_MAX",
    "ENDED",
    "GRANTS",
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
    "GrantExpirer",
    "GrantStatus",
    "ScopeConfig",
    "ScopeKind",
    "ScopeType",
    "SettlementTerms",
    "approve_grant",
    "collected_code",
    "collected_contra_code",
    "commission_of",
    "create_grant",
    "find_collected",
    "find_grant",
    "find_grants",
    "find_line",
    "find_tree",
    "list_grants",
    "reject_grant",
    "resume_grant",
    "revoke_grant",
    "submit_grant",
    "suspend_grant",
]

"""Authority to collect: who may collect money for whom, of what, by which means, and what it earns.

    draft -> pending_approval -> active <-> suspended;  each of them -> expired | revoked

A grant is written by one person and approved by another. Its terms never change: other terms are another grant. Its
grantee may pass on what it was given, or a part of it, as a child of the grant; revoking a grant revokes its children.
What was collected under it stands on its ledger account, whose ceiling is the cumulative limit.

    collection    recorded -> scheduled -> processing -> settled | reversed (while it is in no settlement)

A collection has a level for each grant from the collector's up to the root: each has for gross what the one below
passes on, keeps its commission, and the root grantor is owed the rest.
"""

from omniroute.money.atc.collecting import record_collections
from omniroute.money.atc.collections_model import (
    Collection,
    CollectionRequest,
    GeoPoint,
    NotRecorded,
    RecordCollection,
    Recorded,
    RecordOutcome,
    SettlementStatus,
    Source,
    collection_key,
)
from omniroute.money.atc.collections_reading import find_collection, list_collections
from omniroute.money.atc.collections_store import COLLECTIONS
from omniroute.money.atc.commission import (
    RATE_UNIT,
    Commission,
    CommissionTier,
    CommissionType,
    commission_of,
)
from omniroute.money.atc.expiring import GrantExpirer
from omniroute.money.atc.funding import (
    Allocation,
    allocate_remittance,
    follow_batch,
    lock_due_collections,
    place_in_batch,
)
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
from omniroute.money.atc.recorder import Recorder
from omniroute.money.atc.reversing import reverse_collection
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
    "COLLECTIONS",
    "DAYS",
    "DEPTH_MAX",
    "ENDED",
    "GRANTS",
    "LIVE",
    "PARTY_KINDS",
    "RATE_UNIT",
    "Allocation",
    "Collection",
    "CollectionRequest",
    "CollectionType",
    "Commission",
    "CommissionTier",
    "CommissionType",
    "CreateGrant",
    "Frequency",
    "GeoPoint",
    "Grant",
    "GrantExpirer",
    "GrantStatus",
    "NotRecorded",
    "RecordCollection",
    "RecordOutcome",
    "Recorded",
    "Recorder",
    "ScopeConfig",
    "ScopeKind",
    "ScopeType",
    "SettlementStatus",
    "SettlementTerms",
    "Source",
    "allocate_remittance",
    "approve_grant",
    "collected_code",
    "collected_contra_code",
    "collection_key",
    "commission_of",
    "create_grant",
    "find_collected",
    "find_collection",
    "find_grant",
    "find_grants",
    "find_line",
    "find_tree",
    "follow_batch",
    "list_collections",
    "list_grants",
    "lock_due_collections",
    "place_in_batch",
    "record_collections",
    "reject_grant",
    "resume_grant",
    "reverse_collection",
    "revoke_grant",
    "submit_grant",
    "suspend_grant",
]

"""The nouns of partners. Frozen; no I/O."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from uuid import UUID

from omniroute.ports.rails import Party


class PartnerKind(StrEnum):
    """What somebody is to the network."""

    MANUFACTURER = "MANUFACTURER"
    DISTRIBUTOR = "DISTRIBUTOR"
    WHOLESALER = "WHOLESALER"
    RETAILER = "RETAILER"
    WORKER = "WORKER"
    PLATFORM = "PLATFORM"
    CUSTOMER = "CUSTOMER"
    SUPPLIER = "SUPPLIER"
    GROUP = "GROUP"


class PartnerStatus(StrEnum):
    """Closed is final: nothing new is begun with a closed partner."""

    ACTIVE = "active"
    CLOSED = "closed"


@dataclass(frozen=True, slots=True)
class CreatePartner:
    """A new partner. `account`: where it is paid, in the form payments know (normalised by the caller)."""

    code: str
    kind: PartnerKind
    name: str
    phone: str | None = None
    email: str | None = None
    account: Party | None = None
    external_refs: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ReplacePartner:
    """The partner as it shall be. Code and kind never change."""

    name: str
    phone: str | None = None
    email: str | None = None
    account: Party | None = None
    external_refs: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Partner:
    """Who trades with the organisation. `external_refs`: what other systems call it; `version` is its ETag."""

    partner_id: UUID
    code: str
    kind: PartnerKind
    name: str
    phone: str | None
    email: str | None
    account: Party | None
    external_refs: Mapping[str, str]
    status: PartnerStatus
    version: int
    created_at: datetime
    updated_at: datetime

    @property
    def is_active(self) -> bool:
        """Whether something new may be begun with it."""
        return self.status is PartnerStatus.ACTIVE

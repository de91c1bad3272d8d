"""Nouns of tenants: organisations with their settings and branding, branches, applications, links. Frozen; no I/O."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

PLATFORM_ID = UUID("00000000-0000-7000-8000-000000000001")
"""The platform's own organisation."""


class Status(StrEnum):
    """Whether an organisation may act. Closed is final."""

    ACTIVE = "active"
    SUSPENDED = "suspended"
    CLOSED = "closed"


NEXT: dict[Status, frozenset[Status]] = {
    Status.ACTIVE: frozenset({Status.SUSPENDED, Status.CLOSED}),
    Status.SUSPENDED: frozenset({Status.ACTIVE, Status.CLOSED}),
    Status.CLOSED: frozenset(),
}
assert NEXT.keys() == set(Status)


class LinkStatus(StrEnum):
    """The life of a link. It permits nothing unless approved."""

    REQUESTED = "requested"
    APPROVED = "approved"
    REJECTED = "rejected"
    WITHDRAWN = "withdrawn"
    ENDED = "ended"


LINK_NEXT: dict[LinkStatus, frozenset[LinkStatus]] = {
    LinkStatus.REQUESTED: frozenset({LinkStatus.APPROVED, LinkStatus.REJECTED, LinkStatus.WITHDRAWN}),
    LinkStatus.APPROVED: frozenset({LinkStatus.ENDED}),
    LinkStatus.REJECTED: frozenset(),
    LinkStatus.WITHDRAWN: frozenset(),
    LinkStatus.ENDED: frozenset(),
}
assert LINK_NEXT.keys() == set(LinkStatus)


class LinkScope(StrEnum):
    """What the asked organisation may permit the asking one. A link without any permits nothing."""

    CATALOG_READ = "catalog.read"
    ORDERS_PLACE = "orders.place"
    BALANCES_READ = "balances.read"
    STATEMENTS_READ = "statements.read"
    CREDIT_READ = "credit.read"
    SETTLEMENT_SHARE = "settlement.share"


@dataclass(frozen=True, slots=True)
class Settings:
    """Settings we know, with their defaults. Whatever else an organisation wants to keep goes to `custom`."""

    locale: str = "en"
    week_starts_on: str = "monday"
    business_days: tuple[str, ...] = ("monday", "tuesday", "wednesday", "thursday", "friday")
    holidays: tuple[date, ...] = ()
    session_ttl_minutes: int = 480
    invitation_ttl_hours: int = 168


@dataclass(frozen=True, slots=True)
class Branding:
    """How an organisation's pages and documents look. Colours are #rrggbb, the logo an https address."""

    name: str | None = None
    primary_colour: str | None = None
    secondary_colour: str | None = None
    logo_url: str | None = None


@dataclass(frozen=True, slots=True)
class Organisation:
    """A tenant. `time_zone` and `settings` make its business calendar; `version` is its ETag."""

    id: UUID
    slug: str
    name: str
    country: str
    currency: str
    time_zone: str
    residency: str
    status: Status
    settings: Settings
    custom: Mapping[str, Any]
    branding: Branding
    version: int
    created_at: datetime
    updated_at: datetime


@dataclass(frozen=True, slots=True)
class CreateOrganisation:
    """A new tenant. `slug` is its name in addresses (`/v1/{slug}/...`) and never changes."""

    slug: str
    name: str
    country: str
    currency: str
    time_zone: str
    residency: str = "any"
    settings: Mapping[str, Any] = field(default_factory=dict)
    custom: Mapping[str, Any] = field(default_factory=dict)
    branding: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Branch:
    """A part of an organisation; branches hang below each other."""

    id: UUID
    parent_id: UUID | None
    code: str
    name: str
    region: str | None
    status: str
    version: int
    created_at: datetime
    updated_at: datetime


@dataclass(frozen=True, slots=True)
class Application:
    """A system that works for an organisation, or for one branch of it."""

    id: UUID
    branch_id: UUID | None
    code: str
    name: str
    kind: str
    status: str
    version: int
    created_at: datetime
    updated_at: datetime


@dataclass(frozen=True, slots=True)
class Link:
    """A link as one side sees it. `relation` is what the peer is to us; `scopes` is what it permits, once approved."""

    id: UUID
    peer_id: UUID
    peer_slug: str
    peer_name: str | None
    side: str
    relation: str
    status: LinkStatus
    asked_scopes: tuple[str, ...]
    scopes: tuple[str, ...]
    note: str | None
    version: int
    requested_at: datetime
    decided_at: datetime | None
    ended_at: datetime | None

"""Nouns of webhooks: endpoints, their secrets, deliveries and attempts. Frozen; no I/O."""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from uuid import UUID

ENDPOINTS_MAX = 50
OVERLAP_MAX = timedelta(days=30)
REPLAY_MAX = 10_000
REPLY_CHARS_KEPT = 2_048


class EndpointStatus(StrEnum):
    """Active: sent to. Paused: queued, not sent. Disabled: neither. Deleted: gone for ever."""

    ACTIVE = "active"
    PAUSED = "paused"
    DISABLED = "disabled"
    DELETED = "deleted"


class DeliveryStatus(StrEnum):
    """Pending until it was taken (2xx) or every attempt has failed."""

    PENDING = "pending"
    DELIVERED = "delivered"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class SecretInfo:
    """One signing secret, without itself."""

    secret_id: UUID
    created_at: datetime
    expires_at: datetime | None


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where an organisation wants its events sent. `failing_since`: no attempt has succeeded since then."""

    endpoint_id: UUID
    url: str = field(repr=False)
    description: str
    event_types: tuple[str, ...]
    status: EndpointStatus
    status_reason: str | None
    failure_count: int
    failing_since: datetime | None
    delivered_at: datetime | None
    version: int
    created_at: datetime
    updated_at: datetime
    secrets: tuple[SecretInfo, ...] = ()


@dataclass(frozen=True, slots=True)
class IssuedEndpoint:
    """An endpoint and its new secret, which nobody can read again."""

    endpoint: Endpoint
    secret: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class CreateEndpoint:
    """A new endpoint. `event_types`: whole types, beginnings with a star (`payment.*`), or `*` for all."""

    url: str = field(repr=False)
    event_types: tuple[str, ...]
    description: str = ""
    paused: bool = False


@dataclass(frozen=True, slots=True)
class ReplaceEndpoint:
    """The endpoint as it shall be."""

    url: str = field(repr=False)
    event_types: tuple[str, ...]
    description: str
    status: EndpointStatus


@dataclass(frozen=True, slots=True)
class Delivery:
    """One event on its way to one endpoint. `position` orders the deliveries of one subject."""

    delivery_id: UUID
    endpoint_id: UUID
    event_id: UUID
    event_type: str
    event_at: datetime
    position: int
    subject: UUID
    status: DeliveryStatus
    is_manual: bool
    attempt_count: int
    next_attempt_at: datetime | None
    last_status: int | None
    last_reason: str | None
    created_at: datetime
    finished_at: datetime | None


@dataclass(frozen=True, slots=True)
class Attempt:
    """One try. `status` None: no whole reply came, and `reason` says why. `reply`: its first 2,048 characters."""

    number: int
    started_at: datetime
    duration_ms: int
    status: int | None
    reason: str | None
    reply: str | None

"""Facts of webhook endpoints. None of them tells a secret, or the address: it may hold one."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar
from uuid import UUID

from omniroute.infra.events import Event


@dataclass(frozen=True, slots=True)
class EndpointEvent(Event):
    """A webhook endpoint and how it stands."""

    subject_prefix: ClassVar[str] = "whe"
    id_prefixes: ClassVar[Mapping[str, str]] = {"endpoint_id": "whe"}
    endpoint_id: UUID
    description: str
    event_types: list[str]
    status: str
    reason: str | None

    @property
    def subject(self) -> UUID:
        return self.endpoint_id


@dataclass(frozen=True, slots=True)
class EndpointCreated(EndpointEvent):
    """Events are sent to a new webhook endpoint from here on."""

    topic = "webhook_endpoint.created"


@dataclass(frozen=True, slots=True)
class EndpointUpdated(EndpointEvent):
    """A webhook endpoint's address, choice of events, description or status was changed."""

    topic = "webhook_endpoint.updated"


@dataclass(frozen=True, slots=True)
class EndpointSecretRotated(EndpointEvent):
    """A webhook endpoint has a new signing secret; the older ones sign along until the overlap ends."""

    topic = "webhook_endpoint.secret_rotated"


@dataclass(frozen=True, slots=True)
class EndpointDisabled(EndpointEvent):
    """We stopped sending to a webhook endpoint: it is `gone` (410) or has been `failing` for days."""

    topic = "webhook_endpoint.disabled"


@dataclass(frozen=True, slots=True)
class EndpointDeleted(EndpointEvent):
    """A webhook endpoint was deleted; what waited for it is not sent."""

    topic = "webhook_endpoint.deleted"


@dataclass(frozen=True, slots=True)
class EndpointTested(EndpointEvent):
    """Somebody asked for a test; sent to that webhook endpoint alone, whatever events it chose."""

    topic = "webhook_endpoint.tested"

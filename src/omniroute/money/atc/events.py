"""Facts of authority to collect."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar
from uuid import UUID

from omniroute.infra.events import Event


@dataclass(frozen=True, slots=True)
class GrantEvent(Event):
    """A grant, and where it stands. `reason`: what whoever changed that gave as theirs."""

    subject_prefix: ClassVar[str] = "atc"
    id_prefixes: ClassVar[Mapping[str, str]] = {
        "grant_id": "atc",
        "grantor_id": "ptn",
        "grantee_id": "ptn",
        "parent_id": "atc",
    }
    grant_id: UUID
    reference: str
    grantor_id: UUID
    grantee_id: UUID
    parent_id: UUID | None
    currency: str
    status: str
    reason: str | None

    @property
    def subject(self) -> UUID:
        return self.grant_id


@dataclass(frozen=True, slots=True)
class GrantCreated(GrantEvent):
    """A grant was written; nothing is collected under it before it is approved."""

    topic = "atc.grant.created"


@dataclass(frozen=True, slots=True)
class GrantSubmitted(GrantEvent):
    """A draft was sent to approval."""

    topic = "atc.grant.submitted"


@dataclass(frozen=True, slots=True)
class GrantApproved(GrantEvent):
    """Somebody else than its author approved a grant; its grantee may collect while it is in force."""

    topic = "atc.grant.approved"


@dataclass(frozen=True, slots=True)
class GrantRejected(GrantEvent):
    """Somebody said no to a grant, and it is revoked before it was ever active."""

    topic = "atc.grant.rejected"


@dataclass(frozen=True, slots=True)
class GrantSuspended(GrantEvent):
    """Nothing is collected under a grant, or below it, until it is resumed."""

    topic = "atc.grant.suspended"


@dataclass(frozen=True, slots=True)
class GrantResumed(GrantEvent):
    """A suspended grant is active again."""

    topic = "atc.grant.resumed"


@dataclass(frozen=True, slots=True)
class GrantRevoked(GrantEvent):
    """A grant was taken back for good, by itself or because the grant it came from was."""

    topic = "atc.grant.revoked"


@dataclass(frozen=True, slots=True)
class GrantExpired(GrantEvent):
    """The time of a grant is over."""

    topic = "atc.grant.expired"

"""Facts of access. None carries a secret, nor the hash of one."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from omniroute.infra.events import Event


@dataclass(frozen=True, slots=True)
class RoleCreated(Event):
    """A role exists and may be granted."""

    topic = "role.created"
    version = 1
    role_id: UUID
    name: str
    permissions: list[str]

    @property
    def subject(self) -> UUID:
        return self.role_id


@dataclass(frozen=True, slots=True)
class RoleUpdated(Event):
    """A role means something else from now on, for everyone who holds it."""

    topic = "role.updated"
    version = 1
    role_id: UUID
    name: str
    permissions: list[str]
    status: str

    @property
    def subject(self) -> UUID:
        return self.role_id


@dataclass(frozen=True, slots=True)
class RoleGranted(Event):
    """A person or a key holds a role; without a branch, in the whole organisation."""

    topic = "role.granted"
    version = 1
    id_prefixes = {"user_id": "usr", "credential_id": "key", "branch_id": "brn"}  # noqa: RUF012
    grant_id: UUID
    role_id: UUID
    role_name: str
    user_id: UUID | None
    credential_id: UUID | None
    branch_id: UUID | None

    @property
    def subject(self) -> UUID:
        return self.role_id


@dataclass(frozen=True, slots=True)
class RoleWithdrawn(Event):
    """A person or a key no longer holds a role."""

    topic = "role.withdrawn"
    version = 1
    id_prefixes = {"user_id": "usr", "credential_id": "key", "branch_id": "brn"}  # noqa: RUF012
    grant_id: UUID
    role_id: UUID
    role_name: str
    user_id: UUID | None
    credential_id: UUID | None
    branch_id: UUID | None

    @property
    def subject(self) -> UUID:
        return self.role_id


@dataclass(frozen=True, slots=True)
class KeyCreated(Event):
    """A key or client exists. Its secret was shown once and is not in this event."""

    topic = "key.created"
    version = 1
    subject_prefix = "key"
    id_prefixes = {"key_id": "key", "branch_ids": "brn", "application_id": "app"}  # noqa: RUF012
    key_id: UUID
    kind: str
    name: str
    mode: str
    permissions: list[str]
    branch_ids: list[UUID] | None
    application_id: UUID | None
    expires_at: datetime | None

    @property
    def subject(self) -> UUID:
        return self.key_id


@dataclass(frozen=True, slots=True)
class KeyRotated(Event):
    """A key has a new secret; the older ones end at `old_valid_until`."""

    topic = "key.rotated"
    version = 1
    subject_prefix = "key"
    id_prefixes = {"key_id": "key"}  # noqa: RUF012
    key_id: UUID
    lookup: str
    old_valid_until: datetime

    @property
    def subject(self) -> UUID:
        return self.key_id


@dataclass(frozen=True, slots=True)
class KeyRevoked(Event):
    """A key is revoked for ever."""

    topic = "key.revoked"
    version = 1
    subject_prefix = "key"
    id_prefixes = {"key_id": "key"}  # noqa: RUF012
    key_id: UUID

    @property
    def subject(self) -> UUID:
        return self.key_id


@dataclass(frozen=True, slots=True)
class SessionOpened(Event):
    """A person logged in."""

    topic = "session.opened"
    version = 1
    id_prefixes = {"user_id": "usr"}  # noqa: RUF012
    session_id: UUID
    user_id: UUID
    expires_at: datetime

    @property
    def subject(self) -> UUID:
        return self.session_id


@dataclass(frozen=True, slots=True)
class SessionsRevoked(Event):
    """Sessions of a person were ended: by logging out, by a new password, or because the person left."""

    topic = "session.revoked"
    version = 1
    subject_prefix = "usr"
    id_prefixes = {"user_id": "usr"}  # noqa: RUF012
    user_id: UUID
    session_ids: list[UUID]

    @property
    def subject(self) -> UUID:
        return self.user_id


@dataclass(frozen=True, slots=True)
class ProviderChanged(Event):
    """An outside identity provider was configured, changed or disabled."""

    topic = "oidc_provider.changed"
    version = 1
    provider_id: UUID
    issuer: str
    audience: str
    algorithms: list[str]
    status: str

    @property
    def subject(self) -> UUID:
        return self.provider_id

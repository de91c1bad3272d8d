"""Facts of people. Emails are in invitations only, where they are the point; members are named by id."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from omniroute.infra.events import Event


@dataclass(frozen=True, slots=True)
class InvitationCreated(Event):
    """Somebody was invited. The token was shown once and is not in this event."""

    topic = "invitation.created"
    version = 1
    subject_prefix = "inv"
    id_prefixes = {"invitation_id": "inv", "branch_ids": "brn"}  # noqa: RUF012
    invitation_id: UUID
    email: str
    role_ids: list[UUID]
    branch_ids: list[UUID] | None
    expires_at: datetime

    @property
    def subject(self) -> UUID:
        return self.invitation_id


@dataclass(frozen=True, slots=True)
class InvitationAccepted(Event):
    """An invitation became a membership."""

    topic = "invitation.accepted"
    version = 1
    subject_prefix = "inv"
    id_prefixes = {"invitation_id": "inv", "user_id": "usr"}  # noqa: RUF012
    invitation_id: UUID
    user_id: UUID
    is_new_person: bool

    @property
    def subject(self) -> UUID:
        return self.invitation_id


@dataclass(frozen=True, slots=True)
class InvitationRevoked(Event):
    """An invitation can no longer be accepted."""

    topic = "invitation.revoked"
    version = 1
    subject_prefix = "inv"
    id_prefixes = {"invitation_id": "inv"}  # noqa: RUF012
    invitation_id: UUID

    @property
    def subject(self) -> UUID:
        return self.invitation_id


@dataclass(frozen=True, slots=True)
class MemberChanged(Event):
    """A membership was suspended, opened again or ended."""

    topic = "member.changed"
    version = 1
    subject_prefix = "usr"
    id_prefixes = {"user_id": "usr"}  # noqa: RUF012
    user_id: UUID
    status: str

    @property
    def subject(self) -> UUID:
        return self.user_id


@dataclass(frozen=True, slots=True)
class PasswordChanged(Event):
    """A member changed their password."""

    topic = "member.password_changed"
    version = 1
    subject_prefix = "usr"
    id_prefixes = {"user_id": "usr"}  # noqa: RUF012
    user_id: UUID

    @property
    def subject(self) -> UUID:
        return self.user_id

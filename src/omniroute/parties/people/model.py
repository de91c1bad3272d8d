"""Nouns of people. Frozen; no I/O."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal
from uuid import UUID

from omniroute.parties.access import IssuedSession, Secret
from omniroute.parties.tenants import Organisation


@dataclass(frozen=True, slots=True)
class Member:
    """A person in the organisation of the transaction. `id` is the person's, the same in every organisation."""

    id: UUID
    email: str
    name: str
    status: Literal["active", "suspended", "removed"]
    version: int
    joined_at: datetime


@dataclass(frozen=True, slots=True)
class Invitation:
    """An offer of membership with these roles, in the whole organisation (`branch_ids` None) or in these branches.

    `status` is pending, accepted, revoked or, once its time is over, expired.
    """

    id: UUID
    email: str
    role_ids: tuple[UUID, ...]
    branch_ids: tuple[UUID, ...] | None
    status: Literal["pending", "accepted", "revoked", "expired"]
    invited_by: str
    user_id: UUID | None
    version: int
    created_at: datetime
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class IssuedInvitation:
    """An invitation and its one-time token, shown now and never again."""

    invitation: Invitation
    token: Secret


@dataclass(frozen=True, slots=True)
class OpenedOrganisation:
    """A new organisation and the invitation of its first owner."""

    organisation: Organisation
    owner: IssuedInvitation


@dataclass(frozen=True, slots=True)
class AcceptInvitation:
    """The invited person's answer. Who is new chooses a password; who has an account proves it with theirs."""

    token: str = field(repr=False)
    password: str = field(repr=False)
    name: str | None = None


@dataclass(frozen=True, slots=True)
class Login:
    """Email and password, and which organisation to enter (slug); `source` is the caller's network address."""

    email: str
    password: str = field(repr=False)
    source: str
    organisation: str | None = None


@dataclass(frozen=True, slots=True)
class LoggedIn:
    """A person who is in, with a session of one organisation."""

    user_id: UUID
    organisation_slug: str
    session: IssuedSession

"""Nouns of access: permissions, the caller of a request, roles, credentials. Frozen; no I/O."""

from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum
from functools import lru_cache
from typing import Literal
from uuid import UUID

from omniroute.kit.ids import show
from omniroute.parties.access.errors import PermissionMissing


class Permission(StrEnum):
    """Everything a caller can be allowed. Names are stored in roles and keys, so they are never renamed."""

    LEDGER_READ = "ledger.read"
    LEDGER_POST = "ledger.post"
    LEDGER_POST_SOFT_CLOSED = "ledger.post_soft_closed"
    LEDGER_ACCOUNTS_WRITE = "ledger.accounts.write"
    LEDGER_PERIODS_CLOSE = "ledger.periods.close"
    LEDGER_LIMITS_WRITE = "ledger.limits.write"
    LEDGER_RATES_WRITE = "ledger.rates.write"
    LEDGER_CHECK = "ledger.check"
    PAYMENTS_READ = "payments.read"
    PAYMENTS_INITIATE = "payments.initiate"
    PAYMENTS_APPROVE = "payments.approve"
    PAYMENTS_CANCEL = "payments.cancel"
    PAYMENTS_REVIEW = "payments.review"
    PAYMENTS_ENQUIRE = "payments.enquire"
    PAYMENTS_POLICIES_WRITE = "payments.policies.write"
    BATCHES_WRITE = "batches.write"
    SCHEDULES_WRITE = "schedules.write"
    PARTNERS_READ = "partners.read"
    PARTNERS_WRITE = "partners.write"
    COLLECTIONS_READ = "collections.read"
    COLLECTIONS_WRITE = "collections.write"
    ATC_READ = "atc.read"
    ATC_WRITE = "atc.write"
    ATC_APPROVE = "atc.approve"
    ATC_COLLECT = "atc.collect"
    SETTLEMENTS_READ = "settlements.read"
    SETTLEMENTS_WRITE = "settlements.write"
    RECONCILIATION_READ = "reconciliation.read"
    RECONCILIATION_WRITE = "reconciliation.write"
    CONNECTIONS_READ = "connections.read"
    CONNECTIONS_WRITE = "connections.write"
    WEBHOOKS_READ = "webhooks.read"
    WEBHOOKS_WRITE = "webhooks.write"
    ORGANISATION_READ = "organisation.read"
    ORGANISATION_WRITE = "organisation.write"
    ORGANISATION_CLOSE = "organisation.close"
    LINKS_REQUEST = "organisation.links.request"
    LINKS_DECIDE = "organisation.links.decide"
    BRANCHES_WRITE = "branches.write"
    APPLICATIONS_WRITE = "applications.write"
    KEYS_READ = "keys.read"
    KEYS_WRITE = "keys.write"
    PEOPLE_READ = "people.read"
    PEOPLE_WRITE = "people.write"
    ROLES_WRITE = "roles.write"
    OIDC_WRITE = "oidc.write"
    AUDIT_READ = "audit.read"
    PLATFORM_ORGANISATIONS_CREATE = "platform.organisations.create"
    PLATFORM_ORGANISATIONS_SUSPEND = "platform.organisations.suspend"


PLATFORM_PERMISSIONS = frozenset(p for p in Permission if p.startswith("platform."))

CallerKind = Literal["user", "api_key", "client", "platform"]


@dataclass(frozen=True, slots=True)
class Scope:
    """Permissions held together, in the whole organisation (`branches` None) or in these branches."""

    permissions: frozenset[str]
    branches: frozenset[UUID] | None

    def covers(self, permission: str, branches: frozenset[UUID] | None) -> bool:
        """True when the permission is held in every branch asked for (None asks for the whole organisation)."""
        if permission not in self.permissions:
            return False
        return self.branches is None or (branches is not None and branches <= self.branches)


@dataclass(frozen=True, slots=True)
class Caller:
    """Who is asking, for which organisation, and what they may do.

    `permissions` hold in `branches` (None: the whole organisation; branches include all below them). A caller
    whose roles differ from branch to branch has several `scopes`; then `permissions` and `branches` name only what
    holds everywhere, and `require` gives the caller as it stands where one permission is held.
    """

    tenant_id: UUID
    subject: str
    subject_id: UUID
    kind: CallerKind
    permissions: frozenset[str]
    branches: tuple[UUID, ...] | None = None
    application_id: UUID | None = None
    expires_at: datetime | None = None
    organisation_slug: str = ""
    mode: Literal["live", "test"] = "live"
    session_id: UUID | None = None
    name: str = ""
    scopes: tuple[Scope, ...] = field(default=(), repr=False)

    def all_scopes(self) -> tuple[Scope, ...]:
        """The scopes of this caller; one when it holds the same everywhere."""
        if self.scopes:
            return self.scopes
        return (Scope(self.permissions, None if self.branches is None else frozenset(self.branches)),)

    def holds(self, permission: str, branch_id: UUID | None = None) -> bool:
        """Whether the permission is held in that branch (None: in the whole organisation)."""
        wanted = None if branch_id is None else frozenset({branch_id})
        return any(scope.covers(permission, wanted) for scope in self.all_scopes())

    def covers(self, permission: str, branches: frozenset[UUID] | None) -> bool:
        """Whether the permission is held in all these branches (None: in the whole organisation)."""
        if branches is None:
            return self.holds(permission)
        return all(self.holds(permission, branch) for branch in branches)

    def require(self, permission: Permission, *, whole: bool = False) -> "Caller":
        """This caller, narrowed to where it holds the permission: open the transaction with its `branches`.

        Raises: PermissionMissing when it holds the permission nowhere; with `whole`, when only in some branches.
        """
        held = [scope for scope in self.all_scopes() if permission in scope.permissions]
        if not held:
            raise PermissionMissing(permission=str(permission))
        narrowed = self
        if self.scopes:
            permissions, branches = broadest(tuple(held))
            narrowed = replace(self, permissions=permissions, branches=branches)
        if whole and narrowed.branches is not None:
            raise PermissionMissing("the permission must be held in the whole organisation", permission=str(permission))
        return narrowed

    def is_of(self, organisation: str) -> bool:
        """Whether the text of a path (`{tenant}`: slug or org_ id) names this caller's organisation."""
        return organisation == self.organisation_slug or organisation == organisation_text(self.tenant_id)


@lru_cache(maxsize=10_000)
def organisation_text(tenant_id: UUID) -> str:
    """The public id of an organisation."""
    return show("org", tenant_id)


def broadest(scopes: tuple[Scope, ...]) -> tuple[frozenset[str], tuple[UUID, ...] | None]:
    """One (permissions, branches) that never says more than the scopes do.

    What is held in the whole organisation wins; else all the branches, with what is held in each of them.
    """
    whole = frozenset[str]().union(*(scope.permissions for scope in scopes if scope.branches is None))
    if whole or not scopes:
        return whole, None
    branches = frozenset[UUID]().union(*(scope.branches for scope in scopes if scope.branches is not None))
    everywhere = [
        frozenset[str]().union(*(s.permissions for s in scopes if s.branches is not None and branch in s.branches))
        for branch in branches
    ]
    permissions = frozenset[str]() if not everywhere else everywhere[0].intersection(*everywhere[1:])
    return permissions, tuple(sorted(branches))


@dataclass(frozen=True, slots=True)
class Role:
    """A named list of permissions in one organisation. Built-in ones cannot be changed."""

    id: UUID
    name: str
    description: str
    permissions: frozenset[str]
    is_builtin: bool
    status: str
    version: int


@dataclass(frozen=True, slots=True)
class Grant:
    """A role held by a person (`user_id`) or a credential, in the whole organisation or in a branch and below."""

    id: UUID
    role_id: UUID
    role_name: str
    user_id: UUID | None
    credential_id: UUID | None
    branch_id: UUID | None
    granted_by: str
    created_at: datetime


@dataclass(frozen=True, slots=True)
class Secret:
    """Text shown once. It never appears in a repr, a log or a traceback of its holder."""

    text: str = field(repr=False)

    def __str__(self) -> str:
        return "[shown once]"


@dataclass(frozen=True, slots=True)
class KeySecret:
    """One secret of a credential, as lists show it: the public half only."""

    lookup: str
    created_at: datetime
    expires_at: datetime | None


@dataclass(frozen=True, slots=True)
class Key:
    """An API key, OAuth2 client or platform key, without its secrets."""

    id: UUID
    kind: Literal["api_key", "client", "platform"]
    name: str
    mode: Literal["live", "test"]
    permissions: frozenset[str]
    branch_ids: tuple[UUID, ...] | None
    application_id: UUID | None
    created_by: str
    status: Literal["active", "revoked"]
    version: int
    created_at: datetime
    updated_at: datetime
    expires_at: datetime | None
    last_used_at: datetime | None
    secrets: tuple[KeySecret, ...]


@dataclass(frozen=True, slots=True)
class IssuedKey:
    """A key and its new secret, which is shown now and never again."""

    key: Key
    secret: Secret


@dataclass(frozen=True, slots=True)
class IssuedSession:
    """A session's bearer token, shown once."""

    id: UUID
    tenant_id: UUID
    user_id: UUID
    token: Secret
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class Session:
    """A session as lists show it."""

    id: UUID
    user_id: UUID
    created_at: datetime
    expires_at: datetime
    revoked_at: datetime | None


@dataclass(frozen=True, slots=True)
class AccessToken:
    """What the token endpoint answers (RFC 6749 section 5.1). `scope` is space-separated permission names."""

    token: Secret
    expires_in_s: int
    scope: str


@dataclass(frozen=True, slots=True)
class Provider:
    """An outside OpenID provider whose tokens this organisation accepts."""

    id: UUID
    name: str
    issuer: str
    audience: str
    jwks_uri: str | None
    jwks: dict[str, object] | None
    algorithms: tuple[str, ...]
    role_claim: str
    role_map: dict[str, str]
    clock_skew_s: int
    status: Literal["active", "disabled"]
    version: int

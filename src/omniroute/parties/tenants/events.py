"""Facts of tenants."""

from dataclasses import dataclass
from uuid import UUID

from omniroute.infra.events import Event


@dataclass(frozen=True, slots=True)
class OrganisationCreated(Event):
    """An organisation exists and may be given branches and people."""

    topic = "organisation.created"
    version = 1
    subject_prefix = "org"
    id_prefixes = {"organisation_id": "org"}  # noqa: RUF012
    organisation_id: UUID
    slug: str
    name: str
    country: str
    currency: str
    time_zone: str
    residency: str

    @property
    def subject(self) -> UUID:
        return self.organisation_id


@dataclass(frozen=True, slots=True)
class OrganisationUpdated(Event):
    """An organisation's name, calendar, settings or branding changed; `changed` names the fields."""

    topic = "organisation.updated"
    version = 1
    subject_prefix = "org"
    id_prefixes = {"organisation_id": "org"}  # noqa: RUF012
    organisation_id: UUID
    changed: list[str]
    organisation_version: int

    @property
    def subject(self) -> UUID:
        return self.organisation_id


@dataclass(frozen=True, slots=True)
class OrganisationStatusChanged(Event):
    """An organisation was suspended, opened again or closed."""

    topic = "organisation.status_changed"
    version = 1
    subject_prefix = "org"
    id_prefixes = {"organisation_id": "org"}  # noqa: RUF012
    organisation_id: UUID
    status: str

    @property
    def subject(self) -> UUID:
        return self.organisation_id


@dataclass(frozen=True, slots=True)
class BranchCreated(Event):
    """A branch exists."""

    topic = "branch.created"
    version = 1
    subject_prefix = "brn"
    id_prefixes = {"branch_id": "brn", "parent_id": "brn"}  # noqa: RUF012
    branch_id: UUID
    parent_id: UUID | None
    code: str
    name: str
    region: str | None

    @property
    def subject(self) -> UUID:
        return self.branch_id


@dataclass(frozen=True, slots=True)
class BranchUpdated(Event):
    """A branch was renamed, moved, closed or opened again."""

    topic = "branch.updated"
    version = 1
    subject_prefix = "brn"
    id_prefixes = {"branch_id": "brn", "parent_id": "brn"}  # noqa: RUF012
    branch_id: UUID
    parent_id: UUID | None
    name: str
    region: str | None
    status: str

    @property
    def subject(self) -> UUID:
        return self.branch_id


@dataclass(frozen=True, slots=True)
class ApplicationCreated(Event):
    """An application exists and may be given keys."""

    topic = "application.created"
    version = 1
    subject_prefix = "app"
    id_prefixes = {"application_id": "app", "branch_id": "brn"}  # noqa: RUF012
    application_id: UUID
    branch_id: UUID | None
    code: str
    name: str
    kind: str

    @property
    def subject(self) -> UUID:
        return self.application_id


@dataclass(frozen=True, slots=True)
class ApplicationUpdated(Event):
    """An application was renamed, suspended, opened again or closed."""

    topic = "application.updated"
    version = 1
    subject_prefix = "app"
    id_prefixes = {"application_id": "app"}  # noqa: RUF012
    application_id: UUID
    name: str
    status: str

    @property
    def subject(self) -> UUID:
        return self.application_id


@dataclass(frozen=True, slots=True)
class LinkRequested(Event):
    """One organisation asked another to link. It permits nothing yet. Recorded on both sides."""

    topic = "organisation_link.requested"
    version = 1
    subject_prefix = "lnk"
    id_prefixes = {"link_id": "lnk", "peer_id": "org"}  # noqa: RUF012
    link_id: UUID
    peer_id: UUID
    side: str
    relation: str
    asked_scopes: list[str]

    @property
    def subject(self) -> UUID:
        return self.link_id


@dataclass(frozen=True, slots=True)
class LinkDecided(Event):
    """A link was approved, rejected, withdrawn or ended; `scopes` is what it permits now. Recorded on both sides."""

    topic = "organisation_link.decided"
    version = 1
    subject_prefix = "lnk"
    id_prefixes = {"link_id": "lnk", "peer_id": "org"}  # noqa: RUF012
    link_id: UUID
    peer_id: UUID
    status: str
    scopes: list[str]

    @property
    def subject(self) -> UUID:
        return self.link_id

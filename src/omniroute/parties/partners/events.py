"""Facts of partners."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar
from uuid import UUID

from omniroute.infra.events import Event


@dataclass(frozen=True, slots=True)
class PartnerEvent(Event):
    """A partner, and where it stands."""

    subject_prefix: ClassVar[str] = "ptn"
    id_prefixes: ClassVar[Mapping[str, str]] = {"partner_id": "ptn"}
    partner_id: UUID
    code: str
    kind: str
    name: str
    status: str

    @property
    def subject(self) -> UUID:
        return self.partner_id


@dataclass(frozen=True, slots=True)
class PartnerCreated(PartnerEvent):
    """A partner belongs to the network."""

    topic = "partner.created"


@dataclass(frozen=True, slots=True)
class PartnerUpdated(PartnerEvent):
    """The description of a partner changed, or where it is paid."""

    topic = "partner.updated"


@dataclass(frozen=True, slots=True)
class PartnerClosedForGood(PartnerEvent):
    """A partner is closed; nothing new is begun with it."""

    topic = "partner.closed"

"""Facts of settlement."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar
from uuid import UUID

from omniroute.infra.events import Event


@dataclass(frozen=True, slots=True)
class SettlementEvent(Event):
    """A settlement, and where it stands. Amounts are in minor units."""

    subject_prefix: ClassVar[str] = "stl"
    id_prefixes: ClassVar[Mapping[str, str]] = {
        "batch_id": "stl", "grant_id": "atc", "grantor_id": "ptn", "payment_id": "pay",
    }  # fmt: skip
    batch_id: UUID
    reference: str
    grant_id: UUID
    grantor_id: UUID
    currency: str
    collection_count: int
    gross_minor: int
    commission_minor: int
    net_minor: int
    fee_minor: int
    state: str
    reason: str | None
    payment_id: UUID | None

    @property
    def subject(self) -> UUID:
        return self.batch_id


@dataclass(frozen=True, slots=True)
class SettlementCreated(SettlementEvent):
    """Collections are to be paid out to their grantor."""

    topic = "settlement.created"


@dataclass(frozen=True, slots=True)
class SettlementInitiated(SettlementEvent):
    """The payment of a settlement exists; its money is held."""

    topic = "settlement.initiated"


@dataclass(frozen=True, slots=True)
class SettlementSettled(SettlementEvent):
    """The grantor has the money."""

    topic = "settlement.settled"


@dataclass(frozen=True, slots=True)
class SettlementFailed(SettlementEvent):
    """The grantor was definitely not paid; the collections are free for another settlement."""

    topic = "settlement.failed"


@dataclass(frozen=True, slots=True)
class RemittanceRecorded(Event):
    """A collector has paid in money they had in hand. Amounts are in minor units."""

    topic = "remittance.recorded"
    subject_prefix: ClassVar[str] = "rem"
    id_prefixes: ClassVar[Mapping[str, str]] = {"remittance_id": "rem", "partner_id": "ptn", "transaction_id": "txn"}
    remittance_id: UUID
    reference: str
    partner_id: UUID
    currency: str
    paid_minor: int
    kept_minor: int
    collection_count: int
    transaction_id: UUID

    @property
    def subject(self) -> UUID:
        return self.remittance_id

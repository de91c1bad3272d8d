"""Facts of collections by authority."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar
from uuid import UUID

from omniroute.infra.events import Event


@dataclass(frozen=True, slots=True)
class CollectionEvent(Event):
    """One level of a collection. Level 0 is the collector's; each level up the hierarchy of grants has collected what
    the one below passes on, and names level 0 as its root."""

    subject_prefix: ClassVar[str] = "col"
    id_prefixes: ClassVar[Mapping[str, str]] = {
        "collection_id": "col",
        "root_collection_id": "col",
        "grant_id": "atc",
        "grantee_id": "ptn",
        "collected_from_id": "ptn",
        "transaction_id": "txn",
    }
    collection_id: UUID
    root_collection_id: UUID
    level: int
    grant_id: UUID
    grantee_id: UUID
    reference: str
    collected_from_id: UUID
    collection_method: str
    currency: str
    gross_minor: int
    commission_minor: int
    net_minor: int
    transaction_id: UUID
    funded: bool

    @property
    def subject(self) -> UUID:
        return self.collection_id


@dataclass(frozen=True, slots=True)
class CollectionRecorded(CollectionEvent):
    """Money was collected by authority; commission is earned and the grantor is owed the rest."""

    topic = "atc.collection.recorded"


@dataclass(frozen=True, slots=True)
class CollectionReversed(CollectionEvent):
    """A collection was taken back; `transaction_id` is the posting that undid it."""

    topic = "atc.collection.reversed"

"""Facts of bank connections."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar
from uuid import UUID

from omniroute.infra.events import Event


@dataclass(frozen=True, slots=True)
class ConnectionEvent(Event):
    """A bank connection, and where it stands."""

    subject_prefix: ClassVar[str] = "con"
    id_prefixes: ClassVar[Mapping[str, str]] = {"connection_id": "con"}
    connection_id: UUID
    code: str
    rail: str
    currency: str
    status: str
    health: str

    @property
    def subject(self) -> UUID:
        return self.connection_id


@dataclass(frozen=True, slots=True)
class ConnectionCreated(ConnectionEvent):
    """A bank connection exists."""

    topic = "connection.created"


@dataclass(frozen=True, slots=True)
class ConnectionUpdated(ConnectionEvent):
    """The description, status or credentials of a bank connection changed."""

    topic = "connection.updated"


@dataclass(frozen=True, slots=True)
class ConnectionHealthChanged(ConnectionEvent):
    """The rail behind a bank connection went down, or came back."""

    topic = "connection.health_changed"


@dataclass(frozen=True, slots=True)
class FloatLow(Event):
    """The money at a rail has fallen below its mark: fund it before payments are refused."""

    topic = "connection.float_low"
    subject_prefix: ClassVar[str] = "con"
    id_prefixes: ClassVar[Mapping[str, str]] = {"connection_id": "con"}
    connection_id: UUID
    code: str
    currency: str
    available_minor: int
    mark_minor: int

    @property
    def subject(self) -> UUID:
        return self.connection_id

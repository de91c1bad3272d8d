"""The nouns of bank connections."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

from omniroute.ports.rails import Operation


class ConnectionStatus(StrEnum):
    """active <-> paused -> closed. Paused: sends nothing new, still asks about what was sent."""

    ACTIVE = "active"
    PAUSED = "paused"
    CLOSED = "closed"


class Health(StrEnum):
    """What the last look at the rail said."""

    UNKNOWN = "unknown"
    UP = "up"
    DEGRADED = "degraded"
    DOWN = "down"


@dataclass(frozen=True, slots=True)
class CreateConnection:
    """A new way to a rail. `secret` is sealed at once and never shown again.

    `operations` None: all the rail knows. `float_low_minor`: below it the float is told to be low.
    """

    code: str
    name: str
    rail: str
    currency: str
    endpoint: str
    public: Mapping[str, str] = field(default_factory=dict)
    secret: Mapping[str, str] = field(default_factory=dict, repr=False)
    bank_code: str | None = None
    operations: frozenset[Operation] | None = None
    float_low_minor: int | None = None
    limits: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class BankConnection:
    """A connection as it stands, without its secrets."""

    connection_id: UUID
    code: str
    name: str
    rail: str
    bank_code: str | None
    currency: str
    endpoint: str
    public: Mapping[str, Any]
    operations: frozenset[Operation]
    status: ConnectionStatus
    health: Health
    health_reason: str | None
    health_at: datetime | None
    float_account_id: UUID
    float_low_minor: int | None
    limits: Mapping[str, int]
    statement_until: datetime | None
    version: int
    created_at: datetime
    updated_at: datetime

    @property
    def float_code(self) -> str:
        """The ledger account of its float."""
        return float_code(self.code)


def float_code(code: str) -> str:
    """The ledger account that mirrors the account at the rail."""
    return f"float:{code}"

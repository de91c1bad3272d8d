"""What payments need to know of a bank connection. `money.connections` provides it."""

from dataclasses import dataclass
from typing import Protocol
from uuid import UUID

from omniroute.kit.refusal import Fault
from omniroute.ports.rails import Connector, Context, FileConnector, RailPolicy


class LinkDown(Fault):
    """A connection cannot be used now: it is paused, or its credentials cannot be opened. Nothing was sent."""


class LinkUnknown(LinkDown):
    """There is no such connection."""


@dataclass(frozen=True, slots=True)
class Link:
    """A connection ready for use. `paused`: sends nothing new, but still asks about what was sent.

    `files`: the rail takes orders in files, and in no other way; `connector` then stands for it (`files.ByFile`).
    """

    connection_id: UUID
    rail: str
    currency: str
    float_account_id: UUID
    connector: Connector
    context: Context
    policy: RailPolicy
    paused: bool = False
    files: FileConnector | None = None


class Links(Protocol):
    """Finds connections."""

    async def get(self, tenant_id: UUID, connection_id: UUID) -> Link:
        """The connection, opened. Cached for seconds. Raises: LinkDown."""
        ...

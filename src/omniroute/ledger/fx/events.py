"""Facts of foreign exchange. What an exchange books is an event of the ledger's transactions."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import ClassVar
from uuid import UUID

from omniroute.infra.events import Event


@dataclass(frozen=True, slots=True)
class RateRecorded(Event):
    """One unit of `base` is worth `rate` units of `quote` from `valid_from` on, says `source`."""

    topic: ClassVar[str] = "ledger.rate.recorded"
    subject_prefix: ClassVar[str] = "rte"
    id_prefixes: ClassVar[Mapping[str, str]] = {"rate_id": "rte"}
    rate_id: UUID
    base: str
    quote: str
    rate: str
    valid_from: datetime
    source: str

    @property
    def subject(self) -> UUID:
        """The rate."""
        return self.rate_id

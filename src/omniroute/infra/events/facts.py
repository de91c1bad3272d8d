"""The log's own event. It is written in SQL by event_retain(); declared here for its schema."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from omniroute.infra.events.model import Event


@dataclass(frozen=True, slots=True)
class EventsRetired(Event):
    """Retention has removed old events of a sealed block; `removed` has one character an event, 1 for removed."""

    topic = "audit.events_retired"
    subject_prefix = "org"
    tenant_id: UUID
    block: int
    event_count: int
    before: datetime
    removed: str

    @property
    def subject(self) -> UUID:
        """The organisation whose events they were."""
        return self.tenant_id

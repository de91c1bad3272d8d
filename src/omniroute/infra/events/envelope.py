"""An event as the outside sees it: CloudEvents 1.0, with our metadata."""

from typing import Any

from omniroute.infra.events.encoding import plain
from omniroute.infra.events.model import Event, Recorded
from omniroute.kit import ids


def envelope(event: Recorded) -> dict[str, Any]:
    """The JSON object that webhooks, brokers and the API carry. `id` is what a receiver remembers to act once."""
    declared = Event.by_topic.get((event.type, event.version))
    prefix = declared.subject_prefix if declared else ""
    return {
        "specversion": "1.0",
        "id": ids.show("evt", event.id),
        "source": "/omniroute/" + event.type.partition(".")[0],
        "type": event.type,
        "version": event.version,
        "time": plain(event.recorded_at),
        "tenant": ids.show("org", event.tenant_id),
        "subject": ids.show(prefix, event.subject) if prefix else str(event.subject),
        "position": plain(event.position),
        "datacontenttype": "application/json",
        "data": event.data,
        "metadata": {
            "correlation_id": plain(event.meta.correlation_id),
            "causation_id": plain(event.meta.causation_id),
            "user_id": event.meta.actor,
            "channel": event.meta.channel,
        },
    }

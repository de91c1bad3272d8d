"""Reads event triggers and cron triggers."""

from omniroute.graphql.metadata.parts import Part, called
from omniroute.graphql.metadata.tree import CronTrigger, EventTrigger


def event_triggers(part: Part) -> tuple[EventTrigger, ...]:
    """Those of a table."""
    return part.each("event_triggers", called("event trigger", "name"), _event_trigger)


def cron_triggers(part: Part) -> tuple[CronTrigger, ...]:
    return part.each("cron_triggers", called("cron trigger", "name"), _cron)


def _event_trigger(part: Part) -> EventTrigger:
    part.raw("cleanup_config")  # Old deliveries are forgotten by our own settings.
    return EventTrigger(
        part.need("name"),
        part.mapping("definition"),
        part.text("webhook"),
        part.text("webhook_from_env"),
        part.mapping("retry_conf"),
        tuple(part.items("headers")),
        _transforms(part),
    )


def _cron(part: Part) -> CronTrigger:
    part.raw("include_in_metadata")
    return CronTrigger(
        part.need("name"),
        part.need("webhook"),
        part.need("schedule"),
        part.raw("payload"),
        tuple(part.items("headers")),
        part.mapping("retry_conf"),
        part.text("comment"),
        _transforms(part),
    )


def _transforms(part: Part) -> tuple[str, ...]:
    return tuple(key for key in ("request_transform", "response_transform") if part.raw(key))

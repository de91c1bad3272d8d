"""Nouns of the event log: what a module declares, and what a reader gets."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, ClassVar
from uuid import UUID

from msgspec import Struct


class Event:
    """A fact in the past tense. Each module declares its own as frozen dataclasses on top of this class:

        @dataclass(frozen=True, slots=True)
        class OrganisationCreated(Event):
            \"\"\"An organisation exists and may be given branches.\"\"\"

            topic = "organisation.created"
            version = 1
            subject_prefix = "org"
            organisation_id: UUID

            @property
            def subject(self) -> UUID:
                return self.organisation_id

    The docstring, the fields and their types make the public schema. A changed meaning is a new `version`.
    """

    __slots__ = ()

    topic: ClassVar[str]
    version: ClassVar[int] = 1
    subject_prefix: ClassVar[str] = ""
    """Prefix of the subject's public id (`org`, `txn`); empty shows the plain UUID."""
    id_prefixes: ClassVar[Mapping[str, str]] = {}
    """Fields of type UUID that are stored as public ids: field -> prefix."""
    derived: ClassVar[bool] = False
    """True: stored without data; a registered SQL function derives it from immutable rows."""

    by_topic: ClassVar[dict[tuple[str, int], type["Event"]]] = {}

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        if "topic" not in cls.__dict__:
            return
        known = Event.by_topic.get((cls.topic, cls.version))
        # A dataclass with slots is made twice: the second replaces the first.
        same = known is None or (known.__module__, known.__qualname__) == (cls.__module__, cls.__qualname__)
        assert same, f"event {cls.topic} version {cls.version} is taken by {known}"
        assert "." in cls.topic.lower() == cls.topic, f"{cls.topic}: write subject.past_participle"
        Event.by_topic[cls.topic, cls.version] = cls

    @property
    def subject(self) -> UUID:
        """The thing that changed. Events of one subject are delivered in the order in which they were committed."""
        raise NotImplementedError


class Meta(Struct, frozen=True):
    """Where a change comes from. `actor` is `usr_...` or `key_...`, `channel` the door it came through."""

    correlation_id: UUID | None = None
    causation_id: UUID | None = None
    actor: str | None = None
    channel: str | None = None


@dataclass(frozen=True, slots=True)
class Recorded:
    """An event as a reader gets it. `position` grows along the events of one subject."""

    tenant_id: UUID
    position: int
    id: UUID
    xid: int
    type: str
    version: int
    subject: UUID
    data: Mapping[str, Any]
    meta: Meta
    recorded_at: datetime

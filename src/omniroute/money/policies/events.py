"""Facts of policies."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar
from uuid import UUID

from omniroute.infra.events import Event


@dataclass(frozen=True, slots=True)
class PolicyEvent(Event):
    """A change of a policy. `policy_version` is the policy's after it, or when it was proposed."""

    subject_prefix: ClassVar[str] = "pol"
    id_prefixes: ClassVar[Mapping[str, str]] = {"policy_id": "pol", "change_id": "chg"}
    policy_id: UUID
    change_id: UUID
    kind: str
    name: str
    action: str
    policy_version: int
    proposed_by: str

    @property
    def subject(self) -> UUID:
        return self.policy_id


@dataclass(frozen=True, slots=True)
class PolicyChangeProposed(PolicyEvent):
    """Somebody wants a limit or an approval policy changed; a second person must agree."""

    topic = "payment_policy.change_proposed"


@dataclass(frozen=True, slots=True)
class PolicyChangeRejected(PolicyEvent):
    """A proposed change of a policy was turned down, or withdrawn."""

    topic = "payment_policy.change_rejected"


@dataclass(frozen=True, slots=True)
class PolicyChangeActivated(PolicyEvent):
    """A policy was created, replaced or retired; payments follow it within seconds."""

    topic = "payment_policy.changed"

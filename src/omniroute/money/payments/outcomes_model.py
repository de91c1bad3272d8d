"""What is said about attempts, on its way into the books."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from omniroute import ledger
from omniroute.money.payments.model import Attempt, AttemptState, Payment, PaymentState, Route, Source
from omniroute.money.payments.transitions import Move
from omniroute.ports.rails import CodeClass, RailPolicy, Result


@dataclass(frozen=True, slots=True)
class Evidence:
    """What somebody says about an attempt."""

    attempt_id: UUID
    result: Result
    source: Source
    code_class: CodeClass
    policy: RailPolicy
    actor: str | None = None
    note: Mapping[str, Any] | None = None
    verdict: Move | None = None  # What to do, where no rail has a say: the payee check before anything is sent.


@dataclass(frozen=True, slots=True)
class Recorded:
    """What became of a piece of evidence."""

    attempt_id: UUID
    attempt: AttemptState
    payment: PaymentState
    reason: str | None
    changed: bool


@dataclass(slots=True)
class Work:
    """One piece of evidence on its way into the books."""

    evidence: Evidence
    payment: Payment
    attempt: Attempt
    routes: Mapping[UUID, Route]
    move: Move
    commands: list[ledger.Command] = field(default_factory=list)
    start: int = 0
    suspense_id: UUID | None = None

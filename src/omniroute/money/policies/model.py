"""The nouns of policies. Frozen; no I/O. Amounts are integers in minor units, bands are half-open."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Literal
from uuid import UUID

from omniroute.kit.money import Rounding
from omniroute.money.payments import PaymentType
from omniroute.ports.rails import PartyKind

SECONDS_A_WEEK = 7 * 24 * 3600


class PolicyKind(StrEnum):
    """What a policy decides."""

    ROUTE = "route"
    FEE = "fee"
    APPROVAL = "approval"
    LIMIT = "limit"

    @property
    def needs_checker(self) -> bool:
        """A change of it lets more money out, or with fewer eyes on it, so a second person must agree."""
        return self in (PolicyKind.APPROVAL, PolicyKind.LIMIT)


class Initiator(StrEnum):
    """Who asks for a payment."""

    USER = "user"
    API_KEY = "api_key"
    SYSTEM = "system"


class Period(StrEnum):
    """What a limit counts over."""

    PAYMENT = "payment"
    DAY = "day"  # A business day of the organisation.
    MONTH = "month"


class Each(StrEnum):
    """What has a count of its own under a limit; None: all together."""

    SOURCE = "source"
    INITIATOR = "initiator"
    PAYEE = "payee"


@dataclass(frozen=True, slots=True)
class When:
    """What a payment must be for a policy to apply; what is left out does not matter.

    Amounts from `amount_from_minor` on and below `amount_below_minor`, in `currency`. Hours of the day in the
    organisation's time zone, from `hour_from` on and before `hour_until`; 22 to 6 is the night. `institutions` are
    codes of banks, or networks of mobile numbers. `source_prefix`: how the code of the paying account begins.
    """

    amount_from_minor: int | None = None
    amount_below_minor: int | None = None
    currency: str | None = None
    types: frozenset[PaymentType] = frozenset()
    payee_kinds: frozenset[PartyKind] = frozenset()
    countries: frozenset[str] = frozenset()
    institutions: frozenset[str] = frozenset()
    initiators: frozenset[Initiator] = frozenset()
    source_prefix: str | None = None
    hour_from: int | None = None
    hour_until: int | None = None


@dataclass(frozen=True, slots=True)
class RouteRule:
    """The connections a payment goes over, by code, the best first.

    `otherwise`: when none of them can carry it, the next rule is asked, or the payment is refused. No connections and
    `refuse`: such payments are not made. `float_covers`: only where our float is at least the amount.
    """

    connections: tuple[str, ...] = ()
    otherwise: Literal["next", "refuse"] = "next"
    float_covers: bool = False


@dataclass(frozen=True, slots=True)
class FeeRule:
    """What we earn: `flat_minor` and `basis_points` of the amount, within bounds. `rails`: only there."""

    flat_minor: int = 0
    basis_points: int = 0
    min_minor: int | None = None
    max_minor: int | None = None
    rounding: Literal["half_up", "half_even", "down", "ceiling"] = "half_up"
    rails: frozenset[str] = frozenset()

    @property
    def rounding_mode(self) -> Rounding:
        """How a part of a minor unit is settled."""
        return Rounding[self.rounding.upper()]


@dataclass(frozen=True, slots=True)
class ApprovalRule:
    """How many people must agree, and within which time. 0: nobody."""

    approvers: int
    expires_after_s: int = SECONDS_A_WEEK


@dataclass(frozen=True, slots=True)
class LimitRule:
    """So much may pass in a period. `each`: every source, initiator or payee has a count of its own."""

    period: Period
    amount_max_minor: int | None = None
    amount_min_minor: int | None = None
    count_max: int | None = None
    each: Each | None = None


Rule = RouteRule | FeeRule | ApprovalRule | LimitRule
RULES: Mapping[PolicyKind, type[RouteRule] | type[FeeRule] | type[ApprovalRule] | type[LimitRule]] = {
    PolicyKind.ROUTE: RouteRule,
    PolicyKind.FEE: FeeRule,
    PolicyKind.APPROVAL: ApprovalRule,
    PolicyKind.LIMIT: LimitRule,
}


@dataclass(frozen=True, slots=True)
class Draft:
    """A policy as somebody wants it. Of routes, fees and approvals the lowest `position` that applies decides; of
    limits all count.
    """

    kind: PolicyKind
    name: str
    position: int
    when: When
    rule: Rule


@dataclass(frozen=True, slots=True)
class Policy:
    """A policy as it stands."""

    policy_id: UUID
    kind: PolicyKind
    name: str
    position: int
    when: When
    rule: Rule
    status: Literal["active", "retired"]
    version: int
    created_at: datetime
    updated_at: datetime


class Action(StrEnum):
    """What a change does."""

    CREATE = "create"
    REPLACE = "replace"
    RETIRE = "retire"


class ChangeStatus(StrEnum):
    """proposed -> active | rejected. What needs no second person is active at once."""

    PROPOSED = "proposed"
    ACTIVE = "active"
    REJECTED = "rejected"


@dataclass(frozen=True, slots=True)
class Change:
    """A change of a policy, proposed or done. `draft` None: it retires the policy."""

    change_id: UUID
    policy_id: UUID
    kind: PolicyKind
    action: Action
    policy_version: int
    draft: Draft | None
    status: ChangeStatus
    proposed_by: str
    proposed_at: datetime
    decided_by: str | None
    decided_at: datetime | None
    comment: str | None
    version: int

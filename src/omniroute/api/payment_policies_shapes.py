"""What payment policies look like over HTTP."""

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from omniroute.api.shapes import (
    AmountIn,
    Currency,
    In,
    Instant,
    ListIn,
    Out,
    Revision,
)
from omniroute.kit import ids
from omniroute.kit.money import json_amount, parse_amount
from omniroute.money.payments import PaymentType
from omniroute.money.policies import (
    ApprovalRule,
    Change,
    Draft,
    Each,
    FeeRule,
    Initiator,
    LimitRule,
    Period,
    Policy,
    PolicyKind,
    RouteRule,
    Rule,
    When,
)
from omniroute.money.policies.errors import MalformedPolicy
from omniroute.ports.rails import PartyKind

Kind = Literal["route", "fee", "approval", "limit"]
Type = Literal[
    "SUPPLIER_PAYMENT", "WORKER_PAYOUT", "CUSTOMER_REFUND", "COLLECTION", "INTERNAL_TRANSFER", "BULK_DISBURSEMENT"
]  # fmt: skip
PayeeKinds = Literal["bank_account", "msisdn", "wallet", "till", "paybill", "ledger"]
PolicyId = Annotated[
    str,
    Meta(
        pattern="^pol_[0-7][0-9a-hjkmnp-tv-z]{25}$",
        description="A policy.",
        examples=["pol_01jd3m8q4vv8k8x2n0c5t7yh6r"],
    ),
]
PolicyName = Annotated[str, Meta(min_length=1, max_length=100, examples=["Large payments"])]
ConnectionCode = Annotated[str, Meta(pattern="^[a-z0-9][a-z0-9_-]{0,39}$", examples=["nip"])]
PolicyComment = Annotated[str, Meta(min_length=1, max_length=500, description="Kept with the change for ever.")]


class PolicyWhen(In):
    """What a payment must be for the policy to apply; what is left out does not matter.

    Amounts are in `currency`, from `amount_from` on and below `amount_below`. Hours are those of the organisation's
    time zone, from `hour_from` on and before `hour_until`; 22 to 6 is the night. `institutions` are codes of banks, or
    networks of mobile numbers. `source_prefix`: how the code of the paying account begins.
    """

    amount_from: AmountIn | None = None
    amount_below: AmountIn | None = None
    currency: Currency | None = None
    types: list[Type] = msgspec.field(default_factory=list)
    payee_kinds: list[PayeeKinds] = msgspec.field(default_factory=list)
    countries: list[Annotated[str, Meta(pattern="^[A-Z]{2}$")]] = msgspec.field(default_factory=list)
    institutions: Annotated[list[Annotated[str, Meta(min_length=1, max_length=40)]], Meta(max_length=200)] = (
        msgspec.field(default_factory=list)
    )
    initiators: list[Literal["user", "api_key", "system"]] = msgspec.field(default_factory=list)
    source_prefix: Annotated[str, Meta(min_length=1, max_length=128)] | None = None
    hour_from: Annotated[int, Meta(ge=0, le=23)] | None = None
    hour_until: Annotated[int, Meta(ge=0, le=24)] | None = None


class RoutePolicy(In):
    """Over these connections, by code, the best first. When none of them can carry a payment the next policy is asked,
    or it is refused. No connections and `refuse`: such payments are not made. `float_covers`: only where the float is
    at least the amount.
    """

    connections: Annotated[list[ConnectionCode], Meta(max_length=20)] = msgspec.field(default_factory=list)
    otherwise: Literal["next", "refuse"] = "next"
    float_covers: bool = False


class FeePolicy(In):
    """What we earn: `flat` and `basis_points` (hundredths of a percent) of the amount, at least `min`, at most `max`.
    `rails`: only on these.
    """

    flat: AmountIn = 0
    basis_points: Annotated[int, Meta(ge=0, le=10_000)] = 0
    min: AmountIn | None = None
    max: AmountIn | None = None
    rounding: Literal["half_up", "half_even", "down", "ceiling"] = "half_up"
    rails: Annotated[list[Annotated[str, Meta(min_length=1, max_length=40)]], Meta(max_length=20)] = msgspec.field(
        default_factory=list
    )


class ApprovalPolicy(In):
    """So many people must agree, none of them the initiator, within this time. 0: nobody."""

    approvers: Annotated[int, Meta(ge=0, le=10)]
    expires_after_s: Annotated[int, Meta(ge=60, le=30 * 24 * 3600)] = 7 * 24 * 3600


class LimitPolicy(In):
    """So much may pass: in one payment (`amount_max`, `amount_min`), or in a business day or month (`amount_max`,
    `count_max`). `each`: every source, initiator or payee has a count of its own.
    """

    period: Literal["payment", "day", "month"]
    amount_max: AmountIn | None = None
    amount_min: AmountIn | None = None
    count_max: Annotated[int, Meta(ge=0, le=2**31 - 1)] | None = None
    each: Literal["source", "initiator", "payee"] | None = None


class PolicyIn(In):
    """A policy. Exactly one of `route`, `fee`, `approval` and `limit` says what it decides. Of routes, fees and
    approvals the lowest `position` that applies decides; of limits all count.
    """

    name: PolicyName
    position: Annotated[int, Meta(ge=0, le=100_000)] = 1_000
    when: PolicyWhen = msgspec.field(default_factory=PolicyWhen)
    route: RoutePolicy | None = None
    fee: FeePolicy | None = None
    approval: ApprovalPolicy | None = None
    limit: LimitPolicy | None = None


class PoliciesIn(ListIn):
    """Which policies."""

    kind: Kind | None = None
    status: Literal["active", "retired"] | None = None


class PolicyChangesIn(ListIn):
    """Which changes."""

    status: Literal["proposed", "active", "rejected"] | None = None
    policy_id: PolicyId | None = None


class PolicyDecisionIn(In):
    """Why, if you like."""

    comment: PolicyComment | None = None


class PolicyOut(Out):
    """A policy as it stands."""

    id: str
    kind: Kind
    name: str
    position: int
    when: PolicyWhen
    route: RoutePolicy | None
    fee: FeePolicy | None
    approval: ApprovalPolicy | None
    limit: LimitPolicy | None
    status: Literal["active", "retired"]
    version: Revision
    created_at: Instant
    updated_at: Instant


class PolicyChangeOut(Out):
    """A change of a policy. `active`: it is in force; `proposed`: a second person must agree first. `policy` is the
    policy as it shall be, null when it is retired; `policy_version` the one that the change was made against.
    """

    id: str
    policy_id: str
    kind: Kind
    action: Literal["create", "replace", "retire"]
    status: Literal["proposed", "active", "rejected"]
    policy: PolicyIn | None
    policy_version: int
    proposed_by: str
    proposed_at: Instant
    decided_by: str | None
    decided_at: Instant | None
    comment: str | None


def draft_in(body: PolicyIn) -> Draft:
    """A policy as the service takes it.

    Raises: MalformedPolicy, MalformedAmount.
    """
    given: list[tuple[PolicyKind, Rule]] = []
    if body.route is not None:
        rule = body.route
        given.append((PolicyKind.ROUTE, RouteRule(tuple(rule.connections), rule.otherwise, rule.float_covers)))
    if body.fee is not None:
        given.append((PolicyKind.FEE, _fee_in(body.fee)))
    if body.approval is not None:
        approval = ApprovalRule(body.approval.approvers, body.approval.expires_after_s)
        given.append((PolicyKind.APPROVAL, approval))
    if body.limit is not None:
        given.append((PolicyKind.LIMIT, _limit_in(body.limit)))
    if len(given) != 1:
        raise MalformedPolicy("exactly one of route, fee, approval and limit", field="rule")
    kind, rule_ = given[0]
    return Draft(kind, body.name, body.position, _when_in(body.when), rule_)


def _when_in(when: PolicyWhen) -> When:
    return When(
        amount_from_minor=_minor(when.amount_from),
        amount_below_minor=_minor(when.amount_below),
        currency=when.currency,
        types=frozenset(map(PaymentType, when.types)),
        payee_kinds=frozenset(map(PartyKind, when.payee_kinds)),
        countries=frozenset(when.countries),
        institutions=frozenset(when.institutions),
        initiators=frozenset(map(Initiator, when.initiators)),
        source_prefix=when.source_prefix,
        hour_from=when.hour_from,
        hour_until=when.hour_until,
    )


def _fee_in(fee: FeePolicy) -> FeeRule:
    return FeeRule(
        parse_amount(fee.flat),
        fee.basis_points,
        _minor(fee.min),
        _minor(fee.max),
        fee.rounding,
        frozenset(fee.rails),
    )


def _limit_in(limit: LimitPolicy) -> LimitRule:
    return LimitRule(
        Period(limit.period),
        _minor(limit.amount_max),
        _minor(limit.amount_min),
        limit.count_max,
        None if limit.each is None else Each(limit.each),
    )


def _minor(amount: AmountIn | None) -> int | None:
    return None if amount is None else parse_amount(amount)


def _shown(amount_minor: int | None) -> AmountIn | None:
    return None if amount_minor is None else json_amount(amount_minor)


def draft_out(draft: Draft | Policy) -> PolicyIn:
    """A policy as it is written in a request."""
    when, rule = draft.when, draft.rule
    shown = PolicyIn(
        name=draft.name,
        position=draft.position,
        when=PolicyWhen(
            amount_from=_shown(when.amount_from_minor),
            amount_below=_shown(when.amount_below_minor),
            currency=when.currency,
            types=sorted(one.value for one in when.types),
            payee_kinds=sorted(one.value for one in when.payee_kinds),
            countries=sorted(when.countries),
            institutions=sorted(when.institutions),
            initiators=sorted(one.value for one in when.initiators),
            source_prefix=when.source_prefix,
            hour_from=when.hour_from,
            hour_until=when.hour_until,
        ),
    )
    match rule:
        case RouteRule():
            shown.route = RoutePolicy(
                connections=list(rule.connections), otherwise=rule.otherwise, float_covers=rule.float_covers
            )
        case FeeRule():
            shown.fee = FeePolicy(
                flat=json_amount(rule.flat_minor),
                basis_points=rule.basis_points,
                min=_shown(rule.min_minor),
                max=_shown(rule.max_minor),
                rounding=rule.rounding,
                rails=sorted(rule.rails),
            )
        case ApprovalRule():
            shown.approval = ApprovalPolicy(approvers=rule.approvers, expires_after_s=rule.expires_after_s)
        case LimitRule():
            shown.limit = LimitPolicy(
                period=rule.period.value,
                amount_max=_shown(rule.amount_max_minor),
                amount_min=_shown(rule.amount_min_minor),
                count_max=rule.count_max,
                each=None if rule.each is None else rule.each.value,
            )
    return shown


def policy_out(policy: Policy) -> PolicyOut:
    """A policy as shown."""
    drawn = draft_out(policy)
    return PolicyOut(
        id=ids.show("pol", policy.policy_id),
        kind=policy.kind.value,
        name=drawn.name,
        position=drawn.position,
        when=drawn.when,
        route=drawn.route,
        fee=drawn.fee,
        approval=drawn.approval,
        limit=drawn.limit,
        status=policy.status,
        version=policy.version,
        created_at=policy.created_at,
        updated_at=policy.updated_at,
    )


def change_out(change: Change) -> PolicyChangeOut:
    """A change as shown."""
    return PolicyChangeOut(
        id=ids.show("chg", change.change_id),
        policy_id=ids.show("pol", change.policy_id),
        kind=change.kind.value,
        action=change.action.value,
        status=change.status.value,
        policy=None if change.draft is None else draft_out(change.draft),
        policy_version=change.policy_version,
        proposed_by=change.proposed_by,
        proposed_at=change.proposed_at,
        decided_by=change.decided_by,
        decided_at=change.decided_at,
        comment=change.comment,
    )


BODY = {
    "name": "Day", "position": 10, "when": {"currency": "NGN", "types": ["WORKER_PAYOUT"]},
    "limit": {"period": "day", "amount_max": 500000000, "count_max": 2000},
}  # fmt: skip
_WHEN_SHOWN = {
    "amount_from": None, "amount_below": None, "currency": "NGN", "types": ["WORKER_PAYOUT"], "payee_kinds": [],
    "countries": [], "institutions": [], "initiators": [], "source_prefix": None, "hour_from": None, "hour_until": None,
}  # fmt: skip
_RULES_SHOWN = {
    "route": None, "fee": None, "approval": None,
    "limit": {"period": "day", "amount_max": 500000000, "amount_min": None, "count_max": 2000, "each": None},
}  # fmt: skip
POLICY = {
    "id": "pol_01jd3m8q4vv8k8x2n0c5t7yh6r", "kind": "limit", "name": "Day", "position": 10, "when": _WHEN_SHOWN,
    **_RULES_SHOWN, "status": "active", "version": 1, "created_at": "2026-11-21T08:00:00Z",
    "updated_at": "2026-11-21T08:00:00Z",
}  # fmt: skip
CHANGE = {
    "id": "chg_01jd3m8q4vv8k8x2n0c5t7yh6r", "policy_id": "pol_01jd3m8q4vv8k8x2n0c5t7yh6r", "kind": "limit",
    "action": "create", "status": "proposed",
    "policy": {"name": "Day", "position": 10, "when": _WHEN_SHOWN, **_RULES_SHOWN}, "policy_version": 0,
    "proposed_by": "usr_01jd3m8q4vv8k8x2n0c5t7yh6r", "proposed_at": "2026-11-21T08:00:00Z", "decided_by": None,
    "decided_at": None, "comment": None,
}  # fmt: skip
DECIDED = CHANGE | {
    "status": "active", "decided_by": "usr_01jd3m8q4vv8k8x2n0c5t7yh6s", "decided_at": "2026-11-21T08:05:00Z",
}  # fmt: skip

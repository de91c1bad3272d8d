"""Policies: what an organisation has decided about its payments, as data. Routes, fees, approvals, limits.

    policy    active -> retired
    change    proposed -> active | rejected   (limits and approvals: a second person decides)
              active                          (routes and fees: at once)

`PolicyRulebooks` keeps the policies of each organisation ready for `payments.initiate`, together with its connections,
their health and floats; `PolicyRulebook.decide` says where a payment goes, what it costs, who must agree and which
limits it uses up, and why. It asks nobody, so it takes microseconds.
"""

from omniroute.money.policies.model import (
    Action,
    ApprovalRule,
    Change,
    ChangeStatus,
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
from omniroute.money.policies.routing import Way
from omniroute.money.policies.rulebook import PolicyRulebook, fee_of
from omniroute.money.policies.rulebooks import PolicyRulebooks
from omniroute.money.policies.service import (
    approve_change,
    create_policy,
    get_change,
    get_policy,
    list_changes,
    list_policies,
    reject_change,
    replace_policy,
    retire_policy,
)
from omniroute.money.policies.store import CHANGES, POLICIES

__all__ = [
    "CHANGES",
    "POLICIES",
    "Action",
    "ApprovalRule",
    "Change",
    "ChangeStatus",
    "Draft",
    "Each",
    "FeeRule",
    "Initiator",
    "LimitRule",
    "Period",
    "Policy",
    "PolicyKind",
    "PolicyRulebook",
    "PolicyRulebooks",
    "RouteRule",
    "Rule",
    "Way",
    "When",
    "approve_change",
    "create_policy",
    "fee_of",
    "get_change",
    "get_policy",
    "list_changes",
    "list_policies",
    "reject_change",
    "replace_policy",
    "retire_policy",
]

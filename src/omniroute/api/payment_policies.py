"""Payment policies over HTTP: routes, fees, approvals and limits, and the four eyes over the last two."""

from omniroute.api.call import Call
from omniroute.api.operations import Reply, operation
from omniroute.api.payment_policies_shapes import (
    BODY,
    CHANGE,
    DECIDED,
    POLICY,
    PoliciesIn,
    PolicyChangeOut,
    PolicyChangesIn,
    PolicyDecisionIn,
    PolicyIn,
    PolicyOut,
    change_out,
    draft_in,
    policy_out,
)
from omniroute.api.shapes import (
    PageOut,
    page,
    parse_id,
)
from omniroute.infra.postgres import Tx
from omniroute.money import policies
from omniroute.money.policies import (
    Change,
    ChangeStatus,
    PolicyKind,
)
from omniroute.parties.access import Permission

_BASE = "/v1/{tenant}/payment-policies"
_CHANGES = "/v1/{tenant}/payment-policy-changes"


def _told(call: Call, change: Change, done: int) -> Reply:
    """202: it waits for a second person. What is in force is read anew at once by this process."""
    if change.status is ChangeStatus.PROPOSED:
        return Reply(change_out(change), status=202)
    call.services.payments.rulebooks.forget(call.tenant_id)
    return Reply(change_out(change), status=done)


@operation(
    "POST", _BASE, tag="Payment policies", status=201, permission=Permission.PAYMENTS_POLICIES_WRITE, whole=True,
    body=PolicyIn, reply=PolicyChangeOut, idempotent=True, statuses=(202,),
    refusals=("policies.malformed", "policies.name_taken", "policies.too_many", "kit.malformed_amount"),
    example=BODY, example_reply=CHANGE,
)  # fmt: skip
async def create_payment_policy(call: Call, tx: Tx, body: PolicyIn) -> Reply:
    """Create a payment policy.

    Routes and fees are in force at once (201). Limits and approvals are proposed (202): a second person must agree.
    """
    change = await policies.create_policy(tx, draft_in(body), caller=call.caller, now=call.now, meta=call.meta)
    return _told(call, change, 201)


@operation(
    "GET", _BASE, tag="Payment policies", permission=Permission.PAYMENTS_READ, query=PoliciesIn,
    reply=PageOut[PolicyOut], sorts=policies.POLICIES.sorts, example_reply={"items": [POLICY], "next_cursor": None},
)  # fmt: skip
async def list_payment_policies(call: Call, tx: Tx, query: PoliciesIn) -> PageOut[PolicyOut]:
    """List payment policies, by position unless `sort` says otherwise."""
    found = await policies.list_policies(
        tx,
        kind=None if query.kind is None else PolicyKind(query.kind),
        status=query.status,
        sort=query.sort,
        limit=query.limit,
        cursor=query.cursor,
    )
    return page(found, policy_out)


@operation(
    "GET", _BASE + "/{policy}", tag="Payment policies", permission=Permission.PAYMENTS_READ, reply=PolicyOut,
    versioned=True, refusals=("policies.not_found",), example_reply=POLICY,
)  # fmt: skip
async def get_payment_policy(call: Call, tx: Tx) -> Reply:
    """Show a payment policy."""
    policy = await policies.get_policy(tx, call.id("policy"))
    return Reply(policy_out(policy), version=policy.version)


@operation(
    "PUT", _BASE + "/{policy}", tag="Payment policies", permission=Permission.PAYMENTS_POLICIES_WRITE, whole=True,
    body=PolicyIn, reply=PolicyChangeOut, changes_version=True, statuses=(202,),
    refusals=("policies.not_found", "policies.changed", "policies.malformed", "policies.name_taken",
              "kit.malformed_amount"),
    example=BODY, example_reply=CHANGE | {"action": "replace", "policy_version": 1},
)  # fmt: skip
async def replace_payment_policy(call: Call, tx: Tx, body: PolicyIn) -> Reply:
    """Replace a payment policy; its kind stays.

    Routes and fees change at once (200). Limits and approvals are proposed (202): a second person must agree.
    """
    change = await policies.replace_policy(
        tx,
        call.id("policy"),
        draft_in(body),
        version=call.read_version,
        caller=call.caller,
        now=call.now,
        meta=call.meta,
    )
    return _told(call, change, 200)


@operation(
    "DELETE", _BASE + "/{policy}", tag="Payment policies", permission=Permission.PAYMENTS_POLICIES_WRITE, whole=True,
    reply=PolicyChangeOut, changes_version=True, statuses=(202,),
    refusals=("policies.not_found", "policies.changed"),
    example_reply=CHANGE | {"action": "retire", "policy": None, "policy_version": 1},
)  # fmt: skip
async def retire_payment_policy(call: Call, tx: Tx) -> Reply:
    """Retire a payment policy.

    Routes and fees end at once (200). Limits and approvals are proposed to end (202): a second person must agree.
    """
    change = await policies.retire_policy(
        tx, call.id("policy"), version=call.read_version, caller=call.caller, now=call.now, meta=call.meta
    )
    return _told(call, change, 200)


@operation(
    "GET", _CHANGES, tag="Payment policies", permission=Permission.PAYMENTS_READ, query=PolicyChangesIn,
    reply=PageOut[PolicyChangeOut], sorts=policies.CHANGES.sorts, refusals=("kit.malformed_id",),
    example_reply={"items": [CHANGE], "next_cursor": None},
)  # fmt: skip
async def list_payment_policy_changes(call: Call, tx: Tx, query: PolicyChangesIn) -> PageOut[PolicyChangeOut]:
    """List changes of payment policies, the latest first: what waits, and what was decided by whom."""
    found = await policies.list_changes(
        tx,
        status=None if query.status is None else ChangeStatus(query.status),
        policy_id=parse_id("pol", query.policy_id),
        sort=query.sort,
        limit=query.limit,
        cursor=query.cursor,
    )
    return page(found, change_out)


@operation(
    "GET", _CHANGES + "/{change}", tag="Payment policies", permission=Permission.PAYMENTS_READ, reply=PolicyChangeOut,
    refusals=("policies.proposal_not_found",), example_reply=CHANGE,
)  # fmt: skip
async def get_payment_policy_change(call: Call, tx: Tx) -> PolicyChangeOut:
    """Show a change of a payment policy."""
    return change_out(await policies.get_change(tx, call.id("change")))


@operation(
    "POST", _CHANGES + "/{change}/approve", tag="Payment policies", permission=Permission.PAYMENTS_POLICIES_WRITE,
    whole=True, body=PolicyDecisionIn, reply=PolicyChangeOut, idempotent=True,
    refusals=("policies.proposal_not_found", "policies.proposal_decided", "policies.person_needed",
              "policies.proposer_decides", "policies.changed", "policies.name_taken", "policies.malformed"),
    example={"comment": "As agreed with finance"}, example_reply=DECIDED,
)  # fmt: skip
async def approve_payment_policy_change(call: Call, tx: Tx, body: PolicyDecisionIn) -> Reply:
    """Agree to a proposed change; it is in force within seconds.

    Somebody else than who proposed it does that, signed in as a person: a key does not decide.
    """
    change = await policies.approve_change(
        tx, call.id("change"), caller=call.caller, comment=body.comment, now=call.now, meta=call.meta
    )
    return _told(call, change, 200)


@operation(
    "POST", _CHANGES + "/{change}/reject", tag="Payment policies", permission=Permission.PAYMENTS_POLICIES_WRITE,
    whole=True, body=PolicyDecisionIn, reply=PolicyChangeOut, idempotent=True,
    refusals=("policies.proposal_not_found", "policies.proposal_decided", "policies.malformed"),
    example={"comment": "Too high"}, example_reply=DECIDED | {"status": "rejected", "comment": "Too high"},
)  # fmt: skip
async def reject_payment_policy_change(call: Call, tx: Tx, body: PolicyDecisionIn) -> PolicyChangeOut:
    """Turn a proposed change down, or take your own back."""
    change = await policies.reject_change(
        tx, call.id("change"), caller=call.caller, comment=body.comment, now=call.now, meta=call.meta
    )
    return change_out(change)

"""Authority to collect over HTTP: grants, what is passed on below them, and where they stand."""

from collections.abc import Sequence

from omniroute.api.atc_grants_shapes import (
    ACTIVE,
    BODY,
    EXAMPLE,
    REVOKED,
    AtcGrantOut,
    AtcGrantReasonIn,
    AtcGrantsIn,
    AtcHierarchyOut,
    AtcRevokedOut,
    CreateAtcGrantIn,
    SuspendAtcGrantIn,
    TurnAtcGrantIn,
    grant_in,
    grant_out,
)
from omniroute.api.call import Call
from omniroute.api.operations import Reply, operation
from omniroute.api.shapes import PageOut, parse_id
from omniroute.infra.postgres import Tx
from omniroute.money import atc
from omniroute.money.atc import Grant, GrantStatus
from omniroute.parties.access import Permission

_GRANTS = "/v1/{tenant}/atc-grants"
_GRANT = _GRANTS + "/{atc_grant}"
_WRITING = (
    "atc.malformed", "atc.wrong_party", "atc.not_found", "atc.parent_not_active", "atc.beyond_parent", "atc.conflict",
    "atc.reference_taken", "partners.not_found", "partners.closed", "institutions.malformed_payee",
    "institutions.unknown",
)  # fmt: skip
_DECIDING = ("atc.not_found", "atc.wrong_status", "atc.approver_is_author")
_TURNING = ("atc.not_found", "atc.wrong_status")


async def _shown(tx: Tx, grants: Sequence[Grant]) -> list[AtcGrantOut]:
    collected = await atc.find_collected(tx, grants)
    return [grant_out(one, collected[one.grant_id]) for one in grants]


async def _one(tx: Tx, grant: Grant) -> Reply:
    [shown] = await _shown(tx, [grant])
    return Reply(shown, version=grant.version)


@operation(
    "POST", _GRANTS, tag="Authority to collect", status=201, permission=Permission.ATC_WRITE, whole=True,
    body=CreateAtcGrantIn, reply=AtcGrantOut, versioned=True, idempotent=True, refusals=_WRITING, example=BODY,
    example_reply=EXAMPLE,
)  # fmt: skip
async def create_atc_grant(call: Call, tx: Tx, body: CreateAtcGrantIn) -> Reply:
    """Write authority to collect.

    Nothing is collected under it before somebody else has approved it. Its terms never change: other terms are another
    grant.
    """
    command = grant_in(body)
    return await _one(tx, await atc.create_grant(tx, command, actor=call.caller.subject, now=call.now, meta=call.meta))


@operation(
    "GET", _GRANTS, tag="Authority to collect", permission=Permission.ATC_READ, query=AtcGrantsIn,
    reply=PageOut[AtcGrantOut], sorts=atc.GRANTS.sorts, example_query={"status": "active"},
    example_reply={"items": [EXAMPLE | ACTIVE], "next_cursor": None},
)  # fmt: skip
async def list_atc_grants(call: Call, tx: Tx, query: AtcGrantsIn) -> PageOut[AtcGrantOut]:
    """List authority to collect, the latest first."""
    found = await atc.list_grants(
        tx,
        status=None if query.status is None else GrantStatus(query.status),
        grantor_id=parse_id("ptn", query.grantor),
        grantee_id=parse_id("ptn", query.grantee),
        parent_id=parse_id("atc", query.parent),
        sort=query.sort,
        limit=query.limit,
        cursor=query.cursor,
    )
    return PageOut(items=await _shown(tx, found.items), next_cursor=found.next_cursor)


@operation(
    "GET", _GRANT, tag="Authority to collect", permission=Permission.ATC_READ, reply=AtcGrantOut, versioned=True,
    refusals=("atc.not_found",), example_reply=EXAMPLE | ACTIVE,
)  # fmt: skip
async def get_atc_grant(call: Call, tx: Tx) -> Reply:
    """Show authority to collect."""
    return await _one(tx, await atc.find_grant(tx, call.id("atc_grant")))


@operation(
    "GET", _GRANT + "/hierarchy", tag="Authority to collect", permission=Permission.ATC_READ, reply=AtcHierarchyOut,
    refusals=("atc.not_found",), example_reply={"items": [EXAMPLE | ACTIVE]},
)  # fmt: skip
async def get_atc_hierarchy(call: Call, tx: Tx) -> AtcHierarchyOut:
    """Show a grant and all that hangs below it, parents before children; at most 1,000."""
    return AtcHierarchyOut(items=await _shown(tx, await atc.find_tree(tx, call.id("atc_grant"))))


@operation(
    "POST", _GRANT + "/submit", tag="Authority to collect", permission=Permission.ATC_WRITE, whole=True,
    body=TurnAtcGrantIn, reply=AtcGrantOut, versioned=True, idempotent=True,
    refusals=(*_TURNING, "atc.over", "atc.parent_not_active", "atc.conflict"), example={},
    example_reply=EXAMPLE | {"version": 2},
)  # fmt: skip
async def submit_atc_grant(call: Call, tx: Tx, body: TurnAtcGrantIn) -> Reply:
    """Send a draft to approval."""
    return await _one(tx, await atc.submit_grant(tx, call.id("atc_grant"), now=call.now, meta=call.meta))


@operation(
    "POST", _GRANT + "/approve", tag="Authority to collect", permission=Permission.ATC_APPROVE, whole=True,
    body=TurnAtcGrantIn, reply=AtcGrantOut, versioned=True, idempotent=True,
    refusals=(*_DECIDING, "atc.over", "atc.parent_not_active", "partners.closed"), example={},
    example_reply=EXAMPLE | ACTIVE,
)  # fmt: skip
async def approve_atc_grant(call: Call, tx: Tx, body: TurnAtcGrantIn) -> Reply:
    """Say yes to a grant: its grantee may collect while it is in force. Never by who wrote it."""
    approved = await atc.approve_grant(
        tx, call.id("atc_grant"), actor=call.caller.subject, now=call.now, meta=call.meta
    )
    return await _one(tx, approved)


@operation(
    "POST", _GRANT + "/reject", tag="Authority to collect", permission=Permission.ATC_APPROVE, whole=True,
    body=AtcGrantReasonIn, reply=AtcGrantOut, versioned=True, idempotent=True, refusals=("atc.malformed", *_DECIDING),
    example={"reason": "too much"},
    example_reply=EXAMPLE | REVOKED | {"approved_by": None, "approved_at": None, "status_reason": "too much"},
)  # fmt: skip
async def reject_atc_grant(call: Call, tx: Tx, body: AtcGrantReasonIn) -> Reply:
    """Say no to a grant; it is revoked before it was ever active. Never by who wrote it."""
    rejected = await atc.reject_grant(
        tx, call.id("atc_grant"), actor=call.caller.subject, reason=body.reason, now=call.now, meta=call.meta
    )
    return await _one(tx, rejected)


@operation(
    "POST", _GRANT + "/suspend", tag="Authority to collect", permission=Permission.ATC_APPROVE, whole=True,
    body=SuspendAtcGrantIn, reply=AtcGrantOut, versioned=True, idempotent=True, refusals=("atc.malformed", *_TURNING),
    example={"reason": "short of cash twice"},
    example_reply=EXAMPLE | ACTIVE | {"status": "suspended", "status_reason": "short of cash twice", "version": 3},
)  # fmt: skip
async def suspend_atc_grant(call: Call, tx: Tx, body: SuspendAtcGrantIn) -> Reply:
    """Let nothing be collected under a grant, or below it, until it is resumed."""
    held = await atc.suspend_grant(tx, call.id("atc_grant"), reason=body.reason, now=call.now, meta=call.meta)
    return await _one(tx, held)


@operation(
    "POST", _GRANT + "/resume", tag="Authority to collect", permission=Permission.ATC_APPROVE, whole=True,
    body=TurnAtcGrantIn, reply=AtcGrantOut, versioned=True, idempotent=True,
    refusals=(*_TURNING, "atc.over", "partners.closed"), example={}, example_reply=EXAMPLE | ACTIVE | {"version": 4},
)  # fmt: skip
async def resume_atc_grant(call: Call, tx: Tx, body: TurnAtcGrantIn) -> Reply:
    """Let a suspended grant be active again."""
    return await _one(tx, await atc.resume_grant(tx, call.id("atc_grant"), now=call.now, meta=call.meta))


@operation(
    "POST", _GRANT + "/revoke", tag="Authority to collect", permission=Permission.ATC_WRITE, whole=True,
    body=AtcGrantReasonIn, reply=AtcRevokedOut, idempotent=True, refusals=("atc.malformed", *_TURNING),
    example={"reason": "moved away"}, example_reply={"items": [EXAMPLE | REVOKED]},
)  # fmt: skip
async def revoke_atc_grant(call: Call, tx: Tx, body: AtcGrantReasonIn) -> Reply:
    """Take a grant back for good, and all that hangs below it. What was collected is settled as ever."""
    revoked = await atc.revoke_grant(tx, call.id("atc_grant"), reason=body.reason, now=call.now, meta=call.meta)
    return Reply(AtcRevokedOut(items=await _shown(tx, revoked)))

"""Changing policies: what needs a second person is proposed, everything else is in force at once."""

from datetime import datetime
from uuid import UUID

from psycopg import errors as pg

from omniroute.infra import events
from omniroute.infra.events import Meta
from omniroute.infra.postgres import Tx, read_page
from omniroute.kit.ids import uuid7
from omniroute.kit.paging import Page
from omniroute.money import connections
from omniroute.money.policies.errors import (
    MalformedPolicy,
    PersonNeeded,
    PolicyChanged,
    PolicyNameTaken,
    PolicyNotFound,
    ProposalDecided,
    ProposalNotFound,
    ProposerDecides,
    TooManyPolicies,
)
from omniroute.money.policies.events import (
    PolicyChangeActivated,
    PolicyChangeProposed,
    PolicyChangeRejected,
    PolicyEvent,
)
from omniroute.money.policies.model import Action, Change, ChangeStatus, Draft, Policy, PolicyKind, RouteRule
from omniroute.money.policies.rules import check_draft
from omniroute.money.policies.store import CHANGES, POLICIES, SQL, change_of, jsonb, policy_of
from omniroute.parties.access import Caller

POLICIES_MAX = 200
"""Of one kind: every payment looks at them."""


async def create_policy(tx: Tx, draft: Draft, *, caller: Caller, now: datetime, meta: Meta) -> Change:
    """A new policy: in force at once, or proposed where its kind needs a second person.

    Raises: MalformedPolicy, PolicyNameTaken, TooManyPolicies.
    """
    await _check(tx, draft)
    if await tx.value(SQL.count_policies, tenant=tx.tenant, kind=draft.kind.value) >= POLICIES_MAX:
        raise TooManyPolicies(kind=draft.kind.value, policies_max=POLICIES_MAX)
    return await _change(tx, uuid7(), draft.kind, Action.CREATE, draft, None, caller=caller, now=now, meta=meta)


async def replace_policy(
    tx: Tx, policy_id: UUID, draft: Draft, *, version: int, caller: Caller, now: datetime, meta: Meta
) -> Change:
    """The policy as it shall be; its kind stays.

    Raises: PolicyNotFound, PolicyChanged, MalformedPolicy, PolicyNameTaken.
    """
    policy = await _in_force(tx, policy_id, version)
    if policy.kind is not draft.kind:
        raise MalformedPolicy(f"a {policy.kind} policy stays one", field=str(draft.kind))
    await _check(tx, draft)
    return await _change(tx, policy_id, policy.kind, Action.REPLACE, draft, policy, caller=caller, now=now, meta=meta)


async def retire_policy(tx: Tx, policy_id: UUID, *, version: int, caller: Caller, now: datetime, meta: Meta) -> Change:
    """End a policy. What it counted stays counted.

    Raises: PolicyNotFound, PolicyChanged.
    """
    policy = await _in_force(tx, policy_id, version)
    return await _change(tx, policy_id, policy.kind, Action.RETIRE, None, policy, caller=caller, now=now, meta=meta)


async def approve_change(
    tx: Tx, change_id: UUID, *, caller: Caller, comment: str | None = None, now: datetime, meta: Meta
) -> Change:
    """A second person's yes: the change is in force.

    Raises: ProposalNotFound, ProposalDecided, PersonNeeded, ProposerDecides, PolicyChanged when the policy is not any
    more what it was, PolicyNameTaken, MalformedPolicy when a comment cannot be kept.
    """
    change = await _waiting(tx, change_id)
    if caller.kind != "user":
        raise PersonNeeded()
    if await tx.value(SQL.same_person, one=change.proposed_by, other=caller.subject):
        raise ProposerDecides()
    policy = await _apply(tx, change, now)
    decided = await _decide(tx, change, ChangeStatus.ACTIVE, caller, comment, now)
    await events.append(tx, _told(PolicyChangeActivated, decided, policy.name, policy.version), meta)
    return decided


async def reject_change(
    tx: Tx, change_id: UUID, *, caller: Caller, comment: str | None = None, now: datetime, meta: Meta
) -> Change:
    """Turn a proposal down; its proposer may, too, and takes it back so.

    Raises: ProposalNotFound, ProposalDecided, MalformedPolicy when a comment cannot be kept.
    """
    change = await _waiting(tx, change_id)
    decided = await _decide(tx, change, ChangeStatus.REJECTED, caller, comment, now)
    name = change.draft.name if change.draft else (await get_policy(tx, change.policy_id)).name
    await events.append(tx, _told(PolicyChangeRejected, decided, name, change.policy_version), meta)
    return decided


async def get_policy(tx: Tx, policy_id: UUID) -> Policy:
    """One policy. Raises: PolicyNotFound."""
    row = await tx.one_or_none(SQL.find_policy, tenant=tx.tenant, policy=policy_id)
    if row is None:
        raise PolicyNotFound()
    return policy_of(row)


async def list_policies(
    tx: Tx,
    *,
    kind: PolicyKind | None = None,
    status: str | None = None,
    sort: str | None = None,
    limit: int | None = None,
    cursor: str | None = None,
) -> Page[Policy]:
    """A page of policies, in the order in which they are asked. Raises: what `read_page` raises."""
    rows = await read_page(
        tx,
        POLICIES,
        sort=sort,
        limit=limit,
        cursor=cursor,
        tenant=tx.tenant,
        kind=None if kind is None else kind.value,
        status=status,
    )
    return rows.map(policy_of)


async def get_change(tx: Tx, change_id: UUID) -> Change:
    """One change. Raises: ProposalNotFound."""
    row = await tx.one_or_none(SQL.find_change, tenant=tx.tenant, change=change_id)
    if row is None:
        raise ProposalNotFound()
    return change_of(row)


async def list_changes(
    tx: Tx,
    *,
    status: ChangeStatus | None = None,
    policy_id: UUID | None = None,
    sort: str | None = None,
    limit: int | None = None,
    cursor: str | None = None,
) -> Page[Change]:
    """A page of changes, the latest first. Raises: what `read_page` raises."""
    rows = await read_page(
        tx,
        CHANGES,
        sort=sort,
        limit=limit,
        cursor=cursor,
        tenant=tx.tenant,
        status=None if status is None else status.value,
        policy=policy_id,
    )
    return rows.map(change_of)


async def _check(tx: Tx, draft: Draft) -> None:
    check_draft(draft)
    if isinstance(draft.rule, RouteRule):
        known = {connection.code for connection in await connections.open_connections(tx)}
        for code in draft.rule.connections:
            if code not in known:
                raise MalformedPolicy(f"route.connections: there is no connection {code}", field="route.connections")


async def _in_force(tx: Tx, policy_id: UUID, version: int) -> Policy:
    policy = await get_policy(tx, policy_id)
    if policy.version != version or policy.status != "active":
        raise PolicyChanged(version=policy.version, status=policy.status)
    return policy


async def _change(
    tx: Tx,
    policy_id: UUID,
    kind: PolicyKind,
    action: Action,
    draft: Draft | None,
    before: Policy | None,
    *,
    caller: Caller,
    now: datetime,
    meta: Meta,
) -> Change:
    """Write the change down; do it, unless somebody else must agree first."""
    waits = kind.needs_checker
    row = await tx.one(
        SQL.insert_change,
        tenant=tx.tenant,
        change=uuid7(),
        policy=policy_id,
        kind=kind.value,
        action=action.value,
        version=0 if before is None else before.version,
        draft=None if draft is None else jsonb(draft),
        status=ChangeStatus.PROPOSED.value if waits else ChangeStatus.ACTIVE.value,
        actor=caller.subject,
        now=now,
        decided_at=None if waits else now,
    )
    change = change_of(row)
    if waits:
        named = draft or before
        assert named is not None, "a change has a draft or a policy before it"
        await events.append(tx, _told(PolicyChangeProposed, change, named.name, change.policy_version), meta)
    else:
        policy = await _apply(tx, change, now)
        await events.append(tx, _told(PolicyChangeActivated, change, policy.name, policy.version), meta)
    return change


async def _apply(tx: Tx, change: Change, now: datetime) -> Policy:
    """Make the policy what the change says. Raises: PolicyChanged, PolicyNameTaken."""
    key = {"tenant": tx.tenant, "policy": change.policy_id, "now": now}
    draft = change.draft
    if draft is None:
        row = await tx.one_or_none(SQL.retire_policy, **key, version=change.policy_version)
    else:
        content = {
            "name": draft.name,
            "position": draft.position,
            "applies_when": jsonb(draft.when),
            "rule": jsonb(draft.rule),
        }
        try:
            async with tx.savepoint():
                if change.action is Action.CREATE:
                    row = await tx.one(SQL.insert_policy, **key, **content, kind=draft.kind.value)
                else:
                    row = await tx.one_or_none(SQL.update_policy, **key, **content, version=change.policy_version)
        except pg.UniqueViolation as error:
            raise PolicyNameTaken(name=draft.name) from error
    if row is None:
        raise PolicyChanged()
    return policy_of(row)


async def _waiting(tx: Tx, change_id: UUID) -> Change:
    row = await tx.one_or_none(SQL.lock_change, tenant=tx.tenant, change=change_id)
    if row is None:
        raise ProposalNotFound()
    change = change_of(row)
    if change.status is not ChangeStatus.PROPOSED:
        raise ProposalDecided(status=change.status.value)
    return change


async def _decide(
    tx: Tx, change: Change, status: ChangeStatus, caller: Caller, comment: str | None, now: datetime
) -> Change:
    if comment is not None and not (0 < len(comment) <= 500 and comment.isprintable()):
        raise MalformedPolicy("comment: 1 to 500 printable characters", field="comment")
    row = await tx.one(
        SQL.decide_change,
        tenant=tx.tenant,
        change=change.change_id,
        status=status.value,
        actor=caller.subject,
        comment=comment,
        now=now,
    )
    return change_of(row)


def _told(kind: type[PolicyEvent], change: Change, name: str, version: int) -> PolicyEvent:
    return kind(
        change.policy_id, change.change_id, change.kind.value, name, change.action.value, version, change.proposed_by
    )

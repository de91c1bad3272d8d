"""Where grants stand: sent to approval, approved, rejected, suspended, resumed, revoked, expired.

Locks are taken from the top of a line downwards: a parent before its children.
"""

from dataclasses import replace
from datetime import datetime
from uuid import UUID

from omniroute import ledger
from omniroute.infra import events
from omniroute.infra.events import Meta
from omniroute.infra.postgres import Tx
from omniroute.kit import ids
from omniroute.ledger import AccountType, Mode, OpenAccount
from omniroute.money.atc.conditions import active_parent, active_parties, another_person, no_rival
from omniroute.money.atc.errors import GrantNotFound, GrantOver, MalformedGrant, WrongStatus
from omniroute.money.atc.events import (
    GrantApproved,
    GrantEvent,
    GrantExpired,
    GrantRejected,
    GrantResumed,
    GrantRevoked,
    GrantSubmitted,
    GrantSuspended,
)
from omniroute.money.atc.model import ENDED, Grant, GrantStatus, collected_code, collected_contra_code
from omniroute.money.atc.store import SQL, read_grants

REASON_MAX = 500
_NOT_ENDED = tuple(status for status in GrantStatus if status not in ENDED)


async def submit_grant(tx: Tx, grant_id: UUID, *, now: datetime, meta: Meta) -> Grant:
    """Send a draft to approval, unless another grant covers some of it by now.

    Raises: GrantNotFound, WrongStatus, GrantOver, ParentNotActive, GrantConflict.
    """
    grant = await _held(tx, grant_id, GrantStatus.DRAFT, now=now)
    await active_parent(tx, grant.parent_id)
    await no_rival(
        tx,
        grant_id=grant_id,
        grantor_id=grant.grantor_id,
        grantee_id=grant.grantee_id,
        currency=grant.currency,
        collection_type=grant.collection_type,
        scopes=grant.scopes,
        effective_from=grant.effective_from,
        effective_to=grant.effective_to,
    )
    return await _move(tx, grant, GrantStatus.PENDING_APPROVAL, GrantSubmitted, None, now=now, meta=meta)


async def approve_grant(tx: Tx, grant_id: UUID, *, actor: str, now: datetime, meta: Meta) -> Grant:
    """Somebody else's yes: the grantee may collect while the grant is in force.

    Opens the ledger account of what is collected under it, whose ceiling is the cumulative limit.

    Raises: GrantNotFound, WrongStatus, GrantOver, ApproverIsAuthor, ParentNotActive, PartnerClosed, WrongParty.
    """
    grant = await _held(tx, grant_id, GrantStatus.PENDING_APPROVAL, now=now)
    await another_person(tx, grant, actor)
    await active_parent(tx, grant.parent_id)
    await active_parties(tx, grant.grantor_id, grant.grantee_id)
    await ledger.open_missing(tx, [_contra_account(grant.currency)], now=now, meta=meta)
    await ledger.open_account(tx, _collected_account(grant), now=now, meta=meta)
    approved = replace(grant, approved_by=actor, approved_at=now)
    return await _move(tx, approved, GrantStatus.ACTIVE, GrantApproved, None, now=now, meta=meta)


async def reject_grant(tx: Tx, grant_id: UUID, *, actor: str, reason: str, now: datetime, meta: Meta) -> Grant:
    """Somebody else's no: the grant is revoked before it was ever active.

    Raises: MalformedGrant, GrantNotFound, WrongStatus, ApproverIsAuthor.
    """
    why = clean_reason(reason)
    grant = await _held(tx, grant_id, GrantStatus.PENDING_APPROVAL)
    await another_person(tx, grant, actor)
    return await _move(tx, grant, GrantStatus.REVOKED, GrantRejected, why, now=now, meta=meta)


async def suspend_grant(tx: Tx, grant_id: UUID, *, reason: str | None, now: datetime, meta: Meta) -> Grant:
    """Let nothing be collected under it, or below it, until it is resumed.

    Raises: MalformedGrant, GrantNotFound, WrongStatus.
    """
    why = None if reason is None else clean_reason(reason)
    grant = await _held(tx, grant_id, GrantStatus.ACTIVE)
    return await _move(tx, grant, GrantStatus.SUSPENDED, GrantSuspended, why, now=now, meta=meta)


async def resume_grant(tx: Tx, grant_id: UUID, *, now: datetime, meta: Meta) -> Grant:
    """Let a suspended grant be active again.

    Raises: GrantNotFound, WrongStatus, GrantOver, PartnerClosed.
    """
    grant = await _held(tx, grant_id, GrantStatus.SUSPENDED, now=now)
    await active_parties(tx, grant.grantor_id, grant.grantee_id)
    return await _move(tx, grant, GrantStatus.ACTIVE, GrantResumed, None, now=now, meta=meta)


async def revoke_grant(tx: Tx, grant_id: UUID, *, reason: str, now: datetime, meta: Meta) -> list[Grant]:
    """Take a grant back for good, and all that hangs below it: itself first. What was collected is settled as ever.

    Raises: MalformedGrant, GrantNotFound, WrongStatus.
    """
    why = clean_reason(reason)
    revoked = [await _held(tx, grant_id, *_NOT_ENDED)]
    level = [grant_id]
    while level:  # Level by level: under a parent that is held, no child is written any more.
        rows = await tx.all(SQL.lock_children, tenant=tx.tenant, grants=level)
        level = [row.grant_id for row in rows]
        found = await read_grants(tx, level)
        revoked.extend(found[one] for one in level)
    return [await _move(tx, grant, GrantStatus.REVOKED, GrantRevoked, why, now=now, meta=meta) for grant in revoked]


async def expire_grant(tx: Tx, grant_id: UUID, *, now: datetime, meta: Meta) -> bool:
    """End a grant whose time is over; False: it is not, or somebody else has ended it. Children end by themselves."""
    await tx.one_or_none(SQL.lock_grant, tenant=tx.tenant, grant=grant_id)
    grant = (await read_grants(tx, [grant_id])).get(grant_id)
    if grant is None or grant.status in ENDED or grant.effective_to is None or grant.effective_to > now:
        return False
    await _move(tx, grant, GrantStatus.EXPIRED, GrantExpired, None, now=now, meta=meta)
    return True


async def _held(tx: Tx, grant_id: UUID, *statuses: GrantStatus, now: datetime | None = None) -> Grant:
    """A grant in one of these statuses, held until the transaction ends, its parent before it.

    With `now`, its time must not be over. Raises: GrantNotFound, WrongStatus, GrantOver.
    """
    seen = (await read_grants(tx, [grant_id])).get(grant_id)
    if seen is None:
        raise GrantNotFound()
    if seen.parent_id is not None:
        await tx.one(SQL.share_grant, tenant=tx.tenant, grant=seen.parent_id)
    await tx.one(SQL.lock_grant, tenant=tx.tenant, grant=grant_id)
    grant = (await read_grants(tx, [grant_id]))[grant_id]
    if grant.status not in statuses:
        raise WrongStatus(status=grant.status.value)
    if now is not None and grant.effective_to is not None and grant.effective_to <= now:
        raise GrantOver(effective_to=grant.effective_to.isoformat())
    return grant


async def _move(
    tx: Tx,
    grant: Grant,
    status: GrantStatus,
    kind: type[GrantEvent],
    reason: str | None,
    *,
    now: datetime,
    meta: Meta,
) -> Grant:
    await tx.execute(
        SQL.move_grant,
        tenant=tx.tenant,
        grant=grant.grant_id,
        status=status.value,
        reason=reason,
        approved_by=grant.approved_by,
        approved_at=grant.approved_at,
        ended_at=now if status in ENDED else None,
        now=now,
    )
    moved = (await read_grants(tx, [grant.grant_id]))[grant.grant_id]
    await events.append(tx, told(kind, moved), meta)
    return moved


def _contra_account(currency: str) -> OpenAccount:
    """What stands against all that was collected by authority."""
    code, name = collected_contra_code(currency), f"Collected by authority {currency}"
    return OpenAccount(code, name, AccountType.ASSET, currency, Mode.DEFERRED)


def _collected_account(grant: Grant) -> OpenAccount:
    """What was collected under a grant, never above its cumulative limit."""
    shown = ids.show("atc", grant.grant_id)
    return OpenAccount(
        collected_code(grant.grant_id),
        f"Collected under {shown}",
        AccountType.ASSET,
        grant.currency,
        owner_ref=shown,
        floor_minor=0,
        ceiling_minor=grant.cumulative_limit_minor,
    )


def clean_reason(text: str) -> str:
    """Why somebody did something, for people. Raises: MalformedGrant."""
    reason = text.strip()
    if not 1 <= len(reason) <= REASON_MAX or "\x00" in reason:
        raise MalformedGrant(f"reason: 1 to {REASON_MAX} characters", field="reason")
    return reason


def told(kind: type[GrantEvent], grant: Grant) -> GrantEvent:
    """A fact about a grant as it stands."""
    return kind(
        grant.grant_id,
        grant.reference,
        grant.grantor_id,
        grant.grantee_id,
        grant.parent_id,
        grant.currency,
        grant.status.value,
        grant.status_reason,
    )

"""Invitations: sent with roles the sender holds, accepted once, by whoever has the token."""

import re
from collections.abc import Collection
from datetime import datetime, timedelta
from uuid import UUID

from omniroute.infra.events import Meta, append
from omniroute.infra.postgres import Database, Tx, read_page
from omniroute.kit.ids import show, uuid7
from omniroute.kit.paging import Page
from omniroute.parties import access, tenants
from omniroute.parties.access import OWNER, Caller, mint_secret, read_secret
from omniroute.parties.people import events
from omniroute.parties.people.errors import (
    AlreadyMember,
    InvitationExpired,
    InvitationNotPending,
    InvitationUnknown,
    MalformedPerson,
    MemberVersionStale,
)
from omniroute.parties.people.login import check_account
from omniroute.parties.people.model import AcceptInvitation, Invitation, IssuedInvitation, Member, OpenedOrganisation
from omniroute.parties.people.passwords import PASSWORDS, Passwords, check_password
from omniroute.parties.people.store import INVITATIONS, SQL, invitation_of, member_of, refusing
from omniroute.parties.tenants import CreateOrganisation

ROLES_MAX = 20
BRANCHES_MAX = 200
_EMAIL = re.compile(r"[^@\s\x00-\x1f\ud800-\udfff]{1,64}@[^@\s\x00-\x1f\ud800-\udfff]{1,189}")


def check_email(email: str) -> str:
    """An email as we compare it: without blanks around, in small letters. Whether it exists only a mail can tell.

    Raises: MalformedPerson.
    """
    clean = email.strip().lower()
    if not _EMAIL.fullmatch(clean):
        raise MalformedPerson(field="email", expected="an email address")
    return clean


async def open_organisation(
    tx: Tx, command: CreateOrganisation, *, owner_email: str, caller: Caller, now: datetime, meta: Meta
) -> OpenedOrganisation:
    """Create an organisation and invite its first owner: what onboarding starts with.

    Raises: as tenants.create_organisation; MalformedPerson.
    """
    email = check_email(owner_email)
    organisation = await tenants.create_organisation(tx, command, caller=caller, now=now, meta=meta)
    async with tenants.as_tenant(tx, organisation.id) as own:
        role = await access.find_role(own, OWNER)
        ttl = timedelta(hours=organisation.settings.invitation_ttl_hours)
        issued = await _record(own, email, [role.id], None, now + ttl, caller.subject, now, meta)
    return OpenedOrganisation(organisation, issued)


async def invite(
    tx: Tx,
    *,
    email: str,
    role_ids: Collection[UUID],
    branch_ids: Collection[UUID] | None = None,
    expires_at: datetime | None = None,
    caller: Caller,
    now: datetime,
    meta: Meta,
) -> IssuedInvitation:
    """Invite somebody to hold these roles, everywhere or in these branches. The token is in the answer, once.

    Raises: MalformedPerson, access.RoleNotFound, access.GrantExceedsOwn, access.HolderNotFound (a branch),
    AlreadyMember, InvitationExists.
    """
    clean = check_email(email)
    if not 1 <= len(set(role_ids)) <= ROLES_MAX:
        raise MalformedPerson(field="roles", expected=f"1 to {ROLES_MAX} roles")
    if branch_ids is not None and not 1 <= len(set(branch_ids)) <= BRANCHES_MAX:
        raise MalformedPerson(field="branches", expected=f"1 to {BRANCHES_MAX} branches, or none for everywhere")
    await access.check_may_give_roles(tx, role_ids, branch_ids, caller=caller)
    if await tx.one_or_none(SQL.find_member_by_email, email=clean) is not None:
        raise AlreadyMember()
    if expires_at is None:
        organisation = await tenants.get_organisation(tx)
        expires_at = now + timedelta(hours=organisation.settings.invitation_ttl_hours)
    if not now < expires_at <= now + timedelta(days=30):
        raise MalformedPerson(field="expires_at", expected="an instant within the next 30 days")
    branches = None if branch_ids is None else sorted(set(branch_ids))
    return await _record(tx, clean, sorted(set(role_ids)), branches, expires_at, caller.subject, now, meta)


async def _record(
    tx: Tx,
    email: str,
    role_ids: list[UUID],
    branch_ids: list[UUID] | None,
    expires_at: datetime,
    invited_by: str,
    now: datetime,
    meta: Meta,
) -> IssuedInvitation:
    minted = mint_secret("inv")
    await tx.execute(SQL.drop_expired_invitation, email=email, now=now)
    async with refusing(tx):
        row = await tx.one(
            SQL.insert_invitation,
            id=uuid7(),
            email=email,
            role_ids=role_ids,
            branch_ids=branch_ids,
            lookup=minted.lookup,
            secret_hash=minted.secret_hash,
            invited_by=invited_by,
            expires_at=expires_at,
            now=now,
        )
    invitation = invitation_of(row, now=now)
    await append(tx, events.InvitationCreated(invitation.id, email, role_ids, branch_ids, expires_at), meta)
    return IssuedInvitation(invitation, minted.secret)


async def accept_invitation(
    db: Database,
    command: AcceptInvitation,
    *,
    source: str,
    passwords: Passwords = PASSWORDS,
    now: datetime,
    meta: Meta,
) -> Member:
    """Become a member. A new person gets an account with this password; a known one proves theirs with it.

    Opens its own transactions: the organisation is known only from the token, and hashing takes long.

    Raises: InvitationUnknown, InvitationExpired, MalformedPerson, PasswordWeak, LoginFailed, LoginThrottled,
    PasswordsBusy, AlreadyMember, EmailTaken.
    """
    presented = read_secret(command.token)
    if presented is None or presented.form != "inv":
        raise InvitationUnknown()
    async with db.tx() as tx:
        found = await tx.one_or_none(SQL.invitation_by_lookup, lookup=presented.lookup)
        if found is None or not presented.matches(found.secret_hash) or found.status != "pending":
            raise InvitationUnknown()
        if now >= found.expires_at:
            raise InvitationExpired()
        known = await tx.one_or_none(SQL.login_person, email=found.email)
    if known is not None:
        user_id = await check_account(db, found.email, command.password, source=source, passwords=passwords, now=now)
        password_hash, name = "", ""
    else:
        name = _check_person_name(command.name)
        check_password(command.password, found.email)
        user_id, password_hash = uuid7(), await passwords.hash(command.password)
    actor_meta = Meta(meta.correlation_id, meta.causation_id, show("usr", user_id), meta.channel)
    async with db.tx(found.tenant_id) as tx:
        return await _join(
            tx, found.id, user_id, None if known is not None else (name, found.email, password_hash), now, actor_meta
        )


async def _join(
    tx: Tx, invitation_id: UUID, user_id: UUID, new: tuple[str, str, str] | None, now: datetime, meta: Meta
) -> Member:
    """Everything an accepted invitation changes, or nothing.

    Who is a member already may accept an invitation to branches: those who sent it for a branch cannot see members of
    other branches, and must not learn of them by a refusal.
    """
    row = await tx.one_or_none(SQL.accept_invitation, id=invitation_id, user_id=user_id, now=now)
    if row is None:
        raise InvitationUnknown()
    invitation = invitation_of(row, now=now)
    if new is not None:
        name, email, password_hash = new
        async with refusing(tx):
            await tx.all(SQL.create_person, id=user_id, email=email, name=name, password_hash=password_hash, now=now)
    is_new_member = await tx.execute(SQL.join_organisation, user_id=user_id, now=now) > 0
    member = member_of(await tx.one(SQL.find_member, user_id=user_id))
    if not is_new_member and (invitation.branch_ids is None or member.status != "active"):
        raise AlreadyMember()
    await append(tx, events.InvitationAccepted(invitation.id, user_id, new is not None), meta)
    held = {(grant.role_id, grant.branch_id) for grant in await access.grants_of(tx, user_id=user_id)}
    for role_id in invitation.role_ids:
        for branch_id in invitation.branch_ids or (None,):
            if (role_id, branch_id) in held:
                continue
            await access.record_grant(
                tx,
                role_id,
                user_id=user_id,
                key_id=None,
                branch_id=branch_id,
                granted_by=invitation.invited_by,
                now=now,
                meta=meta,
            )
    return member


async def revoke_invitation(tx: Tx, invitation_id: UUID, *, version: int, now: datetime, meta: Meta) -> Invitation:
    """Take an invitation back before it is accepted.

    Raises: InvitationUnknown, InvitationNotPending, MemberVersionStale.
    """
    before = await get_invitation(tx, invitation_id, now=now)
    if before.status in {"accepted", "revoked"}:
        raise InvitationNotPending(status=before.status)
    row = await tx.one_or_none(SQL.revoke_invitation, id=invitation_id, version=version, now=now)
    if row is None:
        raise MemberVersionStale(version=version, version_now=before.version)
    await append(tx, events.InvitationRevoked(invitation_id), meta)
    return invitation_of(row, now=now)


async def get_invitation(tx: Tx, invitation_id: UUID, *, now: datetime) -> Invitation:
    """One invitation.

    Raises: InvitationUnknown.
    """
    row = await tx.one_or_none(SQL.find_invitation, id=invitation_id)
    if row is None:
        raise InvitationUnknown()
    return invitation_of(row, now=now)


async def list_invitations(
    tx: Tx, *, sort: str | None = None, cursor: str | None = None, limit: int | None = None, now: datetime
) -> Page[Invitation]:
    """A page of invitations, oldest first unless `sort` says otherwise.

    Raises: what `read_page` raises.
    """
    rows = await read_page(tx, INVITATIONS, sort=sort, cursor=cursor, limit=limit)
    return rows.map(lambda row: invitation_of(row, now=now))


def _check_person_name(name: str | None) -> str:
    clean = (name or "").strip()
    if not 1 <= len(clean) <= 200 or not clean.isprintable():
        raise MalformedPerson(field="name", expected="1 to 200 printable characters")
    return clean

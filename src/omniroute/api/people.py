"""Members and invitations over HTTP."""

from typing import Annotated, Literal

from msgspec import Meta

from omniroute.api.call import Call
from omniroute.api.operations import Access, Reply, operation
from omniroute.api.sessions import PASSWORD_REFUSALS
from omniroute.api.shapes import (
    BranchId,
    DoneOut,
    Email,
    In,
    Instant,
    ListIn,
    Name,
    Out,
    PageOut,
    Password,
    RoleId,
    page,
    shown,
)
from omniroute.infra.postgres import Tx
from omniroute.kit import ids
from omniroute.parties import people
from omniroute.parties.access import Permission

_INVITATIONS = "/v1/{tenant}/invitations"
_MEMBERS = "/v1/{tenant}/people"


class InviteIn(In):
    """Who shall hold which roles, in the whole organisation or in these branches."""

    email: Email
    role_ids: Annotated[list[RoleId], Meta(min_length=1, max_length=50)]
    branch_ids: Annotated[list[BranchId], Meta(min_length=1, max_length=100)] | None = None
    expires_at: Instant | None = None


class AcceptIn(In):
    """Who is new chooses a password; who has an account proves it with theirs."""

    token: Annotated[str, Meta(min_length=1, max_length=500)]
    password: Password
    name: Name | None = None


class MemberStatusIn(In):
    """`removed` also takes every role."""

    status: Literal["active", "suspended", "removed"]


class InvitationOut(Out):
    """An invitation."""

    id: str
    email: str
    role_ids: list[str]
    branch_ids: list[str] | None
    status: Literal["pending", "accepted", "revoked", "expired"]
    invited_by: str
    user_id: str | None
    version: int
    created_at: Instant
    expires_at: Instant


class IssuedInvitationOut(Out):
    """An invitation and its one-time token, which is shown now and never again."""

    invitation: InvitationOut
    token: str


class MemberOut(Out):
    """A member."""

    id: str
    email: str
    name: str
    status: Literal["active", "suspended", "removed"]
    version: int
    joined_at: Instant


def invitation_out(invitation: people.Invitation) -> InvitationOut:
    """An invitation as shown."""
    prefixes = {"id": "inv", "role_ids": "rol", "branch_ids": "brn", "user_id": "usr"}
    return shown(InvitationOut, invitation, prefixes)


def member_out(member: people.Member) -> MemberOut:
    """A member as shown."""
    return shown(MemberOut, member, {"id": "usr"})


@operation(
    "POST", _INVITATIONS, tag="People", status=201, permission=Permission.PEOPLE_WRITE, body=InviteIn,
    reply=IssuedInvitationOut, versioned=True, idempotent=True, secret=True,
    refusals=("people.malformed", "access.role_not_found", "access.grant_exceeds_own", "access.holder_not_found",
              "people.already_member", "people.invitation_exists", "kit.malformed_id"),
    example={"email": "amina@kano-foods.example", "role_ids": ["rol_01jd3m8q4vv8k8x2n0c5t7yh6r"]},
)  # fmt: skip
async def invite(call: Call, tx: Tx, body: InviteIn) -> Reply:
    """Invite a person."""
    issued = await people.invite(
        tx,
        email=body.email,
        role_ids=[ids.parse("rol", one) for one in body.role_ids],
        branch_ids=None if body.branch_ids is None else [ids.parse("brn", one) for one in body.branch_ids],
        expires_at=body.expires_at,
        caller=call.caller,
        now=call.now,
        meta=call.meta,
    )
    out = IssuedInvitationOut(invitation=invitation_out(issued.invitation), token=issued.token.text)
    return Reply(out, version=issued.invitation.version)


@operation(
    "POST", "/v1/invitations/accept", tag="People", status=201, access=Access.OPEN, transaction=False, body=AcceptIn,
    reply=MemberOut, refusals=(*PASSWORD_REFUSALS, "people.invitation_unknown", "people.invitation_expired",
                               "people.password_weak", "people.already_member", "people.email_taken"),
    example={"token": "inv_...", "password": "correct horse battery staple", "name": "Amina Bello"},
)  # fmt: skip
async def accept_invitation(call: Call, body: AcceptIn) -> MemberOut:
    """Accept an invitation.

    The token is the key: it works once.
    """
    command = people.AcceptInvitation(body.token, body.password, body.name)
    member = await people.accept_invitation(
        call.services.db, command, source=call.address, now=call.now, meta=call.meta
    )
    return member_out(member)


@operation(
    "GET", _INVITATIONS, tag="People", permission=Permission.PEOPLE_READ, query=ListIn, reply=PageOut[InvitationOut],
    sorts=people.INVITATIONS.sorts,
)  # fmt: skip
async def list_invitations(call: Call, tx: Tx, query: ListIn) -> PageOut[InvitationOut]:
    """List invitations, the oldest first unless `sort` says otherwise."""
    found = await people.list_invitations(tx, sort=query.sort, cursor=query.cursor, limit=query.limit, now=call.now)
    return page(found, invitation_out)


@operation(
    "GET", _INVITATIONS + "/{invitation}", tag="People", permission=Permission.PEOPLE_READ, reply=InvitationOut,
    versioned=True, refusals=("people.invitation_unknown",),
)  # fmt: skip
async def get_invitation(call: Call, tx: Tx) -> Reply:
    """Show an invitation."""
    found = await people.get_invitation(tx, call.id("invitation"), now=call.now)
    return Reply(invitation_out(found), version=found.version)


@operation(
    "DELETE", _INVITATIONS + "/{invitation}", tag="People", permission=Permission.PEOPLE_WRITE, reply=InvitationOut,
    versioned=True, changes_version=True,
    refusals=("people.invitation_unknown", "people.invitation_not_pending", "people.stale_version"),
)  # fmt: skip
async def revoke_invitation(call: Call, tx: Tx) -> Reply:
    """Take an invitation back."""
    found = await people.revoke_invitation(
        tx, call.id("invitation"), version=call.read_version, now=call.now, meta=call.meta
    )
    return Reply(invitation_out(found), version=found.version)


@operation(
    "GET", _MEMBERS, tag="People", permission=Permission.PEOPLE_READ, query=ListIn, reply=PageOut[MemberOut],
    sorts=people.MEMBERS.sorts,
)  # fmt: skip
async def list_people(call: Call, tx: Tx, query: ListIn) -> PageOut[MemberOut]:
    """List members."""
    return page(await people.list_members(tx, sort=query.sort, cursor=query.cursor, limit=query.limit), member_out)


@operation(
    "GET", _MEMBERS + "/{user}", tag="People", permission=Permission.PEOPLE_READ, reply=MemberOut, versioned=True,
    refusals=("people.member_not_found",),
)  # fmt: skip
async def get_person(call: Call, tx: Tx) -> Reply:
    """Show a member."""
    found = await people.get_member(tx, call.id("user"))
    return Reply(member_out(found), version=found.version)


@operation(
    "PUT", _MEMBERS + "/{user}/status", tag="People", permission=Permission.PEOPLE_WRITE, body=MemberStatusIn,
    reply=DoneOut, changes_version=True, example={"status": "suspended"},
    refusals=("people.malformed", "people.member_not_found", "access.grant_exceeds_own", "access.last_owner",
              "people.stale_version"),
)  # fmt: skip
async def set_person_status(call: Call, tx: Tx, body: MemberStatusIn) -> DoneOut:
    """Suspend, open or remove a member.

    Sessions end at once.
    """
    await people.set_member_status(
        tx,
        call.id("user"),
        body.status,
        version=call.read_version,
        caller=call.caller,
        now=call.now,
        meta=call.meta,
    )
    return DoneOut()

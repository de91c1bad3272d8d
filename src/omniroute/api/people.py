"""People over HTTP: invitations, members, roles, grants, logins."""

from typing import Annotated, Literal

from msgspec import Meta

from omniroute.api.call import Call
from omniroute.api.errors import InvalidField
from omniroute.api.operations import Access, Reply, operation
from omniroute.api.shapes import (
    BranchId,
    In,
    Instant,
    KeyId,
    ListIn,
    Name,
    Out,
    PageOut,
    RoleId,
    UserId,
    page,
    parse_id,
    shown,
)
from omniroute.infra.postgres import Tx
from omniroute.kit import ids
from omniroute.parties import access, people
from omniroute.parties.access import Permission

_INVITATIONS = "/v1/{tenant}/invitations"
_MEMBERS = "/v1/{tenant}/people"
_ROLES = "/v1/{tenant}/roles"
_GRANTS = "/v1/{tenant}/grants"

Email = Annotated[str, Meta(min_length=3, max_length=320, examples=["amina@kano-foods.example"])]
Password = Annotated[str, Meta(min_length=1, max_length=1024)]
PermissionName = Annotated[str, Meta(min_length=1, max_length=64, examples=["ledger.read"])]


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


class LoginIn(In):
    """Email and password; the organisation's slug for members of several."""

    email: Email
    password: Password
    organisation: Annotated[str, Meta(min_length=1, max_length=63)] | None = None


class MemberStatusIn(In):
    """`removed` also takes every role."""

    status: Literal["active", "suspended", "removed"]


class CreateRoleIn(In):
    """A named list of permissions."""

    name: Annotated[str, Meta(min_length=1, max_length=64)]
    description: Annotated[str, Meta(max_length=500)]
    permissions: Annotated[list[PermissionName], Meta(max_length=100)]


class ReplaceRoleIn(In):
    """The role as it shall be."""

    description: Annotated[str, Meta(max_length=500)]
    permissions: Annotated[list[PermissionName], Meta(max_length=100)]
    status: Annotated[str, Meta(max_length=20)] = "active"


class GrantIn(In):
    """A role for a person or a key, everywhere or in a branch and below. Exactly one holder."""

    role_id: RoleId
    user_id: UserId | None = None
    key_id: KeyId | None = None
    branch_id: BranchId | None = None


class GrantsIn(In):
    """Whose grants."""

    user_id: UserId | None = None
    key_id: KeyId | None = None


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


class SessionOut(Out):
    """A session and its bearer token, which is shown now and never again."""

    user_id: str
    organisation: str
    token: str
    expires_at: Instant


class RoleOut(Out):
    """A role."""

    id: str
    name: str
    description: str
    permissions: list[str]
    is_builtin: bool
    status: str
    version: int


class GrantOut(Out):
    """A role held."""

    id: str
    role_id: str
    role_name: str
    user_id: str | None
    credential_id: str | None
    branch_id: str | None
    granted_by: str
    created_at: Instant


class RolesOut(Out):
    """All roles."""

    items: list[RoleOut]


class GrantsOut(Out):
    """All grants."""

    items: list[GrantOut]


class DoneOut(Out):
    """It is done."""

    done: Literal[True] = True


def invitation_out(invitation: people.Invitation) -> InvitationOut:
    """An invitation as shown."""
    prefixes = {"id": "inv", "role_ids": "rol", "branch_ids": "brn", "user_id": "usr"}
    return shown(InvitationOut, invitation, prefixes)


def member_out(member: people.Member) -> MemberOut:
    """A member as shown."""
    return shown(MemberOut, member, {"id": "usr"})


def role_out(role: access.Role) -> RoleOut:
    """A role as shown."""
    return shown(RoleOut, role, {"id": "rol"})


def grant_out(grant: access.Grant) -> GrantOut:
    """A grant as shown."""
    prefixes = {"id": "grt", "role_id": "rol", "user_id": "usr", "credential_id": "key", "branch_id": "brn"}
    return shown(GrantOut, grant, prefixes)


_PASSWORDS = (
    "people.malformed", "people.login_failed", "people.login_throttled", "people.passwords_busy", "api.unavailable",
)  # fmt: skip


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
    reply=MemberOut, refusals=(*_PASSWORDS, "people.invitation_unknown", "people.invitation_expired",
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
    "POST", "/v1/sessions", tag="People", status=201, access=Access.OPEN, transaction=False, body=LoginIn,
    reply=SessionOut, refusals=(*_PASSWORDS, "people.choose_organisation"),
    example={"email": "amina@kano-foods.example", "password": "correct horse battery staple"},
)  # fmt: skip
async def log_in(call: Call, body: LoginIn) -> SessionOut:
    """Log in with email and password."""
    command = people.Login(body.email, body.password, call.address, body.organisation)
    found = await people.login(call.services.db, command, now=call.now, meta=call.meta)
    return SessionOut(
        user_id=ids.show("usr", found.user_id),
        organisation=found.organisation_slug,
        token=found.session.token.text,
        expires_at=found.session.expires_at,
    )


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


_ROLE_REFUSALS = ("access.malformed", "access.unknown_permission", "access.grant_exceeds_own")


@operation(
    "POST", _ROLES, tag="People", status=201, permission=Permission.ROLES_WRITE, body=CreateRoleIn, reply=RoleOut,
    versioned=True, idempotent=True, refusals=(*_ROLE_REFUSALS, "access.role_name_taken"),
    example={"name": "till", "description": "Books at the till", "permissions": ["ledger.post"]},
)  # fmt: skip
async def create_role(call: Call, tx: Tx, body: CreateRoleIn) -> Reply:
    """Create a role."""
    role = await access.create_role(
        tx,
        name=body.name,
        description=body.description,
        permissions=body.permissions,
        caller=call.caller,
        now=call.now,
        meta=call.meta,
    )
    return Reply(role_out(role), version=role.version)


@operation("GET", _ROLES, tag="People", permission=Permission.PEOPLE_READ, reply=RolesOut)
async def list_roles(call: Call, tx: Tx) -> RolesOut:
    """List all roles."""
    return RolesOut(items=[role_out(role) for role in await access.list_roles(tx)])


@operation(
    "GET", _ROLES + "/{role}", tag="People", permission=Permission.PEOPLE_READ, reply=RoleOut, versioned=True,
    refusals=("access.role_not_found",),
)  # fmt: skip
async def get_role(call: Call, tx: Tx) -> Reply:
    """Show a role."""
    role = await access.get_role(tx, call.id("role"))
    return Reply(role_out(role), version=role.version)


@operation(
    "PUT", _ROLES + "/{role}", tag="People", permission=Permission.ROLES_WRITE, body=ReplaceRoleIn, reply=RoleOut,
    versioned=True, changes_version=True, example={"description": "Books at the till", "permissions": ["ledger.post"]},
    refusals=(*_ROLE_REFUSALS, "access.role_not_found", "access.role_built_in", "access.stale_version"),
)  # fmt: skip
async def replace_role(call: Call, tx: Tx, body: ReplaceRoleIn) -> Reply:
    """Change a role of your own."""
    role = await access.update_role(
        tx,
        call.id("role"),
        version=call.read_version,
        description=body.description,
        permissions=body.permissions,
        status=body.status,
        caller=call.caller,
        now=call.now,
        meta=call.meta,
    )
    return Reply(role_out(role), version=role.version)


@operation(
    "POST", _GRANTS, tag="People", status=201, permission=Permission.ROLES_WRITE, body=GrantIn, reply=GrantOut,
    idempotent=True, refusals=("access.role_not_found", "access.grant_exceeds_own", "access.holder_not_found",
                               "access.grant_exists", "access.malformed", "kit.malformed_id"),
    example={"role_id": "rol_01jd3m8q4vv8k8x2n0c5t7yh6r", "user_id": "usr_01jd3m8q4vv8k8x2n0c5t7yh6r"},
)  # fmt: skip
async def grant_role(call: Call, tx: Tx, body: GrantIn) -> GrantOut:
    """Give a role to a person or a key."""
    if (body.user_id is None) == (body.key_id is None):
        raise InvalidField("name exactly one holder: user_id or key_id", pointer="/user_id")
    grant = await access.grant_role(
        tx,
        ids.parse("rol", body.role_id),
        user_id=parse_id("usr", body.user_id),
        key_id=parse_id("key", body.key_id),
        branch_id=parse_id("brn", body.branch_id),
        caller=call.caller,
        now=call.now,
        meta=call.meta,
    )
    return grant_out(grant)


@operation(
    "GET", _GRANTS, tag="People", permission=Permission.PEOPLE_READ, query=GrantsIn, reply=GrantsOut,
    refusals=("kit.malformed_id",),
)  # fmt: skip
async def list_grants(call: Call, tx: Tx, query: GrantsIn) -> GrantsOut:
    """List grants, all or those of one holder."""
    found = await access.list_grants(tx, user_id=parse_id("usr", query.user_id), key_id=parse_id("key", query.key_id))
    return GrantsOut(items=[grant_out(grant) for grant in found])


@operation(
    "DELETE", _GRANTS + "/{grant}", tag="People", permission=Permission.ROLES_WRITE, reply=DoneOut,
    refusals=("access.grant_not_found", "access.grant_exceeds_own", "access.last_owner"),
)  # fmt: skip
async def withdraw_role(call: Call, tx: Tx) -> DoneOut:
    """Take a role back."""
    await access.withdraw_role(tx, call.id("grant"), caller=call.caller, now=call.now, meta=call.meta)
    return DoneOut()

"""Roles and grants over HTTP: what members and keys may do."""

from typing import Annotated

from msgspec import Meta

from omniroute.api.call import Call
from omniroute.api.errors import InvalidField
from omniroute.api.operations import Reply, operation
from omniroute.api.shapes import (
    BranchId,
    DoneOut,
    In,
    Instant,
    KeyId,
    ListIn,
    Out,
    PageOut,
    PermissionName,
    RoleId,
    UserId,
    page,
    parse_id,
    shown,
)
from omniroute.infra.postgres import Tx
from omniroute.kit import ids
from omniroute.parties import access
from omniroute.parties.access import Permission

_ROLES = "/v1/{tenant}/roles"
_GRANTS = "/v1/{tenant}/grants"


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


class GrantsIn(ListIn):
    """Whose grants."""

    user_id: UserId | None = None
    key_id: KeyId | None = None


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


def role_out(role: access.Role) -> RoleOut:
    """A role as shown."""
    return shown(RoleOut, role, {"id": "rol"})


def grant_out(grant: access.Grant) -> GrantOut:
    """A grant as shown."""
    prefixes = {"id": "grt", "role_id": "rol", "user_id": "usr", "credential_id": "key", "branch_id": "brn"}
    return shown(GrantOut, grant, prefixes)


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


@operation(
    "GET", _ROLES, tag="People", permission=Permission.PEOPLE_READ, query=ListIn, reply=PageOut[RoleOut],
    sorts=access.ROLES.sorts,
)  # fmt: skip
async def list_roles(call: Call, tx: Tx, query: ListIn) -> PageOut[RoleOut]:
    """List roles by name."""
    found = await access.list_roles(tx, sort=query.sort, cursor=query.cursor, limit=query.limit)
    return page(found, role_out)


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
    "GET", _GRANTS, tag="People", permission=Permission.PEOPLE_READ, query=GrantsIn, reply=PageOut[GrantOut],
    sorts=access.GRANTS.sorts, refusals=("kit.malformed_id",),
)  # fmt: skip
async def list_grants(call: Call, tx: Tx, query: GrantsIn) -> PageOut[GrantOut]:
    """List grants, all or those of one holder; the oldest first unless `sort` says otherwise."""
    found = await access.list_grants(
        tx,
        user_id=parse_id("usr", query.user_id),
        key_id=parse_id("key", query.key_id),
        sort=query.sort,
        cursor=query.cursor,
        limit=query.limit,
    )
    return page(found, grant_out)


@operation(
    "DELETE", _GRANTS + "/{grant}", tag="People", permission=Permission.ROLES_WRITE, reply=DoneOut,
    refusals=("access.grant_not_found", "access.grant_exceeds_own", "access.last_owner"),
)  # fmt: skip
async def withdraw_role(call: Call, tx: Tx) -> DoneOut:
    """Take a role back."""
    await access.withdraw_role(tx, call.id("grant"), caller=call.caller, now=call.now, meta=call.meta)
    return DoneOut()

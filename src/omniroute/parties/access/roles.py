"""Roles and who holds them. Nobody gives what they do not hold."""

from collections.abc import Collection
from datetime import datetime
from uuid import UUID

from omniroute.infra.events import Meta, append
from omniroute.infra.postgres import Tx, read_page
from omniroute.kit.ids import uuid7
from omniroute.kit.paging import Page
from omniroute.parties.access import events
from omniroute.parties.access.errors import (
    GrantNotFound,
    HolderNotFound,
    LastOwner,
    MalformedAccess,
    RoleBuiltIn,
    RoleNotFound,
    StaleVersion,
)
from omniroute.parties.access.model import Caller, Grant, Role
from omniroute.parties.access.rules import BUILT_IN, OWNER, check_may_give, check_permissions
from omniroute.parties.access.store import GRANTS, ROLES, SQL, grant_of, refusing, role_of

ROLE_NAME_LENGTH_MAX = 40


async def install_roles(tx: Tx, *, now: datetime) -> None:
    """Give a new organisation its built-in roles. Once, when it is created."""
    names = sorted(BUILT_IN)
    await tx.execute(
        SQL.insert_built_in_roles,
        ids=[uuid7() for _ in names],
        names=names,
        descriptions=[BUILT_IN[name][0] for name in names],
        permissions=[" ".join(sorted(BUILT_IN[name][1])) for name in names],
        now=now,
    )


async def create_role(
    tx: Tx, *, name: str, description: str, permissions: Collection[str], caller: Caller, now: datetime, meta: Meta
) -> Role:
    """A role of the organisation's own.

    Raises: MalformedAccess, UnknownPermission, GrantExceedsOwn, RoleNameTaken.
    """
    if not _is_role_name(name):
        raise MalformedAccess(field="name", expected="2 to 40 characters: a letter, then letters, digits, underscores")
    wanted = _checked(permissions, description)
    check_may_give(caller, wanted, None)
    async with refusing(tx):
        row = await tx.one(
            SQL.insert_role,
            id=uuid7(),
            name=name,
            description=description,
            permissions=sorted(wanted),
            is_builtin=False,
            now=now,
        )
    role = role_of(row)
    await append(tx, events.RoleCreated(role.id, role.name, sorted(role.permissions)), meta)
    return role


async def update_role(
    tx: Tx,
    role_id: UUID,
    *,
    version: int,
    description: str,
    permissions: Collection[str],
    status: str = "active",
    caller: Caller,
    now: datetime,
    meta: Meta,
) -> Role:
    """Change what a role means. The caller must hold both what it meant and what it will mean.

    Raises: RoleNotFound, RoleBuiltIn, MalformedAccess, UnknownPermission, GrantExceedsOwn, StaleVersion.
    """
    role = await get_role(tx, role_id)
    if role.is_builtin:
        raise RoleBuiltIn(name=role.name)
    if status not in {"active", "retired"}:
        raise MalformedAccess(field="status", expected="active or retired")
    wanted = _checked(permissions, description)
    check_may_give(caller, wanted | role.permissions, None)
    row = await tx.one_or_none(
        SQL.update_role,
        id=role_id,
        version=version,
        description=description,
        permissions=sorted(wanted),
        status=status,
        now=now,
    )
    if row is None:
        raise StaleVersion(version=version, version_now=(await get_role(tx, role_id)).version)
    role = role_of(row)
    await append(tx, events.RoleUpdated(role.id, role.name, sorted(role.permissions), role.status), meta)
    return role


async def get_role(tx: Tx, role_id: UUID) -> Role:
    """One role.

    Raises: RoleNotFound.
    """
    row = await tx.one_or_none(SQL.find_role, id=role_id, name=None)
    if row is None:
        raise RoleNotFound()
    return role_of(row)


async def find_role(tx: Tx, name: str) -> Role:
    """One role by its name.

    Raises: RoleNotFound.
    """
    row = await tx.one_or_none(SQL.find_role, id=None, name=name)
    if row is None:
        raise RoleNotFound(name=name[:64])
    return role_of(row)


async def list_roles(
    tx: Tx, *, sort: str | None = None, cursor: str | None = None, limit: int | None = None
) -> Page[Role]:
    """A page of roles by name.

    Raises: what `read_page` raises.
    """
    return (await read_page(tx, ROLES, sort=sort, cursor=cursor, limit=limit)).map(role_of)


async def check_may_give_roles(
    tx: Tx, role_ids: Collection[UUID], branches: Collection[UUID] | None, *, caller: Caller
) -> list[Role]:
    """The roles, which the caller may give in these branches.

    Raises: RoleNotFound, GrantExceedsOwn, HolderNotFound (a branch).
    """
    rows = await tx.all(SQL.find_roles_by_ids, ids=list(role_ids))
    roles = [role_of(row) for row in rows if row.status == "active"]
    if len(roles) != len(set(role_ids)):
        raise RoleNotFound()
    check_may_give(caller, frozenset[str]().union(*(role.permissions for role in roles)), branches)
    if branches is not None:
        await check_branches_exist(tx, branches)
    return roles


async def check_branches_exist(tx: Tx, branches: Collection[UUID]) -> None:
    """Raises: HolderNotFound when one of them is not a branch that the transaction may see."""
    if await tx.value(SQL.count_visible_branches, ids=list(branches)) != len(set(branches)):
        raise HolderNotFound("there is no such branch in this organisation")


async def grant_role(
    tx: Tx,
    role_id: UUID,
    *,
    user_id: UUID | None = None,
    key_id: UUID | None = None,
    branch_id: UUID | None = None,
    caller: Caller,
    now: datetime,
    meta: Meta,
) -> Grant:
    """Give a role to one person or one key, in the whole organisation or in a branch and all below it.

    Raises: RoleNotFound, GrantExceedsOwn, HolderNotFound, GrantExists.
    """
    assert (user_id is None) != (key_id is None), "a grant has one holder"
    await check_may_give_roles(tx, [role_id], None if branch_id is None else [branch_id], caller=caller)
    if not await tx.value(SQL.is_holder_visible, user_id=user_id, credential_id=key_id):
        raise HolderNotFound()
    return await record_grant(
        tx, role_id, user_id=user_id, key_id=key_id, branch_id=branch_id, granted_by=caller.subject, now=now, meta=meta
    )


async def record_grant(
    tx: Tx,
    role_id: UUID,
    *,
    user_id: UUID | None,
    key_id: UUID | None,
    branch_id: UUID | None,
    granted_by: str,
    now: datetime,
    meta: Meta,
) -> Grant:
    """Record a grant that somebody was already found to be allowed to give (an accepted invitation).

    Raises: HolderNotFound, GrantExists.
    """
    grant_id = uuid7()
    async with refusing(tx):
        await tx.execute(
            SQL.insert_grant,
            id=grant_id,
            role_id=role_id,
            user_id=user_id,
            credential_id=key_id,
            branch_id=branch_id,
            granted_by=granted_by,
            now=now,
        )
    grant = grant_of(await tx.one(SQL.find_grant, id=grant_id))
    await append(
        tx,
        events.RoleGranted(
            grant.id, grant.role_id, grant.role_name, grant.user_id, grant.credential_id, grant.branch_id
        ),
        meta,
    )
    return grant


async def withdraw_role(tx: Tx, grant_id: UUID, *, caller: Caller, now: datetime, meta: Meta) -> None:
    """Take a grant back. The caller must hold what the role holds, so that nobody unseats those above.

    Raises: GrantNotFound, GrantExceedsOwn, LastOwner.
    """
    await tx.one(SQL.lock_organisation)
    row = await tx.one_or_none(SQL.find_grant, id=grant_id)
    if row is None:
        raise GrantNotFound()
    grant = grant_of(row)
    role = await get_role(tx, grant.role_id)
    check_may_give(caller, role.permissions, None if grant.branch_id is None else [grant.branch_id])
    if role.name == OWNER and grant.branch_id is None and grant.user_id is not None:
        await check_owner_remains(tx, without_grant=grant_id)
    if await tx.execute(SQL.delete_grant, id=grant_id) == 0:
        raise GrantNotFound()
    await append(
        tx,
        events.RoleWithdrawn(
            grant.id, grant.role_id, grant.role_name, grant.user_id, grant.credential_id, grant.branch_id
        ),
        meta,
    )


async def check_owner_remains(tx: Tx, *, without_grant: UUID | None = None, without_user: UUID | None = None) -> None:
    """Refuse a change after which nobody would own the organisation. Locks the organisation first.

    Raises: LastOwner.
    """
    await tx.one(SQL.lock_organisation)
    if await tx.value(SQL.count_owners, without_grant=without_grant, without_user=without_user) == 0:
        raise LastOwner()


async def grants_of(tx: Tx, *, user_id: UUID | None = None, key_id: UUID | None = None) -> list[Grant]:
    """Every role that one person or one key holds."""
    return [grant_of(row) for row in await tx.all(SQL.grants_of, user_id=user_id, credential_id=key_id)]


async def list_grants(
    tx: Tx,
    *,
    user_id: UUID | None = None,
    key_id: UUID | None = None,
    sort: str | None = None,
    cursor: str | None = None,
    limit: int | None = None,
) -> Page[Grant]:
    """A page of who holds what: of one person, of one key, or of all; oldest first unless `sort` says otherwise.

    Raises: what `read_page` raises.
    """
    rows = await read_page(tx, GRANTS, sort=sort, cursor=cursor, limit=limit, user_id=user_id, credential_id=key_id)
    return rows.map(grant_of)


def _checked(permissions: Collection[str], description: str) -> frozenset[str]:
    wanted = check_permissions(permissions)
    if not wanted:
        raise MalformedAccess(field="permissions", expected="at least one permission")
    if len(description) > 500 or (description and not description.isprintable()):
        raise MalformedAccess(field="description", expected="at most 500 printable characters, on one line")
    return frozenset(str(p) for p in wanted)


def _is_role_name(name: str) -> bool:
    return (
        2 <= len(name) <= ROLE_NAME_LENGTH_MAX
        and name.isascii()
        and name == name.lower()
        and name[0].isalpha()
        and name.replace("_", "a").isalnum()
    )

"""Members of an organisation: listed, suspended, opened again, removed."""

from datetime import datetime
from typing import Literal
from uuid import UUID

from omniroute.infra.events import Meta, append
from omniroute.infra.postgres import Tx, read_page
from omniroute.kit.paging import Page
from omniroute.parties import access
from omniroute.parties.access import Caller
from omniroute.parties.people import events
from omniroute.parties.people.errors import MalformedPerson, MemberNotFound, MemberVersionStale
from omniroute.parties.people.model import Member
from omniroute.parties.people.store import MEMBERS, SQL, member_of


async def get_member(tx: Tx, user_id: UUID) -> Member:
    """One member who has not left.

    Raises: MemberNotFound.
    """
    row = await tx.one_or_none(SQL.find_member, user_id=user_id)
    if row is None:
        raise MemberNotFound()
    return member_of(row)


async def list_members(
    tx: Tx, *, sort: str | None = None, cursor: str | None = None, limit: int | None = None
) -> Page[Member]:
    """A page of members who have not left, those who joined first unless `sort` says otherwise.

    Raises: what `read_page` raises.
    """
    return (await read_page(tx, MEMBERS, sort=sort, cursor=cursor, limit=limit)).map(member_of)


async def set_member_status(
    tx: Tx,
    user_id: UUID,
    status: Literal["active", "suspended", "removed"],
    *,
    version: int,
    caller: Caller,
    now: datetime,
    meta: Meta,
) -> None:
    """Suspend, open again or remove a member. Sessions end at once; a removed member also loses every role.

    The caller must hold everything the member holds, so that nobody unseats those above.

    Raises: MalformedPerson, MemberNotFound, access.GrantExceedsOwn, access.LastOwner, MemberVersionStale.
    """
    if status not in {"active", "suspended", "removed"}:
        raise MalformedPerson(field="status", expected="active, suspended or removed")
    before = await get_member(tx, user_id)
    if caller.branches is not None:
        # A membership is of the whole organisation, and roles held elsewhere are hidden from this transaction.
        raise access.GrantExceedsOwn()
    grants = await access.grants_of(tx, user_id=user_id)
    for grant in grants:
        role = await access.get_role(tx, grant.role_id)
        access.check_may_give(caller, role.permissions, None if grant.branch_id is None else [grant.branch_id])
    if status != "active" and any(g.role_name == access.OWNER and g.branch_id is None for g in grants):
        await access.check_owner_remains(tx, without_user=user_id)
    if await tx.execute(SQL.update_membership, user_id=user_id, version=version, status=status, now=now) == 0:
        raise MemberVersionStale(version=version, version_now=before.version)
    if status != "active":
        await access.revoke_sessions(tx, user_id, now=now, meta=meta)
    if status == "removed":
        for grant in grants:
            await access.withdraw_role(tx, grant.id, caller=caller, now=now, meta=meta)
    await append(tx, events.MemberChanged(user_id, status), meta)

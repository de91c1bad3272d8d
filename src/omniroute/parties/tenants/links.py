"""Links between organisations: asked by one side, in force only after the other side's owner approved.

    requested -> approved -> ended
    requested -> rejected | withdrawn

Each side has its own row, so that isolation stays what it is; both rows change in one transaction. A link permits
the asking side exactly `scopes`, chosen at approval from those asked; by default nothing.
"""

from collections.abc import Collection
from datetime import datetime
from uuid import UUID

from omniroute.infra.events import Meta, append
from omniroute.infra.postgres import Tx, read_page
from omniroute.kit.ids import MalformedId, parse, uuid7
from omniroute.kit.paging import Page
from omniroute.parties.access import Caller, Permission
from omniroute.parties.tenants import events
from omniroute.parties.tenants.errors import (
    LinkNotFound,
    LinkNotYours,
    LinkStatusNotReachable,
    MalformedTenant,
    OrganisationNotFound,
    TenantVersionStale,
)
from omniroute.parties.tenants.model import LINK_NEXT, Link, LinkStatus
from omniroute.parties.tenants.rules import check_link_scopes
from omniroute.parties.tenants.service import get_organisation
from omniroute.parties.tenants.store import LINKS, SQL, as_tenant, link_of, refusing

MIRROR = {"parent": "child", "child": "parent", "partner": "partner"}


async def request_link(
    tx: Tx,
    *,
    organisation: str,
    relation: str,
    scopes: Collection[str] = (),
    note: str | None = None,
    caller: Caller,
    now: datetime,
    meta: Meta,
) -> Link:
    """Ask another organisation (by slug or org_ id) to link. `relation` is what it would be to us.

    Raises: access.PermissionMissing, MalformedTenant, OrganisationNotFound, LinkExists.
    """
    caller.require(Permission.LINKS_REQUEST)
    if relation not in MIRROR:
        raise MalformedTenant(field="relation", expected="parent, child or partner")
    asked = check_link_scopes(scopes)
    if note is not None and (len(note) > 500 or not note.isprintable()):
        raise MalformedTenant(field="note", expected="at most 500 printable characters, on one line")
    own = await get_organisation(tx)
    peer_id, peer_slug = await _peer(tx, organisation)
    if peer_id == own.id:
        raise MalformedTenant(field="organisation", expected="another organisation")
    link_id = uuid7()
    # Two that ask each other at once meet here: one waits, then finds that the link exists.
    await tx.all(SQL.lock_link, id=" ".join(sorted((str(own.id), str(peer_id)))))
    both = {"id": link_id, "asked_scopes": asked, "note": note, "now": now}
    async with refusing(tx):
        await tx.execute(
            SQL.insert_link,
            peer_id=peer_id,
            peer_slug=peer_slug,
            peer_name=None,
            side="requester",
            relation=relation,
            **both,
        )
    await append(tx, events.LinkRequested(link_id, peer_id, "requester", relation, asked), meta)
    async with as_tenant(tx, peer_id) as theirs, refusing(theirs):
        await theirs.execute(
            SQL.insert_link,
            peer_id=own.id,
            peer_slug=own.slug,
            peer_name=own.name,
            side="target",
            relation=MIRROR[relation],
            **both,
        )
        # Their log says who asked, not which of our people did.
        their_meta = Meta(correlation_id=meta.correlation_id, channel=meta.channel)
        await append(theirs, events.LinkRequested(link_id, own.id, "target", MIRROR[relation], asked), their_meta)
    return await get_link(tx, link_id)


async def _peer(tx: Tx, organisation: str) -> tuple[UUID, str]:
    """The organisation asked, while it is active; the others are as good as absent."""
    if organisation.startswith("org_"):
        try:
            peer_id = parse("org", organisation)
        except MalformedId as error:
            raise OrganisationNotFound() from error
        async with as_tenant(tx, peer_id) as theirs:
            peer = await get_organisation(theirs)
        if peer.status != "active":
            raise OrganisationNotFound()
        return peer_id, peer.slug
    row = await tx.one_or_none(
        SQL.organisation_by_slug, slug=organisation.encode("ascii", "replace").decode().replace("\x00", "?")
    )
    if row is None or row.status != "active":
        raise OrganisationNotFound()
    return row.tenant_id, organisation


async def approve_link(
    tx: Tx, link_id: UUID, *, version: int, scopes: Collection[str] = (), caller: Caller, now: datetime, meta: Meta
) -> Link:
    """The asked side agrees, and permits these of the scopes asked (default: none).

    Raises: access.PermissionMissing, LinkNotFound, LinkNotYours, LinkStatusNotReachable, TenantVersionStale,
    MalformedTenant (a scope that was not asked).
    """
    permitted = check_link_scopes(scopes)
    return await _move(tx, link_id, LinkStatus.APPROVED, "target", permitted, version, caller, now, meta)


async def reject_link(tx: Tx, link_id: UUID, *, version: int, caller: Caller, now: datetime, meta: Meta) -> Link:
    """The asked side says no.

    Raises: access.PermissionMissing, LinkNotFound, LinkNotYours, LinkStatusNotReachable, TenantVersionStale.
    """
    return await _move(tx, link_id, LinkStatus.REJECTED, "target", [], version, caller, now, meta)


async def withdraw_link(tx: Tx, link_id: UUID, *, version: int, caller: Caller, now: datetime, meta: Meta) -> Link:
    """The asking side takes its request back.

    Raises: access.PermissionMissing, LinkNotFound, LinkNotYours, LinkStatusNotReachable, TenantVersionStale.
    """
    return await _move(tx, link_id, LinkStatus.WITHDRAWN, "requester", [], version, caller, now, meta)


async def end_link(tx: Tx, link_id: UUID, *, version: int, caller: Caller, now: datetime, meta: Meta) -> Link:
    """Either side ends an approved link; it permits nothing any more.

    Raises: access.PermissionMissing, LinkNotFound, LinkStatusNotReachable, TenantVersionStale.
    """
    return await _move(tx, link_id, LinkStatus.ENDED, None, [], version, caller, now, meta)


async def get_link(tx: Tx, link_id: UUID) -> Link:
    """Our side of a link.

    Raises: LinkNotFound.
    """
    row = await tx.one_or_none(SQL.find_link, id=link_id)
    if row is None:
        raise LinkNotFound()
    return link_of(row)


async def list_links(
    tx: Tx,
    *,
    status: LinkStatus | None = None,
    sort: str | None = None,
    cursor: str | None = None,
    limit: int | None = None,
) -> Page[Link]:
    """A page of our links, oldest first unless `sort` says otherwise.

    Raises: what `read_page` raises.
    """
    return (await read_page(tx, LINKS, sort=sort, cursor=cursor, limit=limit, status=status)).map(link_of)


async def _move(
    tx: Tx,
    link_id: UUID,
    to: LinkStatus,
    side: str | None,
    scopes: list[str],
    version: int,
    caller: Caller,
    now: datetime,
    meta: Meta,
) -> Link:
    # The withdrawal undoes a request; everything else decides what another organisation may do here.
    caller.require(Permission.LINKS_REQUEST if to == LinkStatus.WITHDRAWN else Permission.LINKS_DECIDE)
    await tx.all(SQL.lock_link, id=str(link_id))
    link = await get_link(tx, link_id)
    if side is not None and link.side != side:
        raise LinkNotYours()
    if to not in LINK_NEXT[link.status]:
        raise LinkStatusNotReachable(status=str(link.status), wanted=str(to))
    if link.version != version:
        raise TenantVersionStale(version=version, version_now=link.version)
    if not set(scopes) <= set(link.asked_scopes):
        raise MalformedTenant(field="scopes", expected="some of those asked: " + " ".join(link.asked_scopes))
    own = await get_organisation(tx)
    row = {"id": link_id, "status": str(to), "scopes": scopes, "now": now}
    await tx.execute(SQL.update_link, peer_name=None, **row)
    await append(tx, events.LinkDecided(link_id, link.peer_id, str(to), scopes), meta)
    async with as_tenant(tx, link.peer_id) as theirs:
        await theirs.execute(SQL.update_link, peer_name=own.name if to == LinkStatus.APPROVED else None, **row)
        their_meta = Meta(correlation_id=meta.correlation_id, channel=meta.channel)
        await append(theirs, events.LinkDecided(link_id, own.id, str(to), scopes), their_meta)
    return await get_link(tx, link_id)

"""Organisations over HTTP: described and closed by themselves, linked by agreement."""

from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from omniroute.api.call import Call
from omniroute.api.operations import Reply, operation
from omniroute.api.shapes import In, Instant, ListIn, Name, Out, PageOut, page, shown
from omniroute.infra.postgres import Tx
from omniroute.parties import tenants
from omniroute.parties.access import Permission

_BASE = "/v1/{tenant}/organisation"
_LINKS = "/v1/{tenant}/links"

Json = dict[str, Any]


class UpdateOrganisationIn(In):
    """What to change; what is left out stays. Settings, custom and branding are replaced whole."""

    name: Name | None = None
    time_zone: Annotated[str, Meta(max_length=64)] | None = None
    residency: Annotated[str, Meta(max_length=32)] | None = None
    settings: Json | None = None
    custom: Json | None = None
    branding: Json | None = None


class CloseOrganisationIn(In):
    """There is no way back."""

    status: Literal["closed"]


class OrganisationOut(Out):
    """An organisation."""

    id: str
    slug: str
    name: str
    country: str
    currency: str
    time_zone: str
    residency: str
    status: Literal["active", "suspended", "closed"]
    settings: Json
    custom: Json
    branding: Json
    version: int
    created_at: Instant
    updated_at: Instant


class RequestLinkIn(In):
    """What the other organisation would be to us, and what we ask it to permit."""

    organisation: Annotated[str, Meta(min_length=1, max_length=63, description="Slug or `org_` id.")]
    relation: Literal["parent", "child", "partner"]
    scopes: Annotated[list[Annotated[str, Meta(max_length=64)]], Meta(max_length=32)] = msgspec.field(
        default_factory=list
    )
    note: Annotated[str, Meta(max_length=500)] | None = None


class ApproveLinkIn(In):
    """What to permit, of what was asked."""

    scopes: Annotated[list[Annotated[str, Meta(max_length=64)]], Meta(max_length=32)] = msgspec.field(
        default_factory=list
    )


class DecideLinkIn(In):
    """What to do with the link."""

    status: Literal["rejected", "withdrawn", "ended"]


class LinksIn(ListIn):
    """Which links."""

    status: Literal["requested", "approved", "rejected", "withdrawn", "ended"] | None = None


class LinkOut(Out):
    """Our side of a link."""

    id: str
    peer_id: str
    peer_slug: str
    peer_name: str | None
    side: Literal["requester", "target"]
    relation: Literal["parent", "child", "partner"]
    status: Literal["requested", "approved", "rejected", "withdrawn", "ended"]
    asked_scopes: list[str]
    scopes: list[str]
    note: str | None
    version: int
    requested_at: Instant
    decided_at: Instant | None
    ended_at: Instant | None


def organisation_out(organisation: tenants.Organisation) -> OrganisationOut:
    """An organisation as shown."""
    return shown(
        OrganisationOut,
        organisation,
        {"id": "org"},
        status=organisation.status.value,
        settings=tenants.settings_json(organisation.settings),
        branding=tenants.branding_json(organisation.branding),
    )


def link_out(link: tenants.Link) -> LinkOut:
    """A link as shown."""
    return shown(LinkOut, link, {"id": "lnk", "peer_id": "org"}, status=link.status.value)


def _link(link: tenants.Link) -> Reply:
    return Reply(link_out(link), version=link.version)


EXAMPLE = {
    "id": "org_01jd3m8q4vv8k8x2n0c5t7yh6r", "slug": "kano-foods", "name": "Kano Foods", "country": "NG",
    "currency": "NGN", "time_zone": "Africa/Lagos", "residency": "any", "status": "active",
    "settings": {"locale": "en-NG"}, "custom": {}, "branding": {"primary_colour": "#0a7d4f"}, "version": 1,
    "created_at": "2026-11-21T08:00:00Z", "updated_at": "2026-11-21T08:00:00Z",
}  # fmt: skip
_LINK_REFUSALS = (
    "tenants.malformed", "tenants.link_not_found", "tenants.link_not_yours", "tenants.link_status_not_reachable",
    "tenants.stale_version", "access.permission_missing",
)  # fmt: skip


@operation(
    "GET", _BASE, tag="Organisations", permission=Permission.ORGANISATION_READ, reply=OrganisationOut, versioned=True,
    refusals=("tenants.organisation_not_found",), example_reply=EXAMPLE,
)  # fmt: skip
async def get_organisation(call: Call, tx: Tx) -> Reply:
    """Show your organisation."""
    found = await tenants.get_organisation(tx)
    return Reply(organisation_out(found), version=found.version)


@operation(
    "PATCH", _BASE, tag="Organisations", permission=Permission.ORGANISATION_WRITE, whole=True,
    body=UpdateOrganisationIn,
    reply=OrganisationOut, versioned=True, changes_version=True, example={"branding": {"primary_colour": "#0a7d4f"}},
    refusals=("tenants.organisation_not_found", "tenants.malformed", "tenants.stale_version"),
    example_reply=EXAMPLE | {"version": 2},
)  # fmt: skip
async def update_organisation(call: Call, tx: Tx, body: UpdateOrganisationIn) -> Reply:
    """Change your organisation's name, settings or branding."""
    changed = await tenants.update_organisation(
        tx, version=call.read_version, now=call.now, meta=call.meta, **msgspec.structs.asdict(body)
    )
    return Reply(organisation_out(changed), version=changed.version)


@operation(
    "PUT", _BASE + "/status", tag="Organisations", permission=Permission.ORGANISATION_CLOSE, whole=True,
    body=CloseOrganisationIn, reply=OrganisationOut, versioned=True, changes_version=True, example={"status": "closed"},
    refusals=("tenants.organisation_not_found", "tenants.status_not_reachable", "tenants.stale_version",
              "tenants.platform_stays"),
    example_reply=EXAMPLE | {"status": "closed", "version": 3},
)  # fmt: skip
async def close_organisation(call: Call, tx: Tx, body: CloseOrganisationIn) -> Reply:
    """Close your organisation for ever.

    From then on nobody of it gets in; its books stay as they are. The platform can suspend and open it again instead.
    """
    status = tenants.Status(body.status)
    closed = await tenants.set_organisation_status(tx, status, version=call.read_version, now=call.now, meta=call.meta)
    return Reply(organisation_out(closed), version=closed.version)


@operation(
    "POST", _LINKS, tag="Organisations", status=201, permission=Permission.LINKS_REQUEST, whole=True,
    body=RequestLinkIn,
    reply=LinkOut, versioned=True, idempotent=True,
    refusals=("tenants.malformed", "tenants.organisation_not_found", "tenants.link_exists", "kit.malformed_id"),
    example={"organisation": "lagos-mills", "relation": "partner", "scopes": ["catalog.read"]},
)  # fmt: skip
async def request_link(call: Call, tx: Tx, body: RequestLinkIn) -> Reply:
    """Ask another organisation to link."""
    link = await tenants.request_link(
        tx,
        organisation=body.organisation,
        relation=body.relation,
        scopes=body.scopes,
        note=body.note,
        caller=call.caller,
        now=call.now,
        meta=call.meta,
    )
    return _link(link)


@operation(
    "GET", _LINKS, tag="Organisations", permission=Permission.ORGANISATION_READ, query=LinksIn, reply=PageOut[LinkOut],
    sorts=tenants.LINKS.sorts,
)  # fmt: skip
async def list_links(call: Call, tx: Tx, query: LinksIn) -> PageOut[LinkOut]:
    """List links, the oldest first unless `sort` says otherwise."""
    status = None if query.status is None else tenants.LinkStatus(query.status)
    return page(
        await tenants.list_links(tx, status=status, sort=query.sort, cursor=query.cursor, limit=query.limit), link_out
    )


@operation(
    "GET", _LINKS + "/{link}", tag="Organisations", permission=Permission.ORGANISATION_READ, reply=LinkOut,
    versioned=True, refusals=("tenants.link_not_found",),
)  # fmt: skip
async def get_link(call: Call, tx: Tx) -> Reply:
    """Show a link."""
    return _link(await tenants.get_link(tx, call.id("link")))


@operation(
    "PUT", _LINKS + "/{link}/approval", tag="Organisations", permission=Permission.LINKS_DECIDE, whole=True,
    body=ApproveLinkIn,
    reply=LinkOut, versioned=True, changes_version=True, refusals=_LINK_REFUSALS, example={"scopes": ["catalog.read"]},
)  # fmt: skip
async def approve_link(call: Call, tx: Tx, body: ApproveLinkIn) -> Reply:
    """Approve a link that another organisation asked for.

    It permits exactly these scopes, by default none.
    """
    link = await tenants.approve_link(
        tx, call.id("link"), version=call.read_version, scopes=body.scopes, caller=call.caller, now=call.now,
        meta=call.meta,
    )  # fmt: skip
    return _link(link)


@operation(
    "PUT", _LINKS + "/{link}/status", tag="Organisations", permission=Permission.ORGANISATION_READ, whole=True,
    body=DecideLinkIn,
    reply=LinkOut, versioned=True, changes_version=True, refusals=_LINK_REFUSALS, example={"status": "ended"},
)  # fmt: skip
async def decide_link(call: Call, tx: Tx, body: DecideLinkIn) -> Reply:
    """Reject, withdraw or end a link.

    Rejecting and ending need `organisation.links.decide`, withdrawing `organisation.links.request`.
    """
    move = {"rejected": tenants.reject_link, "withdrawn": tenants.withdraw_link, "ended": tenants.end_link}[body.status]
    link = await move(tx, call.id("link"), version=call.read_version, caller=call.gated, now=call.now, meta=call.meta)
    return _link(link)

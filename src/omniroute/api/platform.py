"""What the platform does with organisations over HTTP: open, suspend, open again, close. It sees nothing inside."""

from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from omniroute.api.call import Call
from omniroute.api.operations import Reply, operation
from omniroute.api.organisations import EXAMPLE, OrganisationOut, organisation_out
from omniroute.api.shapes import Currency, In, Instant, Name, Out, shown
from omniroute.infra.postgres import Tx
from omniroute.kit import ids
from omniroute.parties import people, tenants
from omniroute.parties.access import Permission

_BASE = "/v1/organisations"
_ORGANISATION = _BASE + "/{organisation}"

Json = dict[str, Any]
Slug = Annotated[str, Meta(min_length=1, max_length=63, description="Its name in addresses; never changes.")]


class OpenOrganisationIn(In):
    """A new organisation and who shall own it."""

    slug: Slug
    name: Name
    country: Annotated[str, Meta(pattern=r"^[A-Z]{2}$", description="ISO 3166.")]
    currency: Currency
    time_zone: Annotated[str, Meta(max_length=64, description="IANA name.")]
    owner_email: Annotated[str, Meta(max_length=320)]
    residency: Annotated[str, Meta(max_length=32, description="Where its data must stay.")] = "any"
    settings: Json = msgspec.field(default_factory=dict)
    custom: Json = msgspec.field(default_factory=dict)
    branding: Json = msgspec.field(default_factory=dict)


class OrganisationStatusIn(In):
    """`suspended` can be opened again (`active`); `closed` is for ever. While not active, nobody of it gets in."""

    status: Literal["active", "suspended", "closed"]


class TenantOut(Out):
    """An organisation as the platform sees it."""

    id: str
    slug: str
    name: str
    country: str
    currency: str
    status: Literal["active", "suspended", "closed"]
    version: int
    created_at: Instant
    updated_at: Instant


class OpenedOrganisationOut(Out):
    """The organisation, and the one-time token with which its owner accepts. The token is shown now and never again."""

    organisation: OrganisationOut
    invitation_id: str
    invitation_token: str
    invitation_expires_at: Instant


def _tenant(organisation: tenants.Organisation) -> Reply:
    out = shown(TenantOut, organisation, {"id": "org"}, status=organisation.status.value)
    return Reply(out, version=organisation.version)


_TENANT = {name: EXAMPLE[name] for name in TenantOut.__struct_fields__}


@operation(
    "POST", _BASE, tag="Organisations", status=201, permission=Permission.PLATFORM_ORGANISATIONS_CREATE,
    body=OpenOrganisationIn, reply=OpenedOrganisationOut, idempotent=True, secret=True,
    refusals=("tenants.malformed", "tenants.slug_taken", "people.malformed"),
    example={"slug": "kano-foods", "name": "Kano Foods", "country": "NG", "currency": "NGN",
             "time_zone": "Africa/Lagos", "owner_email": "amina@kano-foods.example"},
    example_reply={"organisation": EXAMPLE, "invitation_id": "inv_01jd3m8q4vv8k8x2n0c5t7yh6r",
                   "invitation_token": "inv_...", "invitation_expires_at": "2026-11-28T08:00:00Z"},
)  # fmt: skip
async def open_organisation(call: Call, tx: Tx, body: OpenOrganisationIn) -> OpenedOrganisationOut:
    """Open an organisation and invite its owner.

    For the platform only.
    """
    command = tenants.CreateOrganisation(
        body.slug, body.name, body.country, body.currency, body.time_zone, body.residency, body.settings, body.custom,
        body.branding,
    )  # fmt: skip
    opened = await people.open_organisation(
        tx, command, owner_email=body.owner_email, caller=call.caller, now=call.now, meta=call.meta
    )
    invitation = opened.owner.invitation
    return OpenedOrganisationOut(
        organisation=organisation_out(opened.organisation),
        invitation_id=ids.show("inv", invitation.id),
        invitation_token=opened.owner.token.text,
        invitation_expires_at=invitation.expires_at,
    )


@operation(
    "GET", _ORGANISATION, tag="Organisations", permission=Permission.PLATFORM_ORGANISATIONS_SUSPEND, reply=TenantOut,
    versioned=True, refusals=("tenants.organisation_not_found",), example_reply=_TENANT,
)  # fmt: skip
async def get_tenant(call: Call, tx: Tx) -> Reply:
    """Show the status of an organisation.

    For the platform only.
    """
    async with tenants.as_tenant(tx, call.id("organisation")) as own:
        return _tenant(await tenants.get_organisation(own))


@operation(
    "PUT", _ORGANISATION + "/status", tag="Organisations", permission=Permission.PLATFORM_ORGANISATIONS_SUSPEND,
    body=OrganisationStatusIn, reply=TenantOut, versioned=True, changes_version=True, example={"status": "suspended"},
    refusals=("tenants.organisation_not_found", "tenants.status_not_reachable", "tenants.stale_version",
              "tenants.platform_stays"),
    example_reply=_TENANT | {"status": "suspended", "version": 2},
)  # fmt: skip
async def set_tenant_status(call: Call, tx: Tx, body: OrganisationStatusIn) -> Reply:
    """Suspend an organisation, open it again, or close it for ever.

    For the platform only. Sessions, keys and tokens of an organisation that is not active stop within 5 seconds
    everywhere; its books stay as they are.
    """
    status = tenants.Status(body.status)
    async with tenants.as_tenant(tx, call.id("organisation")) as own:
        changed = await tenants.set_organisation_status(
            own, status, version=call.read_version, now=call.now, meta=call.meta
        )
    return _tenant(changed)

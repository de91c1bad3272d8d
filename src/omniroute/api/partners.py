"""Partners over HTTP."""

from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from omniroute.api.call import Call
from omniroute.api.operations import Reply, operation
from omniroute.api.payments_shapes import PayeeIn, PayeeOut, payee_in
from omniroute.api.shapes import In, Instant, ListIn, Name, Out, PageOut, page
from omniroute.infra.postgres import Tx
from omniroute.kit import ids
from omniroute.parties import partners, tenants
from omniroute.parties.access import Permission
from omniroute.parties.partners import CreatePartner, Partner, PartnerKind, PartnerStatus, ReplacePartner
from omniroute.ports.rails import Party

_BASE = "/v1/{tenant}/partners"
_ONE = _BASE + "/{partner}"

KindText = Literal[
    "MANUFACTURER", "DISTRIBUTOR", "WHOLESALER", "RETAILER", "WORKER", "PLATFORM", "CUSTOMER", "SUPPLIER", "GROUP"
]
PartnerId = Annotated[
    str,
    Meta(
        pattern="^ptn_[0-7][0-9a-hjkmnp-tv-z]{25}$",
        description="A partner.",
        examples=["ptn_01jd3m8q4vv8k8x2n0c5t7yh6r"],
    ),
]
Phone = Annotated[str, Meta(min_length=4, max_length=24, examples=["+234 802 234 5678"])]
Address = Annotated[str, Meta(min_length=3, max_length=320, examples=["ap@mill.example"])]
Refs = Annotated[
    dict[Annotated[str, Meta(min_length=1, max_length=64)], Annotated[str, Meta(min_length=1, max_length=200)]],
    Meta(max_length=32, description="What other systems call it: system -> id.", examples=[{"erp": "C-00123"}]),
]


class CreatePartnerIn(In):
    """A new partner. `account`: where it is paid."""

    code: Annotated[str, Meta(pattern="^[A-Za-z0-9][A-Za-z0-9._-]{0,39}$", examples=["kano-mill"])]
    kind: KindText
    name: Name
    phone: Phone | None = None
    email: Address | None = None
    account: PayeeIn | None = None
    external_refs: Refs = msgspec.field(default_factory=dict)


class ReplacePartnerIn(In):
    """The partner as it shall be; code and kind stay."""

    name: Name
    phone: Phone | None = None
    email: Address | None = None
    account: PayeeIn | None = None
    external_refs: Refs = msgspec.field(default_factory=dict)


class ClosePartnerIn(In):
    """Nothing is to be said."""


class PartnersIn(ListIn):
    """Which partners."""

    kind: KindText | None = None
    status: Literal["active", "closed"] | None = None


class PartnerOut(Out):
    """Who trades with the organisation. `account`: where it is paid, in the one form payments know."""

    id: str
    code: str
    kind: KindText
    name: str
    phone: str | None
    email: str | None
    account: PayeeOut | None
    external_refs: dict[str, str]
    status: Literal["active", "closed"]
    version: int
    created_at: Instant
    updated_at: Instant


def account_out(account: Party | None) -> PayeeOut | None:
    """Where somebody is paid, as shown."""
    if account is None:
        return None
    return PayeeOut(
        kind=account.kind.value,
        identifier=account.identifier,
        institution=account.institution,
        name=account.name,
        country=account.country,
        account=account.account,
    )


def partner_out(partner: Partner) -> PartnerOut:
    """A partner as shown."""
    return PartnerOut(
        id=ids.show("ptn", partner.partner_id),
        code=partner.code,
        kind=partner.kind.value,
        name=partner.name,
        phone=partner.phone,
        email=partner.email,
        account=account_out(partner.account),
        external_refs=dict(partner.external_refs),
        status=partner.status.value,
        version=partner.version,
        created_at=partner.created_at,
        updated_at=partner.updated_at,
    )


def _shown(partner: Partner) -> Reply:
    return Reply(partner_out(partner), version=partner.version)


async def _account(tx: Tx, account: PayeeIn | None) -> Party | None:
    """Where it is paid, in the one form payments know; where no country is named, that of the organisation's money."""
    return None if account is None else payee_in(account, (await tenants.get_organisation(tx)).currency)


_ACCOUNT = (
    "institutions.malformed_payee", "institutions.unknown", "institutions.closed", "institutions.wrong_check_digit",
    "institutions.wrong_country", "institutions.other_network",
)  # fmt: skip
_CHANGING = ("partners.not_found", "partners.changed", "partners.closed")
_BODY: dict[str, Any] = {
    "code": "kano-mill", "kind": "MANUFACTURER", "name": "Kano Mills", "phone": "+234 802 234 5678",
    "account": {"kind": "bank_account", "identifier": "0123456785", "institution": "058", "name": "Kano Mills Ltd"},
    "external_refs": {"erp": "C-00123"},
}  # fmt: skip
_EXAMPLE: dict[str, Any] = {
    "id": "ptn_01jd3m8q4vv8k8x2n0c5t7yh6r", "code": "kano-mill", "kind": "MANUFACTURER", "name": "Kano Mills",
    "phone": "+234 802 234 5678", "email": None,
    "account": {"kind": "bank_account", "identifier": "0123456785", "institution": "000013", "name": "Kano Mills Ltd",
                "country": "NG", "account": None},
    "external_refs": {"erp": "C-00123"}, "status": "active", "version": 1, "created_at": "2026-11-21T08:00:00Z",
    "updated_at": "2026-11-21T08:00:00Z",
}  # fmt: skip
_CHANGE = {name: _BODY[name] for name in ("name", "phone", "account", "external_refs")}


@operation(
    "POST", _BASE, tag="Partners", status=201, permission=Permission.PARTNERS_WRITE, whole=True, body=CreatePartnerIn,
    reply=PartnerOut, versioned=True, idempotent=True,
    refusals=("partners.malformed", "partners.code_taken", *_ACCOUNT), example=_BODY, example_reply=_EXAMPLE,
)  # fmt: skip
async def create_partner(call: Call, tx: Tx, body: CreatePartnerIn) -> Reply:
    """Create a partner."""
    command = CreatePartner(
        code=body.code,
        kind=PartnerKind(body.kind),
        name=body.name,
        phone=body.phone,
        email=body.email,
        account=await _account(tx, body.account),
        external_refs=body.external_refs,
    )
    return _shown(await partners.create_partner(tx, command, now=call.now, meta=call.meta))


@operation(
    "GET", _BASE, tag="Partners", permission=Permission.PARTNERS_READ, query=PartnersIn, reply=PageOut[PartnerOut],
    sorts=partners.PARTNERS.sorts, example_query={"kind": "RETAILER"},
    example_reply={"items": [_EXAMPLE], "next_cursor": None},
)  # fmt: skip
async def list_partners(call: Call, tx: Tx, query: PartnersIn) -> PageOut[PartnerOut]:
    """List partners, by name unless `sort` says otherwise."""
    found = await partners.list_partners(
        tx,
        kind=None if query.kind is None else PartnerKind(query.kind),
        status=None if query.status is None else PartnerStatus(query.status),
        sort=query.sort,
        limit=query.limit,
        cursor=query.cursor,
    )
    return page(found, partner_out)


@operation(
    "GET", _ONE, tag="Partners", permission=Permission.PARTNERS_READ, reply=PartnerOut, versioned=True,
    refusals=("partners.not_found",), example_reply=_EXAMPLE,
)  # fmt: skip
async def get_partner(call: Call, tx: Tx) -> Reply:
    """Show a partner."""
    return _shown(await partners.find_partner(tx, call.id("partner")))


@operation(
    "PUT", _ONE, tag="Partners", permission=Permission.PARTNERS_WRITE, whole=True, body=ReplacePartnerIn,
    reply=PartnerOut, versioned=True, changes_version=True, refusals=("partners.malformed", *_CHANGING, *_ACCOUNT),
    example=_CHANGE, example_reply=_EXAMPLE | {"version": 2},
)  # fmt: skip
async def replace_partner(call: Call, tx: Tx, body: ReplacePartnerIn) -> Reply:
    """Change a partner, or where it is paid."""
    command = ReplacePartner(
        name=body.name,
        phone=body.phone,
        email=body.email,
        account=await _account(tx, body.account),
        external_refs=body.external_refs,
    )
    changed = await partners.update_partner(
        tx, call.id("partner"), command, version=call.read_version, now=call.now, meta=call.meta
    )
    return _shown(changed)


@operation(
    "POST", _ONE + "/close", tag="Partners", permission=Permission.PARTNERS_WRITE, whole=True, body=ClosePartnerIn,
    reply=PartnerOut, versioned=True, changes_version=True, idempotent=True,
    refusals=("partners.has_money", *_CHANGING), example={},
    example_reply=_EXAMPLE | {"status": "closed", "version": 2},
)  # fmt: skip
async def close_partner(call: Call, tx: Tx, body: ClosePartnerIn) -> Reply:
    """Close a partner for good. Nothing may be owed to it, and nothing in its hands."""
    closed = await partners.close_partner(
        tx, call.id("partner"), version=call.read_version, now=call.now, meta=call.meta
    )
    return _shown(closed)

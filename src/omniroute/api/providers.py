"""Outside OpenID providers whose tokens an organisation accepts, over HTTP."""

from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from omniroute.api.call import Call
from omniroute.api.operations import Reply, operation
from omniroute.api.shapes import In, ListIn, Name, Out, PageOut, page, shown
from omniroute.infra.postgres import Tx
from omniroute.parties import access
from omniroute.parties.access import Permission

_BASE = "/v1/{tenant}/identity-providers"
Address = Annotated[str, Meta(min_length=1, max_length=500)]


class ProviderIn(In):
    """Give the provider's keys by address (`jwks_uri`) or as they are (`jwks`)."""

    name: Name
    issuer: Address
    audience: Address
    jwks_uri: Address | None = None
    jwks: dict[str, Any] | None = None
    algorithms: Annotated[list[Annotated[str, Meta(max_length=16)]], Meta(min_length=1, max_length=12)] = msgspec.field(
        default_factory=lambda: ["RS256", "ES256"]
    )
    role_claim: Annotated[str, Meta(min_length=1, max_length=100)] = "roles"
    role_map: Annotated[
        dict[Annotated[str, Meta(max_length=200)], Annotated[str, Meta(max_length=64)]],
        Meta(max_length=100, description="Value of the claim to the name of a role here."),
    ] = msgspec.field(default_factory=dict)
    clock_skew_s: Annotated[int, Meta(ge=0, le=300)] = 60


class ReplaceProviderIn(ProviderIn):
    """The provider as it shall be."""

    status: Literal["active", "disabled"] = "active"


class ProviderOut(Out):
    """An outside identity provider."""

    id: str
    name: str
    issuer: str
    audience: str
    jwks_uri: str | None
    jwks: dict[str, Any] | None
    algorithms: list[str]
    role_claim: str
    role_map: dict[str, str]
    clock_skew_s: int
    status: Literal["active", "disabled"]
    version: int


def provider_out(provider: access.Provider) -> ProviderOut:
    """A provider as shown."""
    return shown(ProviderOut, provider, {"id": "oip"})


def _provider(provider: access.Provider) -> Reply:
    return Reply(provider_out(provider), version=provider.version)


def _config(body: ProviderIn) -> access.ProviderConfig:
    return access.ProviderConfig(
        name=body.name,
        issuer=body.issuer,
        audience=body.audience,
        jwks_uri=body.jwks_uri,
        jwks=body.jwks,
        algorithms=tuple(body.algorithms),
        role_claim=body.role_claim,
        role_map=body.role_map,
        clock_skew_s=body.clock_skew_s,
    )


_REFUSALS = ("access.malformed", "access.role_not_found", "access.grant_exceeds_own", "access.provider_exists")
_EXAMPLE = {
    "name": "Company log-in", "issuer": "https://id.kano-foods.example", "audience": "omniroute",
    "jwks_uri": "https://id.kano-foods.example/jwks.json", "role_map": {"finance": "finance_admin"},
}  # fmt: skip


@operation(
    "POST", _BASE, tag="Keys", status=201, permission=Permission.OIDC_WRITE, body=ProviderIn, reply=ProviderOut,
    versioned=True, idempotent=True, refusals=_REFUSALS, example=_EXAMPLE,
)  # fmt: skip
async def create_provider(call: Call, tx: Tx, body: ProviderIn) -> Reply:
    """Accept the tokens of an outside OpenID provider."""
    return _provider(await access.create_provider(tx, _config(body), caller=call.caller, now=call.now, meta=call.meta))


@operation(
    "GET", _BASE, tag="Keys", permission=Permission.OIDC_WRITE, query=ListIn, reply=PageOut[ProviderOut],
    sorts=access.PROVIDERS.sorts,
)  # fmt: skip
async def list_providers(call: Call, tx: Tx, query: ListIn) -> PageOut[ProviderOut]:
    """List outside identity providers by name."""
    found = await access.list_providers(tx, sort=query.sort, cursor=query.cursor, limit=query.limit)
    return page(found, provider_out)


@operation(
    "GET", _BASE + "/{provider}", tag="Keys", permission=Permission.OIDC_WRITE, reply=ProviderOut, versioned=True,
    refusals=("access.provider_not_found",),
)  # fmt: skip
async def get_provider(call: Call, tx: Tx) -> Reply:
    """Show an outside identity provider."""
    return _provider(await access.get_provider(tx, call.id("provider")))


@operation(
    "PUT", _BASE + "/{provider}", tag="Keys", permission=Permission.OIDC_WRITE, body=ReplaceProviderIn,
    reply=ProviderOut, versioned=True, changes_version=True, example=_EXAMPLE | {"status": "disabled"},
    refusals=(*_REFUSALS, "access.provider_not_found", "access.stale_version"),
)  # fmt: skip
async def replace_provider(call: Call, tx: Tx, body: ReplaceProviderIn) -> Reply:
    """Change or disable an outside identity provider."""
    provider = await access.update_provider(
        tx,
        call.id("provider"),
        _config(body),
        version=call.read_version,
        status=body.status,
        caller=call.caller,
        now=call.now,
        meta=call.meta,
    )
    return _provider(provider)

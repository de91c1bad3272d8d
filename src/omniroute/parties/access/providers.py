"""Configuration of outside OpenID providers, per organisation."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal
from urllib.parse import SplitResult, urlsplit
from uuid import UUID

from omniroute.infra.events import Meta, append
from omniroute.infra.postgres import Tx, read_page
from omniroute.kit.ids import uuid7
from omniroute.kit.paging import Page
from omniroute.parties.access import events
from omniroute.parties.access.errors import MalformedAccess, ProviderNotFound, StaleVersion
from omniroute.parties.access.jwks import ALGORITHMS, check_jwks_uri, read_jwks
from omniroute.parties.access.model import Caller, Provider
from omniroute.parties.access.roles import check_may_give_roles, find_role
from omniroute.parties.access.rules import check_name
from omniroute.parties.access.store import PROVIDERS, SQL, provider_of, refusing

CLOCK_SKEW_S_MAX = 300
ROLE_MAP_MAX = 100
JWKS_CHARACTERS_MAX = 65_536


@dataclass(frozen=True, slots=True)
class ProviderConfig:
    """How to check a provider's tokens, and what its claims mean here.

    Keys come from `jwks_uri` or are given in `jwks`, one of the two. `role_claim` names the claim (dots go into
    objects), `role_map` maps its values to role names of the organisation; values not in it mean nothing.
    """

    name: str
    issuer: str
    audience: str
    jwks_uri: str | None = None
    jwks: Mapping[str, object] | None = None
    algorithms: tuple[str, ...] = ("RS256", "ES256")
    role_claim: str = "roles"
    role_map: Mapping[str, str] = field(default_factory=dict)
    clock_skew_s: int = 60


async def create_provider(
    tx: Tx, config: ProviderConfig, *, caller: Caller, loopback_allowed: bool = False, now: datetime, meta: Meta
) -> Provider:
    """Accept tokens of an outside provider from now on.

    Raises: MalformedAccess, RoleNotFound, GrantExceedsOwn, ProviderExists.
    """
    values = await _checked(tx, config, caller, loopback_allowed)
    provider_id = uuid7()
    async with refusing(tx):
        await tx.execute(SQL.insert_provider, id=provider_id, now=now, **values)
    provider = await get_provider(tx, provider_id)
    await append(tx, _changed(provider), meta)
    return provider


async def update_provider(
    tx: Tx,
    provider_id: UUID,
    config: ProviderConfig,
    *,
    version: int,
    status: Literal["active", "disabled"] = "active",
    caller: Caller,
    loopback_allowed: bool = False,
    now: datetime,
    meta: Meta,
) -> Provider:
    """Replace a provider's configuration, or disable it.

    Raises: ProviderNotFound, MalformedAccess, RoleNotFound, GrantExceedsOwn, ProviderExists, StaleVersion.
    """
    before = await get_provider(tx, provider_id)
    if status not in {"active", "disabled"}:
        raise MalformedAccess(field="status", expected="active or disabled")
    values = await _checked(tx, config, caller, loopback_allowed)
    async with refusing(tx):
        done = await tx.execute(SQL.update_provider, id=provider_id, version=version, status=status, now=now, **values)
    if done == 0:
        raise StaleVersion(version=version, version_now=before.version)
    provider = await get_provider(tx, provider_id)
    await append(tx, _changed(provider), meta)
    return provider


async def get_provider(tx: Tx, provider_id: UUID) -> Provider:
    """One provider.

    Raises: ProviderNotFound.
    """
    row = await tx.one_or_none(SQL.find_provider, id=provider_id)
    if row is None:
        raise ProviderNotFound()
    return provider_of(row)


async def list_providers(
    tx: Tx, *, sort: str | None = None, cursor: str | None = None, limit: int | None = None
) -> Page[Provider]:
    """A page of the organisation's providers by name.

    Raises: what `read_page` raises.
    """
    return (await read_page(tx, PROVIDERS, sort=sort, cursor=cursor, limit=limit)).map(provider_of)


async def _checked(tx: Tx, config: ProviderConfig, caller: Caller, loopback_allowed: bool) -> dict[str, object]:
    name = check_name(config.name)
    check_name(config.issuer[:200], field="issuer")
    issuer = _split(config.issuer)
    if issuer is None or issuer.scheme not in {"https", "http"} or not issuer.netloc or len(config.issuer) > 500:
        raise MalformedAccess(field="issuer", expected="the issuer's address, exactly as in its tokens")
    check_name(config.audience, field="audience")
    algorithms = sorted(set(config.algorithms))
    if not algorithms or not set(algorithms) <= ALGORITHMS:
        raise MalformedAccess(field="algorithms", expected=" ".join(sorted(ALGORITHMS)))
    if (config.jwks_uri is None) == (config.jwks is None):
        raise MalformedAccess(field="jwks", expected="either jwks_uri or jwks")
    if config.jwks_uri is not None:
        check_jwks_uri(config.jwks_uri, loopback_allowed=loopback_allowed)
    jwks = None if config.jwks is None else json.dumps(_public_only(config.jwks))
    if jwks is not None and (len(jwks) > JWKS_CHARACTERS_MAX or not read_jwks(config.jwks)):
        raise MalformedAccess(field="jwks", expected="a JWKS with at least one public signature key")
    if not 0 <= config.clock_skew_s <= CLOCK_SKEW_S_MAX:
        raise MalformedAccess(field="clock_skew_s", expected="0 to 300")
    check_name(config.role_claim, field="role_claim")
    if len(config.role_map) > ROLE_MAP_MAX or not all(claim.isprintable() for claim in config.role_map):
        raise MalformedAccess(field="role_map", expected=f"at most {ROLE_MAP_MAX} printable claim values")
    roles = [await find_role(tx, role) for role in sorted(set(config.role_map.values()))]
    # Whoever can set a claim at the provider will hold these roles here.
    await check_may_give_roles(tx, [role.id for role in roles], None, caller=caller)
    return {
        "name": name,
        "issuer": config.issuer,
        "audience": config.audience,
        "jwks_uri": config.jwks_uri,
        "jwks": jwks,
        "algorithms": algorithms,
        "role_claim": config.role_claim,
        "role_map": json.dumps(dict(config.role_map)),
        "clock_skew_s": config.clock_skew_s,
    }


def _split(address: str) -> SplitResult | None:
    try:
        return urlsplit(address) if address.isprintable() else None
    except ValueError:
        return None


def _public_only(jwks: Mapping[str, object]) -> dict[str, list[dict[str, object]]]:
    """What is kept of a given JWKS: its usable keys, each reduced to its public members."""
    return {"keys": [key.as_public() for key in read_jwks(jwks)]}


def _changed(provider: Provider) -> events.ProviderChanged:
    return events.ProviderChanged(
        provider.id, provider.issuer, provider.audience, list(provider.algorithms), provider.status
    )

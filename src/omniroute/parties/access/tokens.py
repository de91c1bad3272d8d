"""Access tokens of our own: OAuth2 client credentials (RFC 6749 section 4.4) as JWTs (RFC 9068), signed with ES256.

Keys live in the database, private halves sealed, and sign for 30 days; the JWKS shows them for an
hour longer than their last token lives.

A token names its client; what it may do is looked up again when it is used: revoking the client ends its tokens.
"""

import json
from collections.abc import AsyncIterator
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from joserfc import jwt
from joserfc.jwk import ECKey

from omniroute.infra.postgres import Database
from omniroute.infra.secrets import Binding, Rotation, Vault, rotate
from omniroute.kit.ids import MalformedId, parse, show, uuid7
from omniroute.kit.refusal import Refusal
from omniroute.parties.access import bearer
from omniroute.parties.access.errors import (
    ClientUnknown,
    GrantTypeUnsupported,
    OrganisationInactive,
    ScopeExceedsClient,
    UnknownPermission,
)
from omniroute.parties.access.model import AccessToken, Secret, organisation_text
from omniroute.parties.access.rules import check_permissions
from omniroute.parties.access.store import SQL

TOKEN_LIFE = timedelta(minutes=10)
KEY_SIGNS_FOR = timedelta(days=30)
KEY_SHOWN_AFTER = TOKEN_LIFE + timedelta(hours=1)
ISSUER_DEFAULT = "https://omniroute.local"
AUDIENCE_DEFAULT = "omniroute"
TOKEN_TYPE = "at+jwt"  # noqa: S105  # The media type of RFC 9068, no secret.
ALGORITHM = "ES256"


async def issue_token(
    db: Database,
    vault: Vault,
    *,
    grant_type: str,
    client_id: str,
    client_secret: str,
    scope: str | None = None,
    issuer: str = ISSUER_DEFAULT,
    audience: str = AUDIENCE_DEFAULT,
    now: datetime,
) -> AccessToken:
    """Answer the token endpoint: a signed token of at most 10 minutes, for the scope asked or all the client holds.

    Opens its own transactions, because the client's organisation is known only from the secret.

    Raises: GrantTypeUnsupported, ClientUnknown, OrganisationInactive, ScopeExceedsClient; what `Vault.open` raises.
    """
    if grant_type != "client_credentials":
        raise GrantTypeUnsupported()
    row = await _client(db, client_id, client_secret, now)
    if row.organisation_status != "active":
        raise OrganisationInactive()
    held = {permission for part in row.scopes for permission in part["permissions"]}
    wanted = _narrowed(scope, held)
    kid, key = await _signing_key(db, vault, now=now)
    ends = [end for end in (now + TOKEN_LIFE, row.expires_at, row.secret_expires_at) if end is not None]
    expires_at = min(ends)
    claims = {
        "iss": issuer,
        "aud": audience,
        "sub": client_id,
        "client_id": client_id,
        "jti": str(uuid7()),
        "iat": int(now.timestamp()),
        "exp": int(expires_at.timestamp()),
        "scope": " ".join(sorted(wanted)),
        "org": organisation_text(row.tenant_id),
    }
    header = {"alg": ALGORITHM, "kid": kid, "typ": TOKEN_TYPE}
    token = jwt.encode(header, claims, key, algorithms=[ALGORITHM])
    return AccessToken(Secret(token), int((expires_at - now).total_seconds()), str(claims["scope"]))


async def _client(db: Database, client_id: str, client_secret: str, now: datetime) -> Any:
    """The client whose id and secret these are; every failure looks alike."""
    try:
        key_id: UUID = parse("key", client_id)
    except MalformedId as error:
        raise ClientUnknown() from error
    presented = bearer.read(client_secret)
    if presented is None or presented.form != "cs":
        raise ClientUnknown()
    async with db.tx() as tx:
        row = await tx.one_or_none(SQL.authenticate_credential, lookup=presented.lookup)
    usable = (
        row is not None
        and presented.matches(row.secret_hash)
        and row.credential_id == key_id
        and row.kind == "client"
        and row.status == "active"
        and row.application_status in {None, "active"}
        and (row.expires_at is None or now < row.expires_at)
        and (row.secret_expires_at is None or now < row.secret_expires_at)
    )
    if not usable:
        raise ClientUnknown()
    return row


def _narrowed(scope: str | None, held: set[str]) -> frozenset[str]:
    if scope is None or not scope.strip():
        return frozenset(held)
    try:
        wanted = frozenset(str(name) for name in check_permissions(scope.split()))
    except UnknownPermission as error:
        raise ScopeExceedsClient(**error.facts) from error
    if not wanted <= held:
        raise ScopeExceedsClient(permissions=sorted(wanted - held))
    return wanted


async def public_keys(db: Database, *, now: datetime) -> dict[str, list[dict[str, Any]]]:
    """The JWKS (RFC 7517) to publish: every key whose tokens may still be valid."""
    async with db.tx() as tx:
        rows = await tx.all(SQL.shown_signing_keys, now=now)
    return {"keys": [row.public_jwk for row in rows]}


async def rotate_signing_key(db: Database, vault: Vault, *, now: datetime, only_if_none: bool = False) -> bool:
    """Add a key that signs from now on; the one before stays published until its last token has ended.

    Raises: KeysUnavailable, BadKeys.
    """
    kid = show("jwk", uuid7())
    if only_if_none and await _find(db, now) is not None:
        return False
    key = ECKey.generate_key("P-256", {"kid": kid, "use": "sig", "alg": ALGORITHM})
    sealed = await vault.seal(_binding(kid), json.dumps(key.as_dict(private=True)).encode())
    async with db.tx() as tx:
        return bool(
            await tx.value(
                SQL.add_signing_key,
                kid=kid,
                private_sealed=sealed,
                public_jwk=json.dumps(key.as_dict(private=False)),
                now=now,
                signs_until=now + KEY_SIGNS_FOR,
                shown_until=now + KEY_SIGNS_FOR + KEY_SHOWN_AFTER,
                only_if_none=only_if_none,
            )
        )


async def reseal_signing_keys(db: Database, vault: Vault, *, reencrypt: bool = False) -> Rotation:
    """Bring the private halves under the current master key. `db` is the background's.

    Raises: KeysUnavailable, BadKeys.
    """

    async def records() -> AsyncIterator[tuple[Binding, bytes]]:
        async with db.tx() as tx:
            rows = await tx.all(SQL.sealed_signing_keys)
        for row in rows:
            yield _binding(row.kid), row.private_sealed

    async def save(binding: Binding, before: bytes, after: bytes) -> bool:
        async with db.tx() as tx:
            return bool(await tx.value(SQL.reseal_signing_key, kid=binding.record_id, before=before, after=after))

    return await rotate(vault, records(), save, reencrypt=reencrypt)


async def _signing_key(db: Database, vault: Vault, *, now: datetime) -> tuple[str, ECKey]:
    for _ in range(2):
        row = await _find(db, now)
        if row is not None:
            return row.kid, ECKey.import_key(json.loads(await vault.open(_binding(row.kid), row.private_sealed)))
        await rotate_signing_key(db, vault, now=now, only_if_none=True)
    raise AssertionError("a signing key was added and cannot be found")


async def _find(db: Database, now: datetime) -> Any:
    async with db.tx() as tx:
        return await tx.one_or_none(SQL.current_signing_key, now=now)


def _binding(kid: str) -> Binding:
    return Binding(None, "signing_key", kid)


TOKEN_REFUSALS: tuple[type[Refusal], ...] = (ClientUnknown, GrantTypeUnsupported, ScopeExceedsClient)
"""Refusals whose `error` member in RFC 6749 section 5.2 is the second half of their code."""

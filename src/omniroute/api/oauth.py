"""Tokens for machines: the OAuth2 token endpoint (RFC 6749 section 4.4) and the keys that verify them."""

import base64
import binascii
from typing import Annotated, Any, Literal
from urllib.parse import unquote_plus

from msgspec import Meta

from omniroute.api.call import Call
from omniroute.api.errors import InvalidField
from omniroute.api.operations import Access, Reply, operation
from omniroute.api.shapes import In, Out
from omniroute.kit.refusal import Refusal
from omniroute.parties import access


class TokenIn(In):
    """The client's credentials stand here or in a Basic Authorization header."""

    grant_type: Annotated[str, Meta(min_length=1, max_length=64, examples=["client_credentials"])]
    client_id: Annotated[str, Meta(max_length=200)] | None = None
    client_secret: Annotated[str, Meta(max_length=500)] | None = None
    scope: Annotated[str, Meta(max_length=2000, description="Permissions, separated by spaces.")] | None = None


class TokenOut(Out):
    """A bearer token."""

    access_token: str
    token_type: Literal["Bearer"]
    expires_in: Annotated[int, Meta(description="Seconds.")]
    scope: str


class KeySetOut(Out):
    """A JSON Web Key Set."""

    keys: list[dict[str, Any]]


def _basic(authorization: str | None) -> tuple[str, str] | None:
    scheme, _, text = (authorization or "").partition(" ")
    if scheme.lower() != "basic":
        return None
    try:
        name, _, secret = base64.b64decode(text, validate=True).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError):
        return "", ""
    return unquote_plus(name), unquote_plus(secret)


@operation(
    "POST", "/oauth/token", tag="OAuth", access=Access.OPEN, transaction=False, body=TokenIn, reply=TokenOut, form=True,
    refusals=("access.invalid_client", "access.invalid_scope", "access.unsupported_grant_type",
              "access.organisation_inactive", "api.unavailable"),
    example={"grant_type": "client_credentials", "client_id": "key_01jd3m8q4vv8k8x2n0c5t7yh6r", "client_secret": "..."},
    example_reply={"access_token": "eyJ...", "token_type": "Bearer", "expires_in": 600, "scope": "ledger.read"},
)  # fmt: skip
async def issue_token(call: Call, body: TokenIn) -> Reply:
    """Exchange a client's credentials for a token of at most 10 minutes.

    Problems carry the `error` member of RFC 6749.
    """
    basic = _basic(call.authorization)
    if basic is not None and body.client_secret is not None:
        raise InvalidField("credentials stand in the header or in the body, not in both", pointer="/client_secret")
    client_id, client_secret = basic or (body.client_id or "", body.client_secret or "")
    try:
        token = await access.issue_token(
            call.services.db,
            call.services.vault,
            grant_type=body.grant_type,
            client_id=client_id,
            client_secret=client_secret,
            scope=body.scope,
            issuer=call.services.authenticator.issuer,
            audience=call.services.authenticator.audience,
            now=call.now,
        )
    except Refusal as refusal:
        refusal.facts["error"] = refusal.code.partition(".")[2]
        raise
    out = TokenOut(
        access_token=token.token.text,
        token_type="Bearer",  # noqa: S106  # The kind of token, not a secret.
        expires_in=token.expires_in_s,
        scope=token.scope,
    )
    return Reply(out)


@operation(
    "GET", "/.well-known/jwks.json", tag="OAuth", access=Access.OPEN, transaction=False, reply=KeySetOut,
    refusals=("api.unavailable",),
)  # fmt: skip
async def get_key_set(call: Call) -> KeySetOut:
    """Show the public keys of our tokens."""
    found = await access.public_keys(call.services.db, now=call.now)
    return KeySetOut(keys=found["keys"])

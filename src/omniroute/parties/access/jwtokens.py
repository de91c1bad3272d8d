"""JSON Web Tokens: taken apart before they are believed, then verified with one key and one algorithm we chose.

The token never chooses how it is checked: the algorithm must be on our list, must fit the key's type and curve, and the
key comes from the configured set. `jku`, `jwk` and `x5u` headers are not looked at; any `crit` is refused.
"""

import base64
import binascii
import json
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any

from joserfc import jws
from joserfc.errors import JoseError

from omniroute.parties.access.errors import CredentialsExpired, CredentialsMalformed, CredentialsUnknown
from omniroute.parties.access.jwks import VerificationKey

if TYPE_CHECKING:
    from joserfc._rfc7515.model import JWSAlgModel

TOKEN_LENGTH_MAX = 8192
_EPOCH_MAX = 253_402_300_799  # The last second of the year 9999; beyond it is nonsense or an attack on arithmetic.


@dataclass(frozen=True, slots=True)
class Unverified:
    """A token's parts as it claims them. Nothing here may be believed."""

    text: str = field(repr=False)
    algorithm: str
    kid: str | None
    kind: str | None
    issuer: str
    audiences: tuple[str, ...]


def read(text: str) -> Unverified:
    """Take a compact JWS apart, to learn whose it claims to be.

    Raises: CredentialsMalformed.
    """
    parts = text.split(".")
    if len(parts) != 3 or len(text) > TOKEN_LENGTH_MAX:
        raise CredentialsMalformed()
    header, claims = _object(parts[0]), _object(parts[1])
    algorithm, kid, kind = header.get("alg"), header.get("kid"), header.get("typ")
    issuer, audience = claims.get("iss"), claims.get("aud")
    audiences = [audience] if isinstance(audience, str) else audience
    if (
        not isinstance(algorithm, str)
        or not isinstance(issuer, str)
        or not isinstance(kid, str | None)
        or not isinstance(kind, str | None)
        or not isinstance(audiences, list)
        or not all(isinstance(one, str) for one in audiences)
        or len(audiences) > 20
        or not (issuer + "".join(audiences)).isprintable()
    ):
        raise CredentialsMalformed()
    if "crit" in header:
        raise CredentialsUnknown()
    return Unverified(text, algorithm, kid, kind, issuer, tuple(audiences))


def _object(part: str) -> dict[str, Any]:
    try:
        value = json.loads(base64.b64decode(part + "=" * (-len(part) % 4), altchars=b"-_", validate=True))
    except (ValueError, binascii.Error, RecursionError) as error:
        raise CredentialsMalformed() from error
    if not isinstance(value, dict):
        raise CredentialsMalformed()
    return value


class _Algorithms(jws.JWSRegistry):
    """The library's algorithms, without its warning that EdDSA is now called Ed25519 (RFC 9864).

    Most providers still write EdDSA. It is ambiguous only without the key's curve, which `VerificationKey.fits` checks.
    """

    def get_alg(self, name: str) -> "JWSAlgModel":
        if name == "EdDSA" and name in (self.allowed or ()):
            return self.algorithms[name]
        return super().get_alg(name)


def verify(
    token: Unverified,
    keys: Sequence[VerificationKey],
    *,
    algorithms: Collection[str],
    issuer: str,
    audience: str,
    skew_s: int,
    now: datetime,
) -> dict[str, Any]:
    """The claims of a token whose signature, issuer, audience and times are right.

    Raises: CredentialsUnknown, CredentialsExpired.
    """
    if token.algorithm not in algorithms:
        raise CredentialsUnknown()
    key = _choose(token, keys)
    try:
        signed = jws.deserialize_compact(token.text, key.key, registry=_Algorithms(algorithms=[token.algorithm]))
        claims = json.loads(signed.payload)
    except (JoseError, ValueError, TypeError) as error:
        raise CredentialsUnknown() from error
    if claims.get("iss") != issuer or audience not in _texts(claims.get("aud")):
        raise CredentialsUnknown()
    _check_times(claims, skew_s, int(now.timestamp()))
    return dict(claims)


def _choose(token: Unverified, keys: Sequence[VerificationKey]) -> VerificationKey:
    """The one key this token may be verified with."""
    fitting = [key for key in keys if key.fits(token.algorithm)]
    if token.kid is not None:
        fitting = [key for key in fitting if key.kid == token.kid]
    if len(fitting) != 1:
        raise CredentialsUnknown()
    return fitting[0]


def _check_times(claims: dict[str, Any], skew_s: int, now_s: int) -> None:
    expires, not_before, issued = claims.get("exp"), claims.get("nbf", 0), claims.get("iat", 0)
    for instant in (expires, not_before, issued):
        # Fractions of a second are allowed by RFC 7519; whole seconds are enough here.
        if isinstance(instant, bool) or not isinstance(instant, int | float) or not 0 <= instant <= _EPOCH_MAX:
            raise CredentialsUnknown()
    if now_s >= expires + skew_s:  # type: ignore[operator]  # The loop has seen that it is a number.
        raise CredentialsExpired()
    if not_before > now_s + skew_s or issued > now_s + skew_s:
        raise CredentialsUnknown()


def _texts(value: object) -> list[str]:
    if isinstance(value, str):
        return [value]
    return [one for one in value if isinstance(one, str)] if isinstance(value, list) else []


def claim_values(claims: dict[str, Any], path: str) -> list[str]:
    """Texts at a claim: by its exact name, else by dots into objects (`realm_access.roles`).

    A single text of several words, as `scope` has, counts as its words.
    """
    found: object = claims.get(path)
    if found is None:
        found = claims
        for step in path.split("."):
            found = found.get(step) if isinstance(found, dict) else None
    return found.split() if isinstance(found, str) else _texts(found)

"""Who asks, and as what: from the headers of a request (or of a WebSocket's first message) to a role and a session.

Authorization            a key, a session or a token, as at the REST door; session variables come from it alone
X-Hasura-Role            chooses one of the roles that the credentials allow
X-Hasura-Admin-Secret    if it is set up: any role, and session variables from the X-Hasura-* headers
"""

import hmac
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from hashlib import sha256
from uuid import UUID

from omniroute.graphql.doors.admission import Admitted
from omniroute.graphql.doors.errors import AccessDenied, HttpRefused
from omniroute.graphql.doors.roles import PREFERRED, reach
from omniroute.graphql.doors.serving import Serving
from omniroute.graphql.engine import Engine
from omniroute.graphql.session import Session
from omniroute.kit.clock import Clock
from omniroute.kit.ids import MalformedId, parse
from omniroute.kit.refusal import Refusal
from omniroute.parties.access import (
    Authenticator,
    Caller,
    CredentialsExpired,
    CredentialsMissing,
    OrganisationInactive,
    Unauthenticated,
)

ADMIN = "admin"
ADMIN_SECRET = "x-hasura-admin-secret"  # noqa: S105  # The name of a header.
ACCESS_KEY = "x-hasura-access-key"
ROLE = "x-hasura-role"
TENANT = "x-hasura-tenant-id"
BACKEND_ONLY = "x-hasura-use-backend-only-permissions"
_SECRETS = frozenset({ADMIN_SECRET, ACCESS_KEY})


@dataclass(frozen=True, slots=True)
class Gate:
    """Decides who may ask. `admin_secret` empty: nobody has one. `stranger_role` empty: strangers are refused."""

    serving: Serving
    authenticator: Authenticator
    clock: Clock
    admin_secret: str = field(default="", repr=False)
    stranger_role: str = ""

    async def admit(self, headers: Mapping[str, str]) -> Admitted:
        """The visitor behind these headers (names in lower case).

        Raises: AccessDenied, HttpRefused.
        """
        for name in (ADMIN_SECRET, ACCESS_KEY):
            if name in headers:
                return self._admin(headers, headers[name])
        if self.stranger_role and "authorization" not in headers:
            session = Session(variables={ROLE: self.stranger_role}, headers=_forwarded(headers))
            return Admitted(self.stranger_role, session)
        return _in_role(await self._caller(headers), headers.get(ROLE), self.serving.engine, headers)

    async def _caller(self, headers: Mapping[str, str]) -> Caller:
        now = self.clock.now()
        try:
            return await self.authenticator.authenticate(headers.get("authorization"), now=now)
        except CredentialsMissing as error:
            raise AccessDenied("Missing 'Authorization' header", code="invalid-headers") from error
        except CredentialsExpired as error:
            raise AccessDenied("Could not verify JWT: JWTExpired", code="invalid-jwt") from error
        except OrganisationInactive as error:
            raise AccessDenied(error.detail, status=403) from error
        except Unauthenticated as error:
            raise AccessDenied(error.detail) from error
        except Refusal as error:
            raise HttpRefused(503, error.detail, code="unexpected", headers=(("retry-after", "1"),)) from error

    def _admin(self, headers: Mapping[str, str], given: str) -> Admitted:
        # Digests have one length, so that not even the secret's own length takes time to compare.
        known, said = sha256(self.admin_secret.encode()), sha256(given.encode("latin-1", "replace"))
        if not hmac.compare_digest(known.digest(), said.digest()) or not self.admin_secret:
            raise AccessDenied("invalid x-hasura-admin-secret/x-hasura-access-key")
        return admin_as(headers)


def admin_as(headers: Mapping[str, str]) -> Admitted:
    """Who has shown the admin secret, as the X-Hasura-* headers say: any role, any organisation.

    Raises: HttpRefused.
    """
    variables = {name.lower(): text for name, text in headers.items() if name.lower().startswith("x-hasura-")}
    is_backend = variables.pop(BACKEND_ONLY, "").lower() == "true"
    for name in _SECRETS:
        variables.pop(name, None)
    role = variables.setdefault(ROLE, ADMIN)
    tenant_id = None
    if TENANT in variables:
        tenant_id = _tenant(variables[TENANT])
        variables[TENANT] = str(tenant_id)
    return Admitted(role, Session(tenant_id, None, variables, _forwarded(headers), is_backend), is_admin=True)


def _in_role(caller: Caller, asked: str | None, engine: Engine, headers: Mapping[str, str]) -> Admitted:
    """Raises: AccessDenied."""
    for role in [asked] if asked else [one for one in PREFERRED if one in engine.roles]:
        found = reach(caller, role, engine.metadata)
        if found is not None:
            session = Session.of(replace(caller, branches=found.branches), role)
            return Admitted(role, replace(session, headers=_forwarded(headers)), caller.expires_at)
    if asked:
        raise AccessDenied("Your requested role is not in allowed roles", status=403)
    raise AccessDenied("Your credentials allow none of the roles that are served here", status=403)


def _forwarded(headers: Mapping[str, str]) -> dict[str, str]:
    return {name: text for name, text in headers.items() if name not in _SECRETS}


def _tenant(text: str) -> UUID:
    """Raises: HttpRefused."""
    try:
        return parse("org", text) if text.startswith("org_") else UUID(text)
    except (MalformedId, ValueError) as error:
        raise HttpRefused(400, f"{TENANT} must be the id of an organisation", code="invalid-headers") from error

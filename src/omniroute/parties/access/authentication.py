"""The front gate: from an Authorization header to the caller, or a refusal.

    sk_live_..., sk_test_...   API key
    ses_...                    session of a person
    a JWT of our issuer        OAuth2 client, looked up again so that revoking it works
    any other JWT              person known to an outside provider, by the organisation's configuration

Answers are kept for at most 5 seconds, by the hash of the header, so that a busy caller costs no query; refusals for
1 second, so that a flood of bad ones costs few. That is how long a revoked key may go on in another process.
"""

import asyncio
import hashlib
import time
import weakref
from collections import OrderedDict
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid5

from omniroute.infra.postgres import Database
from omniroute.kit.ids import MalformedId, parse, show
from omniroute.kit.refusal import Refusal
from omniroute.parties.access import bearer, jwtokens, tokens
from omniroute.parties.access.errors import (
    CredentialsExpired,
    CredentialsMalformed,
    CredentialsMissing,
    CredentialsUnknown,
    OrganisationInactive,
    Unauthenticated,
)
from omniroute.parties.access.jwks import KeyCache, VerificationKey, read_jwks
from omniroute.parties.access.model import Caller, CallerKind, Scope, broadest, organisation_text
from omniroute.parties.access.store import SQL

KEEP_S = 5
KEEP_REFUSAL_S = 1
ENTRIES_MAX = 10_000
HEADER_LENGTH_MAX = 9000
TOUCH_AFTER = timedelta(minutes=1)
OWN_KEYS_AGAIN_S = 5


@dataclass(frozen=True, slots=True)
class _Entry:
    answer: Caller | Refusal
    until: float


class Authenticator:
    """The front gate of one process, with its cache. `issuer` and `audience` are those of our own tokens."""

    def __init__(
        self,
        db: Database,
        *,
        issuer: str = tokens.ISSUER_DEFAULT,
        audience: str = tokens.AUDIENCE_DEFAULT,
        loopback_allowed: bool = False,
        keep_s: int = KEEP_S,
        entries_max: int = ENTRIES_MAX,
    ) -> None:
        assert 0 <= keep_s <= KEEP_S, "a revoked key must stop working within 5 seconds"
        self.db = db
        self.issuer = issuer
        self.audience = audience
        self.keep_s = keep_s
        self.entries_max = entries_max
        self.key_cache = KeyCache(loopback_allowed=loopback_allowed)
        self._entries: OrderedDict[bytes, _Entry] = OrderedDict()
        self._asking: dict[bytes, asyncio.Task[Caller]] = {}
        self._own_keys: list[VerificationKey] = []
        self._own_keys_read = float("-inf")

    async def authenticate(self, authorization: str | None, *, now: datetime, tenant: str | None = None) -> Caller:
        """The caller behind an Authorization header. `tenant` is the text of the path (slug or org_ id), if any:
        it only decides between organisations that accept tokens of the same outside issuer and audience.

        Raises: CredentialsMissing, CredentialsMalformed, CredentialsUnknown, CredentialsExpired,
        OrganisationInactive, ProviderUnreachable.
        """
        if not authorization:
            raise CredentialsMissing()
        if len(authorization) > HEADER_LENGTH_MAX:
            raise CredentialsMalformed()
        entry_key = hashlib.sha256(f"{authorization}\x00{tenant or ''}".encode("utf-8", "surrogatepass")).digest()
        entry = self._entries.get(entry_key)
        if entry is not None and time.monotonic() < entry.until:
            return _given(entry.answer, now)
        # Companions of the first to ask wait for its answer; it goes on even when that first one hangs up.
        task = self._asking.get(entry_key)
        if task is None:
            task = asyncio.ensure_future(self._ask(entry_key, authorization, now, tenant))
            self._asking[entry_key] = task
            task.add_done_callback(lambda done: self._forget_task(entry_key, done))
        return _given(await asyncio.shield(task), now)

    def forget(self) -> None:
        """Empty the cache: what was revoked in this process stops working at once."""
        self._entries.clear()

    def _forget_task(self, entry_key: bytes, task: "asyncio.Task[Caller]") -> None:
        self._asking.pop(entry_key, None)
        if not task.cancelled():
            task.exception()  # Everyone who waited has it; nobody may have waited.

    async def _ask(self, entry_key: bytes, authorization: str, now: datetime, tenant: str | None) -> Caller:
        try:
            caller = await self._identify(authorization, now, tenant)
        except (Unauthenticated, OrganisationInactive) as refusal:
            self._keep(entry_key, refusal, KEEP_REFUSAL_S)
            raise
        self._keep(entry_key, caller, self.keep_s)
        return caller

    def _keep(self, entry_key: bytes, answer: Caller | Refusal, seconds: int) -> None:
        while len(self._entries) >= self.entries_max:
            self._entries.popitem(last=False)
        self._entries[entry_key] = _Entry(answer, time.monotonic() + min(seconds, self.keep_s))

    async def _identify(self, authorization: str, now: datetime, tenant: str | None) -> Caller:
        scheme, _, token = authorization.partition(" ")
        if scheme.lower() != "bearer" or not token or not token.isascii() or not token.isprintable() or " " in token:
            raise CredentialsMalformed()
        presented = bearer.read(token)
        if presented is not None:
            if presented.form in {"sk_live", "sk_test"}:
                return await self._key(presented, now)
            if presented.form == "ses":
                return await self._session(presented, now)
            raise CredentialsUnknown()
        if token.count(".") != 2:
            raise CredentialsMalformed()
        unverified = jwtokens.read(token)
        if unverified.issuer == self.issuer:
            return await self._client(unverified, now)
        return await self._outsider(unverified, now, tenant)

    async def _key(self, presented: bearer.Presented, now: datetime) -> Caller:
        async with self.db.tx() as tx:
            row = await tx.one_or_none(SQL.authenticate_credential, lookup=presented.lookup)
            if row is None or not presented.matches(row.secret_hash) or row.kind == "client":
                raise CredentialsUnknown()
            if presented.form != f"sk_{row.mode}":
                raise CredentialsUnknown()
            _check_usable(row, now)
            if row.secret_expires_at is not None and now >= row.secret_expires_at:
                raise CredentialsExpired()
            if row.last_used_at is None or row.last_used_at < now - TOUCH_AFTER:
                await tx.all(SQL.touch_credential, tenant_id=row.tenant_id, credential_id=row.credential_id, now=now)
        ends = [end for end in (row.expires_at, row.secret_expires_at) if end is not None]
        return _caller(row, row.kind, "key", row.credential_id, _scopes(row.scopes), expires_at=min(ends, default=None))

    async def _session(self, presented: bearer.Presented, now: datetime) -> Caller:
        async with self.db.tx() as tx:
            row = await tx.one_or_none(SQL.authenticate_session, lookup=presented.lookup)
        if row is None or not presented.matches(row.secret_hash) or row.revoked_at is not None:
            raise CredentialsUnknown()
        if row.membership_status != "active" or row.person_status != "active":
            raise CredentialsUnknown()
        if now >= row.expires_at:
            raise CredentialsExpired()
        if row.organisation_status != "active":
            raise OrganisationInactive()
        return _caller(row, "user", "usr", row.user_id, _scopes(row.scopes), expires_at=row.expires_at)

    async def _client(self, token: jwtokens.Unverified, now: datetime) -> Caller:
        if token.kind != tokens.TOKEN_TYPE:
            raise CredentialsUnknown()
        claims = jwtokens.verify(
            token,
            await self._keys_of_ours(token.kid, now),
            algorithms=[tokens.ALGORITHM],
            issuer=self.issuer,
            audience=self.audience,
            skew_s=0,
            now=now,
        )
        try:
            tenant_id, key_id = parse("org", str(claims.get("org"))), parse("key", str(claims.get("sub")))
        except MalformedId as error:
            raise CredentialsUnknown() from error
        async with self.db.tx() as tx:
            row = await tx.one_or_none(SQL.authenticate_client, tenant_id=tenant_id, credential_id=key_id)
            if row is None:
                raise CredentialsUnknown()
            _check_usable(row, now)
            if row.last_used_at is None or row.last_used_at < now - TOUCH_AFTER:
                await tx.all(SQL.touch_credential, tenant_id=tenant_id, credential_id=key_id, now=now)
        scopes = _narrowed(_scopes(row.scopes), frozenset(str(claims.get("scope", "")).split()))
        return _caller(row, "client", "key", key_id, scopes, expires_at=_instant(claims["exp"]))

    async def _keys_of_ours(self, kid: str | None, now: datetime) -> list[VerificationKey]:
        known = any(key.kid == kid for key in self._own_keys)
        age = time.monotonic() - self._own_keys_read
        if (not known and age >= OWN_KEYS_AGAIN_S) or age >= 300 or not self._own_keys:
            self._own_keys = read_jwks(await tokens.public_keys(self.db, now=now))
            self._own_keys_read = time.monotonic()
        return self._own_keys

    async def _outsider(self, token: jwtokens.Unverified, now: datetime, tenant: str | None) -> Caller:
        async with self.db.tx() as tx:
            rows = await tx.all(SQL.authenticate_issuer, issuer=token.issuer, audiences=list(token.audiences))
        if tenant is not None:
            rows = [row for row in rows if tenant in {row.slug, organisation_text(row.tenant_id)}]
        if len(rows) != 1 or token.algorithm not in rows[0].algorithms:
            raise CredentialsUnknown()
        row = rows[0]
        if row.jwks is not None:
            keys = read_jwks(row.jwks)
        else:
            keys = await self.key_cache.keys(row.jwks_uri, needed=token.kid)
        claims = jwtokens.verify(
            token,
            keys,
            algorithms=row.algorithms,
            issuer=token.issuer,
            audience=row.audience,
            skew_s=row.clock_skew_s,
            now=now,
        )
        subject = claims.get("sub")
        if not isinstance(subject, str) or not 1 <= len(subject) <= 255:
            raise CredentialsUnknown()
        if row.organisation_status != "active":
            raise OrganisationInactive()
        names = {row.role_map[v] for v in jwtokens.claim_values(claims, row.role_claim) if v in row.role_map}
        async with self.db.tx(row.tenant_id) as tx:
            held = frozenset(found.permission for found in await tx.all(SQL.permissions_of_roles, names=sorted(names)))
        # Always the same id for the same subject of the same provider, with nothing stored about the person.
        subject_id = uuid5(row.provider_id, subject)
        ends = _instant(claims["exp"]) + timedelta(seconds=row.clock_skew_s)
        return _caller(row, "user", "usr", subject_id, (Scope(held, None),), expires_at=ends, name=subject)


_gates: "weakref.WeakKeyDictionary[Database, Authenticator]" = weakref.WeakKeyDictionary()


async def authenticate(db: Database, authorization: str | None, *, now: datetime, tenant: str | None = None) -> Caller:
    """The caller behind an Authorization header, through this process's gate for `db` with default settings.

    Raises: as Authenticator.authenticate.
    """
    gate = _gates.get(db)
    if gate is None:
        gate = _gates[db] = Authenticator(db)
    return await gate.authenticate(authorization, now=now, tenant=tenant)


def forget(db: Database) -> None:
    """What was revoked in this process stops working at once, not in 5 seconds. Call it after the commit."""
    gate = _gates.get(db)
    if gate is not None:
        gate.forget()


def _given(answer: Caller | Refusal, now: datetime) -> Caller:
    if isinstance(answer, Refusal):
        # A fresh one each time: an exception that is raised again drags its old tracebacks along.
        raise type(answer)(answer.detail, **answer.facts)
    if answer.expires_at is not None and now >= answer.expires_at:
        raise CredentialsExpired()
    return answer


def _check_usable(row: Any, now: datetime) -> None:
    if row.status != "active" or row.application_status not in {None, "active"}:
        raise CredentialsUnknown()
    if row.expires_at is not None and now >= row.expires_at:
        raise CredentialsExpired()
    if row.organisation_status != "active":
        raise OrganisationInactive()


def _scopes(found: Iterable[dict[str, Any]]) -> tuple[Scope, ...]:
    return tuple(
        Scope(
            frozenset(part["permissions"]),
            None if part["branches"] is None else frozenset(UUID(branch) for branch in part["branches"]),
        )
        for part in found
    )


def _narrowed(scopes: tuple[Scope, ...], to: frozenset[str]) -> tuple[Scope, ...]:
    return tuple(Scope(scope.permissions & to, scope.branches) for scope in scopes)


def _caller(
    row: Any,
    kind: CallerKind,
    prefix: str,
    subject_id: UUID,
    scopes: tuple[Scope, ...],
    *,
    expires_at: datetime | None,
    name: str = "",
) -> Caller:
    scopes = tuple(scope for scope in scopes if scope.permissions)
    permissions, branches = broadest(scopes)
    return Caller(
        tenant_id=row.tenant_id,
        subject=show(prefix, subject_id),
        subject_id=subject_id,
        kind=kind,
        permissions=permissions,
        branches=branches,
        application_id=getattr(row, "application_id", None),
        expires_at=expires_at,
        organisation_slug=row.slug,
        mode=getattr(row, "mode", "live"),
        session_id=getattr(row, "session_id", None),
        name=name,
        scopes=scopes if len(scopes) > 1 else (),
    )


def _instant(epoch_s: float) -> datetime:
    return datetime.fromtimestamp(int(epoch_s), UTC)

"""Claim a key, store a reply, forget old ones."""

import os
from dataclasses import dataclass
from datetime import datetime, timedelta
from hashlib import sha256
from uuid import UUID

from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from psycopg.types.json import Jsonb

from omniroute.infra.postgres import Tx, load
from omniroute.kit.refusal import Kind, Refusal

SQL = load("omniroute.infra.idempotency")

KEPT_FOR = timedelta(days=35)
"""How long a reply is kept: the public promise is 30 days."""

PURGE_LIMIT = 5_000
NONCE = 12


class KeyReused(Refusal):
    """This Idempotency-Key was already used for another request; use a new key for a new request."""

    code = "idempotency.key_reused"
    kind = Kind.REFUSED


class KeyInFlight(Refusal):
    """A request with this Idempotency-Key is still being worked on; repeat it in a moment to get its reply."""

    code = "idempotency.key_in_flight"
    kind = Kind.CONFLICT


@dataclass(frozen=True, slots=True)
class Request:
    """Who asks for what, under which key. `fingerprint` is a hash of method, path and normalised body."""

    tenant_id: UUID
    scope: str
    key: str
    fingerprint: bytes

    @property
    def key_hash(self) -> bytes:
        """What is kept of the key."""
        return sha256(self.key.encode()).digest()

    @property
    def lock(self) -> int:
        """The advisory lock of the key, a signed 64-bit number."""
        text = f"http_reply\n{self.tenant_id}\n{self.scope}\n{self.key}"
        return int.from_bytes(sha256(text.encode()).digest()[:8], signed=True)

    def cipher(self) -> AESGCM:
        """Seals replies that hold a secret. Who does not know the key cannot read the reply, nor can we."""
        derive = HKDF(SHA256(), 32, salt=self.tenant_id.bytes + self.fingerprint, info=b"omniroute http_reply")
        return AESGCM(derive.derive(self.key.encode()))


@dataclass(frozen=True, slots=True)
class StoredReply:
    """A reply as it was sent: status, the headers that belong to it, the bytes of the body."""

    status: int
    headers: tuple[tuple[str, str], ...]
    body: bytes


async def claim(tx: Tx, request: Request) -> StoredReply | None:
    """The reply stored under the key, or None: then this transaction alone may do the work and store a reply.

    Raises: KeyInFlight, KeyReused.
    """
    if not await tx.value(SQL.try_lock_key, lock=request.lock):
        raise KeyInFlight()
    row = await tx.one_or_none(
        SQL.find_reply, tenant_id=request.tenant_id, scope=request.scope, key_hash=request.key_hash
    )
    if row is None:
        return None
    if row.fingerprint != request.fingerprint:
        raise KeyReused()
    body = request.cipher().decrypt(row.body[:NONCE], row.body[NONCE:], None) if row.sealed else row.body
    return StoredReply(row.status, tuple((name, value) for name, value in row.headers), body)


async def store(tx: Tx, request: Request, reply: StoredReply, *, secret: bool, now: datetime) -> None:
    """Keep the reply in the transaction of its effect. `secret`: the body is sealed."""
    body = reply.body
    if secret:
        nonce = os.urandom(NONCE)
        body = nonce + request.cipher().encrypt(nonce, body, None)
    await tx.execute(
        SQL.insert_reply,
        tenant_id=request.tenant_id,
        scope=request.scope,
        key_hash=request.key_hash,
        fingerprint=request.fingerprint,
        status=reply.status,
        headers=Jsonb([list(header) for header in reply.headers]),
        body=body,
        sealed=secret,
        now=now,
        expires_at=now + KEPT_FOR,
    )


async def purge(tx: Tx, *, now: datetime, limit: int = PURGE_LIMIT) -> int:
    """Forget replies whose time is over, at most `limit`; the number forgotten. For the worker role."""
    count = await tx.value(SQL.purge_replies, now=now, limit=limit)
    assert isinstance(count, int)
    return count

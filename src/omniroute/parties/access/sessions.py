"""Sessions: an opaque bearer token after a login, expiring and revocable."""

from datetime import datetime, timedelta
from uuid import UUID

from omniroute.infra.events import Meta, append
from omniroute.infra.postgres import Tx
from omniroute.kit.ids import uuid7
from omniroute.parties.access import events
from omniroute.parties.access.bearer import mint
from omniroute.parties.access.model import IssuedSession, Session
from omniroute.parties.access.store import SQL


async def open_session(tx: Tx, user_id: UUID, *, ttl: timedelta, now: datetime, meta: Meta) -> IssuedSession:
    """A session of a member in the organisation of the transaction. The token is shown once."""
    minted = mint("ses")
    session_id = uuid7()
    expires_at = now + ttl
    await tx.execute(
        SQL.insert_session,
        id=session_id,
        user_id=user_id,
        lookup=minted.lookup,
        secret_hash=minted.secret_hash,
        expires_at=expires_at,
        now=now,
    )
    await append(tx, events.SessionOpened(session_id, user_id, expires_at), meta)
    return IssuedSession(session_id, tx.tenant, user_id, minted.secret, expires_at)


async def revoke_sessions(
    tx: Tx, user_id: UUID, *, session_id: UUID | None = None, keep: UUID | None = None, now: datetime, meta: Meta
) -> int:
    """End one session of a person in this organisation, or all of them but one to keep; how many were ended."""
    rows = await tx.all(SQL.revoke_sessions, user_id=user_id, id=session_id, keep=keep, now=now)
    if rows:
        await append(tx, events.SessionsRevoked(user_id, sorted(row.id for row in rows)), meta)
    return len(rows)


async def list_sessions(tx: Tx, user_id: UUID, *, now: datetime) -> list[Session]:
    """Sessions of a person in this organisation that still work."""
    rows = await tx.all(SQL.list_sessions, user_id=user_id, now=now)
    return [Session(row.id, row.user_id, row.created_at, row.expires_at, row.revoked_at) for row in rows]

"""Logging in: attempts are counted before the password is looked at, and every failure looks and takes the same.

Per account 5 attempts are free, per source 20; each further one doubles the wait, up to 15 minutes. The count is in
the database, so that it holds for all processes, and is committed whatever comes of the attempt.
"""

import hashlib
from datetime import datetime, timedelta
from uuid import UUID

from omniroute.infra.events import Meta, append
from omniroute.infra.postgres import Database
from omniroute.kit.ids import show
from omniroute.parties import access
from omniroute.parties.people import events
from omniroute.parties.people.errors import ChooseOrganisation, LoginFailed, LoginThrottled
from omniroute.parties.people.model import LoggedIn, Login
from omniroute.parties.people.passwords import LENGTH_MAX, PASSWORDS, Passwords, check_password
from omniroute.parties.people.store import SQL

ACCOUNT_FREE = 5
SOURCE_FREE = 20
DELAY_MAX_S = 900
SESSION_TTL = timedelta(hours=8)
FORGET_AFTER = timedelta(days=2)


async def login(
    db: Database, command: Login, *, passwords: Passwords = PASSWORDS, now: datetime, meta: Meta
) -> LoggedIn:
    """A session for the right email and password. Opens its own transactions, because a failure must be counted too.

    Raises: LoginThrottled, LoginFailed, PasswordsBusy, ChooseOrganisation (with the slugs to choose from).
    """
    user_id = await check_account(
        db, command.email, command.password, source=command.source, passwords=passwords, now=now
    )
    async with db.tx() as tx:
        entries = await tx.all(SQL.login_memberships, user_id=user_id)
    if command.organisation is not None:
        entries = [entry for entry in entries if entry.slug == command.organisation]
    if not entries:
        raise LoginFailed()
    if len(entries) > 1:
        raise ChooseOrganisation(organisations=[entry.slug for entry in entries])
    entry = entries[0]
    ttl = SESSION_TTL if entry.session_ttl_minutes is None else timedelta(minutes=entry.session_ttl_minutes)
    own_meta = Meta(meta.correlation_id, meta.causation_id, show("usr", user_id), meta.channel)
    async with db.tx(entry.tenant_id) as tx:
        session = await access.open_session(tx, user_id, ttl=ttl, now=now, meta=own_meta)
    return LoggedIn(user_id, entry.slug, session)


async def check_account(
    db: Database, email: str, password: str, *, source: str, passwords: Passwords, now: datetime
) -> UUID:
    """The person whose email and password these are. Renews the hash when its parameters are out of date.

    Raises: LoginThrottled, LoginFailed, PasswordsBusy.
    """
    user_id, _ = await _check(db, email, password, source=source, passwords=passwords, now=now)
    return user_id


async def _check(
    db: Database, email: str, password: str, *, source: str, passwords: Passwords, now: datetime
) -> tuple[UUID, str]:
    """The person, and the hash that is stored for them now."""
    # What no email contains must not upset the database either.
    address = email.strip().lower().replace("\x00", "?").encode("utf-8", "replace").decode()
    account_key, source_key = _key("account", address), _key("source", source)
    async with db.tx() as tx:
        wait_s = 0
        for kind, key, free in (("source", source_key, SOURCE_FREE), ("account", account_key, ACCOUNT_FREE)):
            wait_s = await tx.value(
                SQL.count_login_attempt, kind=kind, key_hash=key, now=now, free=free, delay_max_s=DELAY_MAX_S
            )
            if wait_s:
                break
        row = None if wait_s else await tx.one_or_none(SQL.login_person, email=address)
    if wait_s:
        raise LoginThrottled(retry_after_s=wait_s)
    stored: str | None = None if row is None else row.password_hash
    # A password that can never be right is not worth a hash of a megabyte, but costs one like any other.
    right = await passwords.matches(password[: LENGTH_MAX + 1], stored)
    if row is None or stored is None or not right or row.status != "active":
        raise LoginFailed()
    renewed = await passwords.hash(password) if passwords.needs_rehash(stored) else None
    async with db.tx() as tx:
        await tx.all(SQL.forget_login_attempts, account=account_key, source=source_key)
        if renewed is not None:
            await tx.all(SQL.set_password, id=row.user_id, old=stored, new=renewed, now=now)
    return row.user_id, renewed or stored


async def change_password(
    db: Database,
    *,
    email: str,
    password: str,
    new_password: str,
    source: str,
    keep_session: UUID | None = None,
    passwords: Passwords = PASSWORDS,
    now: datetime,
    meta: Meta,
) -> int:
    """Replace one's own password, and end all of one's sessions everywhere but the one to keep; how many ended.

    Raises: LoginThrottled, LoginFailed, PasswordsBusy, PasswordWeak.
    """
    user_id, stored = await _check(db, email, password, source=source, passwords=passwords, now=now)
    check_password(new_password, email)
    renewed = await passwords.hash(new_password)
    async with db.tx() as tx:
        # Somebody else changed it since: this password is no longer the right one.
        if not await tx.value(SQL.set_password, id=user_id, old=stored, new=renewed, now=now):
            raise LoginFailed()
        entries = await tx.all(SQL.login_memberships, user_id=user_id)
    own_meta = Meta(meta.correlation_id, meta.causation_id, show("usr", user_id), meta.channel)
    ended = 0
    for entry in entries:
        async with db.tx(entry.tenant_id) as tx:
            ended += await access.revoke_sessions(tx, user_id, keep=keep_session, now=now, meta=own_meta)
            await append(tx, events.PasswordChanged(user_id), own_meta)
    return ended


async def purge_login_attempts(db: Database, *, now: datetime) -> int:
    """Forget old attempts; for a worker, once a day."""
    async with db.tx() as tx:
        return int(await tx.value(SQL.purge_login_attempts, before=now - FORGET_AFTER))


def _key(kind: str, text: str) -> bytes:
    return hashlib.sha256(f"{kind}\x00{text}".encode("utf-8", "surrogatepass")).digest()

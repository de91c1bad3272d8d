"""API keys and OAuth2 clients: made, rotated with overlap, revoked, listed. A secret is shown once, when it is made."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal
from uuid import UUID

from omniroute.infra.events import Meta, append
from omniroute.infra.postgres import Tx, read_page
from omniroute.kit.ids import show, uuid7
from omniroute.kit.paging import Page
from omniroute.parties.access import events
from omniroute.parties.access.bearer import Form, Minted, mint
from omniroute.parties.access.errors import KeyNotFound, KeyRevoked, MalformedAccess, StaleVersion
from omniroute.parties.access.model import Caller, IssuedKey, Key, Permission
from omniroute.parties.access.roles import check_branches_exist
from omniroute.parties.access.rules import check_branches, check_may_give, check_name, check_permissions
from omniroute.parties.access.store import KEYS, SQL, key_of, refusing

OVERLAP_MAX = timedelta(days=30)


@dataclass(frozen=True, slots=True)
class CreateKey:
    """What a new key may do and where; `expires_at` None never expires. `branch_ids` None: the whole organisation."""

    name: str
    permissions: Collection[str]
    kind: Literal["api_key", "client"] = "api_key"
    mode: Literal["live", "test"] = "live"
    branch_ids: Collection[UUID] | None = None
    application_id: UUID | None = None
    expires_at: datetime | None = None


async def create_key(tx: Tx, command: CreateKey, *, caller: Caller, now: datetime, meta: Meta) -> IssuedKey:
    """Make an API key or an OAuth2 client. The answer holds the secret, which nobody can read again.

    A caller that is itself bound to branches can only make keys of those branches.

    Raises: MalformedAccess, UnknownPermission, GrantExceedsOwn, HolderNotFound (branch or application).
    """
    permissions = check_permissions(command.permissions)
    branches = check_branches(command.branch_ids)
    name = check_name(command.name)
    if command.expires_at is not None and command.expires_at <= now:
        raise MalformedAccess(field="expires_at", expected="an instant in the future")
    check_may_give(caller, permissions, branches)
    if branches is not None:
        await check_branches_exist(tx, branches)
    key_id = uuid7()
    async with refusing(tx):
        minted = await _insert(tx, key_id, command, name, sorted(permissions), branches, caller.subject, now)
    await append(tx, _created(key_id, command, name, permissions, branches), meta)
    return IssuedKey(await get_key(tx, key_id), minted.secret)


def _created(
    key_id: UUID, command: CreateKey, name: str, permissions: Collection[Permission], branches: list[UUID] | None
) -> events.KeyCreated:
    return events.KeyCreated(
        key_id,
        command.kind,
        name,
        command.mode,
        sorted(permissions),
        branches,
        command.application_id,
        command.expires_at,
    )


async def _insert(
    tx: Tx,
    key_id: UUID,
    command: CreateKey,
    name: str,
    permissions: Collection[str],
    branches: list[UUID] | None,
    created_by: str,
    now: datetime,
) -> Minted:
    await tx.execute(
        SQL.insert_credential,
        id=key_id,
        kind=command.kind,
        name=name,
        mode=command.mode,
        permissions=[str(permission) for permission in permissions],
        branch_ids=branches,
        application_id=command.application_id,
        created_by=created_by,
        expires_at=command.expires_at,
        now=now,
    )
    minted = mint(_form(command.kind, command.mode))
    await _insert_secret(tx, key_id, minted, now)
    return minted


async def create_platform_key(tx: Tx, *, permissions: Collection[Permission], now: datetime, meta: Meta) -> IssuedKey:
    """The platform's own key, which creates organisations. There is one at a time; made by bootstrapping only."""
    key_id = uuid7()
    await tx.execute(
        SQL.insert_credential,
        id=key_id,
        kind="platform",
        name="platform",
        mode="live",
        permissions=sorted(permissions),
        branch_ids=None,
        application_id=None,
        created_by="bootstrap",
        expires_at=None,
        now=now,
    )
    minted = mint("sk_live")
    await _insert_secret(tx, key_id, minted, now)
    await append(
        tx, events.KeyCreated(key_id, "platform", "platform", "live", sorted(permissions), None, None, None), meta
    )
    return IssuedKey(await get_key(tx, key_id), minted.secret)


async def rotate_key(
    tx: Tx, key_id: UUID, *, version: int, overlap: timedelta, caller: Caller, now: datetime, meta: Meta
) -> IssuedKey:
    """A new secret for the same key; the older ones stay valid for `overlap` (0 to 30 days), then end.

    Raises: KeyNotFound, KeyRevoked, GrantExceedsOwn, MalformedAccess, StaleVersion.
    """
    if not timedelta(0) <= overlap <= OVERLAP_MAX:
        raise MalformedAccess(field="overlap", expected="0 to 30 days")
    key = await _changeable(tx, key_id, caller)
    await _bump(tx, key, version, "active", now)
    minted = mint(_form(key.kind, key.mode))
    await _insert_secret(tx, key_id, minted, now)
    until = now + overlap
    await tx.execute(SQL.end_older_secrets, credential_id=key_id, keep=minted.lookup, until=until)
    await append(tx, events.KeyRotated(key_id, minted.lookup, until), meta)
    return IssuedKey(await get_key(tx, key_id), minted.secret)


async def revoke_key(tx: Tx, key_id: UUID, *, version: int, caller: Caller, now: datetime, meta: Meta) -> Key:
    """End a key for ever. Processes that know it stop accepting it within 5 seconds.

    Raises: KeyNotFound, KeyRevoked, GrantExceedsOwn, StaleVersion.
    """
    key = await _changeable(tx, key_id, caller)
    await _bump(tx, key, version, "revoked", now)
    await append(tx, events.KeyRevoked(key_id), meta)
    return await get_key(tx, key_id)


async def get_key(tx: Tx, key_id: UUID) -> Key:
    """One key, without its secrets.

    Raises: KeyNotFound.
    """
    row = await tx.one_or_none(SQL.find_credential, id=key_id)
    if row is None:
        raise KeyNotFound()
    return key_of(row)


async def list_keys(
    tx: Tx,
    *,
    kind: Literal["api_key", "client"] | None = None,
    sort: str | None = None,
    cursor: str | None = None,
    limit: int | None = None,
) -> Page[Key]:
    """A page of keys and clients without their secrets, oldest first unless `sort` says otherwise.

    Raises: what `read_page` raises.
    """
    return (await read_page(tx, KEYS, sort=sort, cursor=cursor, limit=limit, kind=kind)).map(key_of)


def client_id(key_id: UUID) -> str:
    """The OAuth2 client_id of a client."""
    return show("key", key_id)


async def _changeable(tx: Tx, key_id: UUID, caller: Caller) -> Key:
    key = await get_key(tx, key_id)
    if key.status == "revoked":
        raise KeyRevoked()
    # Whoever holds a new secret of a key can do what the key can; so a caller only touches keys it could have made.
    check_may_give(caller, key.permissions, key.branch_ids)
    return key


async def _bump(tx: Tx, key: Key, version: int, status: str, now: datetime) -> None:
    if key.kind == "platform":
        raise KeyNotFound()
    if await tx.execute(SQL.bump_credential, id=key.id, version=version, status=status, now=now) == 0:
        raise StaleVersion(version=version, version_now=(await get_key(tx, key.id)).version)


async def _insert_secret(tx: Tx, key_id: UUID, minted: Minted, now: datetime) -> None:
    await tx.execute(
        SQL.insert_secret, credential_id=key_id, lookup=minted.lookup, secret_hash=minted.secret_hash, now=now
    )


def _form(kind: str, mode: str) -> Form:
    if kind == "client":
        return "cs"
    return "sk_test" if mode == "test" else "sk_live"

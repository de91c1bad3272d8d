"""API keys and OAuth2 clients over HTTP. Secrets are shown once."""

from datetime import timedelta
from typing import Annotated, Literal

from msgspec import Meta

from omniroute.api.call import Call
from omniroute.api.operations import Reply, operation
from omniroute.api.shapes import (
    ApplicationId,
    BranchId,
    In,
    Instant,
    ListIn,
    Name,
    Out,
    PageOut,
    PermissionName,
    page,
    parse_id,
    shown,
)
from omniroute.infra.postgres import Tx
from omniroute.kit import ids
from omniroute.parties import access
from omniroute.parties.access import Permission

_BASE = "/v1/{tenant}/keys"
_KEY = _BASE + "/{key}"


class CreateKeyIn(In):
    """A new key. `client`: for tokens from /oauth/token. Nobody gives more than they hold."""

    name: Name
    permissions: Annotated[list[PermissionName], Meta(max_length=100)]
    kind: Literal["api_key", "client"] = "api_key"
    mode: Literal["live", "test"] = "live"
    branch_ids: Annotated[list[BranchId], Meta(max_length=100)] | None = None
    application_id: ApplicationId | None = None
    expires_at: Instant | None = None


class RotateKeyIn(In):
    """How long the older secrets stay good."""

    overlap_hours: Annotated[int, Meta(ge=0, le=720)] = 24


class KeysIn(ListIn):
    """Which keys."""

    kind: Literal["api_key", "client"] | None = None


class KeySecretOut(Out):
    """One secret of a key, by its public half."""

    lookup: str
    created_at: Instant
    expires_at: Instant | None


class KeyOut(Out):
    """A key without its secrets."""

    id: str
    kind: Literal["api_key", "client", "platform"]
    name: str
    mode: Literal["live", "test"]
    permissions: list[str]
    branch_ids: list[str] | None
    application_id: str | None
    created_by: str
    status: Literal["active", "revoked"]
    version: int
    created_at: Instant
    updated_at: Instant
    expires_at: Instant | None
    last_used_at: Instant | None
    secrets: list[KeySecretOut]


class IssuedKeyOut(Out):
    """A key and its secret, which is shown now and never again."""

    key: KeyOut
    secret: str


def key_out(key: access.Key) -> KeyOut:
    """A key as shown."""
    secrets = [shown(KeySecretOut, one, {}) for one in key.secrets]
    return shown(KeyOut, key, {"id": "key", "branch_ids": "brn", "application_id": "app"}, secrets=secrets)


def _issued(issued: access.IssuedKey) -> Reply:
    return Reply(IssuedKeyOut(key=key_out(issued.key), secret=issued.secret.text), version=issued.key.version)


_CHANGING = ("access.key_not_found", "access.key_revoked", "access.grant_exceeds_own", "access.stale_version")


@operation(
    "POST", _BASE, tag="Keys", status=201, permission=Permission.KEYS_WRITE, body=CreateKeyIn, reply=IssuedKeyOut,
    versioned=True, idempotent=True, secret=True, example={"name": "till 3", "permissions": ["ledger.post"]},
    refusals=("access.malformed", "access.unknown_permission", "access.grant_exceeds_own", "access.holder_not_found",
              "kit.malformed_id"),
)  # fmt: skip
async def create_key(call: Call, tx: Tx, body: CreateKeyIn) -> Reply:
    """Create an API key or OAuth2 client.

    A repeat with the same Idempotency-Key shows the secret again: its stored reply is sealed with that key.
    """
    command = access.CreateKey(
        name=body.name,
        permissions=body.permissions,
        kind=body.kind,
        mode=body.mode,
        branch_ids=None if body.branch_ids is None else [ids.parse("brn", one) for one in body.branch_ids],
        application_id=parse_id("app", body.application_id),
        expires_at=body.expires_at,
    )
    return _issued(await access.create_key(tx, command, caller=call.caller, now=call.now, meta=call.meta))


@operation(
    "GET", _BASE, tag="Keys", permission=Permission.KEYS_READ, query=KeysIn, reply=PageOut[KeyOut],
    sorts=access.KEYS.sorts,
)  # fmt: skip
async def list_keys(call: Call, tx: Tx, query: KeysIn) -> PageOut[KeyOut]:
    """List keys, the oldest first unless `sort` says otherwise."""
    return page(
        await access.list_keys(tx, kind=query.kind, sort=query.sort, cursor=query.cursor, limit=query.limit), key_out
    )


@operation(
    "GET", _KEY, tag="Keys", permission=Permission.KEYS_READ, reply=KeyOut, versioned=True,
    refusals=("access.key_not_found",),
)  # fmt: skip
async def get_key(call: Call, tx: Tx) -> Reply:
    """Show a key."""
    key = await access.get_key(tx, call.id("key"))
    return Reply(key_out(key), version=key.version)


@operation(
    "POST", _KEY + "/rotations", tag="Keys", status=201, permission=Permission.KEYS_WRITE, body=RotateKeyIn,
    reply=IssuedKeyOut, versioned=True, changes_version=True, idempotent=True, secret=True,
    refusals=(*_CHANGING, "access.malformed"), example={"overlap_hours": 24},
)  # fmt: skip
async def rotate_key(call: Call, tx: Tx, body: RotateKeyIn) -> Reply:
    """Give a key a new secret; the older ones stay good for a while."""
    issued = await access.rotate_key(
        tx,
        call.id("key"),
        version=call.read_version,
        overlap=timedelta(hours=body.overlap_hours),
        caller=call.caller,
        now=call.now,
        meta=call.meta,
    )
    return _issued(issued)


@operation(
    "DELETE", _KEY, tag="Keys", permission=Permission.KEYS_WRITE, reply=KeyOut, versioned=True, changes_version=True,
    refusals=_CHANGING,
)  # fmt: skip
async def revoke_key(call: Call, tx: Tx) -> Reply:
    """Revoke a key for ever.

    It stops working within 5 seconds everywhere.
    """
    key = await access.revoke_key(
        tx, call.id("key"), version=call.read_version, caller=call.caller, now=call.now, meta=call.meta
    )
    return Reply(key_out(key), version=key.version)

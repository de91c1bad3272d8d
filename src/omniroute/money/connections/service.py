"""Making and changing connections. Secrets are sealed before they reach the database, and never come back out here."""

import base64
import re
import secrets
from collections.abc import Mapping
from datetime import datetime
from typing import Protocol
from urllib.parse import urlsplit
from uuid import UUID

from psycopg import errors as pg
from psycopg.types.json import Jsonb

from omniroute import ledger
from omniroute.infra import events
from omniroute.infra.events import Meta
from omniroute.infra.http import BadTls, Tls, tls_context
from omniroute.infra.postgres import Tx, read_page
from omniroute.infra.secrets import Binding, Vault
from omniroute.kit.ids import uuid7
from omniroute.kit.paging import Page
from omniroute.ledger import AccountType, OpenAccount
from omniroute.money.connections.errors import (
    ConnectionChanged,
    ConnectionCodeTaken,
    ConnectionNotFound,
    MalformedConnection,
    UnknownRail,
)
from omniroute.money.connections.events import ConnectionCreated, ConnectionEvent, ConnectionUpdated
from omniroute.money.connections.model import BankConnection, ConnectionStatus, CreateConnection, float_code
from omniroute.money.connections.store import CONNECTIONS, SQL, connection_of
from omniroute.money.payments import FOLDER, needed_accounts
from omniroute.ports.rails import Capabilities, Operation, RailUnable

CALLBACK_KEY = "callback_key"
"""Name under which the key of our own callback addresses is sealed with the rail's secrets."""

CLIENT_CERTIFICATE, CLIENT_KEY, AUTHORITY = "tls_certificate", "tls_key", "tls_authority"
"""Names of the secrets that are ours to read, in PEM."""

_CODE = re.compile(r"[a-z0-9][a-z0-9_-]{0,39}")
FIELDS_MAX = 40
VALUE_MAX = 16_384


class Rail(Protocol):
    """As much of a connector as making a connection needs."""

    def capabilities(self) -> Capabilities: ...

    def build_reference(self, context_public: Mapping[str, str], attempt_id: UUID, created_at: datetime) -> str: ...


def binding(tenant_id: UUID, connection_id: UUID) -> Binding:
    """What a connection's secrets are sealed for."""
    return Binding(tenant_id, "bank_connection", connection_id)


async def create_connection(
    tx: Tx, command: CreateConnection, *, rails: Mapping[str, Rail], vault: Vault, now: datetime, meta: Meta
) -> BankConnection:
    """A new connection, with a float account on the ledger (`float:CODE`) and those payments need in its currency.

    Raises: MalformedConnection, UnknownRail, ConnectionCodeTaken, AccountCodeTaken; KeysUnavailable, BadKeys.
    """
    rail = rails.get(command.rail)
    if rail is None:
        raise UnknownRail(rail=command.rail, known=sorted(rails))
    operations = _check(command, rail.capabilities())
    check_settings(rail, command.public, now)
    connection_id = uuid7()
    fields = {**command.secret, CALLBACK_KEY: base64.b64encode(secrets.token_bytes(32)).decode()}
    sealed = await vault.seal_fields(binding(tx.tenant, connection_id), fields)
    own = OpenAccount(float_code(command.code), f"Float {command.name}"[:200], AccountType.ASSET, command.currency)
    await ledger.open_account(tx, own, now=now, meta=meta)
    await ledger.open_missing(tx, needed_accounts(command.currency), now=now, meta=meta)
    try:
        async with tx.savepoint():
            row = await tx.one(
                SQL.insert_connection,
                tenant=tx.tenant,
                connection=connection_id,
                code=command.code,
                name=command.name,
                rail=command.rail,
                bank_code=command.bank_code,
                currency=command.currency,
                endpoint=command.endpoint,
                public=Jsonb(dict(command.public)),
                sealed=sealed,
                operations=sorted(operations),
                float_account=ledger.account_id(tx.tenant, float_code(command.code)),
                float_low=command.float_low_minor,
                limits=Jsonb(dict(command.limits)),
                now=now,
            )
    except pg.UniqueViolation as error:
        raise ConnectionCodeTaken(connection=command.code) from error
    connection = connection_of(row)
    await events.append(tx, told(ConnectionCreated, connection), meta)
    return connection


def _check(command: CreateConnection, can: Capabilities) -> frozenset[Operation]:
    if not _CODE.fullmatch(command.code):
        raise MalformedConnection("code: 1 to 40 small letters, digits, - and _", field="code")
    if not 1 <= len(command.name) <= 200 or not command.name.isprintable():
        raise MalformedConnection("name: 1 to 200 printable characters", field="name")
    if command.currency not in can.currencies:
        raise MalformedConnection(
            f"currency: {command.rail} carries {', '.join(sorted(can.currencies))}", field="currency"
        )
    check_endpoint(command.endpoint, can)
    check_fields(command.public, command.secret)
    return check_operations(command.operations, can)


def check_endpoint(endpoint: str, can: Capabilities) -> None:
    """Refuse what is no address to send money orders to. A rail of files may also have folders of this house.

    Raises: MalformedConnection.
    """
    if endpoint == FOLDER and Operation.BULK_FILE in can.operations:
        return
    parts = urlsplit(endpoint)
    if parts.scheme not in ("https", "http") or not parts.hostname or parts.username or parts.query or parts.fragment:
        raise MalformedConnection(
            "endpoint: an http or https address without user, query and fragment", field="endpoint"
        )
    if parts.scheme == "http" and parts.hostname not in ("127.0.0.1", "::1", "localhost"):
        raise MalformedConnection("endpoint: outside of this machine only https", field="endpoint")


def check_fields(public: Mapping[str, str], secret: Mapping[str, str]) -> None:
    """Refuse settings nobody could mean.

    Raises: MalformedConnection.
    """
    if len(public) + len(secret) > FIELDS_MAX:
        raise MalformedConnection(f"at most {FIELDS_MAX} settings", field="public")
    if CALLBACK_KEY in secret or set(public) & set(secret):
        raise MalformedConnection("a name stands once, and callback_key is ours", field="secret")
    if CLIENT_KEY in secret and CLIENT_CERTIFICATE not in secret:
        raise MalformedConnection(
            f"{CLIENT_KEY}: belongs to a {CLIENT_CERTIFICATE}, and there is none", field=CLIENT_KEY
        )
    try:
        tls_context(tls_of(secret))
    except BadTls as error:
        raise MalformedConnection(
            f"{CLIENT_CERTIFICATE}, {CLIENT_KEY}, {AUTHORITY}: {error}", field="secret"
        ) from error
    for name, value in [*public.items(), *secret.items()]:
        if not name or len(name) > 64 or len(value) > VALUE_MAX:
            raise MalformedConnection(
                f"settings: names of 1 to 64, values of up to {VALUE_MAX} characters", field=name[:64]
            )


def tls_of(secret: Mapping[str, str]) -> Tls:
    """The certificates among the secrets of a connection."""

    def pem(name: str) -> bytes | None:
        return secret[name].encode() if name in secret else None

    return Tls(ca_pem=pem(AUTHORITY), certificate_pem=pem(CLIENT_CERTIFICATE), key_pem=pem(CLIENT_KEY))


def check_settings(rail: Rail, public: Mapping[str, str], now: datetime) -> None:
    """Refuse settings with which no order could even be named.

    Raises: MalformedConnection.
    """
    try:
        rail.build_reference(public, uuid7(), now)
    except RailUnable as refusal:
        raise MalformedConnection(f"public: {refusal.detail}", field="public") from refusal


def check_operations(wanted: frozenset[Operation] | None, can: Capabilities) -> frozenset[Operation]:
    """What the connection does: all the rail can, or the part of it that was asked for.

    Raises: MalformedConnection.
    """
    if wanted is None:
        return can.operations
    if not wanted or not wanted <= can.operations:
        raise MalformedConnection(f"operations: some of {', '.join(sorted(can.operations))}", field="operations")
    return wanted


async def update_connection(
    tx: Tx,
    connection_id: UUID,
    *,
    version: int,
    rails: Mapping[str, Rail],
    vault: Vault,
    name: str | None = None,
    status: ConnectionStatus | None = None,
    endpoint: str | None = None,
    public: Mapping[str, str] | None = None,
    secret: Mapping[str, str] | None = None,
    operations: frozenset[Operation] | None = None,
    float_low_minor: int | None = None,
    limits: Mapping[str, int] | None = None,
    now: datetime,
    meta: Meta,
) -> BankConnection:
    """Change what is given; None stays. `secret` replaces all secrets of the rail (our callback key stays).

    Raises: ConnectionNotFound, ConnectionChanged, MalformedConnection; KeysUnavailable, BadKeys.
    """
    row = await tx.one_or_none(SQL.find_connection, tenant=tx.tenant, connection=connection_id)
    if row is None:
        raise ConnectionNotFound()
    old = connection_of(row)
    if old.version != version or old.status is ConnectionStatus.CLOSED:
        raise ConnectionChanged(version=old.version, status=old.status.value)
    check_endpoint(endpoint or old.endpoint, rails[old.rail].capabilities())
    check_fields(old.public if public is None else public, secret or {})
    if public is not None:
        check_settings(rails[old.rail], public, now)
    chosen = old.operations
    if operations is not None:
        chosen = check_operations(operations, rails[old.rail].capabilities())
    sealed = None
    if secret is not None:
        kept = await vault.open_fields(binding(tx.tenant, connection_id), bytes(row.sealed))
        fields = {**secret, CALLBACK_KEY: kept[CALLBACK_KEY]}
        sealed = await vault.seal_fields(binding(tx.tenant, connection_id), fields)
    changed = await tx.one_or_none(
        SQL.update_connection,
        tenant=tx.tenant,
        connection=connection_id,
        version=version,
        name=name or old.name,
        status=(status or old.status).value,
        endpoint=endpoint or old.endpoint,
        public=Jsonb(dict(old.public if public is None else public)),
        operations=sorted(chosen),
        float_low=old.float_low_minor if float_low_minor is None else float_low_minor,
        limits=Jsonb(dict(old.limits if limits is None else limits)),
        sealed=sealed,
        now=now,
    )
    if changed is None:
        raise ConnectionChanged()
    connection = connection_of(changed)
    await events.append(tx, told(ConnectionUpdated, connection), meta)
    return connection


async def find_connection(tx: Tx, connection_id: UUID) -> BankConnection:
    """One connection. Raises: ConnectionNotFound."""
    row = await tx.one_or_none(SQL.find_connection, tenant=tx.tenant, connection=connection_id)
    if row is None:
        raise ConnectionNotFound()
    return connection_of(row)


async def list_connections(
    tx: Tx,
    *,
    rail: str | None = None,
    status: ConnectionStatus | None = None,
    sort: str | None = None,
    limit: int | None = None,
    cursor: str | None = None,
) -> Page[BankConnection]:
    """A page of connections. Raises: UnknownSort, LimitOutOfRange, MalformedCursor, ForeignCursor."""
    page = await read_page(
        tx,
        CONNECTIONS,
        sort=sort,
        limit=limit,
        cursor=cursor,
        tenant=tx.tenant,
        rail=rail,
        status=None if status is None else status.value,
    )
    return page.map(connection_of)


async def open_connections(tx: Tx) -> list[BankConnection]:
    """Every connection that is not closed."""
    return [connection_of(row) for row in await tx.all(SQL.all_connections, tenant=tx.tenant)]


def told(kind: type[ConnectionEvent], connection: BankConnection) -> ConnectionEvent:
    """The event of a connection as it stands."""
    return kind(
        connection.connection_id,
        connection.code,
        connection.rail,
        connection.currency,
        connection.status.value,
        connection.health.value,
    )

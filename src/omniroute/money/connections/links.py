"""Connections ready for use: secrets opened, client and tokens at hand, addresses for the rail to call.

A rail calls back under an address that only we can make: it ends in a code over connection, purpose and reference, so
that nobody who has not seen it can guess one. All but the reference is hexadecimal: rails refuse addresses in which
letters happen to spell words such as `cmd` or `exe`.
"""

import base64
import hashlib
import hmac
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from urllib.parse import quote
from uuid import UUID

from omniroute.infra.http import Limits, RailClients, Tokens
from omniroute.infra.postgres import Database
from omniroute.infra.secrets import BadKeys, KeyMissing, KeysUnavailable, SecretDamaged, SecretMisplaced, Vault
from omniroute.kit.clock import Clock
from omniroute.kit.ids import uuid7
from omniroute.money.connections.model import BankConnection, ConnectionStatus
from omniroute.money.connections.service import (
    AUTHORITY,
    CALLBACK_KEY,
    CLIENT_CERTIFICATE,
    CLIENT_KEY,
    binding,
    tls_of,
)
from omniroute.money.connections.store import SQL, connection_of
from omniroute.money.payments import ByFile, Link, LinkDown, LinkUnknown
from omniroute.ports.rails import Connector, Context, Credentials, RailPolicy, RailUnable

CACHED_FOR = timedelta(seconds=5)
CODE_LENGTH = 32  # 128 bits.
PORTAL = "portal"
"""Purpose and reference of the one address that rails with a portal call for everything."""


def callback_code(key: bytes, connection_id: UUID, purpose: str, ref: str) -> str:
    """The part of a callback address that cannot be guessed."""
    text = f"{connection_id.hex}\x1f{purpose}\x1f{ref}".encode()
    return hmac.new(key, text, hashlib.sha256).hexdigest()[:CODE_LENGTH]


@dataclass(frozen=True, slots=True)
class _Opened:
    link: Link
    connection: BankConnection
    callback_key: bytes
    until: datetime


class ConnectionLinks:
    """Finds and opens connections of every tenant; one a process. Implements `payments.Links`.

    `public_url`: where rails reach us, without a slash at the end.
    """

    def __init__(
        self,
        db: Database,
        connectors: Mapping[str, Connector],
        *,
        vault: Vault,
        clients: RailClients,
        clock: Clock,
        public_url: str,
    ) -> None:
        self._db, self._connectors = db, connectors
        self._vault, self._clients, self._clock = vault, clients, clock
        self._public_url = public_url
        self._opened: dict[tuple[UUID, UUID], _Opened] = {}

    async def get(self, tenant_id: UUID, connection_id: UUID) -> Link:
        """The connection, opened. Raises: LinkDown."""
        return (await self._get(tenant_id, connection_id)).link

    async def is_authentic(self, tenant_id: UUID, connection_id: UUID, purpose: str, ref: str, code: str) -> bool:
        """Whether a callback came in under an address of ours. Raises: LinkDown."""
        opened = await self._get(tenant_id, connection_id)
        expected = callback_code(opened.callback_key, connection_id, purpose, ref)
        return hmac.compare_digest(expected.encode(), code.encode())

    def forget(self, tenant_id: UUID, connection_id: UUID) -> None:
        """Read it anew at the next use: it was changed."""
        self._opened.pop((tenant_id, connection_id), None)

    async def _get(self, tenant_id: UUID, connection_id: UUID) -> _Opened:
        now = self._clock.now()
        known = self._opened.get((tenant_id, connection_id))
        if known is not None and now < known.until:
            return known
        async with self._db.tx(tenant_id, readonly=True) as tx:
            row = await tx.one_or_none(SQL.find_connection, tenant=tenant_id, connection=connection_id)
        if row is None:
            raise LinkUnknown("there is no such connection")
        connection = connection_of(row)
        if known is not None and known.connection.version == connection.version:
            opened = _Opened(known.link, connection, known.callback_key, now + CACHED_FOR)
        else:
            opened = await self._open(tenant_id, connection, bytes(row.sealed or b""), now)
        self._opened[tenant_id, connection_id] = opened
        return opened

    async def _open(self, tenant_id: UUID, connection: BankConnection, sealed: bytes, now: datetime) -> _Opened:
        connector = self._connectors.get(connection.rail)
        if connector is None:
            raise LinkDown(f"no connector for {connection.rail}")
        try:
            fields = await self._vault.open_fields(binding(tenant_id, connection.connection_id), sealed)
        except (SecretDamaged, SecretMisplaced, KeyMissing, BadKeys) as refusal:
            raise LinkDown(f"its credentials cannot be opened: {refusal.detail}") from refusal
        except KeysUnavailable as fault:
            raise LinkDown(f"its credentials cannot be opened now: {fault}") from fault
        public = {name: str(value) for name, value in connection.public.items()}
        try:
            # Without what it takes to name an order none can leave; here one connection finds out, not a whole round.
            connector.build_reference(public, uuid7(), now)
        except RailUnable as refusal:
            raise LinkDown(f"its settings are not whole: {refusal.detail}") from refusal
        key = base64.b64decode(fields[CALLBACK_KEY])
        ours = (CALLBACK_KEY, CLIENT_CERTIFICATE, CLIENT_KEY, AUTHORITY)
        credentials = Credentials(
            connection.connection_id,
            tenant_id,
            connection.endpoint.rstrip("/"),
            public,
            {name: value for name, value in fields.items() if name not in ours},
        )
        policy = connector.policy()
        client = await self._clients.client(
            connection.rail,
            str(connection.connection_id),
            limits=_limits(policy, connection.limits),
            tls=tls_of(fields),
        )
        context = Context(
            credentials,
            client,
            Tokens(self._clock),
            self._clock,
            self._callback_url(tenant_id, connection.connection_id, key),
        )
        link = Link(
            connection.connection_id,
            connection.rail,
            connection.currency,
            connection.float_account_id,
            connector,
            context,
            policy,
            paused=connection.status is not ConnectionStatus.ACTIVE,
            files=connector.files if isinstance(connector, ByFile) else None,
        )
        return _Opened(link, connection, key, now + CACHED_FOR)

    def _callback_url(self, tenant_id: UUID, connection_id: UUID, key: bytes) -> Callable[[str, str], str]:
        start = f"{self._public_url}/webhooks/rails/{tenant_id.hex}/{connection_id.hex}"

        def make(purpose: str, ref: str) -> str:
            code = callback_code(key, connection_id, purpose, ref)
            return f"{start}/{quote(purpose, safe='')}/{quote(ref, safe='')}/{code}"

        return make


def _limits(policy: RailPolicy, own: Mapping[str, int]) -> Limits:
    """The rail's limits, or tighter ones of the connection."""
    concurrency = min(policy.concurrency_max, own.get("concurrency_max", policy.concurrency_max))
    rates = [rate for rate in (policy.submits_per_second, own.get("submits_per_second")) if rate is not None]
    return Limits(concurrency_max=max(1, concurrency), submits_per_second=min(rates, default=None))

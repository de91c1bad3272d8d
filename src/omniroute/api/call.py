"""One request as a handler sees it: who calls, for which organisation, with what; and what the door works with."""

from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Protocol
from uuid import UUID

import msgspec
from prometheus_client import CollectorRegistry

from omniroute.api.proxies import Proxies
from omniroute.api.selection import Selection
from omniroute.infra.events import Meta
from omniroute.infra.postgres import Database
from omniroute.infra.secrets import Vault
from omniroute.kit import ids
from omniroute.kit.clock import Clock
from omniroute.ledger import Command, Outcome
from omniroute.money.atc import Recorder
from omniroute.money.payments import FileSender, Initiator, Link
from omniroute.money.policies import PolicyRulebooks
from omniroute.parties.access import Authenticator, Caller, Permission
from omniroute.ports.rails import Connector

PREFIXES = {
    "organisation": "org",
    "branch": "brn",
    "application": "app",
    "user": "usr",
    "key": "key",
    "client": "key",
    "invitation": "inv",
    "link": "lnk",
    "transaction": "txn",
    "hold": "hld",
    "period": "per",
    "event": "evt",
    "rate": "rte",
    "quote": "qte",
    "role": "rol",
    "grant": "grt",
    "provider": "oip",
    "session": "ses",
    "payment": "pay",
    "batch": "bat",
    "connection": "con",
    "bank_file": "bfi",
    "exception": "exc",
    "provider_event": "pev",
    "policy": "pol",
    "webhook": "whe",
    "delivery": "whd",
    "change": "chg",
    "schedule": "sch",
    "approval_request": "apr",
    "reversal": "rev",
    "partner": "ptn",
    "reconciliation_match": "mat",
    "reconciliation_exception": "rex",
    "settlement": "stl",
    "remittance": "rem",
    "atc_grant": "atc",
    "virtual_account": "vac",
    "credit": "crd",
    "atc_collection": "col",
}
"""Path parameter -> prefix of the public id it takes. Account paths also take a code."""


class Poster(Protocol):
    """The ledger's group commit: one command in, one outcome out, durable when it answers."""

    async def post(self, tenant_id: UUID, command: Command, *, branches: tuple[UUID, ...] | None = None) -> Outcome: ...

    def today(self, tenant_id: UUID) -> date: ...


class Links(Protocol):
    """Bank connections, opened for use; and the addresses under which rails call back."""

    async def get(self, tenant_id: UUID, connection_id: UUID) -> Link: ...

    async def is_authentic(self, tenant_id: UUID, connection_id: UUID, purpose: str, ref: str, code: str) -> bool: ...

    def forget(self, tenant_id: UUID, connection_id: UUID) -> None: ...


class Buckets:
    """How much strangers may send: so much a second for each name, and so much at once."""

    def __init__(self, *, per_second: int = 100, at_once: int = 1_000, names_max: int = 10_000) -> None:
        self._per_second, self._at_once, self._names_max = per_second, at_once, names_max
        self._used: OrderedDict[object, tuple[int, datetime]] = OrderedDict()

    def take(self, name: object, now: datetime) -> bool:
        """Whether one more may come in under this name."""
        used, then = self._used.pop(name, (0, now))
        drained = max(0, (now - then) // timedelta(microseconds=1)) * self._per_second // 1_000_000
        left = max(0, used - drained)
        if drained or not used:
            then = now
        taken = left < self._at_once
        self._used[name] = (left + taken, then)
        while len(self._used) > self._names_max:
            self._used.popitem(last=False)
        return taken


@dataclass(frozen=True, slots=True)
class PaymentServices:
    """What payments need of this process.

    `actions_secret`: who knows it speaks for its users; empty: nobody does. `strangers`: how much rails may send that
    we cannot tell from anybody. `files` makes files for banks; None: not in this process.
    """

    initiator: Initiator
    links: Links
    rails: Mapping[str, Connector]
    rulebooks: PolicyRulebooks
    actions_secret: str = field(default="", repr=False)
    strangers: Buckets = field(default_factory=Buckets)
    files: FileSender | None = None


@dataclass(frozen=True, slots=True)
class Limits:
    """Limits of the door."""

    body_bytes_max: int = 1024 * 1024
    bulk_bytes_max: int = 16 * 1024 * 1024
    disk_free_bytes_min: int = 256 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Services:
    """All that the door needs, handed in by the wiring; there are no globals.

    `authenticator` knows the issuer of our tokens and keeps callers for some seconds. `worker_db` reads for the check
    of the books (None: it is not offered here). `proxies`: whose word on the client's address counts.
    `selection`: the modules this process serves.
    `vault` opens what is stored sealed. `loopback_webhooks_allowed`: events may be sent to this machine.
    `data_folder`: where free disk space matters (None: not ours to watch). `registry`: where metrics are kept.
    """

    db: Database
    poster: Poster
    clock: Clock
    authenticator: Authenticator
    vault: Vault
    payments: PaymentServices
    recorder: Recorder
    worker_db: Database | None = None
    limits: Limits = Limits()
    registry: CollectorRegistry = field(default_factory=lambda: CollectorRegistry(auto_describe=True))
    data_folder: Path | None = None
    public_url: str = ""
    proxies: Proxies = field(default_factory=Proxies)
    selection: Selection = field(default_factory=Selection)
    loopback_webhooks_allowed: bool = False


class Call(msgspec.Struct, frozen=True):
    """One request, after the gate: the caller is known, the path names the caller's own organisation."""

    services: Services
    gate: Caller | None
    permission: str | None
    path: Mapping[str, str]
    now: datetime
    correlation_id: UUID
    key: str | None = None
    version: int | None = None
    address: str = ""
    whole: Caller | None = None
    authorization: str | None = None

    def __repr__(self) -> str:
        return f"Call({self.correlation_id})"  # No secret gets into a log.

    @property
    def caller(self) -> Caller:
        """Who calls. Only open addresses have no caller, and their handlers do not ask."""
        assert self.gate is not None, "this address is open to everybody"
        return self.gate

    @property
    def gated(self) -> Caller:
        """The caller with all it holds, not narrowed to the operation's permission."""
        assert self.whole is not None, "this address is open to everybody"
        return self.whole

    @property
    def tenant_id(self) -> UUID:
        """The caller's organisation."""
        return self.caller.tenant_id

    @property
    def today(self) -> date:
        """The organisation's business day: the value date of what names none."""
        return self.services.poster.today(self.tenant_id)

    @property
    def meta(self) -> Meta:
        """What the event log remembers of this request."""
        actor = None if self.gate is None else self.gate.subject
        return Meta(correlation_id=self.correlation_id, actor=actor, channel="api")

    def id(self, name: str) -> UUID:
        """The id in the path under this name.

        Raises: MalformedId.
        """
        return ids.parse(PREFIXES[name], self.path[name])

    def uuid(self, name: str) -> UUID:
        """A plain UUID in the path: an id that the caller made.

        Raises: MalformedId.
        """
        try:
            return UUID(self.path[name])
        except ValueError as error:
            raise ids.MalformedId("expected a UUID") from error

    @property
    def read_version(self) -> int:
        """The version that If-Match named; only operations that change a version ask."""
        assert self.version is not None
        return self.version

    def require(self, permission: Permission) -> Caller:
        """The caller, narrowed to where the permission is held.

        Raises: access.PermissionMissing.
        """
        return self.caller.require(permission)

"""What a rail's connector must be able to do."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Protocol
from uuid import UUID

from omniroute.infra.http import HttpClient
from omniroute.kit.clock import Clock
from omniroute.ports.rails.files import FileNews, FileSession, RailFile
from omniroute.ports.rails.model import (
    Ack,
    Balance,
    Capabilities,
    Credentials,
    Holder,
    Institution,
    Party,
    Payout,
    RailEvent,
    Result,
    StatementPage,
)
from omniroute.ports.rails.policy import CodeTable, RailPolicy


class TokenCache(Protocol):
    """Access tokens of a connection, until shortly before they end. Two who need one at once fetch it once."""

    async def get(self, name: str, fetch: Callable[[], Awaitable[tuple[str, datetime]]]) -> str: ...

    def forget(self, name: str) -> None: ...


@dataclass(frozen=True, slots=True)
class Context:
    """All a connector gets from us for one connection of one tenant.

    `callback_url(purpose, ref)` is an address under which the rail reaches us about `ref`; it carries a code that only
    we can make (`Callback.authentic` tells on arrival), so each purpose and reference has its own.
    """

    credentials: Credentials
    http: HttpClient
    tokens: TokenCache
    clock: Clock
    callback_url: Callable[[str, str], str]


@dataclass(frozen=True, slots=True)
class Callback:
    """A call of a rail as it came in. `purpose` and `ref` are from the address; `authentic`: its code was right."""

    body: bytes
    headers: Mapping[str, str]  # Names in lower case.
    purpose: str
    ref: str
    authentic: bool
    received_at: datetime


class Connector(Protocol):
    """One rail. Stateless; every call gets the context of the connection it is for.

    What a rail cannot do (see `capabilities`) raises RailUnable.
    """

    rail: str

    def capabilities(self) -> Capabilities: ...

    def policy(self) -> RailPolicy: ...

    def codes(self) -> Mapping[str, CodeTable]:
        """The tables of codes by phase: submit, query, callback."""
        ...

    def check(self, payout: Payout) -> None:
        """Refuse what the rail cannot carry: amount, currency, payee. No I/O.

        Raises: RailUnable.
        """
        ...

    def build_reference(self, context_public: Mapping[str, str], attempt_id: UUID, created_at: datetime) -> str:
        """Our name for the order on the rail: deterministic, legal there, different for every attempt."""
        ...

    async def resolve_party(self, context: Context, party: Party, *, our_ref: str) -> Holder:
        """Whose account this is. `our_ref` is a fresh reference made by `build_reference`.

        Raises: PartyNotFound... as RailUnable with a detail; NotSent, Fault when the rail cannot be asked.
        """
        ...

    async def submit(self, context: Context, payout: Payout) -> Result:
        """Send the order once. Raises: NotSent; anything else raised means unknown."""
        ...

    async def query(self, context: Context, payout: Payout, provider_ref: str | None) -> Result:
        """What became of an order. Raises: Fault when the rail cannot be asked; nothing is known then."""
        ...

    async def reverse(self, context: Context, payout: Payout, provider_ref: str, our_ref: str) -> Result:
        """Ask for a paid order back, where the rail has that; `our_ref` names the request. Raises: as submit."""
        ...

    async def fetch_balances(self, context: Context) -> Sequence[Balance]:
        """What our accounts at the rail hold; empty where the answer comes by callback."""
        ...

    async def fetch_statement(self, context: Context, day: date, cursor: str | None) -> StatementPage:
        """What the rail booked on our account that day."""
        ...

    async def list_institutions(self, context: Context) -> Sequence[Institution]:
        """Whom the rail can pay."""
        ...

    def read_callback(self, context: Context, callback: Callback) -> Sequence[RailEvent]:
        """What a call says, with how far it may be believed. No I/O. Raises: RailAnswerUnreadable."""
        ...

    def acknowledge(self, callback: Callback) -> Ack:
        """What the rail wants to hear at once, whatever we make of the call later."""
        ...


class FileConnector(Protocol):
    """A rail that takes files: many orders out, answers in. Pure: it never touches a disk or the network."""

    rail: str
    orders_max: int  # That go into one file.

    def capabilities(self) -> Capabilities:
        """What the rail does; BULK_FILE among it instead of PAYOUT."""
        ...

    def policy(self) -> RailPolicy: ...

    def codes(self) -> Mapping[str, CodeTable]:
        """The table of codes of answers, as phase `answer`."""
        ...

    def check(self, payout: Payout) -> None:
        """Refuse what the rail cannot carry. Raises: RailUnable."""
        ...

    def build_reference(self, context_public: Mapping[str, str], attempt_id: UUID, created_at: datetime) -> str: ...

    def build_file(
        self, credentials: Credentials, payouts: Sequence[Payout], *, now: datetime, file_id: UUID
    ) -> RailFile:
        """One file with all these orders, valid against the rail's schema; its message id is made from `file_id`.

        Raises: RailUnable when an order, or the connection's settings, cannot be written down.
        """
        ...

    def next_session(self, public: Mapping[str, str], now: datetime, *, holidays: frozenset[date]) -> FileSession:
        """The session whose cut-off comes next. `holidays`: days without sessions that the rail cannot know.

        Raises: RailUnable when the connection's own sessions cannot be read.
        """
        ...

    def read_file(self, public: Mapping[str, str], content: bytes) -> FileNews:
        """What a file from the rail says. Raises: RailAnswerUnreadable."""
        ...

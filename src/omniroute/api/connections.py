"""Bank connections over HTTP: make, change, pause, close; what the rail says of our accounts there."""

from datetime import date
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from omniroute.api.call import Call
from omniroute.api.operations import Reply, operation
from omniroute.api.shapes import AmountIn, AmountOut, Currency, In, Instant, ListIn, Name, Out, PageOut, page
from omniroute.infra.postgres import Tx
from omniroute.kit import ids
from omniroute.kit.money import json_amount, parse_amount
from omniroute.money import connections
from omniroute.money.connections import PORTAL, BankConnection, ConnectionStatus, CreateConnection
from omniroute.parties.access import Permission
from omniroute.ports.rails import Operation

_BASE = "/v1/{tenant}/connections"
_ONE = _BASE + "/{connection}"

Rail = Annotated[str, Meta(min_length=1, max_length=40, description="The rail's name.", examples=["nip"])]
Endpoint = Annotated[str, Meta(min_length=1, max_length=500, examples=["https://rail.example/api"])]
Settings = Annotated[
    dict[Annotated[str, Meta(min_length=1, max_length=64)], Annotated[str, Meta(max_length=16384)]],
    Meta(max_length=40, description="As the page of the rail's connector lists them."),
]
Operations = Annotated[
    list[
        Literal[
            "payout", "name_enquiry", "query", "balance", "statement", "reversal", "institutions", "bulk_file"
        ]
    ],
    Meta(min_length=1, max_length=20, description="What the connection may be asked for; left out: all the rail can."),
]  # fmt: skip
OwnLimits = Annotated[
    dict[Literal["concurrency_max", "submits_per_second"], Annotated[int, Meta(ge=1, le=100_000)]],
    Meta(description="Tighter than the rail's own."),
]


class CreateConnectionIn(In):
    """A new way to a rail. `secret` is sealed at once and never shown again."""

    code: Annotated[str, Meta(pattern="^[a-z0-9][a-z0-9_-]{0,39}$", examples=["nip"])]
    name: Name
    rail: Rail
    currency: Currency
    endpoint: Endpoint
    public: Settings = msgspec.field(default_factory=dict)
    secret: Settings = msgspec.field(default_factory=dict)
    bank_code: Annotated[str, Meta(min_length=1, max_length=40)] | None = None
    operations: Operations | None = None
    float_low: AmountIn | None = None
    limits: OwnLimits = msgspec.field(default_factory=dict)


class ChangeConnectionIn(In):
    """What shall change; the rest stays. `secret` replaces all secrets."""

    name: Name | None = None
    endpoint: Endpoint | None = None
    public: Settings | None = None
    secret: Settings | None = None
    operations: Operations | None = None
    float_low: AmountIn | None = None
    limits: OwnLimits | None = None


class ConnectionStatusIn(In):
    """Nothing is to be said."""


class ConnectionsIn(ListIn):
    """Which connections."""

    rail: Rail | None = None
    status: Literal["active", "paused", "closed"] | None = None


class RailStatementIn(In):
    """Which day, and which page of it."""

    on: Annotated[date, Meta(description="The day; left out: today.")] | None = None
    cursor: Annotated[str, Meta(min_length=1, max_length=2000)] | None = None


class ConnectionOut(Out):
    """A bank connection, without its secrets. `float_account`: the ledger account that mirrors the one at the rail."""

    id: str
    code: str
    name: str
    rail: str
    bank_code: str | None
    currency: str
    endpoint: str
    public: dict[str, Any]
    operations: list[str]
    status: Literal["active", "paused", "closed"]
    health: Literal["unknown", "up", "degraded", "down"]
    health_reason: str | None
    health_at: Instant | None
    float_account: str
    float_low: AmountOut | None
    limits: dict[str, int]
    statement_until: Instant | None
    version: int
    created_at: Instant
    updated_at: Instant


class RailBalanceOut(Out):
    """What the rail says an account of ours holds; `kind` is the rail's word."""

    kind: str
    amount: AmountOut
    currency: str
    as_of: Instant


class RailBalancesOut(Out):
    """What the rail says; empty where its answer comes later, by a call."""

    items: list[RailBalanceOut]


class RailLineOut(Out):
    """One movement on our account at the rail."""

    line_id: str
    booked_at: Instant
    credit: bool
    amount: AmountOut
    currency: str
    our_ref: str | None
    provider_ref: str | None
    narration: str
    balance_after: AmountOut | None
    fee: bool


class RailLinesOut(Out):
    """A page of a day's statement."""

    items: list[RailLineOut]
    next_cursor: str | None


class CallbackAddressOut(Out):
    """Where the rail may call us, for rails whose portal takes one address for everything. Keep it between you."""

    url: str


def connection_out(found: BankConnection) -> ConnectionOut:
    """A connection as shown."""
    return ConnectionOut(
        id=ids.show("con", found.connection_id),
        code=found.code,
        name=found.name,
        rail=found.rail,
        bank_code=found.bank_code,
        currency=found.currency,
        endpoint=found.endpoint,
        public=dict(found.public),
        operations=sorted(one.value for one in found.operations),
        status=found.status.value,
        health=found.health.value,
        health_reason=found.health_reason,
        health_at=found.health_at,
        float_account=found.float_code,
        float_low=None if found.float_low_minor is None else json_amount(found.float_low_minor),
        limits=dict(found.limits),
        statement_until=found.statement_until,
        version=found.version,
        created_at=found.created_at,
        updated_at=found.updated_at,
    )


def _shown(call: Call, found: BankConnection) -> Reply:
    call.services.payments.links.forget(call.tenant_id, found.connection_id)
    call.services.payments.rulebooks.forget(call.tenant_id)
    return Reply(connection_out(found), version=found.version)


def _operations(names: list[str] | None) -> frozenset[Operation] | None:
    return None if names is None else frozenset(Operation(name) for name in names)


async def _find(call: Call) -> BankConnection:
    """The connection of the path, read in a transaction that is over before a rail is asked."""
    async with call.services.db.tx(call.tenant_id, branches=call.caller.branches, readonly=True) as tx:
        return await connections.find_connection(tx, call.id("connection"))


_WRITING = ("connections.malformed", "kit.malformed_amount", "secrets.bad_keys")
_CHANGING = ("connections.not_found", "connections.changed")
_ASKING = ("connections.not_found", "connections.operation_off", "connections.rail_silent", "rails.unable")
_EXAMPLE_IN = {
    "code": "nip", "name": "NIBSS", "rail": "nip", "currency": "NGN", "endpoint": "https://rail.example/nip",
    "public": {"institution_code": "999001"}, "secret": {"client_secret": "..."}, "float_low": 5000000,
}  # fmt: skip
_EXAMPLE = {
    "id": "con_01jd3m8q4vv8k8x2n0c5t7yh6r", "code": "nip", "name": "NIBSS", "rail": "nip", "bank_code": None,
    "currency": "NGN", "endpoint": "https://rail.example/nip", "public": {"institution_code": "999001"},
    "operations": ["balance", "name_enquiry", "payout", "query"], "status": "active", "health": "up",
    "health_reason": None, "health_at": "2026-11-21T08:00:00Z", "float_account": "float:nip", "float_low": 5000000,
    "limits": {}, "statement_until": None, "version": 1, "created_at": "2026-11-21T08:00:00Z",
    "updated_at": "2026-11-21T08:00:00Z",
}  # fmt: skip


@operation(
    "POST", _BASE, tag="Connections", status=201, permission=Permission.CONNECTIONS_WRITE, whole=True,
    body=CreateConnectionIn, reply=ConnectionOut, versioned=True, idempotent=True,
    refusals=("connections.unknown_rail", "connections.code_taken", "ledger.account_code_taken", *_WRITING),
    example=_EXAMPLE_IN, example_reply=_EXAMPLE,
)  # fmt: skip
async def create_connection(call: Call, tx: Tx, body: CreateConnectionIn) -> Reply:
    """Create a bank connection, and its float on the ledger."""
    command = CreateConnection(
        code=body.code,
        name=body.name,
        rail=body.rail,
        currency=body.currency,
        endpoint=body.endpoint,
        public=body.public,
        secret=body.secret,
        bank_code=body.bank_code,
        operations=_operations(body.operations),  # type: ignore[arg-type]  # A list of literals is one of texts.
        float_low_minor=None if body.float_low is None else parse_amount(body.float_low),
        limits=body.limits,  # type: ignore[arg-type]  # As above.
    )
    made = await connections.create_connection(
        tx, command, rails=call.services.payments.rails, vault=call.services.vault, now=call.now, meta=call.meta
    )
    return _shown(call, made)


@operation(
    "GET", _BASE, tag="Connections", permission=Permission.CONNECTIONS_READ, query=ConnectionsIn,
    reply=PageOut[ConnectionOut], sorts=connections.CONNECTIONS.sorts, example_query={"rail": "nip"},
    example_reply={"items": [_EXAMPLE], "next_cursor": None},
)  # fmt: skip
async def list_connections(call: Call, tx: Tx, query: ConnectionsIn) -> PageOut[ConnectionOut]:
    """List bank connections, by code unless `sort` says otherwise."""
    found = await connections.list_connections(
        tx,
        rail=query.rail,
        status=None if query.status is None else ConnectionStatus(query.status),
        sort=query.sort,
        limit=query.limit,
        cursor=query.cursor,
    )
    return page(found, connection_out)


@operation(
    "GET", _ONE, tag="Connections", permission=Permission.CONNECTIONS_READ, reply=ConnectionOut, versioned=True,
    refusals=("connections.not_found",), example_reply=_EXAMPLE,
)  # fmt: skip
async def get_connection(call: Call, tx: Tx) -> Reply:
    """Show a bank connection.

    Its ETag is that of the description; health and statement are looked at by us and do not change it.
    """
    found = await connections.find_connection(tx, call.id("connection"))
    return Reply(connection_out(found), headers=(("etag", f'"{found.version}"'),))


@operation(
    "PATCH", _ONE, tag="Connections", permission=Permission.CONNECTIONS_WRITE, whole=True, body=ChangeConnectionIn,
    reply=ConnectionOut, versioned=True, changes_version=True, refusals=(*_CHANGING, *_WRITING),
    example={"name": "NIBSS, main account"}, example_reply=_EXAMPLE | {"version": 2},
)  # fmt: skip
async def change_connection(call: Call, tx: Tx, body: ChangeConnectionIn) -> Reply:
    """Change a bank connection or its credentials.

    What is under way goes on: callback addresses stay the same.
    """
    changed = await connections.update_connection(
        tx,
        call.id("connection"),
        version=call.read_version,
        rails=call.services.payments.rails,
        vault=call.services.vault,
        name=body.name,
        endpoint=body.endpoint,
        public=body.public,
        secret=body.secret,
        operations=_operations(body.operations),  # type: ignore[arg-type]  # A list of literals is one of texts.
        float_low_minor=None if body.float_low is None else parse_amount(body.float_low),
        limits=body.limits,  # type: ignore[arg-type]  # As above.
        now=call.now,
        meta=call.meta,
    )
    return _shown(call, changed)


async def _set(call: Call, tx: Tx, status: ConnectionStatus) -> Reply:
    changed = await connections.update_connection(
        tx,
        call.id("connection"),
        version=call.read_version,
        rails=call.services.payments.rails,
        vault=call.services.vault,
        status=status,
        now=call.now,
        meta=call.meta,
    )
    return _shown(call, changed)


@operation(
    "POST", _ONE + "/pause", tag="Connections", permission=Permission.CONNECTIONS_WRITE, whole=True,
    body=ConnectionStatusIn, reply=ConnectionOut, versioned=True, changes_version=True, idempotent=True,
    refusals=_CHANGING, example={},
    example_reply=_EXAMPLE | {"status": "paused", "version": 2},
)  # fmt: skip
async def pause_connection(call: Call, tx: Tx, body: ConnectionStatusIn) -> Reply:
    """Send nothing new over a connection; what was sent is still asked about."""
    return await _set(call, tx, ConnectionStatus.PAUSED)


@operation(
    "POST", _ONE + "/resume", tag="Connections", permission=Permission.CONNECTIONS_WRITE, whole=True,
    body=ConnectionStatusIn, reply=ConnectionOut, versioned=True, changes_version=True, idempotent=True,
    refusals=_CHANGING, example={},
    example_reply=_EXAMPLE | {"version": 3},
)  # fmt: skip
async def resume_connection(call: Call, tx: Tx, body: ConnectionStatusIn) -> Reply:
    """Send over a paused connection again."""
    return await _set(call, tx, ConnectionStatus.ACTIVE)


@operation(
    "POST", _ONE + "/close", tag="Connections", permission=Permission.CONNECTIONS_WRITE, whole=True,
    body=ConnectionStatusIn, reply=ConnectionOut, versioned=True, changes_version=True, idempotent=True,
    refusals=_CHANGING, example={},
    example_reply=_EXAMPLE | {"status": "closed", "version": 4},
)  # fmt: skip
async def close_connection(call: Call, tx: Tx, body: ConnectionStatusIn) -> Reply:
    """Close a connection for good; what was sent is still asked about."""
    return await _set(call, tx, ConnectionStatus.CLOSED)


@operation(
    "GET", _ONE + "/balances", tag="Connections", permission=Permission.CONNECTIONS_READ, whole=True,
    transaction=False, reply=RailBalancesOut, refusals=_ASKING,
    example_reply={"items": [{"kind": "available", "amount": 150000, "currency": "NGN",
                              "as_of": "2026-11-21T08:00:00Z"}]},
)  # fmt: skip
async def get_balances(call: Call) -> RailBalancesOut:
    """Ask the rail what our accounts there hold."""
    found = await connections.balances_of(call.services.payments.links, call.tenant_id, await _find(call))
    return RailBalancesOut(
        items=[
            RailBalanceOut(
                kind=one.kind,
                amount=json_amount(one.amount.amount_minor),
                currency=one.amount.currency,
                as_of=one.as_of,
            )
            for one in found
        ]
    )


@operation(
    "GET", _ONE + "/statement", tag="Connections", permission=Permission.CONNECTIONS_READ, whole=True,
    transaction=False, query=RailStatementIn, reply=RailLinesOut, refusals=_ASKING, example_query={"on": "2026-11-21"},
)  # fmt: skip
async def get_rail_statement(call: Call, query: RailStatementIn) -> RailLinesOut:
    """Ask the rail what it booked on our account on a day."""
    links = call.services.payments.links
    found = await connections.statement_of(
        links, call.tenant_id, await _find(call), query.on or call.today, query.cursor
    )
    return RailLinesOut(
        items=[
            RailLineOut(
                line_id=line.line_id,
                booked_at=line.booked_at,
                credit=line.credit,
                amount=json_amount(line.amount.amount_minor),
                currency=line.amount.currency,
                our_ref=line.our_ref,
                provider_ref=line.provider_ref,
                narration=line.narration,
                balance_after=None if line.balance_after is None else json_amount(line.balance_after.amount_minor),
                fee=line.is_fee,
            )
            for line in found.lines
        ],
        next_cursor=found.cursor,
    )


@operation(
    "GET", _ONE + "/callback-address", tag="Connections", permission=Permission.CONNECTIONS_WRITE, whole=True,
    transaction=False, reply=CallbackAddressOut, refusals=("connections.not_found", "connections.rail_silent"),
    example_reply={"url": "https://pay.example/webhooks/rails/0193.../0193.../portal/portal/5f0c..."},
)  # fmt: skip
async def get_callback_address(call: Call) -> CallbackAddressOut:
    """Show the address to set in the rail's portal, where the rail takes one for everything."""
    found = await _find(call)
    link = await connections.link_of(call.services.payments.links, call.tenant_id, found)
    return CallbackAddressOut(url=link.context.callback_url(PORTAL, PORTAL))

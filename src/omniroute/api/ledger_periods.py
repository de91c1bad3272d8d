"""Accounting periods over HTTP."""

from datetime import date
from typing import Annotated, Literal

from msgspec import Meta

from omniroute.api.call import Call
from omniroute.api.ledger_accounts import account_in
from omniroute.api.operations import Reply, operation
from omniroute.api.shapes import AccountText, Currency, In, Instant, ListIn, Out, PageOut, page, shown
from omniroute.infra.postgres import Tx
from omniroute.ledger import periods
from omniroute.parties.access import Permission

_BASE = "/v1/{tenant}/ledger/periods"
Status = Literal["open", "soft_closed", "closed", "sealed"]


class CreatePeriodIn(In):
    """Both days included."""

    name: Annotated[str, Meta(min_length=1, max_length=64)]
    starts_on: date
    ends_on: date


class PeriodStatusIn(In):
    """One step: open, soft_closed, closed, sealed. Back from closed to soft_closed and from there to open."""

    status: Status
    reason: Annotated[str, Meta(max_length=500)] | None = None
    retained_earnings: Annotated[dict[Currency, AccountText], Meta(max_length=50)] | None = None


class PeriodOut(Out):
    """An accounting period. `state_hash` is the seal."""

    id: str
    name: str
    starts_on: date
    ends_on: date
    status: Status
    state_hash: str | None
    changed_at: Instant
    changed_by: str | None
    revision: int


def period_out(period: periods.Period) -> PeriodOut:
    """A period as shown."""
    seal = None if period.state_hash is None else period.state_hash.hex()
    return shown(PeriodOut, period, {"id": "per"}, id=period.period_id, state_hash=seal)


def _period(period: periods.Period) -> Reply:
    return Reply(period_out(period), version=period.revision)


_EXAMPLE = {
    "id": "per_01jd3m8q4vv8k8x2n0c5t7yh6r", "name": "2026-11", "starts_on": "2026-11-01", "ends_on": "2026-11-30",
    "status": "open", "state_hash": None, "changed_at": "2026-11-21T08:00:00Z", "changed_by": None, "revision": 1,
}  # fmt: skip


@operation(
    "POST", _BASE, tag="Periods", status=201, permission=Permission.LEDGER_PERIODS_CLOSE, whole=True,
    body=CreatePeriodIn,
    reply=PeriodOut, versioned=True, idempotent=True, refusals=("ledger.malformed_period", "ledger.period_overlap"),
    example={"name": "2026-11", "starts_on": "2026-11-01", "ends_on": "2026-11-30"}, example_reply=_EXAMPLE,
)  # fmt: skip
async def create_period(call: Call, tx: Tx, body: CreatePeriodIn) -> Reply:
    """Create an accounting period."""
    period = await periods.create_period(
        tx, name=body.name, starts_on=body.starts_on, ends_on=body.ends_on, now=call.now, meta=call.meta
    )
    return _period(period)


@operation(
    "GET", _BASE, tag="Periods", permission=Permission.LEDGER_READ, query=ListIn, reply=PageOut[PeriodOut],
    sorts=periods.PERIODS.sorts, example_reply={"items": [_EXAMPLE], "next_cursor": None},
)  # fmt: skip
async def list_periods(call: Call, tx: Tx, query: ListIn) -> PageOut[PeriodOut]:
    """List accounting periods."""
    return page(await periods.list_periods(tx, limit=query.limit, sort=query.sort, cursor=query.cursor), period_out)


@operation(
    "GET", _BASE + "/{period}", tag="Periods", permission=Permission.LEDGER_READ, reply=PeriodOut, versioned=True,
    refusals=("ledger.period_not_found",), example_reply=_EXAMPLE,
)  # fmt: skip
async def get_period(call: Call, tx: Tx) -> Reply:
    """Show an accounting period."""
    return _period(await periods.find_period(tx, call.id("period")))


@operation(
    "PUT", _BASE + "/{period}/status", tag="Periods", permission=Permission.LEDGER_PERIODS_CLOSE, whole=True,
    body=PeriodStatusIn,
    reply=PeriodOut, versioned=True, changes_version=True, example={"status": "soft_closed"},
    refusals=("ledger.period_not_found", "ledger.period_changed", "ledger.period_transition",
              "ledger.period_out_of_order", "ledger.unknown_account", "ledger.account_frozen", "ledger.account_closed",
              "ledger.currency_mismatch", "ledger.balance_overflow", "ledger.insufficient_funds",
              "ledger.ceiling_exceeded"),
    example_reply=_EXAMPLE | {"status": "soft_closed", "revision": 2},
)  # fmt: skip
async def set_period_status(call: Call, tx: Tx, body: PeriodStatusIn) -> Reply:
    """Close, seal or open a period.

    Closing waits for postings in flight. `retained_earnings` (currency to account) carries income and expenses there.
    """
    period_id = call.id("period")
    version = call.read_version
    match body.status:
        case "open":
            period = await periods.reopen(tx, period_id, meta=call.meta, revision=version, reason=body.reason)
        case "soft_closed":
            period = await periods.soft_close(tx, period_id, meta=call.meta, revision=version, reason=body.reason)
        case "closed":
            to = body.retained_earnings or {}
            accounts = {currency: account_in(call.tenant_id, text) for currency, text in to.items()}
            period = await periods.close(
                tx, period_id, meta=call.meta, revision=version, retained_earnings=accounts or None
            )
        case "sealed":
            period = await periods.seal(tx, period_id, meta=call.meta, revision=version)
    return _period(period)

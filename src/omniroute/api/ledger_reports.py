"""Reads that look back over HTTP: balances at a time, statements, reports; as JSON or CSV."""

from collections.abc import AsyncIterator
from datetime import date
from typing import Annotated, Any, Literal
from uuid import UUID

from msgspec import Meta

from omniroute.api.call import Call
from omniroute.api.ledger_accounts import account_in
from omniroute.api.operations import CSV_TYPE, Reply, operation
from omniroute.api.shapes import AmountOut, Currency, In, Instant, Out, PageIn, shown
from omniroute.api.spools import spool
from omniroute.infra.postgres import Tx
from omniroute.kit import ids
from omniroute.kit.money import json_amount
from omniroute.ledger import reads
from omniroute.parties.access import Permission

_ACCOUNT = "/v1/{tenant}/ledger/accounts/{account}"
_REPORTS = "/v1/{tenant}/ledger/reports"
CSV_BYTES_MAX = 64 * 1024 * 1024

Format = Annotated[Literal["json", "csv"], Meta(description="How to answer.")]
Side = Literal["debit", "credit"]
IDS = {"account_id": "acc", "parent_id": "acc", "transaction_id": "txn"}


class BalanceAtIn(In):
    """`at`: as it was known then. `on`: what counts until that day, included. Both: both."""

    at: Instant | None = None
    on: date | None = None


class BalanceAtOut(Out):
    """A balance on the account's normal side. `available` is null where holds of that day cannot be known."""

    account_id: str
    currency: str
    normal_side: Side
    posted: AmountOut
    available: AmountOut | None
    version: int | None
    booked_until: Instant | None
    value_until: date | None


class StatementIn(PageIn):
    """Value dates (both days included) or booking times (`booked_to` excluded), not both."""

    from_on: date | None = None
    to_on: date | None = None
    booked_from: Instant | None = None
    booked_to: Instant | None = None
    format: Format = "json"


class StatementLineOut(Out):
    """One entry, with the balance after it."""

    transaction_id: str
    leg: int
    side: Side
    amount: AmountOut
    balance: AmountOut
    version: int | None
    booked_at: Instant
    value_on: date
    original_on: date | None
    kind: str
    reference: str | None


class StatementOut(Out):
    """The entries of an account; opening, closing and sums are of the whole range, whatever the page."""

    account_id: str
    code: str
    currency: str
    opening: AmountOut
    closing: AmountOut
    debit: AmountOut
    credit: AmountOut
    lines: list[StatementLineOut]
    next_cursor: str | None


class ReportRowOut(Out):
    """One account in a report; opening and closing on its normal side."""

    account_id: str
    code: str
    name: str
    type: str
    currency: str
    normal_side: Side
    parent_id: str | None
    opening: AmountOut
    debit: AmountOut
    credit: AmountOut
    closing: AmountOut


class TotalsOut(Out):
    """Sums of one currency; they are equal."""

    debit: AmountOut
    credit: AmountOut


class SheetTotalsOut(Out):
    """Sums of one currency: assets = liabilities + equity + earnings."""

    assets: AmountOut
    liabilities: AmountOut
    equity: AmountOut
    earnings: AmountOut


class TrialBalanceIn(In):
    """Up to which day; from which, for the movement."""

    to_on: date
    from_on: date | None = None
    currency: Currency | None = None
    format: Format = "json"


class TrialBalanceOut(Out):
    """All accounts and what moved on them."""

    from_on: date | None
    to_on: date
    rows: list[ReportRowOut]
    totals: dict[str, TotalsOut]


class BalanceSheetIn(In):
    """On which day."""

    on: date
    format: Format = "json"


class BalanceSheetOut(Out):
    """What is owned and owed."""

    on: date
    assets: list[ReportRowOut]
    liabilities: list[ReportRowOut]
    equity: list[ReportRowOut]
    earnings: dict[str, AmountOut]
    totals: dict[str, SheetTotalsOut]


class RangeIn(In):
    """Both days included."""

    from_on: date
    to_on: date
    format: Format = "json"


class ProfitAndLossOut(Out):
    """Income less expenses; closing entries are left out."""

    from_on: date
    to_on: date
    income: list[ReportRowOut]
    expenses: list[ReportRowOut]
    profit: dict[str, AmountOut]


class GeneralLedgerIn(PageIn, kw_only=True):
    """Both days included."""

    from_on: date
    to_on: date
    format: Format = "json"


class GeneralLedgerOut(Out):
    """The accounts that moved, by code, each with its first lines; the statement has the rest."""

    from_on: date
    to_on: date
    accounts: list[StatementOut]
    next_cursor: str | None


class RollUpIn(In):
    """By what to sum: `type`, `branch`, `owner`, `parent`, `currency` or `dimension:name`."""

    by: Annotated[str, Meta(min_length=1, max_length=80)]
    to_on: date
    from_on: date | None = None


class RollUpRowOut(Out):
    """One group; debits less credits."""

    key: str | None
    currency: str
    opening: AmountOut
    debit: AmountOut
    credit: AmountOut
    closing: AmountOut
    account_count: int


class RollUpOut(Out):
    """Groups by key and currency."""

    rows: list[RollUpRowOut]


def _rows(rows: list[Any]) -> list[ReportRowOut]:
    return [shown(ReportRowOut, row, IDS) for row in rows]


def _statement(found: reads.Statement) -> StatementOut:
    lines = [shown(StatementLineOut, line, IDS) for line in found.lines]
    account = found.account
    return shown(
        StatementOut,
        found,
        IDS,
        account_id=account.account_id,
        code=account.code,
        currency=account.currency,
        lines=lines,
    )


async def _csv(chunks: AsyncIterator[str], name: str) -> Reply:
    """Raises: AnswerTooLarge."""
    content = await spool((chunk.encode() async for chunk in chunks), bytes_max=CSV_BYTES_MAX)
    disposition = ("content-disposition", f'attachment; filename="{name}.csv"')
    return Reply(content, content_type=CSV_TYPE, headers=(disposition,))


_RANGE = ("ledger.malformed_range", "api.answer_too_large")


@operation(
    "GET", _ACCOUNT + "/balance-at", tag="Accounts", permission=Permission.LEDGER_READ, query=BalanceAtIn,
    reply=BalanceAtOut, refusals=("ledger.account_not_found", "ledger.instant_in_future"),
    example_query={"on": "2026-11-20"},
)  # fmt: skip
async def get_balance_at(call: Call, tx: Tx, query: BalanceAtIn) -> BalanceAtOut:
    """Show an account's balance as it was known, or as it counted, at a time."""
    account_id = account_in(call.tenant_id, call.path["account"])
    found = await reads.find_balance(tx, account_id, at=query.at, on=query.on, now=call.now)
    return shown(BalanceAtOut, found, IDS)


@operation(
    "GET", _ACCOUNT + "/statement", tag="Accounts", permission=Permission.LEDGER_READ, query=StatementIn,
    reply=StatementOut, csv=True,
    refusals=("ledger.account_not_found", "kit.malformed_cursor", "kit.foreign_cursor", *_RANGE),
    example_query={"from_on": "2026-11-01", "to_on": "2026-11-30"},
)  # fmt: skip
async def get_statement(call: Call, tx: Tx, query: StatementIn) -> StatementOut | Reply:
    """Show an account's entries with the running balance."""
    account_id = account_in(call.tenant_id, call.path["account"])
    given: dict[str, Any] = {
        "from_on": query.from_on,
        "to_on": query.to_on,
        "booked_from": query.booked_from,
        "booked_to": query.booked_to,
    }
    if query.format == "csv":
        return await _csv(reads.statement_csv(tx, account_id, **given), "statement")
    return _statement(await reads.statement(tx, account_id, **given, limit=query.limit, cursor=query.cursor))


@operation(
    "GET", _REPORTS + "/trial-balance", tag="Reports", permission=Permission.LEDGER_READ, query=TrialBalanceIn,
    reply=TrialBalanceOut, csv=True, refusals=_RANGE, example_query={"to_on": "2026-11-30"},
)  # fmt: skip
async def get_trial_balance(call: Call, tx: Tx, query: TrialBalanceIn) -> TrialBalanceOut | Reply:
    """Show the trial balance."""
    given: dict[str, Any] = {"to_on": query.to_on, "from_on": query.from_on, "currency": query.currency}
    if query.format == "csv":
        return await _csv(reads.trial_balance_csv(tx, **given), "trial-balance")
    found = await reads.trial_balance(tx, **given)
    totals = {currency: shown(TotalsOut, sums, {}) for currency, sums in sorted(found.totals.items())}
    return shown(TrialBalanceOut, found, {}, rows=_rows(found.rows), totals=totals)


@operation(
    "GET", _REPORTS + "/balance-sheet", tag="Reports", permission=Permission.LEDGER_READ, query=BalanceSheetIn,
    reply=BalanceSheetOut, csv=True, refusals=_RANGE, example_query={"on": "2026-11-30"},
)  # fmt: skip
async def get_balance_sheet(call: Call, tx: Tx, query: BalanceSheetIn) -> BalanceSheetOut | Reply:
    """Show the balance sheet."""
    if query.format == "csv":
        return await _csv(reads.balance_sheet_csv(tx, on=query.on), "balance-sheet")
    found = await reads.balance_sheet(tx, on=query.on)
    return BalanceSheetOut(
        on=found.on,
        assets=_rows(found.assets),
        liabilities=_rows(found.liabilities),
        equity=_rows(found.equity),
        earnings={currency: json_amount(amount) for currency, amount in sorted(found.earnings.items())},
        totals={currency: shown(SheetTotalsOut, sums, {}) for currency, sums in sorted(found.totals.items())},
    )


@operation(
    "GET", _REPORTS + "/profit-and-loss", tag="Reports", permission=Permission.LEDGER_READ, query=RangeIn,
    reply=ProfitAndLossOut, csv=True, refusals=_RANGE,
    example_query={"from_on": "2026-11-01", "to_on": "2026-11-30"},
)  # fmt: skip
async def get_profit_and_loss(call: Call, tx: Tx, query: RangeIn) -> ProfitAndLossOut | Reply:
    """Show profit and loss."""
    if query.format == "csv":
        chunks = reads.profit_and_loss_csv(tx, from_on=query.from_on, to_on=query.to_on)
        return await _csv(chunks, "profit-and-loss")
    found = await reads.profit_and_loss(tx, from_on=query.from_on, to_on=query.to_on)
    return ProfitAndLossOut(
        from_on=found.from_on,
        to_on=found.to_on,
        income=_rows(found.income),
        expenses=_rows(found.expenses),
        profit={currency: json_amount(amount) for currency, amount in sorted(found.profit.items())},
    )


@operation(
    "GET", _REPORTS + "/general-ledger", tag="Reports", permission=Permission.LEDGER_READ, query=GeneralLedgerIn,
    reply=GeneralLedgerOut, csv=True, refusals=("kit.malformed_cursor", "kit.foreign_cursor", *_RANGE),
    example_query={"from_on": "2026-11-01", "to_on": "2026-11-30"},
)  # fmt: skip
async def get_general_ledger(call: Call, tx: Tx, query: GeneralLedgerIn) -> GeneralLedgerOut | Reply:
    """Show the general ledger."""
    given: dict[str, Any] = {"from_on": query.from_on, "to_on": query.to_on}
    if query.format == "csv":
        return await _csv(reads.general_ledger_csv(tx, **given), "general-ledger")
    found = await reads.general_ledger(tx, **given, limit=query.limit, cursor=query.cursor)
    return GeneralLedgerOut(
        from_on=found.from_on,
        to_on=found.to_on,
        accounts=[_statement(one) for one in found.accounts],
        next_cursor=found.next_cursor,
    )


@operation(
    "GET", _REPORTS + "/roll-up", tag="Reports", permission=Permission.LEDGER_READ, query=RollUpIn, reply=RollUpOut,
    refusals=("ledger.malformed_grouping", *_RANGE), example_query={"by": "type", "to_on": "2026-11-30"},
)  # fmt: skip
async def get_roll_up(call: Call, tx: Tx, query: RollUpIn) -> RollUpOut:
    """Sum accounts by a dimension."""
    found = await reads.roll_up(tx, by=query.by, to_on=query.to_on, from_on=query.from_on)
    return RollUpOut(rows=[shown(RollUpRowOut, row, {}, key=_key(query.by, row.key)) for row in found])


def _key(by: str, key: str | None) -> str | None:
    """A group as it is called at the door: branches by their public ids."""
    return ids.show("brn", UUID(key)) if by == "branch" and key is not None else key

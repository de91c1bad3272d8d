"""Reports over value dates: trial balance, balance sheet, profit and loss, general ledger, and roll-ups."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any
from uuid import UUID

from omniroute.infra.postgres import Tx, load
from omniroute.kit.paging import LIMIT_MAX, check_cursor, check_limit, decode_cursor, encode_cursor, fingerprint
from omniroute.ledger.model import AccountType, Side
from omniroute.ledger.reads.balances import net
from omniroute.ledger.reads.errors import MalformedGrouping
from omniroute.ledger.reads.statements import DATE_MIN, Statement, check_range, statement

SQL = load("omniroute.ledger.reads")

_ROWS_MAX = 10_000_000
_GROUPINGS = frozenset({"type", "branch", "owner", "parent", "currency"})


@dataclass(frozen=True, slots=True)
class ReportRow:
    """One account's turnover in a range; opening and closing in minor units on its normal side."""

    account_id: UUID
    code: str
    name: str
    type: AccountType
    currency: str
    normal_side: Side
    parent_id: UUID | None
    opening_minor: int
    debit_minor: int
    credit_minor: int
    closing_minor: int

    @property
    def closing_debit_minor(self) -> int:
        """The closing balance where it stands on the debit side, else 0."""
        return max(self._signed, 0)

    @property
    def closing_credit_minor(self) -> int:
        """The closing balance where it stands on the credit side, else 0."""
        return max(-self._signed, 0)

    @property
    def _signed(self) -> int:
        return self.closing_minor if self.normal_side is Side.DEBIT else -self.closing_minor


@dataclass(frozen=True, slots=True)
class Totals:
    """Totals of one currency: turnover, and closing balances by side. Each pair is equal, or the books are broken."""

    debit_minor: int
    credit_minor: int
    closing_debit_minor: int
    closing_credit_minor: int


@dataclass(frozen=True, slots=True)
class TrialBalance:
    """Every account that ever moved until `to_on`; totals by currency."""

    from_on: date | None
    to_on: date
    rows: list[ReportRow]
    totals: dict[str, Totals]


@dataclass(frozen=True, slots=True)
class SheetTotals:
    """assets = liabilities + equity + earnings, in one currency."""

    assets_minor: int
    liabilities_minor: int
    equity_minor: int
    earnings_minor: int


@dataclass(frozen=True, slots=True)
class BalanceSheet:
    """What is owned and owed on a date. `earnings`: income less expenses not yet carried to equity, by currency."""

    on: date
    assets: list[ReportRow]
    liabilities: list[ReportRow]
    equity: list[ReportRow]
    earnings: dict[str, int]
    totals: dict[str, SheetTotals]


@dataclass(frozen=True, slots=True)
class ProfitAndLoss:
    """Income and expenses of a range, closing entries left out; `profit` is their difference by currency."""

    from_on: date
    to_on: date
    income: list[ReportRow]
    expenses: list[ReportRow]
    profit: dict[str, int]


@dataclass(frozen=True, slots=True)
class GeneralLedger:
    """Accounts that moved in a range, by code, each with its first lines; read on with `statement`."""

    from_on: date
    to_on: date
    accounts: list[Statement]
    next_cursor: str | None


@dataclass(frozen=True, slots=True)
class Rollup:
    """Turnover of the accounts that share a key, in one currency; opening and closing are debits less credits."""

    key: str | None
    currency: str
    opening_minor: int
    debit_minor: int
    credit_minor: int
    closing_minor: int
    account_count: int


async def report_rows(
    tx: Tx,
    *,
    from_on: date | None,
    to_on: date,
    currency: str | None = None,
    types: Sequence[AccountType] | None = None,
    without_closing: bool = False,
    after: str | None = None,
    limit: int = _ROWS_MAX,
) -> list[ReportRow]:
    """Turnover of every account that moved until `to_on`, in the order of codes.

    Raises: MalformedRange.
    """
    within = check_range(from_on, to_on, None, None)
    rows = await tx.all(
        SQL.report_rows,
        tenant=tx.tenant,
        from_on=within.from_on,
        to_on=within.to_on,
        currency=currency,
        types=None if types is None else [kind.value for kind in types],
        without_closing=without_closing,
        after=after,
        limit=limit,
    )
    return [_row(row) for row in rows]


def _row(row: Any) -> ReportRow:
    side = Side.DEBIT if row.normal_side == "d" else Side.CREDIT
    opening = net(side, row.debit_before, row.credit_before)
    debit, credit = int(row.debit), int(row.credit)
    return ReportRow(
        row.account_id,
        row.code,
        row.name,
        AccountType(row.type),
        row.currency,
        side,
        row.parent_id,
        opening,
        debit,
        credit,
        opening + net(side, debit, credit),
    )


async def trial_balance(
    tx: Tx, *, to_on: date, from_on: date | None = None, currency: str | None = None
) -> TrialBalance:
    """Turnover and balance of every account; debits equal credits in each currency.

    Raises: MalformedRange.
    """
    rows = await report_rows(tx, from_on=from_on, to_on=to_on, currency=currency)
    return TrialBalance(from_on, to_on, rows, totals_of(rows))


def totals_of(rows: Sequence[ReportRow]) -> dict[str, Totals]:
    """Totals by currency."""
    sums: dict[str, list[int]] = defaultdict(lambda: [0, 0, 0, 0])
    for row in rows:
        found = sums[row.currency]
        found[0] += row.debit_minor
        found[1] += row.credit_minor
        found[2] += row.closing_debit_minor
        found[3] += row.closing_credit_minor
    return {currency: Totals(*found) for currency, found in sorted(sums.items())}


def _closing_by_currency(rows: Sequence[ReportRow]) -> dict[str, int]:
    sums: dict[str, int] = defaultdict(int)
    for row in rows:
        sums[row.currency] += row.closing_minor if row.normal_side is row.type.normal_side else -row.closing_minor
    return sums


async def balance_sheet(tx: Tx, *, on: date) -> BalanceSheet:
    """What is owned, owed and left over at the end of a date.

    Raises: MalformedRange.
    """
    of = _by_type(await report_rows(tx, from_on=None, to_on=on))
    income, expense = _closing_by_currency(of[AccountType.INCOME]), _closing_by_currency(of[AccountType.EXPENSE])
    earnings = {currency: income.get(currency, 0) - expense.get(currency, 0) for currency in {*income, *expense}}
    assets, liabilities, equity = (
        _closing_by_currency(of[kind]) for kind in (AccountType.ASSET, AccountType.LIABILITY, AccountType.EQUITY)
    )
    totals = {
        currency: SheetTotals(
            assets.get(currency, 0),
            liabilities.get(currency, 0),
            equity.get(currency, 0),
            earnings.get(currency, 0),
        )
        for currency in sorted({*assets, *liabilities, *equity, *earnings})
    }
    return BalanceSheet(
        on,
        of[AccountType.ASSET],
        of[AccountType.LIABILITY],
        of[AccountType.EQUITY],
        dict(sorted(earnings.items())),
        totals,
    )


def _by_type(rows: Sequence[ReportRow]) -> dict[AccountType, list[ReportRow]]:
    of: dict[AccountType, list[ReportRow]] = {kind: [] for kind in AccountType}
    for row in rows:
        of[row.type].append(row)
    return of


async def profit_and_loss(tx: Tx, *, from_on: date, to_on: date) -> ProfitAndLoss:
    """Income less expenses over value dates, both included; what closing a period carried away is left out.

    Raises: MalformedRange.
    """
    kinds = (AccountType.INCOME, AccountType.EXPENSE)
    of = _by_type(await report_rows(tx, from_on=from_on, to_on=to_on, types=kinds, without_closing=True))
    profit: dict[str, int] = defaultdict(int)
    for rows in of.values():
        for row in rows:
            profit[row.currency] += row.credit_minor - row.debit_minor
    return ProfitAndLoss(from_on, to_on, of[AccountType.INCOME], of[AccountType.EXPENSE], dict(sorted(profit.items())))


async def general_ledger(
    tx: Tx, *, from_on: date, to_on: date, limit: int | None = None, cursor: str | None = None
) -> GeneralLedger:
    """Accounts by code with the lines of the range; up to 500 lines each, then its own `next_cursor`.

    Raises: MalformedRange, MalformedCursor, ForeignCursor, LimitOutOfRange.
    """
    size = check_limit(limit)
    of = fingerprint("general_ledger", {"from_on": from_on, "to_on": to_on})
    last = None
    if cursor is not None:
        check_cursor(cursor, of)
        last = decode_cursor(cursor, str, str)[1]
    rows = await report_rows(tx, from_on=from_on, to_on=to_on, after=last, limit=size + 1)
    accounts = [
        await statement(tx, row.account_id, from_on=from_on, to_on=to_on, limit=LIMIT_MAX) for row in rows[:size]
    ]
    return GeneralLedger(from_on, to_on, accounts, encode_cursor(of, rows[size - 1].code) if len(rows) > size else None)


async def roll_up(tx: Tx, *, by: str, to_on: date, from_on: date | None = None) -> list[Rollup]:
    """Turnover by any property of the accounts, chosen now: nothing is replayed.

    `by` is type, branch, owner, currency, dimension:<name>, or parent (each account with children; its descendants are
    in its figures, so levels overlap). Accounts without the property have the key None.

    Raises: MalformedGrouping, MalformedRange.
    """
    kind, _, name = by.partition(":")
    if (kind == "dimension") != bool(name) or (kind != "dimension" and by not in _GROUPINGS) or "\0" in by:
        raise MalformedGrouping(by=by[:100])
    within = check_range(from_on, to_on, None, None)
    scope: dict[str, Any] = {"tenant": tx.tenant, "from_on": within.from_on or DATE_MIN, "to_on": within.to_on}
    if kind == "parent":
        rows = await tx.all(SQL.roll_up_tree, **scope)
    else:
        rows = await tx.all(SQL.roll_up, **scope, by=kind, name=name)
    return [
        Rollup(
            row.key if kind != "currency" else row.currency,
            row.currency,
            int(row.opening),
            int(row.debit),
            int(row.credit),
            int(row.opening) + int(row.debit) - int(row.credit),
            row.account_count,
        )
        for row in rows
    ]

"""The same reports as CSV (RFC 4180), in pieces of bounded size.

Every amount stands twice: as people write it, and in minor units. Text that a spreadsheet would run as a formula gets
an apostrophe in front (OWASP, CSV injection).
"""

import csv
import io
from collections.abc import AsyncIterator, Iterable, Sequence
from datetime import UTC, date, datetime
from uuid import UUID

from omniroute.infra.postgres import Tx
from omniroute.kit.currency import exponent
from omniroute.kit.ids import show
from omniroute.kit.money import decimal_text
from omniroute.ledger.reads import reports
from omniroute.ledger.reads.reports import ReportRow
from omniroute.ledger.reads.statements import (
    Frame,
    Position,
    StatementLine,
    after,
    check_range,
    find_frame,
    read_lines,
)

LINES_PER_PIECE = 1_000
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n")

_REPORT_HEAD = (
    "account", "name", "type", "currency", "normal_side", "opening", "debit", "credit", "closing",
    "opening_minor", "debit_minor", "credit_minor", "closing_minor",
)  # fmt: skip
_LINE_HEAD = (
    "account", "currency", "booked_at", "value_on", "original_on", "transaction", "leg", "kind", "reference",
    "debit", "credit", "balance", "debit_minor", "credit_minor", "balance_minor",
)  # fmt: skip


def text_cell(text: str | None) -> str:
    """Text of a user, safe to open in a spreadsheet."""
    if text is None:
        return ""
    return "'" + text if text.startswith(_FORMULA) else text


def _csv(rows: Iterable[Sequence[object]]) -> str:
    buffer = io.StringIO()
    csv.writer(buffer, lineterminator="\r\n").writerows(rows)
    return buffer.getvalue()


def _amounts(currency: str, *minor: int) -> list[object]:
    decimals = exponent(currency)
    return [*(decimal_text(amount, decimals) for amount in minor), *minor]


def _instant(at: datetime) -> str:
    return at.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")


def _report_row(row: ReportRow) -> list[object]:
    return [
        text_cell(row.code),
        text_cell(row.name),
        row.type.value,
        row.currency,
        row.normal_side.value,
        *_amounts(row.currency, row.opening_minor, row.debit_minor, row.credit_minor, row.closing_minor),
    ]


async def _report(rows: Sequence[ReportRow]) -> AsyncIterator[str]:
    yield _csv([_REPORT_HEAD])
    for start in range(0, len(rows), LINES_PER_PIECE):
        yield _csv([_report_row(row) for row in rows[start : start + LINES_PER_PIECE]])


async def trial_balance_csv(
    tx: Tx, *, to_on: date, from_on: date | None = None, currency: str | None = None
) -> AsyncIterator[str]:
    """The trial balance as CSV; the last lines are the totals of each currency.

    Raises: MalformedRange.
    """
    found = await reports.trial_balance(tx, to_on=to_on, from_on=from_on, currency=currency)
    async for piece in _report(found.rows):
        yield piece
    yield _csv(
        [
            ["", "total", "", code, "", "", *_amounts(code, t.debit_minor, t.credit_minor)[:2], "", "",
             t.debit_minor, t.credit_minor, ""]
            for code, t in found.totals.items()
        ]
    )  # fmt: skip


async def balance_sheet_csv(tx: Tx, *, on: date) -> AsyncIterator[str]:
    """The balance sheet as CSV; earnings not yet carried to equity are lines of their own.

    Raises: MalformedRange.
    """
    found = await reports.balance_sheet(tx, on=on)
    async for piece in _report([*found.assets, *found.liabilities, *found.equity]):
        yield piece
    yield _csv(
        [
            ["", "earnings", "equity", code, "credit", "", "", "", _amounts(code, amount)[0], "", "", "", amount]
            for code, amount in found.earnings.items()
        ]
    )


async def profit_and_loss_csv(tx: Tx, *, from_on: date, to_on: date) -> AsyncIterator[str]:
    """Profit and loss as CSV; the last lines are the profit of each currency.

    Raises: MalformedRange.
    """
    found = await reports.profit_and_loss(tx, from_on=from_on, to_on=to_on)
    async for piece in _report([*found.income, *found.expenses]):
        yield piece
    yield _csv(
        [
            ["", "profit", "", code, "credit", "", "", "", _amounts(code, amount)[0], "", "", "", amount]
            for code, amount in found.profit.items()
        ]
    )


def _line(frame: Frame, line: StatementLine) -> list[object]:
    debit = line.amount_minor if line.side.value == "debit" else 0
    return [
        text_cell(frame.account.code),
        frame.account.currency,
        _instant(line.booked_at),
        line.value_on.isoformat(),
        line.original_on.isoformat() if line.original_on else "",
        show("txn", line.transaction_id),
        line.leg,
        line.kind.label,
        text_cell(line.reference),
        *_amounts(frame.account.currency, debit, line.amount_minor - debit, line.balance_minor),
    ]


def _mark(frame: Frame, word: str, balance: int) -> list[object]:
    amounts = _amounts(frame.account.currency, frame.debit_minor, frame.credit_minor, balance)
    if word == "opening":
        amounts[0] = amounts[1] = amounts[3] = amounts[4] = ""
    return [text_cell(frame.account.code), frame.account.currency, "", "", "", "", "", word, "", *amounts]


async def _lines(tx: Tx, frame: Frame) -> AsyncIterator[str]:
    yield _csv([_mark(frame, "opening", frame.opening_minor)])
    at = Position(frame.opening_minor)
    while True:
        lines = await read_lines(tx, frame, at, LINES_PER_PIECE)
        if lines:
            yield _csv([_line(frame, line) for line in lines])
            at = after(lines[-1])
        if len(lines) < LINES_PER_PIECE:
            break
    yield _csv([_mark(frame, "closing", frame.closing_minor)])


async def statement_csv(
    tx: Tx,
    account: UUID,
    *,
    from_on: date | None = None,
    to_on: date | None = None,
    booked_from: datetime | None = None,
    booked_to: datetime | None = None,
) -> AsyncIterator[str]:
    """A whole statement as CSV, between an opening and a closing line.

    Raises: AccountNotFound, MalformedRange (at the first piece).
    """
    frame = await find_frame(tx, account, check_range(from_on, to_on, booked_from, booked_to))
    yield _csv([_LINE_HEAD])
    async for piece in _lines(tx, frame):
        yield piece


async def general_ledger_csv(tx: Tx, *, from_on: date, to_on: date) -> AsyncIterator[str]:
    """The general ledger as CSV: every account that moved until `to_on`, each like a statement.

    Raises: MalformedRange (at the first piece).
    """
    within = check_range(from_on, to_on, None, None)
    yield _csv([_LINE_HEAD])
    last: str | None = None
    while True:
        rows = await reports.report_rows(tx, from_on=from_on, to_on=to_on, after=last, limit=LINES_PER_PIECE)
        for row in rows:
            async for piece in _lines(tx, await find_frame(tx, row.account_id, within)):
                yield piece
        if len(rows) < LINES_PER_PIECE:
            return
        last = rows[-1].code

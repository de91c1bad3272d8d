"""Reading the books: balances now, as known then and as effective on a date; statements, reports and roll-ups.

Every figure is exact at the instant of its transaction, folded or not; read a whole report in a read-only one.
"""

from omniroute.ledger.reads.balances import HistoricBalance, find_balance
from omniroute.ledger.reads.documents import (
    balance_sheet_csv,
    general_ledger_csv,
    profit_and_loss_csv,
    statement_csv,
    trial_balance_csv,
)
from omniroute.ledger.reads.errors import InstantInFuture, MalformedGrouping, MalformedRange
from omniroute.ledger.reads.reports import (
    BalanceSheet,
    GeneralLedger,
    ProfitAndLoss,
    ReportRow,
    Rollup,
    SheetTotals,
    Totals,
    TrialBalance,
    balance_sheet,
    general_ledger,
    profit_and_loss,
    roll_up,
    trial_balance,
)
from omniroute.ledger.reads.statements import Statement, StatementLine, statement

__all__ = [
    "BalanceSheet",
    "GeneralLedger",
    "HistoricBalance",
    "InstantInFuture",
    "MalformedGrouping",
    "MalformedRange",
    "ProfitAndLoss",
    "ReportRow",
    "Rollup",
    "SheetTotals",
    "Statement",
    "StatementLine",
    "Totals",
    "TrialBalance",
    "balance_sheet",
    "balance_sheet_csv",
    "find_balance",
    "general_ledger",
    "general_ledger_csv",
    "profit_and_loss",
    "profit_and_loss_csv",
    "roll_up",
    "statement",
    "statement_csv",
    "trial_balance",
    "trial_balance_csv",
]

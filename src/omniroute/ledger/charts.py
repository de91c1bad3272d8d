"""Charts of accounts to begin with: what a platform, a merchant, a rider and a customer need, as typed lists.

Accounts that everybody moves (clearing, fees, taxes, floats at rails) are deferred: never locked, no limits. Wallets
are strict with a floor of 0. A chart is a beginning, not a bound: open further accounts as you need them.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from types import MappingProxyType
from uuid import UUID

from omniroute.infra.events import Meta
from omniroute.infra.postgres import Tx
from omniroute.kit.refusal import Kind, Refusal
from omniroute.ledger.accounts import OpenAccount, open_account
from omniroute.ledger.model import Account, AccountType, Mode


class UnknownTemplate(Refusal):
    """There is no chart of accounts with this name; choose platform, merchant, rider or customer."""

    code = "ledger.unknown_template"
    kind = Kind.NOT_FOUND


@dataclass(frozen=True, slots=True)
class ChartAccount:
    """One account of a chart. `parent` is the code of an account before it; `floor_minor` only on strict ones."""

    code: str
    name: str
    type: AccountType
    mode: Mode = Mode.STRICT
    parent: str | None = None
    floor_minor: int | None = None


def _group(code: str, name: str, kind: AccountType) -> ChartAccount:
    """An account that gathers others in roll-ups."""
    return ChartAccount(code, name, kind, Mode.DEFERRED)


def _hot(code: str, name: str, kind: AccountType, parent: str) -> ChartAccount:
    return ChartAccount(code, name, kind, Mode.DEFERRED, parent)


def _wallet(code: str, name: str, parent: str) -> ChartAccount:
    return ChartAccount(code, name, AccountType.LIABILITY, Mode.STRICT, parent, 0)


_A, _L, _Q, _I, _E = (
    AccountType.ASSET,
    AccountType.LIABILITY,
    AccountType.EQUITY,
    AccountType.INCOME,
    AccountType.EXPENSE,
)

TEMPLATES: Mapping[str, tuple[ChartAccount, ...]] = MappingProxyType(
    {
        "platform": (
            _group("assets", "Assets", _A),
            _hot("assets/rail-float", "Float at payment rails", _A, "assets"),
            _hot("assets/bank", "Cash at bank", _A, "assets"),
            _hot("assets/receivables", "Receivables", _A, "assets"),
            _group("liabilities", "Liabilities", _L),
            _hot("liabilities/clearing-in", "Collections being cleared", _L, "liabilities"),
            _hot("liabilities/clearing-out", "Payouts being cleared", _L, "liabilities"),
            _hot("liabilities/tax", "Taxes to be remitted", _L, "liabilities"),
            _hot("liabilities/unallocated", "Money of unknown owners", _L, "liabilities"),
            _group("equity", "Equity", _Q),
            ChartAccount("equity/capital", "Paid-in capital", _Q, parent="equity"),
            ChartAccount("equity/retained", "Retained earnings", _Q, parent="equity"),
            _group("income", "Income", _I),
            _hot("income/fees", "Fees earned", _I, "income"),
            _hot("income/commission", "Commission earned", _I, "income"),
            _group("expenses", "Expenses", _E),
            _hot("expenses/rail-fees", "Fees of payment rails", _E, "expenses"),
            _hot("expenses/losses", "Losses and write-offs", _E, "expenses"),
        ),
        "merchant": (
            _group("merchant", "Merchant", _L),
            _wallet("merchant/wallet", "Wallet", "merchant"),
            _wallet("merchant/reserve", "Reserve", "merchant"),
            _hot("merchant/sales", "Sales to be settled", _L, "merchant"),
            _hot("merchant/fees", "Fees owed", _A, "merchant"),
        ),
        "rider": (
            _group("rider", "Rider", _L),
            _wallet("rider/wallet", "Wallet", "rider"),
            _wallet("rider/earnings", "Earnings to be paid out", "rider"),
            ChartAccount("rider/cash", "Cash collected, to be handed in", _A, parent="rider", floor_minor=0),
        ),
        "customer": (
            _group("customer", "Customer", _L),
            _wallet("customer/wallet", "Wallet", "customer"),
            _wallet("customer/refunds", "Refunds to be claimed", "customer"),
        ),
    }
)


async def apply_template(
    tx: Tx,
    name: str,
    *,
    currency: str,
    prefix: str = "",
    owner_ref: str | None = None,
    branch_id: UUID | None = None,
    now: datetime,
    meta: Meta,
) -> list[Account]:
    """Open the accounts of a chart in one currency; again is the same. Codes are `prefix` + code + `.` + currency.

    Raises: UnknownTemplate, UnknownCurrency, MalformedAccount, AccountCodeTaken.
    """
    chart = TEMPLATES.get(name)
    if chart is None:
        raise UnknownTemplate(template=name[:64])
    ending = f".{currency.lower()}"
    return [
        await open_account(
            tx,
            OpenAccount(
                f"{prefix}{account.code}{ending}",
                account.name,
                account.type,
                currency,
                account.mode,
                parent=None if account.parent is None else f"{prefix}{account.parent}{ending}",
                branch_id=branch_id,
                owner_ref=owner_ref,
                dimensions={"chart": name},
                floor_minor=account.floor_minor,
            ),
            now=now,
            meta=meta,
        )
        for account in chart
    ]

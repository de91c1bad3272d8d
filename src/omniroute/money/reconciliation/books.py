"""What reconciliation does on the ledger: a difference is booked to a named account, never dropped.

the bank took more, or gave less        Dr account    Cr float of the connection
the bank took less, or gave more        Dr float      Cr account
the match is undone                     reversal
"""

from datetime import date, datetime
from uuid import UUID

from omniroute import ledger
from omniroute.infra.events import Meta
from omniroute.infra.postgres import Tx
from omniroute.kit.money import Money
from omniroute.ledger import Leg, Side
from omniroute.money import payments

FLOAT_LEG = 1
"""Which leg of a difference's posting is on the account of the connection."""


def differences(currency: str) -> str:
    """The account of roundings."""
    return f"reconciliation:differences:{currency}"


def fees(currency: str) -> str:
    """The account of what rails charge us."""
    return payments.rail_fees(currency)


async def open_accounts(tx: Tx, currency: str, *, now: datetime, meta: Meta) -> None:
    """The account of roundings, where there is none yet. That of fees comes with the first connection."""
    expense = ledger.AccountType.EXPENSE
    name = f"Differences in reconciliation {currency}"
    account = ledger.OpenAccount(differences(currency), name, expense, currency)
    await ledger.open_missing(tx, [account], now=now, meta=meta)


def difference(
    match_id: UUID, float_account_id: UUID, account_id: UUID, amount_minor: int, currency: str, *, meta: Meta
) -> ledger.Command:
    """The books move by as much as the bank moved beyond them: plus came in."""
    amount = Money(abs(amount_minor), currency)
    ours, other = (Side.DEBIT, Side.CREDIT) if amount_minor > 0 else (Side.CREDIT, Side.DEBIT)
    return ledger.post_transaction(
        [Leg(float_account_id, ours, amount), Leg(account_id, other, amount)],
        reference=f"reconciliation:{match_id}:difference",
        metadata={"match": str(match_id)},
        late=True,
        may_soft=True,
        meta=meta,
    )


async def take_back(tx: Tx, match_id: UUID, transaction_id: UUID, *, today: date, meta: Meta) -> None:
    """The posting of a difference, reversed. Raises: what the ledger refuses."""
    command = ledger.reverse_transaction(
        transaction_id,
        reference=f"reconciliation:{match_id}:undone",
        metadata={"match": str(match_id)},
        late=True,
        may_soft=True,
        meta=meta,
    )
    await ledger.post_one(tx, command, today=today)

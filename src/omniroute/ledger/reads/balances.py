"""Balances: now, as known at an instant, as effective on a date, or both."""

from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from uuid import UUID

from omniroute.infra.postgres import Tx, load
from omniroute.ledger.accounts import find_account, find_balances
from omniroute.ledger.errors import AccountNotFound
from omniroute.ledger.model import Account, Mode, Side
from omniroute.ledger.reads.errors import InstantInFuture

SQL = load("omniroute.ledger.reads")


@dataclass(frozen=True, slots=True)
class HistoricBalance:
    """A balance and what it takes into account, in minor units on the account's normal side.

    `available_minor` is None as effective on a date: holds have no value date. `version` is a strict account's.
    """

    account_id: UUID
    currency: str
    normal_side: Side
    posted_minor: int
    available_minor: int | None
    version: int | None
    booked_until: datetime | None
    value_until: date | None


def net(side: Side, debit: Decimal | int, credit: Decimal | int) -> int:
    """Debits less credits, as seen from a normal side. Sums arrive as exact decimals without a fraction."""
    difference = int(debit) - int(credit)
    return difference if side is Side.DEBIT else -difference


async def find_balance(
    tx: Tx, account: UUID, *, at: datetime | None = None, on: date | None = None, now: datetime
) -> HistoricBalance:
    """One account's balance: now; as known `at` an instant; as effective `on` a date (it included); or both.

    Raises: AccountNotFound, InstantInFuture.
    """
    if at is not None and at > now:
        raise InstantInFuture(at=at.isoformat(), now=now.isoformat())
    found = await find_account(tx, account)
    if at is None and on is None:
        balance = (await find_balances(tx, [account])).get(account)
        if balance is None:
            raise AccountNotFound()
        return _balance(found, balance.posted_minor, balance.available_minor, balance.version, None, None)
    if at is None:
        row = await tx.one(SQL.balance_on, tenant=tx.tenant, account=account, on=on)
        return _balance(found, net(found.normal_side, row.debit, row.credit), None, None, None, on)
    if on is not None:
        strict = found.mode is Mode.STRICT
        query = SQL.known_and_effective_strict if strict else SQL.known_and_effective_deferred
        row = await tx.one(query, tenant=tx.tenant, account=account, on=on, at=at)
        return _balance(found, net(found.normal_side, row.debit, row.credit), None, None, at, on)
    return await _as_known(tx, found, at)


async def _as_known(tx: Tx, found: Account, at: datetime) -> HistoricBalance:
    if found.mode is Mode.STRICT:
        row = await tx.one_or_none(SQL.strict_as_known, tenant=tx.tenant, account=found.account_id, at=at)
        if row is None:
            return _balance(found, 0, 0, 0, at, None)
        held = row.pending_credit_after if found.normal_side is Side.DEBIT else row.pending_debit_after
        return _balance(found, row.balance_after, row.balance_after - held, row.version, at, None)
    row = await tx.one(SQL.deferred_as_known, tenant=tx.tenant, account=found.account_id, at=at)
    posted = net(found.normal_side, row.posted_debit, row.posted_credit)
    held = int(row.pending_credit if found.normal_side is Side.DEBIT else row.pending_debit)
    return _balance(found, posted, posted - held, None, at, None)


def _balance(
    account: Account,
    posted: int,
    available: int | None,
    version: int | None,
    at: datetime | None,
    on: date | None,
) -> HistoricBalance:
    return HistoricBalance(
        account.account_id, account.currency, account.normal_side, posted, available, version, at, on
    )

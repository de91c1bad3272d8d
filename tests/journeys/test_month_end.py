"""A month end: reports, a soft close, a late item, the close, and the seal."""

from datetime import date, timedelta
from typing import Any

import pytest

from omniroute import ledger
from omniroute.infra.postgres import Database, Tx
from omniroute.ledger import AccountType, Mode, OpenAccount, Posted, periods, reads
from omniroute.ledger.periods.errors import PeriodTransition
from tests.journeys.story import Story, at, ngn

DAY = timedelta(days=1)


async def months(tx: Tx, book: Story) -> Any:
    """The shop works with calendar months. Where no period is defined, every date is open."""
    return await periods.create_months(tx, first=date(2026, 1, 1), months=2, now=book.now, meta=book.meta)


async def january(tx: Tx, book: Story) -> Any:
    """January in four postings. Each says on which day it counts: its value date."""
    entries = [
        (date(2026, 1, 2), "bank", "equity:capital", ngn(500_000_00)),
        (date(2026, 1, 5), "expense:rent", "bank", ngn(80_000_00)),
        (date(2026, 1, 20), "bank", "income:sales", ngn(240_000_00)),
        (date(2026, 1, 28), "expense:wages", "bank", ngn(95_000_00)),
    ]
    return await book.post(
        tx,
        *[
            ledger.post_transaction([book.debit(debit, amount), book.credit(credit, amount)], value_on=on)
            for on, debit, credit, amount in entries
        ],
    )


async def soft_close(tx: Tx, book: Story) -> Any:
    """On the first of February the month is soft-closed: from now on only those with the right to may post into it
    (over HTTP the permission `ledger.post_soft_closed`)."""
    return await periods.soft_close(tx, book.kept["2026-01"], meta=book.meta)


async def not_any_more(tx: Tx, book: Story) -> Any:
    """A clerk who is late finds it shut."""
    bill = ledger.post_transaction(
        [book.debit("expense:rent", ngn(1_000_00)), book.credit("bank", ngn(1_000_00))], value_on=date(2026, 1, 31)
    )
    return await book.post(tx, bill)


async def accountant(tx: Tx, book: Story) -> Any:
    """The accountant books the electricity of January, which came today."""
    bill = ledger.post_transaction(
        [book.debit("expense:power", ngn(12_500_00)), book.credit("payable:power", ngn(12_500_00))],
        value_on=date(2026, 1, 31),
        may_soft=True,
    )
    return await book.post(tx, bill)


async def trial_balance(tx: Tx, book: Story) -> Any:
    """The trial balance of January: what stood there before, what was booked on each side, and what stands there now.
    Debits and credits are equal."""
    return await reads.trial_balance(tx, from_on=date(2026, 1, 1), to_on=date(2026, 1, 31))


async def result(tx: Tx, book: Story) -> Any:
    """What January brought."""
    return await reads.profit_and_loss(tx, from_on=date(2026, 1, 1), to_on=date(2026, 1, 31))


async def close(tx: Tx, book: Story) -> Any:
    """The month is closed, and its result carried to retained earnings in the same transaction. The close waits for
    postings that are under way, and none lands after it."""
    return await periods.close(
        tx, book.kept["2026-01"], retained_earnings={"NGN": book.id("equity:retained")}, meta=book.meta
    )


async def sheet(tx: Tx, book: Story) -> Any:
    """The balance sheet: what the shop owns is what it owes and what is its own."""
    return await reads.balance_sheet(tx, on=date(2026, 1, 31))


async def refused(tx: Tx, book: Story) -> Any:
    """Now nobody posts into January, whatever their rights."""
    bill = ledger.post_transaction(
        [book.debit("expense:rent", ngn(1_000_00)), book.credit("bank", ngn(1_000_00))],
        value_on=date(2026, 1, 31),
        may_soft=True,
    )
    return await book.post(tx, bill)


async def late(tx: Tx, book: Story) -> Any:
    """What comes later still is booked as a late item: it counts on the first open day, and keeps the date it is
    about."""
    bill = ledger.post_transaction(
        [book.debit("expense:rent", ngn(1_000_00)), book.credit("bank", ngn(1_000_00))],
        value_on=date(2026, 1, 31),
        reference="bill-77",
        late=True,
    )
    (outcome,) = await book.post(tx, bill)
    return outcome


async def seal(tx: Tx, book: Story) -> Any:
    """When the auditor is content the month is sealed, for ever. The seal holds a hash of the month's turnover and of
    the seal before it, so that no later change of it can go unseen."""
    return await periods.seal(tx, book.kept["2026-01"], meta=book.meta)


async def test_month_end(app_db: Database) -> None:
    book = Story(app_db, "month-end", "Recipe: a month end", starts_at=at(2026, 1, 1))
    book.say(
        """A shop closes its January: it looks at the figures, adds what came late, and makes sure that they never
        change again."""
    )
    await book.open(
        OpenAccount("bank", "Bank", AccountType.ASSET, "NGN", Mode.DEFERRED),
        OpenAccount("payable:power", "Electricity we owe", AccountType.LIABILITY, "NGN"),
        OpenAccount("equity:capital", "Paid-in capital", AccountType.EQUITY, "NGN"),
        OpenAccount("equity:retained", "Retained earnings", AccountType.EQUITY, "NGN"),
        OpenAccount("income:sales", "Sales", AccountType.INCOME, "NGN", Mode.DEFERRED),
        OpenAccount("expense:rent", "Rent", AccountType.EXPENSE, "NGN"),
        OpenAccount("expense:wages", "Wages", AccountType.EXPENSE, "NGN"),
        OpenAccount("expense:power", "Electricity", AccountType.EXPENSE, "NGN"),
    )
    book.heading("The month")
    for period in await book.step(months, show=False):
        book.kept[period.name] = period.period_id
    await book.step(january, after=30 * DAY)
    book.heading("Soft close")
    await book.step(soft_close, after=DAY, show=False)
    (shut,) = await book.step(not_any_more)
    assert shut.refusal.code == "ledger.period_soft_closed"
    await book.step(accountant, show=False)
    book.heading("The figures")
    found = await book.step(trial_balance, show=False)
    assert found.totals["NGN"].debit_minor == found.totals["NGN"].credit_minor == 927_500_00
    profit = (await book.step(result, show=False)).profit
    assert profit == {"NGN": 52_500_00}
    book.heading("Close")
    await book.step(close, after=2 * DAY)
    closed = await book.step(sheet, show=False)
    totals = closed.totals["NGN"]
    assert totals.assets_minor == totals.liabilities_minor + totals.equity_minor + totals.earnings_minor == 565_000_00
    (shut,) = await book.step(refused)
    assert shut.refusal.code == "ledger.period_closed"
    booked = await book.step(late, show=False)
    assert isinstance(booked, Posted)
    assert (booked.transaction.value_on, booked.transaction.original_on) == (date(2026, 2, 1), date(2026, 1, 31))
    book.heading("Seal")
    await book.step(seal, after=30 * DAY, show=False)
    async with app_db.tx(book.tenant_id) as tx:
        with pytest.raises(PeriodTransition):
            await periods.reopen(tx, book.kept["2026-01"], meta=book.meta)
    book.finish()

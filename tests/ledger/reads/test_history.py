"""Balances at an instant and on a date, statements and reports, against a plain fold of what was booked."""

import csv
import io
import random
from datetime import UTC, date, datetime, timedelta

import pytest

from omniroute import ledger
from omniroute.infra.events import Meta
from omniroute.infra.postgres import Database
from omniroute.kit.clock import FixedClock
from omniroute.ledger import AccountType, Side, folding, reads
from omniroute.ledger.errors import AccountNotFound
from tests.ledger.makers import Books, make_ledger, ngn

START = datetime(2026, 1, 1, 8, 0, tzinfo=UTC)
NOW = datetime(2026, 6, 1, tzinfo=UTC)
DAY = date(2026, 1, 1)
CODES = ("cash", "float", "fees", "ada", "open")
NORMAL = {"cash": 1, "float": 1, "fees": -1, "ada": -1, "open": -1}


class History:
    """What was booked: (booked_at, value_on, code, signed debit, held)."""

    def __init__(self) -> None:
        self.entries: list[tuple[datetime, date, str, int, bool]] = []

    def add(self, transaction: ledger.Transaction, names: dict[object, str]) -> None:
        for entry in transaction.entries:
            sign = 1 if entry.side is Side.DEBIT else -1
            row = (
                transaction.booked_at,
                transaction.value_on,
                names[entry.account_id],
                sign * entry.amount.amount_minor,
                entry.held,
            )
            self.entries.append(row)

    def posted(self, code: str, *, at: datetime = NOW, first: date = date.min, last: date = date.max) -> int:
        return NORMAL[code] * sum(
            e[3] for e in self.entries if e[2] == code and not e[4] and e[0] <= at and first <= e[1] <= last
        )

    def held_out(self, code: str, *, at: datetime = NOW) -> int:
        return sum(
            abs(e[3]) if e[3] * -NORMAL[code] > 0 else 0 for e in self.entries if e[2] == code and e[4] and e[0] <= at
        )


@pytest.fixture(scope="module")
async def written(app_db: Database, worker_db: Database) -> tuple[Books, History]:
    """Two hundred transfers and some holds over five months, value dates before and after, folded now and then."""
    books = await make_ledger(app_db)
    names: dict[object, str] = {books.id(code): code for code in CODES}
    chance = random.Random(7)
    history = History()
    at = START
    for i in range(200):
        at += timedelta(hours=chance.randint(1, 30))
        a, b = chance.sample(CODES[:3] + CODES[4:], 2) if i % 2 else ("cash", "ada")
        day = DAY + timedelta(days=chance.randint(-10, 170))
        if i % 9 == 0:
            command = books.hold("cash", "open", ngn(chance.randint(1, 50)), value_on=day)
        else:
            command = books.transfer(a, b, ngn(chance.randint(1, 10_000)), value_on=day, reference=f"=r{i}")
        (transaction,) = await books.posted(command, at=at)
        history.add(transaction, names)
        if i in (40, 41, 120):
            await folding.fold(worker_db, limit=7 if i == 40 else 10_000)
        if i == 100:
            await folding.snapshot(worker_db, clock=FixedClock(at))
    return books, history


async def test_as_known_is_the_fold_of_what_was_booked(written: tuple[Books, History]) -> None:
    books, history = written
    async with books.db.tx(books.tenant_id, readonly=True) as tx:
        for code in CODES:
            for days in (0, 1, 33, 34.5, 80, 140, 400):
                at = min(START + timedelta(days=days), NOW)
                found = await reads.find_balance(tx, books.id(code), at=at, now=NOW)
                assert found.posted_minor == history.posted(code, at=at)
                assert found.available_minor == history.posted(code, at=at) - history.held_out(code, at=at)
            present = await reads.find_balance(tx, books.id(code), now=NOW)
            assert present.posted_minor == history.posted(code)


async def test_the_instant_of_an_entry_is_included(written: tuple[Books, History]) -> None:
    books, history = written
    async with books.db.tx(books.tenant_id, readonly=True) as tx:
        for booked_at, _, code, _, _ in history.entries[::37]:
            for at in (booked_at, booked_at - timedelta(microseconds=1)):
                found = await reads.find_balance(tx, books.id(code), at=at, now=NOW)
                assert found.posted_minor == history.posted(code, at=at)


async def test_as_effective_is_the_fold_by_value_date(written: tuple[Books, History]) -> None:
    books, history = written
    async with books.db.tx(books.tenant_id, readonly=True) as tx:
        for code in CODES:
            for days in (-20, -3, 0, 50, 170, 900):
                on = DAY + timedelta(days=days)
                found = await reads.find_balance(tx, books.id(code), on=on, now=NOW)
                assert (found.posted_minor, found.available_minor) == (history.posted(code, last=on), None)
                at = START + timedelta(days=60)
                both = await reads.find_balance(tx, books.id(code), on=on, at=at, now=NOW)
                assert both.posted_minor == history.posted(code, at=at, last=on)


async def test_a_future_instant_and_an_unknown_account_are_refused(written: tuple[Books, History]) -> None:
    books, _ = written
    async with books.db.tx(books.tenant_id, readonly=True) as tx:
        with pytest.raises(reads.InstantInFuture):
            await reads.find_balance(tx, books.id("ada"), at=NOW + timedelta(seconds=1), now=NOW)
        for how in ({}, {"at": NOW}, {"on": DAY}):
            with pytest.raises(AccountNotFound):
                await reads.find_balance(tx, books.id("nobody"), now=NOW, **how)
        with pytest.raises(reads.MalformedRange):
            await reads.statement(tx, books.id("ada"), from_on=DAY, booked_to=NOW)
        with pytest.raises(reads.MalformedRange):
            await reads.statement(tx, books.id("ada"), from_on=DAY, to_on=DAY - timedelta(days=1))


@pytest.mark.parametrize("by", ["value", "booking", "all"])
@pytest.mark.parametrize("code", CODES)
async def test_a_statement_runs_from_opening_to_closing(written: tuple[Books, History], code: str, by: str) -> None:
    books, history = written
    first, last = DAY + timedelta(days=30), DAY + timedelta(days=90)
    after, before = START + timedelta(days=30), START + timedelta(days=90)
    how = {"value": {"from_on": first, "to_on": last}, "booking": {"booked_from": after, "booked_to": before}}
    mine = [e for e in history.entries if e[2] == code and not e[4]]
    expected = {
        "value": [e for e in mine if first <= e[1] <= last],
        "booking": [e for e in mine if after <= e[0] < before],
        "all": mine,
    }[by]
    opening = {
        "value": history.posted(code, last=first - timedelta(days=1)),
        "booking": history.posted(code, at=after - timedelta(microseconds=1)),
        "all": 0,
    }[by]
    lines: list[reads.StatementLine] = []
    cursor = None
    async with books.db.tx(books.tenant_id, readonly=True) as tx:
        while True:
            page = await reads.statement(tx, books.id(code), **how.get(by, {}), limit=7, cursor=cursor)  # type: ignore[arg-type]
            assert page.opening_minor == opening
            lines += page.lines
            cursor = page.next_cursor
            if cursor is None:
                break
    running = opening
    assert len(lines) == len(expected) > 0
    for line, entry in zip(lines, expected, strict=True):
        running += NORMAL[code] * entry[3]
        assert (line.booked_at, line.value_on, line.balance_minor) == (entry[0], entry[1], running)
    assert page.closing_minor == running


async def test_reports_balance_and_agree(written: tuple[Books, History]) -> None:
    books, history = written
    first, last = DAY + timedelta(days=30), DAY + timedelta(days=90)
    async with books.db.tx(books.tenant_id, readonly=True) as tx:
        trial = await reads.trial_balance(tx, from_on=first, to_on=last)
        sheet = await reads.balance_sheet(tx, on=last)
        result = await reads.profit_and_loss(tx, from_on=first, to_on=last)
        book = await reads.general_ledger(tx, from_on=first, to_on=last, limit=2)
        by_type = await reads.roll_up(tx, by="type", from_on=first, to_on=last)
        with pytest.raises(reads.MalformedGrouping):
            await reads.roll_up(tx, by="dimension:", to_on=last)
    rows = {row.code: row for row in trial.rows}
    for code in CODES:
        assert rows[code].opening_minor == history.posted(code, last=first - timedelta(days=1))
        assert rows[code].closing_minor == history.posted(code, last=last)
    totals = trial.totals["NGN"]
    assert totals.debit_minor == totals.credit_minor > 0
    assert totals.closing_debit_minor == totals.closing_credit_minor
    found = sheet.totals["NGN"]
    assert found.assets_minor == found.liabilities_minor + found.equity_minor + found.earnings_minor
    assert found.earnings_minor == history.posted("fees", last=last)
    assert result.profit == {"NGN": history.posted("fees", first=first, last=last)}
    assert [page.account.code for page in book.accounts] == ["ada", "cash"]
    assert book.next_cursor is not None
    assert sum(row.closing_minor for row in by_type if row.currency == "NGN") == 0


async def test_csv_is_complete_and_inert(written: tuple[Books, History]) -> None:
    books, history = written
    async with books.db.tx(books.tenant_id, readonly=True) as tx:
        text = "".join([piece async for piece in reads.statement_csv(tx, books.id("ada"))])
        whole = "".join([piece async for piece in reads.general_ledger_csv(tx, from_on=DAY, to_on=date(2026, 9, 1))])
        trial = "".join([piece async for piece in reads.trial_balance_csv(tx, to_on=date(2026, 9, 1))])
        sheet = "".join([piece async for piece in reads.balance_sheet_csv(tx, on=date(2026, 9, 1))])
        result = "".join([piece async for piece in reads.profit_and_loss_csv(tx, from_on=DAY, to_on=date(2026, 9, 1))])
    rows = list(csv.DictReader(io.StringIO(text, newline="")))
    mine = [e for e in history.entries if e[2] == "ada" and not e[4]]
    assert len(rows) == len(mine) + 2
    assert rows[1]["reference"].startswith("'=r")
    assert int(rows[-1]["balance_minor"]) == history.posted("ada")
    assert rows[-1]["balance"].replace(".", "") == rows[-1]["balance_minor"]
    assert text.endswith("\r\n")
    for other in (whole, trial, sheet, result):
        parsed = list(csv.reader(io.StringIO(other, newline="")))
        assert len({len(row) for row in parsed}) == 1
        assert len(parsed) > 2


async def test_roll_up_by_owner_dimension_and_tree(app_db: Database) -> None:
    books = await make_ledger(app_db)
    async with books.db.tx(books.tenant_id) as tx:
        for code, parent, owner, region in (
            ("group", None, None, None),
            ("group:a", "group", "m1", "lagos"),
            ("group:b", "group:a", "m2", "kano"),
        ):
            command = ledger.OpenAccount(
                code,
                code,
                AccountType.LIABILITY,
                "NGN",
                parent=parent,
                owner_ref=owner,
                dimensions={"region": region} if region else {},
            )
            await ledger.open_account(tx, command, now=NOW, meta=Meta(actor="usr_test"))
    await books.posted(
        books.transfer("cash", "group:a", ngn(100), value_on=DAY),
        books.transfer("cash", "group:b", ngn(23), value_on=DAY),
    )
    async with books.db.tx(books.tenant_id, readonly=True) as tx:
        tree = {r.key: r.closing_minor for r in await reads.roll_up(tx, by="parent", to_on=DAY)}
        owners = {r.key: r.closing_minor for r in await reads.roll_up(tx, by="owner", to_on=DAY) if r.key}
        regions = {r.key: r.closing_minor for r in await reads.roll_up(tx, by="dimension:region", to_on=DAY) if r.key}
    assert tree == {"group": -123, "group:a": -123}
    assert owners == {"m1": -100, "m2": -23}
    assert regions == {"lagos": -100, "kano": -23}

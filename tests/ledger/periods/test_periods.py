"""Periods: who may still post where, racing closers, closing entries and seals."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import date
from hashlib import sha256

import psycopg
import pytest

from omniroute.infra.events import Meta
from omniroute.infra.postgres import Database
from omniroute.ledger import AccountType, periods, reads
from omniroute.ledger.errors import UnknownAccount
from omniroute.ledger.periods import Period, PeriodStatus
from tests.ledger.makers import NOW, Books, codes, make_ledger, ngn, only, state

META = Meta(actor="usr_controller", channel="test")
JANUARY, FEBRUARY, MARCH = date(2026, 1, 15), date(2026, 2, 15), date(2026, 3, 15)


@pytest.fixture
async def books(app_db: Database) -> Books:
    return await make_ledger(app_db)


async def _months(books: Books, months: int = 3) -> list[Period]:
    async with books.db.tx(books.tenant_id) as tx:
        return await periods.create_months(tx, first=JANUARY, months=months, now=NOW, meta=META)


async def _do(books: Books, change: Callable[..., Awaitable[Period]], period: Period, **options: object) -> Period:
    async with books.db.tx(books.tenant_id) as tx:
        return await change(tx, period.period_id, meta=META, **options)


async def test_months_lie_end_to_end_and_do_not_overlap(books: Books, owner_db: Database) -> None:
    january, february, _ = await _months(books)
    assert (january.name, january.starts_on, january.ends_on) == ("2026-01", date(2026, 1, 1), date(2026, 1, 31))
    assert (february.starts_on, february.ends_on) == (date(2026, 2, 1), date(2026, 2, 28))
    before = await state(owner_db, books.tenant_id)
    with pytest.raises(periods.PeriodOverlap):
        await _months(books, months=1)
    with pytest.raises(periods.MalformedPeriod):
        async with books.db.tx(books.tenant_id) as tx:
            await periods.create_period(tx, name="x", starts_on=MARCH, ends_on=JANUARY, now=NOW, meta=META)
    assert await state(owner_db, books.tenant_id) == before
    async with books.db.tx(books.tenant_id) as tx:
        page = await periods.list_periods(tx, limit=2)
        rest = await periods.list_periods(tx, limit=2, cursor=page.next_cursor)
    assert [p.name for p in page.items + rest.items] == ["2026-01", "2026-02", "2026-03"]


async def test_a_soft_closed_period_is_for_those_who_may(books: Books) -> None:
    january, *_ = await _months(books)
    await _do(books, periods.soft_close, january)
    ordinary = books.transfer("cash", "ada", ngn(5), value_on=JANUARY)
    allowed = books.transfer("cash", "ada", ngn(5), value_on=JANUARY, may_soft=True)
    assert codes(await books.post(ordinary, allowed)) == ["ledger.period_soft_closed", "booked"]
    assert await books.available("ada") == 5
    await _do(books, periods.reopen, january)
    assert codes(await books.post(ordinary)) == ["booked"]


async def test_a_closed_period_takes_nothing_and_late_items_move_on(books: Books) -> None:
    january, february, _ = await _months(books)
    await _do(books, periods.close, january)
    await _do(books, periods.close, february)
    late = books.transfer("cash", "ada", ngn(5), value_on=JANUARY, late=True)
    refused = books.transfer("cash", "ada", ngn(5), value_on=JANUARY, may_soft=True)
    booked, outcome = await books.post(late, refused)
    moved = only([booked])
    assert codes([outcome]) == ["ledger.period_closed"]
    assert (moved.value_on, moved.original_on) == (date(2026, 3, 1), JANUARY)
    assert await books.available("ada") == 5
    await _do(books, periods.reopen, january, reason="a forgotten invoice")
    assert codes(await books.post(refused)) == ["booked"]


async def test_ways_that_do_not_exist_are_refused(books: Books, owner_db: Database) -> None:
    january, february, _ = await _months(books)
    await _do(books, periods.close, january)
    await _do(books, periods.close, february)
    before = await state(owner_db, books.tenant_id)
    for change, period, refusal in (
        (periods.close, january, periods.PeriodTransition),
        (periods.seal, february, periods.PeriodOutOfOrder),
    ):
        with pytest.raises(refusal):
            await _do(books, change, period)
    with pytest.raises(periods.PeriodChanged):
        await _do(books, periods.seal, january, revision=1)
    assert await state(owner_db, books.tenant_id) == before
    sealed = await _do(books, periods.seal, january, revision=2)
    assert sealed.status is PeriodStatus.SEALED
    for change in (periods.reopen, periods.soft_close, periods.close, periods.seal):
        with pytest.raises(periods.PeriodTransition):
            await _do(books, change, january)


async def test_another_tenant_does_not_see_the_period(books: Books, app_db: Database) -> None:
    january, *_ = await _months(books)
    other = await make_ledger(app_db)
    with pytest.raises(periods.PeriodNotFound):
        await _do(other, periods.close, january)
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        async with app_db.tx(other.tenant_id) as tx:
            await tx.connection.execute(
                "SELECT ledger_set_period(%s, %s, 'closed', NULL)", [books.tenant_id, january.period_id]
            )
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        async with app_db.tx(books.tenant_id) as tx:
            await tx.connection.execute("UPDATE ledger_period SET status = 'closed'")


async def test_a_seal_stands_for_the_turnover_and_the_seal_before(books: Books) -> None:
    january, february, _ = await _months(books)
    await books.posted(books.transfer("cash", "ada", ngn(700), value_on=JANUARY))
    for period in (january, february):
        await _do(books, periods.close, period)
    first = await _do(books, periods.seal, january)
    second = await _do(books, periods.seal, february)
    lines = sorted([(str(books.id("cash")), "700|0"), (str(books.id("ada")), "0|700")])
    root = sha256(b"".join(sha256(f"{a}|{t}".encode()).digest() for a, t in lines)).digest()
    head = f"omniroute seal 1|{books.tenant_id}|{january.period_id}|2026-01-01|2026-01-31|".encode()
    assert first.state_hash == sha256(head + root).digest()
    head = f"omniroute seal 1|{books.tenant_id}|{february.period_id}|2026-02-01|2026-02-28|".encode()
    assert second.state_hash == sha256(head + first.state_hash + sha256(b"").digest()).digest()


async def test_closing_entries_carry_the_result_and_leave_profit_and_loss_as_it_was(books: Books) -> None:
    await books.open("retained", AccountType.EQUITY)
    january, *_ = await _months(books)
    await books.posted(
        books.transfer("cash", "revenue", ngn(900), value_on=JANUARY),
        books.transfer("cash", "fees", ngn(45), value_on=JANUARY),
        books.transfer("cash", "revenue", ngn(7), value_on=FEBRUARY),
    )
    month = {"from_on": january.starts_on, "to_on": january.ends_on}
    async with books.db.tx(books.tenant_id) as tx:
        before = await reads.profit_and_loss(tx, **month)
    with pytest.raises(UnknownAccount):
        await _do(books, periods.close, january, retained_earnings={})
    await _do(books, periods.close, january, retained_earnings={"NGN": books.id("retained")})
    async with books.db.tx(books.tenant_id) as tx:
        after = await reads.profit_and_loss(tx, **month)
        sheet = await reads.balance_sheet(tx, on=january.ends_on)
        later = await reads.balance_sheet(tx, on=MARCH)
    assert after == before
    assert after.profit == {"NGN": 945}
    assert (sheet.totals["NGN"].equity_minor, sheet.totals["NGN"].earnings_minor) == (945, 0)
    assert (later.totals["NGN"].equity_minor, later.totals["NGN"].earnings_minor) == (945, 7)


async def test_no_entry_lands_in_a_closed_period_while_closers_race_posters(books: Books, owner_db: Database) -> None:
    january, *_ = await _months(books)
    ends = asyncio.Event()
    seen: set[str] = set()

    async def poster(debit: str, credit: str) -> None:
        while not ends.is_set():
            seen.update(codes(await books.post(books.transfer(debit, credit, ngn(1), value_on=JANUARY))))

    async def closer() -> None:
        for _ in range(6):
            await asyncio.sleep(0.03)
            await _do(books, periods.close, january)
            await asyncio.sleep(0.03)
            await _do(books, periods.reopen, january)
            await _do(books, periods.reopen, january)
        await _do(books, periods.close, january)
        await asyncio.sleep(0.05)
        ends.set()

    await asyncio.gather(poster("cash", "ada"), poster("float", "fees"), poster("cash", "ben"), closer())
    assert seen == {"booked", "ledger.period_closed", "ledger.period_soft_closed"} or seen == {
        "booked",
        "ledger.period_closed",
    }
    async with owner_db.connection() as connection:
        late = await connection.execute(
            "SELECT count(*) FROM ledger_entry e JOIN ledger_period_closing c USING (tenant_id)"
            " WHERE e.tenant_id = %s AND e.booked_at >= c.closed_at",
            [books.tenant_id],
        )
        assert (await late.fetchone())[0] == 0  # type: ignore[index]  # count(*) has a row
        kept = await connection.execute(
            "SELECT sum(debit_minor) AS debit, sum(credit_minor) AS credit,"
            " (SELECT count(*) / 2 FROM ledger_entry WHERE tenant_id = %s)"
            " FROM ledger_period_turnover WHERE tenant_id = %s",
            [books.tenant_id, books.tenant_id],
        )
        debit, credit, booked = await kept.fetchone()  # type: ignore[misc]  # sums have a row
    assert debit == credit == booked > 0

"""Exchange: exact conversion for every exponent, average cost to the unit, and one booking a quote."""

import asyncio
from datetime import timedelta
from fractions import Fraction
from uuid import UUID

import psycopg
import pytest
from hypothesis import given
from hypothesis import strategies as st

from omniroute.infra.postgres import Database
from omniroute.kit.currency import exponent
from omniroute.kit.money import Money, Rounding
from omniroute.ledger import AccountType, checking, fx, reads
from omniroute.ledger.errors import DuplicateReference, InsufficientFunds
from omniroute.ledger.fx.positions import Position, Traded, trade
from tests.ledger.makers import META, NOW, TODAY, Books, make_ledger, ngn, state

CURRENCIES = st.sampled_from(["UGX", "NGN", "TND", "USD"])
RATES = st.builds(lambda whole, part: f"{whole}.{part:06d}", st.integers(0, 10**6), st.integers(1, 999_999))


@given(st.integers(1, 2**40), CURRENCIES, CURRENCIES, RATES, st.sampled_from(Rounding))
def test_a_conversion_is_the_exact_product_rounded_as_named(
    amount: int, base: str, to: str, rate: str, rounding: Rounding
) -> None:
    exact = Fraction(amount, 10 ** exponent(base)) * Fraction(rate) * 10 ** exponent(to)
    made = fx.convert(Money(amount, base), to, Fraction(rate), rounding=rounding).amount_minor
    assert abs(made - exact) < 1
    if rounding in (Rounding.HALF_EVEN, Rounding.HALF_UP):
        assert abs(made - exact) <= Fraction(1, 2)
    if rounding in (Rounding.DOWN, Rounding.FLOOR):
        assert made <= exact
    if rounding is Rounding.CEILING:
        assert made >= exact


@given(st.lists(st.tuples(st.integers(-(10**12), 10**12).filter(bool), st.integers(0, 10**14)), max_size=30))
def test_a_position_loses_no_unit(trades: list[tuple[int, int]]) -> None:
    position = Position(0, 0)
    paid = realised = 0
    for quantity, value in trades:
        made = trade(position, quantity, value)
        position, realised = made.after, realised + made.realised_minor
        paid += value if quantity > 0 else -value
        # What was paid net is in the cost of what is open, or was realised.
        assert position.cost_minor - realised == paid
        assert position.quantity_minor != 0 or position.cost_minor == 0
    closing = trade(position, -position.quantity_minor, 0) if position.quantity_minor else None
    assert closing is None or closing.after == Position(0, 0)


def test_average_cost_by_hand() -> None:
    first = trade(Position(0, 0), 100, 150_000)
    second = trade(first.after, 100, 170_000)
    sold = trade(second.after, -50, 85_000)
    assert sold == Traded(Position(150, 240_000), 5_000)
    through_zero = trade(sold.after, -300, 480_000)
    assert through_zero == Traded(Position(-150, -240_000), 0)


@pytest.fixture
async def books(app_db: Database) -> Books:
    """Ada has 100,000.00 NGN and an empty wallet in USD and in KES; the dollar is at 1,500.25."""
    made = await make_ledger(app_db)
    await made.open("ada.usd", currency="USD", floor=0)
    await made.open("bank.usd", AccountType.ASSET, currency="USD")
    await made.posted(made.transfer("cash", "ada", ngn(100_000_00)))
    await _rate(made, "USD", "NGN", "1500.25")
    return made


async def _rate(books: Books, base: str, quote: str, rate: str, *, days: int = 0) -> fx.Rate:
    async with books.db.tx(books.tenant_id) as tx:
        return await fx.record_rate(
            tx,
            base=base,
            quote=quote,
            rate=rate,
            valid_from=NOW + timedelta(days=days),
            source="central bank",
            now=NOW,
            meta=META,
        )


async def _quote(books: Books, sell: Money, buy: str, **options: object) -> fx.Quote:
    async with books.db.tx(books.tenant_id) as tx:
        return await fx.quote(tx, sell=sell, buy_currency=buy, now=NOW, meta=META, **options)  # type: ignore[arg-type]


async def _exchange(books: Books, quote_id: UUID, debit: str, credit: str, *, late_s: int = 1) -> fx.Exchange:
    async with books.db.tx(books.tenant_id) as tx:
        return await fx.exchange(
            tx,
            quote_id=quote_id,
            from_account=books.id(debit),
            to_account=books.id(credit),
            functional="NGN",
            now=NOW + timedelta(seconds=late_s),
            today=TODAY,
            meta=META,
        )


async def test_there_and_back_realises_the_difference(books: Books, worker_db: Database) -> None:
    bought = await _quote(books, ngn(30_005_00), "USD")
    assert bought.buy == Money(20_00, "USD")
    first = await _exchange(books, bought.quote_id, "ada", "ada.usd")
    assert first.realised_minor == 0
    await _rate(books, "USD", "NGN", "1600", days=-1)
    await _rate(books, "USD", "NGN", "1450", days=0)
    back = await _quote(books, Money(5_00, "USD"), "NGN")
    assert back.buy == ngn(7_250_00)
    second = await _exchange(books, back.quote_id, "ada.usd", "ada")
    # We were short 20 dollars for 30,005 naira; 5 of them cost 7,501.25 and were bought back for 7,250.
    assert second.realised_minor == 251_25
    assert (await books.balance("fx/USD")).posted_minor == -15_00
    assert (await books.balance("fx/USD/NGN")).posted_minor == -22_503_75
    assert (await books.balance("fx/result/NGN")).posted_minor == 251_25
    async with books.db.tx(books.tenant_id, readonly=True) as tx:
        trial = await reads.trial_balance(tx, to_on=TODAY)
    assert all(total.debit_minor == total.credit_minor for total in trial.totals.values())
    assert [finding async for finding in checking.check(worker_db, books.tenant_id)] == []


async def test_between_two_foreign_currencies_both_positions_move(books: Books) -> None:
    await _rate(books, "USD", "KES", "129.5")
    await books.posted(books.transfer("bank.usd", "ada.usd", Money(10_00, "USD")))
    quote = await _quote(books, Money(10_00, "USD"), "KES")
    made = await _exchange(books, quote.quote_id, "ada.usd", "ada.kes")
    assert made.realised_minor == 0
    assert (await books.balance("ada.kes")).posted_minor == 1_295_00
    assert (await books.balance("fx/USD/NGN")).posted_minor == 15_002_50
    assert (await books.balance("fx/KES/NGN")).posted_minor == -15_002_50


async def test_a_quote_is_used_once_however_often_it_is_sent(books: Books) -> None:
    quote = await _quote(books, ngn(1_500_25), "USD")
    made = await asyncio.gather(*[_exchange(books, quote.quote_id, "ada", "ada.usd") for _ in range(5)])
    assert len({exchange.transaction.transaction_id for exchange in made}) == 1
    assert sum(not exchange.replayed for exchange in made) == 1
    late = await _exchange(books, quote.quote_id, "ada", "ada.usd", late_s=3_600)
    assert late.replayed
    assert await books.available("ada.usd") == 1_00
    with pytest.raises(DuplicateReference):
        await _exchange(books, quote.quote_id, "ben", "ada.usd")


async def test_what_cannot_be_exchanged_moves_nothing(books: Books, owner_db: Database) -> None:
    quote = await _quote(books, ngn(1_500_25), "USD")
    before = await state(owner_db, books.tenant_id)
    with pytest.raises(fx.QuoteExpired):
        await _exchange(books, quote.quote_id, "ada", "ada.usd", late_s=60)
    with pytest.raises(InsufficientFunds):
        await _exchange(books, quote.quote_id, "ben", "ada.usd")
    with pytest.raises(fx.QuoteNotFound):
        await _exchange(books, books.tenant_id, "ada", "ada.usd")
    with pytest.raises(fx.RateNotFound):
        await _quote(books, ngn(100), "GHS")
    with pytest.raises(fx.AmountTooSmall):
        await _quote(books, ngn(1), "USD")
    with pytest.raises(fx.SameCurrency):
        await _quote(books, ngn(1), "NGN")
    for rate in ("0", "1.5e3", "-1", "1,5", "", "0.0000000000000000001"):
        with pytest.raises(fx.MalformedRate):
            await _rate(books, "USD", "NGN", rate)
    assert await state(owner_db, books.tenant_id) == before


async def test_rates_are_kept_with_their_history(books: Books, app_db: Database) -> None:
    await _rate(books, "USD", "NGN", "1400", days=-10)
    async with books.db.tx(books.tenant_id) as tx:
        assert (await fx.find_rate(tx, "NGN", "USD", at=NOW)).rate == Fraction("1500.25")
        assert (await fx.find_rate(tx, "USD", "NGN", at=NOW - timedelta(days=1))).rate == 1400
        with pytest.raises(fx.RateNotFound):
            await fx.find_rate(tx, "USD", "NGN", at=NOW - timedelta(days=11))
        page = await fx.list_rates(tx, base="USD", limit=1)
        rest = await fx.list_rates(tx, base="USD", limit=1, cursor=page.next_cursor)
    assert [rate.rate_text for rate in page.items + rest.items] == ["1400", "1500.25"]
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        async with app_db.tx(books.tenant_id) as tx:
            await tx.connection.execute("UPDATE ledger_rate SET rate = '1'")

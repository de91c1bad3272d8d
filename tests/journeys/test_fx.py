"""Foreign exchange: rates, a quote, an exchange in one transaction, and what it earned."""

from datetime import timedelta
from typing import Any

import pytest

from omniroute import ledger
from omniroute.infra.postgres import Database, Tx
from omniroute.kit.money import Money
from omniroute.ledger import AccountType, Mode, OpenAccount, fx
from omniroute.ledger.fx.errors import QuoteExpired
from tests.journeys.story import Story, at, ngn, usd

MINUTE, DAY = timedelta(minutes=1), timedelta(days=1)


async def rate(tx: Tx, book: Story) -> Any:
    """The morning's rate is recorded with its source. Rates are exact decimals and are kept with their history; none is
    ever changed."""
    return await fx.record_rate(
        tx, base="USD", quote="NGN", rate="1540.25", valid_from=book.now, source="desk", now=book.now, meta=book.meta
    )


async def quote(tx: Tx, book: Story) -> Any:
    """The exporter asks what 1,000.00 dollars are worth. The quote is a promise for one minute."""
    return await fx.quote(tx, sell=usd(1_000_00), buy_currency="NGN", now=book.now, meta=book.meta)


async def exchange(tx: Tx, book: Story) -> Any:
    """The exporter takes it. One transaction, balanced in each currency: the dollars go into our dollar position, the
    naira come out of what that position cost."""
    return await fx.exchange(
        tx,
        quote_id=book.kept["quote"],
        from_account=book.id("wallet:exporter:usd"),
        to_account=book.id("wallet:exporter:ngn"),
        functional="NGN",
        now=book.now,
        today=book.today,
        meta=book.meta,
    )


async def buy(tx: Tx, book: Story) -> Any:
    """The next day a dollar stands at 1,565.00, and an importer wants 600.00 dollars for his naira. We sell at a better
    rate than we bought: the difference, 600 x 24.75, is realised in the same transaction."""
    await fx.record_rate(
        tx, base="USD", quote="NGN", rate="1565", valid_from=book.now, source="desk", now=book.now, meta=book.meta
    )
    offer = await fx.quote(tx, sell=ngn(939_000_00), buy_currency="USD", now=book.now, meta=book.meta)
    return await fx.exchange(
        tx,
        quote_id=offer.quote_id,
        from_account=book.id("wallet:importer:ngn"),
        to_account=book.id("wallet:importer:usd"),
        functional="NGN",
        now=book.now,
        today=book.today,
        meta=book.meta,
    )


async def buy_rest(tx: Tx, book: Story) -> Any:
    """Then the dollar falls to 1,500.00, and he buys the last 400.00. What they had cost us was more,
    so the gain is lost again and a little besides. The position is empty now, and so is its cost, to the kobo."""
    await fx.record_rate(
        tx, base="USD", quote="NGN", rate="1500", valid_from=book.now, source="desk", now=book.now, meta=book.meta
    )
    offer = await fx.quote(tx, sell=ngn(600_000_00), buy_currency="USD", now=book.now, meta=book.meta)
    return await fx.exchange(
        tx,
        quote_id=offer.quote_id,
        from_account=book.id("wallet:importer:ngn"),
        to_account=book.id("wallet:importer:usd"),
        functional="NGN",
        now=book.now,
        today=book.today,
        meta=book.meta,
    )


async def test_fx(app_db: Database) -> None:
    book = Story(app_db, "fx", "Recipe: foreign exchange", starts_at=at(2026, 3, 10))
    book.say(
        """Customers hold naira and dollars and change between them. We stand in between: what we bought and have not
        sold yet is our position. Its books are kept in naira, the functional currency, at average cost."""
    )
    await book.open(
        OpenAccount("bank:usd", "Dollars at the bank", AccountType.ASSET, "USD", Mode.DEFERRED),
        OpenAccount("bank:ngn", "Naira at the bank", AccountType.ASSET, "NGN", Mode.DEFERRED),
        OpenAccount("wallet:exporter:usd", "The exporter's dollars", AccountType.LIABILITY, "USD", floor_minor=0),
        OpenAccount("wallet:exporter:ngn", "The exporter's naira", AccountType.LIABILITY, "NGN", floor_minor=0),
        OpenAccount("wallet:importer:ngn", "The importer's naira", AccountType.LIABILITY, "NGN", floor_minor=0),
        OpenAccount("wallet:importer:usd", "The importer's dollars", AccountType.LIABILITY, "USD", floor_minor=0),
    )
    book.say(
        "The ledger opens the accounts of a position when it is first needed: `fx/USD`, its cost `fx/USD/NGN`, and "
        "`fx/result/NGN` for what was earned (credit) or lost (debit)."
    )
    book.watch(
        *[OpenAccount(code, code, AccountType.EQUITY, code[7:] or code[3:]) for code in ("fx/USD", "fx/USD/NGN")],
        OpenAccount("fx/result/NGN", "fx/result/NGN", AccountType.INCOME, "NGN"),
    )
    await book.given(
        ledger.post_transaction(
            [
                book.debit("bank:usd", usd(1_000_00)),
                book.credit("wallet:exporter:usd", usd(1_000_00)),
                book.debit("bank:ngn", ngn(2_000_000_00)),
                book.credit("wallet:importer:ngn", ngn(2_000_000_00)),
            ]
        ),
        "The exporter has been paid 1,000.00 dollars, the importer has 2,000,000.00 naira.",
    )
    book.heading("A rate, a quote, an exchange")
    await book.step(rate, show=False)
    offered = await book.step(quote, after=MINUTE, show=False)
    assert offered.buy == Money(1_540_250_00, "NGN")
    book.kept["quote"] = offered.quote_id
    first = await book.step(exchange, after=MINUTE - timedelta(seconds=1))
    assert first.realised_minor == 0
    book.say("Sent again, the exchange is answered as the first time; a quote is good once.")
    again = await book.step(exchange, after=MINUTE, show=False, code=False)
    assert again.replayed
    assert again.transaction == first.transaction
    book.heading("Sold at a gain, sold at a loss")
    gain = await book.step(buy, after=DAY)
    assert gain.realised_minor == 14_850_00
    loss = await book.step(buy_rest, after=DAY)
    assert loss.realised_minor == -16_100_00
    balances = await book.balances()
    assert balances["fx/USD"].posted_minor == balances["fx/USD/NGN"].posted_minor == 0
    assert balances["fx/result/NGN"].posted_credit - balances["fx/result/NGN"].posted_debit == -1_250_00
    book.finish()


async def test_a_quote_that_is_too_old_moves_nothing(app_db: Database) -> None:
    book = Story(app_db, "fx", "Not written", starts_at=at(2026, 3, 10))
    await book.open(
        OpenAccount("a", "A", AccountType.LIABILITY, "USD"), OpenAccount("b", "B", AccountType.LIABILITY, "NGN")
    )
    async with app_db.tx(book.tenant_id) as tx:
        await rate(tx, book)
        offered = await quote(tx, book)
    before = await book.balances()
    async with app_db.tx(book.tenant_id) as tx:
        with pytest.raises(QuoteExpired):
            await fx.exchange(
                tx, quote_id=offered.quote_id, from_account=book.id("a"), to_account=book.id("b"), functional="NGN",
                now=offered.expires_at, today=book.today, meta=book.meta,
            )  # fmt: skip
    assert await book.balances() == before

"""Escrow: a buyer's money waits with us until the goods arrive, then goes to those it belongs to, all or none."""

from datetime import timedelta
from typing import Any

from omniroute import ledger
from omniroute.infra.postgres import Database, Tx
from omniroute.ledger import AccountType, Mode, OpenAccount, Posted
from tests.journeys.story import Story, at, ngn

DAY = timedelta(days=1)


async def order(tx: Tx, book: Story) -> Any:
    """Chidi orders rice for 84,000.00 and pays from his wallet. The money leaves him, but it is not the seller's yet:
    it waits in an account of this one order. Nobody can spend it, and everybody can see it."""
    paid = ledger.post_transaction(
        [book.debit("wallet:chidi", ngn(84_000_00)), book.credit("escrow:order-12", ngn(84_000_00))],
        reference="order-12/paid",
        key="order-12/paid",
    )
    return await book.post(tx, paid)


async def too_early(tx: Tx, book: Story) -> Any:
    """The escrow account has a floor of 0, so no mistake in a program can pay out more than came in."""
    release = ledger.post_transaction(
        [book.debit("escrow:order-12", ngn(84_000_01)), book.credit("wallet:rice-mill", ngn(84_000_01))],
        key="order-12/mistake",
    )
    return await book.post(tx, release)


async def delivered(tx: Tx, book: Story) -> Any:
    """Half of the rice arrives. The mill, the rider and we share that half 93 : 5 : 2. `split` gives whole kobo that
    add up to the amount, whatever the shares, so nothing is lost in rounding."""
    amount = ngn(41_999_99)
    mill, rider, ours = amount.split([93, 5, 2])
    release = ledger.post_transaction(
        [
            book.debit("escrow:order-12", amount),
            book.credit("wallet:rice-mill", mill),
            book.credit("wallet:rider", rider),
            book.credit("income:commission", ours),
        ],
        reference="order-12/delivery-1",
        key="order-12/delivery-1",
    )
    return await book.post(tx, release)


async def settle_wrongly(tx: Tx, book: Story) -> Any:
    """The other half spoils on the road. It is agreed that the mill gets 10,000.00 for its trouble and Chidi the rest.
    Both postings belong together, so they are linked: all or none. The first try has a wrong figure in its second
    posting, so the first is not booked either."""
    linked = [
        ledger.post_transaction(
            [book.debit("escrow:order-12", ngn(10_000_00)), book.credit("wallet:rice-mill", ngn(10_000_00))], linked=1
        ),
        ledger.post_transaction(
            [book.debit("escrow:order-12", ngn(42_000_01)), book.credit("wallet:chidi", ngn(42_000_01))], linked=1
        ),
    ]
    return await book.post(tx, *linked)


async def settle(tx: Tx, book: Story) -> Any:
    """With the right figure both are booked, and the order's account is empty."""
    linked = [
        ledger.post_transaction(
            [book.debit("escrow:order-12", ngn(10_000_00)), book.credit("wallet:rice-mill", ngn(10_000_00))],
            reference="order-12/settled-mill",
            linked=1,
        ),
        ledger.post_transaction(
            [book.debit("escrow:order-12", ngn(32_000_01)), book.credit("wallet:chidi", ngn(32_000_01))],
            reference="order-12/settled-buyer",
            linked=1,
        ),
    ]
    return await book.post(tx, *linked)


async def close(tx: Tx, book: Story) -> Any:
    """An empty account can be closed for ever; nothing can be booked on it again, and its history stays."""
    return await ledger.set_status(tx, book.id("escrow:order-12"), ledger.AccountStatus.CLOSED, meta=book.meta)


async def late_payment(tx: Tx, book: Story) -> Any:
    """A payment that comes too late finds the door closed."""
    paid = ledger.post_transaction(
        [book.debit("wallet:chidi", ngn(1_00)), book.credit("escrow:order-12", ngn(1_00))], key="order-12/late"
    )
    return await book.post(tx, paid)


async def test_escrow(app_db: Database) -> None:
    book = Story(app_db, "escrow", "Recipe: escrow", starts_at=at(2026, 3, 10))
    book.say(
        """A buyer pays before the goods are sent, a seller sends before the money is paid: somebody must hold the money
        in between. Each order gets an account of its own, so what waits for which order is never in doubt."""
    )
    await book.open(
        OpenAccount("bank:trust", "Trust account at the bank", AccountType.ASSET, "NGN"),
        OpenAccount("wallet:chidi", "Chidi, a buyer", AccountType.LIABILITY, "NGN", floor_minor=0),
        OpenAccount("escrow:order-12", "Money of order 12", AccountType.LIABILITY, "NGN", floor_minor=0),
        OpenAccount("wallet:rice-mill", "The rice mill, a seller", AccountType.LIABILITY, "NGN", floor_minor=0),
        OpenAccount("wallet:rider", "The rider", AccountType.LIABILITY, "NGN", floor_minor=0),
        OpenAccount("income:commission", "Our commission", AccountType.INCOME, "NGN", Mode.DEFERRED),
    )
    await book.given(
        ledger.post_transaction(
            [book.debit("bank:trust", ngn(100_000_00)), book.credit("wallet:chidi", ngn(100_000_00))]
        ),
        "Chidi has 100,000.00 in his wallet.",
    )
    book.heading("The buyer pays")
    await book.step(order)
    (refused,) = await book.step(too_early)
    assert refused.refusal.code == "ledger.insufficient_funds"
    book.heading("The goods arrive, in part")
    await book.step(delivered, after=DAY)
    book.heading("A dispute is settled")
    outcomes = await book.step(settle_wrongly, after=DAY)
    assert [one.refusal.code for one in outcomes] == ["ledger.linked_refused", "ledger.insufficient_funds"]
    assert all(isinstance(one, Posted) for one in await book.step(settle))
    await book.step(close, show=False)
    (refused,) = await book.step(late_payment)
    assert refused.refusal.code == "ledger.account_closed"
    balances = await book.balances()
    assert {code: balance.posted_minor for code, balance in balances.items()} == {
        "bank:trust": 100_000_00,
        "wallet:chidi": 48_000_01,
        "escrow:order-12": 0,
        "wallet:rice-mill": 49_059_99,
        "wallet:rider": 2_100_00,
        "income:commission": 840_00,
    }
    book.finish()

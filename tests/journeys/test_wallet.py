"""A customer's wallet: money in, money on, what is refused, a credit line, and a refund."""

from datetime import timedelta
from typing import Any

from omniroute import ledger
from omniroute.infra.postgres import Database, Tx
from omniroute.ledger import AccountStatus, AccountType, Condition, Mode, OpenAccount, Posted, Refused, reads
from tests.journeys.story import Story, at, ngn


async def top_up(tx: Tx, book: Story) -> Any:
    """Amina pays 5,000.00 in at a till. The till holds more cash, and we owe Amina more: both sides grow."""
    paid_in = ledger.post_transaction(
        [book.debit("cash:till", ngn(5_000_00)), book.credit("wallet:amina", ngn(5_000_00))],
        key="till-3/4711",
        reference="receipt-4711",
        metadata={"till": "3"},
    )
    return await book.post(tx, paid_in)


async def pay(tx: Tx, book: Story) -> Any:
    """Amina sends Bello 1,200.00 and pays 15.00 for it. One transaction has as many legs as it needs; all are booked
    or none."""
    payment = ledger.post_transaction(
        [
            book.debit("wallet:amina", ngn(1_215_00)),
            book.credit("wallet:bello", ngn(1_200_00)),
            book.credit("income:fees", ngn(15_00)),
        ],
        key="phone-7/1",
    )
    return await book.post(tx, payment)


async def pay_again(tx: Tx, book: Story) -> Any:
    """The phone loses its connection and sends the same again. The key is known, so the answer is the first one and
    nothing moves."""
    payment = ledger.post_transaction(
        [
            book.debit("wallet:amina", ngn(1_215_00)),
            book.credit("wallet:bello", ngn(1_200_00)),
            book.credit("income:fees", ngn(15_00)),
        ],
        key="phone-7/1",
    )
    return await book.post(tx, payment)


async def other_body(tx: Tx, book: Story) -> Any:
    """The same key with another amount is a mistake of the caller."""
    payment = ledger.post_transaction(
        [book.debit("wallet:amina", ngn(99_00)), book.credit("wallet:bello", ngn(99_00))], key="phone-7/1"
    )
    return await book.post(tx, payment)


async def receipt_again(tx: Tx, book: Story) -> Any:
    """And a reference is good for one transaction, for ever: the same receipt cannot be paid in a second time, not
    even under a new key and years later."""
    paid_in = ledger.post_transaction(
        [book.debit("cash:till", ngn(5_000_00)), book.credit("wallet:amina", ngn(5_000_00))],
        key="till-3/4712",
        reference="receipt-4711",
    )
    return await book.post(tx, paid_in)


async def overspend(tx: Tx, book: Story) -> Any:
    """The wallet's floor is 0. The items of a batch are judged one after the other: the first fits, the second no
    longer does, the third fits again."""
    amounts = (3_000_00, 1_000_00, 500_00)
    batch = [
        ledger.post_transaction(
            [book.debit("wallet:amina", ngn(amount)), book.credit("wallet:bello", ngn(amount))],
            key=f"phone-7/2-{amount}",
        )
        for amount in amounts
    ]
    return await book.post(tx, *batch)


async def credit_line(tx: Tx, book: Story) -> Any:
    """Amina gets a credit line of 1,000.00: a floor below zero. It is judged under the same lock as postings."""
    await ledger.set_limits(tx, book.id("wallet:amina"), floor_minor=-1_000_00, ceiling_minor=None, meta=book.meta)
    payment = ledger.post_transaction(
        [book.debit("wallet:amina", ngn(1_000_00)), book.credit("wallet:bello", ngn(1_000_00))], key="phone-7/3"
    )
    (outcome,) = await book.post(tx, payment)
    book.keep("payment", outcome)
    return outcome


async def only_if(tx: Tx, book: Story) -> Any:
    """A condition makes a posting depend on what the caller saw. Here: only while Bello has 10,000.00 available."""
    payment = ledger.post_transaction(
        [book.debit("wallet:bello", ngn(100_00)), book.credit("wallet:amina", ngn(100_00))],
        conditions=[Condition(book.id("wallet:bello"), available_min_minor=10_000_00, label="wallet:bello")],
        key="phone-9/1",
    )
    return await book.post(tx, payment)


async def refund(tx: Tx, book: Story) -> Any:
    """Bello gives 400.00 of the last payment back. A reversal books the opposite of a part; all reversals together
    never pass the original."""
    part = ledger.reverse_transaction(book.kept["payment"], amount_minor=400_00, key="refund-1")
    rest_and_more = ledger.reverse_transaction(book.kept["payment"], amount_minor=600_01, key="refund-2")
    return await book.post(tx, part, rest_and_more)


async def freeze(tx: Tx, book: Story) -> Any:
    """Amina loses her phone, and her wallet is frozen. Nothing moves on it until it is opened again."""
    await ledger.set_status(tx, book.id("wallet:amina"), AccountStatus.FROZEN, meta=book.meta)
    payment = ledger.post_transaction(
        [book.debit("wallet:amina", ngn(1_00)), book.credit("wallet:bello", ngn(1_00))], key="phone-7/4"
    )
    return await book.post(tx, payment)


async def statement(tx: Tx, book: Story) -> Any:
    """Amina's statement: every entry, in the order it was booked, with the balance after it."""
    return await reads.statement(tx, book.id("wallet:amina"), from_on=book.today)


async def test_wallet(app_db: Database) -> None:
    book = Story(app_db, "wallet", "Recipe: a wallet", starts_at=at(2026, 3, 10))
    book.say(
        """Customers keep money with us. Each has a wallet: a liability, because we owe it to them. The wallet is
        `strict`, so its floor is checked at each posting; the fee account is `deferred`, because every customer pays
        into it at the same time and it needs no limit."""
    )
    await book.open(
        OpenAccount("cash:till", "Cash in the tills", AccountType.ASSET, "NGN"),
        OpenAccount("wallet:amina", "Amina's wallet", AccountType.LIABILITY, "NGN", floor_minor=0),
        OpenAccount("wallet:bello", "Bello's wallet", AccountType.LIABILITY, "NGN", floor_minor=0),
        OpenAccount("income:fees", "Fees we earn", AccountType.INCOME, "NGN", Mode.DEFERRED),
    )
    book.heading("Money comes in and moves on")
    await book.step(top_up)
    await book.step(pay)
    book.heading("Once, however often it is sent")
    (again,) = await book.step(pay_again, after=timedelta(minutes=1))
    assert isinstance(again, Posted)
    assert again.replayed
    refused = [await book.step(step) for step in (other_body, receipt_again)]
    assert [one.refusal.code for (one,) in refused] == ["ledger.key_reused", "ledger.duplicate_reference"]
    book.heading("No more than there is")
    first, second, third = await book.step(overspend)
    assert isinstance(first, Posted)
    assert isinstance(second, Refused)
    assert isinstance(third, Posted)
    assert isinstance(await book.step(credit_line), Posted)
    (unmet,) = await book.step(only_if)
    assert unmet.refusal.code == "ledger.condition_failed"
    book.heading("A refund, and a frozen wallet")
    part, beyond = await book.step(refund)
    assert isinstance(part, Posted)
    assert beyond.refusal.code == "ledger.reversal_above_original"
    (frozen,) = await book.step(freeze)
    assert frozen.refusal.code == "ledger.account_frozen"
    book.heading("What the customer sees")
    await book.step(statement, show=False)
    balances = await book.balances()
    assert {code: balance.posted_minor for code, balance in balances.items()} == {
        "cash:till": 5_000_00,
        "wallet:amina": -315_00,
        "wallet:bello": 5_300_00,
        "income:fees": 15_00,
    }
    book.finish()

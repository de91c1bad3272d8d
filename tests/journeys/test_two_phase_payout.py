"""A payout in two phases: set aside, then captured when the bank has paid, or let go when it has not."""

from datetime import timedelta
from typing import Any

from omniroute import ledger
from omniroute.infra.postgres import Database, Tx
from omniroute.ledger import AccountType, Mode, OpenAccount, Posted
from tests.journeys.story import Story, at, ngn

HOUR = timedelta(hours=1)


async def hold(tx: Tx, book: Story) -> Any:
    """The bakery asks for 60,000.00. Before the bank is told, the money is held: the balance stays, but what is
    available falls, so the same money cannot be promised twice. The hold ends by itself after three days."""
    held = ledger.place_hold(
        [book.debit("payable:bakery", ngn(60_000_00)), book.credit("bank:clearing", ngn(60_000_00))],
        expires_at=book.now + timedelta(days=3),
        reference="payout-1",
        key="payout-1",
    )
    (outcome,) = await book.post(tx, held)
    book.keep("payout-1", outcome)
    return outcome


async def too_much(tx: Tx, book: Story) -> Any:
    """A second payout of 60,000.00 is refused: limits count what is held."""
    held = ledger.place_hold(
        [book.debit("payable:bakery", ngn(60_000_00)), book.credit("bank:clearing", ngn(60_000_00))], key="payout-2"
    )
    return await book.post(tx, held)


async def part(tx: Tx, book: Story) -> Any:
    """The bank pays in two transfers. The first, of 45,000.00, is captured: this part of the hold becomes a posting."""
    captured = ledger.capture_hold(
        book.kept["payout-1"], amount_minor=45_000_00, reference="bank/TRX-881", key="payout-1/TRX-881"
    )
    return await book.post(tx, captured)


async def above(tx: Tx, book: Story) -> Any:
    """No capture can pass what is left of the hold."""
    captured = ledger.capture_hold(book.kept["payout-1"], amount_minor=15_000_01, key="payout-1/mistake")
    return await book.post(tx, captured)


async def final(tx: Tx, book: Story) -> Any:
    """The second transfer is 14,950.00, because the bank keeps 50.00 back. `final` captures it and lets the rest of the
    hold go."""
    captured = ledger.capture_hold(
        book.kept["payout-1"], amount_minor=14_950_00, final=True, reference="bank/TRX-882", key="payout-1/TRX-882"
    )
    return await book.post(tx, captured)


async def again(tx: Tx, book: Story) -> Any:
    """Nothing is left of it now; a hold is resolved once."""
    return await book.post(tx, ledger.capture_hold(book.kept["payout-1"], key="payout-1/once-more"))


async def hold_again(tx: Tx, book: Story) -> Any:
    """Another payout of 20,000.00 is held."""
    held = ledger.place_hold(
        [book.debit("payable:bakery", ngn(20_000_00)), book.credit("bank:clearing", ngn(20_000_00))],
        expires_at=book.now + timedelta(days=3),
        key="payout-3",
    )
    (outcome,) = await book.post(tx, held)
    book.keep("payout-3", outcome)
    return outcome


async def void(tx: Tx, book: Story) -> Any:
    """The bank does not know the account number. The hold is voided, and all of it is available again."""
    return await book.post(tx, ledger.void_hold(book.kept["payout-3"], key="payout-3/void"))


async def hold_forgotten(tx: Tx, book: Story) -> Any:
    """A last one, for 5,000.00, good for one day."""
    held = ledger.place_hold(
        [book.debit("payable:bakery", ngn(5_000_00)), book.credit("bank:clearing", ngn(5_000_00))],
        expires_at=book.now + timedelta(days=1),
        key="payout-4",
    )
    (outcome,) = await book.post(tx, held)
    book.keep("payout-4", outcome)
    return outcome


async def too_late(tx: Tx, book: Story) -> Any:
    """The bank answers two days later. The deadline counts from its minute, even while nobody has tidied up: the
    capture is refused. What the bank paid must be booked by a person who looks at the case."""
    captured = ledger.capture_hold(book.kept["payout-4"], key="payout-4/TRX-990")
    return await book.post(tx, captured)


async def expire(tx: Tx, book: Story) -> Any:
    """Background work (`ledger.expire_holds`) releases what has expired; this is the command it books."""
    return await book.post(tx, ledger.void_hold(book.kept["payout-4"], expired=True))


async def group(tx: Tx, book: Story) -> Any:
    """Holds of one group are captured or voided together, all or none. Here two payouts of one run."""
    run = book.group
    held = [
        ledger.place_hold(
            [book.debit("payable:bakery", ngn(amount)), book.credit("bank:clearing", ngn(amount))],
            group_id=run,
            key=f"run-7/{amount}",
        )
        for amount in (3_000_00, 4_000_00)
    ]
    return await book.post(tx, *held)


async def capture_group(tx: Tx, book: Story) -> Any:
    """The bank confirms the run as a whole."""
    booked = await ledger.resolve_group(tx, book.group, capture=True, today=book.today, at=book.now)
    return [Posted(transaction) for transaction in booked]


async def test_two_phase_payout(app_db: Database) -> None:
    book = Story(app_db, "two-phase-payout", "Recipe: a payout in two phases", starts_at=at(2026, 3, 10))
    book.say(
        """A payout takes time: we ask the bank now and learn later whether it has paid. Until then the money must be
        neither spent nor gone. A hold sets it aside on both sides; a capture turns it, or a part of it, into a
        posting; a void lets it go."""
    )
    await book.open(
        OpenAccount("bank:clearing", "On its way through the bank", AccountType.ASSET, "NGN", Mode.DEFERRED),
        OpenAccount("payable:bakery", "What we owe the bakery", AccountType.LIABILITY, "NGN", floor_minor=0),
    )
    await book.given(
        ledger.post_transaction(
            [book.debit("bank:clearing", ngn(100_000_00)), book.credit("payable:bakery", ngn(100_000_00))]
        ),
        "The bakery has sold for 100,000.00, and the money has arrived.",
    )
    book.heading("Set aside")
    await book.step(hold)
    (refused,) = await book.step(too_much)
    assert refused.refusal.code == "ledger.insufficient_funds"
    book.heading("The bank pays, in parts")
    await book.step(part, after=6 * HOUR)
    (refused,) = await book.step(above)
    assert refused.refusal.code == "ledger.capture_above_hold"
    await book.step(final)
    (refused,) = await book.step(again)
    assert refused.refusal.code == "ledger.hold_resolved"
    book.heading("The bank does not pay")
    await book.step(hold_again)
    await book.step(void)
    book.heading("The bank says nothing")
    await book.step(hold_forgotten)
    (refused,) = await book.step(too_late, after=48 * HOUR)
    assert refused.refusal.code == "ledger.hold_expired"
    await book.step(expire)
    book.heading("Many at once")
    await book.step(group)
    await book.step(capture_group)
    balances = await book.balances()
    assert {code: balance.posted_minor for code, balance in balances.items()} == {
        "bank:clearing": 33_050_00,
        "payable:bakery": 33_050_00,
    }
    assert balances["payable:bakery"].available_minor == 33_050_00
    book.finish()

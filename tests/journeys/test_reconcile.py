"""A day at the bank: references that agree, one in the bank's words, a fee nobody booked, money nobody knows."""

from collections.abc import Awaitable, Callable
from typing import Any
from uuid import UUID

from omniroute.infra.events import Meta
from omniroute.infra.postgres import Database
from omniroute.ledger import AccountType, OpenAccount
from omniroute.money import reconciliation
from omniroute.money.reconciliation import Fee, Match, Rules
from tests.journeys.story import Story, body_of, number, table
from tests.money.payments.house import START, WALLET
from tests.money.reconciliation.bank import DAY, Bank, open_bank

_ABOUT = """*This page is written by `tests/journeys/test_reconcile.py`: the code ran, and the tables are what it left.*
In the code, `bank.booked(amount, ...)` is a posting on the account of a bank connection and what its metadata says,
`bank.shows(amount, ...)` is a line of the bank's statement, amounts are kobo (plus came in, minus went out), and `tx`
is an open transaction."""

Act = Callable[[Bank], Awaitable[Any]]


class BankStory(Story):
    """A story about one connection."""

    def __init__(self, bank: Bank) -> None:
        super().__init__(
            bank.house.db, "reconcile", "Recipe: a day at the bank, reconciled", starts_at=bank.house.clock.now()
        )
        self.bank, self.tenant_id = bank, bank.tenant_id
        self._page[1] = _ABOUT
        self._accounts = [
            OpenAccount("float:toy", "At the bank", AccountType.ASSET, "NGN"),
            OpenAccount(WALLET, "Shop", AccountType.LIABILITY, "NGN"),
            OpenAccount("payments:rail-fees:NGN", "Charges", AccountType.EXPENSE, "NGN"),
        ]

    async def act(self, step: Act) -> Any:
        answer = await step(self.bank)
        self.say(step.__doc__ or "")
        self._page.append(f"```python\n{body_of(step)}\n```")
        return answer

    async def accounts(self) -> None:
        self._page.append(self._table(await self.balances()))

    async def standing(self) -> None:
        """What is matched and what is not, without ids."""
        rows = [
            {
                "line": ", ".join(one.lines), "found by": one.found_by.name.lower(), "state": one.state.value,
                "the books": number(one.book_minor, "NGN"), "the bank": number(one.bank_minor, "NGN"),
                "difference borne by": one.difference_account or "",
            }
            for one in sorted(await self.bank.matches(), key=lambda one: one.lines)
        ]  # fmt: skip
        if rows:
            self._page.append(table(rows, right=["the books", "the bank"]))
        async with self.db.tx(self.tenant_id) as tx:
            found = (await reconciliation.list_exceptions(tx, is_open=True)).items
        rows = [
            {
                "exception": one.kind.value, "line": one.line_id or "",
                "the books": "" if one.expected_minor is None else number(one.expected_minor, "NGN"),
                "the bank": "" if one.actual_minor is None else number(one.actual_minor, "NGN"),
            }
            for one in sorted(found, key=lambda one: (one.kind.value, one.line_id or ""))
        ]  # fmt: skip
        self._page.append(table(rows, right=["the books", "the bank"]) if rows else "No exceptions are open.")

    async def report(self) -> None:
        (one,) = (await self.bank.report()).summaries
        row = {
            "currency": one.currency, "movements": str(one.total_count), "in all": number(one.total_minor, "NGN"),
            "matched": str(one.matched_count), "unmatched": str(one.unmatched_count),
        }  # fmt: skip
        self._page.append(table([row], right=["movements", "in all", "matched", "unmatched"]))


async def expect(bank: Bank) -> None:
    """What the books expect: three payments that went out, of which one will lose its reference on the way and one will
    be charged for; and a sale that was paid in."""
    await bank.booked(-25_000_00, our_ref="000013260302090000000000000001", account="0123456785")
    await bank.booked(-40_000_00, our_ref="000013260302090100000000000002", account="0223456784")
    await bank.booked(-60_000_00, our_ref="000013260302090200000000000003", account="0323456783")
    await bank.booked(15_000_00, session_id="000014260302100000000000000004")


async def told(bank: Bank) -> None:
    """And what the bank says."""
    await bank.shows(-25_000_00, "000013260302090000000000000001")
    await bank.shows(-40_000_00, text="NIP TRF OOOO13 260302 090100 000000000002 ADA")
    await bank.shows(-60_026_88, "000013260302090200000000000003")
    await bank.shows(15_000_00, "000014260302100000000000000004")
    await bank.shows(7_500_00, text="CASH DEPOSIT MUSA")


async def first(bank: Bank) -> None:
    """A worker reconciles when the statement was read. What agrees is matched; nothing else is."""
    await bank.read()
    await bank.run()


async def charge(bank: Bank) -> None:
    """The bank takes 26.88 a transfer. Once the rules of the connection say so, the difference has a name: the next run
    books it and matches the rest."""
    async with bank.house.db.tx(bank.tenant_id) as tx:
        rules = Rules(window_days=3, fees=(Fee(flat_minor=26_88),))
        await reconciliation.write_rules(tx, bank.connection_id, rules, actor="usr_amina", now=bank.house.clock.now())
    await bank.run()


async def propose(bank: Bank) -> Match:
    """The cash deposit is the shop's, as Amina has found out. There is no posting to match, so the whole of it is the
    difference, and the shop's wallet bears it: a credit. She proposes; nothing is booked yet."""
    async with bank.house.db.tx(bank.tenant_id) as tx:
        match = await reconciliation.propose_match(
            tx,
            bank.connection_id,
            entries=[],
            lines=["L0005"],
            reason="Musa's deposit for the shop, slip 4471",
            difference_account="wallet:shop",
            actor="usr_amina",
            now=bank.house.clock.now(),
            meta=Meta(actor="usr_amina"),
        )
    return match


async def test_reconcile(app_db: Database, worker_db: Database, owner_db: Database) -> None:
    bank = await open_bank(app_db, worker_db, owner_db)
    shop = BankStory(bank)
    shop.say(
        """The books say what should have happened at the bank, the statement what did. Reconciliation joins the two,
        and whatever it cannot join has an owner and an age until somebody has dealt with it."""
    )
    await shop.act(expect)
    await shop.act(told)
    await shop.act(first)
    await shop.standing()
    await shop.report()
    shop.say(
        """The second line was found by our reference in the bank's text, spaces and letters for digits and all. The
        third has the right reference and another amount: that is never a match."""
    )
    await shop.act(charge)
    await shop.standing()
    await shop.accounts()
    match_id = (await shop.act(propose)).match_id
    await shop.standing()
    await _approve(shop, match_id)
    await shop.standing()
    await shop.accounts()
    await shop.report()
    shop.say("The account at the bank says in the books what the bank says.")
    lines = -25_000_00 - 40_000_00 - 60_026_88 + 15_000_00 + 7_500_00
    assert await bank.house.balances("float:toy") == [(lines, lines)]
    assert await bank.exceptions() == []
    shop.finish()


async def _approve(shop: BankStory, match_id: UUID) -> None:
    bank = shop.bank

    async def approve(bank: Bank) -> None:
        """Musa's branch head agrees. Amina could not have: who proposes does not approve, whatever key they use."""
        async with bank.house.db.tx(bank.tenant_id) as tx:
            await reconciliation.approve_match(
                tx, match_id, actor="usr_bisi", now=bank.house.clock.now(), today=DAY, meta=Meta(actor="usr_bisi")
            )

    assert bank.house.clock.now() == START
    await shop.act(approve)

"""A virtual account: wanted, opened by a provider that first says nothing, paid to, and what it does not take."""

from collections.abc import Awaitable, Callable
from typing import Any

from omniroute.infra.postgres import Database
from omniroute.money import collections
from omniroute.money.collections import AccountCredit, CollectionRules, OwnerType, RequestAccount, VirtualAccount
from tests.journeys.story import Story, body_of, ngn, number, table
from tests.money.collections.shop import META, START, Mishap, Shop, opened

_ABOUT = """*This page is written by `tests/journeys/test_virtual_account.py`: the code ran against a provider's sandbox
over HTTP, and the tables are what it left.* In the code, `shop` is an organisation with a connection to the provider,
`shop.pay` is a payer's bank, `shop.hear()` is what the worker does when the provider has called, and `ngn(5_000_00)` is
5,000.00 naira in kobo."""


class Collecting(Story):
    """A story of money that comes in."""

    def __init__(self, shop: Shop) -> None:
        super().__init__(shop.db, "virtual-account", "Recipe: a virtual account", starts_at=START)
        self.shop = shop
        self.account: VirtualAccount
        self.other: VirtualAccount
        self._page[1] = _ABOUT

    async def act(self, act: Callable[[Any], Awaitable[Any]]) -> Any:
        """Do something; write down its prose and its code."""
        self.say(act.__doc__ or "")
        self._page.append(f"```python\n{body_of(act)}\n```")
        return await act(self.shop)

    async def standing(self) -> None:
        """The account as it stands."""
        account = await self.shop.now_stands(self.account)
        numbered = "with a number" if account.account_number else "without a number"
        self._page.append(f"The account is **{account.status.value}**, {numbered}.")

    async def books(self) -> None:
        """What stands where."""
        held, unplaced, fees = await self.shop.books()
        rows = [("float:collect", held), ("collections:provider-fees:NGN", fees)]
        rows += [("collections:va:(order 1007):NGN", await self.shop.on(self.account))]
        if hasattr(self, "other"):
            rows += [("collections:va:(order 1008):NGN", await self.shop.on(self.other))]
        rows += [("collections:unplaced:NGN", unplaced)]
        self._page.append(
            table(
                [{"account": f"`{code}`", "balance": number(minor, "NGN")} for code, minor in rows], right=["balance"]
            )
        )

    async def listed(self) -> list[AccountCredit]:
        """Every credit."""
        found = await self.shop.credits()
        rows = [
            {
                "amount": number(one.amount.amount_minor, "NGN"),
                "fee": number(one.fee_minor, "NGN"),
                "state": one.state.value,
                "why it waits": one.reason or "",
            }
            for one in found
        ]
        self._page.append(table(rows, right=["amount", "fee"]))
        return found


async def want(shop: Shop) -> VirtualAccount:
    """A customer shall pay an order by bank transfer, to a number of its own. The account is wanted under a name of
    ours, and that is committed before the provider is asked."""
    order = RequestAccount(
        reference="order-1007",
        owner_id=shop.owner.partner_id,
        owner_type=OwnerType.CUSTOMER,
        currency="NGN",
        account_name="Nkechi 902",
        rules=CollectionRules(min_minor=100_00),
    )
    async with shop.db.tx(shop.tenant_id) as tx:
        account, _ = await collections.request_account(tx, order, actor="usr_amina", now=START, meta=META)
    return account


async def ask(shop: Shop) -> None:
    """The provider opens the account, and its answer is lost on the way (in the sandbox, 902 at the end of a name does
    that). Silence is neither yes nor no, so the account stays requested."""
    await shop.collector.open_due()


async def ask_again(shop: Shop) -> None:
    """Some seconds later the worker asks again, under the same name: the provider answers with the account it has
    opened before. There is one, here and there."""
    await shop.pass_time(seconds=10)
    await shop.collector.open_due()


async def notified(shop: Shop, account: VirtualAccount) -> None:
    """The customer pays 2,500.00. The provider calls us three times about it, once would do. A call is a hint: the
    provider is asked about the credit, and what it answers is booked, once for ever."""
    shop.pay(account, "2500.00", mishap=Mishap.DUPLICATE_NOTIFICATION)
    await shop.hear()


async def lost(shop: Shop, account: VirtualAccount) -> None:
    """Another 500.00 comes in, and nobody tells us. The list of the provider does, which is read every five minutes."""
    shop.pay(account, "500.00", mishap=Mishap.LOST_NOTIFICATION)
    await shop.pass_time(minutes=5)
    await shop.collector.fetch_due()


async def too_small(shop: Shop, account: VirtualAccount) -> None:
    """50.00 is less than the account takes. The money is here, so it is booked; but on no account. It waits for a
    person, with the reason and the time it came."""
    shop.pay(account, "50.00")
    await shop.hear()


async def place(shop: Shop, credit: AccountCredit, other: VirtualAccount) -> None:
    """Amina finds out that it was for another order, and puts it there."""
    async with shop.db.tx(shop.tenant_id) as tx:
        await collections.place_credit(
            tx,
            credit.credit_id,
            other.virtual_account_id,
            actor="usr_amina",
            note="order 1008",
            now=shop.clock.now(),
            today=START.date(),
            meta=META,
        )


async def spend(shop: Shop, credit: AccountCredit) -> None:
    """Whoever uses a credit as proof of a payment holds it by that, once: what is spent of it is counted on it."""
    async with shop.db.tx(shop.tenant_id) as tx:
        await collections.use_credit(tx, credit.credit_id, ngn(2_000_00), now=shop.clock.now())


async def test_virtual_account(app_db: Database, worker_db: Database, owner_db: Database) -> None:
    async with opened(app_db, worker_db, owner_db) as shop:
        story = Collecting(shop)
        story.heading("An account number")
        story.account = await story.act(want)
        await story.standing()
        await story.act(ask)
        await story.standing()
        await story.act(ask_again)
        await story.standing()
        account = story.account = await shop.now_stands(story.account)
        story.heading("Money comes in")
        for step in (notified, lost):
            await _on(story, step, account)
            await story.books()
        story.heading("What the account does not take")
        await _on(story, too_small, account)
        *_, waiting = await story.listed()
        await story.books()
        story.other = await shop.open(reference="order-1008")
        await _on(story, place, waiting, story.other)
        first, *_ = await story.listed()
        await story.books()
        story.heading("Each credit is spent once")
        await _on(story, spend, first)
        (left,) = [one.left_minor for one in await shop.credits() if one.credit_id == first.credit_id]
        story.say(f"{number(left, 'NGN')} of it are left; spending more than that is refused.")
        assert left == 500_00
        story.finish()


async def _on(story: Collecting, step: Callable[..., Awaitable[Any]], *given: Any) -> None:
    story.say(step.__doc__ or "")
    story._page.append(f"```python\n{body_of(step)}\n```")
    await step(story.shop, *given)

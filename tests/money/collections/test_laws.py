"""Laws of collections: whatever is notified, lost, repeated, forged, fetched and decided, in whatever order, the books
say what the books of the provider say, and each credit is booked once.

More examples with OMNIROUTE_LAW_EXAMPLES.
"""

import os
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from omniroute.infra.postgres import Database
from omniroute.kit.refusal import Refusal
from omniroute.money import collections
from omniroute.money.collections import CollectionRules, Collector, CreditState, VirtualAccount
from tests.laws.invariants import check_invariants
from tests.money.collections.shop import META, START, Mishap, Shop, opened, today

EXAMPLES = int(os.environ.get("OMNIROUTE_LAW_EXAMPLES", "4"))
ACTS = (collections.suspend_account, collections.resume_account, collections.close_account)
RULES = (CollectionRules(), CollectionRules(min_minor=50_00), CollectionRules(single_use=True))
NAMES = ("Nkechi", "Nkechi 902", "Nkechi 901")  # Of the second the answer is lost, of the third the question.


@dataclass(frozen=True)
class Step:
    """Something that happens. `which`: an account, a credit, a call or an act, counted round."""

    kind: str
    which: int
    amount: int
    mishap: Mishap


steps = st.builds(
    Step,
    kind=st.sampled_from(
        [*["pay"] * 6, "hear", "hear", "fetch", "wait", "turn", "open", "cut", "restart", "place", "again", "forge"]
    ),
    which=st.integers(0, 7),
    amount=st.sampled_from([1, 9_99, 10_00, 49_99, 50_00, 2_500_00]) | st.integers(1, 90_000),
    mishap=st.sampled_from(
        [
            Mishap.NONE,
            Mishap.LOST_NOTIFICATION,
            Mishap.LATE_NOTIFICATION,
            Mishap.EARLY_NOTIFICATION,
            Mishap.DUPLICATE_NOTIFICATION,
            Mishap.WRONG_SIGNATURE,
            Mishap.WRONG_AMOUNT,
            Mishap.PENDING,
        ]
    ),
)


@settings(max_examples=EXAMPLES, deadline=None)
@given(story=st.lists(steps, min_size=4, max_size=18))
async def test_the_books_say_what_the_provider_says(
    app_db: Database, worker_db: Database, owner_db: Database, story: list[Step]
) -> None:
    async with opened(app_db, worker_db, owner_db) as shop:
        accounts = [
            await shop.ask(await shop.want(account_name=name, rules=rules))
            for name, rules in zip(NAMES, RULES, strict=True)
        ]
        for step in story:
            await happen(shop, accounts, step)
            await check_each(shop, accounts)
        shop.links.down = False
        for _ in range(10):
            await shop.pass_time(hours=6)
            await shop.hear()
            await shop.collector.fetch_due()
        await check_each(shop, accounts)
        await check_end(shop)
        await check_invariants(owner_db, shop.tenant_id)


async def happen(shop: Shop, accounts: list[VirtualAccount], step: Step) -> None:
    account = await shop.now_stands(accounts[step.which % len(accounts)])
    match step.kind:
        case "pay":
            if account.account_number is not None:
                with suppress(ValueError):  # The account is closed at the provider.
                    naira = f"{step.amount // 100}.{step.amount % 100:02}"
                    shop.pay(account, naira, mishap=step.mishap.value)
        case "hear":
            await shop.hear()
        case "fetch":
            await shop.collector.fetch_due()
        case "wait":
            await shop.pass_time(hours=step.which)
        case "turn":
            with suppress(Refusal):
                async with shop.db.tx(shop.tenant_id) as tx:
                    act: Any = ACTS[step.amount % len(ACTS)]
                    await act(tx, account.virtual_account_id, now=shop.clock.now(), meta=META)
        case "open":
            await shop.collector.open_due()
        case "cut":
            shop.links.down = not shop.links.down
        case "restart":
            shop.collector = Collector(shop.worker, shop.links, clock=shop.clock, business_day=today)
        case "place":
            await place(shop, account, step.which)
        case "again" | "forge":
            if shop.heard:
                call = shop.heard[step.which % len(shop.heard)]
                body = call.body if step.kind == "again" else call.body.replace(b"MNFY", b"MINE")
                await shop.take_in(body, dict(call.headers), ref=f"again-{step.amount}")


async def place(shop: Shop, account: VirtualAccount, which: int) -> None:
    """A person puts something that waits on an account, if the account takes it."""
    waiting = [one for one in await shop.credits() if one.state is CreditState.UNPLACED]
    if not waiting:
        return
    with suppress(Refusal):
        async with shop.db.tx(shop.tenant_id) as tx:
            await collections.place_credit(
                tx,
                waiting[which % len(waiting)].credit_id,
                account.virtual_account_id,
                actor="usr_clerk",
                note=None,
                now=shop.clock.now(),
                today=START.date(),
                meta=META,
            )


async def check_each(shop: Shop, accounts: list[VirtualAccount]) -> None:
    """At every moment: what is booked is known to the provider, once, and stands where its row says."""
    credits_ = await shop.credits()
    names = [one.provider_credit_id for one in credits_]
    assert len(names) == len(set(names))
    for one in credits_:
        theirs = shop.rail.payments[one.provider_credit_id]
        assert theirs.paid_at is not None
        assert (one.amount.amount_minor, one.fee_minor) == (theirs.amount_minor, theirs.fee_minor)
    held, unplaced, fees = await shop.books()
    on = [await shop.on(account) for account in accounts]
    assert sum(on) + unplaced == held + fees == sum(one.amount.amount_minor for one in credits_)
    assert unplaced == sum(one.amount.amount_minor for one in credits_ if one.state is CreditState.UNPLACED)
    for account, balance in zip(accounts, on, strict=True):
        mine = [one for one in credits_ if one.virtual_account_id == account.virtual_account_id]
        assert balance == sum(one.amount.amount_minor for one in mine)


async def check_end(shop: Shop) -> None:
    """When all is heard: everything the provider has received is booked, and nothing else."""
    theirs = {one.reference for one in shop.rail.payments.values() if one.state == "PAID"}
    assert {one.provider_credit_id for one in await shop.credits()} == theirs
    held, _, fees = await shop.books()
    assert held + fees == shop.received_minor()

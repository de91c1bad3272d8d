"""Folding: reads are true at every instant, while posters, folders and readers run at once."""

import asyncio

import psycopg
import pytest

from omniroute.infra.postgres import Database
from omniroute.kit.clock import FixedClock
from omniroute.ledger import checking, folding, reads
from tests.ledger.makers import NOW, TODAY, make_ledger, ngn


async def test_balances_are_true_at_every_instant(app_db: Database, worker_db: Database) -> None:
    books = await make_ledger(app_db)
    ends = asyncio.Event()
    seen = 0

    async def poster(amount: int) -> None:
        for _ in range(40):
            await books.posted(
                books.transfer("float", "fees", ngn(amount), value_on=TODAY),
                books.transfer("cash", "open", ngn(amount), value_on=TODAY),
            )

    async def folder() -> None:
        while not ends.is_set():
            await folding.fold(worker_db, limit=3)

    async def reader() -> None:
        nonlocal seen
        while not ends.is_set():
            async with app_db.tx(books.tenant_id, readonly=True) as tx:
                trial = await reads.trial_balance(tx, to_on=TODAY)
                now = [(await reads.find_balance(tx, books.id(c), now=NOW)).posted_minor for c in ("float", "cash")]
                on = [
                    (await reads.find_balance(tx, books.id(c), on=TODAY, now=NOW)).posted_minor
                    for c in ("float", "cash")
                ]
            assert now == on
            assert now[0] == now[1] >= seen
            seen = now[0]
            total = trial.totals.get("NGN")
            assert total is None or total.debit_minor == total.credit_minor == 2 * now[0]

    async def all_posters() -> None:
        await asyncio.gather(poster(1), poster(10), poster(100))
        ends.set()

    await asyncio.gather(all_posters(), folder(), folder(), reader())
    await folding.fold_tenant(worker_db, books.tenant_id)
    assert await books.available("cash") == 40 * 111
    assert [finding async for finding in checking.check(worker_db, books.tenant_id)] == []
    async with worker_db.tx(books.tenant_id) as tx:
        cursor = await tx.connection.execute("SELECT count(*) FROM ledger_delta WHERE tenant_id = current_tenant()")
        assert (await cursor.fetchone())[0] == 0  # type: ignore[index]  # count(*) has a row


async def test_folding_and_snapshots_twice_are_the_same_as_once(app_db: Database, worker_db: Database) -> None:
    books = await make_ledger(app_db)
    await books.posted(books.transfer("float", "ada", ngn(7), value_on=TODAY), at=NOW)
    assert await folding.fold_tenant(worker_db, books.tenant_id) == 2
    assert await folding.fold_tenant(worker_db, books.tenant_id) == 0
    clock = FixedClock(NOW.replace(day=NOW.day + 1))
    assert await folding.snapshot(worker_db, clock=clock) >= 1
    assert await folding.snapshot(worker_db, clock=clock) == 0
    assert (await books.balance("float")).posted_minor == 7
    assert [finding async for finding in checking.check(worker_db, books.tenant_id)] == []


async def test_only_the_worker_folds_and_only_the_tenant_at_hand(app_db: Database, worker_db: Database) -> None:
    books = await make_ledger(app_db)
    for db, tenant_id in ((app_db, books.tenant_id), (worker_db, None)):
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            async with db.tx(tenant_id) as tx:
                await tx.connection.execute("SELECT ledger_fold_strict(%s, 1)", [books.tenant_id])

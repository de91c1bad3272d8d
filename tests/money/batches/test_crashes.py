"""A worker that dies anywhere repeats nothing and leaves nothing out."""

import asyncio
import random
from contextlib import suppress

import pytest

from omniroute.infra.postgres import Database, DatabaseUnavailable
from omniroute.kit.refusal import Refusal
from omniroute.money.batches import Batch, BatchState, LineState
from tests.money.batches.batching import Sender, sender, table
from tests.money.payments import house as houses
from tests.money.payments.house import WALLET

LINES = 60


@pytest.fixture
async def shop(app_db: Database, worker_db: Database, owner_db: Database) -> Sender:
    async with owner_db.tx() as tx:
        await tx.connection.execute("TRUNCATE payment_batch, payment_batch_line, payment_batch_approval")
    return sender(await houses.build(app_db, worker_db, owner_db), check=11, initiate=7)


async def killed(shop: Sender, draw: random.Random) -> None:
    """A round that is cut off somewhere, and one that is not, so that there is an end."""
    task = asyncio.create_task(shop.worker.advance())
    await asyncio.wait([task], timeout=draw.uniform(0, 0.03))
    task.cancel()
    with suppress(asyncio.CancelledError, DatabaseUnavailable):
        await task
    if draw.randrange(3) == 0:
        await shop.worker.advance()


async def paid_once(shop: Sender, batch: Batch, count: int = LINES) -> None:
    """Every line has one payment, is paid once, and the books agree."""
    assert (batch.state, batch.successful_count) == (BatchState.COMPLETED, count)
    rows = await shop.rows("SELECT line_number, count(*) AS payments FROM payment GROUP BY line_number")
    assert sorted((row.line_number, row.payments) for row in rows) == [(n, 1) for n in range(1, count + 1)]
    submits = shop.house.connectors[0].submits
    assert len(submits) == len(set(submits)) == count
    left = 100_000_000 - 5_000 * count
    assert await shop.house.balances(WALLET, "float:toy") == [(left, left), (-5_000 * count, -5_000 * count)]


@pytest.mark.parametrize("seed", range(4))
async def test_a_worker_that_is_killed_at_random_points(shop: Sender, seed: int) -> None:
    draw = random.Random(seed)
    batch = await shop.send(table(LINES))
    while (await shop.stands(batch)).state is BatchState.DRAFT:
        await killed(shop, draw)
    await shop.do("submit", batch, actor="usr_maker", on_invalid=None)
    await shop.do("approve", batch, actor="usr_checker", comment=None)
    while any(line.state is LineState.VALID for line in await shop.lines(batch)):
        await killed(shop, draw)
    await paid_once(shop, await shop.finished(batch))


async def test_two_workers_share_a_batch(shop: Sender) -> None:
    other = sender(shop.house, check=11, initiate=7)
    batch = await shop.started(table(LINES))
    while any(line.state is LineState.VALID for line in await shop.lines(batch)):
        await asyncio.gather(shop.worker.advance(), other.worker.advance())
    await paid_once(shop, await shop.finished(batch))


async def test_every_organisation_gets_its_turn(
    shop: Sender, app_db: Database, worker_db: Database, owner_db: Database
) -> None:
    big = await shop.send(table(LINES))
    small = sender(await houses.build(app_db, worker_db, owner_db), check=11, initiate=7)
    batch = await small.send(table(3))

    class Both:
        async def get(self, tenant_id: object) -> object:
            return (shop if tenant_id == shop.house.tenant_id else small).house.rules

    small.worker._rulebooks = Both()  # type: ignore[assignment]
    await small.worker.advance()
    assert (await small.stands(batch)).state is BatchState.VALIDATED
    assert (await shop.stands(big)).state is BatchState.DRAFT


async def test_ten_thousand_lines(shop: Sender) -> None:
    wide = sender(shop.house)
    content = table(10_000, amount="1.00")
    batch = await wide.started(content)
    batch = await wide.initiated(batch)
    assert (batch.valid_count, batch.total_count) == (10_000, 10_000)
    assert [(one.line, one.payment, one.count, one.amount_minor) for one in batch.tally] == [
        (LineState.INITIATED, "approved", 10_000, 1_000_000)
    ]
    assert await shop.house.balances(WALLET) == [(100_000_000, 99_000_000)]
    await wide.do("pause", batch)
    assert await shop.house.rounds() == 0
    await wide.do("cancel", batch)
    while await wide.worker.advance():
        pass
    batch = await wide.stands(batch)
    assert (batch.settled, batch.failed_count) == (True, 10_000)
    assert await shop.house.balances(WALLET) == [(100_000_000, 100_000_000)]
    assert shop.house.connectors[0].submits == []


async def test_more_lines_than_a_batch_may_have_leave_nothing(shop: Sender) -> None:
    before = await shop.moved()
    with pytest.raises(Refusal, match="up to 2500 payments"):
        await shop.send(table(2_501), lines_max=2_500)
    rows = await shop.rows("SELECT count(*) AS lines FROM payment_batch_line")
    assert rows[0].lines == 0
    assert await shop.moved() == before

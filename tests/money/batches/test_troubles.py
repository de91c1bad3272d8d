"""A batch in trouble is its own trouble: other organisations' batches are worked on in the same round."""

from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest

from omniroute.infra.postgres import Database, DatabaseUnavailable, WriteConflict
from omniroute.money.batches import BatchState, BatchWorker
from tests.money.batches.batching import Sender, sender, table
from tests.money.payments import house as houses
from tests.money.payments.house import House


class Books:
    """The rules of several organisations; those of one may be in trouble."""

    def __init__(self, *found: House) -> None:
        self.found = {house.tenant_id: house.rules for house in found}
        self.broken: dict[UUID, Exception] = {}
        self.asked: list[UUID] = []

    async def get(self, tenant_id: UUID) -> Any:
        self.asked.append(tenant_id)
        if tenant_id in self.broken:
            raise self.broken[tenant_id]
        return self.found[tenant_id]


def books_of(worker: BatchWorker) -> Books:
    assert isinstance(worker._rulebooks, Books)
    return worker._rulebooks


@pytest.fixture
async def shops(app_db: Database, worker_db: Database, owner_db: Database) -> list[Sender]:
    async with owner_db.tx() as tx:
        await tx.connection.execute("TRUNCATE payment_batch, payment_batch_line, payment_batch_approval")
    found = [sender(await houses.build(app_db, worker_db, owner_db)) for _ in range(2)]
    books = Books(*[one.house for one in found])
    for one in found:
        one.worker._rulebooks = books
    return sorted(found, key=lambda one: one.house.tenant_id)  # The first has its turn first.


@pytest.mark.parametrize("error", [KeyError("rules"), WriteConflict("again and again")])
async def test_a_batch_that_cannot_be_worked_on_holds_up_no_other(shops: list[Sender], error: Exception) -> None:
    first, second = shops
    broken = await first.started(table(3))
    before = await first.moved()
    worker = second.worker
    books = books_of(worker)
    books.asked.clear()
    books.broken[first.house.tenant_id] = error
    fine = await second.started(table(3))
    while await worker.advance():
        pass
    assert (await second.stands(fine)).state is BatchState.RUNNING
    assert (await second.moved())[0] == 3
    assert (await first.stands(broken)).state is BatchState.APPROVED
    assert await first.moved() == before, "nothing of it moved"
    tries = books.asked.count(first.house.tenant_id)
    assert tries == 1, "it is put off"
    second.clock.at += timedelta(seconds=6)
    await worker.advance()
    second.clock.at += timedelta(seconds=6)
    await worker.advance()
    assert books.asked.count(first.house.tenant_id) == 2, "longer each time"
    del books.broken[first.house.tenant_id]
    second.clock.at += timedelta(minutes=1)
    while await worker.advance():
        pass
    assert (await first.moved())[0] == 3


async def test_another_batch_of_the_organisation_goes_on(shops: list[Sender]) -> None:
    shop, _ = shops
    batch = await shop.send(table(3))
    async with shop.house.db.tx(shop.house.tenant_id) as tx:
        await tx.connection.execute(
            "UPDATE payment_batch SET work_after = work_after - interval '1 hour' WHERE batch_id = %s",
            [batch.batch_id],
        )
    other = await shop.send(table(3, first=10))
    one = shop.worker._one

    async def breaks(row: Any) -> int:
        if row.batch_id == batch.batch_id:
            raise KeyError("a member nobody thought could be missing")
        return await one(row)

    shop.worker._one = breaks  # type: ignore[method-assign]
    for _ in range(3):
        await shop.worker.advance()
    assert (await shop.stands(other)).state is BatchState.VALIDATED
    assert (await shop.stands(batch)).state is BatchState.DRAFT


async def test_a_database_that_is_away_ends_the_round(shops: list[Sender]) -> None:
    first, second = shops
    await first.send(table(3))
    fine = await second.send(table(3))
    books = books_of(second.worker)
    books.broken[first.house.tenant_id] = DatabaseUnavailable("it is away")
    with pytest.raises(DatabaseUnavailable):
        await second.worker.advance()
    assert (await second.stands(fine)).state is BatchState.DRAFT
    books.broken.clear()
    await second.worker.advance()
    assert len(books.asked) == 3, "and is put off for nobody"

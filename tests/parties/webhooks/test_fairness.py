"""One endpoint that hangs, fails or is flooded holds up nobody but itself; and what is due is found by an index."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack
from datetime import datetime, timedelta
from uuid import UUID, uuid4

import pytest

from omniroute.infra.events import Cursor, enrol, position
from omniroute.infra.postgres import Database, StatementTimeout, Tx
from omniroute.parties import webhooks
from omniroute.parties.webhooks import CourierLimits, DeliveryStatus
from omniroute.parties.webhooks.store import SQL
from tests.infra.http.peer import Caller, serve
from tests.parties.webhooks.house import OK, House, Receiver, answer, opened, receiving


class Hanging:
    """A receiver that takes a message and says nothing until it is let go."""

    def __init__(self) -> None:
        self.taken = 0
        self.most = 0
        self.now = 0
        self.go = asyncio.Event()

    async def play(self, caller: Caller) -> None:
        while await caller.request():
            self.taken += 1
            self.now += 1
            self.most = max(self.most, self.now)
            await self.go.wait()
            self.now -= 1
            await caller.say(OK)


@pytest.fixture
async def hanging() -> AsyncIterator[Hanging]:
    made = Hanging()
    yield made
    made.go.set()


async def test_a_hanging_endpoint_holds_up_nobody_else(
    app_db: Database, worker_db: Database, receiver: Receiver, hanging: Hanging
) -> None:
    async with AsyncExitStack() as stack:
        peer = await stack.enter_async_context(serve(hanging.play))
        house = await stack.enter_async_context(opened(app_db, worker_db))
        other = await stack.enter_async_context(opened(app_db, worker_db, beside=house))
        await house.endpoint(peer.url)
        await house.endpoint(receiver.url)
        await other.endpoint(receiver.url)
        for number in range(30):
            await house.ship(f"a{number}")
        await other.ship("b")
        await house.feed()
        for _ in range(20):
            await house.courier.deliver()
            await asyncio.sleep(0.02)
        while len(receiver.got) < 31:
            await house.courier.deliver()
            await asyncio.sleep(0.02)
        assert hanging.taken == CourierLimits().endpoint_max
        assert sorted(receiver.notes) == sorted(["b", *[f"a{number}" for number in range(30)]])
        hanging.go.set()
        await house.courier.idle()
        await house.rounds()
        assert hanging.taken == 30
        assert hanging.most == CourierLimits().endpoint_max


async def test_an_endpoint_that_fails_gets_one_place(
    app_db: Database, worker_db: Database, house: House, receiver: Receiver
) -> None:
    receiver.reply = lambda got: answer(500)
    made = await house.endpoint(receiver.url)
    for number in range(20):
        await house.ship(str(number))
    await house.feed()
    await house.courier.deliver()
    await house.courier.idle()
    assert len(receiver.got) == 8
    await house.courier.deliver()
    await house.courier.idle()
    assert len(receiver.got) == 9  # It has failed too often to be given more at a time.
    receiver.reply = lambda got: OK
    await house.courier.deliver()
    await house.courier.idle()
    await house.courier.deliver()
    await house.courier.idle()
    assert len(receiver.got) == 18
    house.wait(timedelta(seconds=5))
    await house.rounds()
    assert {one.status for one in await house.deliveries(made)} == {DeliveryStatus.DELIVERED}


async def test_endpoints_that_fail_share_half_of_the_places(
    app_db: Database, worker_db: Database, owner_db: Database, hanging: Hanging
) -> None:
    limits = CourierLimits(in_flight_max=8, tenant_max=8)
    async with AsyncExitStack() as stack:
        peer = await stack.enter_async_context(serve(hanging.play))
        good = await stack.enter_async_context(receiving())
        house = await stack.enter_async_context(opened(app_db, worker_db, limits=limits))
        bad = [await house.endpoint(peer.url, "parcel.shipped") for _ in range(12)]
        for one in bad:
            async with owner_db.tx(house.org.id) as tx:
                await tx.connection.execute(
                    "UPDATE webhook_endpoint SET failure_count = 9 WHERE endpoint_id = %s", [one.endpoint.endpoint_id]
                )
        await house.ship("bad")
        await house.feed()
        await house.courier.deliver()
        await house.courier.deliver()
        await house.endpoint(good.url, "parcel.shipped")
        await house.ship("good")
        await house.feed()
        while not good.got:
            await house.courier.deliver()
            await asyncio.sleep(0.01)
        assert hanging.taken == 4
        hanging.go.set()
        await house.courier.idle()


async def test_a_restart_cuts_off_what_hangs_and_sends_it_again(
    app_db: Database, worker_db: Database, house: House, hanging: Hanging
) -> None:
    async with serve(hanging.play) as peer:
        made = await house.endpoint(peer.url)
        await house.ship("one")
        await house.feed()
        await house.courier.deliver()
        await peer.asked.wait()
        await house.courier.close(grace_s=0)
        (delivery,) = await house.deliveries(made)
        assert (delivery.status, delivery.attempt_count) == (DeliveryStatus.PENDING, 0)
        hanging.go.set()
        house.wait(timedelta(seconds=60))
        await house.rounds()
        (delivery,) = await house.deliveries(made)
        assert (delivery.status, delivery.attempt_count, hanging.taken) == (DeliveryStatus.DELIVERED, 1, 2)


async def test_what_is_due_is_found_without_walking_the_queues(house: House, owner_db: Database) -> None:
    quick = await house.endpoint("http://127.0.0.1:9/")
    slow = await house.endpoint("http://127.0.0.1:9/")
    fill = """
        INSERT INTO webhook_delivery (tenant_id, delivery_id, endpoint_id, event_id, event_seq, event_type, event_at,
                                      subject, next_attempt_at, created_at)
        SELECT %(tenant)s, gen_random_uuid(), %(endpoint)s, gen_random_uuid(), -n, 'parcel.shipped', now(),
               gen_random_uuid(), %(due)s, now()
          FROM generate_series(1, %(count)s) n"""
    now = house.clock.now()
    async with owner_db.tx(house.org.id) as tx:
        for endpoint, count, due in (
            (slow, 30_000, now + timedelta(days=1)),
            (quick, 3, now - timedelta(minutes=1)),
        ):
            params = {"tenant": house.org.id, "endpoint": endpoint.endpoint.endpoint_id, "count": count, "due": due}
            await tx.connection.execute(fill, params)
    async with owner_db.connection() as connection:
        await connection.execute("ANALYZE webhook_delivery")
    nil = UUID(int=0)
    params = {"after_tenant": nil, "after_endpoint": nil, "now": now, "each": 16, "limit": 800}
    async with house.worker.tx() as tx:
        rows = await tx.all(SQL.due_deliveries, **params)
        assert [row.endpoint_id for row in rows if row.tenant_id == house.org.id] == [quick.endpoint.endpoint_id] * 3
        explain = await tx.connection.execute(b"EXPLAIN (ANALYZE, COSTS OFF) " + SQL.due_deliveries.text, params)
        plan = "\n".join(row[0] for row in await explain.fetchall())
    assert "Seq Scan on webhook_delivery" not in plan, plan
    assert "rows=30000" not in plan, plan
    async with owner_db.tx(house.org.id) as tx:
        await tx.connection.execute("DELETE FROM webhook_delivery WHERE event_seq < 0 AND tenant_id = current_tenant()")


async def test_without_endpoints_nothing_is_read_and_the_cursor_moves_on(
    app_db: Database, worker_db: Database, owner_db: Database
) -> None:
    async with opened(app_db, worker_db) as house:
        async with owner_db.tx() as tx:
            await tx.connection.execute("DELETE FROM event_consumer WHERE name = 'webhooks'")
            await tx.connection.execute("UPDATE webhook_endpoint SET status = 'deleted'")
            await enrol(tx, "webhooks", Cursor())
            await tx.connection.execute("UPDATE event_consumer SET updated_at = now() - interval '1 hour'")
        await house.ship("nobody listens", parcel=uuid4())
        assert await webhooks.feed(worker_db, now=house.clock.now()) == 0
        async with worker_db.tx() as tx:
            where, _ = await position(tx, "webhooks")
        assert where.until.top > 0


@pytest.mark.parametrize("error", [KeyError("secret"), StatementTimeout("too long")])
async def test_an_organisation_in_trouble_holds_up_nobody_else(
    app_db: Database, worker_db: Database, receiver: Receiver, error: Exception
) -> None:
    async with AsyncExitStack() as stack:
        house = await stack.enter_async_context(opened(app_db, worker_db))
        other = await stack.enter_async_context(opened(app_db, worker_db, beside=house))
        endpoint = await house.endpoint(receiver.url)
        await other.endpoint(receiver.url)
        await house.ship("a")
        await other.ship("b")
        opens, tries = house.courier._open_secrets, 0

        async def breaks(tx: Tx, endpoints: Sequence[UUID], now: datetime) -> dict[UUID, tuple[str, ...]]:
            nonlocal tries
            if tx.tenant != house.org.id:
                return await opens(tx, endpoints, now)
            tries += 1
            raise error

        house.courier._open_secrets = breaks  # type: ignore[method-assign]
        await house.rounds()
        assert receiver.notes == ["b"]
        assert [one.status for one in await house.deliveries(endpoint)] == [DeliveryStatus.PENDING]
        assert tries == 1, "it is put off"
        house.courier._open_secrets = opens  # type: ignore[method-assign]
        house.wait(timedelta(minutes=1))
        await house.rounds()
        assert receiver.notes == ["b", "a"]

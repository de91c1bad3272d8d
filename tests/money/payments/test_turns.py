"""Work is taken in turn: between organisations, between rails, and single payments beside those of a batch."""

import asyncio
from dataclasses import replace
from datetime import timedelta
from uuid import UUID

import pytest

from omniroute import ledger
from omniroute.infra.batch import BatchLimits
from omniroute.infra.postgres import Database
from omniroute.kit.ids import uuid7
from omniroute.money import payments
from omniroute.money.payments import AttemptState, DispatcherLimits, Payment, PaymentState
from omniroute.money.payments import store as payment_store
from omniroute.money.payments.in_flight import Exchange, InFlight
from omniroute.money.payments.model import Source
from omniroute.ports.rails import Answer, CodeClass, Outcome, Result
from tests.money.payments import house as houses
from tests.money.payments.house import META, START, WALLET, House
from tests.money.payments.toy import POLICY, ToyLinks

FULL = 1_000_000_00
SMALL = DispatcherLimits(in_flight_max=40, claim_max=10)


@pytest.fixture
async def big(app_db: Database, worker_db: Database, owner_db: Database) -> House:
    return await houses.build(app_db, worker_db, owner_db)


@pytest.fixture
async def small(big: House, app_db: Database, worker_db: Database, owner_db: Database) -> House:
    """Another organisation, whose payments the same worker sends."""
    house = await houses.build(app_db, worker_db, owner_db)
    everywhere = ToyLinks(big.links.links | house.links.links)
    house.dispatcher = big.dispatcher = worker(house, everywhere, "worker-1")
    return house


def worker(
    house: House, links: ToyLinks | None = None, name: str = "worker-1", limits: DispatcherLimits = SMALL
) -> payments.Dispatcher:
    return payments.Dispatcher(
        house.worker,
        links or house.links,
        clock=house.clock,
        business_day=houses.today,
        worker_id=name,
        limits=limits,
    )


async def copy(house: House, payment: Payment, count: int, *, batch: UUID | None = None) -> None:
    """So many more rows like this payment, all due before anything else."""
    async with house.db.tx(house.tenant_id) as tx:
        await tx.connection.execute(
            "INSERT INTO payment (tenant_id, payment_id, reference, type, state, amount_minor, currency,"
            " source_account_id, source_code, payee, body_hash, rail, connection_ids, hold_id, send_after,"
            " initiated_by, created_at, updated_at, batch_id)"
            " SELECT tenant_id, gen_random_uuid(), reference || '-' || n, type, state, amount_minor, currency,"
            " source_account_id, source_code, payee, body_hash, rail, connection_ids, gen_random_uuid(),"
            " send_after - interval '1 hour' + n * interval '1 ms', initiated_by, created_at, updated_at, %s"
            " FROM payment, generate_series(1, %s) AS n WHERE tenant_id = %s AND payment_id = %s",
            [batch, count, house.tenant_id, payment.payment_id],
        )


async def due(house: House, limit: int, full: tuple[UUID, ...] = ()) -> list[UUID]:
    """The payments a worker would take up first."""
    async with house.worker.tx(readonly=True) as tx:
        rows = await tx.all(payment_store.SQL.due_payments, now=house.clock.now(), full=list(full), limit=limit)
    return [row.payment_id for row in rows]


async def states(house: House, made: list[Payment]) -> list[PaymentState]:
    return [(await house.now_stands(one)).state for one in made]


async def test_three_payments_do_not_wait_behind_ten_thousand_of_another_organisation(big: House, small: House) -> None:
    (first,) = await big.initiated(big.order())
    await copy(big, first, 10_000)
    three = await small.initiated(*[small.order() for _ in range(3)])
    taken = await due(big, 10)
    assert {one.payment_id for one in three} <= set(taken[:6]), "one of each organisation in turn"
    assert len(taken) == 10, "and the rest of the room is used"


async def test_the_few_are_sent_in_the_first_round(big: House, small: House) -> None:
    many = await big.initiated(*[big.order() for _ in range(60)])
    three = await small.initiated(*[small.order() for _ in range(3)])
    assert await big.dispatcher.send() == 10
    await big.dispatcher.idle()
    assert await states(small, three) == [PaymentState.SUCCEEDED] * 3
    assert (await states(big, many)).count(PaymentState.SUCCEEDED) == 7
    await big.rounds(6)
    assert set(await states(big, many)) == {PaymentState.SUCCEEDED}


async def test_a_single_payment_goes_before_the_batch_that_came_first(big: House) -> None:
    (first,) = await big.initiated(big.order())
    await copy(big, first, 1_000, batch=uuid7())
    (second,) = await big.initiated(big.order())
    taken = await due(big, 4)
    assert {first.payment_id, second.payment_id} <= set(taken)
    assert taken[0] == first.payment_id


async def test_what_is_full_paused_or_not_yet_due_is_passed_over(big: House, small: House) -> None:
    (mine,) = await big.initiated(big.order())
    (other,) = await small.initiated(small.order())
    await big.initiated(big.order(send_after=START + timedelta(hours=1)))
    (paused,) = await big.initiated(big.order(batch_id=uuid7(), line_number=1))
    async with big.worker.tx(big.tenant_id) as tx:
        assert paused.batch_id is not None
        assert await payments.pause_batch(tx, paused.batch_id) == 1
    assert set(await due(big, 10)) == {mine.payment_id, other.payment_id}
    assert await due(big, 10, full=big.rules.connection_ids) == [other.payment_id]


async def test_questions_are_asked_in_turn(big: House, small: House) -> None:
    for house in (big, small):
        house.connectors[0].takes = timedelta(days=1)
    await big.initiated(*[big.order() for _ in range(30)])
    await small.initiated(small.order())
    for _ in range(6):
        await big.dispatcher.send()
        await big.dispatcher.idle()
    big.clock.at += timedelta(minutes=1)
    async with big.worker.tx(readonly=True) as tx:
        rows = await tx.all(payment_store.SQL.attempts_to_ask, now=big.clock.now(), full=[], limit=4)
    assert [row.tenant_id for row in rows].count(small.tenant_id) == 1


async def test_a_rail_that_hangs_leaves_the_other_its_places(
    app_db: Database, worker_db: Database, owner_db: Database
) -> None:
    house = await houses.build(app_db, worker_db, owner_db, rails=("toy", "toy2"))
    house.dispatcher = worker(house)
    hangs, goes = house.connectors
    gate, submit = asyncio.Event(), hangs.submit

    async def hang(*given: object) -> Result:
        await gate.wait()
        return await submit(*given)  # type: ignore[arg-type]

    hangs.submit = hang  # type: ignore[assignment, method-assign]
    one, two = house.rules.connection_ids
    house.rules.connection_ids = (one,)
    waiting = await house.initiated(*[house.order() for _ in range(50)])
    house.rules.connection_ids = (two,)
    others = await house.initiated(*[house.order() for _ in range(20)])
    try:
        async with asyncio.timeout(60):
            while len(goes.submits) < 20:
                await house.dispatcher.send()
                await asyncio.sleep(0)
        async with asyncio.timeout(60):
            while set(await states(house, others)) != {PaymentState.SUCCEEDED}:  # noqa: ASYNC110 - read from the database
                await asyncio.sleep(0.01)
        assert 0 < (await states(house, waiting)).count(PaymentState.EXECUTING) <= 16, "two fifths of the places"
    finally:
        gate.set()
        await house.dispatcher.idle()
    await house.rounds(6)
    assert set(await states(house, waiting)) == {PaymentState.SUCCEEDED}
    assert len(hangs.submits) == 50


@pytest.mark.parametrize("pace", [0, 2], ids=["at_once", "paced"])
async def test_two_workers_never_send_the_same_payment(big: House, pace: int) -> None:
    records = BatchLimits(pace_s=pace / 1000, items_max=8)
    workers = [worker(big, name=name, limits=replace(SMALL, records=records)) for name in ("one", "two", "three")]
    made = await big.initiated(*[big.order(amount_minor=100) for _ in range(90)])
    async with asyncio.timeout(60):
        while PaymentState.APPROVED in set(await states(big, made)):
            await asyncio.gather(*[one.send() for one in workers])
    for one in workers:
        await one.close()
    assert set(await states(big, made)) == {PaymentState.SUCCEEDED}
    assert len(set(big.connectors[0].submits)) == len(big.connectors[0].submits) == 90
    assert await big.balances(WALLET, "float:toy") == [(FULL - 9_000, FULL - 9_000), (-9_000, -9_000)]


async def test_one_refusal_of_the_books_does_not_touch_its_companions(big: House) -> None:
    big.connectors[0].takes = timedelta(days=1)
    made = await big.initiated(*[big.order(amount_minor=100) for _ in range(3)])
    await big.dispatcher.send()
    await big.dispatcher.idle()
    async with big.db.tx(big.tenant_id) as tx:
        assert made[1].hold_id is not None
        await ledger.post_one(tx, ledger.void_hold(made[1].hold_id, meta=META), today=START.date())
    attempts = [(await big.attempts(one))[0] for one in made]
    assert {one.state for one in attempts} == {AttemptState.PENDING}
    said = [
        payments.Evidence(one.attempt_id, Result(Outcome.SUCCEEDED, Answer("paid")), Source.QUERY, CodeClass.OK, POLICY)
        for one in attempts
    ]
    async with big.worker.tx(big.tenant_id) as tx:
        await payments.record(tx, said, now=big.clock.now(), today=START.date())
    assert await states(big, made) == [PaymentState.SUCCEEDED, PaymentState.NEEDS_REVIEW, PaymentState.SUCCEEDED]
    assert (await big.now_stands(made[1])).reason == "books_refused: ledger.hold_resolved"
    assert {(await big.attempts(one))[0].state for one in made} == {AttemptState.SUCCEEDED}
    assert await big.balances(WALLET) == [(FULL - 200, FULL - 200)]


async def test_calls_of_a_rail_are_applied_together_each_for_what_it_is_worth(big: House) -> None:
    big.connectors[0].takes = timedelta(seconds=5)
    made = await big.initiated(*[big.order(amount_minor=100) for _ in range(3)])
    await big.dispatcher.send()
    await big.dispatcher.idle()
    big.clock.at += timedelta(seconds=6)
    await big.world.run_due()
    refs = [(await big.attempts(one))[0].our_ref for one in made]
    (connection_id,) = big.rules.connection_ids
    calls = [
        ("verified", refs[0], True),
        ("payout", refs[1], True),
        ("verified", refs[2], False),
        ("verified", refs[0], True),
    ]
    async with big.db.tx(big.tenant_id) as tx:
        for number, (purpose, ref, authentic) in enumerate(calls):
            await payments.receive_callback(
                tx,
                connection_id,
                purpose=purpose,
                ref=ref,
                authentic=authentic,
                headers={},
                body=b"%d" % number,
                now=big.clock.now(),
            )
    before = await big.attempts(made[2])
    assert await big.dispatcher.hear() == 4
    assert await states(big, made) == [PaymentState.SUCCEEDED, PaymentState.EXECUTING, PaymentState.EXECUTING]
    assert (await big.attempts(made[1]))[0].next_query_at == big.clock.now()
    assert await big.attempts(made[2]) == before, "a forged call moves nothing"
    async with big.db.tx(big.tenant_id) as tx:
        page = await payments.list_provider_events(tx)
    told = sorted((one.state, str(one.outcome)) for one in page.items)
    assert told == [
        ("processed", "{'told': ['asked']}"),
        ("processed", "{'told': ['succeeded']}"),
        ("processed", "{'told': ['succeeded']}"),
        ("rejected", "{'told': ['rejected']}"),
    ]
    assert await big.balances(WALLET) == [(FULL - 100, FULL - 300)]


async def test_places_are_shared_out_between_kinds_and_connections() -> None:
    in_flight, gate = InFlight(40), asyncio.Event()
    one, two = uuid7(), uuid7()

    async def work() -> None:
        await gate.wait()

    for _ in range(16):
        in_flight.start(Exchange.SEND, one, work())
    assert (in_flight.room_over(Exchange.SEND, one), in_flight.room_over(Exchange.ASK, one)) == (0, 16)
    assert (in_flight.full(Exchange.SEND), in_flight.full(Exchange.ASK)) == ([one], [])
    for _ in range(14):
        in_flight.start(Exchange.SEND, two, work())
    assert (in_flight.room(Exchange.SEND), in_flight.room(Exchange.ASK)) == (0, 10)
    eased = asyncio.create_task(in_flight.ease(Exchange.SEND, patience=timedelta(minutes=5)))
    await asyncio.sleep(0)
    assert not eased.done()
    gate.set()
    await in_flight.idle()
    await eased
    assert (in_flight.room(Exchange.SEND), in_flight.full(Exchange.SEND), len(in_flight.tasks)) == (30, [], 0)

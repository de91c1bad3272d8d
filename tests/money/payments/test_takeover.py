"""What a dead worker had in its hands is taken over before its lease is over; what a living one has is not."""

import asyncio
from datetime import timedelta

from omniroute.infra.postgres import Database, present
from omniroute.money import payments
from omniroute.money.payments import AttemptState, PaymentState
from omniroute.sandbox.faults import MAGIC, Fault
from tests.money.payments import house as houses
from tests.money.payments.house import WALLET, House
from tests.presences import victim

FULL = 1_000_000_00
SOON = timedelta(seconds=3)


def worker(house: House, name: str) -> payments.Dispatcher:
    return payments.Dispatcher(house.worker, house.links, clock=house.clock, business_day=houses.today, worker_id=name)


async def take_up(house: House, name: str) -> payments.Dispatcher:
    """A worker that dies when it has taken up what is due, before a byte has left."""
    one = worker(house, name)
    await one.send()
    for task in list(one._in_flight.tasks):
        task.cancel()
    await one.idle()
    return one


async def recovered(house: House, heir: payments.Dispatcher) -> int:
    """What somebody finds who looks twice."""
    first = await heir.recover()
    house.clock.at += SOON
    return first + await heir.recover()


async def test_what_a_dead_worker_was_sending_is_asked_about(
    app_db: Database, worker_db: Database, owner_db: Database
) -> None:
    house = await houses.build(app_db, worker_db, owner_db)
    (payment,) = await house.initiated(house.order(amount_minor=400_00))
    await take_up(house, "dead+")
    assert [a.state for a in await house.attempts(payment)] == [AttemptState.SENDING]
    heir = worker(house, "heir+")
    assert await recovered(house, heir) == 1
    (attempt,) = await house.attempts(payment)
    assert attempt.state is AttemptState.UNKNOWN
    assert attempt.lease_until > house.clock.now()
    assert await house.balances(WALLET) == [(FULL, FULL - 400_00)]
    # It never reached the rail; but nobody believes that before the longest send is over, and the rail's own window.
    house.dispatcher = heir
    await house.settle(timedelta(minutes=59))
    assert [a.state for a in await house.attempts(payment)] == [AttemptState.UNKNOWN]
    await house.settle(timedelta(hours=3))
    assert (await house.now_stands(payment)).state is PaymentState.SUCCEEDED
    assert len(house.connectors[0].submits) == 1


async def test_what_was_only_named_goes_with_a_new_attempt(
    app_db: Database, worker_db: Database, owner_db: Database
) -> None:
    house = await houses.build(app_db, worker_db, owner_db, ask_names=True, names={"0123456789": "ADA OBI"})
    (payment,) = await house.initiated(house.order(amount_minor=400_00))
    dead = worker(house, "dead+")
    # It stops between the enquiry and the last word.
    await dead.send()
    for task in list(dead._in_flight.tasks):
        task.cancel()
    await dead.idle()
    assert [a.state for a in await house.attempts(payment)] == [AttemptState.CREATED]
    heir = worker(house, "heir+")
    assert await recovered(house, heir) == 1
    assert [a.state for a in await house.attempts(payment)] == [AttemptState.NOT_SENT]
    house.dispatcher = heir
    await house.settle(timedelta(hours=1))
    assert (await house.now_stands(payment)).state is PaymentState.SUCCEEDED
    assert [a.state for a in await house.attempts(payment)] == [AttemptState.NOT_SENT, AttemptState.SUCCEEDED]
    assert len(house.connectors[0].submits) == 1


async def test_a_living_worker_keeps_what_it_has(
    database_url: str, app_db: Database, worker_db: Database, owner_db: Database
) -> None:
    house = await houses.build(app_db, worker_db, owner_db)
    (payment,) = await house.initiated(house.order())
    async with present(database_url, "living") as name:
        await take_up(house, name)
        assert await recovered(house, worker(house, "heir+")) == 0
        assert [a.state for a in await house.attempts(payment)] == [AttemptState.SENDING]
        assert (await house.attempts(payment))[0].claimed_by == name
    assert await recovered(house, worker(house, "heir+")) == 1


async def test_nobody_takes_over_from_himself_or_from_who_holds_no_lock(
    app_db: Database, worker_db: Database, owner_db: Database
) -> None:
    house = await houses.build(app_db, worker_db, owner_db)
    await house.initiated(house.order())
    one = await take_up(house, "one+")
    assert await recovered(house, one) == 0
    other = await houses.build(app_db, worker_db, owner_db)
    await other.initiated(other.order())
    await take_up(other, "unmarked")
    assert await recovered(other, worker(other, "heir+")) == 0


async def test_who_was_only_cut_off_does_no_harm(app_db: Database, worker_db: Database, owner_db: Database) -> None:
    """Two workers that each think the other dead: named attempts go once, sent ones are only asked about."""
    house = await houses.build(app_db, worker_db, owner_db, ask_names=True, names={"0123456789": "ADA OBI"})
    (payment,) = await house.initiated(house.order(amount_minor=400_00))
    slow, heir = worker(house, "slow+"), worker(house, "heir+")
    held = asyncio.Event()
    toy = house.connectors[0]
    enquire = toy.resolve_party

    async def hesitate(*given: object, **named: object) -> object:
        await held.wait()
        return await enquire(*given, **named)  # type: ignore[arg-type]

    toy.resolve_party = hesitate  # type: ignore[method-assign,assignment]
    await slow.send()
    await asyncio.sleep(0)
    assert await recovered(house, heir) == 1
    held.set()
    await slow.idle()  # Its last word is refused: the attempt is no longer its own.
    assert toy.submits == []
    house.dispatcher = heir
    await house.settle(timedelta(hours=1))
    assert (await house.now_stands(payment)).state is PaymentState.SUCCEEDED
    assert len(toy.submits) == 1
    assert await house.balances(WALLET) == [(FULL - 400_00, FULL - 400_00)]


async def test_questions_of_a_dead_worker_are_asked_again(
    app_db: Database, worker_db: Database, owner_db: Database
) -> None:
    house = await houses.build(app_db, worker_db, owner_db)
    payee = f"0123456{next(digits for digits, fault in MAGIC.items() if fault is Fault.LOST_REPLY)}"
    (payment,) = await house.initiated(house.order(payee=payee))
    await house.rounds()
    (attempt,) = await house.attempts(payment)
    assert attempt.state is AttemptState.UNKNOWN
    assert attempt.next_query_at is not None
    house.clock.at = attempt.next_query_at
    dead = worker(house, "dead+")
    assert await dead.ask() == 1
    for task in list(dead._in_flight.tasks):
        task.cancel()
    await dead.idle()
    asked_at = (await house.attempts(payment))[0].next_query_at
    assert asked_at is not None
    assert asked_at > house.clock.now() + timedelta(seconds=60)
    heir = worker(house, "heir+")
    assert await heir.ask() == 0
    assert await recovered(house, heir) == 0  # No attempt is lost by it.
    assert await heir.ask() == 1
    await heir.idle()
    assert (await house.now_stands(payment)).state is PaymentState.SUCCEEDED
    async with worker_db.tx(house.tenant_id) as tx:
        row = await (await tx.connection.execute("SELECT count(asked_by) FROM payment_attempt")).fetchone()
    assert row == (0,)


async def test_kill_9(database_url: str, app_db: Database, worker_db: Database, owner_db: Database) -> None:
    house = await houses.build(app_db, worker_db, owner_db)
    (payment,) = await house.initiated(house.order())
    heir = worker(house, "heir+")
    with victim(database_url, "victim") as other:
        await take_up(house, other.name)
        assert await recovered(house, heir) == 0
        other.kill()
    for _ in range(600):  # The clock of the house goes with each look, but never as far as the lease.
        if await heir.recover():
            break
        house.clock.at += timedelta(milliseconds=50)
        await asyncio.sleep(0.1)
    (attempt,) = await house.attempts(payment)
    assert attempt.state is AttemptState.UNKNOWN
    assert attempt.lease_until > house.clock.now()

"""Sending again: one delivery, everything since an instant, a test; and forgetting what is old."""

from datetime import timedelta
from uuid import uuid4

import pytest

from omniroute.infra.postgres import Database
from omniroute.parties import webhooks
from omniroute.parties.webhooks import (
    Delivery,
    DeliveryStatus,
    EndpointStatus,
    IssuedEndpoint,
    ReplaceEndpoint,
    deliveries,
    service,
)
from tests.parties.makers import refuses
from tests.parties.webhooks.house import META, OK, House, Receiver, answer


async def replay(house: House, delivery: Delivery) -> Delivery:
    async with house.db.tx(house.org.id) as tx:
        return await webhooks.replay_delivery(tx, delivery.delivery_id, now=house.clock.now())


async def replay_since(house: House, made: IssuedEndpoint, *, hours: int = 1, everything: bool = False) -> int:
    since = house.clock.now() - timedelta(hours=hours)
    async with house.db.tx(house.org.id) as tx:
        return await webhooks.replay_since(
            tx, made.endpoint.endpoint_id, since, everything=everything, now=house.clock.now()
        )


async def become(house: House, made: IssuedEndpoint, status: EndpointStatus, *types: str) -> None:
    stands = await house.stands(made)
    command = ReplaceEndpoint(stands.url, types or stands.event_types, stands.description, status)
    async with house.db.tx(house.org.id) as tx:
        await webhooks.replace_endpoint(
            tx,
            stands.endpoint_id,
            command,
            version=stands.version,
            loopback_allowed=True,
            now=house.clock.now(),
            meta=META,
        )


async def test_a_delivery_that_ended_goes_again_out_of_turn(house: House, receiver: Receiver) -> None:
    made = await house.endpoint(receiver.url)
    parcel = await house.ship("a1")
    await house.rounds()
    receiver.reply = lambda got: answer(500) if got.note == "a2" else OK
    await house.ship("a2", parcel=parcel)
    await house.rounds()
    first = (await house.deliveries(made))[0]
    await become(house, made, EndpointStatus.PAUSED)
    again = await replay(house, first)
    assert (again.status, again.is_manual) == (DeliveryStatus.PENDING, True)
    await house.rounds()
    assert receiver.notes == ["a1", "a2", "a1"]
    assert receiver.got[0].headers["webhook-id"] == receiver.got[2].headers["webhook-id"]
    assert [one.number for one in await house.attempts(first)] == [1, 2]


async def test_a_delivery_that_waits_is_brought_forward(house: House, receiver: Receiver) -> None:
    receiver.reply = lambda got: answer(500)
    made = await house.endpoint(receiver.url)
    await house.ship("a1", "a2")
    await house.rounds()
    receiver.reply = lambda got: OK
    first, second = await house.deliveries(made)
    await replay(house, second)
    await house.rounds()
    assert receiver.notes == ["a1"]  # Its turn has not come.
    assert not (await replay(house, first)).is_manual
    await house.rounds()
    assert receiver.notes == ["a1", "a1", "a2"]


async def test_everything_since_an_instant_goes_again_in_order(house: House, receiver: Receiver) -> None:
    receiver.reply = lambda got: answer(410) if got.note == "a2" else OK
    made = await house.endpoint(receiver.url)
    parcel = await house.ship("a1", "a2")
    await house.rounds()
    await house.ship("a3", "a4", parcel=parcel)  # While it is disabled.
    await house.rounds()
    with refuses("webhooks.endpoint_disabled"):
        await replay_since(house, made)
    receiver.reply = lambda got: OK
    await become(house, made, EndpointStatus.ACTIVE)
    assert receiver.notes == ["a1", "a2"]
    assert await replay_since(house, made) == 3
    assert await replay_since(house, made) == 3  # They wait: brought forward, not doubled.
    await house.rounds()
    assert receiver.notes == ["a1", "a2", "a2", "a3", "a4"]
    assert await replay_since(house, made) == 0
    assert await replay_since(house, made, everything=True) == 4
    await house.rounds()
    assert receiver.notes[5:] == ["a1", "a2", "a3", "a4"]


async def test_an_endpoint_with_a_wider_choice_can_have_what_it_missed(house: House, receiver: Receiver) -> None:
    made = await house.endpoint(receiver.url, "branch.*")
    await house.ship("one")
    await house.rounds()
    await become(house, made, EndpointStatus.ACTIVE, "parcel.*")
    assert await replay_since(house, made) == 1
    await house.rounds()
    assert receiver.notes == ["one"]


async def test_too_much_at_once_is_refused_and_queues_nothing(
    house: House, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(deliveries, "REPLAY_MAX", 3)
    made = await house.endpoint(receiver.url, "branch.*")
    await house.ship("1", "2", "3", "4")
    await house.rounds()
    await become(house, made, EndpointStatus.ACTIVE, "parcel.*")
    with refuses("webhooks.replay_too_large"):
        await replay_since(house, made)
    assert await house.deliveries(made) == []


async def test_a_walk_through_a_long_log_finds_the_instant(
    house: House, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(deliveries, "_PAGE", 2)
    made = await house.endpoint(receiver.url, "branch.*")
    await house.ship(*[str(number) for number in range(7)])
    await house.rounds()
    await become(house, made, EndpointStatus.ACTIVE, "parcel.*")
    assert await replay_since(house, made) == 7
    await house.rounds()
    assert receiver.notes == [str(number) for number in range(7)]


async def test_a_test_goes_to_one_endpoint_alone_in_any_state(house: House, receiver: Receiver) -> None:
    tried = await house.endpoint(receiver.url, "parcel.lost")
    other = await house.endpoint(receiver.url, "*", paused=True)
    await become(house, tried, EndpointStatus.DISABLED)
    async with house.db.tx(house.org.id) as tx:
        event_id = await webhooks.send_test(tx, tried.endpoint.endpoint_id, meta=META)
    await house.rounds()
    (got,) = receiver.got
    assert got.event["type"] == "webhook_endpoint.tested"
    (delivery,) = await house.deliveries(tried)
    assert (delivery.event_id, delivery.status) == (event_id, DeliveryStatus.DELIVERED)
    assert "webhook_endpoint.tested" not in [one.event_type for one in await house.deliveries(other)]
    assert (await house.stands(tried)).status is EndpointStatus.DISABLED


async def test_what_is_not_there_is_not_found(house: House) -> None:
    async with house.db.tx(house.org.id) as tx:
        with refuses("webhooks.delivery_not_found"):
            await webhooks.replay_delivery(tx, uuid4(), now=house.clock.now())
        with refuses("webhooks.endpoint_not_found"):
            await webhooks.send_test(tx, uuid4(), meta=META)
        with refuses("webhooks.endpoint_not_found"):
            await webhooks.replay_since(tx, uuid4(), house.clock.now(), everything=False, now=house.clock.now())


async def test_a_deleted_endpoint_gets_nothing_more(house: House, receiver: Receiver) -> None:
    receiver.reply = lambda got: answer(500)
    made = await house.endpoint(receiver.url)
    await house.ship("one")
    await house.rounds()
    (delivery,) = await house.deliveries(made)
    async with house.db.tx(house.org.id) as tx:
        await webhooks.delete_endpoint(tx, made.endpoint.endpoint_id, version=1, now=house.clock.now(), meta=META)
    await house.ship("two")
    house.wait(timedelta(days=1))
    await house.rounds()
    assert receiver.notes == ["one"]
    with refuses("webhooks.endpoint_not_found"):
        await replay(house, delivery)


async def test_the_log_forgets_what_is_old_and_over(
    house: House, receiver: Receiver, worker_db: Database, owner_db: Database
) -> None:
    made = await house.endpoint(receiver.url)
    await house.ship("old")
    await house.rounds()
    receiver.reply = lambda got: answer(500)
    await house.ship("waits")
    await house.rounds()
    house.wait(timedelta(hours=1))
    before = house.clock.now()
    receiver.reply = lambda got: OK
    await house.ship("young")
    await house.rounds()
    await house.ship("queued")
    await house.feed()
    await webhooks.purge(worker_db, before=before)
    kept = [(one.event_type, one.status) for one in await house.deliveries(made)]
    assert len(kept) == 3  # The one that waited was over after `before`.
    async with owner_db.tx() as tx:
        orphans = await tx.connection.execute(
            "SELECT count(*) FROM webhook_attempt a WHERE NOT EXISTS (SELECT FROM webhook_delivery d"
            " WHERE d.tenant_id = a.tenant_id AND d.delivery_id = a.delivery_id)"
        )
        assert await orphans.fetchone() == (0,)


async def test_what_waits_for_a_paused_endpoint_is_dropped_in_the_end(
    house: House, receiver: Receiver, worker_db: Database
) -> None:
    paused, active = await house.endpoint(receiver.url, paused=True), await house.endpoint(receiver.url)
    receiver.reply = lambda got: answer(500)
    await house.ship("one")
    await house.rounds()
    await webhooks.purge(worker_db, before=house.clock.now())
    assert len(await house.deliveries(paused)) == 1
    house.wait(timedelta(days=30))
    await webhooks.purge(worker_db, before=house.clock.now())
    assert await house.deliveries(paused) == []
    assert len(await house.deliveries(active)) == 1


async def test_an_event_that_left_the_log_fails_and_says_so(
    house: House, receiver: Receiver, owner_db: Database
) -> None:
    made = await house.endpoint(receiver.url)
    await house.ship("one")
    await house.feed()
    async with owner_db.tx(house.org.id) as tx:
        await tx.connection.execute(
            "UPDATE webhook_delivery SET event_seq = -event_seq WHERE tenant_id = current_tenant()"
        )
    await house.rounds()
    assert receiver.got == []
    (delivery,) = await house.deliveries(made)
    assert (delivery.status, delivery.last_reason) == (DeliveryStatus.FAILED, "the event is no longer in the log")


async def test_an_organisation_has_a_bounded_number_of_endpoints(
    house: House, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(service, "ENDPOINTS_MAX", 2)
    await house.endpoint(receiver.url)
    await house.endpoint(receiver.url)
    with refuses("webhooks.too_many_endpoints"):
        await house.endpoint(receiver.url)

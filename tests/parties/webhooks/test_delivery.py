"""Events arrive, signed and in order, whatever the receiver does; the schedule is that of the clock."""

import asyncio
from datetime import timedelta
from pathlib import Path
from uuid import uuid4

import pytest

from omniroute.infra.events import append
from omniroute.infra.postgres import Database, DatabaseUnavailable
from omniroute.parties import webhooks
from omniroute.parties.webhooks import CourierLimits, DeliveryStatus, EndpointStatus, ReplaceEndpoint
from omniroute.parties.webhooks.rules import SCHEDULE
from tests.infra.http.peer import Caller, serve
from tests.parties.makers import topics
from tests.parties.webhooks.house import META, OK, House, Lost, Receiver, Shipped, answer, opened


async def test_an_event_arrives_once_with_its_envelope(house: House, receiver: Receiver) -> None:
    made = await house.endpoint(receiver.url)
    parcel = await house.ship("one")

    await house.rounds()
    await house.rounds()

    (got,) = receiver.got
    assert got.event["type"] == "parcel.shipped"
    assert got.event["data"] == {"parcel_id": str(parcel), "note": "one"}
    assert got.headers["webhook-id"] == got.event["id"]
    assert got.headers["webhook-sequence"] == str(got.event["position"])
    assert got.headers["content-type"] == "application/json"
    (delivery,) = await house.deliveries(made)
    assert delivery.status is DeliveryStatus.DELIVERED
    (attempt,) = await house.attempts(delivery)
    assert (attempt.number, attempt.status, attempt.reason, attempt.reply) == (1, 200, None, "ok")


async def test_only_chosen_types_and_only_from_its_making_on(house: House, receiver: Receiver) -> None:
    parcel = await house.ship("before")
    await house.endpoint(receiver.url, "parcel.shipped", "branch.*")
    await house.happen(Lost(parcel, "not wanted"))
    await house.ship("after", parcel=parcel)
    await house.org.branch("north")
    await house.rounds()
    assert sorted(one.event["type"] for one in receiver.got) == ["branch.created", "parcel.shipped"]


async def test_a_star_takes_everything_also_the_news_of_its_own_making(house: House, receiver: Receiver) -> None:
    made = await house.endpoint(receiver.url, "*")
    await house.rounds()
    (got,) = receiver.got
    assert got.event["type"] == "webhook_endpoint.created"
    assert "url" not in got.event["data"]
    assert made.secret not in got.body.decode()


async def test_the_schedule(house: House, receiver: Receiver) -> None:
    receiver.reply = lambda got: answer(500, b"out of order")
    made = await house.endpoint(receiver.url)
    await house.ship("one")
    await house.rounds()
    for number, wait in enumerate(SCHEDULE, start=1):
        house.wait(wait - timedelta(milliseconds=1))
        await house.rounds()
        assert len(receiver.got) == number
        house.wait(timedelta(milliseconds=1))
        await house.rounds()
        assert len(receiver.got) == number + 1
    house.wait(timedelta(days=2))
    await house.rounds()
    assert len(receiver.got) == 10
    assert len({one.headers["webhook-id"] for one in receiver.got}) == 1
    assert len({one.headers["webhook-timestamp"] for one in receiver.got}) == 10
    (delivery,) = await house.deliveries(made)
    assert (delivery.status, delivery.attempt_count, delivery.last_reason) == (
        DeliveryStatus.FAILED,
        10,
        "answered 500",
    )
    attempts = await house.attempts(delivery)
    assert [one.number for one in attempts] == list(range(1, 11))
    assert {(one.status, one.reply) for one in attempts} == {(500, "out of order")}


@pytest.mark.parametrize("status", [429, 503])
async def test_retry_after_is_honoured(house: House, receiver: Receiver, status: int) -> None:
    receiver.reply = lambda got: answer(status, b"", "Retry-After: 120")
    await house.endpoint(receiver.url)
    await house.ship("one")
    await house.ship("two")
    await house.rounds()
    arrived = len(receiver.got)
    receiver.reply = lambda got: OK
    await house.ship("three")  # The whole endpoint asked for a pause.
    house.wait(timedelta(seconds=119))
    await house.rounds()
    assert len(receiver.got) == arrived
    house.wait(timedelta(seconds=1))
    await house.rounds()
    assert sorted(receiver.notes[arrived:]) == ["one", "three", "two"]


async def test_gone_disables_the_endpoint_and_tells(house: House, receiver: Receiver, owner_db: Database) -> None:
    receiver.reply = lambda got: answer(410)
    made = await house.endpoint(receiver.url)
    await house.ship("one")
    await house.rounds()
    await house.ship("two")
    house.wait(timedelta(days=1))
    await house.rounds()
    assert len(receiver.got) == 1
    endpoint = await house.stands(made)
    assert (endpoint.status, endpoint.status_reason) == (EndpointStatus.DISABLED, "gone")
    assert [one.status for one in await house.deliveries(made)] == [DeliveryStatus.FAILED]
    assert (await topics(owner_db, house.org.id))[-2:] == ["webhook_endpoint.disabled", "parcel.shipped"]


async def test_days_of_failures_disable_the_endpoint(house: House, receiver: Receiver) -> None:
    receiver.reply = lambda got: answer(500)
    made = await house.endpoint(receiver.url)
    for day in range(5):
        await house.ship(f"day {day}")
        await house.rounds()
        assert (await house.stands(made)).status is EndpointStatus.ACTIVE
        house.wait(timedelta(days=1))
    await house.rounds()
    endpoint = await house.stands(made)
    assert (endpoint.status, endpoint.status_reason) == (EndpointStatus.DISABLED, "failing")


async def test_one_success_in_time_forgets_the_failures(house: House, receiver: Receiver) -> None:
    made = await house.endpoint(receiver.url)
    for day in range(8):
        receiver.reply = lambda got: answer(500)
        await house.ship(f"day {day}")
        await house.rounds()
        if day % 4 == 3:
            receiver.reply = lambda got: OK
            house.wait(timedelta(days=4))
            await house.rounds()
        house.wait(timedelta(hours=1))
    endpoint = await house.stands(made)
    assert (endpoint.status, endpoint.failing_since, endpoint.failure_count) == (EndpointStatus.ACTIVE, None, 0)


@pytest.mark.parametrize(
    ("said", "status", "reason"),
    [
        (answer(301, b"", "Location: http://127.0.0.1:1/"), 301, "answered 301; redirects are not followed"),
        (answer(404, b"who?"), 404, "answered 404"),
        (answer(500, b"x" * 3_000), 500, "answered 500"),
        (None, None, "the reply ended early"),
        (b"SMTP ready\r\n\r\n", None, "the reply is not legal HTTP"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf", None, "no reply in time"),
        (answer(200, b"x" * 300_000), None, "the reply is larger than 262144 bytes"),
    ],
    ids=["redirect", "404", "500", "close", "not HTTP", "half", "huge"],
)
async def test_what_is_no_success_is_tried_again(
    app_db: Database, worker_db: Database, receiver: Receiver, said: bytes | None, status: int | None, reason: str
) -> None:
    async with opened(app_db, worker_db, limits=CourierLimits(timeout_s=1)) as house:
        receiver.reply = lambda got: said
        made = await house.endpoint(receiver.url)
        await house.ship("one")
        await house.rounds()
        (delivery,) = await house.deliveries(made)
        (attempt,) = await house.attempts(delivery)
        assert (attempt.status, attempt.reason) == (status, reason)
        assert len(attempt.reply or "") <= 2_048
        assert delivery.next_attempt_at == house.clock.now() + SCHEDULE[0]
        receiver.reply = lambda got: OK
        house.wait(SCHEDULE[0])
        await house.rounds()
        assert receiver.notes == ["one", "one"]
        assert len({one.headers["webhook-id"] for one in receiver.got}) == 1


async def test_a_slow_receiver_is_given_up_on(app_db: Database, worker_db: Database) -> None:
    async def slow(caller: Caller) -> None:
        await caller.request()
        await asyncio.sleep(60)

    async with serve(slow) as peer, opened(app_db, worker_db, limits=CourierLimits(timeout_s=1)) as house:
        made = await house.endpoint(peer.url)
        await house.ship("one")
        await house.rounds()
        (delivery,) = await house.deliveries(made)
        assert delivery.last_reason == "no reply in time"


async def test_a_later_event_of_a_thing_waits_for_the_earlier_one(house: House, receiver: Receiver) -> None:
    receiver.reply = lambda got: answer(500) if got.note == "a1" else OK
    await house.endpoint(receiver.url)
    a = await house.ship("a1", "a2")
    await house.ship("b1", "b2")
    await house.rounds()
    await house.ship("a3", parcel=a)
    await house.rounds()
    assert sorted(receiver.notes) == ["a1", "b1", "b2"]
    receiver.reply = lambda got: OK
    house.wait(SCHEDULE[0])
    await house.rounds()
    assert receiver.notes[3:] == ["a1", "a2", "a3"]
    positions = [int(one.headers["webhook-sequence"]) for one in receiver.got[3:]]
    assert positions == sorted(positions)


async def test_after_the_last_attempt_the_order_opens_again(house: House, receiver: Receiver) -> None:
    receiver.reply = lambda got: answer(500) if got.note == "a1" else OK
    await house.endpoint(receiver.url)
    await house.ship("a1", "a2")
    await house.rounds()
    for wait in SCHEDULE:
        assert "a2" not in receiver.notes
        house.wait(wait)
        await house.rounds()
    assert receiver.notes == ["a1"] * 10 + ["a2"]


async def test_many_events_of_one_thing_arrive_in_order(house: House, receiver: Receiver) -> None:
    await house.endpoint(receiver.url)
    notes = [str(number) for number in range(60)]
    await house.ship(*notes)
    await house.rounds()
    assert receiver.notes == notes


async def test_a_crash_between_sending_and_recording_sends_again_under_the_same_id(
    house: House, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = await house.endpoint(receiver.url)
    await house.ship("one", "two")
    await house.feed()
    real = house.courier._record

    async def dies(*args: object) -> None:
        raise DatabaseUnavailable("killed")

    monkeypatch.setattr(house.courier, "_record", dies)
    await house.courier.deliver()
    await house.courier.idle()
    assert receiver.notes == ["one"]
    monkeypatch.setattr(house.courier, "_record", real)
    await house.rounds()
    assert receiver.notes == ["one"]  # Still claimed; and the second waits for the first.
    house.wait(timedelta(seconds=60))
    await house.rounds()
    assert receiver.notes == ["one", "one", "two"]
    assert len({one.headers["webhook-id"] for one in receiver.got}) == 2
    assert [one.status for one in await house.deliveries(made)] == [DeliveryStatus.DELIVERED] * 2


async def test_what_an_older_claim_brings_home_is_not_recorded(house: House, receiver: Receiver) -> None:
    made = await house.endpoint(receiver.url)
    await house.ship("one")
    await house.feed()
    hold, began = asyncio.Event(), asyncio.Event()
    real = house.courier._record

    async def late(*args: object) -> object:
        began.set()
        await hold.wait()
        return await real(*args)  # type: ignore[arg-type]

    house.courier._record = late  # type: ignore[method-assign, assignment]
    await house.courier.deliver()
    (first,) = house.courier._tasks
    await began.wait()
    house.courier._record = real  # type: ignore[method-assign]
    house.wait(timedelta(seconds=60))
    await house.courier.deliver()
    (second,) = house.courier._tasks - {first}
    await second
    assert (await house.deliveries(made))[0].status is DeliveryStatus.DELIVERED
    hold.set()
    await house.courier.idle()
    (delivery,) = await house.deliveries(made)
    assert (delivery.attempt_count, delivery.status) == (1, DeliveryStatus.DELIVERED)
    assert len(receiver.got) == 2


async def test_a_paused_endpoint_gets_everything_later(house: House, receiver: Receiver) -> None:
    made = await house.endpoint(receiver.url, paused=True)
    await house.ship("one", "two")
    await house.rounds()
    assert receiver.got == []
    command = ReplaceEndpoint(receiver.url, ("parcel.*",), "", EndpointStatus.ACTIVE)
    async with house.db.tx(house.org.id) as tx:
        await webhooks.replace_endpoint(
            tx,
            made.endpoint.endpoint_id,
            command,
            version=made.endpoint.version,
            loopback_allowed=True,
            now=house.clock.now(),
            meta=META,
        )
    await house.rounds()
    assert receiver.notes == ["one", "two"]


async def test_two_readers_at_once_queue_each_event_once(house: House, receiver: Receiver) -> None:
    made = await house.endpoint(receiver.url)
    for number in range(30):
        await house.ship(str(number))
    await asyncio.gather(*[webhooks.feed(house.worker, now=house.clock.now(), page=7) for _ in range(4)])
    await house.feed()
    assert [one.event_type for one in await house.deliveries(made)] == ["parcel.shipped"] * 30
    await asyncio.gather(house.courier.deliver(), house.courier.deliver())
    await house.courier.idle()
    await house.rounds()
    assert sorted(receiver.notes, key=int) == [str(number) for number in range(30)]


async def test_an_event_whose_transaction_commits_late_is_not_skipped(house: House, receiver: Receiver) -> None:
    await house.endpoint(receiver.url)
    async with house.db.tx(house.org.id) as tx:
        await append(tx, Shipped(uuid4(), "late"))
        await house.ship("early")
        await house.rounds()
        assert receiver.notes == ["early"]
    await house.rounds()
    assert receiver.notes == ["early", "late"]


def test_the_page_names_the_schedule() -> None:
    page = (Path(__file__).parents[3] / "docs/modules/webhooks.md").read_text()
    assert "5 s, 5 min, 30 min, 2 h, 5 h, 10 h, 14 h, 20 h, 24 h" in page
    assert [wait.total_seconds() for wait in SCHEDULE] == [
        5, 300, 1_800, 7_200, 18_000, 36_000, 50_400, 72_000, 86_400,
    ]  # fmt: skip

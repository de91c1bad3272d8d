"""Event triggers: each committed change once and in order, retries, dead letters."""

import asyncio
from datetime import timedelta
from email.utils import format_datetime
from typing import Any
from uuid import UUID, uuid4

import pytest

from omniroute.graphql import check, parse_metadata
from omniroute.graphql.triggers import (
    Feeder,
    TriggerCourier,
    dead_letters,
    invoke,
    purge,
    redeliver,
    redeliver_all,
    unheard,
)
from omniroute.infra.events import append
from omniroute.infra.postgres import Database
from tests.graphql.handler import Got, reply
from tests.graphql.triggers.post import (
    CORRELATION,
    META,
    PARCELS,
    Moved,
    metadata,
    noted,
    opened,
    trigger,
)
from tests.parties.makers import make_organisation, refuses

ALL = trigger("all", insert={"columns": "*"}, update={"columns": "*"}, delete={"columns": "*"})


async def test_a_change_is_told_as_hasura_tells_it(app_db: Database, worker_db: Database) -> None:
    told = trigger("told", **{key: ALL["definition"][key] for key in ("insert", "update", "delete")}, headers=[
        {"name": "X-Token", "value_from_env": "TOKEN"}, {"name": "X-Plain", "value": "p"}])  # fmt: skip
    async with opened(app_db, worker_db, metadata(told)) as post:
        parcel = await post.parcel()
        await post.rounds()
        await post.move(parcel, "MOVING")
        await post.rounds()
        await post.drop(parcel)
        await post.rounds()
        first, second, third = post.told()
        row = {"id": str(parcel), "status": "POSTED", "weight": 1.5, "note": "fragile"}
        assert UUID(first.pop("id"))
        assert first.pop("created_at").endswith("Z")
        assert UUID(hex=first["event"]["trace_context"].pop("span_id") * 2)
        assert first == {
            "trigger": {"name": "told"},
            "table": {"schema": "post", "name": "parcels"},
            "event": {
                "op": "INSERT",
                "data": {"old": None, "new": row},
                "session_variables": {"x-hasura-tenant-id": str(post.org.id), "x-hasura-user-id": "usr_test"},
                "trace_context": {"trace_id": CORRELATION.hex},
            },
            "delivery_info": {"max_retries": 2, "current_retry": 0},
        }
        # Of what was before, only what the events tell is known.
        was = {"id": str(parcel), "status": "POSTED"}
        assert second["event"]["data"] == {"old": was, "new": row | {"status": "MOVING"}}
        assert third["event"]["op"] == "DELETE"
        assert third["event"]["data"] == {"old": was | {"status": "MOVING"}, "new": None}
        assert b'"weight":1.50' in post.receiver.got[0].body
        headers = post.receiver.got[0].headers
        assert (headers["x-token"], headers["x-plain"], headers["content-type"]) == ("t", "p", "application/json")


async def test_a_trigger_hears_its_operations_and_columns_only(app_db: Database, worker_db: Database) -> None:
    given = metadata(
        trigger("inserts", insert={"columns": ["id", "status"]}),
        trigger("status", update={"columns": ["status"], "payload": ["status", "weight"]}),
        trigger("weight", update={"columns": ["weight"]}),
        trigger("nowhere", update={"columns": "*"}, webhook=None, webhook_from_env="NOT_SET"),
    )
    async with opened(app_db, worker_db, given) as post:
        parcel = await post.parcel()
        await post.move(parcel, "POSTED", "MOVING", "MOVING", "HERE")
        await post.rounds()
        [inserted] = post.told("inserts")
        # The row is read once the event is; what the event says of its moment stands above it.
        assert inserted["event"]["data"]["new"] == {"id": str(parcel), "status": "POSTED"}
        changes = [one["event"]["data"] for one in post.told("status")]
        assert changes == [
            {"old": {"status": "POSTED"}, "new": {"status": "MOVING", "weight": 1.5}},
            {"old": {"status": "MOVING"}, "new": {"status": "HERE", "weight": 1.5}},
        ]
        # Nobody can know whether the weight changed: it is told.
        assert len(post.told("weight")) == 4
        async with app_db.tx(post.org.id) as tx:
            cursor = await tx.connection.execute(
                b"SELECT count(*) FROM graphql_delivery WHERE trigger_name = 'nowhere'"
            )
            assert await cursor.fetchall() == [(0,)]


async def test_what_was_before_the_first_start_is_not_told(app_db: Database, worker_db: Database) -> None:
    async with opened(app_db, worker_db, metadata(ALL)) as post:
        await post.parcel()
        quiet = Feeder(app_db, worker_db, metadata(), post.calls, [PARCELS], clock=post.clock)
        assert await quiet.feed() == 0
        await post.parcel()
        while await post.feeder.feed():
            pass
        await post.deliver()
        assert len(post.told()) <= 2


async def test_a_late_commit_is_not_skipped(app_db: Database, worker_db: Database) -> None:
    async with opened(app_db, worker_db, metadata(ALL)) as post:
        late = uuid4()
        async with app_db.tx(post.org.id) as tx:
            await append(tx, Moved(late, "LATE"), META)
            parcel = await post.parcel()
            await post.rounds()
            assert [one["event"]["data"]["new"]["id"] for one in post.told()] == [str(parcel)]
        await post.rounds()
        assert post.statuses() == ["POSTED", "LATE"]
        # A row that is not there is told as far as it is known.
        assert post.told()[-1]["event"]["data"]["new"] == {"id": str(late), "status": "LATE"}


async def test_failures_are_tried_again_then_are_dead_letters(app_db: Database, worker_db: Database) -> None:
    async with opened(app_db, worker_db, metadata(ALL)) as post:
        post.receiver.says(500, {"no": True})
        parcel = await post.parcel()
        for expected in (1, 2, 3):
            await post.rounds()
            assert len(post.told()) == expected
            await post.rounds()
            assert len(post.told()) == expected  # Not before its time.
            post.wait(seconds=10)
        await post.rounds()
        assert len(post.told()) == 3
        assert [one["delivery_info"]["current_retry"] for one in post.told()] == [0, 1, 2]
        assert len({one["id"] for one in post.told()}) == 1
        async with app_db.tx(post.org.id) as tx:
            [dead] = await dead_letters(tx)
            assert (dead.trigger, dead.subject, dead.try_count, dead.last_status) == ("all", parcel, 3, 500)
            assert await dead_letters(tx, trigger="other") == []
            assert await dead_letters(tx, after=dead.delivery_id) == []
        other = await make_organisation(app_db)
        async with app_db.tx(other.id) as tx:
            assert await dead_letters(tx) == []
            with refuses("graphql.delivery_not_found"):
                await redeliver(tx, dead.delivery_id, now=post.clock.now())
        post.receiver.says(200)
        async with app_db.tx(post.org.id) as tx:
            await redeliver(tx, dead.delivery_id, now=post.clock.now())
        await post.rounds()
        [again] = post.told()
        assert (again["id"], again["delivery_info"]["current_retry"]) == (str(dead.delivery_id), 0)
        async with app_db.tx(post.org.id) as tx:
            assert await dead_letters(tx) == []


@pytest.mark.parametrize("spelled", ["seconds", "date"])
async def test_a_receiver_may_ask_for_a_pause(app_db: Database, worker_db: Database, spelled: str) -> None:
    async with opened(app_db, worker_db, metadata(ALL)) as post:
        post.clock.at = post.clock.at.replace(microsecond=0)
        until = format_datetime(post.clock.now() + timedelta(seconds=100), usegmt=True)
        post.receiver.says(429, {}, "Retry-After: " + ("100" if spelled == "seconds" else until))
        await post.parcel()
        await post.rounds()
        post.wait(seconds=99)
        await post.rounds()
        assert len(post.told()) == 1
        post.receiver.says(200)
        post.wait(seconds=1)
        await post.rounds()
        assert len(post.told()) == 1


async def test_the_changes_of_one_row_come_in_order_and_hold_up_nobody_else(
    app_db: Database, worker_db: Database
) -> None:
    async with opened(app_db, worker_db, metadata(ALL)) as post:
        bad, good = await post.parcel("BAD-0"), await post.parcel("GOOD-0")
        for number in range(1, 5):
            await post.move(bad, f"BAD-{number}")
            await post.move(good, f"GOOD-{number}")
        failing = {"BAD-0", "BAD-2"}

        def answer(got: Got) -> bytes:
            return reply(500 if noted(got) in failing else 200)

        post.receiver.answer = answer
        await post.rounds()
        assert [one for one in post.statuses() if one.startswith("GOOD")] == [f"GOOD-{n}" for n in range(5)]
        assert [one for one in post.statuses() if one.startswith("BAD")] == ["BAD-0"]
        failing.remove("BAD-0")
        post.wait(seconds=10)
        await post.rounds()
        assert [one for one in post.statuses() if one.startswith("BAD")] == ["BAD-0", "BAD-0", "BAD-1", "BAD-2"]
        for _ in range(3):
            post.wait(seconds=10)
            await post.rounds()
        # The one that never got through is a dead letter; those behind it went on.
        assert post.statuses()[-2:] == ["BAD-3", "BAD-4"]
        failing.clear()
        async with app_db.tx(post.org.id) as tx:
            assert await redeliver_all(tx, "all", now=post.clock.now()) == 1
        await post.rounds()
        assert post.statuses()[-1] == "BAD-2"


class Dying(TriggerCourier):
    """A worker whose process is gone before it records anything."""

    async def _record(self, *_: Any, **__: Any) -> None:
        raise SystemError


async def test_nothing_is_lost_when_workers_die(app_db: Database, worker_db: Database) -> None:
    async with opened(app_db, worker_db, metadata(ALL)) as post:
        parcels = [await post.parcel("P-0") for _ in range(3)]
        for number in range(1, 4):
            for parcel in parcels:
                await post.move(parcel, f"P-{number}")
        await post.feed()
        dying = Dying(worker_db, post.metadata, post.calls, clock=post.clock)
        assert await dying.deliver() == 3
        await dying.idle()
        assert post.statuses() == ["P-0"] * 3
        before = {one["id"] for one in post.told()}
        await post.rounds()
        assert len(post.told()) == 3  # Their leases still run.
        post.wait(seconds=66)
        await post.rounds()
        for parcel in parcels:
            mine = [one for one in post.told() if one["event"]["data"]["new"]["id"] == str(parcel)]
            assert [one["event"]["data"]["new"]["status"] for one in mine] == ["P-0", "P-0", "P-1", "P-2", "P-3"]
            assert mine[0]["id"] == mine[1]["id"]
        assert before <= {one["id"] for one in post.told()}


async def test_an_event_is_queued_once_however_often_it_is_read(app_db: Database, worker_db: Database) -> None:
    async with opened(app_db, worker_db, metadata(ALL)) as post:
        parcel = await post.parcel()
        await post.move(parcel, "A", "B")
        feeders = [Feeder(app_db, worker_db, post.metadata, post.calls, [PARCELS], clock=post.clock) for _ in range(3)]
        await asyncio.gather(*[one.feed() for one in feeders])
        await post.feed()
        couriers = [TriggerCourier(worker_db, post.metadata, post.calls, clock=post.clock) for _ in range(3)]
        await post.deliver(*couriers)
        assert post.statuses() == ["POSTED", "A", "B"]


async def test_of_many_triggers_each_gets_its_turn(app_db: Database, worker_db: Database) -> None:
    given = metadata(*[trigger(f"t{number}", insert={"columns": "*"}) for number in range(6)])
    async with opened(app_db, worker_db, given, in_flight_max=3) as post:
        for _ in range(4):
            await post.parcel()
        await post.rounds()
        assert [len(post.told(f"t{number}")) for number in range(6)] == [4] * 6


async def test_a_trigger_is_invoked_by_hand(app_db: Database, worker_db: Database) -> None:
    by_hand = trigger("by_hand", enable_manual=True)
    async with opened(app_db, worker_db, metadata(ALL, by_hand)) as post:
        async with app_db.tx(post.org.id) as tx:
            given = {"session": {"x-hasura-user-id": "u"}, "now": post.clock.now()}
            delivery_id = await invoke(tx, post.metadata, "by_hand", {"a": 1}, **given)  # type: ignore[arg-type]
            for name in ("all", "nobody"):
                with refuses("graphql.trigger_not_found"):
                    await invoke(tx, post.metadata, name, {}, **given)  # type: ignore[arg-type]
        await post.rounds()
        [told] = post.told("by_hand")
        assert told["id"] == str(delivery_id)
        assert told["event"] == {
            "op": "MANUAL", "data": {"old": None, "new": {"a": 1}}, "session_variables": {"x-hasura-user-id": "u"},
            "trace_context": None,
        }  # fmt: skip


async def test_what_is_over_is_forgotten_in_time(app_db: Database, worker_db: Database) -> None:
    async with opened(app_db, worker_db, metadata(ALL)) as post:
        await post.parcel()
        await post.rounds()
        await post.parcel()
        await post.feed()
        assert await purge(worker_db, before=post.clock.now() - timedelta(seconds=1)) >= 0
        await post.deliver()
        assert len(post.told()) == 2
        assert await purge(worker_db, before=post.clock.now() + timedelta(seconds=1)) >= 2


def test_check_names_what_is_wrong_with_a_trigger() -> None:
    given, problems = parse_metadata(
        {
            "version": 3,
            "sources": [{"name": "default", "kind": "postgres", "tables": [
                {"table": {"schema": "post", "name": "parcels"}, "event_triggers": [
                    ALL, ALL,
                    trigger("shaped", insert={"columns": "*"}, request_transform={"version": 2}),
                    trigger("nowhere", webhook=None),
                    trigger("headed", headers=[{"name": "x"}]),
                    trigger("retried", retry_conf={"num_retries": "many"}),
                    trigger("listed", update={"columns": "status"}),
                ]},
                {"table": {"schema": "post", "name": "letters"}, "event_triggers": [
                    trigger("silent", insert={"columns": "*"})]},
            ]}],
        }
    )  # fmt: skip
    where = "table post.parcels event trigger "
    assert {str(one) for one in check(given, problems)} == {
        where + "all: has the name of another one",
        where + "shaped: request_transform is not served; the trigger is left out",
        where + "nowhere: needs webhook, or webhook_from_env",
        where + "headed: a header needs a name, and a value or value_from_env",
        where + "retried: retry_conf.num_retries must be a whole number",
        where + "listed: update.columns must be a list of columns, or *",
    }
    assert [str(one) for one in unheard(given, [PARCELS])] == [
        "table post.letters event trigger silent: no event tells of this table's rows"
    ]

"""Cron triggers: the schedule, each tick once, what was missed."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from omniroute.graphql import check, parse_metadata
from omniroute.graphql.triggers import CronPlanner, TriggerCourier
from omniroute.graphql.triggers.schedule import BadSchedule, read_schedule
from omniroute.infra.postgres import Database
from tests.graphql.triggers.post import Post, metadata, opened

START = datetime(2026, 3, 1, 11, 59, 30, tzinfo=UTC)  # A Sunday.


def cron(name: str, schedule: str = "* * * * *", **more: Any) -> dict[str, Any]:
    """One cron trigger as metadata has it."""
    return {
        "name": name,
        "webhook": "{{RECEIVER}}/" + name,
        "schedule": schedule,
        "include_in_metadata": True,
        "payload": {"a": [1, 2.50]},
        "headers": [{"name": "X-Token", "value_from_env": "TOKEN"}],
        "comment": "tick",
    } | more


@pytest.mark.parametrize(
    ("text", "fires"),
    [
        ("* * * * *", ["03-01T12:00", "03-01T12:01"]),
        ("*/20 12 * * *", ["03-01T12:00", "03-01T12:20", "03-01T12:40", "03-02T12:00"]),
        ("5,10-12 0 * * *", ["03-02T00:05", "03-02T00:10", "03-02T00:11", "03-02T00:12", "03-03T00:05"]),
        ("0 9 * * mon-fri", ["03-02T09:00", "03-03T09:00", "03-04T09:00", "03-05T09:00", "03-06T09:00", "03-09T09:00"]),
        ("0 0 * * 7", ["03-08T00:00", "03-15T00:00"]),
        ("0 0 13 * 5", ["03-06T00:00", "03-13T00:00", "03-20T00:00"]),
        ("30 6 31 * *", ["03-31T06:30", "05-31T06:30"]),
        ("0 0 1 JAN,apr *", ["04-01T00:00"]),
        ("0 10/6 * * *", ["03-01T16:00", "03-01T22:00", "03-02T10:00"]),
    ],
)
def test_a_schedule_fires_when_cron_would(text: str, fires: list[str]) -> None:
    ticks = read_schedule(text).ticks(START, START + timedelta(days=100))
    found = [next(ticks, None) for _ in fires]
    assert [one and one.strftime("%m-%dT%H:%M") for one in found] == fires


@pytest.mark.parametrize(
    "text",
    ["", "* * * *", "* * * * * *", "60 * * * *", "* 24 * * *", "* * 0 * *", "* * * 13 *", "* * * * 8", "5-1 * * * *",
     "*/0 * * * *", "x * * * *", "* * * * mon-", "-1 * * * *", "1.5 * * * *", "@daily"],
)  # fmt: skip
def test_what_is_no_schedule_is_refused(text: str) -> None:
    with pytest.raises(BadSchedule):
        read_schedule(text)
    given, problems = parse_metadata({"version": 3, "cron_triggers": [cron("bad", text)]})
    assert [(one.where, one.is_wrong) for one in check(given, problems)] == [("cron trigger bad", True)]


def at(post: Post, name: str) -> list[str]:
    """The minutes that were told."""
    return [one["scheduled_time"][11:16] for one in post.told(name)]


async def test_a_tick_is_told_as_hasura_tells_it(app_db: Database, worker_db: Database) -> None:
    async with opened(app_db, worker_db, metadata(crons=(cron("told"),)), at=START) as post:
        await post.rounds()
        assert post.told() == []  # It begins now.
        post.wait(seconds=30)
        await post.rounds()
        await post.rounds()
        [told] = post.told()
        assert told.pop("id")
        assert told.pop("created_at") == "2026-03-01T12:00:00Z"
        assert told == {
            "name": "told", "scheduled_time": "2026-03-01T12:00:00Z", "payload": {"a": [1, 2.5]}, "comment": "tick",
        }  # fmt: skip
        assert post.receiver.got[0].headers["x-token"] == "t"


async def test_each_tick_is_told_once_by_several_workers(app_db: Database, worker_db: Database) -> None:
    given = metadata(crons=(cron("many"),))
    async with opened(app_db, worker_db, given, at=START) as post:
        planners = [CronPlanner(worker_db, given, post.calls, clock=post.clock) for _ in range(3)]
        couriers = [TriggerCourier(worker_db, given, post.calls, clock=post.clock) for _ in range(3)]
        for _ in range(8):
            for planner in planners:
                await planner.plan()
            await post.deliver(*couriers)
            post.wait(seconds=30)
        assert at(post, "many") == ["12:00", "12:01", "12:02", "12:03"]


async def test_what_was_missed_is_made_good_as_far_as_it_is_tolerated(app_db: Database, worker_db: Database) -> None:
    tolerant = cron("tolerant", "*/10 * * * *", retry_conf={"tolerance_seconds": 1_800})
    async with opened(app_db, worker_db, metadata(crons=(tolerant,)), at=START) as post:
        await post.rounds()
        post.wait(hours=2)  # Nobody worked: it is 13:59:30.
        await post.rounds()
        assert at(post, "tolerant") == ["13:30", "13:40", "13:50"]
        post.wait(seconds=30)
        await post.planner.plan()
        post.wait(hours=1)  # The tick was written down, and nobody sent it.
        await post.deliver()
        assert at(post, "tolerant") == ["13:30", "13:40", "13:50"]
        async with worker_db.tx() as tx:
            text = b"SELECT last_reason FROM graphql_cron_tick WHERE trigger_name = 'tolerant' AND status = 'failed'"
            [(reason,)] = await (await tx.connection.execute(text)).fetchall()
        assert "too late" in reason


async def test_a_tick_is_tried_again_and_given_up(app_db: Database, worker_db: Database) -> None:
    retry = {"num_retries": 2, "retry_interval_seconds": 20, "timeout_seconds": 5}
    given = metadata(crons=(cron("failing", "0 12 * * *", retry_conf=retry),))
    async with opened(app_db, worker_db, given, at=START) as post:
        await post.rounds()
        post.receiver.says(500)
        post.wait(seconds=30)
        for expected in (1, 2, 3, 3):
            await post.rounds()
            await post.rounds()
            assert len(post.told()) == expected
            post.wait(seconds=20)
        assert len({one["id"] for one in post.told()}) == 1

"""Streams: every row once, whatever the order in which transactions commit."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from omniroute.graphql import LiveLimits
from omniroute.graphql.live.cohorts import Cohort, Member
from omniroute.graphql.live.streams import Position
from tests.graphql.live.world import LEGACY, TRANSPORT, Door, Talk, World, door, record, talking, until

DOCUMENT = """subscription ($from: bigint!, $size: Int!, $where: notes_bool_exp) {
    notes_stream(cursor: {initial_value: {id: $from}}, batch_size: $size, where: $where) { id }
}"""
BY_TIME = """subscription ($from: timestamptz!, $way: cursor_ordering) {
    notes_stream(cursor: [{initial_value: {at: $from}, ordering: $way}], batch_size: 10) { id }
}"""
EARLY = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.fixture(autouse=True)
async def _no_notes(world: World) -> None:
    for organisation in (world.one, world.other):
        await world.change(organisation, "DELETE FROM live.note")


async def batch(talk: Talk, field: str = "notes_stream") -> list[Any]:
    """The next rows."""
    return [row.get("id") for row in (await talk.data("s"))[field]]


async def rows(talk: Talk, count: int) -> list[Any]:
    """As many rows, in however many messages; no more of them."""
    found: list[Any] = []
    while len(found) < count:
        found += await batch(talk)
    return found


@pytest.mark.parametrize("protocol", [TRANSPORT, LEGACY])
async def test_rows_come_in_batches_and_then_as_they_are_written(world: World, open_door: Door, protocol: str) -> None:
    await world.write(world.one, 1, 2, 3, 4, 5)
    async with talking(open_door.url, protocol, key=world.one.keys["auditor"]) as talk:
        await talk.subscribe("s", DOCUMENT, **{"from": 1, "size": 2})
        assert [await batch(talk), await batch(talk)] == [[2, 3], [4, 5]]
        await world.write(world.one, 7, 6)
        assert await batch(talk) == [6, 7]
        await world.change(world.one, "UPDATE live.note SET body = 'changed'")  # No new row.
        await world.write(world.one, 8)
        assert await batch(talk) == [8]


async def test_a_transaction_that_commits_late_is_not_skipped(world: World, open_door: Door) -> None:
    """It drew its number first, stays open while others commit, and comes in between when it commits."""
    async with talking(open_door.url, key=world.one.keys["auditor"]) as talk:
        await talk.subscribe("s", DOCUMENT, **{"from": 0, "size": 100})
        async with world.db.tx(world.one.tenant_id) as late:
            await late.connection.execute(b"INSERT INTO live.note (id) VALUES (1)")
            await record(late.connection)
            for id_ in (2, 4):
                await world.write(world.one, id_)
                assert await batch(talk) == [id_]
        assert await batch(talk) == [1]
        await world.write(world.one, 3)  # It had not even begun.
        assert await batch(talk) == [3]


async def test_one_that_stays_open_is_waited_for_when_others_are_settled(world: World) -> None:
    """Without grace, only the open transaction keeps the stream from passing over it."""
    async with (
        door(world, live=LiveLimits(poll_s=0.05, stream_grace_s=0)) as made,
        talking(made.url, key=world.one.keys["auditor"]) as talk,
    ):
        await talk.subscribe("s", DOCUMENT, **{"from": 0, "size": 100})
        async with world.db.tx(world.one.tenant_id) as late:
            await late.connection.execute(b"INSERT INTO live.note (id) VALUES (1), (3)")
            await record(late.connection)
            await world.write(world.one, 2, 4)
            assert await batch(talk) == [2, 4]
            [cohort] = made.hub._cohorts.values()
            assert isinstance(cohort, Cohort)
            [member] = cohort.members
            assert member.position is not None
            for _ in range(10):
                await until(_asked(made, made.hub.tally.asked + 1))
            assert member.position.low is None
        assert await batch(talk) == [1, 3]
        await until(lambda: _stands_at(member, "4"))
        await world.write(world.one, 5)
        assert await batch(talk) == [5]
        await until(lambda: _stands_at(member, "5"))
        assert len(member.position.keys) == 1  # The others cannot come again, they need no remembering.


def _asked(door: Door, count: int) -> Callable[[], Awaitable[bool]]:
    async def done() -> bool:
        return door.hub.tally.asked >= count

    return done


async def _stands_at(member: Member, low: str) -> bool:
    return member.position is not None and member.position.low == low


async def test_equal_values_are_rows_of_their_own(world: World, open_door: Door) -> None:
    await world.write(world.one, *range(1, 26), at=EARLY)
    async with talking(open_door.url, key=world.one.keys["auditor"]) as talk:
        await talk.subscribe("s", BY_TIME, **{"from": "2025-01-01"})
        assert sorted(await rows(talk, 25)) == list(range(1, 26))
        await world.write(world.one, 26, at=EARLY)
        assert await batch(talk) == [26]


async def test_downwards(world: World, open_door: Door) -> None:
    for id_ in (1, 2, 3):
        await world.write(world.one, id_, at=EARLY - timedelta(days=id_))
    async with talking(open_door.url, key=world.one.keys["auditor"]) as talk:
        await talk.subscribe("s", BY_TIME, **{"from": EARLY.isoformat(), "way": "DESC"})
        assert await batch(talk) == [1, 2, 3]
        await world.write(world.one, 4, at=EARLY - timedelta(days=4))
        assert await batch(talk) == [4]
        await world.write(world.one, 5, at=EARLY)  # Where the stream began, which is outside.
        await world.write(world.one, 6, at=EARLY - timedelta(days=6))
        assert await batch(talk) == [6]


async def test_a_row_whose_cursor_moves_comes_again(world: World, open_door: Door) -> None:
    await world.write(world.one, 1, at=EARLY)
    async with talking(open_door.url, key=world.one.keys["auditor"]) as talk:
        await talk.subscribe("s", BY_TIME, **{"from": "2025-01-01"})
        assert await batch(talk) == [1]
        await world.change(world.one, "UPDATE live.note SET at = %(at)s", at=EARLY + timedelta(days=1))
        assert await batch(talk) == [1]


async def test_conditions_and_permissions_hold(world: World, open_door: Door) -> None:
    caller = await world.gate.authenticator.authenticate(f"Bearer {world.one.keys['user']}", now=world.gate.clock.now())
    async with (
        talking(open_door.url, key=world.one.keys["user"]) as user,
        talking(open_door.url, key=world.one.keys["north"]) as north,
        talking(open_door.url, key=world.one.keys["auditor"]) as auditor,
        talking(open_door.url, key=world.other.keys["auditor"]) as other,
    ):
        for talk in (user, north, other):
            await talk.subscribe("s", DOCUMENT, **{"from": 0, "size": 9})
        await auditor.subscribe("s", DOCUMENT, **{"from": 0, "size": 9, "where": {"body": {"_neq": "hidden"}}})
        await world.write(world.one, 1, owner=str(caller.subject_id))
        await world.write(world.one, 2, branch_id=world.one.branches[0], body="hidden")
        await world.write(world.one, 3)
        await world.write(world.other, 4)
        assert await batch(user) == [1]
        assert await batch(north) == [2]
        assert await rows(auditor, 2) == [1, 3]
        assert await batch(other) == [4]
        await world.write(world.one, 5, owner=str(caller.subject_id), branch_id=world.one.branches[0])
        await world.write(world.other, 6)
        assert [await batch(user), await batch(north), await batch(auditor)] == [[5], [5], [5]]
        assert await batch(other) == [6]


async def test_views_stream_too(world: World, open_door: Door) -> None:
    """A view has no key; its rows are told apart by all they hold."""
    document = "subscription { heavy_stream(cursor: {initial_value: {weight: 1}}, batch_size: 2) { weight body } }"
    await world.write(world.one, 1, weight="1.5", body="a")
    await world.write(world.one, 2, weight="1.50", body="b")
    await world.write(world.one, 3, weight="2", body="c")
    async with talking(open_door.url, key=world.one.keys["auditor"]) as talk:
        await talk.subscribe("s", document)
        found: list[Any] = []
        while len(found) < 3:
            found += [row["body"] for row in (await talk.data("s"))["heavy_stream"]]
        assert sorted(found) == ["a", "b", "c"]
        assert found[2] == "c"
        await world.write(world.one, 4, weight="1.5", body="d")
        assert (await talk.data("s"))["heavy_stream"] == [{"weight": 1.5, "body": "d"}]


async def test_a_slow_reader_gets_every_row(world: World) -> None:
    async with (
        door(world) as made,
        talking(made.url, key=world.one.keys["auditor"], max_queue=1) as talk,
    ):
        await talk.subscribe("s", """subscription {
            notes_stream(cursor: {initial_value: {id: 0}}, batch_size: 1) { id body } }""")  # fmt: skip
        for id_ in range(1, 21):
            await world.write(world.one, id_, body="x" * 300_000)
        assert await rows(talk, 20) == list(range(1, 21))


async def test_many_writers_at_once(world: World, open_door: Door) -> None:
    """Numbers are drawn in one order and committed in another; each row comes once."""
    async with talking(open_door.url, key=world.one.keys["auditor"]) as talk:
        await talk.subscribe("s", DOCUMENT, **{"from": 0, "size": 3})
        gates = [asyncio.Event() for _ in range(5)]

        async def writer(place: int) -> None:
            async with world.db.tx(world.one.tenant_id) as tx:
                for turn in range(4):
                    statement = b"INSERT INTO live.note (id) VALUES (%(id)s)"
                    await tx.connection.execute(statement, {"id": 1 + place + 5 * turn})
                await record(tx.connection)
                await gates[place].wait()

        writers = [asyncio.create_task(writer(place)) for place in range(5)]
        found: list[Any] = []
        for place in (3, 0, 4, 2, 1):
            gates[place].set()
            await writers[place]
            found += await rows(talk, 4)
        assert sorted(found) == list(range(1, 21))
        await world.write(world.one, 21)
        assert await batch(talk) == [21]


REFUSED = [
    ("notes_stream(cursor: [], batch_size: 1) { id }", "one streaming column field is expected"),
    ("notes_stream(cursor: [null], batch_size: 1) { id }", "one streaming column field is expected"),
    ("notes_stream(cursor: {initial_value: {}}, batch_size: 1) { id }", "one streaming column field is expected"),
    ("notes_stream(cursor: {initial_value: {id: 1, weight: 2}}, batch_size: 1) { id }",
     "one streaming column field is expected"),
    ("notes_stream(cursor: {initial_value: {id: null}}, batch_size: 1) { id }",
     "unexpected null value for field 'id'"),
    ("notes_stream(cursor: {initial_value: {id: 1}}, batch_size: -1) { id }", "unexpected negative value"),
    ("notes_stream(cursor: {initial_value: {id: 1}}) { id }", "missing required field 'batch_size'"),
    ("notes_stream(batch_size: 1) { id }", "missing required field 'cursor'"),
    ("notes_stream(cursor: {initial_value: {nope: 1}}, batch_size: 1) { id }",
     "field 'nope' not found in type: 'notes_stream_cursor_value_input'"),
    ("notes_stream(cursor: {initial_value: {at: \"soon\"}}, batch_size: 1) { id }",
     'invalid input syntax for type timestamp with time zone: "soon"'),
]  # fmt: skip


@pytest.mark.parametrize(("field", "message"), REFUSED, ids=[one[0] for one in REFUSED])
async def test_what_is_no_stream(world: World, open_door: Door, field: str, message: str) -> None:
    async with talking(open_door.url, key=world.one.keys["auditor"]) as talk:
        await talk.subscribe("s", f"subscription {{ {field} }}")
        found = await talk.hear()
        assert found["type"] == "error", json.dumps(found)
        assert found["payload"][0]["message"] == message


def test_a_position_moves_when_nothing_can_come_before_it() -> None:
    position = Position(LiveLimits(stream_keys_max=3, stream_grace_s=5), is_numeric=True)
    position.given(["a", "b"], ["1", "1.0"], "1.0", (5, 10), began=0)
    assert not position.is_full
    position.given(["c"], ["2"], "2", (9, 12), began=1)  # A transaction of before the first mark is still open.
    assert [position.low, position.mark, position.is_full] == [None, "2", True]
    position.given([], [], None, (12, 12), began=100)  # Whether it wrote something before the mark is not known.
    assert position.low is None
    position.given([], [], "2", (11, 12), began=5.5)
    assert [position.low, position.mark, *position.keys] == ["1.0", "2", "a", "b", "c"]  # 1 and 1.0 are one value.
    position.given([], [], "2", (12, 12), began=5.9)  # What has not written yet may still come.
    assert position.low == "1.0"
    position.given([], [], "2", (12, 12), began=6)
    assert [position.low, position.mark, *position.keys] == ["2", "2", "c"]
    assert not position.is_full

"""Live queries: what changed is sent, to those who may see it, and nothing else."""

import asyncio
import json

import pytest

from omniroute.graphql import LiveLimits, SocketLimits
from tests.graphql.live.world import LEGACY, SECRET, TRANSPORT, Door, Talk, World, door, talking, until

ALL = "subscription { notes(order_by: {id: asc}) { id body } }"
ONE = "subscription ($id: bigint!) { note(id: $id) { body } }"


@pytest.fixture(autouse=True)
async def _no_notes(world: World) -> None:
    for organisation in (world.one, world.other):
        await world.change(organisation, "DELETE FROM live.note")


async def settled(door: Door) -> int:
    """The number of statements once the log was looked at again and nobody waits for an answer."""
    before = -1
    while before != door.hub.tally.asked:
        before = door.hub.tally.asked
        await asyncio.sleep(0.3)
    return before


@pytest.mark.parametrize("protocol", [TRANSPORT, LEGACY])
async def test_a_change_arrives(world: World, open_door: Door, protocol: str) -> None:
    await world.write(world.one, 1, body="first")
    async with talking(open_door.url, protocol, key=world.one.keys["auditor"]) as talk:
        await talk.subscribe("a", ALL)
        assert await talk.data("a") == {"notes": [{"id": 1, "body": "first"}]}
        await world.change(world.one, "UPDATE live.note SET body = 'second'")
        assert await talk.data("a") == {"notes": [{"id": 1, "body": "second"}]}
        await world.write(world.one, 2)
        assert await talk.data("a") == {"notes": [{"id": 1, "body": "second"}, {"id": 2, "body": ""}]}


async def test_only_changed_results_are_sent(world: World, open_door: Door) -> None:
    await world.write(world.one, 1, 2)
    async with talking(open_door.url, key=world.one.keys["auditor"]) as talk:
        for number in (1, 2):
            await talk.subscribe(f"n{number}", ONE, id=number)
            assert await talk.data(f"n{number}") == {"note": {"body": ""}}
        # An event that changes nothing, then a change of one: the other stays silent.
        await world.change(world.one, "SELECT 1")
        await world.change(world.one, "UPDATE live.note SET body = 'new' WHERE id = 2")
        assert await talk.data("n2") == {"note": {"body": "new"}}
        await world.change(world.one, "UPDATE live.note SET body = 'too' WHERE id = 1")
        assert await talk.data("n1") == {"note": {"body": "too"}}


async def test_one_statement_answers_many_variables_and_sessions(world: World, open_door: Door) -> None:
    await world.write(world.one, *range(1, 31))
    async with talking(open_door.url, key=world.one.keys["auditor"]) as first:
        for number in range(1, 31):
            await first.subscribe(f"n{number}", ONE, id=number)
        found = [await first.hear() for _ in range(30)]
        assert sorted(one["id"] for one in found) == sorted(f"n{number}" for number in range(1, 31))
        before = await settled(open_door)
        await world.change(world.one, "UPDATE live.note SET body = id::text")
        found = [await first.hear() for _ in range(30)]
        assert {one["id"]: one["payload"]["data"] for one in found} == {
            f"n{number}": {"note": {"body": str(number)}} for number in range(1, 31)
        }
        # One statement for the change; some that were on their way; but not one for each.
        assert await settled(open_door) - before <= 5


async def test_users_see_their_own(world: World, open_door: Door) -> None:
    document = "subscription { notes { body } }"
    async with (
        talking(open_door.url, key=world.one.keys["user"]) as user,
        talking(open_door.url) as admin,
    ):
        caller = await world.gate.authenticator.authenticate(
            f"Bearer {world.one.keys['user']}", now=world.gate.clock.now()
        )
        await admin.say(type="connection_init", payload={"headers": {
            "X-Hasura-Admin-Secret": SECRET, "X-Hasura-Role": "user", "X-Hasura-User-Id": "somebody else",
            "X-Hasura-Tenant-Id": str(world.one.tenant_id)}})  # fmt: skip
        assert await admin.hear() == {"type": "connection_ack"}
        for talk in (user, admin):
            await talk.subscribe("a", document)
            assert await talk.data("a") == {"notes": []}
        await world.write(world.one, 1, owner=str(caller.subject_id), body="the user's")
        assert await user.data("a") == {"notes": [{"body": "the user's"}]}
        await world.write(world.one, 2, owner="somebody else", body="another's")
        assert await admin.data("a") == {"notes": [{"body": "another's"}]}
        # Nothing of the other came in between.
        await world.change(world.one, "UPDATE live.note SET body = 'x'")
        assert await user.data("a") == {"notes": [{"body": "x"}]}
        assert await admin.data("a") == {"notes": [{"body": "x"}]}


async def test_organisations_and_branches_stay_apart(world: World, open_door: Door) -> None:
    keys = {name: world.one.keys[name] for name in ("auditor", "north", "south")} | {
        "other": world.other.keys["auditor"]
    }
    talks: dict[str, Talk] = {}
    async with (
        talking(open_door.url, key=keys["auditor"]) as talks["auditor"],
        talking(open_door.url, key=keys["north"]) as talks["north"],
        talking(open_door.url, key=keys["south"]) as talks["south"],
        talking(open_door.url, key=keys["other"]) as talks["other"],
    ):
        for talk in talks.values():
            await talk.subscribe("a", "subscription { notes(order_by: {id: asc}) { id } }")
            assert await talk.data("a") == {"notes": []}

        async def heard(**expected: list[int]) -> None:
            for name, ids in expected.items():
                assert await talks[name].data("a") == {"notes": [{"id": id_} for id_ in ids]}

        north, south = world.one.branches
        await world.write(world.one, 1, branch_id=north)
        await heard(auditor=[1], north=[1])
        await world.write(world.one, 2, branch_id=south)
        await heard(auditor=[1, 2], south=[2])
        await world.write(world.other, 3)
        await heard(other=[3])
        await world.write(world.one, 4)
        await heard(auditor=[1, 2, 4])
        # Each has heard what is its own, once, and nothing else.
        await world.change(world.one, "DELETE FROM live.note")
        await world.change(world.other, "DELETE FROM live.note")
        await heard(auditor=[], north=[], south=[], other=[])


async def test_a_role_sees_its_fields_only(world: World, open_door: Door) -> None:
    async with talking(open_door.url, key=world.one.keys["user"]) as talk:
        await talk.subscribe("a", "subscription { notes { owner } }")
        message = await talk.hear()
        assert (message["type"], message["id"]) == ("error", "a")
        extensions = {"path": "$.selectionSet.notes.selectionSet.owner", "code": "validation-failed"}
        assert message["payload"] == [{"message": "field 'owner' not found in type: 'notes'", "extensions": extensions}]
        await talk.subscribe("a", "subscription { notes_aggregate { aggregate { count } } }")
        assert (await talk.hear())["payload"][0][
            "message"
        ] == "field 'notes_aggregate' not found in type: 'subscription_root'"


async def test_aggregates_are_live(world: World, open_door: Door) -> None:
    async with talking(open_door.url, key=world.one.keys["auditor"]) as talk:
        await talk.subscribe("a", "subscription { notes_aggregate { aggregate { count sum { weight } } } }")
        assert (await talk.data("a"))["notes_aggregate"]["aggregate"] == {"count": 0, "sum": {"weight": None}}
        await world.write(world.one, 1, 2, weight=3)
        assert (await talk.data("a"))["notes_aggregate"]["aggregate"] == {"count": 2, "sum": {"weight": 6}}


async def test_what_one_subscriber_got_wrong_the_others_do_not_notice(world: World, open_door: Door) -> None:
    await world.write(world.one, 1)
    document = "subscription ($at: timestamptz!) { notes(where: {at: {_gt: $at}}) { id } }"
    async with talking(open_door.url, key=world.one.keys["auditor"]) as talk:
        await talk.subscribe("bad", document, at="soon")
        await talk.subscribe("good", document, at="2020-01-01")
        found = {one["id"]: one for one in (await talk.hear(), await talk.hear())}
        assert found["good"]["payload"] == {"data": {"notes": [{"id": 1}]}}
        assert found["bad"]["type"] == "error"
        assert found["bad"]["payload"][0]["extensions"]["code"] == "data-exception"
        await world.write(world.one, 2)
        assert await talk.data("good") == {"notes": [{"id": 1}, {"id": 2}]}
        await talk.subscribe("bad", document, at="2020-01-01")  # The id is free again.
        assert await talk.data("bad") == {"notes": [{"id": 1}, {"id": 2}]}


async def test_text_of_variables_stays_text(world: World, open_door: Door) -> None:
    hostile = ["'; DROP TABLE live.note; --", 'a"b', "back\\slash", "{1,2}", "NULL", "", "a,b", "$1", "%s", "🙂"]
    for number, text in enumerate(hostile, 1):
        await world.write(world.one, number, body=text)
    document = (
        "subscription ($one: String!, $all: [String!]!) { notes(where: {body: {_eq: $one, _in: $all}}) { body } }"
    )
    async with talking(open_door.url, key=world.one.keys["auditor"]) as talk:
        for number, text in enumerate(hostile):
            await talk.subscribe(str(number), document, one=text, all=hostile)
        found = {}
        for _ in hostile:
            message = await talk.hear()
            found[message["id"]] = message["payload"]["data"]["notes"]
        assert found == {str(number): [{"body": text}] for number, text in enumerate(hostile)}


async def test_who_stops_hears_nothing_more(world: World, open_door: Door) -> None:
    async with talking(open_door.url, key=world.one.keys["auditor"]) as talk:
        for name in ("a", "b"):
            await talk.subscribe(name, ALL)
            assert await talk.data(name) == {"notes": []}
        await talk.say(id="a", type="complete")
        await until(lambda: _subscriptions(open_door, 1))
        await world.write(world.one, 1)
        assert await talk.data("b") == {"notes": [{"id": 1, "body": ""}]}
        await world.write(world.one, 2)
        assert len((await talk.data("b"))["notes"]) == 2
    await until(lambda: _subscriptions(open_door, 0))
    assert open_door.hub._cohorts == {}


async def _subscriptions(door: Door, count: int) -> bool:
    return sum(door.hub.tally.subscriptions.values()) == count


async def test_what_changes_without_an_event_is_found_by_asking_now_and_then(world: World) -> None:
    async with (
        door(world, live=LiveLimits(poll_s=0.1)) as made,
        talking(made.url, key=world.one.keys["auditor"]) as talk,
    ):
        await talk.subscribe("a", ALL)
        assert await talk.data("a") == {"notes": []}
        async with world.db.tx(world.one.tenant_id) as tx:
            await tx.connection.execute(b"INSERT INTO live.note (id) VALUES (1)")
        assert await talk.data("a") == {"notes": [{"id": 1, "body": ""}]}


async def test_a_slow_reader_gets_the_latest_only(world: World) -> None:
    """A client that takes nothing costs one result, and what it takes in the end is the present."""
    body = "x" * 500_000
    async with (
        door(world) as made,
        talking(made.url, key=world.one.keys["auditor"], max_queue=1) as slow,
        talking(made.url, key=world.one.keys["auditor"]) as quick,
    ):
        await world.write(world.one, 1, body="0")
        for talk in (slow, quick):
            await talk.subscribe("a", ALL)
        assert await quick.data("a") == {"notes": [{"id": 1, "body": "0"}]}
        for turn in range(40):
            await world.change(world.one, "UPDATE live.note SET body = %(body)s", body=f"{turn} {body}")
            assert (await quick.data("a"))["notes"][0]["body"].startswith(f"{turn} ")
        seen: list[str] = []
        while not seen or seen[-1] != "39":
            seen.append((await slow.data("a"))["notes"][0]["body"].split()[0])
        assert seen == sorted(seen, key=int)
        assert len(seen) < 40, "nothing was overtaken: the client was not slow"


async def test_there_is_an_end_to_subscriptions(world: World) -> None:
    limits = SocketLimits(operations_max=2)
    async with (
        door(world, sockets=limits, live=LiveLimits(subscriptions_max=3)) as made,
        talking(made.url, key=world.one.keys["auditor"]) as first,
        talking(made.url, key=world.one.keys["auditor"]) as second,
    ):
        for name in ("a", "b"):
            await first.subscribe(name, ALL)
            assert await first.data(name) == {"notes": []}
        await first.subscribe("c", ALL)
        message = await first.hear()
        assert (message["type"], message["id"]) == ("error", "c")
        assert message["payload"][0]["extensions"]["code"] == "subscription-limit-exceeded"
        await second.subscribe("a", ALL)
        assert await second.data("a") == {"notes": []}
        await second.subscribe("c", ALL)
        assert "too many subscriptions" in json.dumps(await second.hear())
        await first.say(id="a", type="complete")
        await until(lambda: _subscriptions(made, 2))
        await second.subscribe("c", ALL)
        assert await second.data("c") == {"notes": []}


async def test_subscribers_outlive_a_database_that_is_away(world: World, open_door: Door) -> None:
    async with talking(open_door.url, key=world.one.keys["auditor"]) as talk:
        await talk.subscribe("a", ALL)
        assert await talk.data("a") == {"notes": []}
        async with world.db.tx() as tx:
            await tx.connection.execute(b"SELECT 1")
        async with world.worker_db.connection() as connection:
            await connection.execute(b"SET ROLE NONE")
            await connection.execute(
                b"SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                b"WHERE datname = current_database() AND pid <> pg_backend_pid()"
            )
            await connection.execute(b"SET ROLE omniroute_worker")
        await world.write(world.one, 1)
        assert await talk.data("a") == {"notes": [{"id": 1, "body": ""}]}

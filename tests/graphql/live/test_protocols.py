"""The two sub-protocols, message by message."""

import json
from contextlib import suppress
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from websockets.exceptions import ConnectionClosed

from omniroute.graphql import Engine, Serving, SocketLimits
from omniroute.graphql.metadata.tree import RateLimit, RateLimits
from omniroute.infra.events import Meta
from omniroute.kit.clock import FixedClock
from omniroute.parties import access
from tests.graphql.live.world import (
    CLOCK,
    LEGACY,
    SECRET,
    TRANSPORT,
    Door,
    Talk,
    World,
    door,
    make_key,
    metadata,
    root_of,
    talking,
    until,
)

NOTES = "subscription { notes { id } }"
BOTH = pytest.mark.parametrize("protocol", [TRANSPORT, LEGACY])
SUBSCRIBE = {"type": "subscribe", "id": "a", "payload": {"query": NOTES}}


async def test_the_current_protocol_is_preferred(open_door: Door) -> None:
    async with talking(open_door.url, LEGACY, TRANSPORT) as talk:
        assert talk.connection.subprotocol == TRANSPORT


@pytest.mark.parametrize("offered", [["mqtt"], ["graphql-ws-2", "GRAPHQL-WS"]], ids=["other", "alike"])
async def test_a_sub_protocol_that_is_none_of_ours(open_door: Door, offered: list[str]) -> None:
    async with talking(open_door.url, *offered) as talk:
        assert talk.connection.subprotocol is None
        assert await talk.end() == (4406, "Subprotocol not acceptable")


NO_ID = (4400, "Invalid message: the id must be a text that is not empty")

TO_CLOSE: list[tuple[str, list[Any], tuple[int, str]]] = [
    ("not JSON", ["{"], (4400, "Invalid message: it is not JSON")),
    ("NaN", ['{"type": NaN}'], (4400, "Invalid message: it is not JSON")),
    ("a list", ["[]"], (4400, "Invalid message: expected an object with a type")),
    ("no type", ["{}"], (4400, "Invalid message: expected an object with a type")),
    ("type no text", ['{"type": 1}'], (4400, "Invalid message: expected an object with a type")),
    ("unknown type", [{"type": "nope"}], (4400, "Invalid message: its type is unknown")),
    ("type of the server", [{"type": "next", "id": "a"}], (4400, "Invalid message: its type is unknown")),
    ("type of the other", [{"type": "start", "id": "a"}], (4400, "Invalid message: its type is unknown")),
    ("binary", [b'{"type":"ping"}'], (4400, "Invalid message: expected text")),
    ("deep", ["[" * 100_000], (4400, "Invalid message: it is not JSON")),
    ("payload a list", [{"type": "ping", "payload": []}], (4400, "Invalid message: the payload must be an object")),
    ("headers a list", [{"type": "connection_init", "payload": {"headers": ["a"]}}],
     (4400, "Invalid message: headers must be texts by name")),
    ("header a number", [{"type": "connection_init", "payload": {"headers": {"a": 1}}}],
     (4400, "Invalid message: headers must be texts by name")),
    ("too early", [SUBSCRIBE], (4401, "Unauthorized")),
    ("nobody", [{"type": "connection_init"}], (4403, "Forbidden: Missing 'Authorization' header")),
    ("a wrong key", [{"type": "connection_init", "payload": {"headers": {"authorization": "Bearer sk_live_x"}}}],
     (4403, "Forbidden: This format of credentials is not known.")),
    ("inits at once", ["INIT", "INIT"], (4429, "Too many initialisation requests")),
    ("no id", ["INIT", {"type": "subscribe", "payload": {"query": NOTES}}],
     NO_ID),
    ("empty id", ["INIT", {**SUBSCRIBE, "id": ""}], NO_ID),
    ("id a number", ["INIT", {**SUBSCRIBE, "id": 1}], NO_ID),
    ("long id", ["INIT", {**SUBSCRIBE, "id": "x" * 300}],
     NO_ID),
    ("no payload", ["INIT", {"type": "subscribe", "id": "a"}],
     (4400, "Invalid message: expected an object, or a list of objects")),
    ("no query", ["INIT", {**SUBSCRIBE, "payload": {}}], (4400, "Invalid message: query must be a string")),
    ("variables a list", ["INIT", {**SUBSCRIBE, "payload": {"query": NOTES, "variables": []}}],
     (4400, "Invalid message: variables must be an object or null")),
    ("the same id", ["INIT", SUBSCRIBE, SUBSCRIBE], (4409, "Subscriber for a already exists")),
    ("complete without id", ["INIT", {"type": "complete"}],
     NO_ID),
    ("too large", [{"type": "ping", "payload": {"x": "x" * 1_048_576}}], (1009, "The message is too large")),
]  # fmt: skip


@pytest.mark.parametrize(("messages", "end"), [one[1:] for one in TO_CLOSE], ids=[one[0] for one in TO_CLOSE])
async def test_what_closes_a_connection(
    world: World, open_door: Door, messages: list[Any], end: tuple[int, str]
) -> None:
    key = world.one.keys["auditor"]
    init = {"type": "connection_init", "payload": {"headers": {"Authorization": f"Bearer {key}"}}}
    async with talking(open_door.url) as talk:
        for message in messages:
            given = init if message == "INIT" else message
            await talk.connection.send(given if isinstance(given, str | bytes) else json.dumps(given))
        code, reason = await talk.end()
    if messages[-1] != "INIT" and end[0] == 4403:
        assert (code, reason.partition(":")[0]) == (4403, "Forbidden")  # What exactly is wrong is access's to say.
    else:
        assert (code, reason) == end


async def test_who_says_nothing_is_sent_away(world: World) -> None:
    async with door(world, sockets=SocketLimits(init_timeout_s=0.05)) as made:
        for protocol in (TRANSPORT, LEGACY):
            async with talking(made.url, protocol) as talk:
                assert await talk.end() == (4408, "Connection initialisation timeout")


async def test_pings_are_answered(world: World, open_door: Door) -> None:
    async with talking(open_door.url) as talk:
        await talk.say(type="ping")  # Allowed at any time, before the first message as well.
        assert await talk.hear() == {"type": "pong"}
        await talk.say(type="ping", payload={"at": 1})
        assert await talk.hear() == {"type": "pong", "payload": {"at": 1}}
        await talk.say(type="pong", payload={"unasked": True})
        await talk.init(world.one.keys["auditor"])


@BOTH
async def test_the_server_shows_that_it_lives(world: World, protocol: str) -> None:
    sign = {TRANSPORT: {"type": "ping"}, LEGACY: {"type": "ka"}}[protocol]
    async with door(world, sockets=SocketLimits(ping_s=0.02)) as made, talking(made.url, protocol) as talk:
        given = {"Authorization": f"Bearer {world.one.keys['auditor']}"}
        await talk.say(type="connection_init", payload={"headers": given})
        heard: list[Any] = []
        while heard.count(sign) < 2:
            heard.append(json.loads(await talk.connection.recv()))
            if protocol == TRANSPORT:
                await talk.say(type="pong")
        assert heard[0] == {"type": "connection_ack"}
        assert [one for one in heard[1:] if one != sign] == []


async def test_who_does_not_answer_is_gone(world: World) -> None:
    async with door(world, sockets=SocketLimits(ping_s=0.05, silence_s=0.1)) as made, talking(made.url) as talk:
        await talk.init(world.one.keys["auditor"])
        assert await talk.end() == (1001, "The client does not answer")


async def test_queries_and_mutations_come_over_the_socket_too(world: World, open_door: Door) -> None:
    async with talking(open_door.url, key=world.one.keys["auditor"]) as talk:
        await talk.subscribe("q", "query ($n: Int!) { notes(limit: $n) { id } }", n=0)
        assert await talk.data("q") == {"notes": []}
        assert await talk.hear() == {"type": "complete", "id": "q"}
        await talk.subscribe("q", "{ __typename nope }")
        message = await talk.hear()
        assert (message["type"], message["id"]) == ("error", "q")
        assert message["payload"][0]["message"] == "field 'nope' not found in type: 'query_root'"
        await talk.subscribe("m", 'mutation { insert_notes_one(object: {id: 900, body: "by socket"}) { id body } }')
        assert await talk.data("m") == {"insert_notes_one": {"id": 900, "body": "by socket"}}
        assert await talk.hear() == {"type": "complete", "id": "m"}


@BOTH
async def test_an_operation_that_is_refused_ends_alone(world: World, open_door: Door, protocol: str) -> None:
    refused = {"message": "field 'nope' not found in type: 'subscription_root'",
               "extensions": {"path": "$.selectionSet.nope", "code": "validation-failed"}}  # fmt: skip
    async with talking(open_door.url, protocol, key=world.one.keys["auditor"]) as talk:
        await talk.subscribe("a", "subscription { nope }")
        message = await talk.hear()
        assert (message["type"], message["id"]) == ("error", "a")
        assert message["payload"] == ([refused] if protocol == TRANSPORT else {"errors": [refused]})
        await talk.subscribe("a", "{ __typename }")
        assert await talk.data("a") == {"__typename": "query_root"}


async def test_the_older_protocol_in_its_own_words(world: World, open_door: Door) -> None:
    async with talking(open_door.url, LEGACY) as talk:
        await talk.subscribe("early", NOTES)
        message = await talk.hear()
        assert (message["type"], message["id"]) == ("error", "early")
        assert "before the connection is initialised" in message["payload"]["errors"][0]["message"]
        given = {"headers": {"authorization": f"Bearer {world.one.keys['auditor']}"}}
        await talk.say(type="connection_init", payload=given)
        assert json.loads(await talk.connection.recv()) == {"type": "connection_ack"}
        assert json.loads(await talk.connection.recv()) == {"type": "ka"}
        await talk.subscribe("a", NOTES)
        assert "notes" in await talk.data("a")
        await talk.subscribe("a", NOTES)
        message = await talk.hear()
        assert (message["type"], message["id"]) == ("error", "a")
        assert message["payload"]["errors"][0]["message"] == "an operation already exists with this id: a"
        await talk.say(id="a", type="stop")
        assert await talk.hear() == {"type": "complete", "id": "a"}
        await talk.say(id="never", type="stop")  # Stopping what is not there says nothing.
        await talk.say(type="connection_terminate")
        assert await talk.end() == (1000, "")


async def test_the_older_protocol_says_why_it_refuses(open_door: Door) -> None:
    async with talking(open_door.url, LEGACY) as talk:
        await talk.say(type="connection_init")
        assert await talk.hear() == {"type": "connection_error", "payload": {
            "message": "Missing 'Authorization' header",
            "extensions": {"path": "$", "code": "invalid-headers"}}}  # fmt: skip
        assert (await talk.end())[0] == 4403


@BOTH
async def test_credentials_of_the_upgrade_count(world: World, open_door: Door, protocol: str) -> None:
    headers = {"Authorization": f"Bearer {world.one.keys['user']}"}
    async with talking(open_door.url, protocol, additional_headers=headers) as talk:
        await talk.init(None)
        await talk.subscribe("a", "{ notes { id } }")
        assert await talk.data("a") == {"notes": []}
    async with talking(open_door.url, protocol, additional_headers=headers) as talk:
        await talk.init(world.one.keys["auditor"])  # Those of the first message come before them.
        await talk.subscribe("a", "{ notes_aggregate { aggregate { max { id } } } }")
        assert "notes_aggregate" in await talk.data("a")


async def test_the_role_is_chosen_by_header(world: World, open_door: Door) -> None:
    async with talking(open_door.url) as talk:
        await talk.init(world.one.keys["auditor"], **{"X-Hasura-Role": "auditor"})
    async with talking(open_door.url) as talk:
        given = {"Authorization": f"Bearer {world.one.keys['user']}", "X-Hasura-Role": "auditor"}
        await talk.say(type="connection_init", payload={"headers": given})
        assert await talk.end() == (4403, "Forbidden: Your requested role is not in allowed roles")
    async with talking(open_door.url) as talk:
        await talk.init(None, **{"X-Hasura-Admin-Secret": SECRET})
        await talk.subscribe("a", "{ notes { tenant_id } }")
        assert await talk.data("a") == {"notes": []}  # Of no organisation, as it named none.


@BOTH
async def test_keys_that_end_close_the_connection(world: World, protocol: str) -> None:
    ends = CLOCK.now() + timedelta(hours=1)
    key = await make_key(world.db, world.one, "auditor", expires_at=ends)
    # For the door it is almost that late; the credentials themselves are good for long enough.
    clock = FixedClock(ends - timedelta(milliseconds=300))
    async with door(world, clock=clock) as made, talking(made.url, protocol, key=key) as talk:
        with suppress(ConnectionClosed):
            await talk.subscribe("a", NOTES)
        assert await talk.end() == (4403, "Forbidden: the credentials have expired")
        await until(lambda: _nobody(made))


async def _nobody(door: Door) -> bool:
    return not any((*door.hub.tally.connections.values(), *door.hub.tally.subscriptions.values()))


async def test_keys_that_are_revoked_close_the_connection(world: World) -> None:
    key = await make_key(world.db, world.one, "auditor")
    caller = await world.gate.authenticator.authenticate(f"Bearer {key}", now=CLOCK.now())
    gate = replace(world.gate, authenticator=access.Authenticator(world.db, keep_s=0))
    world = replace(world, gate=gate)
    async with door(world, sockets=SocketLimits(recheck_s=0.05)) as made, talking(made.url, key=key) as talk:
        await talk.subscribe("a", NOTES)
        await talk.data("a")
        async with world.db.tx(world.one.tenant_id) as tx:
            version = (await access.get_key(tx, caller.subject_id)).version
            await access.revoke_key(
                tx, caller.subject_id, version=version, caller=root_of(world.one), now=CLOCK.now(), meta=Meta()
            )
        code, reason = await talk.end()
        assert (code, reason.partition(":")[0]) == (4403, "Forbidden")


async def test_a_schema_that_was_read_again_closes_the_connection(world: World) -> None:
    async def opens() -> Engine:
        return await Engine.open(world.db, metadata())

    serving = await Serving.open(opens)
    async with (
        door(world, serving=serving, sockets=SocketLimits(recheck_s=0.05)) as made,
        talking(made.url, key=world.one.keys["auditor"]) as talk,
    ):
        await serving.reload()
        assert await talk.end() == (1012, "The schema was read again")


async def test_the_way_out(world: World) -> None:
    """What is under way is answered, then everybody is told, and nobody new comes in."""
    async with door(world) as made:
        talks: dict[str, Talk] = {}
        async with (
            talking(made.url, key=world.one.keys["auditor"]) as talks["one"],
            talking(made.url, LEGACY, key=world.one.keys["auditor"]) as talks["two"],
        ):
            for talk in talks.values():
                await talk.subscribe("a", NOTES)
                assert "notes" in await talk.data("a")
            await made.socket.drain()
            for talk in talks.values():
                assert await talk.end() == (1001, "Going away")
        async with talking(made.url) as late:
            assert await late.end() == (1001, "Going away")
        assert await _nobody(made)
        assert made.hub.tally.closed == {1001: 3}


async def test_connections_have_an_end(world: World) -> None:
    async with (
        door(world, sockets=SocketLimits(connections_max=1)) as made,
        talking(made.url, key=world.one.keys["auditor"]) as first,
    ):
        async with talking(made.url) as second:
            assert await second.end() == (1013, "Too many connections are open")
        await first.subscribe("a", "{ __typename }")
        assert await first.data("a") == {"__typename": "query_root"}


async def test_what_is_counted(world: World) -> None:
    async with door(world, sockets=SocketLimits(ping_s=3_600)) as made:
        async with talking(made.url, key=world.one.keys["auditor"]) as talk:
            await talk.subscribe("a", NOTES)
            await talk.data("a")
            found = {
                (sample.name, *sample.labels.values()): sample.value
                for family in made.hub.tally.collect()
                for sample in family.samples
            }
            assert found["omniroute_graphql_connections", TRANSPORT] == 1
            assert found["omniroute_graphql_subscriptions", "live"] == 1
            assert found["omniroute_graphql_messages_total", "in"] == 2
            assert found["omniroute_graphql_messages_total", "out"] == 2
        await until(lambda: _nobody(made))


async def test_operations_of_a_socket_have_a_rate(world: World) -> None:
    given = replace(metadata(), rate_limit=RateLimits(RateLimit(2, ("ip",))))
    serving = await Serving.open(lambda: Engine.open(world.db, given))
    async with door(world, serving=serving) as made:
        async with talking(made.url, key=world.one.keys["auditor"]) as talk:
            for id_ in ("a", "b"):
                await talk.subscribe(id_, NOTES)
                await talk.data(id_)
        async with talking(made.url, key=world.one.keys["auditor"]) as talk:
            await talk.subscribe("c", NOTES)
            told = await talk.hear()
            assert (told["type"], told["payload"][0]["message"]) == ("error", "rate limit of 2 exceeded")

"""Clients that others wrote understand us: gql (Python) in both sub-protocols, graphql-ws and its predecessor (npm)."""

from collections.abc import AsyncIterator

import pytest
from gql import Client, gql
from gql.transport.exceptions import TransportConnectionFailed, TransportQueryError
from gql.transport.websockets import WebsocketsTransport

from omniroute.graphql import LiveLimits
from tests.graphql.clients.node import needs_node, node
from tests.graphql.live.world import LEGACY, TRANSPORT, Door, World, door


@pytest.fixture(scope="module")
async def quick_door(world: World) -> AsyncIterator[Door]:
    """It asks again by itself soon: what a mutation over GraphQL changes in tables of others is no event of ours."""
    async with door(world, live=LiveLimits(poll_s=0.1)) as made:
        yield made


@pytest.fixture(autouse=True)
async def _no_notes(world: World) -> None:
    await world.change(world.one, "DELETE FROM live.note")


def transport(made: Door, protocol: str, key: str) -> WebsocketsTransport:
    headers = {"headers": {"Authorization": f"Bearer {key}"}}
    return WebsocketsTransport(made.url, init_payload=headers, subprotocols=[protocol])


@pytest.mark.parametrize("protocol", [TRANSPORT, LEGACY])
async def test_gql(world: World, quick_door: Door, protocol: str) -> None:
    live = gql("subscription { notes(order_by: {id: asc}) { id } }")
    async with Client(transport=transport(quick_door, protocol, world.one.keys["auditor"])) as session:
        assert await session.execute(gql("{ notes { id } }")) == {"notes": []}
        found = []
        async for data in session.subscribe(live):
            found.append(data["notes"])
            if len(found) == 3:
                break
            await world.write(world.one, len(found))
        assert found == [[], [{"id": 1}], [{"id": 1}, {"id": 2}]]
        with pytest.raises(TransportQueryError, match="field 'nope' not found"):
            async for _ in session.subscribe(gql("subscription { nope }")):
                pass
    with pytest.raises(TransportConnectionFailed):
        async with Client(transport=transport(quick_door, TRANSPORT, "nobody")):
            pass


@needs_node
async def test_graphql_ws(world: World, quick_door: Door) -> None:
    found = await node("sockets.mjs", quick_door.url, f"Bearer {world.one.keys['auditor']}")
    assert found == [
        ["live", {"notes": []}],
        ["mutation", {"insert_notes_one": {"id": 1}}],
        ["live", {"notes": [{"id": 1, "body": "one"}]}],
        ["stream", [1, 2]],
        ["refused", "field 'nope' not found in type: 'subscription_root'"],
        ["closed", 4403],
    ]


@needs_node
async def test_subscriptions_transport_ws(world: World, quick_door: Door) -> None:
    found = await node("legacy.mjs", quick_door.url, f"Bearer {world.one.keys['auditor']}")
    assert found == [
        ["live", {"notes": []}],
        ["live", {"notes": [{"id": 3}]}],
        ["mutation", {"insert_notes_one": {"id": 3}}],
        ["query", {"notes": [{"id": 3}]}],
    ]

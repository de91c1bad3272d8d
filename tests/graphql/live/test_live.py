"""Live queries: what changed is sent, to those who may see it, and nothing else."""

from tests.graphql.live.world import LEGACY, TRANSPORT, Door, World, talking


async def test_a_change_arrives(world: World, open_door: Door) -> None:
    await world.write(world.one, 1, body="first")
    async with talking(open_door.url, key=world.one.keys["auditor"]) as talk:
        await talk.subscribe("a", "subscription { notes(order_by: {id: asc}) { id body } }")
        assert await talk.data("a") == {"notes": [{"id": 1, "body": "first"}]}
        await world.change(world.one, "UPDATE live.note SET body = 'second'")
        assert await talk.data("a") == {"notes": [{"id": 1, "body": "second"}]}
        await talk.say(id="a", type="complete")

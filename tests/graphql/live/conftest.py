"""A world a module, and a door to it."""

from collections.abc import AsyncIterator

import pytest

from omniroute.infra.postgres import Database
from tests.graphql.live.world import Door, World, door, open_world


@pytest.fixture(scope="module")
async def world(database_url: str, owner_db: Database, app_db: Database, worker_db: Database) -> World:
    return await open_world(database_url, owner_db, app_db, worker_db)


@pytest.fixture(scope="module")
async def open_door(world: World) -> AsyncIterator[Door]:
    async with door(world) as made:
        yield made

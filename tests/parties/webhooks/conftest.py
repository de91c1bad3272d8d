"""An organisation with a worker, and a receiver."""

from collections.abc import AsyncIterator

import pytest

from omniroute.infra.postgres import Database
from tests.parties.webhooks.house import House, Receiver, opened, receiving


@pytest.fixture
async def house(app_db: Database, worker_db: Database) -> AsyncIterator[House]:
    async with opened(app_db, worker_db) as made:
        yield made


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    async with receiving() as made:
        yield made

"""An engine over the shop, in a database of its own."""

import pytest

from omniroute.graphql import Engine
from omniroute.infra.postgres import Database
from tests.graphql.shop import Asker, metadata, open_shop


@pytest.fixture(scope="module")
async def engine(owner_db: Database, app_db: Database) -> Engine:
    await open_shop(owner_db)
    return await Engine.open(app_db, metadata())


@pytest.fixture(scope="module")
def ask(engine: Engine) -> Asker:
    return Asker(engine)

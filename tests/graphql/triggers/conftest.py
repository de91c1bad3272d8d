"""The post, once a module."""

import pytest

from omniroute.infra.postgres import Database
from tests.graphql.triggers.post import SCHEMA


@pytest.fixture(scope="module", autouse=True)
async def post_office(owner_db: Database) -> None:
    async with owner_db.connection() as connection:
        await connection.execute(b"SET ROLE NONE")
        await connection.execute(SCHEMA)
        await connection.execute(b"SET ROLE omniroute_owner")

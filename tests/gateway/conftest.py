"""The gateway as it comes with us, over two organisations with rows in every table."""

import pytest

from omniroute.graphql import Engine, Metadata, load_metadata, product_metadata
from omniroute.infra.postgres import Database
from tests.gateway.planted import Corner, plant, plant_organisation

A1, A2, B1 = Corner("alpha", 1), Corner("alpha", 2), Corner("beta", 1)


@pytest.fixture(scope="session")
def metadata() -> Metadata:
    return load_metadata(product_metadata())


@pytest.fixture(scope="module")
async def planted(owner_db: Database) -> None:
    for slug in ("alpha", "beta"):
        await plant_organisation(owner_db, slug)
    for corner in (A1, A2, B1):
        await plant(owner_db, corner)


@pytest.fixture(scope="module")
async def engine(planted: None, app_db: Database, metadata: Metadata) -> Engine:
    return await Engine.open(app_db, metadata)

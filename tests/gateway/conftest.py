"""The gateway as it comes with us, over two organisations with rows in every table."""

import pytest

from omniroute.app.gateway_states import IMPLIED
from omniroute.graphql import Engine, Metadata, load_metadata, product_metadata
from omniroute.graphql.actions import Actions
from omniroute.graphql.calling import Calls
from omniroute.infra.http import Reply, Request
from omniroute.infra.postgres import Database
from omniroute.kit.clock import SystemClock
from tests.gateway.planted import Corner, plant, plant_organisation


class Nowhere:
    """Handlers that nothing may reach."""

    async def exchange(self, request: Request) -> Reply:
        raise AssertionError(request)


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
    calls = Calls(Nowhere(), Nowhere(), base_url="http://omniroute.test", variables={})
    actions = Actions(app_db, metadata, calls, clock=SystemClock())
    return await Engine.open(app_db, metadata, plugged=[actions], implied=IMPLIED)


@pytest.fixture(scope="module")
def bare(engine: Engine, owner_db: Database) -> Engine:
    """An engine whose database role passes row-level security: permissions alone decide."""
    return Engine(owner_db, engine.metadata, engine.model.catalog)

"""The REST door on a real database: the whole application in process, a platform key, and two organisations."""

from collections.abc import AsyncIterator

import httpx
import pytest

from omniroute.api import Services, create_app
from omniroute.infra.postgres import Database
from omniroute.ledger import Poster
from omniroute.money.atc import Recorder
from omniroute.parties import access, tenants
from tests.api.makers import CLOCK, Client, Makers
from tests.rails import payment_services
from tests.vaults import the_vault


@pytest.fixture(scope="module")
async def services(app_db: Database, worker_db: Database) -> AsyncIterator[Services]:
    poster = Poster(app_db, lambda tenant_id: CLOCK.now().date())
    gate = access.Authenticator(app_db)
    vault = the_vault()
    money = payment_services(app_db, worker_db, vault, CLOCK)
    recorder = Recorder(app_db, clock=CLOCK, business_day=poster.today)
    yield Services(
        db=app_db,
        poster=poster,
        clock=CLOCK,
        authenticator=gate,
        vault=vault,
        payments=money,
        worker_db=worker_db,
        recorder=recorder,
    )
    await money.initiator.close()
    await recorder.close()
    await poster.close()


@pytest.fixture(scope="module")
async def http(services: Services) -> AsyncIterator[httpx.AsyncClient]:
    transport = httpx.ASGITransport(create_app(services, access_log=False))
    async with httpx.AsyncClient(transport=transport, base_url="http://omniroute.test") as client:
        yield client


@pytest.fixture(scope="module")
async def platform_secret(services: Services) -> str:
    issued = await tenants.bootstrap_platform(services.db, now=CLOCK.now())
    assert issued is not None
    return issued.secret.text


@pytest.fixture(scope="module")
async def makers(services: Services, http: httpx.AsyncClient, platform_secret: str) -> Makers:
    platform = await access.authenticate(services.db, f"Bearer {platform_secret}", now=CLOCK.now())
    return Makers(services, http, platform)


@pytest.fixture(scope="module")
async def a(makers: Makers) -> Client:
    """Organisation A."""
    return await makers.organisation("alpha")


@pytest.fixture(scope="module")
async def b(makers: Makers) -> Client:
    """Organisation B, which must stay invisible to A."""
    return await makers.organisation("beta")

"""The whole application over the shop, on a real server: REST beside GraphQL, with organisations and their keys."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest
from granian.constants import Interfaces
from granian.server.embed import Server
from prometheus_client import CollectorRegistry

from omniroute.api import Services, create_app
from omniroute.graphql import DoorLimits, Engine, Gate, HttpDoor, Metadata, Serving, mount
from omniroute.infra.events import Meta
from omniroute.infra.postgres import Database
from omniroute.ledger import Poster
from omniroute.money.atc import Recorder
from omniroute.parties import access, tenants
from tests.api.makers import CLOCK
from tests.graphql.shop import METADATA, metadata, open_shop
from tests.ports import port_of_ours
from tests.rails import payment_services
from tests.vaults import the_vault

SECRET = "a secret nobody guesses"
PATH = "/v1/graphql"
BODY_BYTES_MAX = 200_000
LISTED = "query Listed($id: bigint!) { payment(id: $id) { id } }"


def door_metadata() -> Metadata:
    """The shop's metadata, with roles that callers have, and an allow list."""
    return metadata(
        {
            **METADATA,
            "inherited_roles": [
                *METADATA["inherited_roles"],
                {"role_name": "books", "role_set": ["auditor", "user"]},
                {"role_name": "loop", "role_set": ["loop", "user"]},
            ],
            "query_collections": [
                {"name": "app", "definition": {"queries": [{"name": "Listed", "query": LISTED}]}},
                {"name": "till", "definition": {"queries": [{"name": "Till", "query": "{ payments { id } }"}]}},
            ],
            "allowlist": [{"collection": "app"}, {"collection": "till", "scope": {"global": False, "roles": ["user"]}}],
        }
    )


@dataclass
class System:
    """A running application, and what its doors work with."""

    db: Database
    services: Services
    gate: Gate
    url: str
    keys: dict[str, str] = field(default_factory=dict)
    tenant_id: UUID = field(default_factory=uuid4)


async def organisation(services: Services) -> UUID:
    """An organisation of its own."""
    issued = await tenants.bootstrap_platform(services.db, now=CLOCK.now())
    assert issued is not None
    platform = await access.authenticate(services.db, f"Bearer {issued.secret.text}", now=CLOCK.now())
    command = tenants.CreateOrganisation("duka", "Duka", "KE", "KES", "Africa/Nairobi")
    async with services.db.tx(tenants.PLATFORM_ID) as tx:
        made = await tenants.create_organisation(tx, command, caller=platform, now=CLOCK.now(), meta=Meta())
    return made.id


async def make_key(services: Services, tenant_id: UUID, *permissions: str) -> str:
    """A key with these permissions."""
    everything = frozenset(map(str, access.Permission)) - frozenset(map(str, access.PLATFORM_PERMISSIONS))
    root = access.Caller(tenant_id, "key_root", tenant_id, "api_key", everything, organisation_slug="duka")
    async with services.db.tx(tenant_id) as tx:
        key = access.CreateKey("test", frozenset(permissions))
        issued = await access.create_key(tx, key, caller=root, now=CLOCK.now(), meta=Meta())
    return issued.secret.text


@asynccontextmanager
async def listening(app: Any) -> AsyncIterator[str]:
    """A server of this application, and its address."""
    with port_of_ours() as port:
        server = Server(app, address="127.0.0.1", port=port, interface=Interfaces.ASGINL, log_enabled=False)
        serving = asyncio.create_task(server.serve())
        for _ in range(3_000):
            with suppress(OSError):
                _, writer = await asyncio.open_connection("127.0.0.1", port)
                writer.close()
                await writer.wait_closed()
                break
            await asyncio.sleep(0.02)
        try:
            yield f"http://127.0.0.1:{port}"
        finally:
            server.stop()  # type: ignore[no-untyped-call]
            await serving


@pytest.fixture(scope="module")
async def system(owner_db: Database, app_db: Database, worker_db: Database) -> AsyncIterator[System]:
    await open_shop(owner_db)
    poster = Poster(app_db, lambda tenant_id: CLOCK.now().date())
    vault = the_vault()
    money = payment_services(app_db, worker_db, vault, CLOCK)
    registry = CollectorRegistry()
    recorder = Recorder(app_db, clock=CLOCK, business_day=poster.today)
    services = Services(
        db=app_db, poster=poster, clock=CLOCK, authenticator=access.Authenticator(app_db), vault=vault,
        payments=money, worker_db=worker_db, registry=registry, recorder=recorder,
    )  # fmt: skip
    found = door_metadata()

    async def opens() -> Engine:
        return await Engine.open(app_db, found)

    gate = Gate(await Serving.open(opens), services.authenticator, CLOCK, admin_secret=SECRET)
    door = HttpDoor(gate, limits=DoorLimits(body_bytes_max=BODY_BYTES_MAX), registry=registry)
    app = create_app(services, access_log=False, beside=mount(door))
    async with listening(app) as url:
        made = System(app_db, services, gate, url)
        made.tenant_id = await organisation(services)
        for role in ("auditor", "user", "customer_admin"):
            needed = access.BUILT_IN[role][1]
            made.keys[role] = await make_key(services, made.tenant_id, *map(str, needed))
        made.keys["nothing"] = await make_key(services, made.tenant_id, "keys.read")
        yield made
    await money.initiator.close()
    await recorder.close()
    await poster.close()


class Caller:
    """Asks over HTTP."""

    def __init__(self, http: httpx.AsyncClient, system: System) -> None:
        self.http = http
        self.system = system

    def headers(self, who: str | None = "auditor", **more: str) -> dict[str, str]:
        """Credentials of one of the keys, and more headers (underscores are hyphens)."""
        own = {} if who is None else {"authorization": f"Bearer {self.system.keys[who]}"}
        return own | {name.replace("_", "-"): text for name, text in more.items()}

    async def ask(self, document: Any, who: str | None = "auditor", *, variables: Any = None, name: Any = None,
                  **headers: str) -> httpx.Response:  # fmt: skip
        """A POST of one operation."""
        body = {"query": document, "variables": variables, "operationName": name}
        return await self.http.post(PATH, json=body, headers=self.headers(who, **headers))

    async def post(self, content: bytes | str, who: str | None = "auditor", **headers: str) -> httpx.Response:
        """A POST of any body."""
        told = self.headers(who, **({"content_type": "application/json"} | headers))
        return await self.http.post(PATH, content=content, headers=told)

    async def get(self, who: str | None = "auditor", accept: str = "*/*", **params: str) -> httpx.Response:
        """A GET."""
        return await self.http.get(PATH, params=params, headers=self.headers(who, accept=accept))


@pytest.fixture(scope="module")
async def http(system: System) -> AsyncIterator[Caller]:
    async with httpx.AsyncClient(base_url=system.url, timeout=60) as client:
        yield Caller(client, system)

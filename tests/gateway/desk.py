"""The gateway with its actions, and an organisation that pays through the rails of a sandbox."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import httpx

from omniroute.api import Services, create_app
from omniroute.app.cli_sandbox import outside
from omniroute.graphql import Engine, Metadata, Session
from omniroute.graphql.actions import Actions
from omniroute.graphql.calling import Calls
from omniroute.infra.events import Meta
from omniroute.infra.http import Reply, Request
from omniroute.infra.postgres import Database
from omniroute.kit.clock import SystemClock
from omniroute.ledger import Poster
from omniroute.money.atc import Recorder
from omniroute.parties import access, tenants
from omniroute.parties.access import BUILT_IN
from tests.api.makers import Client, Makers
from tests.api.paying import Payer, payer
from tests.rails import payment_services
from tests.vaults import the_vault

HOME = "http://omniroute.test"
CLOCK = SystemClock()


class Inside:
    """Exchanges requests with an application of this process."""

    def __init__(self, http: httpx.AsyncClient) -> None:
        self._http = http

    async def exchange(self, request: Request) -> Reply:
        answer = await self._http.request(
            request.method, request.url, headers=dict(request.headers), content=request.body
        )
        return Reply(answer.status_code, {name.lower(): text for name, text in answer.headers.items()}, answer.content)


def actions(db: Database, metadata: Metadata, http: httpx.AsyncClient) -> Actions:
    """The actions of the metadata, answered by this application."""
    client = Inside(http)
    calls = Calls(client, client, base_url=HOME, variables={"BANK_GATEWAY_URL": HOME})
    return Actions(db, metadata, calls, clock=CLOCK)


@dataclass
class Desk:
    """An organisation, its payer, and the gateway it asks."""

    engine: Engine
    payer: Payer
    services: Services
    sessions: dict[str, Session]

    async def session(self, role: str) -> Session:
        """Somebody who holds what the built-in role of this name holds, with their credentials."""
        if role not in self.sessions:
            tenant_id = self.payer.client.tenant_id
            held = frozenset(map(str, BUILT_IN[role][1]))
            async with self.services.db.tx(tenant_id) as tx:
                root = access.Caller(tenant_id, "key_root", tenant_id, "api_key", held)
                issued = await access.create_key(
                    tx, access.CreateKey(role, held), caller=root, now=CLOCK.now(), meta=Meta()
                )
            shown = f"Bearer {issued.secret.text}"
            caller = await access.authenticate(self.services.db, shown, now=CLOCK.now())
            plain = Session.of(caller, role)
            headers: Mapping[str, str] = {"authorization": shown}
            self.sessions[role] = Session(plain.tenant_id, plain.branches, plain.variables, headers)
        return self.sessions[role]


@asynccontextmanager
async def opened(db: Database, worker: Database, metadata: Metadata) -> AsyncIterator[Desk]:
    """A desk on a database of its own."""
    poster = Poster(db, lambda tenant_id: CLOCK.now().date())
    money = payment_services(db, worker, the_vault(), CLOCK)
    recorder = Recorder(db, clock=CLOCK, business_day=poster.today)
    services = Services(
        db=db, poster=poster, clock=CLOCK, authenticator=access.Authenticator(db), vault=the_vault(), payments=money,
        worker_db=worker, recorder=recorder,
    )  # fmt: skip
    try:
        transport = httpx.ASGITransport(create_app(services, access_log=False))
        async with httpx.AsyncClient(transport=transport, base_url=HOME) as http, outside() as sandbox:
            client = await _organisation(services, http)
            engine = await Engine.open(db, metadata, plugged=[actions(db, metadata, http)])
            async with payer(client, services, sandbox) as made:
                yield Desk(engine, made, services, {})
    finally:
        await money.initiator.close()
        await recorder.close()
        await poster.close()


async def _organisation(services: Services, http: httpx.AsyncClient) -> Client:
    issued = await tenants.bootstrap_platform(services.db, now=CLOCK.now())
    assert issued is not None
    platform = await access.authenticate(services.db, f"Bearer {issued.secret.text}", now=CLOCK.now())
    return await Makers(services, http, platform).organisation("payer")


def account(serial_number: str) -> dict[str, Any]:
    """A payee at a Nigerian bank."""
    return {"bankCode": "058", "accountNumber": serial_number}

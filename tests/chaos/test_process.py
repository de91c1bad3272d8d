"""The web process is killed under load; clients ask again over HTTP with the same Idempotency-Key."""

import asyncio
import shutil
import socket
import tempfile
from collections.abc import Iterator
from pathlib import Path
from uuid import UUID

import httpx
import pytest

from omniroute.infra.events import Meta
from omniroute.infra.postgres import Database
from omniroute.parties import access, tenants
from tests.api.makers import CLOCK, Client, open_accounts, transfer
from tests.app.commands import running
from tests.laws.invariants import check_invariants

CLIENTS = 16
REQUESTS = 15
DEATHS = 2


@pytest.fixture
def folder() -> Iterator[Path]:
    """Where the processes write what they say."""
    made = Path(tempfile.mkdtemp(prefix="omniroute-chaos-"))
    yield made
    shutil.rmtree(made)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


async def _organisation(db: Database) -> tuple[UUID, str]:
    """An organisation, and a key that may do everything in it."""
    now = CLOCK.now()
    issued = await tenants.bootstrap_platform(db, now=now)
    assert issued is not None
    platform = await access.authenticate(db, f"Bearer {issued.secret.text}", now=now)
    command = tenants.CreateOrganisation("chaos", "chaos", "NG", "NGN", "Africa/Lagos")
    async with db.tx(tenants.PLATFORM_ID) as tx:
        made = await tenants.create_organisation(tx, command, caller=platform, now=now, meta=Meta())
    everything = frozenset(map(str, access.Permission)) - frozenset(map(str, access.PLATFORM_PERMISSIONS))
    root = access.Caller(made.id, "key_root", made.id, "api_key", everything, organisation_slug="chaos")
    async with db.tx(made.id) as tx:
        key = await access.create_key(tx, access.CreateKey("root", everything), caller=root, now=now, meta=Meta())
    return made.id, key.secret.text


async def test_law_10_the_web_process_killed_under_load(
    app_db: Database, owner_db: Database, database_url: str, folder: Path
) -> None:
    port = _free_port()
    tenant_id, secret = await _organisation(app_db)
    dead = 0
    answers: dict[str, tuple[int, bytes]] = {}
    settings = {"database_url": database_url}
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", timeout=10) as http:
        shop = Client(http, tenant_id, "chaos", secret)

        async def client(number: int) -> None:
            for i in range(REQUESTS):
                key = f"{number}/{i}"
                body = transfer("cash", "wallet", number * 100 + i + 1, reference=key)
                for _ in range(600):
                    try:
                        response = await shop.send("POST", "/ledger/transactions", key=key, json=body)
                    except httpx.TransportError:
                        response = None
                    # 409: the first attempt is still under way; 429 and 503: nothing was booked.
                    if response is not None and response.status_code not in (409, 429, 503):
                        answers[key] = response.status_code, response.content
                        break
                    await asyncio.sleep(0.05)

        async def all_clients() -> None:
            await asyncio.gather(*[client(number) for number in range(CLIENTS)])

        work: asyncio.Task[None] | None = None
        while work is None or not work.done():
            with running(folder, "serve", "--host", "127.0.0.1", "--port", str(port), **settings) as process:
                await asyncio.to_thread(lambda: process.url)
                if work is None:
                    await open_accounts(shop, "cash", "wallet")
                    work = asyncio.create_task(all_clients())
                if dead < DEATHS:
                    while len(answers) < (dead + 1) * 40 and not work.done():  # noqa: ASYNC110 - a count, not an event
                        await asyncio.sleep(0.005)
                    process.process.kill()
                    await asyncio.to_thread(process.process.wait)
                    dead += 1
                    continue
                await work
                repeated = await shop.send(
                    "POST", "/ledger/transactions", key="0/0", json=transfer("cash", "wallet", 1, reference="0/0")
                )
                balance = await shop.get("/ledger/accounts/wallet/balance")

    assert dead == DEATHS
    assert {status for status, _ in answers.values()} == {201}
    assert len({content for _, content in answers.values()}) == len(answers) == CLIENTS * REQUESTS
    assert (repeated.status_code, repeated.content) == answers["0/0"]
    assert balance["posted"] == sum(n * 100 + i + 1 for n in range(CLIENTS) for i in range(REQUESTS))
    await check_invariants(owner_db, shop.tenant_id)

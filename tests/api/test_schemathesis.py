"""The document against the running door: no 5xx, no undocumented status, every answer as its schema says."""

import asyncio
import os
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import httpx
import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, seed, settings

from omniroute.api import openapi_document
from omniroute.app.listening import reserved
from omniroute.app.settings import Settings
from tests.api.makers import Client, open_accounts, transfer

SERVER = """
import asyncio, sys, tempfile
from pathlib import Path
from granian.constants import Interfaces
from granian.server.embed import Server
from omniroute.api import Services, create_app
from omniroute.infra.postgres import Database
from omniroute.infra.secrets import FileKeys, Vault
from omniroute.kit.clock import SystemClock
from omniroute.ledger import Poster
from omniroute.money.atc import Recorder
from omniroute.parties.access import Authenticator
from tests.rails import payment_services

async def main() -> None:
    db = await Database.open(sys.argv[1], role="omniroute_app")
    clock = SystemClock()
    poster = Poster(db, lambda tenant_id: clock.now().date())
    worker_db = await Database.open(sys.argv[1], role="omniroute_worker")
    vault = Vault(FileKeys.create(Path(tempfile.mkdtemp())))
    recorder = Recorder(db, clock=clock, business_day=poster.today)
    services = Services(
        db=db, poster=poster, clock=clock, authenticator=Authenticator(db), vault=vault, worker_db=worker_db,
        payments=payment_services(db, worker_db, vault, clock), recorder=recorder,
    )
    app = create_app(services, access_log=False)
    await Server(app, address="127.0.0.1", port=int(sys.argv[2]), interface=Interfaces.ASGI).serve()

asyncio.run(main())
"""


@pytest.fixture(scope="module")
async def address(database_url: str, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[str]:
    """A real server in a process of its own."""
    log = tmp_path_factory.mktemp("server") / "log"
    with reserved(Settings(http_host="127.0.0.1", http_port=0), print) as (place, _), log.open("wb") as out:
        port = place.http_port
        process = subprocess.Popen(  # noqa: ASYNC220  # Started once, before anything else runs.
            [sys.executable, "-c", SERVER, database_url, str(port)], stdout=out, stderr=out, env=dict(os.environ)
        )
        try:
            yield await _ready(f"http://127.0.0.1:{port}", process, log)
        finally:
            process.terminate()
            process.wait(60)


async def _ready(url: str, process: subprocess.Popen[bytes], log: Path) -> str:
    async with httpx.AsyncClient() as probe:
        for _ in range(1_200):
            with suppress(httpx.HTTPError):
                if (await probe.get(f"{url}/readiness")).status_code == 200:
                    return url
            if process.poll() is not None:
                break
            await asyncio.sleep(0.1)
    raise AssertionError(await asyncio.to_thread(log.read_text))


@pytest.fixture(scope="module")
async def seeded(a: Client) -> Client:
    """An organisation with something in it."""
    await open_accounts(a, "cash:kano", "wallet:amina")
    await a.post("/ledger/transactions", transfer("cash:kano", "wallet:amina", 500, reference="receipt-4711"))
    return a


CHECKS = [
    schemathesis.checks.not_a_server_error,
    schemathesis.checks.status_code_conformance,
    schemathesis.checks.content_type_conformance,
    schemathesis.checks.response_schema_conformance,
    schemathesis.checks.response_headers_conformance,
]
OPERATIONS = [(method.upper(), path) for path, methods in openapi_document()["paths"].items() for method in methods]


@pytest.mark.parametrize(("method", "path"), OPERATIONS, ids=[f"{m} {p}" for m, p in OPERATIONS])
async def test_answers_are_documented(address: str, seeded: Client, method: str, path: str) -> None:
    await asyncio.to_thread(_probe, address, seeded, method, path)


def _probe(address: str, client: Client, method: str, path: str) -> None:
    schema = schemathesis.openapi.from_dict(openapi_document())
    operation = schema[path][method]

    @seed(20261121)
    @settings(
        max_examples=int(os.environ.get("OMNIROUTE_SCHEMATHESIS_EXAMPLES", "12")),
        deadline=None,
        database=None,
        phases=[Phase.explicit, Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @_given(operation)  # type: ignore[untyped-decorator]  # A strategy made at run time.
    def probe(case: Any) -> None:
        if "tenant" in (case.path_parameters or {}):
            case.path_parameters["tenant"] = client.slug
        response = case.call(base_url=address, headers={"Authorization": f"Bearer {client.secret}"}, timeout=30)
        case.validate_response(response, checks=CHECKS)

    probe()


def _given(operation: Any) -> Any:
    from hypothesis import given

    both = operation.as_strategy(generation_mode=schemathesis.GenerationMode.POSITIVE) | operation.as_strategy(
        generation_mode=schemathesis.GenerationMode.NEGATIVE
    )
    return given(case=both)

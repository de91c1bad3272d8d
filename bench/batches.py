"""A file of payments from upload to the last one confirmed: web, worker and the rails of the sandbox, each a process of
its own on this machine, everything over HTTP.

OMNIROUTE_BENCH_BATCH sets how many payments the file has (100,000 unless told).
"""

import asyncio
import json
import os
import sys
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx

from bench import peer
from bench.network import TODAY, Network
from bench.report import Figure, figure
from omniroute import ledger
from omniroute.infra.events import Meta
from omniroute.infra.postgres import Database, EmbeddedPostgres
from omniroute.infra.secrets import FileKeys
from omniroute.kit.ids import uuid7
from omniroute.kit.money import Money
from omniroute.ledger import AccountType, Leg, OpenAccount, Side
from omniroute.parties import access

RAIL, CURRENCY = "gsma", "KES"
SOURCE, BANK = "bulk:source", "bulk:bank"
SANDBOX, WEB = 18_240, 18_232
P = access.Permission


async def run(server: EmbeddedPostgres, db: Database, network: Network) -> list[Figure]:
    """Seconds from the first byte of the file to the last payment, and the peak memory of web and worker."""
    count = int(os.environ.get("OMNIROUTE_BENCH_BATCH", "100000"))
    maker = await _key(db, network, P.BATCHES_WRITE, P.PAYMENTS_READ, P.CONNECTIONS_WRITE)
    checker = await _key(db, network, P.PAYMENTS_APPROVE, P.PAYMENTS_READ)
    await _fund(db, network, count)
    async with AsyncExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        FileKeys.create(folder / "keys")
        environment = {name: text for name, text in os.environ.items() if not name.startswith("OMNIROUTE_")} | {
            "OMNIROUTE_DATABASE_URL": server.url("omniroute_app"),
            "OMNIROUTE_DATABASE_WORKER_URL": server.url("omniroute_worker"),
            "OMNIROUTE_DATABASE_OWNER_URL": server.url("omniroute_owner"),
            "OMNIROUTE_SECRETS_DIR": str(folder / "keys"),
            "OMNIROUTE_LOG_LEVEL": "warning",
        }
        await stack.enter_async_context(_process(environment, folder, "sandbox", "--port", str(SANDBOX)))
        web = await stack.enter_async_context(_process(environment, folder, "serve", "--port", str(WEB)))
        http = await stack.enter_async_context(
            httpx.AsyncClient(base_url=f"http://127.0.0.1:{WEB}/v1/{network.slug}", timeout=300)
        )
        await _answers(http, f"http://127.0.0.1:{SANDBOX}/_sandbox/connections")
        await _answers(http, f"http://127.0.0.1:{WEB}/health")
        await _connect(http, maker)
        worker = await stack.enter_async_context(_process(environment, folder, "worker"))
        before = await peer.measure(server)
        times = await _pay(http, maker, checker, count)
        peak = {"web": _peak_mb(web.pid), "worker": _peak_mb(worker.pid)}
    name = f"payments.bulk.{count // 1000}k"
    note = f"{count:,} lines of CSV over {RAIL} in the sandbox; " + ", ".join(
        f"{k} {v:.1f} s" for k, v in times.items()
    )
    plain = count / before.tps
    memory = f"web {peak['web']:.0f} MB, worker {peak['worker']:.0f} MB"
    return [
        figure(f"{name}.s", times["confirmed"], "s", f"{peer.NAME}, as many transactions", plain, note),
        figure(f"{name}.mb", max(peak.values()), "MB", "budget", 300, memory),
    ]


async def _key(db: Database, network: Network, *permissions: access.Permission) -> dict[str, str]:
    """Headers of a caller of its own."""
    owner = access.Caller(network.tenant_id, "bench", uuid7(), "platform", frozenset(access.Permission))
    async with db.tx(network.tenant_id) as tx:
        key = access.CreateKey("bulk", list(permissions))
        issued = await access.create_key(tx, key, caller=owner, now=datetime.now(UTC), meta=Meta(actor="bench"))
    return {"authorization": f"Bearer {issued.secret.text}"}


async def _fund(db: Database, network: Network, count: int) -> None:
    now, meta, amount = datetime.now(UTC), Meta(actor="bench"), Money(100_00 * count, CURRENCY)
    async with db.tx(network.tenant_id) as tx:
        await ledger.open_account(tx, OpenAccount(BANK, "Bank", AccountType.ASSET, CURRENCY), now=now, meta=meta)
        source = OpenAccount(SOURCE, "Source", AccountType.LIABILITY, CURRENCY, floor_minor=0)
        await ledger.open_account(tx, source, now=now, meta=meta)
        legs = [
            Leg(ledger.account_id(network.tenant_id, BANK), Side.DEBIT, amount),
            Leg(ledger.account_id(network.tenant_id, SOURCE), Side.CREDIT, amount),
        ]
        await ledger.post_one(tx, ledger.post_transaction(legs, value_on=TODAY), today=TODAY)


@asynccontextmanager
async def _process(
    environment: dict[str, str], folder: Path, *arguments: str
) -> AsyncIterator[asyncio.subprocess.Process]:
    """A command of ours that runs as long as this block."""
    command = str(Path(sys.executable).parent / "omniroute")
    with (folder / f"{arguments[0]}.log").open("wb") as log:
        process = await asyncio.create_subprocess_exec(command, *arguments, env=environment, stdout=log, stderr=log)
        try:
            yield process
        finally:
            if process.returncode is None:
                process.terminate()
            await process.wait()


async def _answers(http: httpx.AsyncClient, url: str) -> None:
    for _ in range(600):
        try:
            if (await http.get(url)).status_code == 200:
                return
        except httpx.TransportError:
            pass
        await asyncio.sleep(0.1)
    raise RuntimeError(f"{url} does not answer")


async def _post(http: httpx.AsyncClient, path: str, headers: dict[str, str], **options: Any) -> Any:
    answer = await http.post(path, headers=headers | {"idempotency-key": str(uuid7())}, **options)
    if answer.status_code >= 400:
        raise RuntimeError(f"{path}: {answer.text}")
    return answer.json()


async def _connect(http: httpx.AsyncClient, maker: dict[str, str]) -> None:
    told = (await http.get(f"http://127.0.0.1:{SANDBOX}/_sandbox/connections")).json()
    found = told["connections"] if isinstance(told, dict) else told
    one = next(each for each in found if (each["rail"], each["currency"]) == (RAIL, CURRENCY))
    body = {"code": RAIL, "name": RAIL, "rail": RAIL, "currency": CURRENCY, "endpoint": one["endpoint"]}
    await _post(http, "connections", maker, json=body | {"public": one["public"], "secret": one["secret"]})


async def _pay(http: httpx.AsyncClient, maker: dict[str, str], checker: dict[str, str], count: int) -> dict[str, float]:
    """Seconds since the first byte of the file until each step."""
    # The last three digits stand between 100 and 899: the sandbox takes others for faults that are asked for.
    lines = [f"B{n},100.00,2547{n // 800:05d}{n % 800 + 100}" for n in range(count)]
    content = "\n".join(["reference,amount,msisdn", *lines]).encode()
    query = f"?source={SOURCE}&currency={CURRENCY}&country=KE"
    times: dict[str, float] = {}
    start = time.perf_counter()
    made = await _post(http, f"payment-batches{query}", maker | {"content-type": "text/csv"}, content=content)
    path = f"payment-batches/{made['id']}"
    times["received"] = time.perf_counter() - start
    batch = await _until(http, path, maker, "VALIDATED")
    assert batch["invalid_count"] == 0, json.dumps((await http.get(f"{path}/report", headers=maker)).json())[:2_000]
    times["checked"] = time.perf_counter() - start
    await _post(http, f"{path}/submit", maker, json={})
    await _post(http, f"{path}/approve", checker, json={})
    batch = await _until(http, path, maker, "COMPLETED")
    times["confirmed"] = time.perf_counter() - start
    assert batch["successful_count"] == count, batch
    return times


async def _until(http: httpx.AsyncClient, path: str, headers: dict[str, str], status: str) -> Any:
    while True:
        batch = (await http.get(path, headers=headers)).json()
        if batch["status"] == status:
            return batch
        await asyncio.sleep(0.25)


def _peak_mb(pid: int) -> float:
    """Peak resident memory of a process, from /proc."""
    line = next(row for row in Path(f"/proc/{pid}/status").read_text().splitlines() if row.startswith("VmHWM"))
    return int(line.split()[1]) / 1024

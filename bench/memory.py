"""Memory of the web process over a large ledger: import entries, then read through it and watch its peak.

OMNIROUTE_BENCH_ENTRIES sets how many entries are imported (10,000,000 unless told).
"""

import asyncio
import os
import random
from pathlib import Path

import httpx

from bench.http import serving
from bench.network import TODAY, Network, transfers
from bench.report import Figure, figure
from omniroute import ledger
from omniroute.infra.postgres import Database, EmbeddedPostgres

BUDGET_MB = 300
CALL = 4_000
LANES = 2


async def run(server: EmbeddedPostgres, db: Database, network: Network) -> list[Figure]:
    """Import in bulk while the web process runs, read statements and balances over it, report its peak memory."""
    entries = int(os.environ.get("OMNIROUTE_BENCH_ENTRIES", "10000000"))
    async with serving(server) as web:
        await _import(db, network, entries // 2)
        headers = {"authorization": f"Bearer {network.secret}"}
        async with httpx.AsyncClient(base_url=f"{web.url}/v1/{network.slug}", headers=headers, timeout=120) as client:
            await _batches(client)
            await _reads(client)
        peak_mb = _peak_mb(web.pid)
    note = f"{entries:,} entries imported; 20 batches of 1,000 posted and statements, lists and balances read over HTTP"
    return [figure("web.memory_peak", peak_mb, "MB", "budget", BUDGET_MB, note)]


async def _import(db: Database, network: Network, count: int) -> None:
    draw = random.Random("import")
    calls = iter(range(-(-count // CALL)))

    async def lane() -> None:
        for _ in calls:
            batch = transfers(draw, CALL, network.wallets, network.wallets + network.hot)
            await ledger.post_alone(db, network.tenant_id, batch, today=TODAY)

    await asyncio.gather(*[lane() for _ in range(LANES)])


async def _batches(client: httpx.AsyncClient) -> None:
    for i in range(20):
        items = [
            {
                "kind": "posting",
                "legs": [
                    {"account": f"wallet:{k}", "side": "debit", "amount": 5, "currency": "NGN"},
                    {"account": f"wallet:{k + 1}", "side": "credit", "amount": 5, "currency": "NGN"},
                ],
                "value_on": TODAY.isoformat(),
            }
            for k in range(1_000)
        ]
        key = {"idempotency-key": f"memory-{i}"}
        answer = await client.post("/ledger/batches", json={"items": items}, headers=key)
        answer.raise_for_status()


async def _reads(client: httpx.AsyncClient) -> None:
    statement = "/ledger/accounts/wallet:1/statement?limit=500"
    for path in ("/ledger/accounts?limit=500", "/ledger/transactions?limit=500", statement):
        (await client.get(path)).raise_for_status()


def _peak_mb(pid: int) -> float:
    """Peak resident memory of a process, from /proc."""
    line = next(row for row in Path(f"/proc/{pid}/status").read_text().splitlines() if row.startswith("VmHWM"))
    return int(line.split()[1]) / 1024

"""Postings straight into the ledger: limits, idempotency keys, events and history on, every call durable.

Timed from commands in memory to outcomes in memory: encoding, one round trip, commit, decoding. Making the commands
is not timed.
"""

import asyncio
import gc
import random
import time
from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from bench import peer
from bench.network import TODAY, Network, transfers
from bench.report import Figure, figure
from bench.spent import Meter
from omniroute import ledger
from omniroute.infra.postgres import Database, EmbeddedPostgres


@dataclass(frozen=True, slots=True)
class Case:
    """Calls of `size`, `calls` in all, shared by `lanes` connections."""

    name: str
    size: int
    calls: int
    lanes: int
    hot: bool = False
    narrow: bool = False


CASES = (
    Case("ledger.post.1", 1, 12_000, 8),
    Case("ledger.post.50", 50, 1_200, 4),
    Case("ledger.post.256", 256, 400, 2),
    Case("ledger.post.1000", 1_000, 120, 2),
    Case("ledger.post.bulk", 4_000, 40, 2),
    Case("ledger.post.hot10.256", 256, 400, 2, hot=True),
    Case("ledger.post.strict10.256", 256, 300, 2, narrow=True),
)


async def run(server: EmbeddedPostgres, db: Database, network: Network) -> list[Figure]:
    """All cases, the peer measured before and after each."""
    figures = []
    before = await peer.measure(server)
    for case in CASES:
        rate, spent = await _rate(server, db, network, case)
        after = await peer.measure(server)
        tps = (before.tps + after.tps) / 2
        note = (
            f"calls of {case.size} on {case.lanes} connections, durable; {case.size * case.calls:,} postings. {spent}"
        )
        figures.append(figure(case.name, rate, "postings/s", peer.NAME, tps, note))
        before = after
    return figures


async def _rate(server: EmbeddedPostgres, db: Database, network: Network, case: Case) -> tuple[float, str]:
    """Postings a second, and what each cost."""
    draw = random.Random(case.name)
    wallets: Sequence[UUID] = network.wallets[:10] if case.narrow else network.wallets
    targets = network.hot if case.hot else wallets
    warm = transfers(draw, 2 * case.size, wallets, targets)
    batches = [transfers(draw, case.size, wallets, targets) for _ in range(case.calls)]
    for i in range(2):
        await _post(db, network, warm[i * case.size : (i + 1) * case.size])
    queue = iter(batches)
    # The commands are the load generator's and outlive the measurement: the collector need not walk them.
    gc.collect()
    gc.freeze()

    async def lane() -> None:
        for batch in queue:
            await _post(db, network, batch)

    meter = Meter(server)
    started = time.perf_counter()
    await asyncio.gather(*[lane() for _ in range(case.lanes)])
    rate = case.size * case.calls / (time.perf_counter() - started)
    spent = meter.told(case.size * case.calls)
    gc.unfreeze()
    return rate, spent


async def _post(db: Database, network: Network, batch: Sequence[ledger.Command]) -> None:
    outcomes = await ledger.post_alone(db, network.tenant_id, batch, today=TODAY)
    refused = [outcome for outcome in outcomes if isinstance(outcome, ledger.Refused)]
    assert not refused, refused[0].refusal

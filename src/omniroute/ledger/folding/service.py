"""Rounds of background work. `db` is the worker's; each is safe to run twice and beside others."""

from datetime import UTC, timedelta
from uuid import UUID

from omniroute.infra.postgres import Database, load
from omniroute.kit.clock import Clock

SQL = load("omniroute.ledger.folding")

FOLD_LIMIT = 10_000
_ROUNDS_MAX = 1_000


async def fold(db: Database, *, limit: int = FOLD_LIMIT) -> int:
    """One bounded step for every tenant that is behind; how many increments and entries were folded."""
    async with db.tx(readonly=True) as tx:
        tenants = [row.tenant_id for row in await tx.all(SQL.tenants_behind)]
    return sum([await _step(db, tenant_id, limit) for tenant_id in tenants])


async def fold_tenant(db: Database, tenant_id: UUID, *, limit: int = FOLD_LIMIT) -> int:
    """Fold all that one tenant has, step by step; how many increments and entries were folded."""
    folded = 0
    for _ in range(_ROUNDS_MAX):
        step = await _step(db, tenant_id, limit)
        folded += step
        if step == 0:
            break
    return folded


async def _step(db: Database, tenant_id: UUID, limit: int) -> int:
    folded = 0
    # Two short transactions: neither keeps the other's rows locked.
    for query in (SQL.fold_deferred, SQL.fold_strict):
        async with db.tx(tenant_id) as tx:
            folded += await tx.value(query, tenant=tenant_id, limit=limit)
    return folded


async def snapshot(db: Database, *, clock: Clock) -> int:
    """Keep what was known at the end of the last finished UTC day, for every tenant; how many snapshots were made."""
    on = clock.now().astimezone(UTC).date() - timedelta(days=1)
    async with db.tx(readonly=True) as tx:
        tenants = [row.tenant_id for row in await tx.all(SQL.tenants_without_snapshot, on=on)]
    made = 0
    for tenant_id in tenants:
        # A transaction of its own: the fence is let go before the counting begins.
        async with db.tx(tenant_id) as tx:
            await tx.all(SQL.wait_for_postings, tenant=tenant_id)
        async with db.tx(tenant_id) as tx:
            made += await tx.value(SQL.take_snapshot, tenant=tenant_id, on=on)
    return made

"""The round of the purge."""

from datetime import datetime, timedelta

from omniroute.infra.postgres import Database, LockTimeout, load

SQL = load("omniroute.ledger.keys")

KEYS_KEPT_MIN = timedelta(hours=24)
PURGE_LIMIT = 2_000


async def purge_keys(db: Database, *, now: datetime, kept_for: timedelta, limit: int = PURGE_LIMIT) -> int:
    """Forget keys older than this: one batch of `limit` for every tenant that has some; the number forgotten.

    Each batch is a transaction of its own that keeps postings of its tenant waiting for some milliseconds. A tenant
    whose postings keep us waiting is left for the next round. `db` is the worker's; safe to run beside others.
    """
    assert kept_for >= KEYS_KEPT_MIN, "a client must be able to repeat its request"
    before = now - kept_for
    async with db.tx(readonly=True) as tx:
        tenants = [row.tenant_id for row in await tx.all(SQL.tenants_with_old_keys, before=before)]
    purged = 0
    for tenant_id in tenants:
        try:
            async with db.tx(tenant_id) as tx:
                purged += await tx.value(SQL.purge_keys, tenant=tenant_id, before=before, limit=limit)
        except LockTimeout:
            continue
    return purged

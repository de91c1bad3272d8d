"""A fingerprint of the books, from the tables and from the log."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from omniroute.infra.postgres import Database, Tx, load

SQL = load("omniroute.ledger.checking")


@dataclass(frozen=True, slots=True)
class Replayed:
    """What a replay rebuilt; the hash is that of `state_hash` if the books are right."""

    state_hash: bytes
    account_count: int
    transaction_count: int


async def state_hash(tx: Tx, *, at: datetime | None = None) -> bytes:
    """SHA-256 over every account and its turnover, posted and held; `at`: over those that had moved, as known then."""
    query = SQL.state_hash if at is None else SQL.state_hash_at
    params = {"tenant": tx.tenant} if at is None else {"tenant": tx.tenant, "at": at}
    return bytes(await tx.value(query, **params))


async def replay(db: Database, tenant_id: UUID, *, at: datetime | None = None) -> Replayed:
    """Rebuild the books from events and entries into empty tables (the session's own, dropped at the end). `db` is the
    worker's. Needs every event since the beginning: after retention has removed some, the hash differs."""
    # One snapshot for all of it, and writable: `Database.tx` offers either.
    async with db.connection() as connection, connection.transaction():
        await connection.execute(b"SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
        tx = Tx(connection, tenant_id)
        await tx.all(SQL.set_tenant, tenant=str(tenant_id))
        await tx.all(SQL.without_time_limit)
        row = await tx.one(SQL.replay, tenant=tenant_id, at=at)
    return Replayed(bytes(row.o_hash), row.o_accounts, row.o_transactions)

"""The online checker. One snapshot a tenant, rows streamed, nothing locked."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from uuid import UUID

from omniroute.infra import events
from omniroute.infra.postgres import Database, load

SQL = load("omniroute.ledger.checking")

CHECKS = (
    "transaction_unbalanced",
    "transaction_incomplete",
    "entry_orphaned",
    "entry_copy_differs",
    "currency_not_conserved",
    "balance_differs",
    "version_gap",
    "chain_broken",
    "account_copy_differs",
    "limit_passed",
    "day_differs",
    "fold_ahead",
    "snapshot_differs",
    "period_turnover_differs",
    "period_entry_late",
    "seal_differs",
    "hold_leg_differs",
    "hold_status_differs",
    "pending_differs",
    "reversal_differs",
    "claim_dangling",
    "reference_unclaimed",
    "event_missing",
    "event_surplus",
)
"""What is compared, in this order; each is a query of this package. Then the chain of events, as `event_chain`."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is wrong. `what` is a word of CHECKS or `event_chain`; `where` names the row."""

    tenant_id: UUID
    what: str
    where: str
    detail: str


async def check(db: Database, tenant_id: UUID | None = None) -> AsyncIterator[Finding]:
    """Compare everything of one tenant, or of all; yields what is wrong, as it is found. `db` is the worker's."""
    if tenant_id is None:
        async with db.tx(readonly=True) as tx:
            tenants = [row.tenant_id for row in await tx.all(SQL.tenants)]
    else:
        tenants = [tenant_id]
    for tenant in tenants:
        async with db.tx(tenant, readonly=True) as tx:
            await tx.all(SQL.without_time_limit)
            for what in CHECKS:
                async for row in tx.stream(SQL.by_name[what], tenant=tenant):
                    yield Finding(tenant, what, row.place, row.detail)
        async for damage in events.verify(db, tenant):
            detail = f"{damage.damage.value} {damage.detail}".strip()
            yield Finding(tenant, "event_chain", f"{damage.table} {damage.key}", detail)

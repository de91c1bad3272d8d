"""Long lists are read from an index in every order: a page deep inside costs what the first costs."""

from datetime import UTC, datetime
from uuid import UUID

import pytest

from omniroute import ledger
from omniroute.infra.postgres import Database, Listing
from omniroute.ledger import fx
from tests.ledger.makers import make_ledger

LONG = [ledger.ACCOUNTS, ledger.TRANSACTIONS, ledger.HOLDS, fx.RATES]
CASES = [(listing, sort) for listing in LONG for sort in listing.sorts]
KEYS = {"text": "k", "uuid": UUID(int=7), "timestamptz": datetime(2026, 1, 1, tzinfo=UTC)}
FILTERS = (
    *("tenant", "limit", "prefix", "type", "currency", "status", "parent", "branch", "owner_ref", "dimensions"),
    *("kind", "account", "booked_from", "booked_to", "open", "group", "base", "quote"),
)


@pytest.mark.parametrize(("listing", "sort"), CASES, ids=[f"{listing.name}:{sort}" for listing, sort in CASES])
async def test_every_order_of_a_long_list_is_a_range_of_an_index(app_db: Database, listing: Listing, sort: str) -> None:
    books = await make_ledger(app_db)
    order = listing.order(sort)
    asked = dict.fromkeys(FILTERS) | {"tenant": books.tenant_id, "limit": 50}
    places = {f"after_{place}": KEYS[kind] for place, kind in enumerate(order.kinds)}
    async with app_db.tx(books.tenant_id) as tx:
        # The tables of a test are small: what the planner would read at any price is switched off, what it must stays.
        for way in (b"seqscan", b"bitmapscan", b"sort"):
            await tx.connection.execute(b"SET LOCAL enable_" + way + b" = off")
        rows = await (await tx.connection.execute(b"EXPLAIN " + order.after.text, asked | places)).fetchall()
    plan = "\n".join(row[0] for row in rows)
    assert "Sort" not in plan, plan
    assert "Seq Scan" not in plan, plan
    column = order.columns[0]
    bounds = [line for line in plan.splitlines() if "Index Cond" in line and f"{column}" in line]
    sign = "<" if sort.startswith("-") else ">"
    assert any(sign in line for line in bounds), plan


async def test_a_range_of_booking_times_is_a_range_of_the_index(app_db: Database) -> None:
    books = await make_ledger(app_db)
    order = ledger.TRANSACTIONS.order("-booked_at")
    at = KEYS["timestamptz"]
    asked = dict.fromkeys(FILTERS) | {"tenant": books.tenant_id, "limit": 50, "booked_from": at, "booked_to": at}
    async with app_db.tx(books.tenant_id) as tx:
        await tx.connection.execute(b"SET LOCAL enable_seqscan = off")
        await tx.connection.execute(b"SET LOCAL enable_bitmapscan = off")
        # As a prepared statement is planned in the end: without its values.
        await tx.connection.execute(b"SET LOCAL plan_cache_mode = force_generic_plan")
        rows = await (await tx.connection.execute(b"EXPLAIN " + order.first.text, asked)).fetchall()
    plan = "\n".join(row[0] for row in rows)
    (bound,) = [line for line in plan.splitlines() if "Index Cond" in line and "booked_at" in line]
    assert "booked_at >=" in bound
    assert "booked_at <" in bound
    assert "ledger_txn_booked_ix" in plan

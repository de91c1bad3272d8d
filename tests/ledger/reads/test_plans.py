"""Reads stay on indexes: at 100,000 entries no plan of a balance or statement walks a table that grows with them.

What runs inside SQL functions is not in these plans; those functions forbid themselves such walks (migration 0022).
"""

import json
from datetime import UTC, date, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest

from omniroute.infra.postgres import Database, load
from omniroute.ledger import folding
from tests.ledger.makers import Books, make_ledger, ngn

SQL = load("omniroute.ledger.reads")
LEDGER = load("omniroute.ledger")
ENTRIES = 100_000
AT = datetime(2026, 3, 1, tzinfo=UTC)
BIG = {"ledger_entry", "ledger_txn", "ledger_balance_day"}


@pytest.fixture(scope="module")
async def books(app_db: Database, worker_db: Database, owner_db: Database) -> Books:
    """Cash and float with 25,000 entries each, and as many on the other side; all but the last are folded."""
    made = await make_ledger(app_db)
    batch = 500
    for i in range(ENTRIES // 2 // batch):
        code, other = (("cash", "open"), ("float", "fees"))[i % 2]
        day = date(2026, 1, 1) + timedelta(days=i % 60)
        commands = [made.transfer(code, other, ngn(1), value_on=day) for _ in range(batch)]
        await made.posted(*commands, at=AT + timedelta(minutes=i))
    await folding.fold_tenant(worker_db, made.tenant_id)
    await made.posted(made.transfer("cash", "open", ngn(1)), made.transfer("float", "fees", ngn(1)))
    async with owner_db.connection() as connection:
        await connection.execute("VACUUM ANALYZE")
    return made


def _nodes(plan: dict[str, Any]) -> list[dict[str, Any]]:
    return [plan, *(node for child in plan.get("Plans", []) for node in _nodes(child))]


CASES: dict[str, dict[str, Any]] = {
    "find_balances": {},
    "balance_on": {"on": date(2026, 2, 1)},
    "strict_as_known": {"at": AT},
    "deferred_as_known": {"at": AT},
    "known_and_effective_strict": {"at": AT, "on": date(2026, 2, 1)},
    "known_and_effective_deferred": {"at": AT, "on": date(2026, 2, 1)},
    "balance_at_version": {"version": 7},
    "versions_of_dates": {"from_on": date(2026, 2, 1), "to_on": date(2026, 2, 2)},
    "turnover": {"from_on": date(2026, 2, 1), "to_on": date(2026, 2, 2)},
    "strict_turnover": {"after": 20_000, "until": 20_100},
    "strict_lines": {"after": 5, "until": 10_000, "from_on": date.min, "to_on": date.max, "limit": 50},
    "deferred_lines": {
        "booked_from": AT,
        "booked_to": AT + timedelta(days=9),
        "after_at": AT + timedelta(minutes=3),
        "after_txn": UUID(int=5),
        "after_leg": 1,
        "from_on": date.min,
        "to_on": date.max,
        "limit": 50,
    },
}


@pytest.mark.parametrize("name", CASES)
async def test_a_read_stays_on_indexes(name: str, books: Books) -> None:
    query = SQL.by_name.get(name) or LEDGER.by_name[name]
    for code in ("cash", "float"):
        params = {"tenant": books.tenant_id, "account": books.id(code), "accounts": [books.id(code)], **CASES[name]}
        async with books.db.tx(books.tenant_id, readonly=True) as tx:
            cursor = await tx.connection.execute(b"EXPLAIN (FORMAT JSON) " + query.text, params)
            row = await cursor.fetchone()
            assert row is not None
            plan = row[0] if isinstance(row[0], list) else json.loads(row[0])
        walked = [
            node["Relation Name"]
            for node in _nodes(plan[0]["Plan"])
            if node["Node Type"] == "Seq Scan" and node["Relation Name"] in BIG
        ]
        assert walked == []


async def test_a_balance_looks_at_few_pages(books: Books) -> None:
    """Folded days and a short tail, not 25,000 entries."""
    for code in ("cash", "float"):
        params = {"tenant": books.tenant_id, "account": books.id(code), "on": date(2026, 2, 1)}
        async with books.db.tx(books.tenant_id, readonly=True) as tx:
            cursor = await tx.connection.execute(
                b"EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) " + SQL.balance_on.text, params
            )
            row = await cursor.fetchone()
        assert row is not None
        plan = row[0][0]["Plan"]
        assert plan["Shared Hit Blocks"] + plan["Shared Read Blocks"] < 200

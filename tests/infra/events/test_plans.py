"""A page of the log is a range of an index, however long the log is and however the statement was prepared."""

import re
from uuid import UUID

import psycopg
import pytest

from omniroute.infra.events.store import SQL
from omniroute.infra.postgres import Database
from omniroute.kit.ids import uuid7

TENANTS = 50
FILL = """
INSERT INTO event_log (tenant_id, seq, id, xid, type, subject, data, recorded_at)
SELECT (%(tenants)s::uuid[])[1 + n %% 50], n, gen_random_uuid(), n / 2, 'thing.numbered', gen_random_uuid(),
       '{}', now()
  FROM generate_series(1, 60000) n
"""
PARAMS = {
    "seen_top": 20_000,
    "until_top": 22_000,
    "seen_open": [19_990],
    "until_open": [21_990],
    "after_seq": 39_000,
    "limit": 100,
    "patterns": None,
    "subject": None,
    "tenants": None,
}


@pytest.fixture(scope="module")
async def full(database_url: str) -> UUID:
    tenants = [uuid7() for _ in range(TENANTS)]
    async with await psycopg.AsyncConnection.connect(
        database_url, autocommit=True, options="-c search_path=omniroute"
    ) as connection:
        await connection.execute(FILL, {"tenants": tenants})
        await connection.execute("ANALYZE event_log")
    return tenants[0]


@pytest.mark.parametrize("mode", ["force_generic_plan", "force_custom_plan"])
@pytest.mark.parametrize(("name", "role"), [("read_tenant", "app"), ("read_tenant", "worker"), ("read_all", "worker")])
async def test_a_page_is_an_index_range(
    app_db: Database, worker_db: Database, full: UUID, name: str, role: str, mode: str
) -> None:
    db = app_db if role == "app" else worker_db
    query = SQL.by_name[name]
    statement = query.text.decode()
    names = list(dict.fromkeys(re.findall(r"%\((\w+)\)s", statement)))
    for number, param in enumerate(names, start=1):
        statement = statement.replace(f"%({param})s", f"${number}")
    values = ", ".join(_literal(PARAMS[param]) for param in names)
    async with db.tx(full) as tx:
        await tx.connection.execute(f"SET LOCAL plan_cache_mode = {mode}".encode())
        await tx.connection.execute(f"PREPARE page AS {statement}".encode())
        explain = await tx.connection.execute(f"EXPLAIN (ANALYZE, COSTS OFF) EXECUTE page({values})".encode())
        plan = "\n".join(row[0] for row in await explain.fetchall())
        await tx.connection.execute(b"DEALLOCATE page")
    assert "Seq Scan" not in plan, plan
    assert "event_log_pkey" not in plan, plan
    # Either index by xid will do: which is cheaper depends on how many tenants share a window.
    assert len(re.findall("Scan (?:using|on) event_log_(?:tenant_)?xid", plan)) == 2, plan
    # Bounded by the window (4,000 events), not by the log (60,000).
    visited = re.findall(r"(?:actual time=\S+ rows=|Rows Removed by Filter: )([0-9.]+)", plan)
    assert max(float(rows) for rows in visited) <= 4_000, plan


def _literal(value: object) -> str:
    if value is None:
        return "NULL"
    return f"'{{{','.join(map(str, value))}}}'" if isinstance(value, list) else str(value)

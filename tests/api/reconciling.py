"""Lines of a bank and what becomes of them, for the tests of the REST door."""

from datetime import timedelta
from typing import Any

from omniroute.infra.postgres import Database
from omniroute.kit.ids import parse, uuid7
from tests.api.makers import CLOCK, Client


def around_today() -> dict[str, str]:
    """Today in any time zone."""
    today = CLOCK.now().date()
    return {"start_date": str(today - timedelta(days=1)), "end_date": str(today + timedelta(days=1))}


async def write_line(client: Client, worker_db: Database, connection: str, amount_minor: int, text: str) -> str:
    """A line of the connection's statement: plus came in. Its id."""
    line_id, now = f"L{uuid7().hex}", CLOCK.now()
    async with worker_db.tx(client.tenant_id) as tx:
        await tx.connection.execute(
            "INSERT INTO rail_statement_line (tenant_id, connection_id, line_id, booked_at, amount_minor, currency,"
            " credit, narration, read_at) SELECT %s, connection_id, %s, %s, %s, currency, %s, %s, %s"
            " FROM bank_connection WHERE tenant_id = %s AND connection_id = %s",
            [tx.tenant, line_id, now, abs(amount_minor), amount_minor > 0, text, now, tx.tenant,
             parse("con", connection)],
        )  # fmt: skip
    return line_id


async def reconcile(client: Client, connection: str) -> dict[str, Any]:
    """A run over today, wherever that is, as shown."""
    made: dict[str, Any] = await client.post("/reconciliation-runs", around_today() | {"connection_id": connection})
    return made


async def propose_match(client: Client, worker_db: Database, connection: str) -> dict[str, Any]:
    """Two lines that cancel each other, as somebody says."""
    lines = [await write_line(client, worker_db, connection, amount, "returned") for amount in (500, -500)]
    body = {"connection_id": connection, "lines": lines, "reason": "sent back"}
    made: dict[str, Any] = await client.post("/reconciliation-matches", body)
    return made

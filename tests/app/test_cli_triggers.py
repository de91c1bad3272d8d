"""Dead letters of event triggers at the command line: seen, and sent again."""

import json
from datetime import timedelta
from uuid import UUID, uuid4

import pytest

from omniroute.infra.postgres import Database
from omniroute.kit import ids
from omniroute.kit.clock import SystemClock
from tests.app.commands import omniroute
from tests.parties.makers import Org, make_organisation

DEAD = b"""
INSERT INTO omniroute.graphql_delivery (tenant_id, delivery_id, trigger_name, table_schema, table_name, event_seq,
    subject, event, status, try_count, last_reason, happened_at, created_at, finished_at)
VALUES (%s, %s, %s, 'gateway', 'payment_transactions', %s, %s, '{}', 'failed', 3, 'answered 500', %s, %s, %s)
"""


@pytest.fixture
async def org(app_db: Database) -> Org:
    return await make_organisation(app_db)


async def bury(db: Database, org: Org, trigger: str, seq: int) -> UUID:
    """A dead letter."""
    delivery_id, now = uuid4(), SystemClock().now() + timedelta(seconds=seq)
    async with db.tx(org.id) as tx:
        await tx.connection.execute(DEAD, [org.id, delivery_id, trigger, seq, uuid4(), now, now, now])
    return delivery_id


async def test_dead_letters_are_seen_and_sent_again(app_db: Database, database_url: str, org: Org) -> None:
    first, second, other = [await bury(app_db, org, name, seq) for seq, name in enumerate(("a", "a", "b"), start=1)]
    await bury(app_db, await make_organisation(app_db), "a", 4)
    where = ("-o", ids.show("org", org.id))

    def run(name: str, *arguments: str) -> tuple[int, str]:
        told = omniroute("graphql", name, *where, *arguments, database_url=database_url)
        return told.returncode, told.stdout + told.stderr

    code, text = run("dead-letters", "--json")
    assert (code, [one["delivery"] for one in json.loads(text)]) == (0, [str(first), str(second), str(other)])
    code, said = run("redeliver", str(first), str(uuid4()))  # All of them or none.
    assert (code, "graphql.delivery_not_found" in said) == (2, True), said
    assert run("redeliver", "--trigger", "a") == (0, "2 deliveries queued again\n")
    code, text = run("dead-letters", "--json", "--trigger", "b")
    assert (code, [one["delivery"] for one in json.loads(text)]) == (0, [str(other)])

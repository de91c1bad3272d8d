"""`omniroute audit verify`: intact, or the first row whose byte was changed, by name."""

import json

import psycopg

from omniroute.infra.events import ChainBuilder
from omniroute.infra.postgres import Database
from omniroute.kit import ids
from tests.app.commands import omniroute
from tests.parties.makers import make_organisation


async def test_a_changed_byte_is_found_and_named(app_db: Database, worker_db: Database, database_url: str) -> None:
    orgs = [await make_organisation(app_db) for _ in range(2)]
    for org in orgs:
        for code in ("north", "south"):
            await org.branch(code)
    await ChainBuilder().run_once(worker_db)
    found = omniroute("audit", "verify", "--json", database_url=database_url)
    told = json.loads(found.stdout)
    assert (found.returncode, told["intact"], told["organisations"], told["findings"]) == (0, True, 2, [])

    # Whoever passes every right and every trigger.
    options = "-c search_path=omniroute -c session_replication_role=replica"
    async with await psycopg.AsyncConnection.connect(database_url, autocommit=True, options=options) as intruder:
        changed = await intruder.execute(
            "UPDATE event_log SET data = jsonb_set(data, '{name}', '\"Nort\"')"
            " WHERE tenant_id = %s AND type = 'branch.created' AND data ->> 'code' = 'north' RETURNING id",
            [orgs[1].id],
        )
        rows = await changed.fetchall()
    (event_id,) = rows[0]

    found = omniroute("audit", "verify", "--json", database_url=database_url)
    (first, *_) = json.loads(found.stdout)["findings"]
    assert found.returncode == 1
    named = (first["organisation"], first["event"], first["table"], first["damage"])
    assert named == (ids.show("org", orgs[1].id), ids.show("evt", event_id), "event_log", "changed")
    people = omniroute("audit", "verify", "-o", orgs[1].slug, database_url=database_url)
    assert (people.returncode, "1 organisation," in people.stdout) == (1, True)

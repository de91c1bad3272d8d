"""Row-level security holds underneath whatever the metadata allows."""

import json
from uuid import UUID

from omniroute.graphql import Engine, Session, execute
from omniroute.infra.postgres import Database


async def test_rows_of_other_organisations_are_not_there(engine: Engine, owner_db: Database) -> None:
    async with owner_db.connection() as connection:
        await connection.execute(b"ALTER TABLE shop.merchant ENABLE ROW LEVEL SECURITY")
        await connection.execute(
            b"CREATE POLICY own ON shop.merchant TO omniroute_app USING (id = omniroute.current_tenant())"
        )
    document = "{ merchants { name } payment(id: 1) { merchant { name } } }"
    own = Session(UUID("00000000-0000-7000-8000-000000000002"))

    for role in ("auditor", "admin"):
        answer = await execute(engine, role, own, document)
        assert json.loads(answer.body)["data"] == {
            "merchants": [{"name": "Bello & Sons"}],
            "payment": {"merchant": None},
        }
        assert (await execute(engine, role, Session(), "{ merchants { name } }")).body == b'{"data":{"merchants":[]}}'

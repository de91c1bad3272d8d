"""What Hasura answers, case by case: each file under `cases` is a request and its answer, word for word.

The database (`schema.sql`, `rows.sql`) and its metadata are about authors and articles. Answers are compared as text:
the order of members and the way a number is written count, only blanks between the tokens of JSON do not.
"""

import asyncio
import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml  # type: ignore[import-untyped]

from omniroute.graphql import (
    Engine,
    Hub,
    LiveLimits,
    Session,
    check,
    execute,
    parse_metadata,
    read_catalog,
    read_folder,
)
from omniroute.infra.postgres import Database

HERE = Path(__file__).parent
CASES = sorted((HERE / "cases").glob("*/*.yaml"))
KNOWN = {"role", "session", "query", "variables", "operation", "stringify", "answer", "then", "changes"}
TABLES = ("public.authors", "public.articles", "public.tags", "public.article_tags", "archive.notes")
PATIENCE_S = 60
BLANKS = re.compile(r'("(?:[^"\\]|\\.)*")|\s+')


@dataclass
class Desk:
    """An engine over the tables, and one that writes large numbers as strings."""

    plain: Engine
    stringifying: Engine
    owner: Database
    worker: Database

    async def refill(self) -> None:
        """Put back the rows every case begins with."""
        async with self.owner.connection() as connection:
            await connection.execute((HERE / "rows.sql").read_bytes())

    async def content(self) -> list[Any]:
        """All rows of all tables."""
        found = []
        async with self.owner.connection() as connection:
            for table in TABLES:
                cursor = await connection.execute(f"SELECT to_jsonb(t) FROM {table} t ORDER BY 1".encode())
                found.append(await cursor.fetchall())
        return found

    async def ask(self, case: dict[str, Any]) -> str:
        """The whole answer to the request of a case."""
        engine = self.stringifying if case.get("stringify") else self.plain
        asked = (case["query"], case.get("variables"), case.get("operation"))
        return (await execute(engine, case.get("role", "admin"), _session(case), *asked)).body.decode()


@pytest.fixture(scope="module")
async def desk(owner_db: Database, app_db: Database, worker_db: Database) -> Desk:
    async with owner_db.connection() as connection:
        await connection.execute(b"SET ROLE NONE")
        await connection.execute(b"GRANT CREATE ON SCHEMA public TO omniroute_owner")
        await connection.execute((HERE / "schema.sql").read_bytes())
        await connection.execute(b"SET ROLE omniroute_owner")
    metadata, problems = parse_metadata(read_folder(HERE / "metadata"))
    catalog = await read_catalog(app_db, metadata)
    assert [str(one) for one in check(metadata, problems, catalog)] == []
    stringifying = Engine(app_db, metadata, catalog, stringify_numerics=True)
    made = Desk(Engine(app_db, metadata, catalog), stringifying, owner_db, worker_db)
    await made.refill()
    return made


@pytest.mark.parametrize("path", CASES, ids=[f"{one.parent.name}/{one.stem}" for one in CASES])
async def test_case(desk: Desk, path: Path) -> None:
    case = read(path)
    assert case.keys() <= KNOWN, case.keys() - KNOWN
    kind = re.match(r"\s*(mutation|subscription|)", case["query"])
    assert kind is not None
    if kind[1] == "":
        assert compact(await desk.ask(case)) == expected(case)
        return
    try:
        await (_subscribed if "changes" in case else _asked_to_change)(desk, case)
    finally:
        await desk.refill()


async def _asked_to_change(desk: Desk, case: dict[str, Any]) -> None:
    """What is refused changes nothing; `then` is what the administrator reads afterwards."""
    before = await desk.content()
    answer = await desk.ask(case)
    assert compact(answer) == expected(case)
    if "errors" in json.loads(answer):
        assert await desk.content() == before
    else:
        assert "then" in case, "a change that is made is looked at"
        assert compact(await desk.ask(case["then"])) == expected(case["then"])


async def _subscribed(desk: Desk, case: dict[str, Any]) -> None:
    """The first answer, then the one after each change; a change without an answer is silent."""
    hub = Hub(desk.plain.db, desk.worker, limits=LiveLimits(poll_s=0))
    is_full = asyncio.Event()
    asked = (case["query"], case.get("variables", {}), case.get("operation"))
    try:
        followed = hub.follow(desk.plain, case.get("role", "admin"), _session(case), *asked, lambda _: is_full.set())
        for step in (case, *case["changes"]):
            if "sql" in step:
                async with desk.owner.connection() as connection:
                    await connection.execute(step["sql"].encode())
            if "answer" not in step:
                continue
            result = None
            async with asyncio.timeout(PATIENCE_S):
                while result is None:
                    await is_full.wait()
                    is_full.clear()
                    result = followed.box.take()
            assert compact(result.payload) == expected(step)
    finally:
        await hub.close()


def read(path: Path) -> dict[str, Any]:
    """A case."""
    found: dict[str, Any] = yaml.safe_load(path.read_text())
    return found


def expected(case: dict[str, Any]) -> str:
    """The answer a case names."""
    json.loads(case["answer"])
    return compact(case["answer"])


def compact(text: str) -> str:
    """JSON without the blanks between its tokens."""
    return BLANKS.sub(lambda found: found[1] or "", text)


def _session(case: dict[str, Any]) -> Session:
    return Session(variables=case.get("session", {}))


def test_every_feature_has_cases() -> None:
    assert {one.parent.name for one in CASES} == {
        "aggregates", "errors", "filters", "metadata", "mutations", "ordering", "permissions", "select",
        "subscriptions", "upsert",
    }  # fmt: skip

"""Others are served while a large request is worked on, and nothing as large as it is kept."""

import asyncio
import threading
from typing import Any

import pytest

from omniroute.graphql import Engine, Session, execute
from omniroute.graphql.engine import DOCUMENT_LARGE, VALUES_LARGE
from omniroute.infra.postgres import Database
from tests.graphql.blog import Editor, metadata, open_blog

INSERT = "mutation ($o: [tag_insert_input!]!) { insert_tag(objects: $o) { affected_rows } }"


@pytest.fixture(scope="module")
async def blog(owner_db: Database, app_db: Database) -> Engine:
    await open_blog(owner_db)
    return await Engine.open(app_db, metadata())


@pytest.fixture
def where(blog: Engine, monkeypatch: pytest.MonkeyPatch) -> dict[str, list[bool]]:
    """For each kind of work whether it was done on the event loop."""
    found: dict[str, list[bool]] = {}

    def watched(name: str) -> None:
        work = getattr(blog, name)

        def done(*args: Any) -> Any:
            found.setdefault(name, []).append(threading.current_thread() is threading.main_thread())
            return work(*args)

        monkeypatch.setattr(blog, name, done)

    for name in ("_prepare", "_plan"):
        watched(name)
    return found


def tags(count: int, name: str) -> list[dict[str, Any]]:
    return [{"name": f"{name} {number}"} for number in range(count)]


async def test_many_rows_are_compiled_beside_the_event_loop(
    blog: Engine, owner_db: Database, where: dict[str, list[bool]]
) -> None:
    edit = Editor(blog, owner_db)
    assert await edit(INSERT, o=tags(1, "few")) == {"insert_tag": {"affected_rows": 1}}
    assert await edit(INSERT, o=tags(VALUES_LARGE, "many")) == {"insert_tag": {"affected_rows": VALUES_LARGE}}
    assert where == {"_prepare": [True], "_plan": [True, False]}
    prepared = blog.prepare("admin", INSERT, None)
    assert len(prepared.plans) == 1  # The one for few rows.


async def test_a_long_document_is_read_beside_the_event_loop_once(
    blog: Engine, owner_db: Database, where: dict[str, list[bool]]
) -> None:
    edit = Editor(blog, owner_db)
    document = "{ tag(limit: 0) { id } }" + " " * DOCUMENT_LARGE
    for _ in range(2):
        assert await edit(document) == {"tag": []}
    assert where["_prepare"] == [False]


async def test_one_large_request_is_made_at_a_time_and_each_is_answered(blog: Engine, owner_db: Database) -> None:
    asked = [
        execute(blog, "admin", Session(), INSERT, {"o": tags(VALUES_LARGE, f"at once {number}")}) for number in range(3)
    ]
    answers = await asyncio.gather(*asked)
    assert [one.errors for one in answers] == [(), (), ()]


async def test_more_values_than_a_statement_takes_are_refused(blog: Engine, owner_db: Database) -> None:
    edit = Editor(blog, owner_db)
    assert await edit.refused(INSERT, o=tags(65_536, "too many")) == (
        "too many values; send fewer rows at once", "$.selectionSet.insert_tag.args.objects", "not-supported",
    )  # fmt: skip

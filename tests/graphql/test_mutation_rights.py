"""What a role may write: rows, columns, and what is set for it."""

import copy
import json
from uuid import UUID

import pytest

from omniroute.graphql import Engine, Session, check, execute, parse_metadata
from omniroute.infra.postgres import Database
from tests.graphql.blog import METADATA, Editor, metadata, open_blog, refill

NOT_ALLOWED = "check constraint of an insert/update permission has failed"


@pytest.fixture(scope="module")
async def blog(owner_db: Database, app_db: Database) -> Engine:
    await open_blog(owner_db)
    return await Engine.open(app_db, metadata())


@pytest.fixture
async def edit(blog: Engine, owner_db: Database) -> Editor:
    await refill(owner_db)
    return Editor(blog, owner_db)


async def test_presets_are_set_and_cannot_be_given(edit: Editor) -> None:
    document = 'mutation { insert_article_one(object: {title: "mine"}) { title writer author { id } } }'
    assert await edit(document, "user", user=2) == {
        "insert_article_one": {"title": "mine", "writer": 2, "author": {"id": 2}}
    }
    given = 'mutation { insert_article_one(object: {title: "mine", writer: 1}) { id } }'
    assert await edit.refused(given, "user", user=2) == (
        "field 'writer' not found in type: 'article_insert_input'",
        "$.selectionSet.insert_article_one.args.object.writer", "validation-failed",
    )  # fmt: skip
    document = "mutation { update_article(where: {id: {_eq: 1}}, _set: {rating: 5}) { affected_rows } }"
    await edit(document, "user")
    assert {row[0]: row[6] is not None for row in (await edit.content())["article"]} == {
        1: True, 2: False, 3: False, 4: False, 5: False,
    }  # fmt: skip
    nested = """mutation { insert_author_one(object: {name: "New", articles: {data: [{title: "x"}]}}) { id score } }"""
    assert await edit(nested, "user", user=2) == {"insert_author_one": {"id": 4, "score": 1}}
    # The writer is what is set for the role, whoever the row stands beside.
    assert (await edit.content())["article"][-1][1:3] == ("x", 2)


async def test_a_row_that_does_not_pass_the_check_is_not_written(edit: Editor) -> None:
    document = 'mutation { insert_article(objects: [{title: "a"}, {title: "b"}]) { affected_rows } }'
    assert await edit.refused(document, "user", user=3) == (
        NOT_ALLOWED, "$.selectionSet.insert_article.args.objects", "permission-error",
    )  # fmt: skip
    document = """mutation { a: insert_author_one(object: {name: "fine"}) { id }
      b: insert_author_one(object: {name: "sysadmin"}) { id } }"""
    assert (await edit.refused(document, "user"))[2] == "permission-error"
    nested = 'mutation { insert_article_one(object: {title: "a", author: {data: {name: "an admin"}}}) { id } }'
    assert await edit.refused(nested, "user") == (
        NOT_ALLOWED, "$.selectionSet.insert_article_one.args.object.author.data", "permission-error",
    )  # fmt: skip
    update = "mutation ($n: Int) { update_author(where: {}, _set: {score: $n}) { affected_rows } }"
    assert await edit.refused(update, "user", n=101) == (NOT_ALLOWED, "$", "permission-error")
    assert await edit(update, "user", n=100) == {"update_author": {"affected_rows": 1}}
    # Unknown is not true.
    assert (
        await edit.refused("mutation { update_article(where: {}, _set: {rating: null}) { affected_rows } }", "user")
    )[2] == "permission-error"


async def test_an_upsert_obeys_filter_and_check_of_the_update(edit: Editor) -> None:
    document = """mutation ($name: String!) { insert_author_one(object: {name: $name},
      on_conflict: {constraint: author_name_key, update_columns: [score]}) { id score } }"""
    # Bayo is not the caller's to update; Ada is, and gets the score that is set for the role.
    assert await edit(document, "user", name="Bayo") == {"insert_author_one": None}
    assert await edit(document, "user", name="Ada") == {"insert_author_one": {"id": 1, "score": 1}}
    keeper = """mutation { insert_article_one(object: {title: "On rain", writer: 1}, on_conflict: {
      constraint: article_author_title_key, update_columns: [title]}) { id } }"""
    assert "for type 'article_update_column', but found" in (await edit.refused(keeper, "keeper"))[0]
    rating = """mutation ($r: Int!) { insert_article(objects: [{title: "On rain", rating: $r}], on_conflict: {
      constraint: article_author_title_key, update_columns: [rating]}) { affected_rows } }"""
    assert (await edit.refused(rating, "user", r=6))[:1] == (NOT_ALLOWED,)
    assert await edit(rating, "user", r=5) == {"insert_article": {"affected_rows": 1}}


async def test_only_rows_a_role_may_change_are_changed(edit: Editor) -> None:
    before = await edit.content()
    document = """mutation { a: update_article(where: {}, _set: {rating: 2}) { affected_rows }
      b: update_article_by_pk(pk_columns: {id: 3}, _set: {rating: 2}) { id }
      c: delete_article(where: {}) { affected_rows returning { title } } d: delete_article_by_pk(id: 4) { id } }"""
    assert await edit(document, "user") == {
        "a": {"affected_rows": 2}, "b": None, "c": {"affected_rows": 1, "returning": [{"title": "On rain"}]}, "d": None,
    }  # fmt: skip
    after = await edit.content()
    assert after["article"][1:] == before["article"][2:]


async def test_returned_rows_are_those_the_role_sees(edit: Editor) -> None:
    document = (
        """mutation { update_article(where: {}, _set: {is_published: false}) { affected_rows returning { id } } }"""
    )
    assert await edit(document, "keeper") == {"update_article": {"affected_rows": 4, "returning": []}}
    document = 'mutation { insert_article_one(object: {title: "x"}) { title } }'
    assert await edit(document, "keeper") == {"insert_article_one": None}
    document = 'mutation { insert_article_one(object: {title: "y"}) { title tags { article_id } } }'
    assert "not found" in (await edit.refused(document, "keeper"))[0]


async def test_who_sees_nothing_of_a_table_may_still_write_it(edit: Editor) -> None:
    document = """mutation { insert_article(objects: [{title: "x"}]) { affected_rows }
      delete_author(where: {}) { affected_rows } }"""
    assert await edit(document, "blind") == {
        "insert_article": {"affected_rows": 1}, "delete_author": {"affected_rows": 1},
    }  # fmt: skip
    for wrong in (
        'insert_article(objects: [{title: "x"}]) { returning { id } }',
        'insert_article_one(object: {title: "x"}) { id }',
        "delete_author(where: {id: {_eq: 1}}) { affected_rows }",
        "delete_author_by_pk(id: 1) { id }",
    ):
        assert "not found in type" in (await edit.refused(f"mutation {{ {wrong} }}", "blind"))[0]


async def test_what_is_only_for_our_own_side_is_not_there_for_others(edit: Editor) -> None:
    document = 'mutation { insert_author(objects: [{name: "robot"}]) { affected_rows } }'
    assert (await edit.refused(document, "machine"))[0] == "no mutations exist"
    assert await edit(document, "machine", is_backend=True) == {"insert_author": {"affected_rows": 1}}


async def test_inherited_roles_write_what_their_parents_agree_on(edit: Editor, blog: Engine) -> None:
    update = "mutation { update_article(where: {id: {_eq: 1}}, _set: {rating: 1}) { affected_rows } }"
    assert await edit(update, "member") == {"update_article": {"affected_rows": 1}}
    assert "not found" in (await edit.refused(update, "torn"))[0]
    delete = "mutation { delete_article(where: {}) { affected_rows } }"
    assert await edit(delete, "torn") == {"delete_article": {"affected_rows": 1}}
    publish = "mutation { publish(args: {of_author: 1}) { id } }"
    assert len((await edit(publish, "member"))["publish"]) == 1
    named = [str(one) for one in check(metadata(), catalog=blog.model.catalog)]
    differ = "the roles it inherits from differ; it has none until one is written for it"
    assert named == [
        f"table blog.author insert permission of member: {differ}",
        f"table blog.article insert permission of torn: {differ}",
        f"table blog.article update permission of torn: {differ}",
    ]


async def test_a_permission_that_cannot_be_read_allows_nothing(edit: Editor, blog: Engine) -> None:
    document = copy.deepcopy(METADATA)
    author = document["sources"][0]["tables"][0]
    author["insert_permissions"][0]["permission"]["set"] = {"nope": 1}
    author["update_permissions"][0]["permission"]["check"] = {"nope": {"_eq": 1}}
    broken = Editor(Engine(blog.db, parse_metadata(document)[0], blog.model.catalog), edit.owner)
    insert = 'mutation { insert_author(objects: [{name: "x"}]) { affected_rows } }'
    assert "not found" in (await broken.refused(insert, "user"))[0]
    update = 'mutation { update_author(where: {}, _set: {name: "x"}) { affected_rows } }'
    assert (await broken.refused(update, "user"))[0] == NOT_ALLOWED


async def test_row_level_security_holds_below(owner_db: Database, app_db: Database) -> None:
    mine, other = UUID(int=1), UUID(int=2)
    async with owner_db.connection() as connection:
        await connection.execute(b"SET ROLE NONE")
        await connection.execute(
            b"""CREATE TABLE blog.note (id integer PRIMARY KEY, tenant_id uuid NOT NULL, text text);
            ALTER TABLE blog.note OWNER TO omniroute_owner, ENABLE ROW LEVEL SECURITY;
            CREATE POLICY own ON blog.note TO omniroute_app USING (tenant_id = omniroute.current_tenant());
            GRANT SELECT, INSERT, UPDATE, DELETE ON blog.note TO omniroute_app;"""
        )
        await connection.execute(b"SET ROLE omniroute_owner")
    document = {"version": 3, "sources": [{"name": "default", "kind": "postgres", "tables": [
        {"table": {"schema": "blog", "name": "note"}, "configuration": {"custom_name": "note"}}]}]}  # fmt: skip
    engine = await Engine.open(app_db, metadata(document))

    async def ask(tenant: UUID, text: str) -> bytes:
        return (await execute(engine, "admin", Session(tenant), f"mutation {{ {text} {{ affected_rows }} }}")).body

    insert = f'insert_note(objects: [{{id: 1, tenant_id: "{mine}", text: "a"}}])'
    refused = json.loads(await ask(other, insert))["errors"][0]
    assert (refused["message"], refused["extensions"]["code"]) == (NOT_ALLOWED, "permission-error")
    assert json.loads(await ask(mine, insert))["data"] == {"insert_note": {"affected_rows": 1}}
    for change in ('update_note(where: {}, _set: {text: "b"})', "delete_note(where: {})"):
        assert b'"affected_rows" : 0' in await ask(other, change)
    move = f'update_note(where: {{}}, _set: {{tenant_id: "{other}"}})'
    assert b"permission-error" in await ask(mine, move)
    assert b'"affected_rows" : 1' in await ask(mine, "delete_note(where: {})")


async def test_rows_come_back_as_their_role_sees_them_afterwards(edit: Editor, blog: Engine) -> None:
    """Also where that depends on other rows written by the same statement."""
    document = copy.deepcopy(METADATA)
    author, article = document["sources"][0]["tables"][0], document["sources"][0]["tables"][2]
    author["select_permissions"] = []
    siblings = {"author": {"articles": {"rating": {"_eq": 9}}}}
    article["select_permissions"] = [{"role": "peer", "permission": {"columns": ["id"], "filter": siblings}}]
    article["update_permissions"] = [{"role": "peer", "permission": {"columns": ["rating"], "filter": {}, "check": {}}}]
    peer = Editor(Engine(blog.db, parse_metadata(document)[0], blog.model.catalog), edit.owner)
    update = """mutation ($r: Int!) { update_article(where: {}, _set: {rating: $r}) { affected_rows returning { id } }
      update_article_by_pk(pk_columns: {id: 1}, _set: {rating: $r}) { id } }"""
    found = await peer(update, "peer", r=9)
    assert [one["id"] for one in found["update_article"]["returning"]] == [1, 2, 3, 4]
    assert found["update_article_by_pk"] == {"id": 1}
    assert await peer(update, "peer", r=8) == {
        "update_article": {"affected_rows": 4, "returning": []}, "update_article_by_pk": None,
    }  # fmt: skip
    count = "mutation { update_article(where: {}, _set: {rating: 9}) { affected_rows } }"
    assert await peer(count, "peer") == {"update_article": {"affected_rows": 4}}

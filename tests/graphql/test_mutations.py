"""Inserts, updates and deletes, in Hasura's dialect."""

from typing import Any

import pytest

from omniroute.graphql import Engine, Session, execute
from omniroute.infra.postgres import Database, PoolLimits
from tests.graphql.blog import Editor, metadata, open_blog, refill


@pytest.fixture(scope="module")
async def blog(owner_db: Database, app_db: Database) -> Engine:
    await open_blog(owner_db)
    return await Engine.open(app_db, metadata())


@pytest.fixture
async def edit(blog: Engine, owner_db: Database) -> Editor:
    await refill(owner_db)
    return Editor(blog, owner_db)


async def test_rows_are_inserted_with_what_was_not_given_left_to_the_database(edit: Editor) -> None:
    document = """mutation ($objects: [author_insert_input!]!) { insert_author(objects: $objects) {
      affected_rows returning { id name score mood profile labels shouted __typename } __typename } }"""
    objects = [{"name": "Dayo", "mood": "calm", "profile": {"a": [1, None]}, "labels": ["x", "y z"]},
               {"name": "Efe", "score": 7, "profile": None}]  # fmt: skip
    assert (await edit(document, objects=objects))["insert_author"] == {
        "affected_rows": 2,
        "returning": [
            {"id": 4, "name": "Dayo", "score": 0, "mood": "calm", "profile": {"a": [1, None]}, "labels": ["x", "y z"],
             "shouted": "DAYO", "__typename": "author"},
            {"id": 5, "name": "Efe", "score": 7, "mood": None, "profile": None, "labels": None, "shouted": "EFE",
             "__typename": "author"},
        ],
        "__typename": "author_mutation_response",
    }  # fmt: skip
    assert await edit("mutation { insert_author(objects: []) { affected_rows returning { id } } }") == {
        "insert_author": {"affected_rows": 0, "returning": []}
    }
    one = await edit('mutation { insert_article_one(object: {title: "x", writer: 3, kind: ESSAY}) { id kind } }')
    assert one == {"insert_article_one": {"id": 5, "kind": "ESSAY"}}
    assert await edit("mutation { insert_tag_one(object: {name: null}) { id } } ".replace("null", '"a"'))
    assert await edit('mutation { insert_published_one(object: {title: "view"}) { title } }') == {
        "insert_published_one": {"title": "view"}
    }


async def test_returned_rows_read_what_is_related_after_the_write(edit: Editor) -> None:
    document = """mutation { insert_article(objects: [{title: "a", writer: 3}, {title: "b", writer: 3}]) {
      affected_rows returning { title author { name article_count articles(order_by: {id: asc}) { title } } } } }"""
    author = {"name": "Chi", "article_count": 2, "articles": [{"title": "a"}, {"title": "b"}]}
    assert (await edit(document))["insert_article"] == {
        "affected_rows": 2,
        "returning": [{"title": "a", "author": author}, {"title": "b", "author": author}],
    }
    document = "mutation { delete_author(where: {id: {_eq: 1}}) { affected_rows returning { name articles { id } } } }"
    assert (await edit(document))["delete_author"] == {
        "affected_rows": 1, "returning": [{"name": "Ada", "articles": []}]
    }  # fmt: skip


async def test_a_row_that_is_there_already_is_updated_or_left_alone(edit: Editor) -> None:
    document = """mutation ($columns: [author_update_column!]!, $where: author_bool_exp) {
      insert_author_one(object: {name: "Ada", score: 50, karma: 9},
        on_conflict: {constraint: author_name_key, update_columns: $columns, where: $where}) { id score karma } }"""
    changed = await edit(document, columns=["score"])
    assert changed == {"insert_author_one": {"id": 1, "score": 50, "karma": 1.5}}
    assert await edit(document, columns=[]) == {"insert_author_one": None}
    assert await edit(document, columns=["karma"], where={"score": {"_lt": 10}}) == {"insert_author_one": None}
    rows = """mutation { insert_author(objects: [{name: "Ada"}, {name: "New"}], on_conflict: {
      constraint: author_name_key}) { affected_rows returning { name } } }"""
    assert await edit(rows) == {"insert_author": {"affected_rows": 1, "returning": [{"name": "New"}]}}


async def test_rows_of_other_tables_are_inserted_beside(edit: Editor) -> None:
    document = """mutation { insert_author_one(object: {name: "Dayo", contact: {data: {email: "d@x.example"}},
      articles: {data: [{title: "one", tags: {data: [{tag: {data: {name: "new"}}}, {tag: {data: {name: "water"},
        on_conflict: {constraint: tag_name_key, update_columns: [name]}}}]}}, {title: "two"}]}}) {
      id contact { email } articles(order_by: {id: asc}) { title tags(order_by: {tag_id: asc}) { tag { name } } } } }"""
    assert (await edit(document))["insert_author_one"] == {
        "id": 4, "contact": {"email": "d@x.example"},
        "articles": [
            {"title": "one", "tags": [{"tag": {"name": "water"}}, {"tag": {"name": "new"}}]},
            {"title": "two", "tags": []},
        ],
    }  # fmt: skip
    document = """mutation { insert_article(objects: [{title: "p", author: {data: {name: "Femi"}}},
      {title: "q", writer: 3}]) { affected_rows returning { title author { name } } } }"""
    assert (await edit(document))["insert_article"] == {
        "affected_rows": 3,
        "returning": [{"title": "p", "author": {"name": "Femi"}}, {"title": "q", "author": {"name": "Chi"}}],
    }


async def test_nested_inserts_that_contradict_themselves_are_refused(edit: Editor) -> None:
    twice = 'mutation { insert_article_one(object: {title: "p", writer: 1, author: {data: {name: "x"}}}) { id } }'
    assert await edit.refused(twice) == (
        'cannot insert object relationship "author" as "author_id" column values are already determined',
        "$.selectionSet.insert_article_one.args.object.author", "validation-failed",
    )  # fmt: skip
    inner = 'mutation { insert_author_one(object: {name: "x", articles: {data: [{title: "p", writer: 1}]}}) { id } }'
    assert await edit.refused(inner) == (
        'cannot insert "author_id" columns as their values are already being determined by parent insert',
        "$.selectionSet.insert_author_one.args.object.articles.data", "validation-failed",
    )  # fmt: skip
    none = """mutation { insert_article_one(object: {title: "p", author: {data: {name: "Ada"},
      on_conflict: {constraint: author_name_key}}}) { id } }"""
    assert await edit.refused(none) == (
        'cannot proceed to insert object relation "author" since insert to table "blog.author" affects zero rows',
        "$.selectionSet.insert_article_one.args.object.author.data", "not-supported",
    )  # fmt: skip
    children = """mutation { insert_author_one(object: {name: "Ada", articles: {data: [{title: "p"}]}},
      on_conflict: {constraint: author_name_key}) { id } }"""
    assert (await edit.refused(children))[0] == (
        'cannot proceed to insert array relations since insert to table "blog.author" affects zero rows'
    )


UPDATES: list[tuple[str, dict[str, Any]]] = [
    ('_set: {score: 5, mood: cross, name: "A"}', {"score": 5, "mood": "cross", "name": "A"}),
    ("_inc: {score: -3, karma: 0.25}", {"score": 7, "karma": 1.75}),
    ('_append: {profile: {more: 1}}', {"profile": {"web": "ada.example", "langs": ["en", "yo"], "more": 1}}),
    ('_prepend: {profile: {web: "x"}}', {"profile": {"web": "ada.example", "langs": ["en", "yo"]}}),
    ('_delete_key: {profile: "langs"}', {"profile": {"web": "ada.example"}}),
    ('_delete_at_path: {profile: ["langs", "0"]}', {"profile": {"web": "ada.example", "langs": ["yo"]}}),
    ("_set: {mood: null, labels: null}", {"mood": None, "labels": None}),
    ('_set: {labels: ["a", "b"]}, _inc: {score: 1}', {"labels": ["a", "b"], "score": 11}),
]  # fmt: skip


@pytest.mark.parametrize(("change", "expected"), UPDATES, ids=[one[0] for one in UPDATES])
async def test_rows_are_updated(edit: Editor, change: str, expected: dict[str, Any]) -> None:
    fields = "name score karma mood profile labels"
    asked = f"affected_rows returning {{ {fields} }}"
    document = f"mutation {{ update_author(where: {{id: {{_eq: 1}}}}, {change}) {{ {asked} }} }}"
    before = {"name": "Ada", "score": 10, "karma": 1.5, "mood": "calm", "labels": ["first"],
              "profile": {"web": "ada.example", "langs": ["en", "yo"]}}  # fmt: skip
    assert (await edit(document))["update_author"] == {"affected_rows": 1, "returning": [before | expected]}


async def test_updates_by_key_and_many_updates(edit: Editor) -> None:
    document = """mutation ($id: Int!, $set: author_set_input) {
      a: update_author_by_pk(pk_columns: {id: $id}, _set: $set) { name articles(order_by: {id: asc}) { title } }
      b: update_author_by_pk(pk_columns: {id: 99}, _set: $set) { name }
      c: update_author_by_pk(pk_columns: {id: $id}) { name } }"""
    assert await edit(document, id=2, set={"name": "B"}) == {
        "a": {"name": "B", "articles": [{"title": "Markets"}, {"title": "Drafts"}]}, "b": None, "c": None,
    }  # fmt: skip
    document = """mutation { update_author_many(updates: [{where: {score: {_gte: 10}}, _inc: {score: 1}},
      {where: {id: {_eq: 1}}, _inc: {score: 1}}, {where: {}}]) { affected_rows returning { id score } } }"""
    first, second, third = (await edit(document))["update_author_many"]
    assert first["affected_rows"] == 2
    assert second == {"affected_rows": 1, "returning": [{"id": 1, "score": 12}]}
    assert third == {"affected_rows": 0, "returning": []}
    twice = "mutation { update_author(where: {}, _set: {score: 1}, _inc: {score: 1}) { affected_rows } }"
    assert await edit.refused(twice) == (
        "Column found in multiple operators: ['score'].", "$.selectionSet.update_author.args", "validation-failed",
    )  # fmt: skip


async def test_rows_are_deleted(edit: Editor) -> None:
    document = """mutation {
      delete_article(where: {author: {name: {_eq: "Bayo"}}}) { affected_rows returning { title } }
      a: delete_tag_by_pk(id: 9) { name } b: delete_article_tag_by_pk(article_id: 1, tag_id: 1) { tag { name } } }"""
    data = await edit(document)
    assert data["delete_article"]["affected_rows"] == 2
    assert (data["a"], data["b"]) == (None, {"tag": {"name": "water"}})
    assert len((await edit.content())["article"]) == 2


async def test_fields_are_done_in_order_all_or_none(edit: Editor) -> None:
    document = """mutation ($name: String!) { a: insert_author_one(object: {name: "Dayo"}) { id }
      b: update_author(where: {name: {_eq: "Dayo"}}, _set: {name: $name}) { affected_rows }
      c: delete_author(where: {name: {_eq: "Efe"}}) { affected_rows } d: __typename }"""
    assert await edit(document, name="Efe") == {
        "a": {"id": 4}, "b": {"affected_rows": 1}, "c": {"affected_rows": 1}, "d": "mutation_root",
    }  # fmt: skip
    message, path, code = await edit.refused(document, name="Ada")
    assert message == 'Uniqueness violation. duplicate key value violates unique constraint "author_name_key"'
    assert (path, code) == ("$", "constraint-violation")


REFUSED = [
    ('insert_author(objects: [{name: "Ada"}])',
     'Uniqueness violation. duplicate key value violates unique constraint "author_name_key"',
     "$.selectionSet.insert_author.args.objects", "constraint-violation"),
    ("insert_author(objects: [{score: 1}])",
     'Not-NULL violation. null value in column "name" of relation "author" violates not-null constraint',
     "$.selectionSet.insert_author.args.objects", "constraint-violation"),
    ('insert_article(objects: [{title: "x", writer: 99}])',
     'Foreign key violation. insert or update on table "article" violates foreign key constraint '
     '"article_author_id_fkey"', "$.selectionSet.insert_article.args.objects", "constraint-violation"),
    ('insert_article(objects: [{title: ""}])',
     'Check constraint violation. new row for relation "article" violates check constraint "article_title_check"',
     "$.selectionSet.insert_article.args.objects", "permission-error"),
    ("delete_tag(where: {})",
     'Foreign key violation. update or delete on table "tag" violates foreign key constraint '
     '"article_tag_tag_id_fkey" on table "article_tag"', "$", "constraint-violation"),
    ('insert_article(objects: [{title: "x", seen_at: "soon"}])',
     'invalid input syntax for type timestamp with time zone: "soon"',
     "$.selectionSet.insert_article.args.objects", "data-exception"),
    ("update_author(where: {}, _inc: {score: 2147483647})", "integer out of range", "$", "data-exception"),
]  # fmt: skip


@pytest.mark.parametrize(("field", "message", "path", "code"), REFUSED, ids=[one[0] for one in REFUSED])
async def test_what_the_database_refuses_has_hasuras_words(
    edit: Editor, field: str, message: str, path: str, code: str
) -> None:
    # PostgreSQL 15 and 18 differ in a word.
    found = await edit.refused(f"mutation {{ {field} {{ affected_rows }} }}")
    assert (found[0].replace("RESTRICT setting of ", ""), *found[1:]) == (message, path, code)


async def test_functions_that_change_data_are_mutations(edit: Editor) -> None:
    document = """mutation { publish(args: {of_author: 1}, where: {id: {_eq: 2}}) {
      title is_published author { articles(where: {is_published: {_eq: true}}) { id } } } }"""
    assert await edit(document) == {"publish": [
        {"title": "On rain", "is_published": True, "author": {"articles": [{"id": 1}, {"id": 2}]}}]}  # fmt: skip
    assert (await edit.refused("{ publish(args: {of_author: 1}) { id } }"))[0] == (
        "field 'publish' not found in type: 'query_root'"
    )
    assert "not found" in (await edit.refused("mutation { publish(args: {of_author: 1}) { id } }", "keeper"))[0]


async def test_a_row_somebody_else_holds_is_not_waited_for_without_end(
    edit: Editor, owner_db: Database, database_url: str
) -> None:
    document = "mutation { update_author(where: {id: {_eq: 1}}, _set: {score: 1}) { affected_rows } }"
    impatient = await Database.open(database_url, role="omniroute_app", limits=PoolLimits(lock_timeout_ms=50))
    try:
        engine = Engine(impatient, metadata(), edit.engine.model.catalog)
        async with owner_db.tx() as tx:
            await tx.connection.execute(b"UPDATE blog.author SET score = 11 WHERE id = 1")
            answer = await execute(engine, "admin", Session(), document)
    finally:
        await impatient.close()
    [error] = answer.errors
    assert (error.message, error.code) == ("serialization failure due to concurrent update", "concurrent-update")
    assert (await edit.content())["author"][0][2] == 11


async def test_too_many_values_are_refused(edit: Editor) -> None:
    objects = [{"name": "x", "score": 1, "karma": 1, "mood": "calm"}] * 16_400
    document = "mutation ($o: [author_insert_input!]!) { insert_author(objects: $o) { affected_rows } }"
    assert await edit.refused(document, o=objects) == (
        "too many values; send fewer rows at once", "$.selectionSet.insert_author.args.objects", "not-supported",
    )  # fmt: skip


def test_only_what_can_be_written_is_in_the_schema(blog: Engine) -> None:
    schema = blog.schema("admin").schema
    assert schema.mutation_type is not None
    fields = schema.mutation_type.fields
    assert {name for name in fields if "article_tag" not in name and "article" in name} == {
        "insert_article", "insert_article_one", "update_article", "update_article_by_pk", "update_article_many",
        "delete_article", "delete_article_by_pk",
    }  # fmt: skip
    assert not [name for name in fields if "scores" in name]
    inputs: Any = schema.type_map
    assert "id" not in inputs["article_insert_input"].fields
    assert "shouted" not in inputs["author_set_input"].fields
    assert set(inputs["author_inc_input"].fields) == {"id", "score", "karma"}
    assert set(inputs["article_constraint"].values) == {"article_pkey", "article_author_title_key"}


async def test_an_answer_without_rows_is_read_after_several_statements(edit: Editor) -> None:
    nested = 'mutation { insert_author(objects: [{name: "New", articles: {data: [{title: "x"}]}}]) { affected_rows } }'
    assert await edit(nested) == {"insert_author": {"affected_rows": 2}}
    nothing = "mutation { update_author(where: {}, _set: {}) { affected_rows __typename } }"
    assert await edit(nothing) == {"update_author": {"affected_rows": 0, "__typename": "author_mutation_response"}}


async def test_a_function_that_changes_one_row_answers_with_it(edit: Editor) -> None:
    document = (
        """mutation ($id: Int!) { retitle(args: {of_article: $id, title_now: "New"}) { title author { name } } }"""
    )
    assert await edit(document, id=3) == {"retitle": {"title": "New", "author": {"name": "Bayo"}}}
    assert await edit(document, id=77) == {"retitle": None}

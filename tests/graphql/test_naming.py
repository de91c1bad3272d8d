"""The naming convention graphql-default: names in camel case everywhere, values of enums in capitals."""

import copy
import json
from typing import Any

import pytest

from omniroute.graphql import Engine, Session, execute
from omniroute.infra.postgres import Database
from tests.graphql import blog, shop


def camel(document: dict[str, Any]) -> dict[str, Any]:
    made = copy.deepcopy(document)
    made["sources"][0]["customization"] = {"naming_convention": "graphql-default"}
    return made


@pytest.fixture(scope="module")
async def camel_shop(engine: Engine) -> Engine:
    return Engine(engine.db, shop.metadata(camel(shop.METADATA)), engine.model.catalog)


@pytest.fixture(scope="module")
async def camel_blog(owner_db: Database, app_db: Database) -> Engine:
    await blog.open_blog(owner_db)
    await blog.refill(owner_db)
    return await Engine.open(app_db, blog.metadata(camel(blog.METADATA)))


async def test_queries(camel_shop: Engine) -> None:
    ask = shop.Asker(camel_shop)
    document = """query ($where: PaymentsBoolExp, $by: [PaymentsOrderBy!]) {
      payments(where: $where, orderBy: $by, distinctOn: [merchantId]) { __typename id merchantId createdAt }
      payment(id: 1) { withTax: with_tax merchant { paymentsAggregate { aggregate { stddevPop { tries } count } } } }
      merchants(where: {parentId: {_isNull: true}}, orderBy: {paymentsAggregate: {count: DESC_NULLS_LAST}}) { name }
      searchPayments: search_payments(args: {term: "PAY-2"}) { id }
      found: payments(where: {details: {_hasKeysAny: ["retry"], _containedIn: {channel: "ussd", retry: true}}}) { id }
    }"""
    by = [{"merchantId": "ASC"}, {"id": "DESC"}]
    data = await ask(document, where={"tries": {"_isNull": False}}, by=by)
    assert data["payments"][0] == {
        "__typename": "payments", "id": 2, "merchantId": shop.MERCHANTS[0][0],
        "createdAt": "2026-01-02T08:00:00+00:00",
    }  # fmt: skip
    assert data["payment"]["merchant"]["paymentsAggregate"]["aggregate"] == {"stddevPop": {"tries": 1}, "count": 2}
    assert (data["merchants"], data["searchPayments"], data["found"]) == (
        [{"name": "Adeola Stores"}], [{"id": 2}], [{"id": 2}],
    )  # fmt: skip
    assert (await ask.refused("{ payments(order_by: {id: ASC}) { id } }"))[0] == (
        "'payments' has no argument named 'order_by'"
    )


async def test_mutations(camel_blog: Engine) -> None:
    document = """mutation ($o: [AuthorInsertInput!]!) {
      insertAuthor(objects: $o, onConflict: {constraint: author_name_key, updateColumns: [score]}) {
        affectedRows: affected_rows returning { id score } }
      updateAuthorByPk(pkColumns: {id: 1}, _inc: {score: 5}, _deleteAtPath: {profile: ["web"]}) { score profile }
      updateAuthorMany(updates: [{where: {name: {_eq: "Chi"}}, _set: {score: 3}}]) { affected_rows }
      insertArticleOne(object: {title: "x", seenAt: "2026-01-01T00:00:00Z"}) { seenAt isPublished }
      deleteAuthorByPk(id: 2) { name } }"""
    answer = await execute(camel_blog, "admin", Session(), document, {"o": [{"name": "Bayo", "score": 21}]})
    assert json.loads(answer.body) == {"data": {
        "insertAuthor": {"affectedRows": 1, "returning": [{"id": 2, "score": 21}]},
        "updateAuthorByPk": {"score": 15, "profile": {"langs": ["en", "yo"]}},
        "updateAuthorMany": [{"affected_rows": 1}],
        "insertArticleOne": {"seenAt": "2026-01-01T00:00:00+00:00", "isPublished": False},
        "deleteAuthorByPk": {"name": "Bayo"},
    }}  # fmt: skip


async def test_conditions_on_aggregates(camel_shop: Engine) -> None:
    types = camel_shop.schema("admin").schema.type_map
    assert {"PaymentsAggregateBoolExp", "paymentsAggregateBoolExpCount"} <= types.keys()
    assert "MerchantsSelectColumnMerchantsAggregateBoolExpBool_andArgumentsColumns" in types
    document = """{ merchants(where: {paymentsAggregate: {count: {predicate: {_gte: 0}, arguments: [id]}}}) { id } }"""
    assert (await execute(camel_shop, "admin", Session(), document)).errors == ()

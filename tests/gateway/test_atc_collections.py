"""What was collected by authority, as each role sees it: the promised questions, word for word, with the right data."""

from typing import Any
from uuid import uuid4

import pytest

from omniroute.graphql import Engine
from tests.gateway.asking import ask, refusal, session
from tests.gateway.conftest import A1, A2, B1
from tests.gateway.promised import OPERATIONS, READY, ROLES

DAY = {"startDate": "2026-03-02T00:00:00Z", "endDate": "2026-03-03T00:00:00Z"}
OTHER_DAY = {"startDate": "2026-03-01T00:00:00Z", "endDate": "2026-03-02T00:00:00Z"}


@pytest.mark.parametrize("role", sorted(READY["GetCollectionsByATC"]))
async def test_the_collections_of_a_grant(engine: Engine, role: str) -> None:
    async def collections(**given: Any) -> Any:
        found = await ask(engine, role, session(A1, role), OPERATIONS["GetCollectionsByATC"], **given)
        return found["atc_collections"]

    assert await collections(atcId=str(A1.id("atc")), **DAY) == [
        {
            "id": str(A1.id("gathered")), "reference": A1.mark, "collectedFromName": A1.mark, "grossAmount": 5000.50,
            "commissionAmount": 125.01, "netAmount": 4875.49, "settlementStatus": "PENDING",
            "createdAt": "2026-03-02T23:30:00+00:00",
        }
    ]  # fmt: skip
    assert await collections(atcId=str(A1.id("atc")), **OTHER_DAY) == []
    assert await collections(atcId=str(B1.id("atc")), **DAY) == []


@pytest.mark.parametrize("role", sorted(READY["GetPendingSettlements"]))
async def test_what_of_a_collector_is_not_settled_yet(engine: Engine, role: str) -> None:
    async def pending(grantee: object) -> Any:
        document = OPERATIONS["GetPendingSettlements"]
        found = await ask(engine, role, session(A1, role), document, granteeId=str(grantee))
        return found["atc_collections_aggregate"]["aggregate"]

    one = {"count": 1, "sum": {"gross_amount": 5000.50, "commission_amount": 125.01, "net_amount": 4875.49}}
    none = {"count": 0, "sum": {"gross_amount": None, "commission_amount": None, "net_amount": None}}
    assert await pending(A1.id("grantee")) == one
    assert await pending(A2.id("grantee")) == one
    assert await pending(B1.id("grantee")) == none
    assert await pending(uuid4()) == none


@pytest.mark.parametrize("name", ["GetCollectionsByATC", "GetPendingSettlements"])
@pytest.mark.parametrize("role", sorted(set(ROLES) - READY["GetCollectionsByATC"]))
async def test_it_is_not_told_to_who_may_not_know(engine: Engine, role: str, name: str) -> None:
    given = {"granteeId": str(A1.id("grantee"))} if "granteeId" in OPERATIONS[name] else {"atcId": str(uuid4()), **DAY}
    message, code = await refusal(engine, role, session(A1, role), OPERATIONS[name], **given)
    assert "not found in type: 'query_root'" in message
    assert code == "validation-failed"


async def test_fields_are_those_of_the_brief(engine: Engine) -> None:
    document = """{ atc_collections(where: {settlement_status: {_eq: PENDING}, reference: {_eq: "alpha-1"}}) {
        id tenant_id atc_grant_id atc_grant { reference } atcGrant { reference } reference collected_from_id
        collected_from_type collected_from_name collection_method payment_reference gross_amount commission_amount
        net_amount order_id invoice_id settlement_status settlement_batch_id settled_at collection_point collected_by
        notes created_at level source grossAmountMinor collectedFrom { name } levels { reference }
    } atc_grants(where: {reference: {_eq: "alpha-1"}}) { collections { reference } } }"""
    found = await ask(engine, "finance_admin", session(A1, "finance_admin"), document)
    assert found == {
        "atc_collections": [
            {
                "id": str(A1.id("gathered")), "tenant_id": str(A1.tenant_id), "atc_grant_id": str(A1.id("atc")),
                "atc_grant": {"reference": A1.mark}, "atcGrant": {"reference": A1.mark}, "reference": A1.mark,
                "collected_from_id": str(A1.id("partner")), "collected_from_type": "MANUFACTURER",
                "collected_from_name": A1.mark, "collection_method": "CASH", "payment_reference": None,
                "gross_amount": 5000.50, "commission_amount": 125.01, "net_amount": 4875.49, "order_id": None,
                "invoice_id": None, "settlement_status": "PENDING", "settlement_batch_id": None, "settled_at": None,
                "collection_point": {"latitude": 6.5244, "longitude": 3.3792}, "collected_by": None, "notes": A1.mark,
                "created_at": "2026-03-02T23:30:00+00:00", "level": 0, "source": "IN_HAND", "grossAmountMinor": 500050,
                "collectedFrom": {"name": A1.mark}, "levels": [{"reference": A1.mark}],
            }
        ],
        "atc_grants": [{"collections": [{"reference": A1.mark}]}],
    }  # fmt: skip

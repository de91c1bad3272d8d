"""Settlements as GraphQL shows them: the promised subscription, every field, to whom they belong."""

from typing import Any

import pytest

from omniroute.graphql import Engine
from tests.gateway.asking import ask, refusal, session
from tests.gateway.conftest import A1, B1
from tests.gateway.promised import OPERATIONS, READY, ROLES

UPDATES = OPERATIONS["SettlementUpdates"]
AS_A_QUERY = UPDATES.replace("subscription", "query", 1)  # What a subscription sends is what the query answers.


def shown(**changes: Any) -> dict[str, Any]:
    return {
        "id": str(A1.id("settlement")), "reference": A1.mark, "grossAmount": 5000.50, "netSettlementAmount": 4875.49,
        "paymentStatus": "SENT_TO_BANK", "settledAt": None,
    } | changes  # fmt: skip


@pytest.mark.parametrize("role", sorted(READY["SettlementUpdates"]))
async def test_a_grantor_s_settlements(engine: Engine, role: str) -> None:
    engine.prepare(role, UPDATES, "SettlementUpdates")
    who = session(A1, role)
    assert await ask(engine, role, who, AS_A_QUERY, grantorId=str(A1.id("partner"))) == {
        "atc_settlement_batches": [shown()]
    }
    assert await ask(engine, role, who, AS_A_QUERY, grantorId=str(B1.id("partner"))) == {"atc_settlement_batches": []}


@pytest.mark.parametrize("role", sorted(set(ROLES) - READY["SettlementUpdates"]))
async def test_they_are_not_told_to_others(engine: Engine, role: str) -> None:
    refused = await refusal(engine, role, session(A1, role), AS_A_QUERY, grantorId=str(A1.id("partner")))
    assert refused == ("field 'atc_settlement_batches' not found in type: 'query_root'", "validation-failed")


async def test_fields_are_those_of_the_brief(engine: Engine) -> None:
    document = """{ atc_settlement_batches(where: {reference: {_eq: "alpha-1"}, payment_status: {_eq: SENT_TO_BANK}}) {
        id tenant_id reference atc_grant_id settlement_period_start settlement_period_end total_collections gross_amount
        total_commission net_settlement_amount collections { reference } payment_transaction_id payment_status
        reconciliation_status discrepancy_amount discrepancy_notes created_at settled_at atc_grant { reference }
        atcGrant { granteeName } grantor { name } payment { reference } status cause fee netSettlementAmountMinor
    } }"""
    assert await ask(engine, "finance_admin", session(A1, "finance_admin"), document) == {
        "atc_settlement_batches": [
            {
                "id": str(A1.id("settlement")), "tenant_id": str(A1.tenant_id), "reference": A1.mark,
                "atc_grant_id": str(A1.id("atc")), "settlement_period_start": "2026-02-23T23:30:00+00:00",
                "settlement_period_end": "2026-03-02T23:30:00+00:00", "total_collections": 1, "gross_amount": 5000.50,
                "total_commission": 125.01, "net_settlement_amount": 4875.49, "collections": [],
                "payment_transaction_id": str(A1.id("payment")), "payment_status": "SENT_TO_BANK",
                "reconciliation_status": "UNMATCHED", "discrepancy_amount": None, "discrepancy_notes": None,
                "created_at": "2026-03-02T23:30:00+00:00", "settled_at": None, "atc_grant": {"reference": A1.mark},
                "atcGrant": {"granteeName": A1.mark}, "grantor": {"name": A1.mark}, "payment": {"reference": A1.mark},
                "status": "PROCESSING", "cause": "CALENDAR", "fee": 25.50, "netSettlementAmountMinor": 487549,
            }
        ]
    }  # fmt: skip

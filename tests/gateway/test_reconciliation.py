"""The promised report, with right data: every movement once, a currency at a time, what differs by name."""

from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid5

import pytest

from omniroute.graphql import Engine
from omniroute.infra.postgres import Database
from tests.gateway.asking import ask, refusal, session
from tests.gateway.conftest import A1, B1
from tests.gateway.promised import OPERATIONS, READY, ROLES

REPORT = OPERATIONS["GetReconciliationReport"]
AT = datetime(2026, 5, 4, 9, 0, tzinfo=UTC)
DAYS = {"startDate": "2026-05-04", "endDate": "2026-05-05"}


def _id(number: int) -> UUID:
    return uuid5(A1.tenant_id, f"posting {number}")


@pytest.fixture(scope="module")
async def engine(engine: Engine, owner_db: Database) -> Engine:
    """Four postings of 4 and 5 May and as many lines: one is matched, one differs, one is missing on each side; and a
    line in another currency."""
    given = {"tenant": A1.tenant_id, "connection": A1.id("connection"), "float": A1.id("float"), "at": AT}
    entry = """INSERT INTO ledger_entry (tenant_id, txn_id, account_id, amount_minor, version, booked_at, value_on, leg,
                                         side, layer, currency)
               VALUES (%(tenant)s, %(txn)s, %(float)s, %(amount)s, %(number)s, %(at)s, %(day)s, 1, %(side)s, 'p',
                       'NGN')"""
    line = """INSERT INTO rail_statement_line (tenant_id, connection_id, line_id, booked_at, amount_minor, currency,
                                               credit, narration, read_at)
              VALUES (%(tenant)s, %(connection)s, %(line)s, %(at)s, %(amount)s, %(currency)s, %(credit)s, '', %(at)s)"""
    async with owner_db.tx(A1.tenant_id) as tx:
        # The other legs are of no interest here.
        await tx.connection.execute("ALTER TABLE ledger_entry DISABLE TRIGGER ledger_entry_balanced")
        for number, amount, side, day in (
            (1, 10_000, "c", "2026-05-04"), (2, 20_000, "d", "2026-05-04"), (3, 30_000, "c", "2026-05-05"),
        ):  # fmt: skip
            more = {"txn": _id(number), "amount": amount, "number": number, "side": side, "day": day}
            await tx.connection.execute(entry, given | more)
        await tx.connection.execute("ALTER TABLE ledger_entry ENABLE TRIGGER ledger_entry_balanced")
        for name, amount, currency, credit in (
            ("one", 10_000, "NGN", False), ("two", 19_950, "NGN", True), ("strange", 777, "NGN", True),
            ("dollars", 500, "USD", True),
        ):  # fmt: skip
            more = {"line": name, "amount": amount, "currency": currency, "credit": credit}
            await tx.connection.execute(line, given | more)
        for statement in _MATCHED:
            await tx.connection.execute(
                statement, given | {"match": _id(11), "run": A1.id("run"), "one": _id(1), "two": _id(2), "id": _id(12)}
            )
    return engine


_MATCHED = [
    """INSERT INTO reconciliation_match (tenant_id, match_id, connection_id, run_id, kind, state, found_by,
                                         rule_version, currency, book_minor, bank_minor, evidence, proposed_by,
                                         created_at)
       VALUES (%(tenant)s, %(match)s, %(connection)s, %(run)s, 'auto', 'matched', 1, '1', 'NGN', -10000, -10000, '{}',
               'worker', %(at)s)""",
    """INSERT INTO reconciliation_entry_claim (tenant_id, match_id, txn_id, leg, amount_minor)
       VALUES (%(tenant)s, %(match)s, %(one)s, 1, -10000)""",
    """INSERT INTO reconciliation_line_claim (tenant_id, match_id, connection_id, line_id, amount_minor)
       VALUES (%(tenant)s, %(match)s, %(connection)s, 'one', -10000)""",
    """INSERT INTO reconciliation_exception (tenant_id, exception_id, connection_id, kind, line_id, txn_id, leg,
                                             expected_minor, actual_minor, currency, dated_on, run_id, opened_at)
       VALUES (%(tenant)s, %(id)s, %(connection)s, 'amount_under', 'two', %(two)s, 1, 20000, 19950, 'NGN', '2026-05-04',
               %(run)s, %(at)s)""",
]


def _one(number: int | None, expected: Any, actual: Any, difference: Any) -> dict[str, Any]:
    return {
        "transactionId": None if number is None else str(_id(number)),
        "expectedAmount": expected,
        "actualAmount": actual,
        "difference": difference,
    }


@pytest.mark.parametrize("role", sorted(READY["GetReconciliationReport"]))
async def test_the_report_counts_every_movement_once(engine: Engine, role: str) -> None:
    found = await ask(engine, role, session(A1, role), REPORT, **DAYS)
    naira, dollars = found["reconciliation_summary"]
    differing = naira.pop("discrepancies")
    assert naira == {"totalTransactions": 4, "totalAmount": 607.77, "matchedCount": 1, "unmatchedCount": 3}
    assert sorted(differing, key=lambda one: one["difference"]) == [
        _one(2, 200, 199.5, -0.5), _one(None, 0, 7.77, 7.77), _one(3, -300, 0, 300),
    ]  # fmt: skip
    assert dollars == {
        "totalTransactions": 1, "totalAmount": 5, "matchedCount": 0, "unmatchedCount": 1,
        "discrepancies": [_one(None, 0, 5, 5)],
    }  # fmt: skip
    first_day = {"startDate": "2026-05-04", "endDate": "2026-05-04"}
    [naira, _] = (await ask(engine, role, session(A1, role), REPORT, **first_day))["reconciliation_summary"]
    assert naira["totalTransactions"] == 3


@pytest.mark.parametrize("role", sorted(READY["GetReconciliationReport"]))
async def test_the_report_tells_nothing_of_others_and_nothing_to_branches(engine: Engine, role: str) -> None:
    for who in (session(B1, role), session(A1, role, branches=(A1.branch_id,))):
        assert await ask(engine, role, who, REPORT, **DAYS) == {"reconciliation_summary": []}


@pytest.mark.parametrize("role", sorted(set(ROLES) - READY["GetReconciliationReport"]))
async def test_the_report_is_not_told_to_others(engine: Engine, role: str) -> None:
    refused = await refusal(engine, role, session(A1, role), REPORT, **DAYS)
    assert refused == ("field 'reconciliation_summary' not found in type: 'query_root'", "validation-failed")


async def test_statements_say_what_the_matches_say(engine: Engine) -> None:
    document = """{ bank_statements(where: {statement_date: {_eq: "2026-05-04"}, currency: {_eq: "NGN"}}) {
        reconciliationStatus entries(where: {currency: {_eq: "NGN"}}, order_by: {id: asc}) {
            id reconciliationStatus matchId } } }"""
    found = await ask(engine, "auditor", session(A1, "auditor"), document)
    assert found == {
        "bank_statements": [
            {
                "reconciliationStatus": "PARTIALLY_MATCHED",
                "entries": [
                    {"id": "one", "reconciliationStatus": "MATCHED", "matchId": str(_id(11))},
                    {"id": "strange", "reconciliationStatus": "UNMATCHED", "matchId": None},
                    {"id": "two", "reconciliationStatus": "UNMATCHED", "matchId": None},
                ],
            }
        ]
    }


async def test_a_match_shows_its_items(engine: Engine) -> None:
    document = """query ($id: uuid!) { reconciliation_matches(where: {id: {_eq: $id}}) {
        kind status method expectedAmount difference transactionIds lineIds items { side } lines { id amount } } }"""
    found = await ask(engine, "auditor", session(A1, "auditor"), document, id=str(_id(11)))
    assert found == {
        "reconciliation_matches": [
            {
                "kind": "AUTO", "status": "MATCHED", "method": "STRONG_KEY", "expectedAmount": -100, "difference": 0,
                "transactionIds": [str(_id(1))], "lineIds": ["one"], "items": [{"side": "BOOKS"}],
                "lines": [{"id": "one", "amount": 100}],
            }
        ]
    }  # fmt: skip

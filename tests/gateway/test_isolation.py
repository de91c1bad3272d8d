"""Nobody sees what is not theirs, in any tracked table, in any role; and nobody sees a secret."""

import json
import re
from collections.abc import Iterable
from typing import Any

import pytest

from omniroute.graphql import Engine, Session, load_metadata, product_metadata
from tests.gateway.asking import ask, fields_of, session
from tests.gateway.conftest import A1, A2, B1
from tests.gateway.planted import Corner

METADATA = load_metadata(product_metadata())
TABLES = sorted(table.name.name for table in METADATA.sources[0].tables)
ROLES = ("finance_admin", "payment_initiator", "approver", "customer_admin", "auditor", "user", "integration")
SEEN = sorted(
    (table.name.name, one.role) for table in METADATA.sources[0].tables for one in table.select if one.role != "support"
)

# Rows of a corner; and what is the whole organisation's is seen from a branch as well, or not at all.
ROWS = {"ledger_entries": 4, "partners": 2}
NOT_OF_A_BRANCH = {
    "atc_collections",
    "atc_commission_tiers",
    "atc_grants",
    "atc_scope_configs",
    "atc_settlement_batches",
    "bank_connections",
    "bank_statement_entries",
    "bank_statements",
    "partners",
    "virtual_account_credits",
    "virtual_accounts",
}
FOR_THE_WHOLE_ONLY = {
    "reconciliation_exceptions",
    "reconciliation_items",
    "reconciliation_matches",
    "reconciliation_summaries",
    "webhook_deliveries",
    "webhook_endpoints",
}
ONE_A_TENANT = {"organisations", "reconciliation_summaries"}


async def rows(engine: Engine, role: str, who: Session, table: str) -> list[dict[str, Any]]:
    fields = " ".join(fields_of(engine, role, table))
    found = await ask(engine, role, who, f"{{ {table} {{ {fields} }} {table}_aggregate {{ aggregate {{ count }} }} }}")
    assert found[f"{table}_aggregate"]["aggregate"]["count"] == len(found[table])
    listed: list[dict[str, Any]] = found[table]
    return listed


def corners_in(found: Iterable[object]) -> set[str]:
    """Which corners the rows speak of, by the ids and marks in them."""
    text = json.dumps(list(found))
    return {one.mark for one in (A1, A2, B1) if one.mark in text or any(str(one.id(n)) in text for n in NOUNS)}


NOUNS = ("branch", "maker", "account", "txn", "connection", "payment", "batch", "schedule", "request", "endpoint")


def expected(table: str, corners: int) -> int:
    return 1 if table in ONE_A_TENANT else corners * ROWS.get(table, 1)


@pytest.mark.parametrize("table", TABLES)
async def test_an_organisation_sees_its_own_rows_and_no_others(engine: Engine, table: str) -> None:
    for corner, others in ((A1, {B1.mark}), (B1, {A1.mark, A2.mark})):
        found = await rows(engine, "owner", session(corner, "owner"), table)
        assert {row["tenantId"] for row in found} == {str(corner.tenant_id)}
        assert len(found) == expected(table, 2 if corner is A1 else 1)
        assert not corners_in(found) & others


@pytest.mark.parametrize("table", TABLES)
async def test_a_branch_sees_its_own_rows_and_no_others(engine: Engine, table: str) -> None:
    found = await rows(engine, "owner", session(A1, "owner", branches=(A1.branch_id,)), table)
    if table in FOR_THE_WHOLE_ONLY:
        assert found == []
        return
    assert len(found) == expected(table, 2 if table in NOT_OF_A_BRANCH else 1)
    wanted = {A1.mark, A2.mark} if table in NOT_OF_A_BRANCH else {A1.mark}
    assert corners_in(found) <= wanted
    if table == "bank_statement_entries":  # The account is shared, the payment of another branch is not told.
        assert {row["paymentId"] for row in found} == {str(A1.id("payment")), None}


@pytest.mark.parametrize(("table", "role"), SEEN)
async def test_filters_of_permissions_alone_keep_organisations_apart(bare: Engine, table: str, role: str) -> None:
    # As with a Hasura.
    found = await rows(bare, role, session(A1, role), table)
    assert found
    assert corners_in(found) <= {A1.mark, A2.mark}
    if role == "user" and table not in ("organisations", "branches"):
        assert corners_in(found) == {A1.mark}
    assert await rows(bare, role, session(Corner("gamma", 1), role), table) == []


SECRETS = re.compile(r"secret|sealed|password|hash|credential|public$|token|lookup|lease|claim", re.IGNORECASE)


@pytest.mark.parametrize("table", TABLES)
async def test_nothing_secret_is_shown(bare: Engine, table: str) -> None:
    assert [name for name in fields_of(bare, "admin", table) if SECRETS.search(name)] == []
    assert "SECRET" not in json.dumps(await rows(bare, "admin", session(A1, "admin"), table))


def test_every_table_of_a_role_is_a_permission_and_the_tests_know_it() -> None:
    assert len(TABLES) == len(set(TABLES)) >= 24
    assert {role for _, role in SEEN} == set(ROLES)

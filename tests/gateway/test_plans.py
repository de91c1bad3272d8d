"""Lists are found by indexes, however many payments there are."""

from typing import Any
from uuid import UUID

import pytest
from psycopg import AsyncRawCursor

from omniroute.graphql import Engine
from omniroute.graphql.compiler.writing import parameters
from omniroute.infra.postgres import Database
from omniroute.kit.ids import uuid7
from tests.gateway.asking import session
from tests.gateway.conftest import A1
from tests.gateway.promised import OPERATIONS

MANY = 100_000  # In a small table reading all is right, and older planners do.
FILL = [
    """INSERT INTO payment (tenant_id, payment_id, reference, type, state, amount_minor, currency, source_account_id,
                            source_code, payee, body_hash, rail, connection_ids, hold_id, attempt_count, batch_id,
                            line_number, send_after, initiated_by, created_at, updated_at)
       SELECT tenant_id, ('018f0000-0000-7000-8000-' || lpad(to_hex(n), 12, '0'))::uuid, 'many-' || n, type, state,
              amount_minor, currency, source_account_id, source_code, payee, body_hash, rail, connection_ids, hold_id,
              1, CASE WHEN n %% 20 = 0 THEN batch_id END, n, send_after, initiated_by,
              created_at - n * interval '1 minute', updated_at
         FROM payment, generate_series(1, %(many)s) n WHERE reference = %(mark)s""",
    """INSERT INTO payment_attempt (tenant_id, attempt_id, payment_id, number, rail, connection_id, our_ref, state,
                                    claimed_by, lease_until, sent_at, next_query_at, created_at, updated_at)
       SELECT p.tenant_id, p.payment_id, p.payment_id, 1, a.rail, a.connection_id, 'our-' || p.reference, a.state,
              a.claimed_by, a.lease_until, a.sent_at, a.next_query_at, a.created_at, a.updated_at
         FROM payment p, payment_attempt a WHERE p.reference LIKE 'many-%%' AND a.our_ref = 'our-' || %(mark)s""",
    """INSERT INTO payment_step (tenant_id, payment_id, step_id, at, state, source)
       SELECT p.tenant_id, p.payment_id, p.payment_id, p.created_at, p.state, 'worker' FROM payment p
        WHERE p.reference LIKE 'many-%%'""",
    "ANALYZE",
]
LISTS = {
    "promised": (OPERATIONS["GetPaymentStatus"], {"reference": "many-77"}),
    "newest": (
        """{ payment_transactions(order_by: {created_at: desc}, limit: 50) {
          id status amount statusHistory { status } } }""",
        {},
    ),
    "a day": (
        """query ($from: timestamptz!, $to: timestamptz!) {
          payment_transactions(where: {created_at: {_gte: $from, _lt: $to}}, order_by: {created_at: desc}) { id status }
        }""",
        {"from": "2026-03-01T00:00:00Z", "to": "2026-03-01T06:00:00Z"},
    ),
    "to be approved": (
        """{ payment_transactions(where: {state: {_eq: "awaiting_approval"}}, order_by: {expires_at: asc}, limit: 50) {
          id amount approvals { approver } } }""",
        {},
    ),
    "by a status": (
        """query ($status: payment_status!) {
          payment_transactions(where: {status: {_eq: $status}}, order_by: {created_at: desc}, limit: 50) { id } }""",
        {"status": "REVERSED"},
    ),
    "of a batch": ("{ bulk_payment_batches { payments(order_by: {line_number: asc}, limit: 50) { status } } }", {}),
}


@pytest.fixture(scope="module")
async def filled(engine: Engine, owner_db: Database) -> Engine:
    async with owner_db.tx(A1.tenant_id) as tx:
        for statement in FILL:
            await tx.connection.execute(statement.encode(), {"many": MANY, "mark": A1.mark})
    return engine


OWN = {
    "payments": """{ payment_transactions(order_by: {created_at: desc}, limit: 50) {
      id status amount statusHistory { status } } }""",
    "steps": "{ payment_status_changes(order_by: {timestamp: desc}, limit: 50) { id status } }",
    "by a status": """{ payment_transactions(where: {status: {_eq: FAILED}}, order_by: {created_at: desc}, limit: 50) {
      id status } }""",
}


@pytest.mark.parametrize("role", ["finance_admin", "auditor"])
@pytest.mark.parametrize("name", sorted(LISTS))
async def test_no_list_reads_all_payments(filled: Engine, name: str, role: str) -> None:
    plan = await plan_of(filled, role, *LISTS[name])
    for table in ("payment", "payment_attempt", "payment_step"):
        assert f"Seq Scan on {table} " not in plan, plan


@pytest.mark.parametrize("name", sorted(OWN))
async def test_ones_own_are_found_by_who_one_is(filled: Engine, name: str) -> None:
    plan = await plan_of(filled, "user", OWN[name], {}, user=uuid7())
    assert "payment_initiator" in plan or "payment_unpaid" in plan, plan
    for table in ("payment", "payment_attempt", "payment_step"):
        assert f"Seq Scan on {table} " not in plan, plan


async def plan_of(
    filled: Engine, role: str, document: str, variables: dict[str, Any], *, user: UUID | None = None
) -> str:
    """How PostgreSQL reads a list."""
    prepared = filled.prepare(role, document, None)
    values = filled.variables(role, prepared, variables)
    statement = filled.plan(role, prepared, values).statement
    assert statement is not None
    who = session(A1, role, user=user)
    sent: list[Any] = parameters(statement.slots, values, who.variables)
    async with filled.db.tx(who.tenant_id, readonly=True) as tx:
        cursor = AsyncRawCursor(tx.connection)
        await cursor.execute(b"EXPLAIN " + statement.text, sent)
        return "\n".join(str(line) for (line,) in await cursor.fetchall())

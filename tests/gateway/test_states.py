"""What a status says about states helps PostgreSQL and changes no answer."""

from typing import Any

import pytest

from omniroute.app.gateway_states import IMPLIED
from omniroute.graphql import Engine
from omniroute.infra.postgres import Database
from omniroute.money.atc import SettlementStatus
from omniroute.money.payments import AttemptState, PaymentState, PublicStatus, public_status
from tests.gateway.asking import ask, session
from tests.gateway.conftest import A1

STATES = """
INSERT INTO payment (tenant_id, payment_id, reference, type, state, reason, amount_minor, currency, branch_id,
                     source_account_id, source_code, payee, body_hash, rail, connection_ids, hold_id, transaction_id,
                     attempt_count, send_after, initiated_by, created_at, updated_at, completed_at)
SELECT p.tenant_id, gen_random_uuid(), concat_ws(' ', s.state, r.reason, a.state), p.type, s.state, r.reason,
       p.amount_minor, p.currency, p.branch_id, p.source_account_id, p.source_code, p.payee, p.body_hash, p.rail,
       p.connection_ids, p.hold_id, p.payment_id, CASE WHEN a.state <> 'none' THEN 1 ELSE 0 END, p.send_after,
       p.initiated_by, p.created_at, p.updated_at,
       CASE WHEN s.state IN ('succeeded', 'failed', 'cancelled', 'expired', 'reversed') THEN p.updated_at END
  FROM payment p, unnest(%(states)s::text[]) s (state), unnest(ARRAY[NULL, 'name_mismatch']) r (reason),
       unnest(ARRAY['none', 'created', 'pending']) a (state)
 WHERE p.reference = %(mark)s"""
ATTEMPTS = """
INSERT INTO payment_attempt (tenant_id, attempt_id, payment_id, number, rail, connection_id, our_ref, state, claimed_by,
                             lease_until, sent_at, next_query_at, created_at, updated_at)
SELECT p.tenant_id, p.payment_id, p.payment_id, 1, a.rail, a.connection_id, p.reference,
       substring(p.reference from '(created|pending)$'), a.claimed_by, a.lease_until, a.sent_at, a.next_query_at,
       a.created_at, a.updated_at
  FROM payment p, payment_attempt a WHERE p.reference ~ ' (created|pending)$' AND a.our_ref = 'our-' || %(mark)s"""

ORDER = "order_by: {reference: asc}"
WHERES: dict[str, tuple[str, dict[str, Any]]] = {
    **{f"is {one}": (f"{{status: {{_eq: {one}}}}}", {}) for one in PublicStatus},
    **{f"is not {one}": (f"{{_not: {{status: {{_eq: {one}}}}}}}", {}) for one in PublicStatus},
    "is a variable": ("{status: {_eq: $one}}", {"one": "REVERSED"}),
    "one of": ("{status: {_in: [FAILED, PROCESSING]}}", {}),
    "one of a variable": ("{status: {_in: $many}}", {"many": ["CONFIRMED", "SENT_TO_BANK"]}),
    "one of none": ("{status: {_in: $many}}", {"many": []}),
    "both at once": ("{status: {_eq: FAILED, _in: [FAILED, EXPIRED]}}", {}),
    "either": ("{_or: [{status: {_eq: PENDING}}, {state: {_eq: \"failed\"}}]}", {}),
    "other than": ("{status: {_neq: CONFIRMED}}", {}),
    "none of": ("{status: {_nin: [CONFIRMED, FAILED]}}", {}),
    "neither twice": ("{_not: {_not: {status: {_in: [EXPIRED, REVERSED]}}}}", {}),
}  # fmt: skip


@pytest.fixture(scope="module")
async def states(engine: Engine, owner_db: Database) -> Engine:
    async with owner_db.tx(A1.tenant_id) as tx:
        given = {"states": [one.value for one in PaymentState], "mark": A1.mark}
        await tx.connection.execute(STATES.encode(), given)
        await tx.connection.execute(ATTEMPTS.encode(), given)
    return engine


def test_each_status_names_the_states_it_comes_from() -> None:
    [implied] = [one for one in IMPLIED if one.table.name == "payment_transactions"]
    assert implied.means.keys() == {one.value for one in PublicStatus}
    for state in PaymentState:
        for attempt in (None, *AttemptState):
            for reason in (None, "name_mismatch"):
                status = public_status(state, attempt, reason)
                assert state.value in implied.means[status]
        found = {value for value, names in implied.decided.items() if state.value in names}
        known = {public_status(state, attempt, reason) for attempt in (None, *AttemptState) for reason in (None, "x")}
        assert found <= known
        assert len(found) <= 1
        assert bool(found) == (state.value not in implied.undecided)


def test_a_settlement_status_is_its_state() -> None:
    [implied] = [one for one in IMPLIED if one.table.name == "atc_collections"]
    assert implied.means == {one.name: (one.value,) for one in SettlementStatus}


@pytest.mark.parametrize("name", sorted(WHERES))
async def test_answers_are_those_without_it(states: Engine, name: str) -> None:
    where, given = WHERES[name]
    head = {"one": "($one: payment_status)", "many": "($many: [payment_status!])"}.get(next(iter(given), ""), "")
    document = f"query {head} {{ payment_transactions(where: {where}, {ORDER}) {{ reference status }} }}"
    plain = Engine(states.db, states.metadata, states.model.catalog)
    found = await ask(states, "auditor", session(A1, "auditor"), document, **given)
    assert found == await ask(plain, "auditor", session(A1, "auditor"), document, **given)
    if name.startswith("is ") and not given:
        assert 0 < len(found["payment_transactions"]) < 60


async def test_every_status_is_there(states: Engine) -> None:
    found = await ask(states, "auditor", session(A1, "auditor"), "{ payment_transactions { status } }")
    assert {one["status"] for one in found["payment_transactions"]} == {one.value for one in PublicStatus}

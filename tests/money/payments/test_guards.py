"""The database is the last guard: whatever the code thinks, these it does not let pass. Said by the owner."""

from typing import Any

import pytest
from psycopg import errors

from omniroute.infra.postgres import Database
from omniroute.kit.ids import uuid7
from omniroute.money.payments import Payment, PaymentState
from tests.money.payments import house as houses
from tests.money.payments.house import House


@pytest.fixture
async def house(app_db: Database, worker_db: Database, owner_db: Database) -> House:
    return await houses.build(app_db, worker_db, owner_db)


async def _say(db: Database, house: House, sentence: str, *values: Any) -> None:
    async with db.tx(house.tenant_id) as tx:
        await tx.connection.execute(sentence.encode(), values)


async def _refused(db: Database, house: House, constraint: str, sentence: str, *values: Any) -> None:
    with pytest.raises(errors.IntegrityError) as refused:
        await _say(db, house, sentence, *values)
    assert refused.value.diag.constraint_name == constraint


async def _paid(house: House) -> Payment:
    (payment,) = await house.initiated(house.order())
    await house.rounds()
    payment = await house.now_stands(payment)
    assert payment.state is PaymentState.SUCCEEDED
    return payment


async def test_two_attempts_that_may_both_pay_cannot_exist(house: House, owner_db: Database) -> None:
    payment = await _paid(house)
    (attempt,) = await house.attempts(payment)
    again = (
        "INSERT INTO payment_attempt (tenant_id, attempt_id, payment_id, number, rail, connection_id, our_ref, state,"
        " claimed_by, lease_until, sent_at, created_at, updated_at)"
        " VALUES (%s, %s, %s, 2, 'toy', %s, %s, 'sending', 'w', now(), now(), now(), now())"
    )
    one = (house.tenant_id, uuid7(), payment.payment_id, attempt.connection_id)
    await _refused(owner_db, house, "payment_attempt_one_live", again, *one, "OTHER")
    await _refused(
        owner_db, house, "payment_attempt_our_ref_key", again.replace("'sending'", "'declined'"), *one, attempt.our_ref
    )


@pytest.mark.parametrize(
    ("change", "constraint"),
    [
        ("amount_minor = 1", "payment_order_fixed"),
        ("currency = 'KES'", "payment_order_fixed"),
        ("payee = '{}'", "payment_order_fixed"),
        ("reference = 'OTHER'", "payment_order_fixed"),
        ("state = 'failed'", "payment_moves_forward"),
        ("state = 'approved'", "payment_moves_forward"),
        ("transaction_id = NULL", "payment_posted_when_paid"),
        ("completed_at = NULL", "payment_completed"),
        ("approvals_needed = 2", "payment_approved_enough"),
    ],
)
async def test_a_paid_payment_stays_what_it_is(house: House, owner_db: Database, change: str, constraint: str) -> None:
    payment = await _paid(house)
    await _refused(
        owner_db, house, constraint, f"UPDATE payment SET {change} WHERE payment_id = %s", payment.payment_id
    )
    assert await house.now_stands(payment) == payment


@pytest.mark.parametrize(
    ("change", "constraint"),
    [
        ("our_ref = 'X'", "payment_attempt_name_fixed"),
        ("state = 'unknown', next_query_at = now()", "payment_attempt_moves_forward"),
        ("state = 'declined'", "payment_attempt_moves_forward"),
        ("sent_at = NULL", "payment_attempt_sent"),
    ],
)
async def test_a_paid_attempt_stays_what_it_is(house: House, owner_db: Database, change: str, constraint: str) -> None:
    payment = await _paid(house)
    sentence = f"UPDATE payment_attempt SET {change} WHERE payment_id = %s"
    await _refused(owner_db, house, constraint, sentence, payment.payment_id)


async def test_who_initiated_does_not_approve(house: House, owner_db: Database) -> None:
    house.rules.approvals = 1
    (payment,) = await house.initiated(house.order())
    approve = (
        "INSERT INTO payment_approval (tenant_id, payment_id, approver, approved, decided_at)"
        " VALUES (%s, %s, %s, true, now())"
    )
    await _refused(
        owner_db, house, "payment_approval_four_eyes", approve, house.tenant_id, payment.payment_id, "usr_maker"
    )
    await _refused(
        owner_db,
        house,
        "payment_approved_enough",
        "UPDATE payment SET state = 'approved' WHERE payment_id = %s",
        payment.payment_id,
    )


async def test_a_limit_is_never_passed(house: House, owner_db: Database) -> None:
    use = (
        "INSERT INTO payment_limit_use (tenant_id, limit_id, bucket, used_minor, used_count, allowed_minor)"
        " VALUES (%s, %s, '2026-03-02', %s, 1, 100)"
    )
    await _say(owner_db, house, use, house.tenant_id, uuid7(), 100)
    await _refused(owner_db, house, "payment_limit_use_within", use, house.tenant_id, uuid7(), 101)


@pytest.mark.parametrize("table", ["payment", "payment_attempt", "payment_step", "payment_approval", "provider_event"])
@pytest.mark.parametrize("role", ["app_db", "worker_db"])
async def test_history_is_not_deleted(house: House, request: pytest.FixtureRequest, table: str, role: str) -> None:
    db: Database = request.getfixturevalue(role)
    await _paid(house)
    with pytest.raises(errors.InsufficientPrivilege):
        await _say(db, house, f"DELETE FROM {table}")
    if table in ("payment_step", "payment_approval"):
        with pytest.raises(errors.InsufficientPrivilege):
            await _say(db, house, f"UPDATE {table} SET tenant_id = tenant_id")

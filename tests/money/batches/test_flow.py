"""A batch from the file to the last payment."""

from collections import Counter
from datetime import UTC, datetime, timedelta

import pytest
from psycopg import errors as pg

from omniroute.infra.postgres import Database
from omniroute.kit.refusal import Refusal
from omniroute.money import batches, payments
from omniroute.money.batches import BatchState, LineState, OnInvalid
from omniroute.sandbox.faults import Fault, FaultPlan
from tests.money.batches.batching import Sender, account, sender, table
from tests.money.payments import house as houses
from tests.money.payments.house import META, WALLET

BAD_LINES = b"""reference,amount,account_number,institution
ok-1,50.00,%b,058
bad-digit,50.00,0000000000,058
no-bank,50.00,%b,999999
ok-1,50.00,%b,058
zero,0,%b,058
thirds,1.005,%b,058
short,50.00,%b
""" % tuple(account(n).encode() for n in (1, 2, 3, 4, 5, 6))


REFUSING = FaultPlan(percent=100, faults=(Fault.DECLINED,))


@pytest.fixture
async def shop(app_db: Database, worker_db: Database, owner_db: Database) -> Sender:
    async with owner_db.tx() as tx:
        await tx.connection.execute("TRUNCATE payment_batch, payment_batch_line, payment_batch_approval")
    return sender(await houses.build(app_db, worker_db, owner_db))


async def refused(shop: Sender, what: str, batch: batches.Batch, **given: object) -> str:
    """The code with which an act is refused."""
    before = await shop.moved()
    with pytest.raises(Refusal) as caught:
        await shop.do(what, batch, **given)
    assert await shop.moved() == before
    return caught.value.code


async def test_a_file_is_checked_approved_and_paid(shop: Sender) -> None:
    before = await shop.moved()
    batch = await shop.checked(table(3))
    assert (batch.state, batch.valid_count, batch.invalid_count) == (BatchState.VALIDATED, 3, 0)
    assert [(one.currency, one.count, one.amount_minor) for one in batch.totals] == [("NGN", 3, 15_000)]
    assert [(one.source, one.needed_minor, one.short_minor) for one in batch.funds] == [(WALLET, 15_000, 0)]
    assert await shop.moved() == before
    await shop.do("submit", batch, actor="usr_maker", on_invalid=None)
    await shop.do("approve", batch, actor="usr_checker", comment=None)
    batch = await shop.finished(batch)
    assert (batch.state, batch.successful_count, batch.failed_count) == (BatchState.COMPLETED, 3, 0)
    lines = await shop.lines(batch)
    assert [(line.reference, batches.status_of(line)) for line in lines] == [
        ("R1", "CONFIRMED"),
        ("R2", "CONFIRMED"),
        ("R3", "CONFIRMED"),
    ]
    assert await shop.house.balances(WALLET, "float:toy") == [(99_985_000, 99_985_000), (-15_000, -15_000)]
    assert len(set(shop.house.connectors[0].submits)) == 3
    told = await shop.rows("SELECT type FROM event_log WHERE type LIKE 'batch.%%' ORDER BY seq")
    assert [row.type for row in told] == [
        "batch.received",
        "batch.validated",
        "batch.submitted",
        "batch.approved",
        "batch.completed",
    ]


async def test_bad_lines_are_told_one_by_one_and_nothing_moves(shop: Sender) -> None:
    before = await shop.moved()
    batch = await shop.checked(BAD_LINES)
    assert (batch.valid_count, batch.invalid_count, batch.total_count) == (1, 6, 7)
    told = [(line.number, line.problem.code, line.problem.field) for line in await shop.lines(batch) if line.problem]
    assert told == [
        (2, "institutions.wrong_check_digit", None),
        (3, "institutions.unknown", None),
        (4, "batches.duplicate_reference", "reference"),
        (5, "payments.malformed", "amount"),
        (6, "payments.malformed", "amount"),
        (7, "payments.malformed", None),
    ]
    assert await refused(shop, "submit", batch, actor="usr_maker", on_invalid=None) == "batches.invalid_lines"
    assert await shop.moved() == before
    await shop.do("submit", batch, actor="usr_maker", on_invalid=OnInvalid.SKIP_LINES)
    await shop.do("approve", batch, actor="usr_checker", comment=None)
    batch = await shop.finished(batch)
    assert (batch.state, batch.successful_count, batch.failed_count) == (BatchState.COMPLETED, 1, 6)


async def test_a_reference_that_is_taken_is_told_before_and_at_the_last_moment(shop: Sender) -> None:
    await shop.house.initiated(shop.house.order("R1"))
    batch = await shop.checked(table(2))
    codes = [line.problem.code if line.problem else None for line in await shop.lines(batch)]
    assert codes == ["payments.reference_taken", None]
    await shop.do("submit", batch, actor="usr_maker", on_invalid=OnInvalid.SKIP_LINES)
    await shop.do("approve", batch, actor="usr_checker", comment=None)
    await shop.house.initiated(shop.house.order("R2"))  # Between the check and the payment.
    batch = await shop.finished(batch)
    codes = [line.problem.code if line.problem else None for line in await shop.lines(batch)]
    assert codes == ["payments.reference_taken", "payments.reference_taken"]
    assert batch.failed_count == 2


async def test_funds_that_are_missing_are_told_before_and_stop_single_lines(shop: Sender) -> None:
    batch = await shop.checked(table(3, amount="400000.00"))
    assert [(one.needed_minor, one.short_minor) for one in batch.funds] == [(120_000_000, 20_000_000)]
    await shop.do("submit", batch, actor="usr_maker", on_invalid=None)
    await shop.do("approve", batch, actor="usr_checker", comment=None)
    batch = await shop.finished(batch)
    lines = await shop.lines(batch)
    assert [batches.status_of(line) for line in lines] == ["CONFIRMED", "CONFIRMED", "FAILED"]
    assert batches.reason_of(lines[2]) == "ledger.insufficient_funds"
    await shop.house.settle()
    assert (await shop.house.balances(WALLET))[0] == (20_000_000, 20_000_000)


async def test_who_sent_it_in_does_not_approve_it(shop: Sender) -> None:
    batch = await shop.checked(table(1))
    await shop.do("submit", batch, actor="usr_other", on_invalid=None)
    for actor in ("usr_maker", "usr_other"):
        code = await refused(shop, "approve", batch, actor=actor, comment=None)
        assert code == "batches.approver_is_initiator"
        with pytest.raises(pg.IntegrityError, match="does not approve it"):
            await shop.rows(
                "INSERT INTO payment_batch_approval (tenant_id, batch_id, approver, approved, decided_at)"
                " VALUES (%s, %s, %s, true, now())",
                shop.house.tenant_id,
                batch.batch_id,
                actor,
            )
    assert (await shop.do("approve", batch, actor="usr_checker", comment=None)).state is BatchState.APPROVED


async def test_an_approval_that_rules_ask_more_people_for(shop: Sender) -> None:
    shop.house.rules.approvals = 2
    batch = await shop.checked(table(1))
    assert batch.approvals_needed == 2
    await shop.do("submit", batch, actor="usr_maker", on_invalid=None)
    assert (await shop.do("approve", batch, actor="usr_b", comment=None)).state is BatchState.AWAITING_APPROVAL
    assert await refused(shop, "approve", batch, actor="usr_b", comment=None) == "batches.already_decided"
    assert (await shop.do("approve", batch, actor="usr_c", comment=None)).state is BatchState.APPROVED
    assert (await shop.finished(batch)).successful_count == 1


async def test_a_rejected_batch_is_over_and_the_file_may_come_again(shop: Sender) -> None:
    before = await shop.moved()
    batch = await shop.checked(table(2))
    await shop.do("submit", batch, actor="usr_maker", on_invalid=None)
    await shop.do("reject", batch, actor="usr_checker", comment="wrong month")
    batch = await shop.finished(batch)
    assert (batch.state, batch.reason, batch.failed_count) == (BatchState.CANCELLED, "rejected", 2)
    assert await shop.moved() == before
    assert (await shop.checked(table(2))).valid_count == 2


async def test_an_approval_that_does_not_come_in_time(shop: Sender) -> None:
    batch = await shop.checked(table(1))
    await shop.do("submit", batch, actor="usr_maker", on_invalid=None)
    shop.clock.at += timedelta(days=7)
    assert await refused(shop, "approve", batch, actor="usr_checker", comment=None) == "batches.approval_expired"
    batch = await shop.initiated(batch)
    assert (batch.state, batch.reason) == (BatchState.CANCELLED, "not_approved_in_time")


async def test_the_same_file_is_known(shop: Sender) -> None:
    batch = await shop.checked(table(2))
    before = await shop.moved()
    with pytest.raises(Refusal) as caught:
        await shop.send(table(2))
    assert caught.value.code == "batches.file_known"
    assert str(caught.value.facts["batch_id"]).startswith("bat_")
    assert await shop.moved() == before
    again = await shop.send(table(2), repeat_of=batch.batch_id)
    assert again.batch_id != batch.batch_id
    with pytest.raises(Refusal, match="file_known"):
        await shop.send(table(2), repeat_of=batch.batch_id)


async def test_a_pause_stops_initiating_and_sending(shop: Sender) -> None:
    small = sender(shop.house, check=10, initiate=3)
    batch = await small.started(table(10))
    await small.worker.advance()  # Three payments exist.
    await small.do("pause", batch)
    for _ in range(3):
        assert await small.worker.advance() == 0
        await shop.house.rounds(3)
    assert shop.house.connectors[0].submits == []
    stands = await small.stands(batch)
    by_payment = Counter((one.line, one.payment, one.count) for one in stands.tally)
    assert set(by_payment) == {(LineState.INITIATED, "approved", 3), (LineState.VALID, None, 7)}
    await small.do("resume", batch)
    batch = await small.finished(batch)
    assert batch.successful_count == 10
    assert len(set(shop.house.connectors[0].submits)) == len(shop.house.connectors[0].submits) == 10


async def test_what_comes_home_unpaid_into_a_paused_batch_is_not_sent_again(
    app_db: Database, worker_db: Database, owner_db: Database
) -> None:
    plan = FaultPlan(percent=100, faults=(Fault.ERROR_BEFORE,))
    house = await houses.build(app_db, worker_db, owner_db, plan=plan)
    shop = sender(house)
    batch = await shop.started(table(1))
    await shop.worker.advance()
    await house.rounds()
    await shop.do("pause", batch)
    await house.settle()
    assert len(house.connectors[0].submits) == 1
    (line,) = await shop.lines(batch)
    assert (line.payment_state, line.attempt_state) == ("approved", "not_found_confirmed")
    house.world.plan = FaultPlan()
    await shop.do("resume", batch)
    assert (await shop.finished(batch)).successful_count == 1


async def test_cancel_calls_off_what_has_not_left(shop: Sender) -> None:
    small = sender(shop.house, check=10, initiate=3)
    batch = await small.started(table(8))
    await small.worker.advance()
    await shop.house.rounds()  # Three are paid.
    await small.worker.advance()  # Three more are held.
    await small.do("cancel", batch)
    assert (await shop.house.rounds(2)) == 0
    batch = await small.finished(batch)
    assert (batch.state, batch.successful_count, batch.failed_count) == (BatchState.CANCELLED, 3, 5)
    assert len(shop.house.connectors[0].submits) == 3
    assert await shop.house.balances(WALLET, "float:toy") == [(99_985_000, 99_985_000), (-15_000, -15_000)]
    statuses = [batches.status_of(line) for line in await shop.lines(batch)]
    assert statuses == ["CONFIRMED"] * 3 + ["FAILED"] * 3 + ["CANCELLED"] * 2


async def test_failed_lines_are_tried_again_as_new_payments(shop: Sender) -> None:
    shop.house.world.plan = REFUSING
    batch = await shop.finished(await shop.started(table(3)))
    assert (batch.successful_count, batch.failed_count) == (0, 3)
    assert await shop.house.balances(WALLET, "float:toy") == [(100_000_000, 100_000_000), (0, 0)]
    shop.house.world.plan = FaultPlan()
    await shop.do("retry_failed", batch)
    batch = await shop.finished(batch)
    assert (batch.state, batch.successful_count) == (BatchState.COMPLETED, 3)
    line = (await shop.lines(batch))[1]
    assert (line.tries, line.reference, line.payment_reference) == (1, "R2", "R2-r1")
    assert await refused(shop, "retry_failed", batch) == "batches.nothing_to_retry"
    assert (await shop.house.balances(WALLET))[0] == (99_985_000, 99_985_000)


async def test_refused_lines_are_tried_again_under_their_reference(shop: Sender) -> None:
    shop.house.rules.refusal = None
    batch = await shop.started(table(2))
    shop.house.rules.refusal = payments.PaymentsBusy(retry_after_s=1)
    batch = await shop.finished(batch)
    assert batch.failed_count == 2
    shop.house.rules.refusal = None
    await shop.do("retry_failed", batch)
    batch = await shop.finished(batch)
    assert batch.successful_count == 2
    assert [line.payment_reference for line in await shop.lines(batch)] == ["R1", "R2"]


async def test_a_late_success_is_never_tried_again(shop: Sender) -> None:
    shop.house.world.plan = REFUSING
    batch = await shop.finished(await shop.started(table(1)))
    (line,) = await shop.lines(batch)
    assert line.payment_state == "failed"
    await shop.rows(
        "UPDATE payment_attempt SET state = 'late_success' WHERE payment_id = %s RETURNING 1", line.payment_id
    )
    assert await refused(shop, "retry_failed", batch) == "batches.nothing_to_retry"


async def test_a_late_success_between_the_wish_and_the_try(shop: Sender) -> None:
    shop.house.world.plan = REFUSING
    batch = await shop.finished(await shop.started(table(1)))
    (line,) = await shop.lines(batch)
    await shop.do("retry_failed", batch)
    await shop.rows(
        "UPDATE payment_attempt SET state = 'late_success' WHERE payment_id = %s RETURNING 1", line.payment_id
    )
    batch = await shop.finished(batch)
    (line,) = await shop.lines(batch)
    assert batch.failed_count == 1
    assert batches.reason_of(line) == "payments.wrong_state"
    assert len(shop.house.connectors[0].submits) == 1


async def test_acts_out_of_their_time_are_refused(shop: Sender) -> None:
    batch = await shop.send(table(1))
    for what, given in (
        ("submit", {"actor": "usr_maker", "on_invalid": None}),
        ("approve", {"actor": "usr_checker", "comment": None}),
        ("reject", {"actor": "usr_checker", "comment": "no"}),
        ("pause", {}),
        ("resume", {}),
        ("retry_failed", {}),
    ):
        assert await refused(shop, what, batch, **given) == "batches.wrong_state"
    await shop.do("cancel", batch)
    assert await refused(shop, "cancel", batch) == "batches.wrong_state"


async def test_lines_wait_for_their_day(shop: Sender) -> None:
    content = f"amount_minor,account_number,institution,send_on\n5000,{account(1)},058,2026-03-05\n".encode()
    batch = await shop.started(content, reference="PAY")
    await shop.initiated(batch)
    await shop.house.rounds()
    assert shop.house.connectors[0].submits == []
    shop.clock.at += timedelta(days=3)
    batch = await shop.finished(batch)
    assert batch.successful_count == 1
    assert [line.payment_reference for line in await shop.lines(batch)] == ["PAY-000001"]


@pytest.mark.parametrize(
    ("zone", "begins"),
    [
        ("Africa/Lagos", datetime(2026, 3, 4, 23, tzinfo=UTC)),
        ("Africa/Nairobi", datetime(2026, 3, 4, 21, tzinfo=UTC)),
        ("Africa/Accra", datetime(2026, 3, 5, tzinfo=UTC)),
        ("America/New_York", datetime(2026, 3, 5, 5, tzinfo=UTC)),
    ],
)
async def test_a_day_begins_where_the_organisation_is(
    shop: Sender, owner_db: Database, zone: str, begins: datetime
) -> None:
    house = shop.house
    async with owner_db.tx(house.tenant_id) as tx:
        await tx.connection.execute(
            "UPDATE organisation SET time_zone = %s WHERE tenant_id = %s", [zone, house.tenant_id]
        )
    content = f"amount_minor,account_number,institution,send_on\n5000,{account(1)},058,2026-03-05\n".encode()
    batch = await shop.started(content, reference="PAY")
    await shop.initiated(batch)
    shop.clock.at = begins - timedelta(seconds=1)
    await house.rounds(2)
    assert house.connectors[0].submits == []
    shop.clock.at = begins
    await house.rounds(2)
    assert len(house.connectors[0].submits) == 1


async def test_a_day_that_has_begun_is_now(shop: Sender) -> None:
    """At 23:30 UTC on the 4th it is the 5th in Lagos already."""
    shop.clock.at = datetime(2026, 3, 4, 23, 30, tzinfo=UTC)
    content = f"amount_minor,account_number,institution,send_on\n5000,{account(1)},058,2026-03-05\n".encode()
    await shop.initiated(await shop.started(content, reference="PAY"))
    await shop.house.rounds(2)
    assert len(shop.house.connectors[0].submits) == 1


async def test_organisations_do_not_see_each_other(
    shop: Sender, app_db: Database, worker_db: Database, owner_db: Database
) -> None:
    batch = await shop.checked(table(2))
    stranger = sender(await houses.build(app_db, worker_db, owner_db))
    for what, given in (("submit", {"actor": "usr_maker", "on_invalid": None}), ("cancel", {}), ("pause", {})):
        with pytest.raises(Refusal) as caught:
            await stranger.do(what, batch, **given)
        assert caught.value.code == "batches.not_found"
    other = await stranger.checked(table(2))  # The same file is another organisation's own.
    assert other.valid_count == 2
    assert [line.state for line in await shop.lines(batch)] == [LineState.VALID] * 2


async def test_a_branch_sees_its_own_batches_only(shop: Sender) -> None:
    batch = await shop.checked(table(1))
    async with shop.house.db.tx(shop.house.tenant_id, branches=[shop.house.tenant_id]) as tx:
        with pytest.raises(Refusal, match="no such batch"):
            await batches.find_batch(tx, batch.batch_id, now=shop.clock.now())
        with pytest.raises(Refusal, match="no such batch"):
            await batches.cancel(tx, batch.batch_id, now=shop.clock.now(), meta=META)

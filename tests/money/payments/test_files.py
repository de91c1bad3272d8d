"""Payments by file: sessions, one transaction for file and attempts, doubt, and answers that move exactly the right
payments. The bank is the sandbox's, on the other side of a folder; the books are real."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from omniroute.infra.postgres import Database
from omniroute.money.payments import PaymentType
from omniroute.sandbox.bank_files import Said, read_orders, write_report
from omniroute.sandbox.faults import Fault
from tests.money.payments import filing as filings
from tests.money.payments.house import WALLET

FULL = 1_000_000_00


async def test_payments_wait_for_the_session_and_are_paid_when_the_bank_says_so(
    app_db: Database, worker_db: Database, owner_db: Database, tmp_path: Path
) -> None:
    filing = await filings.build(app_db, worker_db, owner_db, tmp_path)
    house = filing.house
    made = await house.initiated(filing.order(), filing.order(7_00), filing.order(1))
    await filing.work()
    assert await filing.files() == []
    assert await filing.stands(made) == ["approved"] * 3  # Still to be cancelled by anybody.
    first = await house.now_stands(made[0])
    assert first.send_after == datetime(2026, 3, 2, 11, 45, tzinfo=UTC)  # A quarter of an hour before 13:00 in Lagos.

    await filing.pass_time(hours=2, minutes=45)
    (file,) = await filing.files()
    assert (file.state, file.order_count, file.amount.amount_minor) == ("delivered", 3, 5_701)
    assert await filing.attempt_states(made) == ["pending"] * 3
    assert await house.balances(WALLET, "float:neft") == [(FULL, FULL - 5_701), (0, -5_701)]

    await filing.pass_time(hours=2)
    assert await filing.stands(made) == ["succeeded"] * 3
    assert await house.balances(WALLET, "float:neft") == [(FULL - 5_701,) * 2, (-5_701,) * 2]
    ((answered),) = await filing.files()
    assert answered.answer_code == "ACSC"
    assert -sum(move.amount_minor for move in house.world.movements) == 5_701


async def test_each_level_of_refusal_moves_exactly_its_own_payments(
    app_db: Database, worker_db: Database, owner_db: Database, tmp_path: Path
) -> None:
    filing = await filings.build(app_db, worker_db, owner_db, tmp_path)
    house = filing.house
    salaries = await house.initiated(*[filing.order(100, type=PaymentType.WORKER_PAYOUT) for _ in range(2)])
    refunds = await house.initiated(*[filing.order(1_000, type=PaymentType.CUSTOMER_REFUND) for _ in range(3)])
    await filing.sender.send_now(house.tenant_id, filing.connection_id)
    await filing.sender.deliver()
    (view,) = await filing.files()
    file = read_orders(await filing.content(view))
    by_category = {order.category: order.block for order in file.orders}
    mine = {attempt.our_ref: payment for payment in refunds for attempt in await house.attempts(payment)}
    orders = [order for order in file.orders if order.end_to_end in mine]

    # The block of salaries is refused, one refund too; one is paid; of the third nothing is said but "accepted".
    report = write_report(
        file,
        "R1",
        house.clock.at,
        group=Said("PART"),
        blocks=[(by_category["SALA"], Said("RJCT", "AG03"))],
        orders=[(orders[0], Said("RJCT", "AC04")), (orders[1], Said("ACSC"))],
    )
    told = await filing.hear(report)
    assert told == {"state": "processed", "told": [{"file": view.message_id, "orders": 5, "changed": 4}]}
    assert await filing.stands(salaries) == ["failed"] * 2
    states = {order.end_to_end: (await house.now_stands(mine[order.end_to_end])).state for order in orders}
    assert [states[order.end_to_end] for order in orders] == ["failed", "succeeded", "executing"]
    (attempt,) = await house.attempts(mine[orders[0].end_to_end])
    assert (attempt.code, attempt.code_class) == ("AC04", "hard_decline")
    assert await house.balances(WALLET, "float:neft") == [(FULL - 1_000, FULL - 2_000), (-1_000, -2_000)]

    # The same again, and an older word after it, change nothing.
    await filing.hear(report, "again.xml")
    await filing.hear(write_report(file, "R0", house.clock.at, group=Said("ACCP")), "older.xml")
    assert await house.balances(WALLET, "float:neft") == [(FULL - 1_000, FULL - 2_000), (-1_000, -2_000)]
    assert await filing.attempt_states(salaries) == ["declined"] * 2


async def test_a_refused_file_refuses_every_payment_in_it_and_no_other(
    app_db: Database, worker_db: Database, owner_db: Database, tmp_path: Path
) -> None:
    filing = await filings.build(app_db, worker_db, owner_db, tmp_path)
    house = filing.house
    first = await house.initiated(filing.order(), filing.order())
    await filing.sender.send_now(house.tenant_id, filing.connection_id)
    second = await house.initiated(filing.order())
    await filing.sender.send_now(house.tenant_id, filing.connection_id)
    await filing.sender.deliver()
    files = {view.order_count: view for view in await filing.files()}
    file = read_orders(await filing.content(files[2]))
    await filing.hear(write_report(file, "R1", house.clock.at, group=Said("RJCT", "NARR")))
    assert await filing.stands(first) == ["failed", "failed"]
    assert await filing.stands(second) == ["executing"]
    assert await house.balances(WALLET) == [(FULL, FULL - 5_000)]


async def test_a_refusal_as_duplicate_refuses_nothing(
    app_db: Database, worker_db: Database, owner_db: Database, tmp_path: Path
) -> None:
    filing = await filings.build(app_db, worker_db, owner_db, tmp_path)
    house = filing.house
    made = await house.initiated(filing.order(), filing.order())
    await filing.sender.send_now(house.tenant_id, filing.connection_id)
    await filing.sender.deliver()
    await filing.folder.look()
    (view,) = await filing.files()
    content = await filing.content(view)
    await filing.bank.receive(content, filing.folder.put)  # Somebody on the way sent it a second time.
    await filing.pass_time(hours=2)
    assert await filing.stands(made) == ["succeeded"] * 2
    assert len(house.world.movements) == 2
    assert await house.balances(WALLET) == [(FULL - 10_000,) * 2]


async def test_a_wrong_control_sum_moves_nothing(
    app_db: Database, worker_db: Database, owner_db: Database, tmp_path: Path
) -> None:
    filing = await filings.build(app_db, worker_db, owner_db, tmp_path)
    house = filing.house
    made = await house.initiated(filing.order(), filing.order())
    await filing.sender.send_now(house.tenant_id, filing.connection_id)
    await filing.sender.deliver()
    (path,) = filing.folder.outbox.iterdir()
    path.write_bytes(path.read_bytes().replace(b"<CtrlSum>100.00", b"<CtrlSum>100.01", 1))  # Damaged on the way.
    await filing.pass_time(minutes=2, step=timedelta(minutes=1))
    assert house.world.transfers() == []
    assert await filing.attempt_states(made) == ["declined"] * 2
    assert await filing.stands(made) == ["failed", "failed"]
    assert await house.balances(WALLET) == [(FULL, FULL)]


@pytest.mark.parametrize("fault", [Fault.LOST_REQUEST, Fault.LOST_CALLBACK])
async def test_a_lost_file_or_answer_ends_with_a_person_or_the_statement(
    app_db: Database, worker_db: Database, owner_db: Database, tmp_path: Path, fault: Fault
) -> None:
    filing = await filings.build(app_db, worker_db, owner_db, tmp_path)
    house = filing.house
    filing.folder.faults.append(fault)
    made = await house.initiated(filing.order(), filing.order())
    await filing.pass_time(hours=5)
    assert await filing.attempt_states(made) == ["pending"] * 2
    assert await house.balances(WALLET) == [(FULL, FULL - 10_000)]
    if fault is Fault.LOST_CALLBACK:
        await filing.folder.put("camt053.xml", filing.bank.statement(house.clock.at.date()))
        await filing.pass_time(minutes=15)
        assert await filing.stands(made) == ["succeeded"] * 2
        assert await house.balances(WALLET) == [(FULL - 10_000,) * 2]
        return
    await filing.pass_time(days=6, step=timedelta(hours=4))
    assert await filing.stands(made) == ["needs_review"] * 2  # Never sent again by itself.
    assert len(await filing.files()) == 1
    assert await house.balances(WALLET) == [(FULL, FULL - 10_000)]


async def test_refused_then_paid_goes_to_suspense(
    app_db: Database, worker_db: Database, owner_db: Database, tmp_path: Path
) -> None:
    filing = await filings.build(app_db, worker_db, owner_db, tmp_path)
    house = filing.house
    late = next(f"{901 + i}" for i, fault in enumerate(list(Fault)[1:]) if fault is Fault.LATE_SUCCESS)
    made = await house.initiated(filing.order(payee=f"200000{late}7"), filing.order())
    await filing.pass_time(hours=6)
    assert await filing.stands(made) == ["failed", "succeeded"]
    await filing.pass_time(days=3, step=timedelta(hours=2))
    assert await filing.attempt_states(made) == ["late_success", "succeeded"]
    assert await house.balances(WALLET, "float:neft", "payments:suspense:NGN") == [
        (FULL - 5_000,) * 2,
        (-10_000,) * 2,
        (5_000,) * 2,
    ]
    assert -sum(move.amount_minor for move in house.world.movements) == 10_000


async def test_another_amount_waits_for_a_person_and_a_reversal_gives_back(
    app_db: Database, worker_db: Database, owner_db: Database, tmp_path: Path
) -> None:
    filing = await filings.build(app_db, worker_db, owner_db, tmp_path)
    house = filing.house
    magic = {fault: f"200000{901 + i}7" for i, fault in enumerate(list(Fault)[1:])}
    wrong, given_back = await house.initiated(
        filing.order(payee=magic[Fault.WRONG_AMOUNT]), filing.order(payee=magic[Fault.REVERSED_LATER])
    )
    await filing.pass_time(hours=6)
    assert await filing.stands([wrong, given_back]) == ["needs_review", "succeeded"]
    assert await house.balances(WALLET) == [(FULL - 5_000, FULL - 10_000)]
    await filing.pass_time(days=2, step=timedelta(hours=6))
    for day in range(2, 5):
        await filing.folder.put(f"camt-{day}.xml", filing.bank.statement(datetime(2026, 3, day, tzinfo=UTC).date()))
    await filing.pass_time(minutes=30)
    assert (await filing.stands([given_back])) == ["reversed"]
    # The line of the statement has the amount that was ordered: so what waited is paid, too.
    assert (await filing.stands([wrong])) == ["succeeded"]
    assert await house.balances(WALLET, "float:neft") == [(FULL - 5_000,) * 2, (-5_000,) * 2]


async def test_one_order_a_message_while_the_window_is_open(
    app_db: Database, worker_db: Database, owner_db: Database, tmp_path: Path
) -> None:
    filing = await filings.build(app_db, worker_db, owner_db, tmp_path, rail="rtgs", takes=timedelta(minutes=2))
    house = filing.house
    made = await house.initiated(*[filing.order(20_000_00) for _ in range(3)])
    await filing.work()
    assert [file.order_count for file in await filing.files()] == [1, 1, 1]
    await filing.pass_time(minutes=10, step=timedelta(minutes=1))
    assert await filing.stands(made) == ["succeeded"] * 3
    house.clock.at = datetime(2026, 3, 2, 17, tzinfo=UTC)
    late = await house.initiated(filing.order())
    await filing.work()
    assert (await house.now_stands(late[0])).send_after == datetime(2026, 3, 3, 8, tzinfo=UTC)
    assert len(await filing.files()) == 3

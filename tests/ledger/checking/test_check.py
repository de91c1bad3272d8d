"""The checker: silent on sound books, and it names what was planted and where. Replay gives the same fingerprint."""

from datetime import UTC, date, datetime, timedelta

import psycopg
import pytest

from omniroute import ledger
from omniroute.infra.events import Meta
from omniroute.infra.postgres import Database
from omniroute.kit.clock import FixedClock
from omniroute.kit.ids import show
from omniroute.ledger import checking, folding, periods
from tests.ledger.makers import Books, make_ledger, ngn

META = Meta(actor="usr_test")
DAY = date(2026, 3, 10)
AT = datetime(2026, 3, 10, 9, tzinfo=UTC)


async def _books(app_db: Database, worker_db: Database) -> Books:
    """Every kind of transaction, some folded and some not, a sealed period and two snapshots."""
    books = await make_ledger(app_db)
    at = AT

    async def one(command: ledger.Command) -> ledger.Transaction:
        nonlocal at
        at += timedelta(hours=7)
        return (await books.posted(command, at=at))[0]

    first = await one(books.transfer("cash", "ada", ngn(10_000), value_on=DAY, reference="first", key="k1"))
    await one(books.transfer("float", "fees", ngn(70), value_on=DAY))
    hold = await one(books.hold("ada", "ben", ngn(1_000), value_on=DAY))
    await one(ledger.capture_hold(hold.transaction_id, value_on=DAY, amount_minor=300))
    await folding.fold(worker_db)
    await folding.snapshot(worker_db, clock=FixedClock(AT + timedelta(days=1)))
    left = await one(books.hold("ada", "fees", ngn(40), value_on=DAY))
    assert left.entries[0].held
    void = await one(books.hold("ada", "eve", ngn(15), value_on=DAY))
    await one(ledger.void_hold(void.transaction_id, value_on=DAY))
    await one(ledger.reverse_transaction(first.transaction_id, value_on=DAY, amount_minor=500))
    await folding.snapshot(worker_db, clock=FixedClock(AT + timedelta(days=3)))
    async with app_db.tx(books.tenant_id) as tx:
        month = (await periods.create_months(tx, first=DAY, months=1, now=AT, meta=META))[0]
        await periods.close(tx, month.period_id, meta=META)
        await periods.seal(tx, month.period_id, meta=META)
    await one(books.transfer("float", "ada", ngn(5), value_on=date(2026, 4, 2)))
    await one(books.transfer("cash", "ben", ngn(6), value_on=date(2026, 4, 2)))
    return books


async def _found(worker_db: Database, books: Books) -> list[tuple[str, str]]:
    return [(f.what, f.where) async for f in checking.check(worker_db, books.tenant_id)]


async def test_sound_books_are_passed_and_replay_to_the_same_state(app_db: Database, worker_db: Database) -> None:
    books = await _books(app_db, worker_db)
    assert await _found(worker_db, books) == []
    for at in (None, AT, AT + timedelta(hours=20), AT + timedelta(days=2)):
        async with worker_db.tx(books.tenant_id, readonly=True) as tx:
            state = await checking.state_hash(tx, at=at)
        rebuilt = await checking.replay(worker_db, books.tenant_id, at=at)
        assert rebuilt.state_hash == state
    assert rebuilt.transaction_count == 6
    await folding.fold_tenant(worker_db, books.tenant_id)
    async with worker_db.tx(books.tenant_id, readonly=True) as tx:
        assert await checking.state_hash(tx) == (await checking.replay(worker_db, books.tenant_id)).state_hash
    assert await _found(worker_db, books) == []
    assert [f async for f in checking.check(worker_db)] == []


PLANTED = {
    "an entry's amount": (
        "UPDATE ledger_entry SET amount_minor = amount_minor + 1 WHERE MINE AND account_id = %(ada)s AND version = 1",
        {"transaction_unbalanced", "balance_differs", "chain_broken", "day_differs", "snapshot_differs"},
        ("chain_broken", "account {ada} version 1"),
    ),
    "an entry's balance": (
        "UPDATE ledger_entry SET balance_after = balance_after + 1 WHERE MINE AND account_id = %(ada)s AND version = 2",
        {"chain_broken"},
        ("chain_broken", "account {ada} version 2"),
    ),
    "what is pending after an entry": (
        "UPDATE ledger_entry SET pending_debit_after = pending_debit_after + 1"
        " WHERE MINE AND account_id = %(ada)s AND version = 3",
        {"chain_broken"},
        ("chain_broken", "account {ada} version 3"),
    ),
    "a counter": (
        "UPDATE ledger_balance SET posted_debit = posted_debit + 1 WHERE MINE AND account_id = %(cash)s",
        {"currency_not_conserved", "balance_differs"},
        ("balance_differs", "account {cash}"),
    ),
    "a folded counter": (
        "UPDATE ledger_balance SET posted_debit = posted_debit + 1 WHERE MINE AND account_id = %(float)s",
        {"currency_not_conserved", "balance_differs"},
        ("balance_differs", "account {float}"),
    ),
    "a lost increment": (
        "DELETE FROM ledger_delta WHERE MINE AND account_id = %(float)s",
        {"currency_not_conserved", "balance_differs", "day_differs"},
        ("day_differs", "account {float} on 2026-04-02"),
    ),
    "a version": (
        "UPDATE ledger_entry SET version = 99 WHERE MINE AND account_id = %(ben)s AND value_on = '2026-04-02'",
        {"version_gap"},
        ("version_gap", "account {ben} version 99"),
    ),
    "an entry that is gone": (
        "DELETE FROM ledger_entry WHERE MINE AND account_id = %(fees)s AND layer = 'p'",
        {"transaction_unbalanced", "transaction_incomplete", "balance_differs", "day_differs", "snapshot_differs"},
        ("day_differs", "account {fees} on 2026-03-10"),
    ),
    "a currency": (
        "UPDATE ledger_balance SET currency = 'KES' WHERE MINE AND account_id = %(open)s",
        {"account_copy_differs"},
        ("account_copy_differs", "account {open}"),
    ),
    "a value date": (
        "UPDATE ledger_txn SET value_on = '2026-03-11' WHERE MINE AND reference = 'first'",
        {"entry_copy_differs"},
        ("entry_copy_differs", "entry {first} leg 1"),
    ),
    "a day": (
        "UPDATE ledger_balance_day SET credit_minor = credit_minor + 1"
        " WHERE MINE AND account_id = %(ada)s AND value_on = '2026-03-10'",
        {"day_differs", "period_turnover_differs"},
        ("day_differs", "account {ada} on 2026-03-10"),
    ),
    "a mark": (
        "UPDATE ledger_fold SET version = 1000 WHERE MINE AND account_id = %(eve)s",
        {"fold_ahead"},
        ("fold_ahead", "account {eve}"),
    ),
    "a snapshot": (
        "UPDATE ledger_snapshot SET posted_debit = posted_debit + 1 WHERE MINE AND account_id = %(float)s",
        {"snapshot_differs"},
        ("snapshot_differs", "account {float} on 2026-03-10"),
    ),
    "a sealed turnover": (
        "UPDATE ledger_period_turnover SET debit_minor = debit_minor + 1 WHERE MINE AND account_id = %(cash)s",
        {"period_turnover_differs", "seal_differs"},
        ("period_turnover_differs", "period 2026-03 account {cash}"),
    ),
    "a seal": (
        "UPDATE ledger_period SET state_hash = sha256('x') WHERE MINE",
        {"seal_differs"},
        ("seal_differs", "period 2026-03"),
    ),
    "an entry after the close": (
        "UPDATE ledger_period_closing SET closed_at = '2026-03-10 16:00Z' WHERE MINE",
        {"period_entry_late"},
        None,
    ),
    "a capture's total": (
        "UPDATE ledger_hold_leg SET captured_minor = captured_minor + 1"
        " WHERE MINE AND captured_minor = 300 AND leg = 1",
        {"hold_leg_differs", "pending_differs"},
        ("pending_differs", "account {ada}"),
    ),
    "a hold's status": (
        "UPDATE ledger_hold SET status = 'c' WHERE MINE AND status = 'o'",
        {"hold_status_differs"},
        None,
    ),
    "a reversal's total": (
        "UPDATE ledger_reversal_leg SET reversed_minor = reversed_minor - 1 WHERE MINE AND leg = 2",
        {"reversal_differs"},
        ("reversal_differs", "transaction {first} account {ada}"),
    ),
    "a key": (
        "UPDATE ledger_claim SET txn_id = claim_id WHERE MINE AND kind = 'k'",
        {"claim_dangling"},
        None,
    ),
    "a reference": (
        "DELETE FROM ledger_claim WHERE MINE AND kind = 'r'",
        {"reference_unclaimed"},
        ("reference_unclaimed", "transaction {first}"),
    ),
    "an event that is gone": (
        "DELETE FROM event_log WHERE MINE AND subject = %(first)s",
        {"event_missing"},
        ("event_missing", "transaction {first}"),
    ),
    "an event's subject": (
        "UPDATE event_log SET subject = gen_random_uuid() WHERE MINE AND type = 'ledger.transaction.voided'",
        {"event_surplus"},
        None,
    ),
    "a transaction that is gone": (
        "DELETE FROM ledger_txn WHERE MINE AND reference = 'first'",
        {"entry_orphaned", "claim_dangling", "event_surplus"},
        ("entry_orphaned", "entry {first} leg 2"),
    ),
}


@pytest.mark.parametrize("planted", PLANTED)
async def test_what_was_planted_is_named(
    planted: str, app_db: Database, worker_db: Database, database_url: str
) -> None:
    statement, whats, named = PLANTED[planted]
    books = await _books(app_db, worker_db)
    async with app_db.tx(books.tenant_id) as tx:
        first = (await ledger.find_by_reference(tx, "first")).transaction_id
    codes = ("ada", "ben", "eve", "cash", "float", "fees", "open")
    async with await psycopg.AsyncConnection.connect(database_url) as admin:
        await admin.execute("SET search_path = omniroute")
        await admin.execute("SET session_replication_role = replica")
        if planted == "an event's subject":
            whats = whats | {"event_missing"}
        done = await admin.execute(
            statement.replace("MINE", "tenant_id = %(t)s").encode(),
            {"t": books.tenant_id, "first": first} | {code: books.id(code) for code in codes},
        )
        assert done.rowcount >= 1
    found = await _found(worker_db, books)
    assert {what for what, _ in found} == whats
    if named is not None:
        ids = {code: show("acc", books.id(code)) for code in codes} | {"first": show("txn", first)}
        assert (named[0], named[1].format(**ids)) in found


async def test_a_limit_is_checked_even_without_its_constraint(
    app_db: Database, worker_db: Database, database_url: str
) -> None:
    books = await _books(app_db, worker_db)
    async with await psycopg.AsyncConnection.connect(database_url) as admin:
        await admin.execute("SET search_path = omniroute")
        await admin.execute("ALTER TABLE ledger_balance DROP CONSTRAINT ledger_balance_floor_ck")
        await admin.execute(
            "UPDATE ledger_balance SET floor_minor = 1000000 WHERE tenant_id = %s AND account_id = %s",
            [books.tenant_id, books.id("ada")],
        )
    assert await _found(worker_db, books) == [("limit_passed", f"account {show('acc', books.id('ada'))}")]

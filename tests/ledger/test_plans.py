"""Every statement inside posting finds its rows by an index, and so does the reading of a balance."""

import psycopg
import pytest
from psycopg import AsyncConnection
from psycopg.rows import namedtuple_row

from omniroute import ledger
from omniroute.infra.postgres import Database, Tx, load
from tests.ledger.makers import TODAY, Books, make_ledger, ngn, only

SQL = load("omniroute.ledger")


@pytest.fixture
async def books(app_db: Database) -> Books:
    """A tenant of its own."""
    return await make_ledger(app_db)


async def _plans(database_url: str, books: Books, commands: list[ledger.Command]) -> list[str]:
    """The plan of each statement that booking these commands runs, functions and triggers included."""
    plans: list[str] = []
    async with await AsyncConnection.connect(
        database_url, autocommit=True, options="-c search_path=omniroute", row_factory=namedtuple_row
    ) as connection:
        try:
            await connection.execute("LOAD 'auto_explain'")
        except psycopg.errors.UndefinedFile:
            pytest.skip("this PostgreSQL has no auto_explain")
        for name, value in (
            ("auto_explain.log_min_duration", "0"),
            ("auto_explain.log_nested_statements", "on"),
            ("auto_explain.log_level", "notice"),
            ("client_min_messages", "notice"),
        ):
            await connection.execute("SELECT set_config(%s, %s, false)", [name, value])
        connection.add_notice_handler(lambda notice: plans.append(notice.message_primary or ""))
        await ledger.post(Tx(connection, books.tenant_id), commands, today=TODAY)
    return plans


async def test_posting_uses_indexes_only(books: Books, database_url: str) -> None:
    hold = only(await books.post(books.hold("cash", "ada", ngn(50), key="h", reference="h"))).transaction_id
    paid = only(await books.post(books.transfer("cash", "ada", ngn(50)))).transaction_id
    commands = [
        books.transfer("cash", "ada", ngn(1), key="k", reference="r"),
        books.transfer("cash", "fees", ngn(1), key="h"),
        books.transfer("cash", "ada", ngn(1), reference="h"),
        ledger.capture_hold(hold, amount_minor=10),
        ledger.reverse_transaction(paid, amount_minor=1),
        ledger.void_hold(hold),
    ]

    plans = await _plans(database_url, books, commands)

    text = "\n".join(plans)
    for index in (
        "ledger_balance_pk",
        "ledger_claim_key_pk",
        "ledger_claim_reference_pk",
        "ledger_hold_pk",
        "ledger_hold_leg_pk",
        "ledger_txn_pk",
        "ledger_entry_pk",
        "ledger_reversal_leg_pk",
    ):
        assert f"using {index}" in text or f"on {index}" in text, index
    assert "Seq Scan on ledger_" not in text
    # The lock comes before the write, in the order of the accounts.
    locking = [i for i, plan in enumerate(plans) if "LockRows" in plan and "ledger_balance" in plan]
    writing = [i for i, plan in enumerate(plans) if "Update on ledger_balance" in plan]
    assert locking
    assert writing
    assert max(locking) < min(writing)
    for i in locking:
        below = plans[i].split("LockRows")[1].splitlines()[1]
        assert "Sort " in below or "Index Scan using ledger_balance_pk" in below, plans[i]
        assert "Sort Key" not in plans[i] or "account_id" in plans[i].split("Sort Key")[1].splitlines()[0], plans[i]


async def test_a_balance_is_read_by_its_key(books: Books) -> None:
    async with books.db.tx(books.tenant_id) as tx:
        await tx.connection.execute("SET LOCAL enable_seqscan = off")
        cursor = await tx.connection.execute(
            b"EXPLAIN " + bytes(SQL.find_balances.text),
            {"tenant": books.tenant_id, "accounts": [books.id("ada")]},
        )
        plan = "\n".join([row[0] for row in await cursor.fetchall()])
    assert "using ledger_balance_pk" in plan or "on ledger_balance_pk" in plan
    assert "ledger_delta_pk" in plan
    assert "Seq Scan" not in plan

"""The ledger's own rows are sealed with their events: any changed byte of a transaction or an entry is named."""

from uuid import UUID

import psycopg
import pytest

from omniroute.infra.events import ChainBuilder, Cursor, Damage, Finding, read, verify
from omniroute.infra.postgres import Database
from tests.ledger.makers import Books, make_ledger, ngn

TXN = {
    "kind": "'h'",
    "value_on": "value_on + 1",
    "original_on": "value_on",
    "booked_at": "booked_at + interval '1 microsecond'",
    "source_id": "txn_id",
    "linked_id": "txn_id",
    "reference": "'other'",
    "meta": """'{"a": 2}'""",
}
ENTRY = {
    "account_id": "txn_id",
    "amount_minor": "amount_minor + 1",
    "balance_after": "balance_after + 1",
    "pending_debit_after": "1",
    "pending_credit_after": "1",
    "version": "version + 100",
    "booked_at": "booked_at + interval '1 microsecond'",
    "value_on": "value_on + 1",
    "side": "CASE side WHEN 'd' THEN 'c' ELSE 'd' END::\"char\"",
    "layer": "'h'",
    "currency": "'KES'",
}


@pytest.fixture(scope="module")
async def books(app_db: Database, worker_db: Database) -> Books:
    books = await make_ledger(app_db)
    for amount in (100, 200, 300):
        await books.posted(books.transfer("cash", "ada", ngn(amount), metadata={"a": amount}))
    await ChainBuilder().run_once(worker_db)
    return books


async def second_transaction(books: Books) -> UUID:
    async with books.db.tx(books.tenant_id) as tx:
        events, _ = await read(tx, Cursor(), limit=100, types=["ledger.transaction.posted"])
    assert [event.data["entries"][0]["amount_minor"] for event in events] == [100, 200, 300]
    return events[1].subject


async def findings(db: Database, books: Books) -> list[Finding]:
    return [finding async for finding in verify(db, books.tenant_id)]


@pytest.mark.parametrize(("table", "column"), [("ledger_txn", c) for c in TXN] + [("ledger_entry", c) for c in ENTRY])
async def test_a_changed_column_is_named_and_put_back_is_whole(
    worker_db: Database, books: Books, intruder: psycopg.AsyncConnection[tuple[object, ...]], table: str, column: str
) -> None:
    assert await findings(worker_db, books) == []
    txn_id = await second_transaction(books)
    value = TXN[column] if table == "ledger_txn" else ENTRY[column]
    where = f"txn_id = '{txn_id}'" + ("" if table == "ledger_txn" else " AND leg = 2")
    await intruder.execute(f"CREATE TEMP TABLE before AS SELECT {column} AS was FROM {table} WHERE {where}".encode())
    for check in ("ledger_txn_source_ck", "ledger_txn_kind_ck", "ledger_entry_amount_ck"):
        owner = "ledger_txn" if check.startswith("ledger_txn") else "ledger_entry"
        await intruder.execute(f"ALTER TABLE {owner} DROP CONSTRAINT IF EXISTS {check}".encode())
    await intruder.execute(f"UPDATE {table} SET {column} = {value} WHERE {where}".encode())
    (found,) = await findings(worker_db, books)
    assert (found.damage, found.table, found.event_id) == (Damage.CHANGED, table, txn_id)
    assert found.key == str(txn_id) + ("" if table == "ledger_txn" else " leg 2")
    await intruder.execute(f"UPDATE {table} SET {column} = (SELECT was FROM before) WHERE {where}".encode())
    assert await findings(worker_db, books) == []


async def test_a_deleted_entry_is_missed(
    worker_db: Database, books: Books, intruder: psycopg.AsyncConnection[tuple[object, ...]]
) -> None:
    txn_id = await second_transaction(books)
    await intruder.execute(b"DELETE FROM ledger_entry WHERE txn_id = %s AND leg = 1", [txn_id])
    (found,) = await findings(worker_db, books)
    assert (found.damage, found.table, found.key, found.event_id) == (Damage.MISSING, "evidence", "row=2", txn_id)
    assert found.detail == f"of 3; left: ledger_txn {txn_id}, ledger_entry {txn_id} leg 2"

"""Row by row and table by table: what one organisation, or one branch, cannot see, count, guess or move of another's.

Generated over every table that has a tenant, so that a table added tomorrow is covered tomorrow.
"""

from dataclasses import dataclass
from datetime import UTC, date, datetime
from uuid import UUID

import psycopg
import pytest
from psycopg import sql

from omniroute import ledger
from omniroute.infra.events import Meta
from omniroute.infra.postgres import Database
from omniroute.kit.ids import uuid7
from omniroute.kit.money import Money

TODAY = date(2026, 3, 2)
NOW = datetime(2026, 3, 2, 9, tzinfo=UTC)
WRITTEN_BY_THE_LEDGER = {
    "ledger_account", "ledger_balance", "ledger_delta", "ledger_txn", "ledger_entry", "ledger_hold", "ledger_hold_leg",
    "ledger_reversal_leg", "ledger_claim", "event_log",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Books:
    """An organisation with two branches, an account in each, and something in every table of the ledger."""

    tenant_id: UUID
    north: UUID
    south: UUID
    posting: UUID
    hold: UUID


def _leg(tenant_id: UUID, code: str, side: ledger.Side, amount: int) -> ledger.Leg:
    return ledger.Leg(ledger.account_id(tenant_id, code), side, Money(amount, "NGN"), code)


def _transfer(tenant_id: UUID, source: str, target: str, amount: int, *, key: str | None = None) -> ledger.Command:
    legs = [_leg(tenant_id, source, ledger.Side.DEBIT, amount), _leg(tenant_id, target, ledger.Side.CREDIT, amount)]
    return ledger.post_transaction(legs, value_on=TODAY, key=key)


async def _make_books(db: Database) -> Books:
    tenant_id, north, south = uuid7(), uuid7(), uuid7()
    async with db.tx(tenant_id) as tx:
        for code, branch in (("north", north), ("south", south), ("head", None)):
            account = ledger.OpenAccount(code, code, ledger.AccountType.LIABILITY, "NGN", branch_id=branch)
            await ledger.open_account(tx, account, now=NOW, meta=Meta())
        fees = ledger.OpenAccount("fees", "fees", ledger.AccountType.INCOME, "NGN", mode=ledger.Mode.DEFERRED)
        await ledger.open_account(tx, fees, now=NOW, meta=Meta())
    legs = [_leg(tenant_id, "south", ledger.Side.DEBIT, 5), _leg(tenant_id, "head", ledger.Side.CREDIT, 5)]
    async with db.tx(tenant_id) as tx:
        outcomes = await ledger.post(
            tx,
            [
                _transfer(tenant_id, "north", "south", 100, key="one"),
                _transfer(tenant_id, "south", "fees", 1),
                ledger.place_hold(legs, value_on=TODAY),
            ],
            today=TODAY,
        )
    made = [outcome.transaction.transaction_id for outcome in outcomes if isinstance(outcome, ledger.Posted)]
    async with db.tx(tenant_id) as tx:
        await ledger.post_one(tx, ledger.reverse_transaction(made[1], value_on=TODAY), today=TODAY)
    return Books(tenant_id, north, south, made[0], made[2])


@pytest.fixture(scope="module")
async def ours(app_db: Database) -> Books:
    return await _make_books(app_db)


@pytest.fixture(scope="module")
async def theirs(app_db: Database) -> Books:
    return await _make_books(app_db)


async def _tenant_tables(owner_db: Database) -> list[str]:
    async with owner_db.connection() as connection:
        cursor = await connection.execute(
            "SELECT c.relname FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attname = 'tenant_id'"
            " WHERE c.relnamespace = 'omniroute'::regnamespace AND c.relkind IN ('r', 'p') ORDER BY 1"
        )
        return [row.relname for row in await cursor.fetchall()]


async def _count(db: Database, table: str, tenant_id: UUID) -> int:
    async with db.connection() as connection:
        query = sql.SQL("SELECT count(*) FROM {} WHERE tenant_id = %s").format(sql.Identifier(table))
        row = await (await connection.execute(query, (tenant_id,))).fetchone()
        assert row is not None
        return int(row[0])


async def test_no_table_shows_or_gives_away_another_organisations_rows(
    app_db: Database, owner_db: Database, ours: Books, theirs: Books
) -> None:
    tables = await _tenant_tables(owner_db)
    assert set(tables) >= WRITTEN_BY_THE_LEDGER
    for table in tables:
        before = await _count(owner_db, table, theirs.tenant_id)
        assert before > 0 or table not in WRITTEN_BY_THE_LEDGER, f"{table} holds nothing to hide"
        name = sql.Identifier(table)
        attempts = [
            sql.SQL("SELECT count(*) FROM {} WHERE tenant_id = %(theirs)s").format(name),
            sql.SQL("WITH x AS (UPDATE {} SET tenant_id = %(ours)s WHERE tenant_id = %(theirs)s RETURNING 1)"
                    " SELECT count(*) FROM x").format(name),
            sql.SQL("WITH x AS (DELETE FROM {} WHERE tenant_id = %(theirs)s RETURNING 1)"
                    " SELECT count(*) FROM x").format(name),
            sql.SQL("SELECT count(*) FROM (SELECT FROM {} WHERE tenant_id = %(theirs)s FOR UPDATE) x").format(name),
        ]  # fmt: skip
        for attempt in attempts:
            try:
                async with app_db.tx(ours.tenant_id) as tx:
                    params = {"ours": ours.tenant_id, "theirs": theirs.tenant_id}
                    row = await (await tx.connection.execute(attempt, params)).fetchone()
                    assert row is not None
                    assert row[0] == 0, f"{table}: {attempt.as_string(None)}"
            except psycopg.errors.InsufficientPrivilege:
                continue
        assert await _count(owner_db, table, theirs.tenant_id) == before, table


async def test_another_organisations_accounts_cannot_be_moved_or_changed(
    app_db: Database, owner_db: Database, ours: Books, theirs: Books
) -> None:
    before = await _count(owner_db, "ledger_entry", theirs.tenant_id)
    stranger = _leg(theirs.tenant_id, "north", ledger.Side.CREDIT, 1)
    command = ledger.post_transaction([_leg(ours.tenant_id, "north", ledger.Side.DEBIT, 1), stranger], value_on=TODAY)
    async with app_db.tx(ours.tenant_id) as tx:
        outcomes = await ledger.post(
            tx,
            [
                command,
                ledger.void_hold(theirs.hold, value_on=TODAY),
                ledger.reverse_transaction(theirs.posting, value_on=TODAY),
            ],
            today=TODAY,
        )
    codes = [outcome.refusal.code for outcome in outcomes if isinstance(outcome, ledger.Refused)]
    assert codes == ["ledger.unknown_account", "ledger.unknown_hold", "ledger.unknown_transaction"]
    assert await _count(owner_db, "ledger_entry", theirs.tenant_id) == before


@pytest.mark.parametrize(
    "statement",
    [
        "SELECT ledger_set_limits(%(theirs)s, %(account)s, 0, NULL)",
        "SELECT ledger_set_status(%(theirs)s, %(account)s, 'f')",
    ],
)
async def test_functions_with_the_owners_rights_refuse_another_tenant(
    app_db: Database, owner_db: Database, ours: Books, theirs: Books, statement: str
) -> None:
    account = ledger.account_id(theirs.tenant_id, "north")
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        async with app_db.tx(ours.tenant_id) as tx:
            await tx.connection.execute(statement.encode(), {"theirs": theirs.tenant_id, "account": account})
    async with app_db.tx(theirs.tenant_id, readonly=True) as tx:
        found = await ledger.find_account(tx, account)
    assert (found.floor_minor, found.status) == (None, ledger.AccountStatus.OPEN)


async def test_a_branch_sees_its_own_and_moves_nothing_else(app_db: Database, ours: Books) -> None:
    branches = (ours.south,)
    async with app_db.tx(ours.tenant_id, branches=branches) as tx:
        page = await ledger.list_accounts(tx)
        assert [account.code for account in page.items] == ["south"]
        with pytest.raises(ledger.AccountNotFound):
            await ledger.find_account(tx, ledger.account_id(ours.tenant_id, "north"))
        posting = await ledger.find_transaction(tx, ours.posting)
        assert [entry.account_id for entry in posting.entries] == [ledger.account_id(ours.tenant_id, "south")]
    async with app_db.tx(ours.tenant_id, branches=branches) as tx:
        outcomes = await ledger.post(
            tx,
            [
                _transfer(ours.tenant_id, "south", "north", 1),
                _transfer(ours.tenant_id, "south", "head", 1),
                ledger.void_hold(ours.hold, value_on=TODAY),
                ledger.reverse_transaction(ours.posting, value_on=TODAY),
            ],
            today=TODAY,
            branches=branches,
        )
    codes = [outcome.refusal.code for outcome in outcomes if isinstance(outcome, ledger.Refused)]
    assert codes == [
        "ledger.unknown_account",
        "ledger.unknown_account",
        "ledger.unknown_hold",
        "ledger.unknown_transaction",
    ]


async def test_a_key_of_another_branch_is_taken_and_shows_nothing(app_db: Database, ours: Books) -> None:
    repeat = [_transfer(ours.tenant_id, "north", "south", 100, key="one")]
    outcomes = await ledger.post_alone(app_db, ours.tenant_id, repeat, today=TODAY, branches=(uuid7(),))
    async with app_db.tx(ours.tenant_id, branches=(uuid7(),)) as tx:
        outcomes += await ledger.post(tx, repeat, today=TODAY, branches=(uuid7(),))
    codes = [outcome.refusal.code for outcome in outcomes if isinstance(outcome, ledger.Refused)]
    assert codes == ["ledger.key_reused", "ledger.key_reused"]


async def test_a_branch_sees_nothing_that_only_others_touched(app_db: Database, ours: Books) -> None:
    async with app_db.tx(ours.tenant_id, branches=(uuid7(),)) as tx:
        assert (await ledger.list_transactions(tx)).items == []
        assert (await ledger.list_holds(tx)).items == []
        assert await ledger.find_balances(tx, [ledger.account_id(ours.tenant_id, "south")]) == {}
        with pytest.raises(ledger.UnknownTransaction):
            await ledger.find_transaction(tx, ours.posting)
        for table in ("event_log", "audit_block", "ledger_entry", "ledger_claim", "ledger_delta"):
            query = sql.SQL("SELECT count(*) FROM {}").format(sql.Identifier(table))
            assert await (await tx.connection.execute(query)).fetchone() == (0,), table

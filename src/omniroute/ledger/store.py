"""Queries of the ledger: rows to dataclasses. No decisions."""

from collections import defaultdict
from collections.abc import Sequence
from datetime import date, datetime
from typing import Any
from uuid import UUID

from psycopg.types.json import Jsonb

from omniroute.infra.postgres import Connection, Tx, load, read_page
from omniroute.kit.money import Money
from omniroute.kit.paging import Page
from omniroute.ledger import posting
from omniroute.ledger.commands import Command
from omniroute.ledger.errors import KeyReused
from omniroute.ledger.model import (
    Account,
    AccountStatus,
    AccountType,
    Balance,
    Booked,
    Entry,
    Hold,
    HoldLeg,
    Mode,
    Outcome,
    Posted,
    Refused,
    Side,
    Transaction,
    TxnKind,
)

SQL = load("omniroute.ledger")
ACCOUNTS = SQL.listing("list_accounts")
TRANSACTIONS = SQL.listing("list_transactions")
HOLDS = SQL.listing("list_holds")

_SIDES = {"d": Side.DEBIT, "c": Side.CREDIT}
_STATUSES = {"o": AccountStatus.OPEN, "f": AccountStatus.FROZEN, "c": AccountStatus.CLOSED}
_LETTERS = {status: letter for letter, status in _STATUSES.items()}


async def post(
    connection: Connection,
    tenant_id: UUID,
    commands: Sequence[Command],
    *,
    branches: Sequence[UUID] | None,
    today: date,
    at: datetime | None = None,
) -> list[Outcome]:
    """Book a batch: one round trip a run of distinct keys, and one more when something must be read back."""
    outcomes: list[Outcome] = []
    runs = posting.cut(commands)
    if len(runs) > 1:
        # Each run takes its locks in order, several together do not: alone in the tenant they cannot deadlock.
        await connection.execute(SQL.shut_fence.text, {"tenant": tenant_id})
    for run in runs:
        call, row = await _post(connection, posting.encode(tenant_id, run, branches=branches, today=today, at=at))
        some, unread = posting.decode(call, row)
        if unread:
            found = await _transactions(connection, tenant_id, branches, list(unread.values()))
            for i, transaction_id in unread.items():
                seen = found.get(transaction_id)
                # A key that another branch has used is taken, and what it stands for is not this caller's to see.
                replayed = transaction_id != call.transaction_ids[i]
                some[i] = Refused(KeyReused(), replayed) if seen is None else Posted(seen, replayed)
        outcomes.extend([outcome for outcome in some if outcome is not None])
    assert len(outcomes) == len(commands)
    return outcomes


async def book(connection: Connection, tenant_id: UUID, commands: Sequence[Command], *, today: date) -> list[Booked]:
    """Book a batch: one round trip a run of distinct keys, and nothing is read back."""
    booked: list[Booked] = []
    runs = posting.cut(commands)
    if len(runs) > 1:
        await connection.execute(SQL.shut_fence.text, {"tenant": tenant_id})
    for run in runs:
        call, row = await _post(connection, posting.encode(tenant_id, run, branches=None, today=today, at=None))
        booked.extend(posting.decode_ids(call, row))
    return booked


async def _post(connection: Connection, call: posting.Call) -> tuple[posting.Call, Any]:
    async with connection.cursor(binary=True) as cursor:
        await cursor.execute(SQL.post.text, call.params, prepare=True)
        return call, await cursor.fetchone()


async def _transactions(
    connection: Connection, tenant_id: UUID, branches: Sequence[UUID] | None, ids: Sequence[UUID]
) -> dict[UUID, Transaction]:
    params = {"tenant": tenant_id, "transactions": list(ids)}
    # Outside a transaction (group commit) no tenant is set, and row-level security would hide every row.
    async with connection.transaction():
        scope = {"tenant": str(tenant_id), "branches": None if branches is None else list(branches)}
        await connection.execute(SQL.enter_tenant.text, scope)
        rows = await (await connection.execute(SQL.find_transactions.text, params)).fetchall()
        entries = await _entries(connection, params)
    return {row.txn_id: _transaction(row, entries[row.txn_id]) for row in rows}


async def _entries(connection: Connection, params: dict[str, Any]) -> dict[UUID, list[Entry]]:
    entries: dict[UUID, list[Entry]] = defaultdict(list)
    for row in await (await connection.execute(SQL.find_entries.text, params)).fetchall():
        entries[row.txn_id].append(
            Entry(
                row.leg,
                row.account_id,
                _SIDES[row.side],
                row.layer == "h",
                Money(row.amount_minor, row.currency),
                row.balance_after,
                row.version,
            )
        )
    return entries


def _transaction(row: Any, entries: Sequence[Entry]) -> Transaction:
    return Transaction(
        row.txn_id,
        TxnKind(row.kind),
        row.value_on,
        row.original_on,
        row.booked_at,
        row.source_id,
        row.linked_id,
        row.reference,
        row.meta or {},
        tuple(entries),
    )


async def find_transaction(tx: Tx, transaction_id: UUID) -> Transaction | None:
    params = {"tenant": tx.tenant, "transactions": [transaction_id]}
    row = await tx.one_or_none(SQL.find_transactions, **params)
    return None if row is None else _transaction(row, (await _entries(tx.connection, params))[transaction_id])


async def find_by_claim(tx: Tx, claim: UUID) -> UUID | None:
    row = await tx.one_or_none(SQL.find_by_claim, tenant=tx.tenant, claim=claim)
    return None if row is None else row.txn_id


async def list_transactions(
    tx: Tx,
    *,
    kind: TxnKind | None,
    account_id: UUID | None,
    booked_from: datetime | None,
    booked_to: datetime | None,
    sort: str | None,
    limit: int | None,
    cursor: str | None,
) -> Page[Transaction]:
    page = await read_page(
        tx,
        TRANSACTIONS,
        sort=sort,
        limit=limit,
        cursor=cursor,
        tenant=tx.tenant,
        kind=kind and kind.value,
        account=account_id,
        booked_from=booked_from,
        booked_to=booked_to,
    )
    params = {"tenant": tx.tenant, "transactions": [row.txn_id for row in page.items]}
    entries = await _entries(tx.connection, params)
    return page.map(lambda row: _transaction(row, entries[row.txn_id]))


async def find_hold(tx: Tx, hold_id: UUID) -> Hold | None:
    row = await tx.one_or_none(SQL.find_hold, tenant=tx.tenant, hold=hold_id)
    return None if row is None else (await _holds(tx, [row]))[0]


async def list_holds(
    tx: Tx,
    *,
    is_open: bool | None,
    group_id: UUID | None,
    account_id: UUID | None,
    sort: str | None,
    limit: int | None,
    cursor: str | None,
) -> Page[Hold]:
    page = await read_page(
        tx,
        HOLDS,
        sort=sort,
        limit=limit,
        cursor=cursor,
        tenant=tx.tenant,
        open=is_open,
        group=group_id,
        account=account_id,
    )
    return Page(await _holds(tx, page.items), page.next_cursor)


async def _holds(tx: Tx, rows: Sequence[Any]) -> list[Hold]:
    legs: dict[UUID, list[HoldLeg]] = defaultdict(list)
    for row in await tx.all(SQL.find_hold_legs, tenant=tx.tenant, holds=[row.hold_id for row in rows]):
        legs[row.hold_id].append(
            HoldLeg(
                row.leg,
                row.account_id,
                _SIDES[row.side],
                row.amount_minor,
                row.captured_minor,
                row.released_minor,
            )
        )
    return [
        Hold(row.hold_id, row.group_id, row.status == "o", row.created_at, row.expires_at, tuple(legs[row.hold_id]))
        for row in rows
    ]


async def open_holds_of_group(tx: Tx, group_id: UUID) -> list[UUID]:
    return [row.hold_id for row in await tx.all(SQL.open_holds_of_group, tenant=tx.tenant, group=group_id)]


async def expired_holds(tx: Tx, *, at: datetime, limit: int) -> list[tuple[UUID, UUID]]:
    return [(row.tenant_id, row.hold_id) for row in await tx.all(SQL.expired_holds, at=at, limit=limit)]


async def insert_account(tx: Tx, account: Account) -> bool:
    """False when the code is taken."""
    made = await tx.execute(
        SQL.insert_account,
        tenant=tx.tenant,
        account=account.account_id,
        code=account.code,
        name=account.name,
        type=account.type.value,
        normal_side=account.normal_side.value[0],
        currency=account.currency,
        mode=account.mode.value,
        parent=account.parent_id,
        branch=account.branch_id,
        owner_ref=account.owner_ref,
        dimensions=Jsonb(account.dimensions),
        now=account.opened_at,
    )
    if not made:
        return False
    await tx.execute(
        SQL.insert_balance,
        tenant=tx.tenant,
        account=account.account_id,
        branch=account.branch_id,
        floor=account.floor_minor,
        ceiling=account.ceiling_minor,
        currency=account.currency,
        normal_side=account.normal_side.value[0],
        deferred=account.mode is Mode.DEFERRED,
    )
    return True


async def find_account(tx: Tx, account_id: UUID) -> Account | None:
    row = await tx.one_or_none(SQL.find_account, tenant=tx.tenant, account=account_id)
    return None if row is None else _account(row)


async def find_accounts(tx: Tx, account_ids: Sequence[UUID]) -> dict[UUID, Account]:
    rows = await tx.all(SQL.find_accounts, tenant=tx.tenant, accounts=list(account_ids))
    return {row.account_id: _account(row) for row in rows}


async def lock_account(tx: Tx, account_id: UUID) -> Account | None:
    await tx.execute(SQL.lock_account, tenant=tx.tenant, account=account_id)
    return await find_account(tx, account_id)


async def list_accounts(
    tx: Tx,
    *,
    prefix: str | None,
    account_type: AccountType | None,
    currency: str | None,
    status: AccountStatus | None,
    parent_id: UUID | None,
    branch_id: UUID | None,
    owner_ref: str | None,
    dimensions: dict[str, str] | None,
    sort: str | None,
    limit: int | None,
    cursor: str | None,
) -> Page[Account]:
    page = await read_page(
        tx,
        ACCOUNTS,
        sort=sort,
        limit=limit,
        cursor=cursor,
        tenant=tx.tenant,
        prefix=prefix,
        type=account_type and account_type.value,
        currency=currency,
        status=status and _LETTERS[status],
        parent=parent_id,
        branch=branch_id,
        owner_ref=owner_ref,
        dimensions=None if dimensions is None else Jsonb(dimensions),
    )
    return page.map(_account)


async def describe_account(tx: Tx, account: Account) -> None:
    await tx.execute(
        SQL.describe_account,
        tenant=tx.tenant,
        account=account.account_id,
        name=account.name,
        owner_ref=account.owner_ref,
        dimensions=Jsonb(account.dimensions),
    )


async def set_limits(tx: Tx, account_id: UUID, floor_minor: int | None, ceiling_minor: int | None) -> bool:
    done: bool = await tx.value(
        SQL.set_limits, tenant=tx.tenant, account=account_id, floor=floor_minor, ceiling=ceiling_minor
    )
    if done:
        await tx.execute(SQL.bump_account, tenant=tx.tenant, account=account_id)
    return done


async def set_status(tx: Tx, account_id: UUID, status: AccountStatus) -> bool:
    done: bool = await tx.value(SQL.set_status, tenant=tx.tenant, account=account_id, status=_LETTERS[status])
    if done:
        await tx.execute(SQL.bump_account, tenant=tx.tenant, account=account_id)
    return done


async def find_balances(tx: Tx, account_ids: Sequence[UUID]) -> dict[UUID, Balance]:
    rows = await tx.all(SQL.find_balances, tenant=tx.tenant, accounts=list(account_ids))
    return {
        row.account_id: Balance(
            row.account_id,
            row.currency,
            _SIDES[row.normal_side],
            row.posted_debit,
            row.posted_credit,
            row.pending_debit,
            row.pending_credit,
            row.version,
            row.floor_minor,
            row.ceiling_minor,
        )
        for row in rows
    }


def _account(row: Any) -> Account:
    return Account(
        row.account_id,
        row.code,
        row.name,
        AccountType(row.type),
        _SIDES[row.normal_side],
        row.currency,
        Mode(row.mode),
        _STATUSES[row.status],
        row.parent_id,
        row.branch_id,
        row.owner_ref,
        row.dimensions,
        row.floor_minor,
        row.ceiling_minor,
        row.opened_at,
        row.revision,
    )

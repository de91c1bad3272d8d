"""Use cases of the ledger that write. First argument the open transaction; no commit inside."""

from collections.abc import Sequence
from datetime import date, datetime
from uuid import UUID

from omniroute.infra.events import Meta
from omniroute.infra.postgres import Database, Tx, WriteConflict
from omniroute.kit.clock import Clock
from omniroute.kit.paging import Page
from omniroute.ledger import store
from omniroute.ledger.commands import Command, capture_hold, claim_id, void_hold
from omniroute.ledger.errors import BatchOutOfRange, HoldResolved, LinkedGroupBroken, UnknownHold, UnknownTransaction
from omniroute.ledger.model import Booked, Hold, Outcome, Posted, Refused, Transaction, TxnKind

ITEMS_MAX = 10_000
LEGS_MAX = 50_000
CONFLICTS_MAX = 2


def check_batch(commands: Sequence[Command]) -> None:
    """Refuse a batch that cannot be one call: empty, too large, or with a linked group that is torn or repeats a key.

    Raises: BatchOutOfRange, LinkedGroupBroken.
    """
    legs = sum([len(command.legs) for command in commands])
    if not 1 <= len(commands) <= ITEMS_MAX or legs > LEGS_MAX:
        raise BatchOutOfRange(items=len(commands), items_max=ITEMS_MAX, legs=legs, legs_max=LEGS_MAX)
    if any(command.linked for command in commands):
        _check_linked(commands)


def _check_linked(commands: Sequence[Command]) -> None:
    closed: set[int] = set()
    names: set[str] = set()
    current = 0
    for i, command in enumerate(commands):
        if command.linked != current:
            closed.add(current)
            current = command.linked
            names = set()
        if current == 0:
            continue
        if current in closed:
            raise LinkedGroupBroken(item=i)
        mine = [kind + text for kind, text in (("k", command.key), ("r", command.reference)) if text is not None]
        if not names.isdisjoint(mine):
            raise LinkedGroupBroken("a key or reference stands twice in one linked group", item=i)
        names.update(mine)


async def post(
    tx: Tx,
    commands: Sequence[Command],
    *,
    today: date,
    branches: Sequence[UUID] | None = None,
    at: datetime | None = None,
) -> list[Outcome]:
    """Book a batch; an outcome for each item, exactly as if they came one after the other.

    `today` is the tenant's business day, the value date of items that name none. `branches` limits the accounts that
    may be touched. `at` fixes the booking instant (imports, tests); None is the database's clock. A refused item
    leaves no trace but its key. Call it late and once in a transaction: locks are held until the commit.

    Raises: BatchOutOfRange, LinkedGroupBroken.
    """
    check_batch(commands)
    return await store.post(tx.connection, tx.tenant, commands, branches=branches, today=today, at=at)


async def book(tx: Tx, commands: Sequence[Command], *, today: date) -> list[Booked]:
    """Book a batch as `post` does, for who only needs the ids: captures and reversals are not read back.

    Raises: BatchOutOfRange, LinkedGroupBroken.
    """
    check_batch(commands)
    return await store.book(tx.connection, tx.tenant, commands, today=today)


async def post_alone(
    db: Database,
    tenant_id: UUID,
    commands: Sequence[Command],
    *,
    today: date,
    branches: Sequence[UUID] | None = None,
    at: datetime | None = None,
) -> list[Outcome]:
    """Book a batch as a transaction of its own: one round trip, the commit included.

    Conflicts are tried again: nothing happened. After DatabaseUnavailable the outcome is unknown, and commands with
    keys may be sent again as they are. A batch in which a key or reference repeats is several transactions.

    Raises: BatchOutOfRange, LinkedGroupBroken, DatabaseUnavailable, WriteConflict.
    """
    check_batch(commands)
    for _ in range(CONFLICTS_MAX):
        try:
            return await _post_alone(db, tenant_id, commands, branches=branches, today=today, at=at)
        except WriteConflict:
            continue
    return await _post_alone(db, tenant_id, commands, branches=branches, today=today, at=at)


async def _post_alone(
    db: Database,
    tenant_id: UUID,
    commands: Sequence[Command],
    *,
    today: date,
    branches: Sequence[UUID] | None,
    at: datetime | None,
) -> list[Outcome]:
    async with db.connection() as connection:
        # One statement is one transaction: a single round trip, and the commit with it.
        await connection.set_autocommit(True)
        return await store.post(connection, tenant_id, commands, branches=branches, today=today, at=at)


async def post_one(
    tx: Tx,
    command: Command,
    *,
    today: date,
    branches: Sequence[UUID] | None = None,
    at: datetime | None = None,
) -> Transaction:
    """Book one item or raise its refusal.

    Raises: every refusal of the ledger.
    """
    outcome = (await post(tx, [command], today=today, branches=branches, at=at))[0]
    if isinstance(outcome, Refused):
        raise outcome.refusal
    return outcome.transaction


class _DryRun(Exception):
    """Carries the outcomes out of the savepoint that is rolled back."""


async def dry_run(
    tx: Tx,
    commands: Sequence[Command],
    *,
    today: date,
    branches: Sequence[UUID] | None = None,
    at: datetime | None = None,
) -> list[Outcome]:
    """What `post` would answer now. Nothing is booked and no key is used; ids in the answer mean nothing.

    Raises: as post.
    """
    outcomes: list[Outcome] = []
    try:
        async with tx.savepoint():
            outcomes = await post(tx, commands, today=today, branches=branches, at=at)
            raise _DryRun
    except _DryRun:
        return outcomes


async def resolve_group(
    tx: Tx,
    group_id: UUID,
    *,
    capture: bool,
    today: date,
    branches: Sequence[UUID] | None = None,
    at: datetime | None = None,
    meta: Meta | None = None,
    may_soft: bool = False,
) -> list[Transaction]:
    """Capture or void every open hold of a group, all or none. Holds that were resolved meanwhile are left out.

    Raises: UnknownHold when the group has no open hold; otherwise the first refusal that stands in the way.
    """
    for _ in range(3):
        holds = await store.open_holds_of_group(tx, group_id)
        if not holds:
            raise UnknownHold("no hold of this group is open")
        commands = [
            capture_hold(hold, value_on=today, linked=1, meta=meta, may_soft=may_soft)
            if capture
            else void_hold(hold, value_on=today, linked=1, meta=meta)
            for hold in holds
        ]
        outcomes = await post(tx, commands, today=today, branches=branches, at=at)
        refused = [outcome.refusal for outcome in outcomes if isinstance(outcome, Refused)]
        if not refused:
            return [outcome.transaction for outcome in outcomes if isinstance(outcome, Posted)]
        cause = next(refusal for refusal in refused if refusal.code != "ledger.linked_refused")
        if not isinstance(cause, HoldResolved):
            raise cause
    raise HoldResolved


async def expire_holds(db: Database, *, clock: Clock, limit: int = 500) -> int:
    """Release what is left of holds past their deadline, in order of expiry; the number released.

    Safe to run twice and beside others: a hold resolves once. `db` is the worker's: it reads over all tenants.
    """
    now = clock.now()
    async with db.tx(readonly=True) as tx:
        due = await store.expired_holds(tx, at=now, limit=limit)
    by_tenant: dict[UUID, list[UUID]] = {}
    for tenant_id, hold_id in due:
        by_tenant.setdefault(tenant_id, []).append(hold_id)
    released = 0
    for tenant_id, holds in by_tenant.items():
        commands = [
            void_hold(hold, value_on=now.date(), expired=True, meta=Meta(actor="system:expiry")) for hold in holds
        ]
        async with db.tx(tenant_id) as tx:
            outcomes = await post(tx, commands, today=now.date())
        released += sum(isinstance(outcome, Posted) for outcome in outcomes)
    return released


async def find_transaction(tx: Tx, transaction_id: UUID) -> Transaction:
    """One transaction with its entries.

    Raises: UnknownTransaction.
    """
    found = await store.find_transaction(tx, transaction_id)
    if found is None or not found.entries:
        raise UnknownTransaction()
    return found


async def find_by_reference(tx: Tx, reference: str) -> Transaction:
    """The transaction with this reference.

    Raises: UnknownTransaction.
    """
    transaction_id = await store.find_by_claim(tx, claim_id("r", reference))
    if transaction_id is None:
        raise UnknownTransaction()
    return await find_transaction(tx, transaction_id)


async def list_transactions(
    tx: Tx,
    *,
    kind: TxnKind | None = None,
    account_id: UUID | None = None,
    booked_from: datetime | None = None,
    booked_to: datetime | None = None,
    sort: str | None = None,
    limit: int | None = None,
    cursor: str | None = None,
) -> Page[Transaction]:
    """Transactions, the latest first unless `sort` says otherwise; `booked_from` inclusive, `booked_to` exclusive.

    Raises: what `read_page` raises.
    """
    return await store.list_transactions(
        tx,
        kind=kind,
        account_id=account_id,
        booked_from=booked_from,
        booked_to=booked_to,
        sort=sort,
        limit=limit,
        cursor=cursor,
    )


async def find_hold(tx: Tx, hold_id: UUID) -> Hold:
    """One hold and what became of its legs.

    Raises: UnknownHold.
    """
    hold = await store.find_hold(tx, hold_id)
    if hold is None:
        raise UnknownHold()
    return hold


async def list_holds(
    tx: Tx,
    *,
    is_open: bool | None = None,
    group_id: UUID | None = None,
    account_id: UUID | None = None,
    sort: str | None = None,
    limit: int | None = None,
    cursor: str | None = None,
) -> Page[Hold]:
    """Holds, the latest first unless `sort` says otherwise.

    Raises: what `read_page` raises.
    """
    return await store.list_holds(
        tx,
        is_open=is_open,
        group_id=group_id,
        account_id=account_id,
        sort=sort,
        limit=limit,
        cursor=cursor,
    )

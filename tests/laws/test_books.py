"""Laws of the tables themselves: whatever is asked of the ledger, after every call its rows add up.

The sums are made here, entry by entry, from what the tables hold; nothing of the ledger's own arithmetic is asked.
"""

from collections import Counter, defaultdict
from datetime import UTC, date, datetime, timedelta
from typing import Any, NamedTuple
from uuid import UUID

from hypothesis import given, settings
from hypothesis import strategies as st
from psycopg.rows import namedtuple_row

from omniroute import ledger
from omniroute.infra.postgres import Database, load
from omniroute.ledger import Posted, folding
from tests.laws.histories import History, Step, batches
from tests.laws.test_sequential import bounded
from tests.ledger.makers import TODAY

FOLDING = load("omniroute.ledger.folding")
SIDES = {
    ("d", "p"): "posted_debit",
    ("c", "p"): "posted_credit",
    ("d", "h"): "pending_debit",
    ("c", "h"): "pending_credit",
}
COUNTERS = tuple(SIDES.values())
some = settings(bounded, max_examples=20)


class Part(NamedTuple):
    """A batch, the business day it comes on, the time until the next one, and how much is folded after it."""

    steps: list[Step]
    day: int
    minutes: int
    fold: int | None


parts = st.builds(
    Part, batches, st.integers(-3, 3), st.sampled_from([1, 1, 2, 60 * 13]), st.sampled_from([None, None, 1, 3, 1_000])
)
plays = st.lists(parts, min_size=1, max_size=7)


class Playing:
    """A tenant's books while parts are played, and all its rows."""

    def __init__(self, history: History, owner_db: Database, worker_db: Database) -> None:
        self.history = history
        self.owner_db = owner_db
        self.worker_db = worker_db

    @property
    def tenant_id(self) -> UUID:
        """Whose books."""
        return self.history.books.tenant_id

    async def play(self, part: Part) -> None:
        """Post the batch, whatever becomes of it; then fold a part of what is there."""
        history = self.history
        async with history.books.db.tx(self.tenant_id) as tx:
            commands = history.batch(part.steps)
            outcomes = await ledger.post(tx, commands, today=TODAY + timedelta(days=part.day), at=history.at)
        history.booked += [
            o.transaction.transaction_id for o in outcomes if isinstance(o, Posted) and not o.replayed
        ]  # fmt: skip
        history.at += timedelta(minutes=part.minutes)
        if part.fold is not None:
            await self.fold(part.fold)

    async def fold(self, limit: int) -> None:
        """One bounded step of the folder."""
        for query in (FOLDING.fold_deferred, FOLDING.fold_strict):
            async with self.worker_db.tx(self.tenant_id) as tx:
                await tx.value(query, tenant=self.tenant_id, limit=limit)

    async def rows(self, table: str) -> list[Any]:
        """All rows of this tenant."""
        async with self.owner_db.tx() as tx, tx.connection.cursor(row_factory=namedtuple_row) as cursor:
            await cursor.execute(f"SELECT * FROM {table} WHERE tenant_id = %s".encode(), [self.tenant_id])
            return await cursor.fetchall()


async def begin(app_db: Database, owner_db: Database, worker_db: Database) -> Playing:
    """New books."""
    return Playing(await History.begin(app_db), owner_db, worker_db)


def folded(entries: list[Any]) -> dict[UUID, Counter[str]]:
    """Turnover of each account, by side and layer."""
    totals: dict[UUID, Counter[str]] = defaultdict(Counter)
    for entry in entries:
        totals[entry.account_id][SIDES[entry.side, entry.layer]] += entry.amount_minor
    return totals


@some
@given(play=plays)
async def test_law_01_debits_equal_credits_in_every_currency_posted_and_pending_apart(
    app_db: Database, owner_db: Database, worker_db: Database, play: list[Part]
) -> None:
    """In every transaction, and over all accounts: in the entries and in the counters, after every call."""
    playing = await begin(app_db, owner_db, worker_db)
    for part in play:
        await playing.play(part)
        sums: Counter[tuple[Any, ...]] = Counter()
        for entry in await playing.rows("ledger_entry"):
            amount = entry.amount_minor if entry.side == "d" else -entry.amount_minor
            sums[entry.txn_id, entry.currency, entry.layer] += amount
            sums["all", entry.currency, entry.layer] += amount
        assert set(sums.values()) == {0}

        balances = await playing.rows("ledger_balance")
        currency = {row.account_id: row.currency for row in balances}
        counters: Counter[tuple[str, str]] = Counter()
        for row in [*balances, *await playing.rows("ledger_delta")]:
            counters[currency[row.account_id], "p"] += row.posted_debit - row.posted_credit
            counters[currency[row.account_id], "h"] += row.pending_debit - row.pending_credit
        assert set(counters.values()) == {0}


@some
@given(play=plays)
async def test_law_02_balances_days_and_snapshots_are_folds_of_the_entries(
    app_db: Database, owner_db: Database, worker_db: Database, play: list[Part]
) -> None:
    """The row with its increments after every call; days when the folder is done; a snapshot of every finished day."""
    playing = await begin(app_db, owner_db, worker_db)
    for part in play:
        await playing.play(part)
        counted: dict[UUID, Counter[str]] = defaultdict(Counter)
        for row in [*await playing.rows("ledger_balance"), *await playing.rows("ledger_delta")]:
            counted[row.account_id].update({name: getattr(row, name) for name in COUNTERS})
        totals = folded(await playing.rows("ledger_entry"))
        for account_id, counters in counted.items():
            assert {n: counters[n] for n in COUNTERS} == {n: totals[account_id][n] for n in COUNTERS}

    await folding.fold_tenant(worker_db, playing.tenant_id, limit=5)
    entries = await playing.rows("ledger_entry")
    days: Counter[tuple[UUID, date, str]] = Counter()
    for entry in entries:
        if entry.layer == "p":
            days[entry.account_id, entry.value_on, entry.side] += entry.amount_minor
    found = {
        (row.account_id, row.value_on, side): amount
        for row in await playing.rows("ledger_balance_day")
        for side, amount in (("d", row.debit_minor), ("c", row.credit_minor))
        if amount
    }
    assert found == dict(days)
    assert await playing.rows("ledger_delta") == []
    await check_snapshots(playing, entries)


async def check_snapshots(playing: Playing, entries: list[Any]) -> None:
    """The last snapshot of each account up to a day is everything booked until that day ended."""
    first, last = min(e.booked_at for e in entries).date(), playing.history.at.date()
    finished = [first + timedelta(days=n) for n in range((last - first).days)]
    for on in finished:
        async with playing.worker_db.tx(playing.tenant_id) as tx:
            assert await tx.value(FOLDING.take_snapshot, tenant=playing.tenant_id, on=on)
    snapshots = await playing.rows("ledger_snapshot")
    for on in finished:
        until = datetime(on.year, on.month, on.day, tzinfo=UTC) + timedelta(days=1)
        known = folded([entry for entry in entries if entry.booked_at < until])
        newest = {row.account_id: row for row in sorted(snapshots, key=lambda r: r.on_date) if row.on_date <= on}
        assert newest.keys() == known.keys()
        for account_id, row in newest.items():
            assert {n: getattr(row, n) for n in COUNTERS} == {n: known[account_id][n] for n in COUNTERS}


@some
@given(play=plays)
async def test_law_03_versions_have_no_gap_and_the_chain_of_balances_no_break(
    app_db: Database, owner_db: Database, worker_db: Database, play: list[Part]
) -> None:
    """Strict accounts: 1, 2, 3 ... up to the row's, each with the counters after it. Deferred ones: neither."""
    playing = await begin(app_db, owner_db, worker_db)
    for part in play:
        await playing.play(part)
        accounts = {row.account_id: row for row in await playing.rows("ledger_balance")}
        chains: dict[UUID, list[Any]] = defaultdict(list)
        for entry in await playing.rows("ledger_entry"):
            if accounts[entry.account_id].deferred:
                assert (entry.version, entry.balance_after) == (None, None)
                assert (entry.pending_debit_after, entry.pending_credit_after) == (None, None)
            else:
                chains[entry.account_id].append(entry)
        for account_id, row in accounts.items():
            if row.deferred:
                continue
            chain = sorted(chains[account_id], key=lambda entry: int(entry.version))
            assert [entry.version for entry in chain] == list(range(1, row.version + 1))
            check_chain(chain, row.normal_side)


def check_chain(chain: list[Any], normal_side: str) -> None:
    """Each entry carries the sum of all up to it; their order is the order in which they were booked."""
    totals: Counter[str] = Counter()
    for entry in chain:
        totals[SIDES[entry.side, entry.layer]] += entry.amount_minor
        balance = totals["posted_debit"] - totals["posted_credit"]
        assert entry.balance_after == (balance if normal_side == "d" else -balance)
        assert entry.pending_debit_after == totals["pending_debit"]
        assert entry.pending_credit_after == totals["pending_credit"]
    assert [entry.booked_at for entry in chain] == sorted(entry.booked_at for entry in chain)

"""Reconciliation of a month: postings against lines of a bank, with noise and known answers.

OMNIROUTE_BENCH_LINES sets how many movements each side has (100,000 unless told). Right and wrong are counted from the
matches that were kept. What is measured is one run, from its first read to its commit.
"""

import os
import time
from collections import defaultdict
from datetime import UTC, datetime
from uuid import UUID

from bench.network import TODAY, Network
from bench.reconcile_world import CURRENCY, RULES, START, World, make, score
from bench.report import Figure, figure
from omniroute import ledger
from omniroute.infra.events import Meta
from omniroute.infra.postgres import Database, EmbeddedPostgres
from omniroute.kit.ids import uuid7
from omniroute.kit.money import Money
from omniroute.ledger import AccountType, Leg, Mode, OpenAccount, Side
from omniroute.money import payments, reconciliation
from omniroute.money.reconciliation import Entry, EntryKey, Found, Line, Pass

CALL = 4_000
END = START.replace(day=31)
META = Meta(actor="bench", channel="bench")


async def run(server: EmbeddedPostgres, db: Database, network: Network) -> list[Figure]:
    """Seconds of a run over a clean and over a noisy month, and how right it was."""
    count = int(os.environ.get("OMNIROUTE_BENCH_LINES", "100000"))
    figures: list[Figure] = []
    for name, noisy, least in (("clean", False, 98), ("noisy", True, 95)):
        world = make(count, seed=1, noisy=noisy)
        connection_id, keys = await _fill(db, network, world, name)
        seconds, computed = await _reconcile(db, network, connection_id)
        found = await _kept(db, network, connection_id, world, keys)
        told = score(world, found)
        size = f"reconcile.{name}.{count // 1000}k"
        shares = ", ".join(f"{trouble} {number}" for trouble, number in sorted(world.troubles.items()))
        by_count, by_value = told.auto_by_count_ppm / 10_000, told.auto_by_value_ppm / 10_000
        rates = f"matched {by_count:.2f} % of lines, {by_value:.2f} % of value"
        sizes = f"{len(world.entries):,} postings, {len(world.lines):,} lines; {computed:.1f} s of it in Python"
        precision = told.precision_ppm / 10_000
        wrong = sum(told.wrong_by_pass.values())
        figures += [
            figure(f"{size}.s", seconds, "s", "budget", 60, sizes),
            figure(f"{size}.precision", precision, "%", "gate", 99.99, f"{wrong} wrong of {told.matched:,}"),
            figure(f"{size}.recall", told.recall_ppm / 10_000, "%", "gate", least, f"{rates}; {shares}"),
        ]  # fmt: skip
    return figures


async def _fill(db: Database, network: Network, world: World, name: str) -> tuple[UUID, dict[EntryKey, EntryKey]]:
    """A connection with its postings and its statement; what each posting is called in the books."""
    now, connection_id = datetime.now(UTC), uuid7()
    account = ledger.account_id(network.tenant_id, f"float:{name}")
    async with db.tx(network.tenant_id) as tx:
        asset = OpenAccount(f"float:{name}", name, AccountType.ASSET, CURRENCY)
        other = OpenAccount(f"traded:{name}", name, AccountType.LIABILITY, CURRENCY, mode=Mode.DEFERRED)
        for opened in (asset, other, *payments.needed_accounts(CURRENCY)):  # Rails' charges among them.
            await ledger.open_account(tx, opened, now=now, meta=META)
        await tx.connection.execute(
            "INSERT INTO bank_connection (tenant_id, connection_id, code, name, rail, currency, endpoint, operations,"
            " float_account_id, statement_until, created_at, updated_at)"
            " VALUES (%s, %s, %s, %s, 'nip', %s, 'http://none', '{payout}', %s, %s, %s, %s)",
            [network.tenant_id, connection_id, name, name, CURRENCY, account, now, now, now],
        )
        await reconciliation.write_rules(tx, connection_id, RULES, actor="bench", now=now)
    keys: dict[EntryKey, EntryKey] = {}
    for i in range(0, len(world.entries), CALL):
        part = world.entries[i : i + CALL]
        commands = [_posting(network.tenant_id, one, account, f"traded:{name}") for one in part]
        booked = await ledger.post_alone(db, network.tenant_id, commands, today=TODAY)
        for one, outcome in zip(part, booked, strict=True):
            assert isinstance(outcome, ledger.Posted), outcome
            keys[EntryKey(outcome.transaction.transaction_id, 1)] = one.key
    for i in range(0, len(world.lines), CALL):
        lines = world.lines[i : i + CALL]
        async with db.tx(network.tenant_id) as tx, tx.connection.cursor() as cursor:
            await cursor.executemany(
                "INSERT INTO rail_statement_line (tenant_id, connection_id, line_id, booked_at, amount_minor, currency,"
                " credit, our_ref, provider_ref, narration, read_at)"
                " VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s)",
                [(network.tenant_id, connection_id, *_row(line), now) for line in lines],
            )
    async with db.connection() as connection:
        await connection.set_autocommit(True)
        await connection.execute("ANALYZE")
    return connection_id, keys


def _posting(tenant_id: UUID, one: Entry, account: UUID, other: str) -> ledger.Command:
    value = Money(abs(one.amount_minor), CURRENCY)
    sides = (Side.DEBIT, Side.CREDIT) if one.amount_minor > 0 else (Side.CREDIT, Side.DEBIT)
    ours = min(one.ours)
    said = {"our_ref": ours, "provider_ref": min(one.refs - {ours}), "account": min(one.accounts)}
    return ledger.post_transaction(
        [Leg(account, sides[0], value), Leg(ledger.account_id(tenant_id, other), sides[1], value)],
        value_on=one.on,
        metadata=said | ({"settlement_id": min(one.groups)} if one.groups else {}),
        meta=META,
    )


def _row(line: Line) -> tuple[object, ...]:
    """A line as it is stored: the long reference is ours, another the bank's."""
    ours = next((ref for ref in sorted(line.refs) if len(ref) == 30), None)
    theirs = next((ref for ref in sorted(line.refs) if len(ref) != 30), None)
    return (line.key, line.at, abs(line.amount_minor), CURRENCY, line.amount_minor > 0, ours, theirs, line.text)


async def _reconcile(db: Database, network: Network, connection_id: UUID) -> tuple[float, float]:
    """Seconds, and those of them that this process computed."""
    start, computed = time.perf_counter(), time.process_time()
    async with db.tx(network.tenant_id) as tx:
        await reconciliation.run(
            tx,
            connection_id,
            start_on=START,
            end_on=END,
            by="bench",
            now=datetime.now(UTC),
            today=TODAY,
            meta=META,
        )
    return time.perf_counter() - start, time.process_time() - computed


async def _kept(
    db: Database, network: Network, connection_id: UUID, world: World, keys: dict[EntryKey, EntryKey]
) -> list[Found]:
    """Matches as they stand in the tables, in the words of the world. Postings of differences are left out."""
    entries, lines = {one.key: one for one in world.entries}, {one.key: one for one in world.lines}
    mine: dict[UUID, list[Entry]] = defaultdict(list)
    theirs: dict[UUID, list[Line]] = defaultdict(list)
    async with db.tx(network.tenant_id) as tx:
        matches = await tx.connection.execute(
            "SELECT match_id, found_by FROM reconciliation_match WHERE connection_id = %s", [connection_id]
        )
        by = {row.match_id: Pass(row.found_by) for row in await matches.fetchall()}
        claimed = await tx.connection.execute("SELECT match_id, txn_id, leg FROM reconciliation_entry_claim")
        for row in await claimed.fetchall():
            key = keys.get(EntryKey(row.txn_id, row.leg))
            if key is not None:
                mine[row.match_id].append(entries[key])
        shown = await tx.connection.execute(
            "SELECT match_id, line_id FROM reconciliation_line_claim WHERE connection_id = %s", [connection_id]
        )
        for row in await shown.fetchall():
            theirs[row.match_id].append(lines[row.line_id])
    return [Found(found_by, tuple(mine[one]), tuple(theirs[one]), {}) for one, found_by in by.items()]

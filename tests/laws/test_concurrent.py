"""Laws of many clients at once: real connections, random overlapping batches, no deadlock, one winner."""

import asyncio
import random
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from datetime import timedelta
from uuid import UUID

import pytest

from omniroute import ledger
from omniroute.infra.postgres import Database, PoolLimits
from omniroute.kit.refusal import Refusal
from omniroute.ledger import AccountStatus, Command, Outcome, Posted, Refused
from tests.laws.invariants import check_invariants
from tests.ledger.makers import NOW, Books, codes, make_ledger, ngn, only

CLIENTS = 12
WALLETS = ("ada", "ben", "eve", "open", "cash", "float", "fees", "revenue")


@pytest.fixture
async def books(database_url: str) -> AsyncIterator[Books]:
    """A tenant with funds, on a pool wide enough for all clients. A deadlock (40P01) is never tried again here."""
    db = await Database.open(database_url, role="omniroute_app", limits=PoolLimits(size_max=CLIENTS + 4))
    made = await make_ledger(db)
    await made.posted(*[made.transfer("cash", code, ngn(500_00)) for code in ("ada", "ben", "eve")])
    yield made
    await db.close()


def _random_command(books: Books, rng: random.Random, sources: Sequence[UUID]) -> Command:
    debit, credit = rng.sample(WALLETS, 2)
    amount = ngn(rng.choice((1, 5, 20, 100, 40_000)))
    key = f"k{rng.randrange(200)}" if rng.random() < 0.3 else None
    reference = f"r{rng.randrange(200)}" if rng.random() < 0.2 else None
    source = rng.choice(sources)
    match rng.choice("pppphhccvxrr"):
        case "p":
            return books.transfer(debit, credit, amount, key=key, reference=reference)
        case "h":
            expires = NOW + timedelta(days=rng.choice((-1, 36_500)))
            return books.hold(debit, credit, amount, key=key, reference=reference, expires_at=expires)
        case "c":
            part = rng.choice((None, 1, 3))
            return ledger.capture_hold(source, amount_minor=part, final=rng.random() < 0.2, key=key)
        case "r":
            return ledger.reverse_transaction(source, amount_minor=rng.choice((None, 1)), key=key)
        case other:
            return ledger.void_hold(source, expired=other == "x", key=key)


async def test_law_09_random_lock_sets_never_deadlock_and_every_law_holds(books: Books, owner_db: Database) -> None:
    """Also laws 1 to 4, 8 and 18 under concurrency. A deadlock would raise WriteConflict here."""
    seed = random.randrange(2**32)
    print("seed", seed)
    first = await books.posted(
        *[books.hold("ada", "ben", ngn(50)) for _ in range(10)],
        *[books.transfer("ada", "ben", ngn(50)) for _ in range(10)],
    )
    sources = [transaction.transaction_id for transaction in first]
    counts: Counter[str] = Counter()

    async def client(number: int) -> None:
        rng = random.Random(f"{seed}/{number}")
        for _ in range(25):
            batch = [_random_command(books, rng, sources) for _ in range(rng.randint(1, 12))]
            outcomes = await books.post(*batch)
            counts.update(codes(outcomes))
            sources.extend([o.transaction.transaction_id for o in outcomes if isinstance(o, Posted)])

    async def meddler() -> None:
        rng = random.Random(f"{seed}/meddler")
        for _ in range(25):
            code = rng.choice(("ada", "ben", "open", "fees"))
            await books.set_status(code, AccountStatus.FROZEN)
            await books.set_status(code, AccountStatus.OPEN)
            try:
                await books.set_limits(rng.choice(("ada", "ben", "open")), rng.choice((None, 0, -50_00)), None)
            except Refusal as refusal:
                counts[refusal.code] += 1

    await asyncio.gather(*[client(number) for number in range(CLIENTS)], meddler())

    assert counts["booked"] > 200, counts
    await check_invariants(owner_db, books.tenant_id)


async def test_law_06_one_key_at_once_is_one_transaction(books: Books, owner_db: Database) -> None:
    command = books.transfer("ada", "ben", ngn(7), key="once", reference="once")
    other = books.transfer("ada", "ben", ngn(8), key="once")

    outcomes = await asyncio.gather(*[books.post(command) for _ in range(CLIENTS)])
    late, refused = await books.post(command, other)

    transactions = [only(outcome) for outcome in outcomes]
    assert len({t.transaction_id for t in transactions}) == 1
    assert all(t == transactions[0] for t in transactions)
    assert sum(isinstance(o, Posted) and not o.replayed for (o,) in outcomes) == 1
    assert only([late]) == transactions[0]
    assert codes([refused]) == ["ledger.key_reused"]
    assert await books.available("ben") == 500_07
    await check_invariants(owner_db, books.tenant_id)


async def test_law_06_a_refusal_at_once_is_one_refusal(books: Books, owner_db: Database) -> None:
    command = books.transfer("ada", "ben", ngn(900_00), key="once", reference="r")

    outcomes = [o for (o,) in await asyncio.gather(*[books.post(command) for _ in range(CLIENTS)])]
    await books.posted(books.transfer("cash", "ada", ngn(900_00)))
    outcomes += await books.post(command)

    assert codes(outcomes) == ["ledger.insufficient_funds"] * (CLIENTS + 1)
    facts = [outcome.refusal.facts for outcome in outcomes if isinstance(outcome, Refused)]
    assert all(fact == facts[0] for fact in facts)
    assert sum(not outcome.replayed for outcome in outcomes) == 1
    await check_invariants(owner_db, books.tenant_id)


async def test_one_reference_under_many_keys_is_one_transaction(books: Books, owner_db: Database) -> None:
    commands = [books.transfer("ada", "ben", ngn(1), key=f"k{i}", reference="receipt") for i in range(CLIENTS)]

    outcomes: list[list[Outcome]] = await asyncio.gather(*[books.post(command) for command in commands])

    found = Counter(codes([outcome for (outcome,) in outcomes]))
    assert found == {"booked": 1, "ledger.duplicate_reference": CLIENTS - 1}
    await check_invariants(owner_db, books.tenant_id)


async def test_law_08_a_hold_has_one_winner(books: Books, owner_db: Database) -> None:
    """Captures of all, voids and expiries race; one wins, the others learn that nothing is left."""
    for _ in range(8):
        hold = only(await books.post(books.hold("ada", "ben", ngn(100)))).transaction_id
        resolutions = [ledger.capture_hold(hold), ledger.void_hold(hold)] * (CLIENTS // 2)
        random.shuffle(resolutions)

        outcomes = [o for (o,) in await asyncio.gather(*[books.post(resolution) for resolution in resolutions])]

        assert Counter(codes(outcomes)) == {"booked": 1, "ledger.hold_resolved": CLIENTS - 1}
    await check_invariants(owner_db, books.tenant_id)


async def test_law_08_partial_captures_and_reversals_add_up_to_the_whole(books: Books, owner_db: Database) -> None:
    hold = only(await books.post(books.hold("ada", "ben", ngn(100)))).transaction_id
    paid = only(await books.post(books.transfer("ada", "ben", ngn(100)))).transaction_id

    parts = [ledger.capture_hold(hold, amount_minor=30), ledger.reverse_transaction(paid, amount_minor=30)] * 6
    outcomes = await asyncio.gather(*[books.post(part) for part in parts])

    assert Counter(codes([outcome for (outcome,) in outcomes])) == {
        "booked": 6,
        "ledger.capture_above_hold": 3,
        "ledger.reversal_above_original": 3,
    }
    assert (await books.balance("ada")).pending_debit == 10
    await check_invariants(owner_db, books.tenant_id)


async def test_law_04_a_limit_stands_against_all_at_once(books: Books, owner_db: Database) -> None:
    payments = [books.transfer("ada", "ben", ngn(100_00)) for _ in range(CLIENTS)]

    outcomes = await asyncio.gather(*[books.post(payment) for payment in payments])

    assert Counter(codes([outcome for (outcome,) in outcomes]))["booked"] == 5
    assert await books.available("ada") == 0
    await check_invariants(owner_db, books.tenant_id)


async def test_law_09_batches_in_which_keys_repeat_never_deadlock(books: Books, owner_db: Database) -> None:
    async def client(number: int) -> None:
        ends = ("ada", "ben") if number % 2 else ("ben", "ada")
        for i in range(10):
            name = f"k{number}/{i}"
            await books.post(
                books.transfer(*ends, ngn(1), key=name),
                books.transfer("open", "revenue", ngn(1), key=name),
                books.transfer("cash", "eve", ngn(1), key=f"shared{i}"),
                books.transfer("open", "revenue", ngn(1), key=f"shared{i}"),
            )

    await asyncio.gather(*[client(number) for number in range(CLIENTS)])
    await check_invariants(owner_db, books.tenant_id)


async def test_law_12_nothing_lands_in_a_period_that_is_being_closed(books: Books, owner_db: Database) -> None:
    async with owner_db.connection() as connection:
        await connection.execute(
            """INSERT INTO ledger_period (tenant_id, period_id, name, starts_on, ends_on, changed_at)
               VALUES (%s, gen_random_uuid(), 'march', '2026-03-01', '2026-03-31', now())""",
            [books.tenant_id],
        )
    told: list[str] = []

    async def client() -> None:
        for _ in range(15):
            told.extend(codes(await books.post(books.transfer("ada", "ben", ngn(1)))))

    async def close() -> int:
        await asyncio.sleep(0.05)
        async with owner_db.tx(books.tenant_id) as tx:
            await tx.connection.execute("SELECT pg_advisory_xact_lock(ledger_fence(%s))", [books.tenant_id])
            await tx.connection.execute(
                "UPDATE ledger_period SET status = 'closed' WHERE tenant_id = %s", [books.tenant_id]
            )
            return await _count(owner_db, books)

    results = await asyncio.gather(close(), *[client() for _ in range(CLIENTS)])

    assert set(told) == {"booked", "ledger.period_closed"}
    assert await _count(owner_db, books) == results[0]


async def _count(owner_db: Database, books: Books) -> int:
    async with owner_db.tx() as tx:
        query = "SELECT count(*) FROM ledger_txn WHERE tenant_id = %s"
        row = await (await tx.connection.execute(query, [books.tenant_id])).fetchone()
        assert row is not None
        return int(row[0])


async def test_law_13_a_deferred_account_is_its_row_and_its_increments_at_every_instant(
    books: Books, owner_db: Database, worker_db: Database
) -> None:
    """Posters and folders race; every single reading of the counters equals the entries in the same snapshot."""
    done = asyncio.Event()

    async def client() -> None:
        for _ in range(15):
            await books.posted(*[books.transfer("cash", "fees", ngn(1)) for _ in range(5)])

    async def fold() -> None:
        while not done.is_set():
            await ledger.folding.fold_tenant(worker_db, books.tenant_id, limit=7)
            await asyncio.sleep(0.005)

    async def read() -> None:
        while not done.is_set():
            await check_invariants(owner_db, books.tenant_id)

    async def work() -> None:
        await asyncio.gather(*[client() for _ in range(6)])
        done.set()

    await asyncio.gather(work(), fold(), read())
    assert (await books.balance("fees")).posted_minor == 6 * 15 * 5
    await ledger.folding.fold_tenant(worker_db, books.tenant_id)
    assert (await books.balance("fees")).posted_minor == 6 * 15 * 5
    await check_invariants(owner_db, books.tenant_id)

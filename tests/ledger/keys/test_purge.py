"""Old idempotency keys are purged; references, younger keys and whoever posts meanwhile are not touched."""

import asyncio
from collections import Counter
from datetime import UTC, datetime, timedelta

import psycopg
import pytest

from omniroute.infra.postgres import Database, load
from omniroute.kit.ids import uuid7
from omniroute.ledger import Posted, Refused, checking
from omniroute.ledger.keys import purge_keys
from tests.laws.invariants import check_invariants
from tests.ledger.makers import Books, codes, make_ledger, ngn, only, state

SQL = load("omniroute.ledger.keys")
KEPT = timedelta(days=30)


async def age(owner_db: Database, books: Books, days: int) -> None:
    """Everything this tenant has claimed so far was claimed some days earlier."""
    async with owner_db.connection() as connection:
        await connection.execute(
            "UPDATE omniroute.ledger_claim SET claimed_at = claimed_at - %s WHERE tenant_id = %s",
            [timedelta(days=days), books.tenant_id],
        )


async def claims(owner_db: Database, books: Books) -> Counter[str]:
    """How many keys (k) and references (r) are claimed."""
    async with owner_db.connection() as connection:
        cursor = await connection.execute(
            "SELECT kind::text FROM omniroute.ledger_claim WHERE tenant_id = %s", [books.tenant_id]
        )
        return Counter(row[0] for row in await cursor.fetchall())


async def purge(worker_db: Database, *, limit: int = 100) -> int:
    """One round."""
    return await purge_keys(worker_db, now=datetime.now(UTC), kept_for=KEPT, limit=limit)


async def purge_all(worker_db: Database) -> None:
    """Rounds until nothing is left, so that a test finds only its own."""
    while await purge(worker_db):
        pass


async def test_old_keys_go_references_and_younger_keys_stay(
    app_db: Database, worker_db: Database, owner_db: Database
) -> None:
    books = await make_ledger(app_db)
    await books.posted(
        books.transfer("cash", "ada", ngn(500), key="old", reference="r-1"),
        books.hold("ada", "ben", ngn(5), key="old hold"),
        books.transfer("cash", "ada", ngn(1), reference="r-2"),
    )
    refused = books.transfer("ben", "ada", ngn(5), key="old refusal", reference="r-3")
    assert codes(await books.post(refused)) == ["ledger.insufficient_funds"]
    await age(owner_db, books, 31)
    await books.posted(books.transfer("cash", "ada", ngn(1), key="young"))
    await age(owner_db, books, 29 - 1)
    before = await state(owner_db, books.tenant_id)

    assert await purge(worker_db) == 3
    assert await purge(worker_db) == 0

    assert await claims(owner_db, books) == {"k": 1, "r": 2}
    after = await state(owner_db, books.tenant_id)
    assert {**after, "ledger_claim": []} == {**before, "ledger_claim": []}
    await check_invariants(owner_db, books.tenant_id)
    assert [finding async for finding in checking.check(worker_db, books.tenant_id)] == []
    young = only(await books.post(books.transfer("cash", "ada", ngn(1), key="young")))
    assert young.transaction_id
    assert (await books.balance("ada")).posted_minor == 502


async def test_after_its_purge_a_key_is_new_but_a_reference_still_speaks(
    app_db: Database, worker_db: Database, owner_db: Database
) -> None:
    books = await make_ledger(app_db)
    plain = books.transfer("cash", "ada", ngn(5), key="plain")
    named = books.transfer("cash", "ada", ngn(5), key="named", reference="r")
    first, second = await books.posted(plain, named)
    await age(owner_db, books, 31)
    await purge_all(worker_db)

    (again,) = await books.post(plain)
    assert isinstance(again, Posted)
    assert not again.replayed
    assert again.transaction.transaction_id != first.transaction_id
    (repeat,) = await books.post(plain)
    assert isinstance(repeat, Posted)
    assert repeat.replayed
    assert repeat.transaction.transaction_id == again.transaction.transaction_id

    before = await books.balance("ada")
    (refused,) = await books.post(named)
    assert isinstance(refused, Refused)
    assert refused.refusal.code == "ledger.duplicate_reference"
    assert await books.balance("ada") == before
    assert second.reference == "r"
    await check_invariants(owner_db, books.tenant_id)


async def test_a_round_is_bounded_and_every_organisation_gets_its_batch(
    app_db: Database, worker_db: Database, owner_db: Database
) -> None:
    many, few = await make_ledger(app_db), await make_ledger(app_db)
    for books, count in ((many, 7), (few, 1)):
        await books.posted(*[books.transfer("cash", "ada", ngn(1), key=f"k{i}") for i in range(count)])
        await age(owner_db, books, 40)

    left = []
    for _ in range(5):
        await purge(worker_db, limit=2)
        left.append(((await claims(owner_db, many))["k"], (await claims(owner_db, few))["k"]))

    assert left == [(5, 0), (3, 0), (1, 0), (0, 0), (0, 0)]


async def test_keys_younger_than_a_day_are_purged_for_nobody(
    app_db: Database, worker_db: Database, owner_db: Database
) -> None:
    books, other = await make_ledger(app_db), await make_ledger(app_db)
    await books.posted(books.transfer("cash", "ada", ngn(1), key="k"))
    await age(owner_db, books, 3)
    before = await state(owner_db, books.tenant_id)
    now = datetime.now(UTC)

    with pytest.raises(AssertionError):
        await purge_keys(worker_db, now=now, kept_for=timedelta(hours=23))
    for db, books_of, cutoff, error in (
        (worker_db, books, now, psycopg.errors.InvalidParameterValue),
        (worker_db, other, now - KEPT, psycopg.errors.InsufficientPrivilege),
        (app_db, books, now - KEPT, psycopg.errors.InsufficientPrivilege),
    ):
        with pytest.raises(error):
            async with db.tx(books_of.tenant_id) as tx:
                await tx.value(SQL.purge_keys, tenant=books.tenant_id, before=cutoff, limit=10)
    assert await state(owner_db, books.tenant_id) == before


async def test_a_purge_waits_for_a_posting_that_may_have_met_the_key(
    app_db: Database, worker_db: Database, owner_db: Database
) -> None:
    books = await make_ledger(app_db)
    command = books.transfer("cash", "ada", ngn(1), key="k")
    (first,) = await books.posted(command)
    await age(owner_db, books, 31)

    async with app_db.tx(books.tenant_id) as tx:
        await tx.connection.execute("SELECT pg_advisory_xact_lock_shared(ledger_fence(%s))", [books.tenant_id])
        assert await purge(worker_db) == 0
        assert await claims(owner_db, books) == {"k": 1}
    assert only(await books.post(command)).transaction_id == first.transaction_id
    assert await purge(worker_db) == 1


async def test_repeats_that_race_with_the_purge_book_once_and_are_remembered(
    app_db: Database, worker_db: Database, owner_db: Database
) -> None:
    """A repeat gets the old outcome or, when the purge came first, one new one that all later repeats get."""
    books = await make_ledger(app_db)
    commands = [books.transfer("cash", "ada", ngn(1), key=f"k{i}") for i in range(120)]
    first = [t.transaction_id for t in await books.posted(*commands)]
    await age(owner_db, books, 31)
    done = asyncio.Event()

    async def client() -> list[list[Posted]]:
        return [[o for o in await books.post(command) if isinstance(o, Posted)] for command in commands]

    async def purger() -> int:
        purged = 0
        while not done.is_set():
            purged += await purge(worker_db, limit=3)
            await asyncio.sleep(0)
        return purged

    async def clients() -> list[list[list[Posted]]]:
        answers = await asyncio.gather(*[client() for _ in range(4)])
        done.set()
        return answers

    answers, one, two = await asyncio.gather(clients(), purger(), purger())

    await purge_all(worker_db)
    assert 0 < one + two <= len(commands)
    last = [only(await books.post(command)).transaction_id for command in commands]
    for i, old in enumerate(first):
        told = [o for answer in answers for o in answer[i]]
        assert len(told) == 4
        assert {o.transaction.transaction_id for o in told} <= {old, last[i]}
        assert sum(not o.replayed for o in told) <= 1
    booked = len({*first, *last})
    assert (await books.balance("ada")).posted_minor == booked
    await check_invariants(owner_db, books.tenant_id)


async def test_the_purge_walks_the_index_of_ages(worker_db: Database, owner_db: Database) -> None:
    """Among 40,000 keys of 40 organisations: one look for each of them, and a range for a batch."""
    async with owner_db.tx() as tx:
        await tx.connection.execute(
            """INSERT INTO ledger_claim (tenant_id, claim_id, kind, txn_id, claimed_at)
               SELECT md5((n % 40)::text)::uuid, gen_random_uuid(), 'k', gen_random_uuid(), now() + n * interval '1 s'
                 FROM generate_series(1, 40000) n"""
        )
        await tx.connection.execute("ANALYZE ledger_claim")
        batch = """EXPLAIN SELECT claim_id FROM ledger_claim
                    WHERE kind = 'k' AND uuid_hash(tenant_id) = uuid_hash(%(tenant)s) AND tenant_id = %(tenant)s
                      AND claimed_at < now() ORDER BY claimed_at LIMIT 2000"""
        cursor = await tx.connection.execute(batch.encode(), {"tenant": uuid7()})
        ranged = "\n".join([row[0] for row in await cursor.fetchall()])
    async with worker_db.tx(readonly=True) as tx:
        cursor = await tx.connection.execute(
            b"EXPLAIN " + bytes(SQL.tenants_with_old_keys.text), {"before": datetime.now(UTC)}
        )
        plan = "\n".join([row[0] for row in await cursor.fetchall()])
    assert plan.count("using ledger_claim_key_age_ix") == 2, plan
    assert "using ledger_claim_key_age_ix" in ranged, ranged
    for seen in (plan, ranged):
        assert "Seq Scan" not in seen
        assert "ledger_claim_reference" not in seen

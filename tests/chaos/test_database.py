"""Connections and the server are killed under load; clients ask again with the same key. Exactly once, nothing lost."""

import asyncio
import random
from collections import Counter
from collections.abc import AsyncIterator
from uuid import UUID

import pytest
from psycopg import AsyncConnection

from omniroute import ledger
from omniroute.infra.postgres import Database, DatabaseUnavailable, PoolLimits, StatementTimeout, WriteConflict, migrate
from omniroute.ledger import Command, Outcome, Posted, Refused
from omniroute.ledger.commands import claim_id
from omniroute.ledger.service import post_alone
from tests.conftest import PrivatePostgres
from tests.laws.invariants import check_invariants
from tests.ledger.makers import TODAY, Books, codes, make_ledger, ngn

WALLETS = ("ada", "ben", "eve", "open", "revenue", "fees", "float")
ATTEMPTS_MAX = 400
FUNDINGS = 3


class Shop:
    """Clients that note what they were told, and how often they had to ask again."""

    def __init__(self, books: Books) -> None:
        self.books = books
        self.told: dict[str, Outcome] = {}
        self.asked_again = 0
        self.done = False

    async def ask(self, commands: list[Command], *, alone: bool) -> list[Outcome]:
        """Book a batch, however often it takes."""
        for _ in range(ATTEMPTS_MAX):
            try:
                if alone:
                    return await post_alone(self.books.db, self.books.tenant_id, commands, today=TODAY)
                return await self.books.post(*commands)
            except (DatabaseUnavailable, WriteConflict, StatementTimeout):
                self.asked_again += 1
                await asyncio.sleep(random.uniform(0.01, 0.1))
        raise AssertionError("the database did not come back")

    async def client(self, number: int, rounds: int) -> None:
        """Transfers, holds and what becomes of them; every item under its own key."""
        rng = random.Random(number)
        holds: list[UUID] = []
        for i in range(rounds):
            batch = []
            for j in range(rng.randint(1, 6)):
                debit, credit = rng.sample(WALLETS, 2)
                name = f"{number}/{i}/{j}"
                match rng.randrange(6):
                    case 0:
                        batch.append(self.books.hold(debit, credit, ngn(rng.randint(1, 50)), key=name))
                    case 1 if holds:
                        part = rng.choice((None, 1))
                        batch.append(ledger.capture_hold(rng.choice(holds), amount_minor=part, key=name))
                    case 2 if holds:
                        batch.append(ledger.void_hold(rng.choice(holds), key=name))
                    case _:
                        amount = ngn(rng.randint(1, 50))
                        batch.append(self.books.transfer(debit, credit, amount, key=name, reference=name))
            for command, outcome in zip(batch, await self.ask(batch, alone=bool(number % 2)), strict=True):
                assert command.key is not None
                self.told[command.key] = outcome
                if isinstance(outcome, Posted) and command.kind == "h":
                    holds.append(outcome.transaction.transaction_id)

    async def check(self, owner_db: Database) -> None:
        """What was acknowledged is in the books, once; and what every key stands for is what its client was told."""
        async with owner_db.tx() as tx:
            cursor = await tx.connection.execute(
                "SELECT claim_id, txn_id, refusal FROM ledger_claim WHERE tenant_id = %s AND kind = 'k'",
                [self.books.tenant_id],
            )
            kept = {row[0]: (row[1], row[2]) for row in await cursor.fetchall()}
            cursor = await tx.connection.execute(
                "SELECT count(*) FROM ledger_txn WHERE tenant_id = %s", [self.books.tenant_id]
            )
            row = await cursor.fetchone()
        assert row is not None
        assert len(kept) == len(self.told)
        booked = 0
        for key, outcome in self.told.items():
            claim = kept[claim_id("k", key)]
            if isinstance(outcome, Refused):
                assert claim == (None, outcome.refusal.code)
            else:
                assert claim == (outcome.transaction.transaction_id, None)
                booked += 1
        assert row[0] == booked + FUNDINGS
        await check_invariants(owner_db, self.books.tenant_id)
        print(Counter(codes(list(self.told.values()))), "asked again:", self.asked_again)


async def _shop(url: str) -> Shop:
    db = await Database.open(url, role="omniroute_app", limits=PoolLimits(size_max=16, acquire_timeout_s=20))
    books = await make_ledger(db)
    await books.posted(*[books.transfer("cash", code, ngn(500_00)) for code in ("ada", "ben", "eve")])
    return Shop(books)


@pytest.fixture
async def quiet_pool(caplog: pytest.LogCaptureFixture) -> AsyncIterator[None]:
    """The pool reports each lost connection; here they are lost on purpose."""
    with caplog.at_level("CRITICAL", "psycopg.pool"):
        yield


@pytest.mark.usefixtures("quiet_pool")
async def test_law_10_backends_killed_under_load(database_url: str, owner_db: Database) -> None:
    """A backend dies every 50 ms under 12 clients."""
    shop = await _shop(database_url)

    async def kill() -> None:
        async with await AsyncConnection.connect(database_url, autocommit=True) as admin:
            while not shop.done:
                await admin.execute(
                    """SELECT pg_terminate_backend(pid) FROM pg_stat_activity
                        WHERE datname = current_database() AND pid <> pg_backend_pid()
                          AND application_name = 'omniroute' AND state <> 'idle' ORDER BY random() LIMIT 1"""
                )
                await asyncio.sleep(0.05)

    async def work() -> None:
        try:
            await asyncio.gather(*[shop.client(number, 25) for number in range(12)])
        finally:
            shop.done = True

    await asyncio.gather(work(), kill())

    await shop.books.db.close()
    assert shop.asked_again > 0
    await shop.check(owner_db)


@pytest.mark.usefixtures("quiet_pool")
async def test_law_10_the_server_killed_under_fifty_clients(private_postgres: PrivatePostgres) -> None:
    """kill -9 of the whole server, three times; it recovers and the clients go on."""
    server = await private_postgres()
    url = server.url("postgres", "postgres")
    await migrate(url)
    shop = await _shop(url)

    async def kill() -> None:
        for _ in range(3):
            await asyncio.sleep(1)
            await server.kill()
            await asyncio.sleep(0.1)
            await server.start()

    await asyncio.gather(kill(), *[shop.client(number, 12) for number in range(50)])

    await shop.books.db.close()
    owner_db = await Database.open(url, role="omniroute_owner")
    assert shop.asked_again > 0
    await shop.check(owner_db)
    await owner_db.close()

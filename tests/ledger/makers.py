"""Makers of the ledger's things: a tenant with accounts, money, legs, transfers; and the whole state, to compare."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any
from uuid import UUID

from psycopg import sql

from omniroute import ledger
from omniroute.infra.events import Meta
from omniroute.infra.postgres import Database
from omniroute.kit.ids import uuid7
from omniroute.kit.money import Money
from omniroute.ledger import AccountType, Balance, Command, Leg, Mode, Outcome, Posted, Refused, Side

TODAY = date(2026, 3, 10)
NOW = datetime(2026, 3, 10, 12, 0, tzinfo=UTC)
META = Meta(actor="usr_test", channel="test")

TABLES = (
    "ledger_account",
    "ledger_balance",
    "ledger_delta",
    "ledger_txn",
    "ledger_entry",
    "ledger_hold",
    "ledger_hold_leg",
    "ledger_reversal_leg",
    "ledger_claim",
    "ledger_period",
    "event_log",
)


@dataclass(frozen=True)
class Books:
    """One tenant's ledger, and short words for what tests do with it."""

    db: Database
    tenant_id: UUID

    def id(self, code: str) -> UUID:
        """The account's id."""
        return ledger.account_id(self.tenant_id, code)

    def leg(self, code: str, side: Side, amount: Money) -> Leg:
        """One leg, labelled with the code."""
        return Leg(self.id(code), side, amount, code)

    def legs(self, debit: str, credit: str, amount: Money) -> list[Leg]:
        """Two legs: debit one account, credit another."""
        return [self.leg(debit, Side.DEBIT, amount), self.leg(credit, Side.CREDIT, amount)]

    def transfer(self, debit: str, credit: str, amount: Money, **options: Any) -> Command:
        """A posting of two legs."""
        return ledger.post_transaction(self.legs(debit, credit, amount), **options)

    def hold(self, debit: str, credit: str, amount: Money, **options: Any) -> Command:
        """A hold of two legs."""
        return ledger.place_hold(self.legs(debit, credit, amount), **options)

    async def post(
        self, *commands: Command, at: datetime | None = None, branches: Sequence[UUID] | None = None
    ) -> list[Outcome]:
        """Book a batch in a transaction of its own."""
        async with self.db.tx(self.tenant_id, branches=branches) as tx:
            return await ledger.post(tx, commands, today=TODAY, at=at, branches=branches)

    async def posted(self, *commands: Command, at: datetime | None = None) -> list[ledger.Transaction]:
        """Book a batch of which every item must be booked."""
        outcomes = await self.post(*commands, at=at)
        assert all(isinstance(outcome, Posted) for outcome in outcomes), outcomes
        return [outcome.transaction for outcome in outcomes if isinstance(outcome, Posted)]

    async def open(
        self,
        code: str,
        account_type: AccountType = AccountType.LIABILITY,
        currency: str = "NGN",
        mode: Mode = Mode.STRICT,
        floor: int | None = None,
        ceiling: int | None = None,
        branch_id: UUID | None = None,
    ) -> ledger.Account:
        """Open an account."""
        command = ledger.OpenAccount(
            code,
            code,
            account_type,
            currency,
            mode,
            floor_minor=floor,
            ceiling_minor=ceiling,
            branch_id=branch_id,
        )
        async with self.db.tx(self.tenant_id) as tx:
            return await ledger.open_account(tx, command, now=NOW, meta=META)

    async def set_status(self, code: str, status: ledger.AccountStatus) -> None:
        """Freeze, open or close an account."""
        async with self.db.tx(self.tenant_id) as tx:
            await ledger.set_status(tx, self.id(code), status, meta=META)

    async def set_limits(self, code: str, floor: int | None, ceiling: int | None) -> None:
        """Change an account's limits."""
        async with self.db.tx(self.tenant_id) as tx:
            await ledger.set_limits(tx, self.id(code), floor_minor=floor, ceiling_minor=ceiling, meta=META)

    async def balance(self, code: str) -> Balance:
        """Counters of one account, now."""
        return (await self.balances(code))[code]

    async def balances(self, *codes: str) -> dict[str, Balance]:
        """Counters of accounts by code, now."""
        async with self.db.tx(self.tenant_id) as tx:
            found = await ledger.find_balances(tx, [self.id(code) for code in codes])
        return {code: found[self.id(code)] for code in codes}

    async def available(self, code: str) -> int:
        """What may still leave an account."""
        return (await self.balance(code)).available_minor


async def make_ledger(db: Database, tenant_id: UUID | None = None) -> Books:
    """A tenant with some accounts, all empty.

    In NGN: `cash` (asset), `float` (deferred asset), `fees` (deferred income), `revenue` (income), `ada`, `ben` and
    `eve` (wallets, floor 0; eve also with a ceiling of 1,000.00), `open` (a liability without limits).
    In KES: `cash.kes` (asset), `ada.kes` (wallet, floor 0). Limits count holds.
    """
    books = Books(db, tenant_id or uuid7())
    await books.open("cash", AccountType.ASSET)
    await books.open("float", AccountType.ASSET, mode=Mode.DEFERRED)
    await books.open("fees", AccountType.INCOME, mode=Mode.DEFERRED)
    await books.open("revenue", AccountType.INCOME)
    await books.open("ada", floor=0)
    await books.open("ben", floor=0)
    await books.open("eve", floor=0, ceiling=1_000_00)
    await books.open("open")
    await books.open("cash.kes", AccountType.ASSET, currency="KES")
    await books.open("ada.kes", currency="KES", floor=0)
    return books


def ngn(amount_minor: int) -> Money:
    """Naira, in kobo."""
    return Money(amount_minor, "NGN")


def kes(amount_minor: int) -> Money:
    """Kenyan shillings, in cents."""
    return Money(amount_minor, "KES")


def codes(outcomes: Sequence[Outcome]) -> list[str]:
    """The refusal code of each outcome, `booked` when it is booked."""
    return [outcome.refusal.code if isinstance(outcome, Refused) else "booked" for outcome in outcomes]


def only(outcomes: Sequence[Outcome]) -> ledger.Transaction:
    """The transaction of the only outcome, which must be booked."""
    (outcome,) = outcomes
    assert isinstance(outcome, Posted), outcome
    return outcome.transaction


async def state(owner_db: Database, tenant_id: UUID, *, without: Sequence[str] = ()) -> dict[str, list[str]]:
    """Every row of the tenant in every table of the ledger and the event log, as text. Equal means nothing moved."""
    seen: dict[str, list[str]] = {}
    async with owner_db.connection() as connection:
        for table in TABLES:
            if table in without:
                continue
            query = sql.SQL("SELECT t::text FROM {} t WHERE tenant_id = %s ORDER BY 1").format(sql.Identifier(table))
            cursor = await connection.execute(query, [tenant_id])
            seen[table] = [row[0] for row in await cursor.fetchall()]
    return seen

"""An organisation that pays and is paid, and a bank that writes statements about it."""

from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import Any
from uuid import UUID

from omniroute import ledger
from omniroute.infra.postgres import Database
from omniroute.kit.money import Money
from omniroute.ledger import Leg, Side
from omniroute.money import reconciliation
from omniroute.money.reconciliation import EntryKey, Match, Outcome, Run
from tests.money.payments import house as houses
from tests.money.payments.house import META, START, WALLET, House

DAY = START.date()
MAKER, CHECKER = "usr_maker", "usr_checker"


@dataclass
class Bank:
    """The connection `toy` of a house, its postings and its statement."""

    house: House
    lines: int = field(default=0)

    @property
    def tenant_id(self) -> UUID:
        return self.house.tenant_id

    @property
    def connection_id(self) -> UUID:
        return self.house.rules.connection_ids[0]

    @property
    def float_id(self) -> UUID:
        return self.house.rules.float_ids[0]

    async def booked(self, amount: int, *, day: date = DAY, **said: Any) -> EntryKey:
        """A posting on the account: plus came in. What it says stands in its metadata."""
        value = Money(abs(amount), "NGN")
        sides = (Side.DEBIT, Side.CREDIT) if amount > 0 else (Side.CREDIT, Side.DEBIT)
        legs = [Leg(self.float_id, sides[0], value), Leg(self.house.id(WALLET), sides[1], value)]
        command = ledger.post_transaction(legs, value_on=day, metadata=said, meta=META)
        async with self.house.db.tx(self.tenant_id) as tx:
            posted = await ledger.post_one(tx, command, today=day)
        return EntryKey(posted.transaction_id, 1)

    async def shows(
        self, amount: int, our_ref: str | None = None, *, text: str = "", day: date = DAY, currency: str = "NGN"
    ) -> str:
        """A line of the statement: plus came in. Its id."""
        self.lines += 1
        line_id = f"L{self.lines:04d}"
        at = datetime(day.year, day.month, day.day, 12, tzinfo=UTC)
        async with self.house.worker.tx(self.tenant_id) as tx:
            await tx.connection.execute(
                "INSERT INTO rail_statement_line (tenant_id, connection_id, line_id, booked_at, amount_minor, currency,"
                " credit, our_ref, narration, read_at) VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s)",
                [self.tenant_id, self.connection_id, line_id, at, abs(amount), currency, amount > 0, our_ref, text, at],
            )
        return line_id

    async def read(self, until: datetime | None = None) -> None:
        """The statement was read to its end."""
        until = until or datetime(2100, 1, 1, tzinfo=UTC)
        async with self.house.worker.tx(self.tenant_id) as tx:
            await tx.connection.execute("UPDATE bank_connection SET statement_until = %s", [until])

    async def run(self, *, dry: bool = False, start_on: date = DAY, end_on: date = DAY) -> tuple[Run, Outcome]:
        async with self.house.db.tx(self.tenant_id) as tx:
            return await reconciliation.run(
                tx,
                self.connection_id,
                start_on=start_on,
                end_on=end_on,
                by=MAKER,
                now=self.house.clock.now(),
                today=DAY,
                meta=META,
                dry=dry,
            )

    async def matches(self, **which: Any) -> list[Match]:
        async with self.house.db.tx(self.tenant_id) as tx:
            return list((await reconciliation.list_matches(tx, limit=500, **which)).items)

    async def exceptions(self, *, is_open: bool | None = True) -> list[tuple[str, UUID | None, str | None]]:
        async with self.house.db.tx(self.tenant_id) as tx:
            found = await reconciliation.list_exceptions(tx, is_open=is_open, limit=500)
        return sorted((one.kind.value, one.transaction_id, one.line_id) for one in found.items)

    async def report(self) -> reconciliation.Report:
        async with self.house.db.tx(self.tenant_id) as tx:
            later = DAY + timedelta(days=5)
            return await reconciliation.report(tx, start_on=DAY, end_on=DAY, today=later)

    async def state(self) -> dict[str, list[Any]]:
        """Everything reconciliation and the books keep, but for runs: equal ones mean that nothing moved."""
        tables = ("match", "entry_claim", "line_claim", "exception")
        async with self.house.worker.tx(self.tenant_id) as tx:
            found = {}
            for name in (*[f"reconciliation_{one}" for one in tables], "ledger_entry", "event_log"):
                rows = await (
                    await tx.connection.execute(
                        f"SELECT t::text FROM {name} t WHERE tenant_id = %s ORDER BY 1",
                        [self.tenant_id],
                    )
                ).fetchall()
                found[name] = [row[0] for row in rows]
        return found


async def open_bank(app_db: Database, worker_db: Database, owner_db: Database) -> Bank:
    """A new one."""
    async with owner_db.tx() as tx:
        await tx.connection.execute("UPDATE bank_connection SET statement_until = NULL")  # Those of earlier tests.
    return Bank(await houses.build(app_db, worker_db, owner_db))

"""An organisation that pays by file, and its bank on the other side of two folders. Time moves when a test says so."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

from psycopg.types.json import Jsonb

from omniroute import ledger
from omniroute.connectors.neft import NeftConnector
from omniroute.connectors.rtgs import RtgsConnector
from omniroute.infra.postgres import Database
from omniroute.kit.ids import uuid7
from omniroute.ledger import AccountType, OpenAccount
from omniroute.money import payments
from omniroute.money.payments import ByFile, FileSender, Folders, InitiatePayment, Link, Payment
from omniroute.ports.rails import Context, Credentials
from omniroute.sandbox.bank_files import BankFilesSandbox, BankFolder, NeftSandbox, RtgsSandbox
from omniroute.sandbox.faults import FaultPlan
from tests.money.payments import house as houses
from tests.money.payments.house import META, START, House

PUBLIC = {"debtor_name": "Acme Foods", "account": "0102030405", "bank": "000014"}
PAYEE = "2000000017"


@dataclass
class Filing:
    """The organisation, its worker of files, and its bank."""

    house: House
    connection_id: UUID
    sender: FileSender
    bank: BankFilesSandbox
    folder: BankFolder
    root: Path
    make_sender: Callable[[str], FileSender]

    def order(self, amount_minor: int = 5_000, payee: str = PAYEE, **options: Any) -> InitiatePayment:
        return self.house.order(amount_minor=amount_minor, payee=payee, name=options.pop("name", "Ada Obi"), **options)

    async def work(self) -> None:
        """All that we and the bank have to do at this moment."""
        for _ in range(3):
            await self.folder.look()
            await self.sender.recover()
            await self.sender.collect()
            await self.sender.deliver()
            await self.folder.look()
            for _ in range(2):  # A file must not have changed from one look to the next.
                await self.sender.take_in()
            await self.house.rounds()

    async def pass_time(self, *, step: timedelta = timedelta(minutes=15), **delta: float) -> None:
        """Let time pass, in steps."""
        end = self.house.clock.at + timedelta(**delta)
        while self.house.clock.at < end:
            self.house.clock.at = min(self.house.clock.at + step, end)
            await self.work()

    async def stands(self, payments_: Sequence[Payment]) -> list[str]:
        return [(await self.house.now_stands(payment)).state.value for payment in payments_]

    async def attempt_states(self, payments_: Sequence[Payment]) -> list[str]:
        return [attempt.state.value for payment in payments_ for attempt in await self.house.attempts(payment)]

    async def files(self) -> list[payments.RailFileView]:
        async with self.house.db.tx(self.house.tenant_id) as tx:
            return list((await payments.list_files(tx, connection_id=self.connection_id)).items)

    async def content(self, file: payments.RailFileView) -> bytes:
        async with self.house.db.tx(self.house.tenant_id) as tx:
            found = await payments.file_content(tx, file.file_id)
        assert found is not None
        return found

    async def hear(self, content: bytes, name: str = "answer.xml", *, authentic: bool = True) -> dict[str, Any]:
        """Give us a file of the bank; what was made of it."""
        async with self.house.worker.tx(self.house.tenant_id) as tx:
            event_id, _ = await payments.receive_callback(
                tx,
                self.connection_id,
                purpose="file",
                ref=name,
                authentic=authentic,
                headers={},
                body=content,
                now=self.house.clock.now(),
            )
        await self.house.dispatcher.hear()
        async with self.house.db.tx(self.house.tenant_id) as tx:
            cursor = await tx.connection.execute(
                "SELECT state, outcome FROM provider_event WHERE tenant_id = %s AND event_id = %s",
                [self.house.tenant_id, event_id],
            )
            row: Any = await cursor.fetchone()
        return {"state": row[0], **(row[1] or {})}


async def build(
    db: Database,
    worker: Database,
    owner: Database,
    root: Path,
    *,
    rail: str = "neft",
    plan: FaultPlan | None = None,
    endpoint: str = payments.FOLDER,
    http: Any = None,
    public: dict[str, str] | None = None,
    holidays: frozenset[date] = frozenset(),
    takes: timedelta = timedelta(hours=1),
    callbacks: str = "http://house",
    rules: Any = None,
) -> Filing:
    """A new organisation with 1,000,000.00 NGN, all of whose payments go by file."""
    house = await houses.build(db, worker, owner, plan=plan)
    async with owner.tx(house.tenant_id) as tx:
        await tx.connection.execute("TRUNCATE rail_file CASCADE")
        await tx.connection.execute("DELETE FROM bank_connection WHERE operations = '{bulk_file}'")
    tenant_id, connection_id = house.tenant_id, uuid7()
    float_id = ledger.account_id(tenant_id, f"float:{rail}")
    async with db.tx(tenant_id) as tx:
        account = OpenAccount(f"float:{rail}", f"Float {rail}", AccountType.ASSET, "NGN")
        await ledger.open_account(tx, account, now=START, meta=META)
        await tx.connection.execute(
            "INSERT INTO bank_connection (tenant_id, connection_id, code, name, rail, currency, endpoint, public,"
            " operations, float_account_id, created_at, updated_at)"
            " VALUES (%s, %s, %s, %s, %s, 'NGN', %s, %s, '{bulk_file}', %s, now(), now())",
            [tenant_id, connection_id, rail, rail, rail, endpoint, Jsonb({}), float_id],
        )
    connector = NeftConnector() if rail == "neft" else RtgsConnector()
    credentials = Credentials(connection_id, tenant_id, endpoint, public or PUBLIC, {"token": "SECRET-TOKEN"})
    context = Context(
        credentials,
        http,
        None,  # type: ignore[arg-type]
        house.clock,
        lambda purpose, ref: f"{callbacks}/{purpose}/{ref}/CODE",
    )
    house.links.links[connection_id] = Link(
        connection_id, rail, "NGN", float_id, ByFile(connector), context, connector.policy(), files=connector
    )
    house.rules.connection_ids = (connection_id,)
    house.rules.float_ids = (float_id,)

    def make_sender(worker_id: str) -> FileSender:
        return FileSender(
            worker,
            house.links,
            clock=house.clock,
            business_day=houses.today,
            worker_id=worker_id,
            folders=Folders(root),
            holidays=lambda _: holidays,
            rules=rules,
        )

    bank = (NeftSandbox if rail == "neft" else RtgsSandbox)(house.world, takes=takes)
    folder = BankFolder(bank, root / tenant_id.hex / connection_id.hex)
    return Filing(house, connection_id, make_sender("files-1"), bank, folder, root, make_sender)


def pause(filing: Filing) -> None:
    """The connection sends nothing new."""
    links = filing.house.links.links
    links[filing.connection_id] = replace(links[filing.connection_id], paused=True)

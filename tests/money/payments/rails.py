"""An organisation connected to every rail of the sandbox over real HTTP, on a clock that is set by hand."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any
from urllib.parse import unquote, urlsplit
from uuid import UUID

from prometheus_client import CollectorRegistry

from omniroute import ledger
from omniroute.connectors.airtel import Airtel
from omniroute.connectors.gsma import Gsma
from omniroute.connectors.mpesa import MpesaConnector
from omniroute.connectors.mtn_momo import MtnMomo
from omniroute.connectors.nip import NipConnector, NipRestConnector
from omniroute.infra.http import RailClients
from omniroute.infra.postgres import Database
from omniroute.kit.clock import FixedClock
from omniroute.kit.ids import uuid7
from omniroute.kit.money import Money
from omniroute.ledger import AccountType, Leg, OpenAccount, Side
from omniroute.money import connections, payments
from omniroute.money.connections import BankConnection, ConnectionLinks, CreateConnection
from omniroute.money.payments import Decision, Initiated, InitiatePayment, Payment, PaymentType, callbacks
from omniroute.money.payments import store as payment_store
from omniroute.ports.rails import Connector, Party, PartyKind
from omniroute.sandbox.airtel import AirtelSandbox
from omniroute.sandbox.callbacks import CallbackRequest
from omniroute.sandbox.faults import FaultPlan
from omniroute.sandbox.gsma import GsmaSandbox
from omniroute.sandbox.mpesa import MpesaSandbox
from omniroute.sandbox.mtn_momo import MtnMomoSandbox
from omniroute.sandbox.nip import NipRestSandbox, NipSandbox
from omniroute.sandbox.rail import RailSandbox
from omniroute.sandbox.server import Sandbox
from omniroute.sandbox.world import World
from tests.money.payments.house import META, START
from tests.vaults import the_vault

CURRENCIES = {"nip": "NGN", "nip_rest": "NGN", "mpesa": "KES", "mtn_momo": "UGX", "airtel": "KES", "gsma": "GHS"}
FUNDS_MINOR = 10**10


def connectors() -> dict[str, Connector]:
    found: Sequence[Connector] = [NipConnector(), NipRestConnector(), MpesaConnector(), MtnMomo(), Airtel(), Gsma()]
    return {connector.rail: connector for connector in found}


def payee(rail: str, number: int) -> Party:
    """Somebody the rail can pay, without magic digits."""
    match rail:
        case "nip" | "nip_rest":
            return Party(PartyKind.BANK_ACCOUNT, f"22{number:04d}1004", "000013", None, "NG")
        case "mpesa":
            return Party(PartyKind.MSISDN, f"2547{number:05d}104", None, None, "KE")
        case "mtn_momo":
            return Party(PartyKind.MSISDN, f"25677{number:04d}104", None, None, "UG")
        case "airtel":
            return Party(PartyKind.MSISDN, f"25473{number:04d}104", None, None, "KE")
        case _:
            return Party(PartyKind.MSISDN, f"23355{number:04d}104", None, None, "GH")


@dataclass
class Pinned:
    """Rules of a test: each payment goes over the connection it names."""

    by_code: dict[str, BankConnection]

    def decide(self, command: InitiatePayment, *, actor: str, now: datetime, today: date) -> Decision:
        assert command.connection is not None
        one = self.by_code[command.connection]
        return Decision(one.rail, (one.connection_id,), ("named",), (one.float_account_id,))


@dataclass
class Stage:
    """One organisation, six rails."""

    tenant_id: UUID
    app: Database
    worker: Database
    clock: FixedClock
    world: World
    links: ConnectionLinks
    by_code: dict[str, BankConnection]
    dispatcher: payments.Dispatcher
    reader: payments.StatementReader

    def new_dispatcher(self, name: str) -> None:
        """Another worker process takes over."""
        self.dispatcher = payments.Dispatcher(
            self.worker, self.links, clock=self.clock, business_day=_today, worker_id=name
        )

    async def initiate(self, rail: str, count: int, start: int = 0) -> list[Payment]:
        currency = CURRENCIES[rail]
        orders = [
            payments.initiate_payment(
                reference=f"{rail}-{number}",
                type=PaymentType.WORKER_PAYOUT,
                amount=Money((number + 10) * 100, currency),
                source_code=f"wallet:{currency}",
                payee=payee(rail, number),
                narration="Wages",
                connection=rail.replace("_", "-"),
            )
            for number in range(start, start + count)
        ]
        async with self.app.tx(self.tenant_id) as tx:
            outcomes = await payments.initiate(
                tx,
                [payments.Request(order, "usr_maker", None, META) for order in orders],
                rules=Pinned(self.by_code),
                now=self.clock.now(),
                today=START.date(),
            )
        made = [one.payment for one in outcomes if isinstance(one, Initiated)]
        assert len(made) == count, outcomes
        return made

    async def deliver(self, request: CallbackRequest) -> int:
        """What our webhook door does, without the wire."""
        parts = [unquote(part) for part in urlsplit(request.url).path.split("/")]
        _, _, _, tenant, connection, purpose, ref, code = parts
        tenant_id, connection_id = UUID(tenant), UUID(connection)
        authentic = await self.links.is_authentic(tenant_id, connection_id, purpose, ref, code)
        async with self.app.tx(tenant_id) as tx:
            await callbacks.receive(
                tx,
                connection_id,
                purpose=purpose,
                ref=ref,
                authentic=authentic,
                headers=request.headers,
                body=request.body,
                now=self.clock.now(),
            )
        return 200

    async def rounds(self) -> int:
        """Everything a worker does, until nothing more is under way; how much it was."""
        one = self.dispatcher
        done = await one.recover() + await one.expire() + await one.hear() + await one.send() + await one.ask()
        await one.idle()
        return done

    async def settle(self, until: timedelta) -> None:
        """Let time pass from event to event."""
        end = self.clock.at + until
        while True:
            await self.world.run_due()
            while await self.rounds():
                await self.world.run_due()
            async with self.worker.tx(readonly=True) as tx:
                ours = await tx.value(payment_store.SQL.next_due)
            nexts = [at for at in (ours, self.world.next_due) if at is not None]
            if not nexts or min(nexts) > end:
                self.clock.at = end
                return
            self.clock.at = max(min(nexts), self.clock.at + timedelta(milliseconds=1))

    async def read_statements(self) -> None:
        for connection in self.by_code.values():
            if "statement" in connection.operations:
                await self.reader.read(self.tenant_id, connection.connection_id)

    async def now_stands(self, payment: Payment) -> tuple[Payment, list[payments.Attempt]]:
        async with self.worker.tx(self.tenant_id) as tx:
            row = await tx.one(payment_store.SQL.find_payment, tenant=self.tenant_id, payment=payment.payment_id)
            rows = await tx.all(payment_store.SQL.find_attempts, tenant=self.tenant_id, payment=payment.payment_id)
        return payment_store.payment_of(row), [payment_store.attempt_of(one) for one in rows]

    async def float_posted(self, code: str) -> int:
        account = self.by_code[code].float_account_id
        async with self.app.tx(self.tenant_id) as tx:
            return (await ledger.find_balances(tx, [account]))[account].posted_minor


def _today(tenant_id: UUID) -> date:
    return START.date()


@asynccontextmanager
async def stage(app: Database, worker: Database, owner: Database, plan: FaultPlan) -> AsyncIterator[Stage]:
    """A new organisation with a full wallet in each currency and a connection to each rail."""
    tenant_id, clock = uuid7(), FixedClock(START)
    async with owner.tx(tenant_id) as tx:
        await tx.connection.execute("TRUNCATE payment, provider_event CASCADE")
        await tx.connection.execute(
            "INSERT INTO organisation (tenant_id, slug, name, country, currency, time_zone, residency, settings,"
            " custom, branding, created_at, updated_at)"
            " VALUES (%s, %s, 'Test', 'NG', 'NGN', 'Africa/Lagos', 'any', '{}', '{}', '{}', now(), now())",
            [tenant_id, f"t-{tenant_id.hex[-12:]}"],
        )
    held: list[Stage] = []

    async def deliver(request: CallbackRequest) -> int | None:
        return await held[0].deliver(request)

    world = World(clock=clock, plan=plan, deliver=deliver, slow_s=0)
    rails: list[RailSandbox] = [
        NipSandbox(world),
        NipRestSandbox(world),
        MpesaSandbox(world),
        MtnMomoSandbox(world),
        AirtelSandbox(world),
        GsmaSandbox(world),
    ]
    clients = RailClients(clock=clock, registry=CollectorRegistry(), sleep=_no_sleep)
    registry = connectors()
    async with Sandbox(world, rails, moves_by_itself=False) as sandbox:
        links = ConnectionLinks(
            worker, registry, vault=the_vault(), clients=clients, clock=clock, public_url="https://pay.example"
        )
        made = await _connect(app, tenant_id, sandbox, registry)
        dispatcher = payments.Dispatcher(worker, links, clock=clock, business_day=_today, worker_id="worker-0")
        reader = payments.StatementReader(worker, links, clock=clock, business_day=_today)
        one = Stage(tenant_id, app, worker, clock, world, links, made, dispatcher, reader)
        held.append(one)
        try:
            yield one
        finally:
            await one.dispatcher.close()
            await clients.aclose()


async def _no_sleep(seconds: float) -> None:
    return None


async def _connect(
    app: Database, tenant_id: UUID, sandbox: Sandbox, registry: dict[str, Connector]
) -> dict[str, BankConnection]:
    made: dict[str, BankConnection] = {}
    async with app.tx(tenant_id) as tx:
        for currency in sorted(set(CURRENCIES.values())):
            for account in (
                OpenAccount(f"wallet:{currency}", "Wallet", AccountType.LIABILITY, currency, floor_minor=0),
                OpenAccount(f"bank:{currency}", "Bank", AccountType.ASSET, currency),
            ):
                await ledger.open_account(tx, account, now=START, meta=META)
            legs = [
                Leg(ledger.account_id(tenant_id, f"bank:{currency}"), Side.DEBIT, Money(FUNDS_MINOR, currency)),
                Leg(ledger.account_id(tenant_id, f"wallet:{currency}"), Side.CREDIT, Money(FUNDS_MINOR, currency)),
            ]
            await ledger.post_one(tx, ledger.post_transaction(legs), today=START.date())
        for rail in sandbox.rails:
            test: Any = next(one for one in rail.connections() if one.currency == CURRENCIES[rail.rail])
            command = CreateConnection(
                code=rail.rail.replace("_", "-"),
                name=rail.rail,
                rail=rail.rail,
                currency=test.currency,
                endpoint=f"{sandbox.url}/{rail.rail}{test.path}",
                public=test.public,
                secret=test.secret,
                # The test itself sees what goes wrong: the breaker would only make it slower to show.
                limits={"breaker_failures_min": 10**6},
            )
            one = await connections.create_connection(
                tx, command, rails=registry, vault=the_vault(), now=START, meta=META
            )
            made[one.code] = one
    return made

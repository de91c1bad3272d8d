"""An organisation with money, connections and a worker, on a clock that is set by hand."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import Any
from uuid import UUID

from psycopg.types.json import Jsonb

from omniroute import ledger
from omniroute.infra.events import Meta
from omniroute.infra.postgres import Database
from omniroute.kit.clock import FixedClock
from omniroute.kit.ids import uuid7
from omniroute.kit.money import Money
from omniroute.kit.refusal import Refusal
from omniroute.ledger import AccountType, Leg, OpenAccount, Side
from omniroute.money import payments
from omniroute.money.payments import Decision, Initiated, InitiatePayment, Link, NotInitiated, Payment, PaymentType
from omniroute.money.payments import store as payment_store
from omniroute.ports.rails import Connector, Context, Credentials, Party, PartyKind
from omniroute.sandbox.faults import FaultPlan
from omniroute.sandbox.world import World
from tests.money.payments.toy import ToyConnector, ToyLinks

START = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
META = Meta(actor="usr_maker", channel="test")
WALLET = "wallet:shop"


def today(tenant_id: UUID) -> date:
    return START.date()


@dataclass
class Rules:
    """What the organisation has decided, as plain fields a test may change."""

    connection_ids: tuple[UUID, ...] = ()
    float_ids: tuple[UUID, ...] = ()
    fee_minor: int = 0
    fee_account_id: UUID | None = None
    approvals: int = 0
    expires_at: datetime | None = None
    limits: tuple[payments.LimitUse, ...] = ()
    refusal: Refusal | None = None

    def decide(self, command: InitiatePayment, *, actor: str, now: datetime, today: date) -> Decision:
        if self.refusal is not None:
            raise self.refusal
        book = command.type is PaymentType.INTERNAL_TRANSFER
        return Decision(
            payments.BOOK if book else "toy",
            () if book else self.connection_ids,
            ("because the test says so",),
            () if book else self.float_ids,
            0 if book else self.fee_minor,
            self.fee_account_id,
            self.approvals,
            self.expires_at,
            self.limits,
        )


@dataclass
class House:
    """One organisation."""

    tenant_id: UUID
    db: Database
    worker: Database
    clock: FixedClock
    world: World
    rules: Rules
    links: ToyLinks
    connectors: list[ToyConnector]
    dispatcher: payments.Dispatcher
    counter: int = field(default=0)

    def id(self, code: str) -> UUID:
        return ledger.account_id(self.tenant_id, code)

    def order(
        self, reference: str | None = None, amount_minor: int = 5_000, payee: str = "0123456789", **options: Any
    ) -> InitiatePayment:
        self.counter += 1
        party = options.pop("party", None) or Party(
            PartyKind.BANK_ACCOUNT, payee, "000014", options.pop("name", None), "NG"
        )
        return payments.initiate_payment(
            reference=reference or f"P{self.counter}",
            type=options.pop("type", PaymentType.SUPPLIER_PAYMENT),
            amount=Money(amount_minor, "NGN"),
            source_code=options.pop("source", WALLET),
            payee=party,
            **options,
        )

    async def ask_for(
        self, *commands: InitiatePayment, actor: str = "usr_maker", branches: tuple[UUID, ...] | None = None
    ) -> list[payments.InitiateOutcome]:
        async with self.db.tx(self.tenant_id) as tx:
            return await payments.initiate(
                tx,
                [payments.Request(command, actor, branches, META) for command in commands],
                rules=self.rules,
                now=self.clock.now(),
                today=START.date(),
            )

    async def initiated(self, *commands: InitiatePayment) -> list[Payment]:
        outcomes = await self.ask_for(*commands)
        assert all(isinstance(one, Initiated) for one in outcomes), outcomes
        return [one.payment for one in outcomes if isinstance(one, Initiated)]

    async def refused(self, *commands: InitiatePayment) -> list[str]:
        outcomes = await self.ask_for(*commands)
        assert all(isinstance(one, NotInitiated) for one in outcomes), outcomes
        return [one.refusal.code for one in outcomes if isinstance(one, NotInitiated)]

    async def now_stands(self, payment: Payment) -> Payment:
        async with self.db.tx(self.tenant_id) as tx:
            row = await tx.one(payment_store.SQL.find_payment, tenant=self.tenant_id, payment=payment.payment_id)
        return payment_store.payment_of(row)

    async def attempts(self, payment: Payment) -> list[payments.Attempt]:
        async with self.db.tx(self.tenant_id) as tx:
            rows = await tx.all(payment_store.SQL.find_attempts, tenant=self.tenant_id, payment=payment.payment_id)
        return [payment_store.attempt_of(row) for row in rows]

    async def timeline(self, payment: Payment) -> list[payments.Step]:
        async with self.db.tx(self.tenant_id) as tx:
            return await payment_store.find_steps(tx, payment.payment_id)

    async def balances(self, *codes: str) -> list[tuple[int, int]]:
        """Posted, and available, of each account in minor units on its normal side."""
        async with self.db.tx(self.tenant_id) as tx:
            found = await ledger.find_balances(tx, [self.id(code) for code in codes])
        return [(found[self.id(code)].posted_minor, found[self.id(code)].available_minor) for code in codes]

    async def rounds(self, times: int = 1) -> int:
        """Everything a worker does, until nothing more is under way; how much it was."""
        done = 0
        for _ in range(times):
            dispatcher = self.dispatcher
            done += await dispatcher.recover() + await dispatcher.expire() + await dispatcher.hear()
            done += await dispatcher.send() + await dispatcher.ask()
            await dispatcher.idle()
        return done

    async def settle(self, until: timedelta = timedelta(days=10)) -> None:
        """Let time pass from event to event until nothing is due any more."""
        end = self.clock.at + until
        while True:
            await self.world.run_due()
            while await self.rounds():
                await self.world.run_due()
            async with self.worker.tx(readonly=True) as tx:
                ours = await tx.value(payment_store.SQL.next_due)
            nexts = [at for at in (ours, self.world.next_due) if at is not None]
            if not nexts or min(nexts) > end:
                return
            self.clock.at = max(min(nexts), self.clock.at + timedelta(microseconds=1))


async def build(
    db: Database,
    worker: Database,
    owner: Database,
    *,
    rails: Sequence[str] = ("toy",),
    plan: FaultPlan | None = None,
    funds_minor: int = 1_000_000_00,
    **connector: Any,
) -> House:
    """A new organisation with a wallet of 1,000,000.00 NGN and a connection for each of `rails`."""
    tenant_id = uuid7()
    clock = FixedClock(START)
    world = World(clock=clock, plan=plan or FaultPlan(), slow_s=0)
    async with owner.tx(tenant_id) as tx:
        # The worker works for every organisation of the database: what earlier tests left would be its work, too.
        await tx.connection.execute("TRUNCATE payment, provider_event CASCADE")
        await tx.connection.execute(
            "INSERT INTO organisation (tenant_id, slug, name, country, currency, time_zone, residency, settings,"
            " custom, branding, created_at, updated_at)"
            " VALUES (%s, %s, 'Test', 'NG', 'NGN', 'Africa/Lagos', 'any', '{}', '{}', '{}', now(), now())",
            [tenant_id, f"t-{tenant_id.hex[-12:]}"],
        )
    rules = Rules()
    links: dict[UUID, Link] = {}
    connectors: list[ToyConnector] = []
    async with db.tx(tenant_id) as tx:
        for account in [
            OpenAccount(WALLET, "Shop", AccountType.LIABILITY, "NGN", floor_minor=0),
            OpenAccount("wallet:other", "Other", AccountType.LIABILITY, "NGN", floor_minor=0),
            OpenAccount("bank", "Bank", AccountType.ASSET, "NGN"),
            *payments.needed_accounts("NGN"),
            *[OpenAccount(f"float:{rail}", f"Float {rail}", AccountType.ASSET, "NGN") for rail in rails],
        ]:
            await ledger.open_account(tx, account, now=START, meta=META)
        legs = [
            Leg(ledger.account_id(tenant_id, "bank"), Side.DEBIT, Money(funds_minor, "NGN")),
            Leg(ledger.account_id(tenant_id, WALLET), Side.CREDIT, Money(funds_minor, "NGN")),
        ]
        await ledger.post_one(tx, ledger.post_transaction(legs), today=START.date())
        for rail in rails:
            connection_id, float_id = uuid7(), ledger.account_id(tenant_id, f"float:{rail}")
            await tx.connection.execute(
                "INSERT INTO bank_connection (tenant_id, connection_id, code, name, rail, currency, endpoint, public,"
                " operations, float_account_id, created_at, updated_at)"
                " VALUES (%s, %s, %s, %s, %s, 'NGN', 'http://none', %s, '{payout}', %s, now(), now())",
                [tenant_id, connection_id, rail, rail, rail, Jsonb({}), float_id],
            )
            toy = ToyConnector(world, rail, **connector)
            link = make_link(tenant_id, connection_id, float_id, toy, clock)
            links[connection_id] = link
            connectors.append(toy)
    rules.connection_ids = tuple(links)
    rules.float_ids = tuple(link.float_account_id for link in links.values())
    rules.fee_account_id = ledger.account_id(tenant_id, "payments:fees:NGN")
    found = ToyLinks(links)
    dispatcher = payments.Dispatcher(worker, found, clock=clock, business_day=today, worker_id="worker-1")
    return House(tenant_id, db, worker, clock, world, rules, found, connectors, dispatcher)


def make_link(tenant_id: UUID, connection_id: UUID, float_id: UUID, connector: Connector, clock: FixedClock) -> Link:
    credentials = Credentials(connection_id, tenant_id, "http://none", {}, {})
    context = Context(credentials, None, None, clock, lambda purpose, ref: f"http://none/{purpose}/{ref}")  # type: ignore[arg-type]
    return Link(connection_id, connector.rail, "NGN", float_id, connector, context, connector.policy())

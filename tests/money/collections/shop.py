"""An organisation that collects through Monnify's sandbox over real HTTP, on a clock that is set by hand."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import Any
from urllib.parse import urlsplit
from uuid import UUID

from prometheus_client import CollectorRegistry
from psycopg.types.json import Jsonb

from omniroute import ledger
from omniroute.connectors.monnify import Monnify
from omniroute.infra.events import Meta
from omniroute.infra.http import Limits, RailClients, Tokens
from omniroute.infra.postgres import Database
from omniroute.kit.clock import FixedClock
from omniroute.kit.ids import uuid7
from omniroute.kit.money import Money
from omniroute.ledger import AccountType, OpenAccount
from omniroute.money import collections, payments
from omniroute.money.collections import AccountCredit, AccountStatus, OwnerType, RequestAccount, VirtualAccount
from omniroute.money.payments import Link, LinkDown
from omniroute.parties import partners
from omniroute.parties.partners import CreatePartner, Partner, PartnerKind
from omniroute.ports.rails import Context, Credentials
from omniroute.sandbox.callbacks import CallbackRequest
from omniroute.sandbox.faults import FaultPlan
from omniroute.sandbox.monnify import Mishap, MonnifySandbox
from omniroute.sandbox.monnify.payers import Payment, read_transfer
from omniroute.sandbox.server import Sandbox
from omniroute.sandbox.world import World

START = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
META = Meta(actor="usr_maker", channel="test")
LIMITS = Limits(tries_max=1, breaker_failures_min=10**6)
"""What goes wrong is the test's to see: no second try, and no breaker."""
FLOAT = "float:collect"


def today(tenant_id: UUID) -> date:
    return START.date()


@dataclass
class Links:
    """One connection; `down`: it cannot be used now."""

    tenant_id: UUID
    link: Link
    down: bool = False

    async def get(self, tenant_id: UUID, connection_id: UUID) -> Link:
        if self.down or (tenant_id, connection_id) != (self.tenant_id, self.link.connection_id):
            raise LinkDown("not now")
        return self.link


@dataclass
class Shop:
    """One organisation with a customer, and a provider. `deaf`: nobody takes notifications in."""

    tenant_id: UUID
    db: Database
    worker: Database
    clock: FixedClock
    world: World
    rail: MonnifySandbox
    links: Links
    owner: Partner
    collector: collections.Collector
    dispatcher: payments.Dispatcher
    heard: list[CallbackRequest] = field(default_factory=list)
    deaf: bool = False

    @property
    def connection_id(self) -> UUID:
        return self.links.link.connection_id

    async def deliver(self, request: CallbackRequest) -> int | None:
        """A call as our door takes it in."""
        if self.deaf:
            return None
        self.heard.append(request)
        _, purpose, ref = urlsplit(request.url).path.strip("/").split("/")
        await self.take_in(request.body, dict(request.headers), purpose, ref)
        return 200

    async def take_in(
        self, body: bytes, headers: dict[str, str], purpose: str = "portal", ref: str = "portal", **more: Any
    ) -> None:
        async with self.db.tx(self.tenant_id) as tx:
            await payments.receive_callback(
                tx,
                self.connection_id,
                purpose=purpose,
                ref=ref,
                authentic=more.get("authentic", True),
                headers=headers,
                body=body,
                now=self.clock.now(),
            )

    async def want(self, **changes: Any) -> VirtualAccount:
        """An account is wanted; the provider has not been asked yet."""
        fields: dict[str, Any] = {
            "owner_id": self.owner.partner_id,
            "owner_type": OwnerType.CUSTOMER,
            "currency": "NGN",
        }
        command = RequestAccount(**{**fields, **changes})
        async with self.db.tx(self.tenant_id) as tx:
            account, _ = await collections.request_account(
                tx, command, actor="usr_maker", now=self.clock.now(), meta=META
            )
        return account

    async def ask(self, account: VirtualAccount) -> VirtualAccount:
        return await collections.open_now(
            self.db, self.links, self.tenant_id, account.virtual_account_id, clock=self.clock
        )

    async def open(self, **changes: Any) -> VirtualAccount:
        account = await self.ask(await self.want(**changes))
        assert account.status is AccountStatus.ACTIVE
        return account

    async def now_stands(self, account: VirtualAccount) -> VirtualAccount:
        async with self.db.tx(self.tenant_id) as tx:
            return await collections.find_account(tx, account.virtual_account_id)

    def pay(self, account: VirtualAccount, naira: str = "2500.00", **more: Any) -> Payment:
        """A payer's bank sends money."""
        body = {"accountNumber": account.account_number, "bankCode": account.bank_code, "amount": naira, **more}
        return self.rail.pay_in(read_transfer(body))

    async def pass_time(self, **delta: float) -> None:
        self.clock.at += timedelta(**delta)
        await self.world.run_due()

    async def hear(self) -> None:
        """What the provider called about is looked at, and the provider asked."""
        await self.pass_time(milliseconds=5)  # It arrives.
        await self.pass_time(milliseconds=5)  # We are told.
        await self.dispatcher.hear()
        await self.collector.round()

    async def settle(self, days: int = 12) -> None:
        """Let time pass, looking and asking as workers do, until there is nothing more to hear."""
        for _ in range(days * 4):
            await self.hear()
            await self.collector.fetch_due()
            await self.pass_time(hours=6)
        await self.hear()

    async def credits(self) -> list[AccountCredit]:
        """Every credit there is, the first first."""
        async with self.db.tx(self.tenant_id) as tx:
            page = await collections.list_credits(tx, limit=100)
        return sorted(page.items, key=lambda one: one.credit_id)

    async def balance(self, code: str) -> int:
        """What is posted on an account, in minor units on its normal side; nothing where there is no such account."""
        account_id = ledger.account_id(self.tenant_id, code)
        async with self.db.tx(self.tenant_id) as tx:
            found = await ledger.find_balances(tx, [account_id])
        return found[account_id].posted_minor if account_id in found else 0

    async def on(self, account: VirtualAccount) -> int:
        return await self.balance(f"collections:va:{account.virtual_account_id}:{account.currency}")

    async def books(self) -> tuple[int, int, int]:
        """Float, unplaced and fees, in kobo."""
        return (
            await self.balance(FLOAT),
            await self.balance("collections:unplaced:NGN"),
            await self.balance("collections:provider-fees:NGN"),
        )

    async def events(self, *topics: str) -> list[str]:
        """Topics of events of these kinds, in order."""
        async with self.worker.tx(self.tenant_id) as tx:
            cursor = await tx.connection.execute(
                "SELECT type FROM event_log WHERE tenant_id = %s AND type ^@ ANY (%s) ORDER BY seq",
                [self.tenant_id, list(topics)],
            )
            return [row.type for row in await cursor.fetchall()]

    def received_minor(self) -> int:
        """What the provider's own books say came in and stayed, whatever it has told anybody."""
        return sum(one.amount_minor for one in self.rail.payments.values() if one.state == "PAID")


@asynccontextmanager
async def opened(db: Database, worker: Database, owner: Database, **options: Any) -> AsyncIterator[Shop]:
    """A new organisation and a provider of its own."""
    tenant_id, connection_id = uuid7(), uuid7()
    clock = FixedClock(START)
    found: list[Shop] = []

    async def deliver(request: CallbackRequest) -> int | None:
        return await found[0].deliver(request)

    world = World(clock=clock, plan=options.pop("plan", None) or FaultPlan(), slow_s=0, deliver=deliver)
    rail = MonnifySandbox(world, **options)
    rail.callback_url = "http://us/calls/portal/portal"
    clients = RailClients(clock=clock, registry=CollectorRegistry())
    async with Sandbox(world, [rail], moves_by_itself=False) as sandbox:
        partner = await _organisation(db, owner, tenant_id, connection_id)
        given = rail.connections()[0]
        connector = Monnify()
        credentials = Credentials(
            connection_id, tenant_id, f"{sandbox.url}/{rail.rail}{given.path}", given.public, given.secret
        )
        http = await clients.client(rail.rail, str(connection_id), limits=LIMITS)
        context = Context(credentials, http, Tokens(clock), clock, lambda purpose, ref: f"http://us/{purpose}/{ref}")
        float_id = ledger.account_id(tenant_id, FLOAT)
        links = Links(
            tenant_id, Link(connection_id, rail.rail, "NGN", float_id, connector, context, connector.policy())
        )
        collector = collections.Collector(worker, links, clock=clock, business_day=today)
        dispatcher = payments.Dispatcher(
            worker, links, clock=clock, business_day=today, worker_id="worker-1", credited=collections.hear_credit
        )
        found.append(Shop(tenant_id, db, worker, clock, world, rail, links, partner, collector, dispatcher))
        try:
            yield found[0]
        finally:
            await clients.aclose()


async def _organisation(db: Database, owner: Database, tenant_id: UUID, connection_id: UUID) -> Partner:
    async with owner.tx(tenant_id) as tx:
        # The worker works for every organisation of the database: what earlier tests left would be its work, too.
        await tx.connection.execute("TRUNCATE bank_connection, provider_event CASCADE")
        await tx.connection.execute(
            "INSERT INTO organisation (tenant_id, slug, name, country, currency, time_zone, residency, settings,"
            " custom, branding, created_at, updated_at)"
            " VALUES (%s, %s, 'Test', 'NG', 'NGN', 'Africa/Lagos', 'any', '{}', '{}', '{}', now(), now())",
            [tenant_id, f"t-{tenant_id.hex[-12:]}"],
        )
    async with db.tx(tenant_id) as tx:
        float_account = OpenAccount(FLOAT, "Float collect", AccountType.ASSET, "NGN")
        for account in (float_account, *payments.needed_accounts("NGN")):
            await ledger.open_account(tx, account, now=START, meta=META)
        await tx.connection.execute(
            "INSERT INTO bank_connection (tenant_id, connection_id, code, name, rail, currency, endpoint, public,"
            " operations, float_account_id, created_at, updated_at)"
            " VALUES (%s, %s, 'collect', 'Monnify', 'monnify', 'NGN', 'http://none', %s,"
            " '{virtual_accounts,balance}', %s, %s, %s)",
            [tenant_id, connection_id, Jsonb({}), ledger.account_id(tenant_id, FLOAT), START, START],
        )
        command = CreatePartner("nkechi", PartnerKind.RETAILER, "Mama Nkechi Stores", email="nkechi@stores.example")
        return await partners.create_partner(tx, command, now=START, meta=META)


def naira(amount: int) -> Money:
    return Money(amount * 100, "NGN")


__all__ = ["START", "Mishap", "Shop", "naira", "opened"]

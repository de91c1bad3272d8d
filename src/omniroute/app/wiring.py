"""Where the objects of a process meet: settings in, open databases and services out. There are no globals."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta

from prometheus_client import CollectorRegistry, Gauge

from omniroute import api, ledger
from omniroute.app.calendar import BusinessDays
from omniroute.app.databases import open_vault, pool_limits, worker_database
from omniroute.app.rails import connectors, worker_id
from omniroute.app.settings import Settings
from omniroute.app.signals import Hangups
from omniroute.infra.batch import BatchLimits
from omniroute.infra.http import Limits, RailClients, public_only
from omniroute.infra.postgres import Database, present
from omniroute.infra.secrets import Vault
from omniroute.infra.telemetry import new_registry
from omniroute.kit.clock import Clock, SystemClock
from omniroute.kit.networks import read_networks
from omniroute.money import atc, collections, desk, payments
from omniroute.money.batches import BatchWorker
from omniroute.money.connections import ConnectionLinks
from omniroute.money.policies import PolicyRulebooks
from omniroute.money.reconciliation import Reconciler
from omniroute.money.schedules import ScheduleRunner
from omniroute.money.settlement import SettlementRunner
from omniroute.parties import access, webhooks
from omniroute.ports.rails import Connector

RECORDS = BatchLimits(pace_s=0.03, items_max=256, queue_max=20_000, lane_queue_max=20_000)
"""What rails answer is recorded some thirty times a second and much at once, not a thousand times and each alone."""


@dataclass(frozen=True, slots=True)
class Money:
    """What payments are made with. From `dispatcher` on all work in the background; they start nothing alone."""

    rails: Mapping[str, Connector]
    clients: RailClients
    links: ConnectionLinks
    rulebooks: PolicyRulebooks
    initiator: payments.Initiator
    dispatcher: payments.Dispatcher
    files: payments.FileSender
    statements: payments.StatementReader
    reconciler: Reconciler
    batches: BatchWorker
    schedules: ScheduleRunner
    settlements: SettlementRunner
    returner: desk.Returner
    collector: collections.Collector
    recorder: atc.Recorder
    grants: atc.GrantExpirer

    async def close(self) -> None:
        """Take nothing new, record what is under way, hang up."""
        await self.initiator.close()
        await self.recorder.close()
        await self.dispatcher.close()
        await self.clients.aclose()


@dataclass(frozen=True, slots=True)
class House:
    """Everything a process works with. `db` is the doors' role, `worker_db` the background's."""

    settings: Settings
    clock: Clock
    db: Database
    worker_db: Database
    registry: CollectorRegistry
    poster: ledger.Poster
    vault: Vault
    money: Money
    courier: webhooks.Courier
    hangups: Hangups = field(default_factory=Hangups)

    def services(self, selection: api.Selection) -> api.Services:
        """What the REST door gets, for these of its modules."""
        settings = self.settings
        limits = api.Limits(
            body_bytes_max=settings.request_bytes_max,
            bulk_bytes_max=settings.bulk_bytes_max,
            disk_free_bytes_min=settings.disk_free_bytes_min,
        )
        folder = settings.data_folder
        return api.Services(
            db=self.db,
            poster=self.poster,
            clock=self.clock,
            limits=limits,
            registry=self.registry,
            authenticator=access.Authenticator(
                self.db,
                issuer=settings.jwt_issuer or settings.public_url or access.ISSUER_DEFAULT,
                loopback_allowed=settings.allow_loopback_oidc,
            ),
            vault=self.vault,
            payments=api.PaymentServices(
                self.money.initiator,
                self.money.links,
                self.money.rails,
                self.money.rulebooks,
                settings.actions_secret,
                files=self.money.files,
            ),
            recorder=self.money.recorder,
            worker_db=self.worker_db,
            data_folder=folder if folder.exists() else None,
            public_url=settings.public_url,
            proxies=api.Proxies(read_networks(settings.trusted_proxies), settings.trusted_proxy_header),
            selection=selection,
            loopback_webhooks_allowed=settings.allow_loopback_webhooks,
        )


def batch_limits(settings: Settings) -> BatchLimits:
    """The limits of the group commit. One organisation may fill half of the queue, so that others find room."""
    return BatchLimits(
        wait_s=settings.group_window_ms / 1_000,
        items_max=settings.group_size_max,
        queue_max=settings.group_queue_max,
        lane_queue_max=max(1, settings.group_queue_max // 2),
        calls_max=settings.group_lanes,
    )


@asynccontextmanager
async def opened(
    settings: Settings, *, clock: Clock | None = None, create_keys: bool = False, works: bool = False
) -> AsyncIterator[House]:
    """Open what a process needs, and close it again when its last request is answered.

    `create_keys`: make a first master key if there is none. Only who has all in one place may do so: keys that each
    process made for itself would open nothing for the others. `works`: other workers see at once when this one dies.

    Raises: DatabaseUnavailable, BadKeys, KeysUnavailable.
    """
    vault = open_vault(settings, create=create_keys)
    db = await Database.open(
        settings.database_url, role="omniroute_app", limits=pool_limits(settings), application_name="omniroute-serve"
    )
    try:
        async with worker_database(settings) as worker_db, _named(settings, works=works) as worker:
            clock = clock or SystemClock()
            days = BusinessDays(worker_db, clock)
            await days.refresh()
            fresh = asyncio.create_task(days.keep_fresh())
            poster = ledger.Poster(db, days, batch_limits(settings))
            registry = _watched(poster)
            money = _money(settings, db, worker_db, worker, clock=clock, days=days, vault=vault, registry=registry)
            courier = await _courier(settings, worker_db, money.clients, clock=clock, vault=vault, registry=registry)
            try:
                yield House(settings, clock, db, worker_db, registry, poster, vault, money, courier)
            finally:
                await courier.close()
                await money.close()
                await poster.close()
                fresh.cancel()
    finally:
        await vault.aclose()
        await db.close()


@asynccontextmanager
async def _named(settings: Settings, *, works: bool) -> AsyncIterator[str]:
    """The name of this process in what it takes up."""
    if not works:
        yield worker_id()
        return
    async with present(settings.database_worker_url or settings.database_url, worker_id()) as name:
        yield name


def _money(
    settings: Settings,
    db: Database,
    worker_db: Database,
    worker: str,
    *,
    clock: Clock,
    days: BusinessDays,
    vault: Vault,
    registry: CollectorRegistry,
) -> Money:
    rails = connectors()
    clients = RailClients(clock=clock, registry=registry)
    links = ConnectionLinks(
        worker_db, rails, vault=vault, clients=clients, clock=clock, public_url=callback_base(settings)
    )
    rulebooks = PolicyRulebooks(db, rails, clock=clock)
    initiator = payments.Initiator(db, rulebooks, clock=clock, business_day=days, limits=batch_limits(settings))
    limits = payments.DispatcherLimits(in_flight_max=settings.payment_exchanges_max, records=RECORDS)
    dispatcher = payments.Dispatcher(
        worker_db,
        links,
        clock=clock,
        business_day=days,
        worker_id=worker,
        limits=limits,
        rules=rulebooks,
        elsewhere=desk.hear_reversal,
        credited=collections.hear_credit,
    )
    files = payments.FileSender(
        worker_db,
        links,
        clock=clock,
        business_day=days,
        worker_id=worker,
        folders=payments.Folders(settings.bank_files_folder),
        holidays=days.holidays,
        rules=rulebooks,
    )
    statements = payments.StatementReader(worker_db, links, clock=clock, business_day=days)
    reconciler = Reconciler(worker_db, clock=clock, business_day=days)
    batches = BatchWorker(worker_db, rulebooks, clock=clock, business_day=days)
    waiting = Gauge("omniroute_payments_in_flight", "Exchanges with rails that are under way.", registry=registry)
    waiting.set_function(lambda: dispatcher.in_flight)
    schedules = ScheduleRunner(worker_db, rulebooks, clock=clock)
    returner = desk.Returner(worker_db, links, clock=clock, business_day=days, worker_id=worker)
    collector = collections.Collector(worker_db, links, clock=clock, business_day=days)
    return Money(
        rails,
        clients,
        links,
        rulebooks,
        initiator,
        dispatcher,
        files,
        statements,
        reconciler,
        batches,
        schedules,
        SettlementRunner(worker_db, rulebooks, clock=clock, business_day=days),
        returner,
        collector,
        atc.Recorder(db, clock=clock, business_day=days, limits=batch_limits(settings)),
        atc.GrantExpirer(worker_db, clock=clock),
    )


async def _courier(
    settings: Settings,
    worker_db: Database,
    clients: RailClients,
    *,
    clock: Clock,
    vault: Vault,
    registry: CollectorRegistry,
) -> webhooks.Courier:
    """What sends events to organisations: one client for all, which connects to public addresses only."""
    loopback_allowed = settings.allow_loopback_webhooks
    in_flight_max = settings.webhook_in_flight_max
    http = await clients.client(
        "webhooks",
        "out",
        # Each receiver is judged by itself, never by what others do: no breaker over all of them.
        limits=Limits(concurrency_max=in_flight_max, breaker_failures_min=1 << 30),
        resolve=public_only(allow_loopback=loopback_allowed),
    )
    return webhooks.Courier(
        worker_db,
        vault,
        http,
        clock=clock,
        metrics=webhooks.WebhookMetrics(registry),
        limits=webhooks.CourierLimits(
            in_flight_max=in_flight_max,
            tenant_max=max(1, in_flight_max // 5),
            disabled_after=timedelta(days=settings.webhook_disable_after_days),
        ),
        loopback_allowed=loopback_allowed,
    )


def callback_base(settings: Settings) -> str:
    """Where rails reach us: the public address, else this machine."""
    return settings.public_url.rstrip("/") or f"http://{settings.http_host}:{settings.http_port}"


def _watched(poster: ledger.Poster) -> CollectorRegistry:
    """A registry that already tells about the group commit."""
    registry = new_registry()
    waiting = Gauge("omniroute_ledger_waiting", "Single postings that wait for their group.", registry=registry)
    waiting.set_function(lambda: poster.waiting)
    calls = Gauge("omniroute_ledger_group_calls", "Calls of the group commit since start.", registry=registry)
    calls.set_function(lambda: poster.group.flush_count)
    items = Gauge("omniroute_ledger_group_items", "Postings in these calls.", registry=registry)
    items.set_function(lambda: poster.group.item_count)
    return registry

"""Background work of a process: each job runs in rounds until told to stop. Every job may run in several processes."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from datetime import timedelta

from prometheus_client import Counter

from omniroute import ledger
from omniroute.app.gateway_work import GatewayWork, gateway_work
from omniroute.app.settings import Settings
from omniroute.app.wiring import House
from omniroute.graphql import Working
from omniroute.infra import idempotency
from omniroute.infra.events import ChainBuilder, prune_inbox, retain
from omniroute.infra.telemetry import logger
from omniroute.kit.refusal import Fault, Kind, Refusal
from omniroute.ledger import folding, keys
from omniroute.money import connections, desk
from omniroute.parties import access, people, webhooks

log = logger("omniroute.workers")

INBOX_KEPT = timedelta(days=30)
PAUSE_AFTER_FAULT_S = (1, 2, 5, 10, 30)


CHAIN = "audit.chain"


class UnknownJob(Refusal):
    """There is no such job; `unknown` names it, `known` lists those there are."""

    code = "app.unknown_job"
    kind = Kind.INVALID


@dataclass(frozen=True, slots=True)
class Job:
    """One kind of work. A round answers how much it found; after an empty one the job pauses."""

    name: str
    round: Callable[[House], Awaitable[int]]
    pause_ms: Callable[[Settings], int]


@dataclass(frozen=True, slots=True)
class GatewayJob:
    """A kind of work of the GraphQL door, which there is as long as metadata are."""

    name: str
    round: Callable[[Working, House], Awaitable[int]]
    pause_ms: Callable[[Settings], int]

    def of(self, gateway: GatewayWork) -> Job:
        """As a job of a process: by the metadata as they are at each round."""

        async def one(house: House) -> int:
            return 0 if gateway.working is None else await self.round(gateway.working, house)

        return Job(self.name, one, self.pause_ms)


def select_jobs(names: Collection[str]) -> frozenset[str]:
    """The jobs of these names; the first word of a name stands for all that begin with it (`ledger`).

    Raises: UnknownJob.
    """
    families = {name: {job for job in JOB_NAMES if name in (job, job.partition(".")[0])} for name in names}
    unknown = sorted(name for name, found in families.items() if not found)
    if unknown or not families:
        known = sorted(JOB_NAMES)
        named = ", ".join(unknown) or "nothing"
        raise UnknownJob(f"{named} is no job; there are: {', '.join(known)}", unknown=unknown, known=known)
    return frozenset[str]().union(*families.values())


async def work(house: House, stop: asyncio.Event, chosen: Collection[str]) -> None:
    """Run the chosen jobs until told to stop; the round at hand is finished first."""
    rounds = Counter("omniroute_job_items", "Items a background job worked.", ("job",), registry=house.registry)
    faults = Counter(
        "omniroute_job_faults", "Rounds that failed and are tried again.", ("job",), registry=house.registry
    )
    async with house.hangups.heard(), _gateway_jobs(house, chosen) as more, asyncio.TaskGroup() as group:
        for job in (*JOBS, *more):
            if job.name in chosen:
                group.create_task(_repeat(job, house, stop, rounds, faults), name=job.name)
        if CHAIN in chosen:
            group.create_task(ChainBuilder().run(house.worker_db, stop), name=CHAIN)


@asynccontextmanager
async def _gateway_jobs(house: House, chosen: Collection[str]) -> AsyncIterator[Sequence[Job]]:
    """Jobs of the GraphQL door; what is under way is recorded at the end."""
    if not any(job.name in chosen for job in GATEWAY_JOBS):
        yield ()
        return
    async with gateway_work(house) as gateway:
        yield () if gateway is None else [job.of(gateway) for job in GATEWAY_JOBS]


async def _repeat(job: Job, house: House, stop: asyncio.Event, items: Counter, faults: Counter) -> None:
    failed = 0
    while not stop.is_set():
        wait_ms = job.pause_ms(house.settings)
        try:
            found = await job.round(house)
            items.labels(job.name).inc(found)
            failed = 0
            if found:
                wait_ms = 0
        except Fault as fault:
            faults.labels(job.name).inc()
            wait_ms = 1_000 * PAUSE_AFTER_FAULT_S[min(failed, len(PAUSE_AFTER_FAULT_S) - 1)]
            failed += 1
            log.warning("a round failed and is tried again", job=job.name, fault=str(fault), wait_ms=wait_ms)
        except Exception:  # A mistake of ours ends this round, not the other jobs.
            faults.labels(job.name).inc()
            failed += 1
            wait_ms = 30_000
            log.exception("a round crashed", job=job.name)
        with suppress(TimeoutError):
            async with asyncio.timeout(wait_ms / 1_000):
                await stop.wait()


async def _expire_holds(house: House) -> int:
    return await ledger.expire_holds(house.worker_db, clock=house.clock)


async def _fold(house: House) -> int:
    return await folding.fold(house.worker_db)


async def _snapshot(house: House) -> int:
    await folding.snapshot(house.worker_db, clock=house.clock)
    return 0  # There is one a day; the next look is after the pause.


async def _purge_keys(house: House) -> int:
    kept_for = timedelta(hours=house.settings.ledger_key_retention_hours)
    return await keys.purge_keys(house.worker_db, now=house.clock.now(), kept_for=kept_for)


async def _sign(house: House) -> int:
    await access.rotate_signing_key(house.db, house.vault, now=house.clock.now(), only_if_none=True)
    return 0  # Whether it made one or not: the next look is after the pause.


async def _purge_replies(house: House) -> int:
    async with house.worker_db.tx() as tx:
        return await idempotency.purge(tx, now=house.clock.now())


async def _retain(house: House) -> int:
    days = house.settings.event_retention_days
    if days == 0:
        return 0
    async with house.worker_db.tx() as tx:
        retired = await retain(tx, before=house.clock.now() - timedelta(days=days))
    return retired.event_count


async def _purge_login_attempts(house: House) -> int:
    return await people.purge_login_attempts(house.worker_db, now=house.clock.now())


async def _prune_inbox(house: House) -> int:
    async with house.worker_db.tx() as tx:
        return await prune_inbox(tx, before=house.clock.now() - INBOX_KEPT)


async def _send(house: House) -> int:
    return await house.money.dispatcher.send()


async def _files(house: House) -> int:
    return await house.money.files.round()


async def _ask(house: House) -> int:
    return await house.money.dispatcher.ask()


async def _recover(house: House) -> int:
    return await house.money.dispatcher.recover()


async def _advance_batches(house: House) -> int:
    return await house.money.batches.advance()


async def _run_schedules(house: House) -> int:
    return await house.money.schedules.round()


async def _return(house: House) -> int:
    return await house.money.returner.round()


async def _open_accounts(house: House) -> int:
    return await house.money.collector.open_due() + await house.money.collector.expire_due()


async def _ask_credits(house: House) -> int:
    return await house.money.collector.ask_due() + await house.money.collector.follow_returns()


async def _fetch_credits(house: House) -> int:
    return await house.money.collector.fetch_due()


async def _expire_requests(house: House) -> int:
    return await desk.expire(house.worker_db, clock=house.clock)


async def _expire_grants(house: House) -> int:
    return await house.money.grants.round()


async def _expire_payments(house: House) -> int:
    return await house.money.dispatcher.expire()


async def _hear(house: House) -> int:
    return await house.money.dispatcher.hear()


async def _read_statements(house: House) -> int:
    return await house.money.statements.read_due()


async def _settle(house: House) -> int:
    return await house.money.settlements.round()


async def _reconcile(house: House) -> int:
    return await house.money.reconciler.round()


async def _watch(house: House) -> int:
    await connections.watch(house.worker_db, house.money.links, clock=house.clock)
    return 0  # Each is looked at once a minute.


async def _feed_webhooks(house: House) -> int:
    return await webhooks.feed(house.worker_db, now=house.clock.now())


async def _deliver_webhooks(house: House) -> int:
    return await house.courier.deliver()


async def _purge_webhooks(house: House) -> int:
    kept_for = timedelta(days=house.settings.webhook_log_days)
    return await webhooks.purge(house.worker_db, before=house.clock.now() - kept_for)


async def _purge_gateway(working: Working, house: House) -> int:
    return await working.purge(before=house.clock.now() - timedelta(days=house.settings.graphql_log_days))


def _soon(settings: Settings) -> int:
    return settings.worker_payment_interval_ms


def _often(settings: Settings) -> int:
    return settings.worker_interval_ms


def _seldom(settings: Settings) -> int:
    return settings.worker_retention_interval_s * 1_000


JOBS = (
    Job("payments.send", _send, _soon),
    Job("batches.advance", _advance_batches, _soon),
    Job("payments.files", _files, lambda settings: 10 * settings.worker_interval_ms),
    Job("payments.ask", _ask, _soon),
    Job("payments.hear", _hear, _soon),
    Job("payments.recover", _recover, _often),
    Job("payments.expire", _expire_payments, _often),
    Job("payments.reversals", _return, _often),
    Job("schedules.run", _run_schedules, _often),
    Job("settlement.run", _settle, _often),
    Job("collections.accounts", _open_accounts, _often),
    Job("collections.credits", _ask_credits, _soon),
    Job("collections.fetch", _fetch_credits, lambda settings: 10 * settings.worker_interval_ms),
    Job("atc.expire", _expire_grants, lambda settings: 10 * settings.worker_interval_ms),
    Job("desk.expire", _expire_requests, lambda settings: 10 * settings.worker_interval_ms),
    Job("payments.statements", _read_statements, lambda settings: 10 * settings.worker_interval_ms),
    Job("reconciliation.run", _reconcile, lambda settings: 10 * settings.worker_interval_ms),
    Job("connections.watch", _watch, lambda settings: 2 * settings.worker_interval_ms),
    Job("webhooks.feed", _feed_webhooks, _often),
    Job("webhooks.deliver", _deliver_webhooks, _often),
    Job("webhooks.purge", _purge_webhooks, _seldom),
    Job("holds.expire", _expire_holds, _often),
    Job("ledger.fold", _fold, _often),
    Job("ledger.snapshot", _snapshot, lambda settings: settings.worker_snapshot_interval_s * 1_000),
    Job("ledger.keys", _purge_keys, _seldom),
    Job("access.signing_key", _sign, _seldom),
    Job("idempotency.purge", _purge_replies, _seldom),
    Job("events.inbox", _prune_inbox, _seldom),
    Job("events.retain", _retain, _seldom),
    Job("people.login_attempts", _purge_login_attempts, _seldom),
)
"""Every job, with its pause after a round that found nothing."""

GATEWAY_JOBS = (
    GatewayJob("graphql.actions", lambda working, _: working.runner.round(), _soon),
    GatewayJob("graphql.feed", lambda working, _: working.feeder.feed(), _often),
    GatewayJob("graphql.deliver", lambda working, _: working.courier.deliver(), _often),
    GatewayJob("graphql.cron", lambda working, _: working.planner.plan(), _often),
    GatewayJob("graphql.purge", _purge_gateway, _seldom),
)
"""What the metadata of GraphQL ask for."""

JOB_NAMES = frozenset({*[job.name for job in (*JOBS, *GATEWAY_JOBS)], CHAIN})

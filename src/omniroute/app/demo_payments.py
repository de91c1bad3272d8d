"""The main job of `omniroute demo`: a file of payouts over four rails that fail now and then; and a worker dies."""

import asyncio
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

from omniroute import ledger
from omniroute.app.demo_client import Connection
from omniroute.app.demo_payouts import CORRIDORS, Corridor, accounts, funding, write_payouts
from omniroute.app.demo_programs import Programs
from omniroute.infra.postgres import Database
from omniroute.kit import ids
from omniroute.kit.clock import Clock
from omniroute.money import connections, payments
from omniroute.money.payments import AttemptState, PaymentState, Standing

KILL_AT_PERCENT = 30
SOON = timedelta(seconds=20)
"""Whatever has its next step within this time is waited for."""

REASONS = {
    "hard_decline": "declined by the rail",
    "soft_decline": "declined by the rail",
    "payee_refused": "the rail knows no such payee",
    "integrity_mismatch": "the rail told another amount",
    "name_mismatch": "the rail knows the payee by another name",
    "UNKNOWN": "nobody can tell yet; held, never sent again",
}


@dataclass(frozen=True, slots=True)
class Group:
    """Payments that stand alike."""

    status: str
    payments: int
    reason: str
    next_step: str


@dataclass(frozen=True, slots=True)
class Float:
    """An account of ours at a rail: what our books say, what the rail says, and what only the rail knows yet."""

    connection: str
    currency: str
    books_minor: int
    rail_minor: int
    waiting_minor: int

    @property
    def agrees(self) -> bool:
        """To the minor unit."""
        return self.books_minor == self.rail_minor - self.waiting_minor


@dataclass(frozen=True, slots=True)
class Payouts:
    """What became of the file. `wrong` is empty when nobody was paid twice and books and rails agree."""

    payments: int
    confirmed: int
    failed: int
    waiting: int
    paying_s: int
    worker_killed_at: int
    debits_most: int
    groups: tuple[Group, ...]
    floats: tuple[Float, ...]
    wrong: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Desk:
    """Whom the demonstration works for: `key`, which `owner` made, sends in; `approver` is somebody else who agrees."""

    host: str
    port: int
    slug: str
    tenant_id: UUID
    key: str
    owner: str
    approver: str
    approver_id: str


Show = Callable[[str, int], None]


async def pay(
    desk: Desk,
    db: Database,
    programs: Programs,
    folder: Path,
    count: int,
    *,
    patience_s: int,
    clock: Clock,
    say: Callable[[str], None],
    show: Show,
) -> Payouts:
    """Send the file in, have it approved, kill the worker while it is paid, and wait until what can be known is known.

    Raises: NoAnswer, Unexpected, ProgramFailed.
    """
    file = folder / "payouts.csv"
    write_payouts(file, count)
    sandbox = await programs.sandbox()
    base = f"/v1/{desk.slug}"
    async with Connection(desk.host, desk.port, desk.key) as till, Connection(desk.host, desk.port, desk.owner) as boss:
        for body in accounts():
            await till.create(f"{base}/ledger/accounts", body, key=f"account-{body['code']}")
        for body in funding():
            await till.create(f"{base}/ledger/transactions", body, key=f"fund-{body['legs'][0]['account']}")
        for corridor in CORRIDORS:
            await connect(boss, base, sandbox["connections"], corridor)
        names = ", ".join(corridor.code for corridor in CORRIDORS)
        say(f"the sandbox of rails runs on {sandbox['url']}; connected to {names}")
        worker = programs.worker()
        batch = await till.upload(
            f"{base}/payment-batches?name=payouts.csv", file.read_bytes(), content_type="text/csv", key="payouts"
        )
        path = f"{base}/payment-batches/{batch['id']}"
        while batch["status"] == "DRAFT":
            await asyncio.sleep(0.2)
            batch = await till.get(path)
        say(f"{batch['valid_count']:,} of {count:,} payouts in {file} are valid; one sends them in, another approves")
        await till.create(f"{path}/submit", {}, key="submit")
        async with Connection(desk.host, desk.port, desk.approver) as approver:
            await approver.create(f"{path}/approve", {"comment": "wages of the week"}, key="approve")
    began, killed_at = time.monotonic(), 0
    batch_id = ids.parse("bat", batch["id"])
    while True:
        await asyncio.sleep(1)
        standings = await _standings(db, desk.tenant_id, batch_id)
        done = sum(_is_settled(one) for one in standings)
        show(_counts(standings), done)
        if not killed_at and done >= count * KILL_AT_PERCENT // 100:
            killed_at = done
            pid = programs.kill(worker)
            say(f"worker killed with -9 (process {pid}) after {done:,} payments; another takes over, and we go on")
            worker = programs.worker()
        if len(standings) == count and _all_wait(standings, clock.now()):
            break
        if time.monotonic() - began > patience_s:
            break
    paying_s = time.monotonic() - began
    await programs.stop(worker)
    async with Connection(*sandbox["address"]) as rails:
        feed = await rails.get("/_sandbox/feed")
    standings = await _standings(db, desk.tenant_id, batch_id)
    return await _sum_up(db, desk.tenant_id, standings, feed, count, paying_s=paying_s, killed_at=killed_at)


async def connect(boss: Connection, base: str, offered: Sequence[Mapping[str, Any]], corridor: Corridor) -> Any:
    """Connect to a rail of the sandbox, with what it offers. Connecting again is harmless."""
    wanted = (corridor.rail, corridor.currency)
    found = next(one for one in offered if (one["rail"], one["currency"]) == wanted)
    body = {name: found[name] for name in ("rail", "currency", "endpoint", "public", "secret")}
    named = {"code": corridor.code, "name": corridor.rail, **body}
    return await boss.create(f"{base}/connections", named, key=f"connection-{corridor.code}")


async def _standings(db: Database, tenant_id: UUID, batch_id: UUID) -> list[Standing]:
    found: list[Standing] = []
    cursor = None
    async with db.tx(tenant_id, readonly=True) as tx:
        while True:
            page = await payments.list_payments(tx, batch_id=batch_id, limit=500, cursor=cursor)
            found += page.items
            cursor = page.next_cursor
            if cursor is None:
                return found


def _is_settled(one: Standing) -> bool:
    return one.payment.state.is_final


def _next_step(one: Standing) -> datetime | None:
    """When somebody does something about it by himself; None: a person decides."""
    payment, attempt = one.payment, one.attempt
    if payment.state is PaymentState.NEEDS_REVIEW:
        return None
    if payment.state is PaymentState.EXECUTING and attempt is not None:
        return attempt.lease_until if _is_under_way(one) else attempt.next_query_at
    return payment.send_after


def _is_under_way(one: Standing) -> bool:
    """A worker has it in hand; when that worker is dead, another takes over in a moment."""
    attempt = one.attempt
    return (
        one.payment.state is PaymentState.EXECUTING
        and attempt is not None
        and attempt.state in (AttemptState.CREATED, AttemptState.SENDING)
    )


def _all_wait(standings: Sequence[Standing], now: datetime) -> bool:
    """Nothing happens soon any more."""
    if any(_is_under_way(one) for one in standings):
        return False
    steps = [_next_step(one) for one in standings if not _is_settled(one)]
    return all(step is None or step > now + SOON for step in steps)


def _counts(standings: Sequence[Standing]) -> str:
    states = Counter(one.payment.state for one in standings)
    paid, failed = states[PaymentState.SUCCEEDED], states[PaymentState.FAILED]
    unknown = sum(one.reason == "UNKNOWN" for one in standings)
    review = states[PaymentState.NEEDS_REVIEW]
    return f"paying: {paid:,} confirmed, {failed:,} failed, {unknown:,} unknown, {review:,} for review"


def _grouped(standings: Sequence[Standing]) -> tuple[Group, ...]:
    groups: dict[tuple[str, str, str], list[datetime]] = {}
    counts: Counter[tuple[str, str, str]] = Counter()
    for one in standings:
        key = _stands(one)
        counts[key] += 1
        step = _next_step(one)
        if not _is_settled(one) and step is not None:
            groups.setdefault(key, []).append(step)
    shown = []
    for key in sorted(counts):
        status, reason, what = key
        times = groups.get(key)
        if times:
            first, last = (f"{at:%d %b %H:%M:%S}" for at in (min(times), max(times)))
            what = f"{what} {first}" if first == last else f"{what} {first} to {last}"
        shown.append(Group(status, counts[key], reason, what))
    return tuple(shown)


def _stands(one: Standing) -> tuple[str, str, str]:
    payment, attempt = one.payment, one.attempt
    reason = REASONS.get(one.reason or "", one.reason or "")
    match payment.state:
        case PaymentState.SUCCEEDED:
            return "confirmed", "the payee has the money", ""
        case PaymentState.FAILED:
            return "failed", f"{reason}, the money is free again", ""
        case PaymentState.NEEDS_REVIEW:
            return "waiting", reason, "a person decides"
        case PaymentState.EXECUTING if attempt is not None:
            if _is_under_way(one):
                return "waiting", "being sent", "known, or asked about, by"
            if attempt.state is AttemptState.PENDING:
                return "waiting", "accepted by the rail", "the rail is asked at"
            return "waiting", reason, "the rail is asked at"
    return "waiting", reason or payment.state.value, "sent at"


async def _sum_up(
    db: Database,
    tenant_id: UUID,
    standings: Sequence[Standing],
    feed: Sequence[Mapping[str, Any]],
    count: int,
    *,
    paying_s: float,
    killed_at: int,
) -> Payouts:
    """Hold payments against what the rails say that they have moved."""
    wrong: list[str] = []
    if len(standings) != count:
        wrong.append(f"the file has {count:,} payouts, and there are {len(standings):,} payments")
    owners: dict[str, Standing] = {}
    async with db.tx(tenant_id, readonly=True) as tx:
        for one in standings:
            for attempt in await payments.find_attempts(tx, one.payment.payment_id):
                owners[attempt.our_ref] = one
        listed = await connections.list_connections(tx, limit=500)
        found = sorted(listed.items, key=lambda one: one.code)
        balances = await ledger.find_balances(tx, [one.float_account_id for one in found])
    debits: Counter[UUID] = Counter()
    waiting: Counter[str] = Counter()
    moved: Counter[str] = Counter()
    for movement in feed:
        owner = owners.get(movement["reference"])
        if owner is None:
            wrong.append(f"{movement['rail']} moved money for {movement['reference']}, which is no order of ours")
            continue
        moved[movement["rail"]] += movement["amount_minor"]
        debits[owner.payment.payment_id] += movement["kind"] == "debit"
        if not _is_settled(owner):
            waiting[movement["rail"]] += movement["amount_minor"]
    for one in standings:
        times, state = debits[one.payment.payment_id], one.payment.state
        expected = {PaymentState.SUCCEEDED: (1,), PaymentState.FAILED: (0,)}.get(state, (0, 1))
        if times not in expected:
            wrong.append(f"{one.payment.reference} is {state.value}, and the rail has taken money {times} times")
    floats = tuple(
        Float(
            one.code, one.currency, balances[one.float_account_id].posted_minor, moved[one.rail], waiting[one.rail]
        )
        for one in found
    )  # fmt: skip
    wrong += [f"{one.connection}: books and rail differ" for one in floats if not one.agrees]
    states = Counter(one.payment.state for one in standings)
    confirmed, failed = states[PaymentState.SUCCEEDED], states[PaymentState.FAILED]
    return Payouts(
        payments=len(standings),
        confirmed=confirmed,
        failed=failed,
        waiting=len(standings) - confirmed - failed,
        paying_s=round(paying_s),
        worker_killed_at=killed_at,
        debits_most=max(debits.values(), default=0),
        groups=_grouped(standings),
        floats=floats,
        wrong=tuple(wrong),
    )

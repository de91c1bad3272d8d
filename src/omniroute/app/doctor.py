"""Finds what is wrong with a set-up, names it, and says what to do.

Nothing is changed. Every check stands alone: one that cannot run says so and the others go on.
"""

import resource
import shutil
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from omniroute.app.places import with_running_server
from omniroute.app.settings import BadSettings, Settings, load_settings, without_password
from omniroute.infra import events
from omniroute.infra.postgres import Database, PoolLimits, Tx, load, status
from omniroute.kit.clock import Clock
from omniroute.kit.refusal import Fault, Refusal

SQL = load("omniroute.app")

CLOCK_SKEW_S_MAX = 2
TRANSACTION_AGE_MAX = 1_000_000_000
OPEN_FILES_MIN = 1_024
CHAIN_LAG_S_MAX = 300

Level = Literal["ok", "warning", "problem"]


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at. `advice` says what to do about it; empty when all is well."""

    level: Level
    check: str
    found: str
    advice: str = ""


async def examine(environment: Mapping[str, str], config: Path | None, *, clock: Clock) -> AsyncIterator[Finding]:
    """Look at settings, machine and database, in this order."""
    try:
        settings = load_settings(environment, config)
    except BadSettings as refusal:
        for problem in refusal.facts["problems"]:  # type: ignore[attr-defined]
            yield Finding("problem", "settings", problem, "correct it; docs/settings.md lists every setting")
        return
    yield Finding("ok", "settings", "every name is known and every value can be read")
    for finding in _machine(settings):
        yield finding
    settings = with_running_server(settings)
    if not settings.database_url:
        advice = "set OMNIROUTE_DATABASE_URL, or run `omniroute up` for an embedded server"
        yield Finding("problem", "database", "no database is set, and no embedded server runs", advice)
        return
    async for finding in _database(settings, clock):
        yield finding


def _machine(settings: Settings) -> list[Finding]:
    findings = []
    folder = settings.data_folder
    while not folder.exists():
        folder = folder.parent
    free = shutil.disk_usage(folder).free
    room = f"{free // 2**20:,} MiB free at {settings.data_folder}"
    enough = free >= settings.disk_free_bytes_min
    advice = "" if enough else "free some space, or set OMNIROUTE_DATA_DIR to a larger disk"
    findings.append(Finding("ok" if enough else "problem", "disk", room, advice))
    files = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    few = files < OPEN_FILES_MIN
    advice = f"raise it to {OPEN_FILES_MIN} or more (ulimit -n); each connection takes one" if few else ""
    findings.append(Finding("warning" if few else "ok", "open files", f"limit {files}", advice))
    return findings


async def _database(settings: Settings, clock: Clock) -> AsyncIterator[Finding]:
    where = without_password(settings.database_url)
    try:
        db = await Database.open(settings.database_url, limits=PoolLimits(size_max=2, acquire_timeout_s=5))
    except Fault as fault:
        text = " ".join(str(fault).split())[:200]
        advice = "start the server, or correct OMNIROUTE_DATABASE_URL"
        yield Finding("problem", "database", f"{where} cannot be reached: {text}", advice)
        return
    try:
        yield Finding("ok", "database", f"{where} answers")
        async with db.tx(readonly=True) as tx:
            facts = await tx.one(SQL.server_facts)
            roles = await tx.all(SQL.our_roles)
        for finding in [*_server(facts, settings, clock), *_roles(roles)]:
            yield finding
        pending = await _migrations(settings)
        yield pending
        if pending.level == "ok":
            async for finding in _schema(db, settings):
                yield finding
    except (Fault, Refusal) as error:
        yield Finding("problem", "database", " ".join(str(error).split()), "look at the server's log")
    finally:
        await db.close()


def _server(facts: Any, settings: Settings, clock: Clock) -> list[Finding]:
    findings = []
    old = facts.version_num < 150_000
    advice = "upgrade to PostgreSQL 15 or newer" if old else ""
    findings.append(Finding("problem" if old else "ok", "version", f"PostgreSQL {facts.version}", advice))
    mighty = facts.is_superuser or facts.bypasses_rls
    what = f"login {facts.login} " + ("passes row-level security" if mighty else "is an ordinary one")
    advice = "give the processes a login that is neither superuser nor BYPASSRLS; they still take on omniroute_app"
    findings.append(Finding("warning" if mighty else "ok", "login", what, advice if mighty else ""))
    for name in ("fsync", "full_page_writes", "synchronous_commit"):
        value = getattr(facts, name)
        if value == "off":
            advice = f"set {name} = on: after a crash, acknowledged postings would be missing"
            findings.append(Finding("problem", "durability", f"{name} is off", advice))
    if not any(finding.check == "durability" for finding in findings):
        findings.append(Finding("ok", "durability", "a commit that was acknowledged survives a crash"))
    skew_s = int(abs((facts.server_now - clock.now()).total_seconds()))
    late = skew_s > CLOCK_SKEW_S_MAX
    advice = (
        "synchronise both clocks (chrony, systemd-timesyncd): due dates and expiries depend on them" if late else ""
    )
    findings.append(Finding("problem" if late else "ok", "clock", f"{skew_s} s between us and the server", advice))
    few = facts.connections_max < 2 * settings.database_pool_size_max
    advice = "raise max_connections, or lower OMNIROUTE_DATABASE_POOL_SIZE_MAX" if few else ""
    shown = f"max_connections {facts.connections_max}, our pool {settings.database_pool_size_max}"
    findings.append(Finding("warning" if few else "ok", "connections", shown, advice))
    aged = facts.transaction_age > TRANSACTION_AGE_MAX
    advice = "let autovacuum finish (VACUUM FREEZE); look for a forgotten long transaction" if aged else ""
    shown = f"oldest unfrozen transaction is {facts.transaction_age:,} back"
    findings.append(Finding("problem" if aged else "ok", "transaction numbers", shown, advice))
    if facts.is_standby:
        findings.append(Finding("problem", "server", "is a standby and takes no writes", "connect to the primary"))
    return findings


def _roles(roles: list[Any]) -> list[Finding]:
    findings = []
    for role in roles:
        if not role.exists:
            advice = "run `omniroute migrate` with a login that may create roles"
            findings.append(Finding("problem", "roles", f"{role.name} is missing", advice))
        elif role.passes_row_security:
            advice = f"ALTER ROLE {role.name} NOSUPERUSER NOBYPASSRLS"
            findings.append(Finding("problem", "roles", f"{role.name} passes row-level security", advice))
        elif not role.may_become and role.name == "omniroute_app":
            advice = f"GRANT {role.name} TO the login"
            findings.append(Finding("problem", "roles", f"this login may not become {role.name}", advice))
    return findings or [Finding("ok", "roles", "owner, app and worker are apart, and none passes row-level security")]


async def _migrations(settings: Settings) -> Finding:
    try:
        seen = await status(settings.database_owner_url or settings.database_url)
    except Refusal as refusal:
        return Finding("problem", "migrations", refusal.detail, "install the release that made this database, or newer")
    if seen.pending:
        names = ", ".join(seen.pending[:3]) + (" ..." if len(seen.pending) > 3 else "")
        return Finding("problem", "migrations", f"{len(seen.pending)} pending: {names}", "run `omniroute migrate`")
    return Finding("ok", "migrations", f"all {len(seen.applied)} applied, none altered")


async def _schema(db: Database, settings: Settings) -> AsyncIterator[Finding]:
    async with db.tx(readonly=True) as tx:
        weak = await tx.all(SQL.unguarded_tables)
    for row in weak:
        advice = "restore the rights of the migrations; nobody should alter them by hand"
        yield Finding("problem", "guards", f"{row.table_name}: {row.weakness}", advice)
    if not weak:
        yield Finding("ok", "guards", "every tenant table has row-level security; entries and events are append-only")
    worker = await Database.open(
        settings.database_worker_url or settings.database_url,
        role="omniroute_worker",
        limits=PoolLimits(size_max=2, acquire_timeout_s=5),
    )
    try:
        async with worker.tx(readonly=True) as tx:
            yield await _epoch(tx)
            yield await _chain(tx)
    finally:
        await worker.close()


async def _epoch(tx: Tx) -> Finding:
    numbers = await tx.one(SQL.newest_event_transaction)
    if numbers.logged is not None and numbers.logged >= numbers.present:
        advice = "this looks like a restored dump: restart `omniroute serve` or `worker`, which puts it right at start"
        found = f"event {numbers.logged} is ahead of the server ({numbers.present})"
        return Finding("problem", "event order", found, advice)
    return Finding("ok", "event order", "the server is ahead of the event log")


async def _chain(tx: Tx) -> Finding:
    lag = await events.lag(tx, "audit.chain")
    age_s = lag.oldest_age_ms // 1_000
    if age_s > CHAIN_LAG_S_MAX:
        return Finding("warning", "workers", f"events wait {age_s} s to be sealed", "start `omniroute worker`")
    present = int(await tx.value(SQL.workers_present))
    workers = "1 worker is there" if present == 1 else f"{present} workers are there"
    return Finding("ok", "workers", f"events are sealed as they come; {workers}")

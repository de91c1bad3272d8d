"""Exceptions and how a range stands: who looks after what, why an item has no match, and how old what is open is."""

from collections import Counter
from datetime import date, datetime
from uuid import UUID

from omniroute.infra import events
from omniroute.infra.events import Meta
from omniroute.infra.postgres import Tx, read_page
from omniroute.kit.paging import Page
from omniroute.money.reconciliation.errors import (
    MalformedReconciliation,
    ReconciliationExceptionNotFound,
    RunNotFound,
)
from omniroute.money.reconciliation.events import ExceptionResolved
from omniroute.money.reconciliation.loading import find_ground
from omniroute.money.reconciliation.model import (
    AGES,
    WINDOW_MAX,
    Bucket,
    ExceptionKind,
    Pass,
    ReconciliationException,
    Report,
    Rules,
    Run,
    Summary,
)
from omniroute.money.reconciliation.running import hold
from omniroute.money.reconciliation.store import EXCEPTIONS, RUNS, SQL, exception_of, jsonb, run_of

FEES_MAX = 20
_AMOUNT_MAX = 10**12


async def list_exceptions(
    tx: Tx,
    *,
    connection_id: UUID | None = None,
    is_open: bool | None = None,
    kind: ExceptionKind | None = None,
    owner: str | None = None,
    sort: str | None = None,
    limit: int | None = None,
    cursor: str | None = None,
) -> Page[ReconciliationException]:
    """A page of exceptions. Raises: UnknownSort, LimitOutOfRange, MalformedCursor, ForeignCursor."""
    page = await read_page(
        tx,
        EXCEPTIONS,
        sort=sort,
        limit=limit,
        cursor=cursor,
        tenant=tx.tenant,
        connection=connection_id,
        open=is_open,
        kind=None if kind is None else kind.value,
        owner=owner,
    )
    return page.map(exception_of)


async def find_exception(tx: Tx, exception_id: UUID) -> ReconciliationException:
    """One exception. Raises: ReconciliationExceptionNotFound."""
    row = await tx.one_or_none(SQL.find_exception, tenant=tx.tenant, exception=exception_id)
    if row is None:
        raise ReconciliationExceptionNotFound()
    return exception_of(row)


async def assign_exception(tx: Tx, exception_id: UUID, *, owner: str | None) -> ReconciliationException:
    """Who looks after an open exception; None: nobody. Raises: ReconciliationExceptionNotFound."""
    row = await tx.one_or_none(SQL.assign_exception, tenant=tx.tenant, exception=exception_id, owner=owner)
    if row is None:
        raise ReconciliationExceptionNotFound()
    return exception_of(row)


async def explain_exception(
    tx: Tx, exception_id: UUID, *, reason: str, actor: str, now: datetime, meta: Meta
) -> ReconciliationException:
    """Say why an item has no match; runs do not open it again. Nothing is booked by it.

    Raises: ReconciliationExceptionNotFound.
    """
    row = await tx.one_or_none(
        SQL.explain_exception, tenant=tx.tenant, exception=exception_id, reason=reason, by=actor, now=now
    )
    if row is None:
        raise ReconciliationExceptionNotFound()
    one = exception_of(row)
    told = ExceptionResolved(
        exception_id,
        one.connection_id,
        one.kind.value,
        one.transaction_id,
        one.line_id,
        one.currency,
        one.expected_minor,
        one.actual_minor,
    )
    await events.append(tx, told, meta)
    return one


async def find_run(tx: Tx, run_id: UUID) -> Run:
    """One run. Raises: RunNotFound."""
    row = await tx.one_or_none(SQL.find_run, tenant=tx.tenant, run=run_id)
    if row is None:
        raise RunNotFound()
    return run_of(row)


async def list_runs(
    tx: Tx,
    *,
    connection_id: UUID | None = None,
    sort: str | None = None,
    limit: int | None = None,
    cursor: str | None = None,
) -> Page[Run]:
    """A page of runs. Raises: UnknownSort, LimitOutOfRange, MalformedCursor, ForeignCursor."""
    page = await read_page(tx, RUNS, sort=sort, limit=limit, cursor=cursor, tenant=tx.tenant, connection=connection_id)
    return page.map(run_of)


async def find_rules(tx: Tx, connection_id: UUID) -> Rules:
    """How a connection is reconciled. Raises: ConnectionNotFound."""
    return (await find_ground(tx, connection_id)).rules


async def write_rules(tx: Tx, connection_id: UUID, rules: Rules, *, actor: str, now: datetime) -> Rules:
    """Set how a connection is reconciled, from the next run on. Raises: ConnectionNotFound, MalformedReconciliation."""
    if not 0 <= rules.window_days <= WINDOW_MAX or not 0 <= rules.tolerance_minor <= 10_000:
        raise MalformedReconciliation(f"window_days: 0 to {WINDOW_MAX}; tolerance: 0 to 10000", field="window_days")
    if len(rules.fees) > FEES_MAX or any(
        not 0 <= fee.flat_minor <= _AMOUNT_MAX or not 0 <= fee.rate_ppm <= 1_000_000 for fee in rules.fees
    ):
        raise MalformedReconciliation(f"fees: at most {FEES_MAX}, none below nothing", field="fees")
    await hold(tx, connection_id, by=actor, now=now)
    await tx.execute(
        SQL.write_setting,
        tenant=tx.tenant,
        connection=connection_id,
        window_days=rules.window_days,
        tolerance=rules.tolerance_minor,
        fees=jsonb(rules.fees),
        now=now,
        by=actor,
    )
    return rules


async def report(tx: Tx, *, start_on: date, end_on: date, today: date, connection_id: UUID | None = None) -> Report:
    """How a range of days stands, a currency at a time. Amounts in different currencies are never added.

    Raises: MalformedReconciliation.
    """
    if start_on > end_on:
        raise MalformedReconciliation("end_date: not before start_date", field="end_date")
    asked: dict[str, object] = {
        "tenant": tx.tenant,
        "start_on": start_on,
        "end_on": end_on,
        "connection": connection_id,
    }
    summaries = [
        Summary(
            row.currency,
            row.total_count,
            row.total_minor,
            row.matched_count,
            row.matched_minor,
            row.total_count - row.matched_count,
        )
        for row in await tx.all(SQL.summarise, **asked)
    ]
    by_pass = {Pass(row.found_by).name.lower(): row.count for row in await tx.all(SQL.count_passes, **asked)}
    kinds: Counter[str] = Counter()
    ages: Counter[int | None] = Counter()
    for row in await tx.all(SQL.count_exceptions, today=today, **asked):
        kinds[row.kind] += row.count
        ages[next((days for days in AGES if row.days <= days), None)] += row.count
    buckets = tuple(Bucket(days, ages[days]) for days in (*AGES, None))
    return Report(tuple(summaries), by_pass, dict(sorted(kinds.items())), buckets)

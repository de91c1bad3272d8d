"""A run: read both sides, match, and keep what was found, in one transaction. Run again, it finds nothing new."""

import asyncio
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from typing import Any
from uuid import UUID

import msgspec

from omniroute import ledger
from omniroute.infra import events
from omniroute.infra.events import Meta
from omniroute.infra.postgres import Int4Array, Int8Array, JsonbArray, TextArray, Tx, UuidArray
from omniroute.kit.ids import uuid7
from omniroute.money.reconciliation import books
from omniroute.money.reconciliation.errors import MalformedReconciliation
from omniroute.money.reconciliation.events import ExceptionOpened, ReconciliationCompleted
from omniroute.money.reconciliation.loading import (
    Ground,
    entries_of,
    find_ground,
    lines_of,
    load_apart,
    load_entries,
    load_lines,
)
from omniroute.money.reconciliation.model import (
    RULE_VERSION,
    EntryKey,
    ExceptionKind,
    Found,
    Outcome,
    Run,
    Unmatched,
)
from omniroute.money.reconciliation.passes import reconcile
from omniroute.money.reconciliation.store import CHUNK, SQL, claim, jsonb, open_exceptions, run_of

DAYS_MAX = 366
POSTINGS_AT_ONCE = 5_000
AWAKE_S = 1
_json = msgspec.json.encode


@dataclass(frozen=True, slots=True)
class _Kept:
    """A match that will be kept. `transaction_id`: the posting of its difference."""

    match_id: UUID
    found: Found
    account: str | None = None
    transaction_id: UUID | None = None


async def run(
    tx: Tx,
    connection_id: UUID,
    *,
    start_on: date,
    end_on: date,
    by: str,
    now: datetime,
    today: date,
    meta: Meta,
    dry: bool = False,
) -> tuple[Run, Outcome]:
    """Reconcile a connection over a range of days. Items some days around it may be matched, too.

    `dry`: show what it would find; nothing is kept, and the id of the run means nothing.

    Raises: ConnectionNotFound, MalformedReconciliation, RangeTooLarge.
    """
    if not start_on <= end_on <= start_on + timedelta(days=DAYS_MAX):
        raise MalformedReconciliation(f"end_date: not before start_date, and at most {DAYS_MAX} days", field="end_date")
    if not dry:
        await hold(tx, connection_id, by=by, now=now)
    ground = await find_ground(tx, connection_id)
    window = timedelta(days=ground.rules.window_days)
    entries = await load_entries(tx, ground, start_on - window, end_on + window)
    lines = await load_lines(tx, ground, start_on - window, end_on + window)
    apart = await load_apart(tx, ground)

    def match() -> Outcome:
        return reconcile(
            entries_of(entries), lines_of(lines), ground.rules, apart=apart, complete_until=ground.statement_until
        )

    found = await _beside(tx, match)
    outcome = replace(
        found,
        unmatched=tuple(one for one in found.unmatched if start_on <= _dated(one) <= end_on),
        waiting=tuple(one for one in found.waiting if start_on <= one.on <= end_on),
    )
    this = Run(uuid7(), connection_id, start_on, end_on, RULE_VERSION, by, now, _counts(outcome))
    if dry:
        return this, outcome
    return await _keep(tx, ground, this, outcome, today=today, meta=meta), outcome


async def _beside(tx: Tx, work: Callable[[], Outcome]) -> Outcome:
    """Compute in a thread, so that others are served meanwhile; a transaction that says nothing would be ended."""
    task = asyncio.ensure_future(asyncio.to_thread(work))
    while not task.done():
        await asyncio.wait([task], timeout=AWAKE_S)
        await tx.one(SQL.still_there)
    return task.result()


def _dated(one: Unmatched) -> date:
    item = one.line or one.entry
    assert item is not None
    return item.on


def _counts(outcome: Outcome) -> dict[str, Any]:
    return {
        "matched": len(outcome.found),
        "by_pass": {by.name.lower(): count for by, count in sorted(Counter(one.by for one in outcome.found).items())},
        "entries": sum(len(one.entries) for one in outcome.found),
        "lines": sum(len(one.lines) for one in outcome.found),
        "exceptions": dict(sorted(Counter(one.kind.value for one in outcome.unmatched).items())),
        "waiting": len(outcome.waiting),
    }


async def hold(tx: Tx, connection_id: UUID, *, by: str, now: datetime) -> None:
    """Runs and decisions over a connection come one after the other. Raises: ConnectionNotFound."""
    await find_ground(tx, connection_id)
    await tx.execute(SQL.make_setting, tenant=tx.tenant, connection=connection_id, now=now, by=by)
    await tx.one(SQL.lock_setting, tenant=tx.tenant, connection=connection_id)


async def _keep(tx: Tx, ground: Ground, this: Run, outcome: Outcome, *, today: date, meta: Meta) -> Run:
    kept, refused = await _book(tx, ground, outcome.found, now=this.created_at, today=today, meta=meta)
    unmatched = [*outcome.unmatched, *refused]
    if refused:
        this = replace(this, counts=_counts(replace(outcome, found=tuple(one.found for one in kept))))
    row = await tx.one(
        SQL.insert_run,
        tenant=tx.tenant,
        run=this.run_id,
        connection=this.connection_id,
        start_on=this.start_on,
        end_on=this.end_on,
        rule_version=this.rule_version,
        by=this.started_by,
        now=this.created_at,
        counts=jsonb(this.counts),
    )
    await _write(tx, this, kept)
    at: dict[str, object] = {"tenant": tx.tenant, "now": this.created_at, "by": this.started_by}
    resolved = await tx.execute(SQL.resolve_matched, connection=this.connection_id, **at)
    named = [one.entry.key for one in unmatched if one.line is not None and one.entry is not None]
    await tx.execute(
        SQL.resolve_superseded,
        txn_id=UuidArray.of([key.transaction_id for key in named]),
        leg=Int4Array.of([key.leg for key in named]),
        **at,
    )
    opened = await open_exceptions(
        tx, this.connection_id, this.run_id, [(uuid7(), one) for one in unmatched], now=this.created_at
    )
    until = ground.statement_until
    if until is not None:
        await tx.execute(SQL.set_run_until, tenant=tx.tenant, connection=this.connection_id, until=until)
    await _tell(tx, this, kept, opened, resolved, meta)
    return run_of(row)


async def _book(
    tx: Tx, ground: Ground, found: Sequence[Found], *, now: datetime, today: date, meta: Meta
) -> tuple[list[_Kept], list[Unmatched]]:
    """Postings of differences. A match whose difference the ledger refuses to book is none."""
    kept = [_Kept(uuid7(), one) for one in found if not one.difference_minor]
    with_difference = [_Kept(uuid7(), one, _account(one)) for one in found if one.difference_minor]
    refused: list[Unmatched] = []
    if with_difference:
        await books.open_accounts(tx, ground.currency, now=now, meta=meta)
    for i in range(0, len(with_difference), POSTINGS_AT_ONCE):
        part = with_difference[i : i + POSTINGS_AT_ONCE]
        commands = [
            books.difference(
                one.match_id,
                ground.float_account_id,
                ledger.account_id(tx.tenant, one.account or ""),
                one.found.difference_minor,
                ground.currency,
                meta=meta,
            )
            for one in part
        ]
        for one, booked in zip(part, await ledger.book(tx, commands, today=today), strict=True):
            if isinstance(booked, UUID):
                kept.append(replace(one, transaction_id=booked))
            else:
                over = abs(one.found.bank_minor) > abs(one.found.book_minor)
                kind = ExceptionKind.AMOUNT_OVER if over else ExceptionKind.AMOUNT_UNDER
                refused.append(Unmatched(kind, one.found.entries[0], one.found.lines[0]))
    return kept, refused


def _account(found: Found) -> str:
    currency = found.currency
    return books.differences(currency) if "rounding_minor" in found.evidence else books.fees(currency)


async def _write(tx: Tx, this: Run, kept: Sequence[_Kept]) -> None:
    for i in range(0, len(kept), CHUNK):
        part = kept[i : i + CHUNK]
        await tx.execute(
            SQL.insert_matches,
            tenant=tx.tenant,
            connection=this.connection_id,
            run=this.run_id,
            rule_version=this.rule_version,
            by=this.started_by,
            now=this.created_at,
            match_id=UuidArray.of([one.match_id for one in part]),
            found_by=Int4Array.of([int(one.found.by) for one in part]),
            currency=TextArray.of([one.found.currency for one in part]),
            book_minor=Int8Array.of([one.found.book_minor for one in part]),
            bank_minor=Int8Array.of([one.found.bank_minor for one in part]),
            difference_account=TextArray.of([one.account for one in part]),
            difference_transaction_id=UuidArray.of([one.transaction_id for one in part]),
            evidence=JsonbArray.of([_json(one.found.evidence) for one in part]),
        )
    entries = [(one.match_id, each.key, each.amount_minor) for one in kept for each in one.found.entries]
    entries += [
        (one.match_id, EntryKey(one.transaction_id, books.FLOAT_LEG), one.found.difference_minor)
        for one in kept
        if one.transaction_id is not None
    ]
    lines = [(one.match_id, each.key, each.amount_minor) for one in kept for each in one.found.lines]
    await claim(tx, this.connection_id, entries, lines)


async def _tell(tx: Tx, this: Run, kept: Sequence[_Kept], opened: Sequence[Any], resolved: int, meta: Meta) -> None:
    if not kept and not opened and not resolved:
        return  # Nothing is new.
    told: list[events.Event] = [
        ReconciliationCompleted(
            this.run_id, this.connection_id, this.start_on, this.end_on, len(kept), len(opened), resolved
        )
    ]
    told += [
        ExceptionOpened(
            row.exception_id,
            this.connection_id,
            row.kind,
            row.txn_id,
            row.line_id,
            row.currency,
            row.expected_minor,
            row.actual_minor,
        )
        for row in opened
    ]
    await events.append_many(tx, told, meta)

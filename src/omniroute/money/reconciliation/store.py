"""Rows of reconciliation as values, and lists as one statement a table."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec
from psycopg import errors as pg
from psycopg.types.json import Jsonb

from omniroute.infra.postgres import (
    DateArray,
    Int4Array,
    Int8Array,
    JsonbArray,
    TextArray,
    Tx,
    UuidArray,
    load,
)
from omniroute.money.reconciliation.errors import ItemClaimed
from omniroute.money.reconciliation.model import (
    EntryKey,
    ExceptionKind,
    Fee,
    Match,
    MatchKind,
    MatchState,
    Pass,
    ReconciliationException,
    Run,
    Unmatched,
)

SQL = load("omniroute.money.reconciliation")
MATCHES = SQL.listing("list_matches")
RUNS = SQL.listing("list_runs")
EXCEPTIONS = SQL.listing("list_reconciliation_exceptions")
_json = msgspec.json.encode
CHUNK = 5_000
"""Rows in one statement."""


def jsonb(value: object) -> Jsonb:
    """A value for a jsonb column."""
    return Jsonb(value, dumps=_json)


def fees_of(value: Any) -> tuple[Fee, ...]:
    """Fees as they are stored."""
    return tuple(msgspec.convert(one, Fee) for one in value)


def match_of(row: Any) -> Match:
    """A row of `reconciliation_match` with its items."""
    return Match(
        match_id=row.match_id,
        connection_id=row.connection_id,
        run_id=row.run_id,
        kind=MatchKind(row.kind),
        state=MatchState(row.state),
        found_by=Pass(row.found_by),
        rule_version=row.rule_version,
        currency=row.currency,
        book_minor=row.book_minor,
        bank_minor=row.bank_minor,
        difference_minor=row.difference_minor,
        difference_account=row.difference_account,
        difference_transaction_id=row.difference_transaction_id,
        evidence=row.evidence,
        reason=row.undone_reason or row.reason,
        proposed_by=row.proposed_by,
        decided_by=row.decided_by,
        undone_by=row.undone_by,
        created_at=row.created_at,
        decided_at=row.decided_at,
        undone_at=row.undone_at,
        version=row.version,
        entries=tuple(EntryKey(UUID(text[:36]), int(text[37:])) for text in row.entries),
        lines=tuple(row.lines),
    )


def run_of(row: Any) -> Run:
    """A row of `reconciliation_run`."""
    return Run(
        row.run_id,
        row.connection_id,
        row.start_on,
        row.end_on,
        row.rule_version,
        row.started_by,
        row.created_at,
        row.counts,
    )


def exception_of(row: Any) -> ReconciliationException:
    """A row of `reconciliation_exception`."""
    return ReconciliationException(
        exception_id=row.exception_id,
        connection_id=row.connection_id,
        kind=ExceptionKind(row.kind),
        transaction_id=row.txn_id,
        leg=row.leg,
        line_id=row.line_id,
        expected_minor=row.expected_minor,
        actual_minor=row.actual_minor,
        currency=row.currency,
        dated_on=row.dated_on,
        suggestions=tuple(row.suggestions),
        owner=row.owner,
        opened_at=row.opened_at,
        resolved_at=row.resolved_at,
        resolved_by=row.resolved_by,
        resolution=row.resolution,
        reason=row.reason,
        version=row.version,
    )


async def claim(
    tx: Tx,
    connection_id: UUID,
    entries: Sequence[tuple[UUID, EntryKey, int]],
    lines: Sequence[tuple[UUID, str, int]],
) -> None:
    """These items (match, item, amount) are of their matches now. Raises: ItemClaimed."""
    try:
        async with tx.savepoint():
            for i in range(0, len(entries), CHUNK):
                part = entries[i : i + CHUNK]
                await tx.execute(
                    SQL.claim_entries,
                    tenant=tx.tenant,
                    match_id=UuidArray.of([one[0] for one in part]),
                    txn_id=UuidArray.of([one[1].transaction_id for one in part]),
                    leg=Int4Array.of([one[1].leg for one in part]),
                    amount_minor=Int8Array.of([one[2] for one in part]),
                )
            for i in range(0, len(lines), CHUNK):
                mine = lines[i : i + CHUNK]
                await tx.execute(
                    SQL.claim_lines,
                    tenant=tx.tenant,
                    connection=connection_id,
                    match_id=UuidArray.of([one[0] for one in mine]),
                    line_id=TextArray.of([one[1] for one in mine]),
                    amount_minor=Int8Array.of([one[2] for one in mine]),
                )
    except pg.UniqueViolation as error:
        raise ItemClaimed() from error


async def open_exceptions(
    tx: Tx, connection_id: UUID, run_id: UUID, found: Sequence[tuple[UUID, Unmatched]], *, now: datetime
) -> list[Any]:
    """Exceptions about these items (each with an id, if it is new); the rows that are new or say something new."""
    about_lines = [one for one in found if one[1].line is not None]
    about_entries = [one for one in found if one[1].line is None]
    changed: list[Any] = []
    for i in range(0, len(about_lines), CHUNK):
        part = about_lines[i : i + CHUNK]
        lines = [one.line for _, one in part if one.line is not None]
        named = [one.entry for _, one in part]
        columns = _columns(part) | {
            "line_id": TextArray.of([line.key for line in lines]),
            "txn_id": UuidArray.of([None if one is None else one.key.transaction_id for one in named]),
            "leg": Int8Array.of_nullable([None if one is None else one.key.leg for one in named]),
            "expected_minor": Int8Array.of_nullable([None if one is None else one.amount_minor for one in named]),
            "actual_minor": Int8Array.of([line.amount_minor for line in lines]),
            "dated_on": DateArray.of([line.on for line in lines]),
        }
        changed += await tx.all(
            SQL.open_about_lines, tenant=tx.tenant, connection=connection_id, run=run_id, now=now, **columns
        )
    for i in range(0, len(about_entries), CHUNK):
        part = about_entries[i : i + CHUNK]
        entries = [one.entry for _, one in part if one.entry is not None]
        columns = _columns(part) | {
            "txn_id": UuidArray.of([entry.key.transaction_id for entry in entries]),
            "leg": Int4Array.of([entry.key.leg for entry in entries]),
            "expected_minor": Int8Array.of([entry.amount_minor for entry in entries]),
            "dated_on": DateArray.of([entry.on for entry in entries]),
        }
        changed += await tx.all(
            SQL.open_about_entries, tenant=tx.tenant, connection=connection_id, run=run_id, now=now, **columns
        )
    return changed


def _columns(part: Sequence[tuple[UUID, Unmatched]]) -> dict[str, object]:
    return {
        "exception_id": UuidArray.of([exception_id for exception_id, _ in part]),
        "kind": TextArray.of([one.kind.value for _, one in part]),
        "currency": TextArray.of([one.currency for _, one in part]),
        "suggestions": JsonbArray.of([_json([_suggestion(each) for each in one.suggestions]) for _, one in part]),
    }


def _suggestion(one: Any) -> Mapping[str, object]:
    return {
        "transaction_id": str(one.transaction_id),
        "leg": one.leg,
        "line_id": one.line_id,
        "score": one.score,
    }

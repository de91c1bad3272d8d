"""What reconciliation looks like over HTTP. Amounts: plus came in, minus went out."""

from datetime import date
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from omniroute.api.shapes import AmountIn, AmountOut, Currency, In, Instant, ListIn, Out, parse_id, show_id
from omniroute.kit import ids
from omniroute.kit.money import json_amount, parse_amount
from omniroute.money.reconciliation import (
    EntryKey,
    Fee,
    Match,
    Outcome,
    ReconciliationException,
    Report,
    Rules,
    Run,
    Unmatched,
)

SHOWN_MAX = 100
"""What a run answers with, item by item; lists have the rest."""
ConnectionId = Annotated[
    str,
    Meta(
        pattern="^con_[0-7][0-9a-hjkmnp-tv-z]{25}$",
        description="A bank connection.",
        examples=["con_01jd3m8q4vv8k8x2n0c5t7yh6r"],
    ),
]
PostingId = Annotated[str, Meta(pattern="^txn_[0-7][0-9a-hjkmnp-tv-z]{25}$", description="A posting.")]
Leg = Annotated[int, Meta(ge=1, le=10_000, description="Which leg of the posting is on the connection's account.")]
Reason = Annotated[str, Meta(min_length=1, max_length=1000, description="Kept for ever.")]
KindOut = Literal[
    "missing_at_bank", "missing_in_books", "amount_over", "amount_under", "currency", "duplicate", "reversal_unpaired",
]  # fmt: skip


class StartRunIn(In):
    """Which connection and which days. `dry_run`: show what a run would find, and keep nothing."""

    connection_id: ConnectionId
    start_date: date
    end_date: date
    dry_run: bool = False


class ReconciliationRunsIn(ListIn):
    """Which runs."""

    connection_id: ConnectionId | None = None


class ReconciliationMatchesIn(ListIn):
    """Which matches."""

    connection_id: ConnectionId | None = None
    state: Literal["proposed", "matched", "rejected", "undone"] | None = None
    kind: Literal["auto", "manual", "forced"] | None = None


class ReconciliationExceptionsIn(ListIn):
    """Which exceptions."""

    connection_id: ConnectionId | None = None
    open: bool | None = None
    kind: KindOut | None = None
    owner: Annotated[str, Meta(min_length=1, max_length=64)] | None = None


class ReconciliationReportIn(In):
    """Which days, and which connection; all of them when it is left out."""

    start_date: date
    end_date: date
    connection_id: ConnectionId | None = None


class ReconciliationEntryIn(In):
    """A posting on the connection's account."""

    transaction_id: PostingId
    leg: Leg


class ProposeMatchIn(In):
    """Items that belong together. `difference_account`: bears what the bank moved beyond the books; else no difference
    may be."""

    connection_id: ConnectionId
    reason: Reason
    entries: Annotated[list[ReconciliationEntryIn], Meta(max_length=200)] = msgspec.field(default_factory=list)
    lines: Annotated[
        list[Annotated[str, Meta(min_length=1, max_length=200)]],
        Meta(max_length=200, description="Ids of lines of the statement."),
    ] = msgspec.field(default_factory=list)
    difference_account: (
        Annotated[str, Meta(min_length=1, max_length=128, description="Code of a ledger account.")] | None
    ) = None


class DecideMatchIn(In):
    """Nothing is to be said."""


class UndoMatchIn(In):
    """Why it is wrong."""

    reason: Reason


class AssignExceptionIn(In):
    """Who looks after it: a person's id, or a name of yours. Null: nobody."""

    owner: Annotated[str, Meta(min_length=1, max_length=64)] | None


class ExplainExceptionIn(In):
    """Why it has no match, and will have none."""

    reason: Reason


class ReconciliationFeeIn(In):
    """What the bank takes beside an amount: a flat part and parts per million of it."""

    flat: AmountIn = 0
    rate_ppm: Annotated[int, Meta(ge=0, le=1_000_000)] = 0


class ReconciliationRulesIn(In):
    """How a connection is reconciled. `tolerance`: differences up to it are booked as rounding; 0: none is."""

    window_days: Annotated[int, Meta(ge=0, le=30, description="How far apart booking days may be.")] = 3
    tolerance: AmountIn = 0
    fees: Annotated[list[ReconciliationFeeIn], Meta(max_length=20)] = msgspec.field(default_factory=list)


class ReconciliationFeeOut(Out):
    """What the bank takes beside an amount."""

    flat: AmountOut
    rate_ppm: int


class ReconciliationRulesOut(Out):
    """How a connection is reconciled."""

    window_days: int
    tolerance: AmountOut
    fees: list[ReconciliationFeeOut]


class ReconciliationUnmatchedOut(Out):
    """An item without a match. `transaction_id`: the posting; `line_id`: the line; both where the amounts differ."""

    kind: KindOut
    transaction_id: str | None
    line_id: str | None
    expected: AmountOut | None
    actual: AmountOut | None
    currency: Currency


class ReconciliationRunOut(Out):
    """What a run found. `id` is null for a rehearsal. `by_pass`: matches by how they were found. `waiting`: postings
    that are not late at the bank yet."""

    id: str | None
    connection_id: str
    start_date: date
    end_date: date
    rule_version: str
    matched: int
    by_pass: dict[str, int]
    exceptions: dict[str, int]
    waiting: int
    started_by: str
    created_at: Instant


class StartedRunOut(ReconciliationRunOut):
    """A run with the first of what it could not match."""

    unmatched: list[ReconciliationUnmatchedOut]


class ReconciliationEntryOut(Out):
    """A posting on the connection's account."""

    transaction_id: str
    leg: int


class ReconciliationMatchOut(Out):
    """Items that belong together, how that was found, and what shows it."""

    id: str
    connection_id: str
    kind: Literal["auto", "manual", "forced"]
    state: Literal["proposed", "matched", "rejected", "undone"]
    found_by: str
    rule_version: str
    currency: Currency
    expected: AmountOut
    actual: AmountOut
    difference: AmountOut
    difference_account: str | None
    difference_transaction_id: str | None
    entries: list[ReconciliationEntryOut]
    lines: list[str]
    evidence: dict[str, Any]
    reason: str | None
    proposed_by: str
    decided_by: str | None
    undone_by: str | None
    created_at: Instant
    decided_at: Instant | None
    undone_at: Instant | None


class ReconciliationExceptionOut(ReconciliationUnmatchedOut):
    """An item without a match, and who looks after it."""

    id: str
    connection_id: str
    leg: int | None
    dated_on: date
    age_days: int
    suggestions: list[dict[str, Any]]
    owner: str | None
    opened_at: Instant
    resolved_at: Instant | None
    resolved_by: str | None
    resolution: Annotated[str, Meta(description="matched, superseded or explained.")] | None
    reason: str | None


class ReconciliationSummaryOut(Out):
    """A range in one currency: postings, and lines that no posting explains."""

    currency: Currency
    total_transactions: int
    total_amount: AmountOut
    matched_count: int
    matched_amount: AmountOut
    unmatched_count: int


class ReconciliationAgeOut(Out):
    """Open exceptions up to so many days old; null: older than all buckets."""

    days: int | None
    count: int


class ReconciliationReportOut(Out):
    """How a range stands. Amounts in different currencies are never added."""

    summaries: list[ReconciliationSummaryOut]
    by_pass: dict[str, int]
    exceptions: dict[str, int]
    ages: list[ReconciliationAgeOut]


def rules_in(body: ReconciliationRulesIn) -> Rules:
    """Raises: MalformedAmount."""
    fees = tuple(Fee(parse_amount(one.flat), one.rate_ppm) for one in body.fees)
    return Rules(body.window_days, parse_amount(body.tolerance), fees)


def rules_out(rules: Rules) -> ReconciliationRulesOut:
    return ReconciliationRulesOut(
        window_days=rules.window_days,
        tolerance=json_amount(rules.tolerance_minor),
        fees=[ReconciliationFeeOut(flat=json_amount(one.flat_minor), rate_ppm=one.rate_ppm) for one in rules.fees],
    )


def entries_in(body: ProposeMatchIn) -> list[EntryKey]:
    """Raises: MalformedId."""
    return [EntryKey(ids.parse("txn", one.transaction_id), one.leg) for one in body.entries]


def connection_in(text: str | None) -> Any:
    """Raises: MalformedId."""
    return parse_id("con", text)


def _run(run: Run) -> dict[str, Any]:
    return {
        "id": ids.show("rrn", run.run_id),
        "connection_id": ids.show("con", run.connection_id),
        "start_date": run.start_on,
        "end_date": run.end_on,
        "rule_version": run.rule_version,
        "matched": run.counts["matched"],
        "by_pass": run.counts["by_pass"],
        "exceptions": run.counts["exceptions"],
        "waiting": run.counts["waiting"],
        "started_by": run.started_by,
        "created_at": run.created_at,
    }


def run_out(run: Run) -> ReconciliationRunOut:
    return ReconciliationRunOut(**_run(run))


def started_out(run: Run, outcome: Outcome, *, dry: bool) -> StartedRunOut:
    shown = [unmatched_out(one) for one in outcome.unmatched[:SHOWN_MAX]]
    return StartedRunOut(**(_run(run) | ({"id": None} if dry else {})), unmatched=shown)


def unmatched_out(one: Unmatched) -> ReconciliationUnmatchedOut:
    entry, line = one.entry, one.line
    return ReconciliationUnmatchedOut(
        kind=one.kind.value,
        transaction_id=None if entry is None else ids.show("txn", entry.key.transaction_id),
        line_id=None if line is None else line.key,
        expected=None if entry is None else json_amount(entry.amount_minor),
        actual=None if line is None else json_amount(line.amount_minor),
        currency=one.currency,
    )


def entry_out(key: EntryKey) -> ReconciliationEntryOut:
    return ReconciliationEntryOut(transaction_id=ids.show("txn", key.transaction_id), leg=key.leg)


def match_out(match: Match) -> ReconciliationMatchOut:
    return ReconciliationMatchOut(
        id=ids.show("mat", match.match_id),
        connection_id=ids.show("con", match.connection_id),
        kind=match.kind.value,
        state=match.state.value,
        found_by=match.found_by.name.lower(),
        rule_version=match.rule_version,
        currency=match.currency,
        expected=json_amount(match.book_minor),
        actual=json_amount(match.bank_minor),
        difference=json_amount(match.difference_minor),
        difference_account=match.difference_account,
        difference_transaction_id=show_id("txn", match.difference_transaction_id),
        entries=[
            ReconciliationEntryOut(transaction_id=ids.show("txn", one.transaction_id), leg=one.leg)
            for one in match.entries
        ],
        lines=list(match.lines),
        evidence=dict(match.evidence),
        reason=match.reason,
        proposed_by=match.proposed_by,
        decided_by=match.decided_by,
        undone_by=match.undone_by,
        created_at=match.created_at,
        decided_at=match.decided_at,
        undone_at=match.undone_at,
    )


def exception_out(one: ReconciliationException, today: date) -> ReconciliationExceptionOut:
    return ReconciliationExceptionOut(
        id=ids.show("rex", one.exception_id),
        connection_id=ids.show("con", one.connection_id),
        kind=one.kind.value,
        transaction_id=show_id("txn", one.transaction_id),
        leg=one.leg,
        line_id=one.line_id,
        expected=None if one.expected_minor is None else json_amount(one.expected_minor),
        actual=None if one.actual_minor is None else json_amount(one.actual_minor),
        currency=one.currency,
        dated_on=one.dated_on,
        age_days=(today - one.dated_on).days,
        suggestions=[dict(each) for each in one.suggestions],
        owner=one.owner,
        opened_at=one.opened_at,
        resolved_at=one.resolved_at,
        resolved_by=one.resolved_by,
        resolution=one.resolution,
        reason=one.reason,
    )


def report_out(report: Report) -> ReconciliationReportOut:
    return ReconciliationReportOut(
        summaries=[
            ReconciliationSummaryOut(
                currency=one.currency,
                total_transactions=one.total_count,
                total_amount=json_amount(one.total_minor),
                matched_count=one.matched_count,
                matched_amount=json_amount(one.matched_minor),
                unmatched_count=one.unmatched_count,
            )
            for one in report.summaries
        ],
        by_pass=dict(report.by_pass),
        exceptions=dict(report.exceptions),
        ages=[ReconciliationAgeOut(days=one.days, count=one.count) for one in report.ages],
    )

"""Reconciliation over HTTP: runs, matches, exceptions, and how a range of days stands."""

from omniroute.api.call import Call
from omniroute.api.operations import Reply, operation
from omniroute.api.reconciliation_examples import CON, DECIDED, EXCEPTION, MATCH, REPORT, RULES, RUN, TXN, UNMATCHED
from omniroute.api.reconciliation_shapes import (
    AssignExceptionIn,
    DecideMatchIn,
    ExplainExceptionIn,
    ProposeMatchIn,
    ReconciliationExceptionOut,
    ReconciliationExceptionsIn,
    ReconciliationMatchesIn,
    ReconciliationMatchOut,
    ReconciliationReportIn,
    ReconciliationReportOut,
    ReconciliationRulesIn,
    ReconciliationRulesOut,
    ReconciliationRunOut,
    ReconciliationRunsIn,
    StartedRunOut,
    StartRunIn,
    UndoMatchIn,
    connection_in,
    entries_in,
    exception_out,
    match_out,
    report_out,
    rules_in,
    rules_out,
    run_out,
    started_out,
)
from omniroute.api.shapes import PageOut, page
from omniroute.infra.postgres import Tx
from omniroute.kit import ids
from omniroute.money import reconciliation
from omniroute.money.reconciliation import ExceptionKind, MatchKind, MatchState
from omniroute.parties.access import Permission

_RUNS = "/v1/{tenant}/reconciliation-runs"
_MATCHES = "/v1/{tenant}/reconciliation-matches"
_MATCH = _MATCHES + "/{reconciliation_match}"
_EXCEPTIONS = "/v1/{tenant}/reconciliation-exceptions"
_EXCEPTION = _EXCEPTIONS + "/{reconciliation_exception}"
_RULES = "/v1/{tenant}/connections/{connection}/reconciliation-rules"
_READ, _WRITE = Permission.RECONCILIATION_READ, Permission.RECONCILIATION_WRITE
_DECIDING = ("reconciliation.match_not_found", "reconciliation.wrong_state")
_BOOKING = ("ledger.account_frozen", "ledger.account_closed", "ledger.insufficient_funds", "ledger.ceiling_exceeded")


@operation(
    "POST", _RUNS, tag="Reconciliation", status=201, permission=_WRITE, whole=True, body=StartRunIn,
    reply=StartedRunOut, idempotent=True,
    refusals=("connections.not_found", "reconciliation.malformed", "reconciliation.range_too_large"),
    example={"connection_id": CON, "start_date": "2026-11-20", "end_date": "2026-11-20"},
    example_reply=RUN | {"unmatched": [UNMATCHED]},
)  # fmt: skip
async def start_reconciliation(call: Call, tx: Tx, body: StartRunIn) -> Reply:
    """Reconcile a connection over a range of days, now.

    Workers do it by themselves when a statement was read. A run finds what it found before only once.
    """
    run, outcome = await reconciliation.run(
        tx,
        ids.parse("con", body.connection_id),
        start_on=body.start_date,
        end_on=body.end_date,
        by=call.caller.subject,
        now=call.now,
        today=call.today,
        meta=call.meta,
        dry=body.dry_run,
    )
    return Reply(started_out(run, outcome, dry=body.dry_run))


@operation(
    "GET", _RUNS, tag="Reconciliation", permission=_READ, whole=True, query=ReconciliationRunsIn,
    reply=PageOut[ReconciliationRunOut],
    sorts=reconciliation.RUNS.sorts, example_reply={"items": [RUN], "next_cursor": None},
)  # fmt: skip
async def list_reconciliation_runs(call: Call, tx: Tx, query: ReconciliationRunsIn) -> PageOut[ReconciliationRunOut]:
    """List runs, the latest first."""
    found = await reconciliation.list_runs(
        tx, connection_id=connection_in(query.connection_id), sort=query.sort, limit=query.limit, cursor=query.cursor
    )
    return page(found, run_out)


@operation(
    "GET", "/v1/{tenant}/reconciliation-report", tag="Reconciliation", permission=_READ, whole=True,
    query=ReconciliationReportIn,
    reply=ReconciliationReportOut, refusals=("reconciliation.malformed",),
    example_query={"start_date": "2026-11-20", "end_date": "2026-11-20"}, example_reply=REPORT,
)  # fmt: skip
async def get_reconciliation_report(call: Call, tx: Tx, query: ReconciliationReportIn) -> ReconciliationReportOut:
    """Show how a range of days stands, a currency at a time."""
    report = await reconciliation.report(
        tx,
        start_on=query.start_date,
        end_on=query.end_date,
        today=call.today,
        connection_id=connection_in(query.connection_id),
    )
    return report_out(report)


# -- matches ------------------------------------------------------------------------------------------------------


@operation(
    "GET", _MATCHES, tag="Reconciliation", permission=_READ, whole=True, query=ReconciliationMatchesIn,
    reply=PageOut[ReconciliationMatchOut],
    sorts=reconciliation.MATCHES.sorts, example_query={"state": "proposed"},
    example_reply={"items": [MATCH], "next_cursor": None},
)  # fmt: skip
async def list_reconciliation_matches(
    call: Call, tx: Tx, query: ReconciliationMatchesIn
) -> PageOut[ReconciliationMatchOut]:
    """List matches, the latest first."""
    found = await reconciliation.list_matches(
        tx,
        connection_id=connection_in(query.connection_id),
        state=None if query.state is None else MatchState(query.state),
        kind=None if query.kind is None else MatchKind(query.kind),
        sort=query.sort,
        limit=query.limit,
        cursor=query.cursor,
    )
    return page(found, match_out)


@operation(
    "POST", _MATCHES, tag="Reconciliation", status=201, permission=_WRITE, whole=True, body=ProposeMatchIn,
    reply=ReconciliationMatchOut, idempotent=True,
    refusals=("connections.not_found", "reconciliation.malformed", "reconciliation.item_not_found",
              "reconciliation.item_claimed", "reconciliation.currencies_differ", "reconciliation.amounts_differ",
              "reconciliation.no_difference", "reconciliation.difference_account_not_found"),
    example={"connection_id": CON, "reason": "The branch has the slip.",
             "entries": [{"transaction_id": TXN, "leg": 1}], "lines": ["FT26324"]},
    example_reply=MATCH,
)  # fmt: skip
async def propose_reconciliation_match(call: Call, tx: Tx, body: ProposeMatchIn) -> Reply:
    """Say that a line and a posting belong together. It counts when somebody else has approved it.

    Where the amounts differ name the account that bears the difference: it is booked with the approval.
    """
    match = await reconciliation.propose_match(
        tx,
        ids.parse("con", body.connection_id),
        entries_in(body),
        body.lines,
        reason=body.reason,
        difference_account=body.difference_account,
        actor=call.caller.subject,
        now=call.now,
        meta=call.meta,
    )
    return Reply(match_out(match))


@operation(
    "GET", _MATCH, tag="Reconciliation", permission=_READ, whole=True, reply=ReconciliationMatchOut,
    refusals=("reconciliation.match_not_found",), example_reply=MATCH,
)  # fmt: skip
async def get_reconciliation_match(call: Call, tx: Tx) -> ReconciliationMatchOut:
    """Show a match."""
    return match_out(await reconciliation.find_match(tx, call.id("reconciliation_match")))


@operation(
    "POST", _MATCH + "/approve", tag="Reconciliation", permission=_WRITE, whole=True, body=DecideMatchIn,
    reply=ReconciliationMatchOut, idempotent=True,
    refusals=(*_DECIDING, "reconciliation.approver_is_proposer", *_BOOKING),
    example={}, example_reply=MATCH | DECIDED,
)  # fmt: skip
async def approve_reconciliation_match(call: Call, tx: Tx, body: DecideMatchIn) -> Reply:
    """Say yes to a match. Never by who proposed it."""
    match = await reconciliation.approve_match(
        tx,
        call.id("reconciliation_match"),
        actor=call.caller.subject,
        now=call.now,
        today=call.today,
        meta=call.meta,
    )
    return Reply(match_out(match))


@operation(
    "POST", _MATCH + "/reject", tag="Reconciliation", permission=_WRITE, whole=True, body=DecideMatchIn,
    reply=ReconciliationMatchOut, idempotent=True, refusals=_DECIDING, example={},
    example_reply=MATCH | DECIDED | {"state": "rejected"},
)  # fmt: skip
async def reject_reconciliation_match(call: Call, tx: Tx, body: DecideMatchIn) -> Reply:
    """Say no to a match that is proposed; its items are free again."""
    match = await reconciliation.reject_match(
        tx, call.id("reconciliation_match"), actor=call.caller.subject, now=call.now, meta=call.meta
    )
    return Reply(match_out(match))


@operation(
    "POST", _MATCH + "/undo", tag="Reconciliation", permission=_WRITE, whole=True, body=UndoMatchIn,
    reply=ReconciliationMatchOut,
    idempotent=True, refusals=(*_DECIDING, *_BOOKING), example={"reason": "It was another shop's."},
    example_reply=MATCH | DECIDED | {"state": "undone", "undone_by": "usr_01jd3m8q4vv8k8x2n0c5t7yh6r",
                                     "undone_at": "2026-11-21T10:00:00Z", "reason": "It was another shop's."},
)  # fmt: skip
async def undo_reconciliation_match(call: Call, tx: Tx, body: UndoMatchIn) -> Reply:
    """Take a match apart. Its difference is reversed, and runs do not make it again."""
    match = await reconciliation.undo_match(
        tx,
        call.id("reconciliation_match"),
        reason=body.reason,
        actor=call.caller.subject,
        now=call.now,
        today=call.today,
        meta=call.meta,
    )
    return Reply(match_out(match))


# -- exceptions ---------------------------------------------------------------------------------------------------


@operation(
    "GET", _EXCEPTIONS, tag="Reconciliation", permission=_READ, whole=True, query=ReconciliationExceptionsIn,
    reply=PageOut[ReconciliationExceptionOut], sorts=reconciliation.EXCEPTIONS.sorts, example_query={"open": "true"},
    example_reply={"items": [EXCEPTION], "next_cursor": None},
)  # fmt: skip
async def list_reconciliation_exceptions(
    call: Call, tx: Tx, query: ReconciliationExceptionsIn
) -> PageOut[ReconciliationExceptionOut]:
    """List what has no match, the latest first."""
    found = await reconciliation.list_exceptions(
        tx,
        connection_id=connection_in(query.connection_id),
        is_open=query.open,
        kind=None if query.kind is None else ExceptionKind(query.kind),
        owner=query.owner,
        sort=query.sort,
        limit=query.limit,
        cursor=query.cursor,
    )
    return page(found, lambda one: exception_out(one, call.today))


@operation(
    "GET", _EXCEPTION, tag="Reconciliation", permission=_READ, whole=True, reply=ReconciliationExceptionOut,
    refusals=("reconciliation.exception_not_found",), example_reply=EXCEPTION,
)  # fmt: skip
async def get_reconciliation_exception(call: Call, tx: Tx) -> ReconciliationExceptionOut:
    """Show an exception, with what it may belong to."""
    return exception_out(await reconciliation.find_exception(tx, call.id("reconciliation_exception")), call.today)


@operation(
    "POST", _EXCEPTION + "/assign", tag="Reconciliation", permission=_WRITE, whole=True, body=AssignExceptionIn,
    reply=ReconciliationExceptionOut, idempotent=True, refusals=("reconciliation.exception_not_found",),
    example={"owner": "usr_01jd3m8q4vv8k8x2n0c5t7yh6r"},
    example_reply=EXCEPTION | {"owner": "usr_01jd3m8q4vv8k8x2n0c5t7yh6r"},
)  # fmt: skip
async def assign_reconciliation_exception(call: Call, tx: Tx, body: AssignExceptionIn) -> Reply:
    """Say who looks after an open exception."""
    one = await reconciliation.assign_exception(tx, call.id("reconciliation_exception"), owner=body.owner)
    return Reply(exception_out(one, call.today))


@operation(
    "POST", _EXCEPTION + "/explain", tag="Reconciliation", permission=_WRITE, whole=True, body=ExplainExceptionIn,
    reply=ReconciliationExceptionOut, idempotent=True, refusals=("reconciliation.exception_not_found",),
    example={"reason": "The bank's mistake; it has written so."},
    example_reply=EXCEPTION | {"resolved_at": "2026-11-21T10:00:00Z", "resolution": "explained",
                               "resolved_by": "usr_01jd3m8q4vv8k8x2n0c5t7yh6r",
                               "reason": "The bank's mistake; it has written so."},
)  # fmt: skip
async def explain_reconciliation_exception(call: Call, tx: Tx, body: ExplainExceptionIn) -> Reply:
    """Say why an item has no match and will have none. Nothing is booked by it, and runs leave it alone."""
    one = await reconciliation.explain_exception(
        tx,
        call.id("reconciliation_exception"),
        reason=body.reason,
        actor=call.caller.subject,
        now=call.now,
        meta=call.meta,
    )
    return Reply(exception_out(one, call.today))


# -- rules --------------------------------------------------------------------------------------------------------


@operation(
    "GET", _RULES, tag="Reconciliation", permission=_READ, whole=True, reply=ReconciliationRulesOut,
    refusals=("connections.not_found",), example_reply=RULES,
)  # fmt: skip
async def get_reconciliation_rules(call: Call, tx: Tx) -> ReconciliationRulesOut:
    """Show how a connection is reconciled."""
    return rules_out(await reconciliation.find_rules(tx, call.id("connection")))


@operation(
    "PUT", _RULES, tag="Reconciliation", permission=_WRITE, whole=True, body=ReconciliationRulesIn,
    reply=ReconciliationRulesOut,
    refusals=("connections.not_found", "reconciliation.malformed"), example=RULES, example_reply=RULES,
)  # fmt: skip
async def replace_reconciliation_rules(call: Call, tx: Tx, body: ReconciliationRulesIn) -> ReconciliationRulesOut:
    """Set how a connection is reconciled, from the next run on."""
    rules = await reconciliation.write_rules(
        tx, call.id("connection"), rules_in(body), actor=call.caller.subject, now=call.now
    )
    return rules_out(rules)

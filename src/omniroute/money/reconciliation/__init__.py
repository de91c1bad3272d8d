"""Reconciliation: which posting on the account of a bank connection is which line of the bank's statement.

    the books expect (postings)  --+
                                   +-> passes -> matches, each with its evidence
    the bank says (statement)    --+          -> exceptions, each with an owner and an age

    match: proposed -> matched | rejected;  matched -> undone.   What a run finds is matched at once.

Amounts that differ are an exception, never a match; a difference is booked to a named account, never dropped. What
people have matched or explained is left alone by runs; what one person proposes another approves.
"""

from omniroute.money.reconciliation.deciding import (
    approve_match,
    find_match,
    list_matches,
    propose_match,
    reject_match,
    undo_match,
)
from omniroute.money.reconciliation.model import (
    AGES,
    Bucket,
    Entry,
    EntryKey,
    ExceptionKind,
    Fee,
    Found,
    Line,
    Match,
    MatchKind,
    MatchState,
    Outcome,
    Pass,
    ReconciliationException,
    Report,
    Rules,
    Run,
    Suggestion,
    Summary,
    Unmatched,
)
from omniroute.money.reconciliation.passes import reconcile
from omniroute.money.reconciliation.resolving import (
    assign_exception,
    explain_exception,
    find_exception,
    find_rules,
    find_run,
    list_exceptions,
    list_runs,
    report,
    write_rules,
)
from omniroute.money.reconciliation.running import run
from omniroute.money.reconciliation.store import EXCEPTIONS, MATCHES, RUNS
from omniroute.money.reconciliation.watching import Reconciler

__all__ = [
    "AGES",
    "EXCEPTIONS",
    "MATCHES",
    "RUNS",
    "Bucket",
    "Entry",
    "EntryKey",
    "ExceptionKind",
    "Fee",
    "Found",
    "Line",
    "Match",
    "MatchKind",
    "MatchState",
    "Outcome",
    "Pass",
    "Reconciler",
    "ReconciliationException",
    "Report",
    "Rules",
    "Run",
    "Suggestion",
    "Summary",
    "Unmatched",
    "approve_match",
    "assign_exception",
    "explain_exception",
    "find_exception",
    "find_match",
    "find_rules",
    "find_run",
    "list_exceptions",
    "list_matches",
    "list_runs",
    "propose_match",
    "reconcile",
    "reject_match",
    "report",
    "run",
    "undo_match",
    "write_rules",
]

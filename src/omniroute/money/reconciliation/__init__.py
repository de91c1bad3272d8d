"""Reconciliation."""

from omniroute.money.reconciliation.model import (
    Entry,
    EntryKey,
    ExceptionKind,
    Fee,
    Found,
    Line,
    Outcome,
    Pass,
    Rules,
    Suggestion,
    Unmatched,
)
from omniroute.money.reconciliation.passes import reconcile

__all__ = [
    "Entry", "EntryKey", "ExceptionKind", "Fee", "Found", "Line", "Outcome", "Pass", "Rules", "Suggestion", "Unmatched",
    "reconcile",
]  # fmt: skip

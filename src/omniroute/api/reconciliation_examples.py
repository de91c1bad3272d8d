"""Examples for the document: what reconciliation answers with."""

from typing import Any

CON, TXN = "con_01jd3m8q4vv8k8x2n0c5t7yh6r", "txn_01jd3m8q4vv8k8x2n0c5t7yh6r"
RUN: dict[str, Any] = {
    "id": "rrn_01jd3m8q4vv8k8x2n0c5t7yh6r", "connection_id": CON, "start_date": "2026-11-20", "end_date": "2026-11-20",
    "rule_version": "2026-11", "matched": 412, "by_pass": {"strong_key": 409, "fee": 3},
    "exceptions": {"amount_under": 1}, "waiting": 0, "started_by": "usr_01jd3m8q4vv8k8x2n0c5t7yh6r",
    "created_at": "2026-11-21T09:00:00Z",
}  # fmt: skip
UNMATCHED: dict[str, Any] = {
    "kind": "amount_under", "transaction_id": TXN, "line_id": "FT26324", "expected": 150000, "actual": 149500,
    "currency": "NGN",
}  # fmt: skip
MATCH: dict[str, Any] = {
    "id": "mat_01jd3m8q4vv8k8x2n0c5t7yh6r", "connection_id": CON, "kind": "manual", "state": "proposed",
    "found_by": "manual", "rule_version": "2026-11", "currency": "NGN", "expected": 150000, "actual": 150000,
    "difference": 0, "difference_account": None, "difference_transaction_id": None,
    "entries": [{"transaction_id": TXN, "leg": 1}], "lines": ["FT26324"], "evidence": {},
    "reason": "The branch has the slip.", "proposed_by": "usr_01jd3m8q4vv8k8x2n0c5t7yh6r", "decided_by": None,
    "undone_by": None, "created_at": "2026-11-21T09:00:00Z", "decided_at": None, "undone_at": None,
}  # fmt: skip
DECIDED: dict[str, Any] = {
    "state": "matched", "decided_by": "usr_01jd3m8q4vv8k8x2n0c5t7yh6s", "decided_at": "2026-11-21T09:05:00Z",
}  # fmt: skip
EXCEPTION: dict[str, Any] = UNMATCHED | {
    "id": "rex_01jd3m8q4vv8k8x2n0c5t7yh6r", "connection_id": CON, "leg": 1, "dated_on": "2026-11-20", "age_days": 1,
    "suggestions": [], "owner": None, "opened_at": "2026-11-21T09:00:00Z", "resolved_at": None, "resolved_by": None,
    "resolution": None, "reason": None,
}  # fmt: skip
RULES: dict[str, Any] = {"window_days": 3, "tolerance": 0, "fees": [{"flat": 5375, "rate_ppm": 0}]}
REPORT: dict[str, Any] = {
    "summaries": [{"currency": "NGN", "total_transactions": 413, "total_amount": 61950000, "matched_count": 412,
                   "matched_amount": 61800000, "unmatched_count": 1}],
    "by_pass": {"strong_key": 409, "fee": 3}, "exceptions": {"amount_under": 1},
    "ages": [{"days": 1, "count": 1}, {"days": 3, "count": 0}, {"days": 7, "count": 0}, {"days": 30, "count": 0},
             {"days": 90, "count": 0}, {"days": None, "count": 0}],
}  # fmt: skip

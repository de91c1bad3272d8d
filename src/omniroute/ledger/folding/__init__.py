"""Folding: what postings leave behind is added up, so that reads stay short. Reads are exact without it.

fold      increments and entries into ledger_balance and ledger_balance_day
snapshot  what was known of each account at the end of a UTC day
"""

from omniroute.ledger.folding.service import fold, fold_tenant, snapshot

__all__ = ["fold", "fold_tenant", "snapshot"]

"""The list of all operations, in the order in which the documentation shows them."""

from functools import cache

from omniroute.api import (
    audit,
    branches,
    events,
    health,
    keys,
    ledger_accounts,
    ledger_batches,
    ledger_check,
    ledger_holds,
    ledger_periods,
    ledger_rates,
    ledger_reports,
    ledger_transactions,
    oauth,
    organisations,
    people,
    platform,
    providers,
    roles,
    sessions,
)
from omniroute.api.operations import Operation, found_in


@cache
def operations() -> tuple[Operation, ...]:
    """Every operation of the door."""
    from omniroute.api import documentation  # It shows this list, so it cannot be asked for while the list is made.

    found = found_in(
        platform,
        organisations,
        branches,
        people,
        roles,
        sessions,
        keys,
        providers,
        oauth,
        ledger_accounts,
        ledger_transactions,
        ledger_batches,
        ledger_holds,
        ledger_reports,
        ledger_periods,
        ledger_rates,
        ledger_check,
        events,
        audit,
        health,
        documentation,
    )
    names = [op.name for op in found]
    assert len(set(names)) == len(names), "two operations share a name"
    return tuple(found)

"""The list of all operations, in the order in which the documentation shows them."""

from collections.abc import Iterable
from functools import cache
from typing import Any

from omniroute.api import (
    actions,
    actions_atc,
    actions_atc_collections,
    actions_collections,
    actions_decisions,
    actions_desk,
    actions_institutions,
    actions_orders,
    atc_collections,
    atc_grants,
    audit,
    bank_files,
    branches,
    connections,
    events,
    health,
    institutions,
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
    partners,
    payment_batches,
    payment_desk,
    payment_policies,
    payment_previews,
    payment_schedules,
    payments,
    payments_decisions,
    payments_enquiries,
    payments_watch,
    people,
    platform,
    providers,
    reconciliation,
    roles,
    sessions,
    settlements,
    virtual_accounts,
    webhooks,
    webhooks_in,
)
from omniroute.api.documentation import Documentation
from omniroute.api.openapi import document_of
from omniroute.api.operations import Operation, found_in
from omniroute.api.selection import EVERYTHING, Selection, choose


@cache
def operations() -> tuple[Operation, ...]:
    """Every operation of the door."""
    found = found_in(
        platform,
        organisations,
        branches,
        partners,
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
        virtual_accounts,
        atc_grants,
        atc_collections,
        settlements,
        payments,
        payments_decisions,
        payment_batches,
        payments_watch,
        payment_desk,
        payment_schedules,
        payments_enquiries,
        payment_policies,
        payment_previews,
        institutions,
        connections,
        bank_files,
        reconciliation,
        webhooks_in,
        actions,
        actions_atc_collections,
        actions_atc,
        actions_decisions,
        actions_orders,
        actions_desk,
        actions_collections,
        actions_institutions,
        events,
        webhooks,
        audit,
        health,
    )
    everything = Documentation(found).operations
    names = [op.name for op in everything]
    assert len(set(names)) == len(names), "two operations share a name"
    return everything


def openapi_document(selection: Selection = EVERYTHING) -> dict[str, Any]:
    """The OpenAPI document of the door, or of a part of it."""
    return document_of([op for op in operations() if selection.serves(op)])


def select(*names: str, beside: Iterable[str] = ()) -> Selection:
    """A part of the door, by names of modules and families, and of doors `beside` it.

    Raises: UnknownModule.
    """
    return choose(names, operations(), beside)

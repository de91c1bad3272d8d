"""Payments out: each reaches the right account once, whatever the rail, the network or our own process does.

Three layers, never mixed: the payment (what the business wants), the attempt (one send to one rail), the ledger.

    awaiting_approval -> approved | scheduled -> executing -> succeeded -> reversed
    awaiting_approval -> expired;  before executing -> cancelled;  executing -> failed | needs_review
    executing -> approved: the attempt is definitely over without a payment, and another one follows

    attempt: created -> sending -> succeeded | declined | pending | unknown | not_sent
             pending, unknown -> succeeded | declined | not_found_confirmed | manual
             declined, not_sent, not_found_confirmed -> late_success;  succeeded -> reversed

Money is held from the first commit on, and becomes a posting or free again only upon evidence (`transitions`). What
each step books is drawn in `books`. UNKNOWN is a state with a schedule, an owner and an age: never a failure.
"""

from omniroute.money.payments.approval import approve, cancel, expire, reject
from omniroute.money.payments.books import accounts as needed_accounts
from omniroute.money.payments.commands import initiate as initiate_payment
from omniroute.money.payments.dispatcher import Dispatcher, DispatcherLimits
from omniroute.money.payments.initiation import Request, Rulebook, initiate
from omniroute.money.payments.initiator import Initiator, PaymentsBusy, Rulebooks
from omniroute.money.payments.links import Link, LinkDown, Links
from omniroute.money.payments.model import (
    BOOK,
    Attempt,
    AttemptState,
    Decision,
    ExceptionKind,
    Initiated,
    InitiateOutcome,
    InitiatePayment,
    LimitUse,
    NotInitiated,
    Payment,
    PaymentState,
    PaymentType,
    PublicStatus,
    Route,
    Source,
    Step,
    public_status,
)
from omniroute.money.payments.outcomes import Evidence, Recorded, record
from omniroute.money.payments.statements import StatementReader

__all__ = [
    "BOOK",
    "Attempt",
    "AttemptState",
    "Decision",
    "Dispatcher",
    "DispatcherLimits",
    "Evidence",
    "ExceptionKind",
    "InitiateOutcome",
    "InitiatePayment",
    "Initiated",
    "Initiator",
    "LimitUse",
    "Link",
    "LinkDown",
    "Links",
    "NotInitiated",
    "Payment",
    "PaymentState",
    "PaymentType",
    "PaymentsBusy",
    "PublicStatus",
    "Recorded",
    "Request",
    "Route",
    "Rulebook",
    "Rulebooks",
    "Source",
    "StatementReader",
    "Step",
    "approve",
    "cancel",
    "expire",
    "initiate",
    "initiate_payment",
    "needed_accounts",
    "public_status",
    "record",
    "reject",
]

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

from omniroute.money.payments.acting import Sanction, note_step
from omniroute.money.payments.approval import approve, cancel, expire, reject
from omniroute.money.payments.books import accounts as needed_accounts
from omniroute.money.payments.books import fee_income, rail_fees
from omniroute.money.payments.callbacks import receive as receive_callback
from omniroute.money.payments.commands import initiate as initiate_payment
from omniroute.money.payments.commands import request_key
from omniroute.money.payments.dispatcher import CAUTIOUS, Dispatcher, DispatcherLimits
from omniroute.money.payments.files import (
    FILE_ANSWER,
    FILES,
    FOLDER,
    ByFile,
    FileSender,
    Folders,
    RailFileState,
    RailFileView,
    file_content,
    find_file,
    list_files,
)
from omniroute.money.payments.initiation import Request, Rulebook, initiate
from omniroute.money.payments.initiator import Initiator, PaymentsBusy, Rulebooks
from omniroute.money.payments.links import Link, LinkDown, Links, LinkUnknown
from omniroute.money.payments.manual import accept_name, book_again, release
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
from omniroute.money.payments.names import SCORE_GOOD
from omniroute.money.payments.names import score as name_score
from omniroute.money.payments.outcomes import Evidence, Recorded, record
from omniroute.money.payments.pausing import pause_batch, resume_batch
from omniroute.money.payments.reading import (
    Approval,
    PaymentException,
    ProviderEvent,
    Standing,
    find_approvals,
    find_attempts,
    find_by_reference,
    find_payment,
    find_payments,
    find_provider_event,
    list_exceptions,
    list_payments,
    list_provider_events,
    list_unknown,
    replay_provider_event,
)
from omniroute.money.payments.resolving import Resolution, resolve_exception, take_back
from omniroute.money.payments.sending import payout as payout_of
from omniroute.money.payments.settling import settle
from omniroute.money.payments.statements import StatementReader
from omniroute.money.payments.store import EXCEPTIONS, PAYMENTS, PROVIDER_EVENTS, UNKNOWN, find_steps

__all__ = [
    "BOOK",
    "CAUTIOUS",
    "EXCEPTIONS",
    "FILES",
    "FILE_ANSWER",
    "FOLDER",
    "PAYMENTS",
    "PROVIDER_EVENTS",
    "SCORE_GOOD",
    "UNKNOWN",
    "Approval",
    "Attempt",
    "AttemptState",
    "ByFile",
    "Decision",
    "Dispatcher",
    "DispatcherLimits",
    "Evidence",
    "ExceptionKind",
    "FileSender",
    "Folders",
    "InitiateOutcome",
    "InitiatePayment",
    "Initiated",
    "Initiator",
    "LimitUse",
    "Link",
    "LinkDown",
    "LinkUnknown",
    "Links",
    "NotInitiated",
    "Payment",
    "PaymentException",
    "PaymentState",
    "PaymentType",
    "PaymentsBusy",
    "ProviderEvent",
    "PublicStatus",
    "RailFileState",
    "RailFileView",
    "Recorded",
    "Request",
    "Resolution",
    "Route",
    "Rulebook",
    "Rulebooks",
    "Sanction",
    "Source",
    "Standing",
    "StatementReader",
    "Step",
    "accept_name",
    "approve",
    "book_again",
    "cancel",
    "expire",
    "fee_income",
    "file_content",
    "find_approvals",
    "find_attempts",
    "find_by_reference",
    "find_file",
    "find_payment",
    "find_payments",
    "find_provider_event",
    "find_steps",
    "initiate",
    "initiate_payment",
    "list_exceptions",
    "list_files",
    "list_payments",
    "list_provider_events",
    "list_unknown",
    "name_score",
    "needed_accounts",
    "note_step",
    "pause_batch",
    "payout_of",
    "public_status",
    "rail_fees",
    "receive_callback",
    "record",
    "reject",
    "release",
    "replay_provider_event",
    "request_key",
    "resolve_exception",
    "resume_batch",
    "settle",
    "take_back",
]

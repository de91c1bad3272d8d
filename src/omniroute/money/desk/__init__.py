"""The desk: risky acts on payments, each asked for by one person, decided by another, done with the last approval.

    open -> executed | rejected | withdrawn | expired

An act is rehearsed when it is asked for, so that what stands against it is said at once, and done in the transaction
of the last approval, so that nobody can agree to something that then is not done. Evidence goes into the timeline.

Reversals are requests to a rail to take a paid order back, sent with the discipline of payments:

    created -> sending -> succeeded | declined | pending | unknown | not_sent;  pending, unknown -> manual
"""

from omniroute.money.desk.model import (
    AcceptName,
    Act,
    ActKind,
    ApprovalRequest,
    BookAgain,
    Decided,
    Proof,
    Release,
    RequestState,
    ResolveException,
    Reversal,
    ReversalState,
    Reverse,
    Settle,
    SettleReversal,
)
from omniroute.money.desk.requests import (
    approve,
    ask,
    check_belongs,
    expire,
    find_decisions,
    find_request,
    list_requests,
    reject,
    withdraw,
)
from omniroute.money.desk.returning import Returner
from omniroute.money.desk.reversals import find_reversal, find_reversals
from omniroute.money.desk.reversals import hear as hear_reversal
from omniroute.money.desk.store import REQUESTS

__all__ = [
    "REQUESTS",
    "AcceptName",
    "Act",
    "ActKind",
    "ApprovalRequest",
    "BookAgain",
    "Decided",
    "Proof",
    "Release",
    "RequestState",
    "ResolveException",
    "Returner",
    "Reversal",
    "ReversalState",
    "Reverse",
    "Settle",
    "SettleReversal",
    "approve",
    "ask",
    "check_belongs",
    "expire",
    "find_decisions",
    "find_request",
    "find_reversal",
    "find_reversals",
    "hear_reversal",
    "list_requests",
    "reject",
    "withdraw",
]

"""Batches: a file of payments, checked line by line before anything moves, approved as a whole, paid line by line.

    draft -> validated -> awaiting_approval -> approved -> running <-> paused;  running -> completed
    before completed -> cancelled;  completed -> running: failed lines are tried again

    line: received -> valid | invalid;  valid -> initiated (a payment tells the rest) | refused | cancelled
          refused, initiated -> valid: tried again, when it is proven that nothing was paid

A chunk of lines becomes payments in one transaction with the note that it did, and a line's reference is the
payment's: a worker that dies anywhere repeats nothing and leaves nothing out. Whoever sent the file in does not
approve it.
"""

from omniroute.money.batches.checking import check, payment_of
from omniroute.money.batches.columns import COLUMNS
from omniroute.money.batches.errors import FileKnown, MalformedBatch
from omniroute.money.batches.files import PaymentFile
from omniroute.money.batches.model import (
    BYTES_MAX,
    LINES_MAX,
    Batch,
    BatchFormat,
    BatchState,
    Count,
    Defaults,
    FileLine,
    Funds,
    Line,
    LineState,
    OnInvalid,
    Problem,
    Sum,
)
from omniroute.money.batches.reading import (
    BatchApproval,
    all_lines,
    find_approvals,
    find_batch,
    list_batches,
    list_lines,
    reason_of,
    status_of,
)
from omniroute.money.batches.receiving import ReceiveBatch, Upload, receive
from omniroute.money.batches.results import pain_002, report_csv, result_csv
from omniroute.money.batches.steering import approve, cancel, pause, reject, resume, retry_failed, submit
from omniroute.money.batches.store import BATCHES, LINES
from omniroute.money.batches.worker import BatchWorker, Chunks

__all__ = [
    "BATCHES",
    "BYTES_MAX",
    "COLUMNS",
    "LINES",
    "LINES_MAX",
    "Batch",
    "BatchApproval",
    "BatchFormat",
    "BatchState",
    "BatchWorker",
    "Chunks",
    "Count",
    "Defaults",
    "FileKnown",
    "FileLine",
    "Funds",
    "Line",
    "LineState",
    "MalformedBatch",
    "OnInvalid",
    "PaymentFile",
    "Problem",
    "ReceiveBatch",
    "Sum",
    "Upload",
    "all_lines",
    "approve",
    "cancel",
    "check",
    "find_approvals",
    "find_batch",
    "list_batches",
    "list_lines",
    "pain_002",
    "pause",
    "payment_of",
    "reason_of",
    "receive",
    "reject",
    "report_csv",
    "result_csv",
    "resume",
    "retry_failed",
    "status_of",
    "submit",
]

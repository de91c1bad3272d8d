"""Batches of payments over HTTP: a file in, its report, the acts of people, progress, a file out."""

from typing import Any
from uuid import UUID

from omniroute.api.call import Call
from omniroute.api.operations import CSV_TYPE, Reply, Upload, operation
from omniroute.api.payment_batches_shapes import (
    ApproveIn,
    BatchesIn,
    BatchStatus,
    FundsOut,
    LineOut,
    LinesIn,
    Policy,
    ProgressOut,
    RejectIn,
    ReportIn,
    ResultIn,
    SendBatchIn,
    SubmitIn,
    SumOut,
    line_out,
)
from omniroute.api.shapes import AmountOut, Instant, Out, PageOut, page
from omniroute.api.spools import spool
from omniroute.infra.postgres import Tx
from omniroute.kit import ids
from omniroute.kit.money import json_amount
from omniroute.money import batches
from omniroute.money.batches import BatchFormat, BatchState, Defaults, LineState, OnInvalid, ReceiveBatch
from omniroute.money.payments import PaymentState
from omniroute.parties.access import Permission

_BATCHES = "/v1/{tenant}/payment-batches"
_BATCH = _BATCHES + "/{batch}"
XML_TYPE = "application/xml; charset=utf-8"

TYPES = {
    "text/csv": BatchFormat.CSV,
    "text/tab-separated-values": BatchFormat.CSV,
    "application/x-ndjson": BatchFormat.JSON_LINES,
    "application/jsonl": BatchFormat.JSON_LINES,
    "application/xml": BatchFormat.PAIN_001,
    "text/xml": BatchFormat.PAIN_001,
}


class BatchOut(Out):
    """A batch. Counts are as of `counted_at`; `total_amount` is null where there are several currencies."""

    id: str
    reference: str
    name: str
    status: BatchStatus
    reason: str | None
    format: str
    file_name: str | None
    on_invalid: Policy
    total_amount: AmountOut | None
    total_count: int
    valid_count: int
    invalid_count: int
    successful_count: int
    failed_count: int
    open_count: int
    totals: list[SumOut]
    funds: list[FundsOut]
    progress: list[ProgressOut]
    counted_at: Instant | None
    settled: bool
    approvals_needed: int
    approvals_given: int
    initiated_by: str
    submitted_by: str | None
    expires_at: Instant | None
    created_at: Instant
    completed_at: Instant | None
    version: int


class RetriedOut(Out):
    """How many lines are tried again, and the batch."""

    retried_count: int
    batch: BatchOut


def batch_out(batch: batches.Batch) -> BatchOut:
    """A batch as shown."""
    (only,) = batch.totals if len(batch.totals) == 1 else (None,)
    status: Any = batch.state.value.upper()
    return BatchOut(
        id=ids.show("bat", batch.batch_id),
        reference=batch.reference,
        name=batch.name,
        status=status,
        reason=batch.reason,
        format=batch.format.value,
        file_name=batch.file_name,
        on_invalid=batch.on_invalid.value,
        total_amount=None if only is None else json_amount(only.amount_minor),
        total_count=batch.total_count,
        valid_count=batch.valid_count,
        invalid_count=batch.invalid_count,
        successful_count=batch.successful_count,
        failed_count=batch.failed_count,
        open_count=batch.open_count,
        totals=[SumOut(currency=s.currency, count=s.count, amount=json_amount(s.amount_minor)) for s in batch.totals],
        funds=[
            FundsOut(
                source=one.source,
                currency=one.currency,
                needed=json_amount(one.needed_minor),
                available=json_amount(one.available_minor),
                short=json_amount(one.short_minor),
            )
            for one in batch.funds
        ],
        progress=[
            ProgressOut(
                line=one.line.value,
                payment=one.payment,
                currency=one.currency,
                count=one.count,
                amount=json_amount(one.amount_minor),
            )
            for one in batch.tally
        ],
        counted_at=batch.tallied_at,
        settled=batch.settled,
        approvals_needed=batch.approvals_needed,
        approvals_given=batch.approvals_given,
        initiated_by=batch.initiated_by,
        submitted_by=batch.submitted_by,
        expires_at=batch.expires_at,
        created_at=batch.created_at,
        completed_at=batch.completed_at,
        version=batch.version,
    )


def _shown(batch: batches.Batch) -> Reply:
    return Reply(batch_out(batch), version=batch.version)


_EXAMPLE = {
    "id": "bat_01jd3m8q4vv8k8x2n0c5t7yh6r", "reference": "PAYROLL-2026-11", "name": "payroll.csv",
    "status": "VALIDATED", "reason": None, "format": "csv", "file_name": "payroll.csv", "on_invalid": "reject_batch",
    "total_amount": 1500000, "total_count": 2, "valid_count": 2, "invalid_count": 0, "successful_count": 0,
    "failed_count": 0, "open_count": 2, "totals": [{"currency": "NGN", "count": 2, "amount": 1500000}],
    "funds": [{"source": "wallet:shop", "currency": "NGN", "needed": 1500000, "available": 9000000, "short": 0}],
    "progress": [{"line": "valid", "payment": None, "currency": "NGN", "count": 2, "amount": 1500000}],
    "counted_at": "2026-11-21T08:00:01Z", "settled": False, "approvals_needed": 1, "approvals_given": 0,
    "initiated_by": "usr_01jd3m8q4vv8k8x2n0c5t7yh6r", "submitted_by": None, "expires_at": None,
    "created_at": "2026-11-21T08:00:00Z", "completed_at": None, "version": 2,
}  # fmt: skip
_STATE_REFUSALS = ("batches.not_found", "batches.wrong_state")
_APPROVAL_REFUSALS = (
    *_STATE_REFUSALS, "batches.approval_expired", "batches.approver_is_initiator", "batches.already_decided",
)  # fmt: skip


@operation(
    "POST", _BATCHES, tag="Batches", status=201, permission=Permission.BATCHES_WRITE, upload=tuple(TYPES),
    upload_bytes_max=batches.BYTES_MAX, query=SendBatchIn, reply=BatchOut, versioned=True, idempotent=True,
    refusals=("batches.malformed", "batches.empty_file", "batches.unreadable_file", "batches.unknown_encoding",
              "batches.unknown_column", "batches.too_many_lines", "batches.control_sum_wrong", "batches.file_known",
              "batches.reference_taken", "kit.malformed_id", "kit.unknown_currency"),
    example_query={"source": "wallet:shop", "currency": "NGN"},
    example_reply=_EXAMPLE | {"status": "DRAFT", "valid_count": 0, "totals": [], "funds": [], "progress": []},
)  # fmt: skip
async def send_payment_batch(call: Call, tx: Tx, upload: Upload, query: SendBatchIn) -> Reply:
    """Send a file of payments.

    CSV, JSON lines or pain.001, up to 100,000 payments and 64 MiB. Its lines are stored and then checked in the
    background; nothing moves before somebody else has approved the batch. The same file is taken once.
    """
    repeat_of = None if query.repeat_of is None else ids.parse("bat", query.repeat_of)
    command = ReceiveBatch(
        reference=query.reference,
        name=query.name,
        on_invalid=OnInvalid(query.on_invalid),
        defaults=Defaults(query.currency, query.source, query.type, query.country),
        repeat_of=repeat_of,
    )
    content = upload.content
    file = batches.Upload(
        content.file, content.byte_count, content.digest, TYPES[upload.content_type], upload.charset, query.file_name
    )
    batch = await batches.receive(
        tx, file, command, actor=call.caller.subject, branches=call.caller.branches, now=call.now, meta=call.meta
    )
    return _shown(batch)


@operation(
    "GET", _BATCHES, tag="Batches", permission=Permission.PAYMENTS_READ, query=BatchesIn, reply=PageOut[BatchOut],
    sorts=batches.BATCHES.sorts, example_reply={"items": [_EXAMPLE], "next_cursor": None},
)  # fmt: skip
async def list_payment_batches(call: Call, tx: Tx, query: BatchesIn) -> PageOut[BatchOut]:
    """List batches, the newest first."""
    state = None if query.status is None else BatchState(query.status.lower())
    found = await batches.list_batches(tx, state=state, sort=query.sort, limit=query.limit, cursor=query.cursor)
    return page(found, batch_out)


@operation(
    "GET", _BATCH, tag="Batches", permission=Permission.PAYMENTS_READ, reply=BatchOut,
    refusals=("batches.not_found",), example_reply=_EXAMPLE,
)  # fmt: skip
async def get_payment_batch(call: Call, tx: Tx) -> BatchOut:
    """Show a batch and how far it is.

    Watching a running batch is cheap: its counts are taken every second or three, for everybody who asks.
    """
    return batch_out(await batches.find_batch(tx, call.id("batch"), now=call.now))


@operation(
    "GET", _BATCH + "/lines", tag="Batches", permission=Permission.PAYMENTS_READ, query=LinesIn,
    reply=PageOut[LineOut], sorts=batches.LINES.sorts, refusals=("batches.not_found", "batches.malformed"),
)  # fmt: skip
async def list_payment_batch_lines(call: Call, tx: Tx, query: LinesIn) -> PageOut[LineOut]:
    """List the lines of a batch, with what became of each."""
    found = await batches.list_lines(
        tx,
        call.id("batch"),
        state=None if query.state is None else LineState(query.state),
        payment_state=_payment_state(query.payment_state),
        sort=query.sort,
        limit=query.limit,
        cursor=query.cursor,
    )
    return page(found, line_out)


def _payment_state(text: str | None) -> PaymentState | None:
    known = [state.value for state in PaymentState]
    if text is not None and text not in known:
        raise batches.MalformedBatch(f"payment_state: one of {', '.join(known)}", field="payment_state")
    return None if text is None else PaymentState(text)


class ReportOut(Out):
    """What the check found: the batch, and every line that cannot be paid."""

    batch: BatchOut
    invalid: list[LineOut]


@operation(
    "GET", _BATCH + "/report", tag="Batches", permission=Permission.PAYMENTS_READ, query=ReportIn, reply=ReportOut,
    csv=True, refusals=("batches.not_found", "api.answer_too_large"),
)  # fmt: skip
async def get_payment_batch_report(call: Call, tx: Tx, query: ReportIn) -> Reply:
    """Show what the check of a batch found.

    As JSON: the batch, and the first 500 lines that cannot be paid. As CSV: every line.
    """
    batch = await batches.find_batch(tx, call.id("batch"), now=call.now)
    if query.format == "csv":
        return Reply(await spool(batches.report_csv(tx, batch)), content_type=CSV_TYPE)
    found = await batches.list_lines(tx, batch.batch_id, state=LineState.INVALID, limit=500)
    return Reply(ReportOut(batch=batch_out(batch), invalid=[line_out(line) for line in found.items]))


@operation(
    "GET", _BATCH + "/result", tag="Batches", permission=Permission.PAYMENTS_READ, query=ResultIn, reply=str,
    media_type="text/csv", refusals=("batches.not_found", "batches.format_not_offered", "api.answer_too_large"),
)  # fmt: skip
async def get_payment_batch_result(call: Call, tx: Tx, query: ResultIn) -> Reply:
    """Show what became of every line of a batch, as CSV or as the bank's own pain.002."""
    batch = await batches.find_batch(tx, call.id("batch"), now=call.now)
    if query.format == "pain.002":
        return Reply(await spool(batches.pain_002(tx, batch, now=call.now)), content_type=XML_TYPE)
    return Reply(await spool(batches.result_csv(tx, batch)), content_type=CSV_TYPE)


@operation(
    "POST", _BATCH + "/submit", tag="Batches", permission=Permission.BATCHES_WRITE, body=SubmitIn, reply=BatchOut,
    versioned=True, idempotent=True, example={}, example_reply=_EXAMPLE | {"status": "AWAITING_APPROVAL"},
    refusals=(*_STATE_REFUSALS, "batches.invalid_lines", "batches.nothing_to_pay"),
)  # fmt: skip
async def submit_payment_batch(call: Call, tx: Tx, body: SubmitIn) -> Reply:
    """Ask for the approval of a batch that has been checked."""
    policy = None if body.on_invalid is None else OnInvalid(body.on_invalid)
    return _shown(
        await batches.submit(tx, _id(call), actor=call.caller.subject, on_invalid=policy, now=call.now, meta=call.meta)
    )


@operation(
    "POST", _BATCH + "/approve", tag="Batches", permission=Permission.PAYMENTS_APPROVE, body=ApproveIn,
    reply=BatchOut, versioned=True, idempotent=True, refusals=_APPROVAL_REFUSALS, example={"comment": "as agreed"},
    example_reply=_EXAMPLE | {"status": "APPROVED", "approvals_given": 1},
)  # fmt: skip
async def approve_payment_batch(call: Call, tx: Tx, body: ApproveIn) -> Reply:
    """Approve a batch. Whoever sent it in or submitted it cannot."""
    return _shown(
        await batches.approve(
            tx, _id(call), actor=call.caller.subject, comment=body.comment, now=call.now, meta=call.meta
        )
    )


@operation(
    "POST", _BATCH + "/reject", tag="Batches", permission=Permission.PAYMENTS_APPROVE, body=RejectIn, reply=BatchOut,
    versioned=True, idempotent=True, refusals=_APPROVAL_REFUSALS, example={"comment": "wrong month"},
    example_reply=_EXAMPLE | {"status": "CANCELLED", "reason": "rejected"},
)  # fmt: skip
async def reject_payment_batch(call: Call, tx: Tx, body: RejectIn) -> Reply:
    """Reject a batch: it is over, and nothing of it moved."""
    return _shown(
        await batches.reject(
            tx, _id(call), actor=call.caller.subject, comment=body.comment, now=call.now, meta=call.meta
        )
    )


@operation(
    "POST", _BATCH + "/pause", tag="Batches", permission=Permission.BATCHES_WRITE, reply=BatchOut, versioned=True,
    idempotent=True, refusals=_STATE_REFUSALS, example_reply=_EXAMPLE | {"status": "PAUSED"},
)  # fmt: skip
async def pause_payment_batch(call: Call, tx: Tx) -> Reply:
    """Pause a batch: nothing more of it is initiated or sent; what has left comes home."""
    return _shown(await batches.pause(tx, _id(call), now=call.now, meta=call.meta))


@operation(
    "POST", _BATCH + "/resume", tag="Batches", permission=Permission.BATCHES_WRITE, reply=BatchOut, versioned=True,
    idempotent=True, refusals=_STATE_REFUSALS, example_reply=_EXAMPLE | {"status": "RUNNING"},
)  # fmt: skip
async def resume_payment_batch(call: Call, tx: Tx) -> Reply:
    """Resume a paused batch."""
    return _shown(await batches.resume(tx, _id(call), now=call.now, meta=call.meta))


@operation(
    "POST", _BATCH + "/cancel", tag="Batches", permission=Permission.BATCHES_WRITE, reply=BatchOut, versioned=True,
    idempotent=True, refusals=_STATE_REFUSALS, example_reply=_EXAMPLE | {"status": "CANCELLED", "reason": "cancelled"},
)  # fmt: skip
async def cancel_payment_batch(call: Call, tx: Tx) -> Reply:
    """Cancel what of a batch has not left. `settled` tells when nothing is under way any more."""
    return _shown(await batches.cancel(tx, _id(call), now=call.now, meta=call.meta))


@operation(
    "POST", _BATCH + "/retry-failed", tag="Batches", permission=Permission.BATCHES_WRITE, reply=RetriedOut,
    idempotent=True, refusals=(*_STATE_REFUSALS, "batches.nothing_to_retry"),
)  # fmt: skip
async def retry_payment_batch(call: Call, tx: Tx) -> RetriedOut:
    """Try failed lines again, each as a new payment; only those that are proven to be unpaid."""
    batch, count = await batches.retry_failed(tx, _id(call), now=call.now, meta=call.meta)
    return RetriedOut(retried_count=count, batch=batch_out(batch))


def _id(call: Call) -> UUID:
    return call.id("batch")

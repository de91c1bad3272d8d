"""What batches of payments look like over HTTP."""

from typing import Annotated, Any, Literal

from msgspec import Meta

from omniroute.api.shapes import AmountOut, Currency, In, Instant, ListIn, Out, show_id
from omniroute.kit.money import json_amount
from omniroute.money import batches

BatchStatus = Literal[
    "DRAFT", "VALIDATED", "AWAITING_APPROVAL", "APPROVED", "RUNNING", "PAUSED", "COMPLETED", "CANCELLED"
]
LineStatus = Literal["received", "valid", "invalid", "initiated", "refused", "cancelled"]
Policy = Annotated[
    Literal["reject_batch", "skip_lines"], Meta(description="What bad lines do: refuse the batch, or only themselves.")
]
Comment = Annotated[str, Meta(min_length=1, max_length=500)]


class SendBatchIn(In):
    """What the file does not say itself."""

    reference: Annotated[str, Meta(min_length=1, max_length=48, description="Unique for ever.")] | None = None
    name: Annotated[str, Meta(min_length=1, max_length=200)] | None = None
    source: Annotated[str, Meta(min_length=1, max_length=128, description="The ledger account that pays.")] | None = (
        None
    )
    currency: Currency | None = None
    type: Annotated[str, Meta(min_length=1, max_length=40, description="Type of payments that name none.")] = (
        "BULK_DISBURSEMENT"
    )
    country: Annotated[str, Meta(pattern="^[A-Z]{2}$", description="Of payees that name none.")] | None = None
    on_invalid: Policy = "reject_batch"
    file_name: Annotated[str, Meta(min_length=1, max_length=200)] | None = None
    repeat_of: (
        Annotated[str, Meta(min_length=1, max_length=40, description="The batch that this file was before.")] | None
    ) = None


class BatchesIn(ListIn):
    """Which batches."""

    status: BatchStatus | None = None


class LinesIn(ListIn):
    """Which lines: by what the check said, or by the state of their payment."""

    state: LineStatus | None = None
    payment_state: Annotated[str, Meta(max_length=40)] | None = None


class SubmitIn(In):
    """`on_invalid`: another policy than the file was sent in with."""

    on_invalid: Policy | None = None


class ApproveIn(In):
    """A word to go with the yes."""

    comment: Comment | None = None


class RejectIn(In):
    """Why not."""

    comment: Comment


class ReportIn(In):
    """How to answer."""

    format: Literal["json", "csv"] = "json"


class ResultIn(In):
    """How to answer. `pain.002` answers a batch that came as pain.001."""

    format: Literal["csv", "pain.002"] = "csv"


class SumOut(Out):
    """So many payments and so much of a currency."""

    currency: str
    count: int
    amount: AmountOut


class FundsOut(Out):
    """What the valid lines take from an account, fees included, against what it had when they were checked."""

    source: str
    currency: str
    needed: AmountOut
    available: AmountOut
    short: AmountOut


class ProgressOut(Out):
    """How many lines stand where: `line` by the batch, `payment` by their payment once they have one."""

    line: str
    payment: str | None
    currency: str | None
    count: int
    amount: AmountOut


class LineOut(Out):
    """A line; `status` and `reason` are those of its payment once it has one."""

    line_number: int
    reference: str
    type: str
    amount: AmountOut | None
    currency: str | None
    source: str | None
    payee: dict[str, Any]
    narration: str
    state: LineStatus
    status: str
    reason: str | None
    problem: dict[str, Any] | None
    rail: str | None
    fee: AmountOut
    tries: int
    payment_id: str | None
    payment_reference: str | None
    provider_reference: str | None
    completed_at: Instant | None


def line_out(line: batches.Line) -> LineOut:
    """A line as shown."""
    problem = line.problem
    state: Any = line.state.value
    return LineOut(
        line_number=line.number,
        reference=line.reference,
        type=line.type,
        amount=None if line.amount_minor is None else json_amount(line.amount_minor),
        currency=line.currency,
        source=line.source,
        payee=dict(line.payee),
        narration=line.narration,
        state=state,
        status=batches.status_of(line),
        reason=batches.reason_of(line),
        problem=None if problem is None else {"code": problem.code, "detail": problem.detail, "field": problem.field},
        rail=line.rail,
        fee=json_amount(line.fee_minor),
        tries=line.tries,
        payment_id=show_id("pay", line.payment_id),
        payment_reference=line.payment_reference,
        provider_reference=line.provider_ref,
        completed_at=line.completed_at,
    )

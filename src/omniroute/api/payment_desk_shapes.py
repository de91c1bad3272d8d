"""What the desk looks like over HTTP: acts that are asked for, decisions, reversals."""

from typing import Annotated, Any, Literal
from uuid import UUID

import msgspec
from msgspec import Meta

from omniroute.api.shapes import AmountIn, In, Instant, ListIn, Out, show_id
from omniroute.kit import ids
from omniroute.kit.money import json_amount
from omniroute.money.desk import ApprovalRequest, Decided, Reversal

Text = Annotated[str, Meta(min_length=1, max_length=2000, description="Why this is right, for whoever decides.")]
FileHash = Annotated[
    str, Meta(pattern="^[0-9a-f]{64}$", description="SHA-256 of the file that shows it, kept by yourselves.")
]
Needed = Annotated[int, Meta(ge=1, le=5, description="How many others must agree.")]
AttemptId = Annotated[str, Meta(pattern="^att_[0-7][0-9a-hjkmnp-tv-z]{25}$", description="A send of the payment.")]


class EvidenceIn(In):
    """Why, and what shows it."""

    evidence: Text
    file_sha256: FileHash | None = None
    approvals_needed: Needed = 1


class ManualOutcomeIn(EvidenceIn, kw_only=True):
    """Whether the payee has the money. `receipt`: what the rail or bank calls the payment, where it was made.

    `amount`: what the rail really moved, where it is not what was ordered. Less: the rest is the payer's again. More:
    the surplus waits in suspense, as the exception `paid_more`.
    """

    attempt_id: AttemptId
    paid: bool
    receipt: Annotated[str, Meta(min_length=1, max_length=64)] | None = None
    amount: AmountIn | None = None


class AcceptNameIn(EvidenceIn, kw_only=True):
    """The payee's name as the rail tells it: this one is accepted, and no other."""

    name: Annotated[str, Meta(min_length=1, max_length=200)]


class ReversalIn(EvidenceIn, kw_only=True):
    """`attempt_id`: where it is not the send that made the payment, but one that was paid late."""

    attempt_id: AttemptId | None = None


class ResolveExceptionIn(EvidenceIn, kw_only=True):
    """What becomes of it. `account`: who bears what stands in suspense; the payer when left out."""

    resolution: Literal["noted", "given_back", "attributed"]
    account: Annotated[str, Meta(min_length=1, max_length=128, description="Code of a ledger account.")] | None = None


class ReversalOutcomeIn(EvidenceIn, kw_only=True):
    """Whether the money came back."""

    given_back: bool


class DeskCommentIn(In):
    """Why, if you like."""

    comment: Annotated[str, Meta(min_length=1, max_length=500)] | None = None


class DeskReasonIn(In):
    """Why not."""

    comment: Annotated[str, Meta(min_length=1, max_length=500)]


class WithdrawIn(In):
    """Nothing is to be said."""


class ApprovalRequestsIn(ListIn):
    """Which requests."""

    state: Literal["open", "executed", "rejected", "expired", "withdrawn"] | None = None
    act: (
        Literal["settle", "release", "accept_name", "book_again", "resolve_exception", "reverse", "settle_reversal"]
        | None
    ) = None
    payment_id: Annotated[str, Meta(min_length=1, max_length=64)] | None = None


class DeskDecisionOut(Out):
    """One person's word."""

    approver: str
    approved: bool
    comment: str | None
    decided_at: Instant


class ApprovalRequestOut(Out):
    """A risky act and where it stands. `outcome`: what it did."""

    id: str
    act: str
    details: dict[str, Any]
    payment_id: str | None
    evidence: str
    file_sha256: str | None
    state: Literal["open", "executed", "rejected", "expired", "withdrawn"]
    requested_by: str
    approvals_needed: int
    approvals_given: int
    outcome: dict[str, Any] | None
    created_at: Instant
    expires_at: Instant
    closed_at: Instant | None
    version: int


class ApprovalRequestDetailOut(ApprovalRequestOut):
    """A request with everybody's word on it."""

    decisions: list[DeskDecisionOut]


class ReversalOut(Out):
    """A request to a rail to take a payment back. `rail_ref` names the payment there, `our_ref` the request."""

    id: str
    payment_id: str
    attempt_id: str
    rail: str
    state: Literal["created", "sending", "not_sent", "pending", "unknown", "manual", "succeeded", "declined"]
    our_ref: str | None
    rail_ref: str
    code: str | None
    message: str | None
    tries: int
    sent_at: Instant | None
    next_query_at: Instant | None
    query_count: int
    created_at: Instant
    updated_at: Instant


class ReversalsOut(Out):
    """Every reversal of a payment, the first first."""

    items: list[ReversalOut]


_PREFIXES = {"attempt_id": "att", "payment_id": "pay", "exception_id": "exc", "reversal_id": "rev"}


def _public(members: dict[str, Any]) -> dict[str, Any]:
    """Members of an act or an outcome, ids as they are shown."""
    shown: dict[str, Any] = {}
    for name, value in members.items():
        if name == "moved_minor":
            shown["amount"] = None if value is None else json_amount(value)
            continue
        prefix = _PREFIXES.get(name)
        shown[name] = value if prefix is None or value is None else ids.show(prefix, UUID(value))
    return shown


def request_members(request: ApprovalRequest) -> dict[str, Any]:
    return {
        "id": ids.show("apr", request.request_id),
        "act": request.act.kind.value,
        "details": _public(msgspec.to_builtins(request.act)),
        "payment_id": show_id("pay", request.payment_id),
        "evidence": request.proof.text,
        "file_sha256": request.proof.file_sha256,
        "state": request.state.value,
        "requested_by": request.requested_by,
        "approvals_needed": request.approvals_needed,
        "approvals_given": request.approvals_given,
        "outcome": None if request.outcome is None else _public(dict(request.outcome)),
        "created_at": request.created_at,
        "expires_at": request.expires_at,
        "closed_at": request.closed_at,
        "version": request.version,
    }


def request_out(request: ApprovalRequest) -> ApprovalRequestOut:
    return ApprovalRequestOut(**request_members(request))


def decision_out(one: Decided) -> DeskDecisionOut:
    return DeskDecisionOut(approver=one.approver, approved=one.approved, comment=one.comment, decided_at=one.decided_at)


def reversal_out(reversal: Reversal) -> ReversalOut:
    return ReversalOut(
        id=ids.show("rev", reversal.reversal_id),
        payment_id=ids.show("pay", reversal.payment_id),
        attempt_id=ids.show("att", reversal.attempt_id),
        rail=reversal.rail,
        state=reversal.state.value,
        our_ref=reversal.our_ref,
        rail_ref=reversal.rail_ref,
        code=reversal.code,
        message=reversal.message,
        tries=reversal.tries,
        sent_at=reversal.sent_at,
        next_query_at=reversal.next_query_at,
        query_count=reversal.query_count,
        created_at=reversal.created_at,
        updated_at=reversal.updated_at,
    )

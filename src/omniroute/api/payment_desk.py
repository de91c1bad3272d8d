"""The desk over HTTP: risky acts that one asks for and another decides, and what became of reversals."""

from typing import Any

from omniroute.api.call import Call
from omniroute.api.operations import Reply, operation
from omniroute.api.payment_desk_shapes import (
    AcceptNameIn,
    ApprovalRequestDetailOut,
    ApprovalRequestOut,
    ApprovalRequestsIn,
    DeskCommentIn,
    DeskReasonIn,
    EvidenceIn,
    ManualOutcomeIn,
    ResolveExceptionIn,
    ReversalIn,
    ReversalOutcomeIn,
    ReversalsOut,
    WithdrawIn,
    decision_out,
    request_members,
    request_out,
    reversal_out,
)
from omniroute.api.shapes import PageOut, page, parse_id
from omniroute.infra.postgres import Tx
from omniroute.kit import ids
from omniroute.kit.money import parse_amount
from omniroute.money import desk
from omniroute.money.desk import Act, ActKind, Proof, RequestState
from omniroute.money.payments import Resolution
from omniroute.parties.access import Permission

_PAYMENT = "/v1/{tenant}/payments/{payment}"
_REQUESTS = "/v1/{tenant}/approval-requests"
_REQUEST = _REQUESTS + "/{approval_request}"

_EXAMPLE: dict[str, Any] = {
    "id": "apr_01jd3m8q4vv8k8x2n0c5t7yh6r", "act": "settle",
    "details": {"attempt_id": "att_01jd3m8q4vv8k8x2n0c5t7yh6r", "paid": True, "receipt": "FT26325XYZ",
                "amount": None},
    "payment_id": "pay_01jd3m8q4vv8k8x2n0c5t7yh6r", "evidence": "The bank's letter of 21 November.",
    "file_sha256": None, "state": "open", "requested_by": "usr_01jd3m8q4vv8k8x2n0c5t7yh6r", "approvals_needed": 1,
    "approvals_given": 0, "outcome": None, "created_at": "2026-11-21T08:00:00Z", "expires_at": "2026-11-24T08:00:00Z",
    "closed_at": None, "version": 1,
}  # fmt: skip
_EXAMPLE_REVERSAL: dict[str, Any] = {
    "id": "rev_01jd3m8q4vv8k8x2n0c5t7yh6r", "payment_id": "pay_01jd3m8q4vv8k8x2n0c5t7yh6r",
    "attempt_id": "att_01jd3m8q4vv8k8x2n0c5t7yh6r", "rail": "gsma", "state": "succeeded",
    "our_ref": "8c2b6f0e-6a5d-4b1e-9a44-0c3b5f0d7a11", "rail_ref": "TX-1", "code": "completed", "message": None,
    "tries": 1, "sent_at": "2026-11-21T08:00:00Z", "next_query_at": None, "query_count": 0,
    "created_at": "2026-11-21T08:00:00Z", "updated_at": "2026-11-21T08:00:00Z",
}  # fmt: skip
_ASKING = ("desk.malformed", "desk.already_asked", "kit.malformed_id")
_BOOKING = (
    "ledger.account_frozen", "ledger.account_closed", "ledger.period_closed", "ledger.insufficient_funds",
    "ledger.hold_resolved",
)  # fmt: skip
_ACTS = (
    "payments.not_found", "payments.attempt_not_found", "payments.exception_not_found", "payments.wrong_state",
    "payments.rail_contradicts", "payments.attempt_alive", "payments.exception_open", "payments.nothing_to_book",
    "payments.resolution_not_possible", "desk.not_reversible", "desk.reversal_under_way", "desk.reversal_not_found",
    *_BOOKING,
)  # fmt: skip
_DECIDING = (
    "desk.request_not_found", "desk.request_closed", "desk.request_expired", "desk.checker_is_maker",
    "desk.already_decided",
)  # fmt: skip


async def _ask(call: Call, tx: Tx, act: Act, body: EvidenceIn) -> Reply:
    request = await desk.ask(
        tx,
        act,
        Proof(body.evidence, body.file_sha256),
        actor=call.caller.subject,
        approvals_needed=body.approvals_needed,
        rails=call.services.payments.rails,
        now=call.now,
        today=call.today,
        meta=call.meta,
    )
    return Reply(request_out(request))


@operation(
    "POST", _PAYMENT + "/manual-outcome", tag="Desk", status=201, permission=Permission.PAYMENTS_REVIEW,
    body=ManualOutcomeIn, reply=ApprovalRequestOut, idempotent=True,
    refusals=(*_ASKING, "payments.not_found", "payments.attempt_not_found", "payments.wrong_state",
              "payments.rail_contradicts", "kit.malformed_amount", *_BOOKING),
    example={"attempt_id": "att_01jd3m8q4vv8k8x2n0c5t7yh6r", "paid": True, "receipt": "FT26325XYZ",
             "evidence": "The bank's letter of 21 November."},
    example_reply=_EXAMPLE,
)  # fmt: skip
async def ask_manual_outcome(call: Call, tx: Tx, body: ManualOutcomeIn) -> Reply:
    """Ask to settle a payment nobody can tell the outcome of.

    Nothing happens before somebody else agrees. It never counts as not paid while the rail's own word says otherwise.
    """
    attempt_id = ids.parse("att", body.attempt_id)
    moved_minor = None if body.amount is None else parse_amount(body.amount)
    act = desk.Settle(attempt_id, body.paid, body.receipt, moved_minor)
    await desk.check_belongs(tx, act, call.id("payment"))
    return await _ask(call, tx, act, body)


@operation(
    "POST", _PAYMENT + "/release", tag="Desk", status=201, permission=Permission.PAYMENTS_REVIEW, body=EvidenceIn,
    reply=ApprovalRequestOut, idempotent=True,
    refusals=(*_ASKING, "payments.not_found", "payments.wrong_state", "payments.attempt_alive",
              "payments.exception_open", *_BOOKING),
    example={"evidence": "The payee's account is the wrong one."},
    example_reply=_EXAMPLE | {"act": "release", "details": {"payment_id": "pay_01jd3m8q4vv8k8x2n0c5t7yh6r"}},
)  # fmt: skip
async def ask_release(call: Call, tx: Tx, body: EvidenceIn) -> Reply:
    """Ask to free the money of a payment that waits for review and that nothing can pay any more."""
    return await _ask(call, tx, desk.Release(call.id("payment")), body)


@operation(
    "POST", _PAYMENT + "/accept-name", tag="Desk", status=201, permission=Permission.PAYMENTS_REVIEW, body=AcceptNameIn,
    reply=ApprovalRequestOut, idempotent=True, refusals=(*_ASKING, "payments.not_found", "payments.wrong_state"),
    example={"name": "ADA OBI VENTURES", "evidence": "Registered under this name; certificate seen."},
    example_reply=_EXAMPLE | {"act": "accept_name", "details": {
        "payment_id": "pay_01jd3m8q4vv8k8x2n0c5t7yh6r", "name": "ADA OBI VENTURES"}},
)  # fmt: skip
async def ask_accept_name(call: Call, tx: Tx, body: AcceptNameIn) -> Reply:
    """Ask to send a payment although the rail knows the payee under another name."""
    return await _ask(call, tx, desk.AcceptName(call.id("payment"), body.name), body)


@operation(
    "POST", _PAYMENT + "/book-again", tag="Desk", status=201, permission=Permission.PAYMENTS_REVIEW, body=EvidenceIn,
    reply=ApprovalRequestOut, idempotent=True,
    refusals=(*_ASKING, "payments.not_found", "payments.nothing_to_book", *_BOOKING),
    example={"evidence": "The float account is open again."},
    example_reply=_EXAMPLE | {"act": "book_again", "details": {"payment_id": "pay_01jd3m8q4vv8k8x2n0c5t7yh6r"}},
)  # fmt: skip
async def ask_book_again(call: Call, tx: Tx, body: EvidenceIn) -> Reply:
    """Ask to book what the ledger refused when it happened."""
    return await _ask(call, tx, desk.BookAgain(call.id("payment")), body)


@operation(
    "POST", _PAYMENT + "/reversals", tag="Desk", status=201, permission=Permission.PAYMENTS_REVIEW, body=ReversalIn,
    reply=ApprovalRequestOut, idempotent=True,
    refusals=(*_ASKING, "payments.not_found", "desk.not_reversible", "desk.reversal_under_way"),
    example={"evidence": "Paid twice by the customer's mistake; the payee agrees."},
    example_reply=_EXAMPLE | {"act": "reverse", "details": {
        "payment_id": "pay_01jd3m8q4vv8k8x2n0c5t7yh6r", "attempt_id": None}},
)  # fmt: skip
async def ask_reversal(call: Call, tx: Tx, body: ReversalIn) -> Reply:
    """Ask for a payment back from the rail, where the rail has that.

    When somebody else agrees the rail is asked, once. The payment counts as paid until the rail has proven otherwise.
    """
    return await _ask(call, tx, desk.Reverse(call.id("payment"), parse_id("att", body.attempt_id)), body)


@operation(
    "GET", _PAYMENT + "/reversals", tag="Desk", permission=Permission.PAYMENTS_READ, reply=ReversalsOut,
    refusals=("payments.not_found",),
    example_reply={"items": [_EXAMPLE_REVERSAL]},
)  # fmt: skip
async def list_reversals(call: Call, tx: Tx) -> ReversalsOut:
    """List the reversals of a payment, the first first."""
    found = await desk.find_reversals(tx, call.id("payment"))
    return ReversalsOut(items=[reversal_out(one) for one in found])


@operation(
    "POST", "/v1/{tenant}/payment-exceptions/{exception}/resolve", tag="Desk", status=201,
    permission=Permission.PAYMENTS_REVIEW, body=ResolveExceptionIn, reply=ApprovalRequestOut, idempotent=True,
    refusals=(*_ASKING, "payments.exception_not_found", "payments.resolution_not_possible", "ledger.unknown_account",
              "ledger.currency_mismatch", "ledger.already_reversed", *_BOOKING),
    example={"resolution": "attributed", "evidence": "The payee keeps it; the payer was told."},
    example_reply=_EXAMPLE | {"act": "resolve_exception", "details": {
        "exception_id": "exc_01jd3m8q4vv8k8x2n0c5t7yh6r", "resolution": "attributed", "account": None}},
)  # fmt: skip
async def ask_resolve_exception(call: Call, tx: Tx, body: ResolveExceptionIn) -> Reply:
    """Ask to close an exception, with what is booked for it."""
    act = desk.ResolveException(call.id("exception"), Resolution(body.resolution), body.account)
    return await _ask(call, tx, act, body)


@operation(
    "POST", "/v1/{tenant}/payment-reversals/{reversal}/manual-outcome", tag="Desk", status=201,
    permission=Permission.PAYMENTS_REVIEW, body=ReversalOutcomeIn, reply=ApprovalRequestOut, idempotent=True,
    refusals=(*_ASKING, "desk.reversal_not_found", "payments.wrong_state", *_BOOKING),
    example={"given_back": False, "evidence": "The operator's support says no."},
    example_reply=_EXAMPLE | {"act": "settle_reversal", "details": {
        "reversal_id": "rev_01jd3m8q4vv8k8x2n0c5t7yh6r", "given_back": False}},
)  # fmt: skip
async def ask_reversal_outcome(call: Call, tx: Tx, body: ReversalOutcomeIn) -> Reply:
    """Ask to settle a reversal nobody can tell the outcome of."""
    return await _ask(call, tx, desk.SettleReversal(call.id("reversal"), body.given_back), body)


@operation(
    "GET", _REQUESTS, tag="Desk", permission=Permission.PAYMENTS_READ, query=ApprovalRequestsIn,
    reply=PageOut[ApprovalRequestOut], sorts=desk.REQUESTS.sorts, refusals=("kit.malformed_id",),
    example_query={"state": "open"}, example_reply={"items": [_EXAMPLE], "next_cursor": None},
)  # fmt: skip
async def list_approval_requests(call: Call, tx: Tx, query: ApprovalRequestsIn) -> PageOut[ApprovalRequestOut]:
    """List risky acts that wait for somebody, or waited; the latest first."""
    found = await desk.list_requests(
        tx,
        state=None if query.state is None else RequestState(query.state),
        kind=None if query.act is None else ActKind(query.act),
        payment_id=parse_id("pay", query.payment_id),
        sort=query.sort,
        limit=query.limit,
        cursor=query.cursor,
    )
    return page(found, request_out)


@operation(
    "GET", _REQUEST, tag="Desk", permission=Permission.PAYMENTS_READ, reply=ApprovalRequestDetailOut,
    refusals=("desk.request_not_found",), example_reply=_EXAMPLE | {"decisions": []},
)  # fmt: skip
async def get_approval_request(call: Call, tx: Tx) -> ApprovalRequestDetailOut:
    """Show a risky act, and who said what to it."""
    request = await desk.find_request(tx, call.id("approval_request"))
    decisions = await desk.find_decisions(tx, request.request_id)
    return ApprovalRequestDetailOut(
        **request_members(request), decisions=[decision_out(decision) for decision in decisions]
    )


@operation(
    "POST", _REQUEST + "/approve", tag="Desk", permission=Permission.PAYMENTS_REVIEW, body=DeskCommentIn,
    reply=ApprovalRequestOut, idempotent=True, refusals=(*_DECIDING, *_ACTS), example={"comment": "letter seen"},
    example_reply=_EXAMPLE | {"state": "executed", "approvals_given": 1, "closed_at": "2026-11-21T09:00:00Z",
                              "outcome": {"payment_state": "succeeded", "payment_reason": None}, "version": 2},
)  # fmt: skip
async def approve_request(call: Call, tx: Tx, body: DeskCommentIn) -> Reply:
    """Agree to a risky act; with the last one who must, it is done.

    Never by who asked for it. When something stands against the act by now, nothing is done and nobody has agreed.
    """
    request = await desk.approve(
        tx,
        call.id("approval_request"),
        actor=call.caller.subject,
        comment=body.comment,
        rails=call.services.payments.rails,
        now=call.now,
        today=call.today,
        meta=call.meta,
    )
    return Reply(request_out(request))


@operation(
    "POST", _REQUEST + "/reject", tag="Desk", permission=Permission.PAYMENTS_REVIEW, body=DeskReasonIn,
    reply=ApprovalRequestOut, idempotent=True, refusals=_DECIDING, example={"comment": "the letter is of last year"},
    example_reply=_EXAMPLE | {"state": "rejected", "closed_at": "2026-11-21T09:00:00Z", "version": 2},
)  # fmt: skip
async def reject_request(call: Call, tx: Tx, body: DeskReasonIn) -> Reply:
    """Say no to a risky act; it is not done."""
    request = await desk.reject(
        tx,
        call.id("approval_request"),
        actor=call.caller.subject,
        comment=body.comment,
        now=call.now,
        meta=call.meta,
    )
    return Reply(request_out(request))


@operation(
    "POST", _REQUEST + "/withdraw", tag="Desk", permission=Permission.PAYMENTS_REVIEW, body=WithdrawIn,
    reply=ApprovalRequestOut, idempotent=True, example={},
    refusals=("desk.request_not_found", "desk.request_closed", "desk.not_yours"),
    example_reply=_EXAMPLE | {"state": "withdrawn", "closed_at": "2026-11-21T09:00:00Z", "version": 2},
)  # fmt: skip
async def withdraw_request(call: Call, tx: Tx, body: WithdrawIn) -> Reply:
    """Take back what you asked for."""
    request = await desk.withdraw(
        tx, call.id("approval_request"), actor=call.caller.subject, now=call.now, meta=call.meta
    )
    return Reply(request_out(request))

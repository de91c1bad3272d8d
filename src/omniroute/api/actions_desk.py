"""The desk as actions of a Hasura engine: risky acts that one asked for and another decides. As at the REST door."""

from collections.abc import Awaitable, Callable
from typing import Any

from omniroute.api.actions_form import Camel, action, answer, row_id, shape, written
from omniroute.api.call import Call
from omniroute.api.operations import Raw, Reply
from omniroute.api.payment_batches_shapes import Comment
from omniroute.infra.postgres import Tx
from omniroute.kit import ids
from omniroute.money import desk
from omniroute.money.desk import ApprovalRequest
from omniroute.parties.access import Permission


class ApproveRequestInput(Camel, kw_only=True):
    """Which one; why, if you like."""

    id: str
    comment: Comment | None = None


class RejectRequestInput(Camel, kw_only=True):
    """Which one, and why."""

    id: str
    comment: Comment


class WithdrawRequestInput(Camel, kw_only=True):
    """Which one."""

    id: str


def _shown(request: ApprovalRequest) -> dict[str, Any]:
    return {
        "id": str(request.request_id),
        "approvalRequestId": ids.show("apr", request.request_id),
        "status": request.state.value.upper(),
        "approvalsNeeded": request.approvals_needed,
        "approvalsGiven": request.approvals_given,
        "closedAt": request.closed_at,
    }


async def _done(call: Call, work: Callable[[Tx], Awaitable[ApprovalRequest]]) -> dict[str, Any]:
    return _shown(await written(call, work))


async def _approve(call: Call, given: dict[str, Any]) -> dict[str, Any]:
    asked = shape(given, ApproveRequestInput)
    request_id, rails = row_id("apr", asked.id), call.services.payments.rails

    async def work(tx: Tx) -> ApprovalRequest:
        return await desk.approve(
            tx,
            request_id,
            actor=call.caller.subject,
            comment=asked.comment,
            rails=rails,
            now=call.now,
            today=call.today,
            meta=call.meta,
        )

    return await _done(call, work)


async def _reject(call: Call, given: dict[str, Any]) -> dict[str, Any]:
    asked = shape(given, RejectRequestInput)
    request_id = row_id("apr", asked.id)

    async def work(tx: Tx) -> ApprovalRequest:
        actor = call.caller.subject
        return await desk.reject(tx, request_id, actor=actor, comment=asked.comment, now=call.now, meta=call.meta)

    return await _done(call, work)


async def _withdraw(call: Call, given: dict[str, Any]) -> dict[str, Any]:
    request_id = row_id("apr", shape(given, WithdrawRequestInput).id)

    async def work(tx: Tx) -> ApprovalRequest:
        return await desk.withdraw(tx, request_id, actor=call.caller.subject, now=call.now, meta=call.meta)

    return await _done(call, work)


@action("approve-request")
async def action_approve_request(call: Call, raw: Raw) -> Reply:
    """Agree to a risky act for a Hasura engine; with the last one who must, it is done. Input: `id`, `comment`."""
    return await answer(call, raw, Permission.PAYMENTS_REVIEW, _approve)


@action("reject-request")
async def action_reject_request(call: Call, raw: Raw) -> Reply:
    """Say no to a risky act for a Hasura engine. Input: `id`, `comment`."""
    return await answer(call, raw, Permission.PAYMENTS_REVIEW, _reject)


@action("withdraw-request")
async def action_withdraw_request(call: Call, raw: Raw) -> Reply:
    """Take back what you asked for, for a Hasura engine. Input: `id`."""
    return await answer(call, raw, Permission.PAYMENTS_REVIEW, _withdraw)

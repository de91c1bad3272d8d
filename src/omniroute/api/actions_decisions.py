"""Deciding about payments and batches as actions of a Hasura engine: by the rules of the REST door, in its form.

Who approves is never who initiated, by whatever key they come. A decision that was made already is refused, and changes
nothing, so a repeat is harmless.
"""

from collections.abc import Awaitable, Callable, Sequence
from typing import Annotated, Any, Literal
from uuid import UUID

from msgspec import Meta

from omniroute.api.actions_form import Camel, action, answer, row_id, shape, written
from omniroute.api.actions_payments import payment_shown
from omniroute.api.call import Call
from omniroute.api.operations import Raw, Reply
from omniroute.api.payments_decisions import Answers, Comment, approve_all, cancel_all, reject_all
from omniroute.infra.postgres import Tx
from omniroute.kit import ids
from omniroute.kit.refusal import Refusal
from omniroute.money import batches
from omniroute.money.batches import Batch, OnInvalid
from omniroute.money.payments import Standing
from omniroute.parties.access import Permission


class DecideInput(Camel, kw_only=True):
    """Which one; why, if you like."""

    id: str
    comment: Comment | None = None


class RejectInput(Camel, kw_only=True):
    """Which one, and why."""

    id: str
    comment: Comment


class TurnInput(Camel, kw_only=True):
    """Which one."""

    id: str


class SubmitInput(Camel, kw_only=True):
    """Which one; and what its bad lines do, if not what it was sent in with."""

    id: str
    on_invalid: Literal["REJECT_BATCH", "SKIP_LINES"] | None = None


Many = Annotated[list[str], Meta(min_length=1, max_length=500)]


class DecideManyInput(Camel, kw_only=True):
    """Which ones; why, if you like."""

    ids: Many
    comment: Comment | None = None


class RejectManyInput(Camel, kw_only=True):
    """Which ones, and why."""

    ids: Many
    comment: Comment


# -- payments ---------------------------------------------------------------------------------------------------------

Decide = Callable[[Call, Tx, Sequence[UUID], Any], Awaitable[Answers]]


def _one(decide: Decide, kind: type[DecideInput] | type[RejectInput]) -> Any:
    async def handler(call: Call, given: dict[str, Any]) -> dict[str, Any]:
        asked = shape(given, kind)
        payment_id = row_id("pay", asked.id)

        async def work(tx: Tx) -> dict[str, Any]:
            (found,) = await decide(call, tx, [payment_id], asked.comment)
            if isinstance(found, Refusal):
                raise found
            return payment_shown(Standing(found, None))

        return await written(call, work)

    return handler


def _many(decide: Decide, kind: type[DecideManyInput] | type[RejectManyInput]) -> Any:
    async def handler(call: Call, given: dict[str, Any]) -> dict[str, Any]:
        asked = shape(given, kind)
        payment_ids = [*dict.fromkeys(row_id("pay", one) for one in asked.ids)]

        async def work(tx: Tx) -> Answers:
            return await decide(call, tx, payment_ids, asked.comment)

        found = await written(call, work)
        results = [_result(*one) for one in zip(payment_ids, found, strict=True)]
        refused = sum(one["code"] is not None for one in results)
        return {"done": len(results) - refused, "refused": refused, "results": results}

    return handler


def _result(payment_id: UUID, found: Any) -> dict[str, Any]:
    shown = {"id": str(payment_id), "paymentId": ids.show("pay", payment_id)}
    if isinstance(found, Refusal):
        return shown | {"status": None, "code": found.code, "error": found.detail}
    return shown | {"status": Standing(found, None).status.value, "code": None, "error": None}


@action("approve-payment")
async def action_approve_payment(call: Call, raw: Raw) -> Reply:
    """Approve a payment for a Hasura engine.

    Input: `id`, `comment`. Output: the payment, with `status`, `approvalsNeeded` and `approvalsGiven`.
    """
    return await answer(call, raw, Permission.PAYMENTS_APPROVE, _one(approve_all, DecideInput))


@action("reject-payment")
async def action_reject_payment(call: Call, raw: Raw) -> Reply:
    """Reject a payment for a Hasura engine. Input: `id`, `comment`. Output: the payment."""
    return await answer(call, raw, Permission.PAYMENTS_APPROVE, _one(reject_all, RejectInput))


@action("cancel-payment")
async def action_cancel_payment(call: Call, raw: Raw) -> Reply:
    """Call a payment off for a Hasura engine, if it has not left. Input: `id`, `comment`. Output: the payment."""
    return await answer(call, raw, Permission.PAYMENTS_CANCEL, _one(cancel_all, DecideInput))


@action("approve-payments")
async def action_approve_payments(call: Call, raw: Raw) -> Reply:
    """Approve many payments for a Hasura engine, each for itself.

    Input: `ids`, `comment`. Output: `done`, `refused`, and `results` (`id`, `status`; or `code` and `error`).
    """
    return await answer(call, raw, Permission.PAYMENTS_APPROVE, _many(approve_all, DecideManyInput))


@action("reject-payments")
async def action_reject_payments(call: Call, raw: Raw) -> Reply:
    """Reject many payments for a Hasura engine, each for itself. As for approving."""
    return await answer(call, raw, Permission.PAYMENTS_APPROVE, _many(reject_all, RejectManyInput))


@action("cancel-payments")
async def action_cancel_payments(call: Call, raw: Raw) -> Reply:
    """Call many payments off for a Hasura engine, each for itself. As for approving."""
    return await answer(call, raw, Permission.PAYMENTS_CANCEL, _many(cancel_all, DecideManyInput))


# -- batches ----------------------------------------------------------------------------------------------------------


def _batch_shown(batch: Batch) -> dict[str, Any]:
    return {
        "id": str(batch.batch_id),
        "paymentBatchId": ids.show("bat", batch.batch_id),
        "reference": batch.reference,
        "status": batch.state.value.upper(),
        "reason": batch.reason,
        "approvalsNeeded": batch.approvals_needed,
        "approvalsGiven": batch.approvals_given,
    }


def _decided(decide: Callable[..., Awaitable[Batch]], kind: type[DecideInput] | type[RejectInput]) -> Any:
    async def handler(call: Call, given: dict[str, Any]) -> dict[str, Any]:
        asked = shape(given, kind)
        batch_id = row_id("bat", asked.id)

        async def work(tx: Tx) -> dict[str, Any]:
            actor = call.caller.subject
            found = await decide(tx, batch_id, actor=actor, comment=asked.comment, now=call.now, meta=call.meta)
            return _batch_shown(found)

        return await written(call, work)

    return handler


def _turned(turn: Callable[..., Awaitable[Batch]]) -> Any:
    async def handler(call: Call, given: dict[str, Any]) -> dict[str, Any]:
        batch_id = row_id("bat", shape(given, TurnInput).id)

        async def work(tx: Tx) -> dict[str, Any]:
            return _batch_shown(await turn(tx, batch_id, now=call.now, meta=call.meta))

        return await written(call, work)

    return handler


async def _submit(call: Call, given: dict[str, Any]) -> dict[str, Any]:
    asked = shape(given, SubmitInput)
    batch_id = row_id("bat", asked.id)
    policy = None if asked.on_invalid is None else OnInvalid(asked.on_invalid.lower())

    async def work(tx: Tx) -> dict[str, Any]:
        actor = call.caller.subject
        found = await batches.submit(tx, batch_id, actor=actor, on_invalid=policy, now=call.now, meta=call.meta)
        return _batch_shown(found)

    return await written(call, work)


async def _retry(call: Call, given: dict[str, Any]) -> dict[str, Any]:
    batch_id = row_id("bat", shape(given, TurnInput).id)

    async def work(tx: Tx) -> dict[str, Any]:
        batch, count = await batches.retry_failed(tx, batch_id, now=call.now, meta=call.meta)
        return _batch_shown(batch) | {"retriedCount": count}

    return await written(call, work)


@action("submit-bulk-payment")
async def action_submit_bulk_payment(call: Call, raw: Raw) -> Reply:
    """Ask for the approval of a checked batch, for a Hasura engine. Input: `id`, `onInvalid`. Output: `status`."""
    return await answer(call, raw, Permission.BATCHES_WRITE, _submit)


@action("retry-bulk-payment")
async def action_retry_bulk_payment(call: Call, raw: Raw) -> Reply:
    """Try lines of a batch again that are proven to be unpaid, for a Hasura engine.

    Input: `id`. Output: `retriedCount`, `status` and more.
    """
    return await answer(call, raw, Permission.BATCHES_WRITE, _retry)


@action("approve-bulk-payment")
async def action_approve_bulk_payment(call: Call, raw: Raw) -> Reply:
    """Approve a batch for a Hasura engine.

    Input: `id` (of the batch, not the `batchId` it was sent in with), `comment`. Output: `status` and more.
    """
    return await answer(call, raw, Permission.PAYMENTS_APPROVE, _decided(batches.approve, DecideInput))


@action("reject-bulk-payment")
async def action_reject_bulk_payment(call: Call, raw: Raw) -> Reply:
    """Reject a batch for a Hasura engine. Input: `id`, `comment`. Output: `status` and more."""
    return await answer(call, raw, Permission.PAYMENTS_APPROVE, _decided(batches.reject, RejectInput))


@action("cancel-bulk-payment")
async def action_cancel_bulk_payment(call: Call, raw: Raw) -> Reply:
    """Call off what of a batch has not left, for a Hasura engine. Input: `id`. Output: `status` and more."""
    return await answer(call, raw, Permission.BATCHES_WRITE, _turned(batches.cancel))


@action("pause-bulk-payment")
async def action_pause_bulk_payment(call: Call, raw: Raw) -> Reply:
    """Pause a batch for a Hasura engine. Input: `id`. Output: `status` and more."""
    return await answer(call, raw, Permission.BATCHES_WRITE, _turned(batches.pause))


@action("resume-bulk-payment")
async def action_resume_bulk_payment(call: Call, raw: Raw) -> Reply:
    """Go on with a paused batch, for a Hasura engine. Input: `id`. Output: `status` and more."""
    return await answer(call, raw, Permission.BATCHES_WRITE, _turned(batches.resume))

"""Standing orders as actions of a Hasura engine: by the rules of the REST door, in its form.

Nothing is paid before somebody else has approved an order, once for all its dates. The same reference is one order: who
orders it again is refused.
"""

from collections.abc import Awaitable, Callable
from datetime import date
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from omniroute.api.actions_form import Camel, MalformedAction, action, answer, row_id, shape, written
from omniroute.api.actions_payments import AccountDetails, amount_of, payee_of
from omniroute.api.call import Call
from omniroute.api.operations import Raw, Reply
from omniroute.api.payment_schedules_shapes import Comment, CreateScheduleIn, TimeOfDay, terms_in
from omniroute.infra.postgres import Tx
from omniroute.kit import ids
from omniroute.money import schedules
from omniroute.money.schedules import Schedule
from omniroute.parties.access import Permission


class RecurrenceInput(Camel, kw_only=True):
    """When. `weekdays` from Monday, 0."""

    frequency: Literal["ONCE", "DAILY", "WEEKLY", "MONTHLY"]
    start_on: date
    at: TimeOfDay
    interval: int | None = None
    weekdays: list[int] | None = None
    day_of_month: int | None = None
    ends_on: date | None = None
    count: int | None = None
    off_day: Literal["PAY", "SKIP", "NEXT", "PREVIOUS"] | None = None


class SweepInput(Camel, kw_only=True):
    """Whatever is available above a mark, up to a maximum. In major units."""

    above: Any
    max: Any
    min: Any = None


class StandingOrderInput(Camel, kw_only=True):
    """A payment by the calendar: an amount (in major units, or `amountMinor`), or a `sweep`."""

    reference: Annotated[str, Meta(min_length=1, max_length=48, pattern=r"^[A-Za-z0-9][A-Za-z0-9._:/-]*$")]
    type: str = "SUPPLIER_PAYMENT"
    currency: str
    source_account: AccountDetails
    destination_account: AccountDetails
    recurrence: RecurrenceInput
    amount: Any = None
    amount_minor: int | str | None = None
    sweep: SweepInput | None = None
    narration: str | None = None
    metadata: dict[str, Any] | None = None
    connection: str | None = None
    missed: Literal["EACH", "LATEST", "SKIP"] | None = None
    retry_days: int | None = None


class ApproveOrderInput(Camel, kw_only=True):
    """Which one; why, if you like."""

    id: str
    comment: Comment | None = None


class RejectOrderInput(Camel, kw_only=True):
    """Which one, and why."""

    id: str
    comment: Comment


class TurnOrderInput(Camel, kw_only=True):
    """Which one."""

    id: str


def _given(members: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in members.items() if value is not None}


def _recurrence(rule: RecurrenceInput) -> dict[str, Any]:
    off_day = None if rule.off_day is None else rule.off_day.lower()
    return _given(msgspec.structs.asdict(rule)) | _given({"frequency": rule.frequency.lower(), "off_day": off_day})


def _sweep(asked: StandingOrderInput) -> dict[str, Any] | None:
    """Raises: MalformedAmount, UnknownCurrency, MalformedAction."""
    if asked.sweep is None:
        return None
    if asked.amount is not None or asked.amount_minor is not None:
        raise MalformedAction("amount: either an amount or a sweep")
    parts = _given(msgspec.structs.asdict(asked.sweep))
    return {name: amount_of(value, None, asked.currency) for name, value in parts.items()}


def _body(asked: StandingOrderInput) -> CreateScheduleIn:
    """Raises: MalformedAction and what is refused of an order's form."""
    sweep = _sweep(asked)
    members = {
        "reference": asked.reference,
        "type": asked.type,
        "currency": asked.currency,
        "source": asked.source_account.account_code or "",
        "payee": msgspec.to_builtins(payee_of(asked.destination_account)),
        "recurrence": _recurrence(asked.recurrence),
        "amount": None if sweep else amount_of(asked.amount, asked.amount_minor, asked.currency),
        "sweep": sweep,
        "narration": asked.narration,
        "metadata": asked.metadata,
        "connection": asked.connection,
        "missed": None if asked.missed is None else asked.missed.lower(),
        "retry_days": asked.retry_days,
    }
    return shape(_given(members), CreateScheduleIn)


def _shown(schedule: Schedule) -> dict[str, Any]:
    return {
        "id": str(schedule.schedule_id),
        "standingOrderId": ids.show("sch", schedule.schedule_id),
        "reference": schedule.reference,
        "status": schedule.state.value.upper(),
        "approvalsNeeded": schedule.approvals_needed,
        "approvalsGiven": schedule.approvals_given,
        "nextOn": schedule.next_on,
        "nextAt": schedule.next_at,
        "endedAt": schedule.ended_at,
    }


async def _create(call: Call, given: dict[str, Any]) -> dict[str, Any]:
    body = _body(shape(given, StandingOrderInput))
    rules = await call.services.payments.rulebooks.get(call.tenant_id)

    async def work(tx: Tx) -> Schedule:
        return await schedules.create_schedule(
            tx,
            terms_in(body),
            reference=body.reference,
            actor=call.caller.subject,
            branches=call.caller.branches,
            rules=rules,
            now=call.now,
            today=call.today,
            meta=call.meta,
        )

    return _shown(await written(call, work))


def _decided(
    decide: Callable[..., Awaitable[Schedule]], kind: type[ApproveOrderInput] | type[RejectOrderInput]
) -> Callable[[Call, dict[str, Any]], Awaitable[dict[str, Any]]]:
    async def handler(call: Call, given: dict[str, Any]) -> dict[str, Any]:
        asked = shape(given, kind)
        order_id = row_id("sch", asked.id)

        async def work(tx: Tx) -> Schedule:
            actor = call.caller.subject
            return await decide(tx, order_id, actor=actor, comment=asked.comment, now=call.now, meta=call.meta)

        return _shown(await written(call, work))

    return handler


def _turned(
    turn: Callable[..., Awaitable[Schedule]],
) -> Callable[[Call, dict[str, Any]], Awaitable[dict[str, Any]]]:
    async def handler(call: Call, given: dict[str, Any]) -> dict[str, Any]:
        order_id = row_id("sch", shape(given, TurnOrderInput).id)

        async def work(tx: Tx) -> Schedule:
            return await turn(tx, order_id, now=call.now, meta=call.meta)

        return _shown(await written(call, work))

    return handler


@action("create-standing-order")
async def action_create_standing_order(call: Call, raw: Raw) -> Reply:
    """Order payments by the calendar for a Hasura engine.

    Input: `reference`, `type`, `currency`, `sourceAccount`, `destinationAccount`, `recurrence`, `amount` or `sweep`.
    Output: the order, with `status`, `approvalsNeeded` and `nextOn`.
    """
    return await answer(call, raw, Permission.SCHEDULES_WRITE, _create)


@action("approve-standing-order")
async def action_approve_standing_order(call: Call, raw: Raw) -> Reply:
    """Approve a standing order for a Hasura engine, once for all its dates. Input: `id`, `comment`."""
    handler = _decided(schedules.approve_schedule, ApproveOrderInput)
    return await answer(call, raw, Permission.PAYMENTS_APPROVE, handler)


@action("reject-standing-order")
async def action_reject_standing_order(call: Call, raw: Raw) -> Reply:
    """Reject a standing order for a Hasura engine; nothing of it is paid. Input: `id`, `comment`."""
    return await answer(call, raw, Permission.PAYMENTS_APPROVE, _decided(schedules.reject_schedule, RejectOrderInput))


@action("pause-standing-order")
async def action_pause_standing_order(call: Call, raw: Raw) -> Reply:
    """Leave out the dates of a standing order that come, for a Hasura engine. Input: `id`."""
    return await answer(call, raw, Permission.SCHEDULES_WRITE, _turned(schedules.pause_schedule))


@action("resume-standing-order")
async def action_resume_standing_order(call: Call, raw: Raw) -> Reply:
    """Pay the dates of a paused standing order that come from now on, for a Hasura engine. Input: `id`."""
    return await answer(call, raw, Permission.SCHEDULES_WRITE, _turned(schedules.resume_schedule))


@action("cancel-standing-order")
async def action_cancel_standing_order(call: Call, raw: Raw) -> Reply:
    """Call a standing order off for good, for a Hasura engine. Input: `id`."""
    return await answer(call, raw, Permission.SCHEDULES_WRITE, _turned(schedules.cancel_schedule))

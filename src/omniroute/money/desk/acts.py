"""Doing what was agreed to: each kind of act, in the transaction of the last approval."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any
from uuid import UUID

from omniroute.infra.events import Meta
from omniroute.infra.postgres import Tx
from omniroute.money import payments
from omniroute.money.desk import reversals
from omniroute.money.desk.errors import MalformedAct
from omniroute.money.desk.model import (
    AcceptName,
    Act,
    BookAgain,
    Release,
    ResolveException,
    Reverse,
    Settle,
    SettleReversal,
)
from omniroute.money.desk.store import SQL
from omniroute.money.payments import Sanction
from omniroute.money.payments.errors import AttemptNotFound, ExceptionNotFound
from omniroute.ports.rails import Connector


@dataclass(frozen=True, slots=True)
class Doing:
    """What an act needs besides itself. `rails`: which connectors there are; `request_id`: under whose leave."""

    request_id: UUID
    sanction: Sanction
    rails: Mapping[str, Connector]
    now: datetime
    today: date
    meta: Meta


async def payment_of(tx: Tx, act: Act) -> UUID:
    """The payment an act is about.

    Raises: AttemptNotFound, ExceptionNotFound, ReversalNotFound; whether the payment exists is seen when it is done.
    """
    match act:
        case Settle():
            row = await tx.one_or_none(SQL.payment_of_attempt, tenant=tx.tenant, attempt=act.attempt_id)
            if row is None:
                raise AttemptNotFound()
            return _id(row.payment_id)
        case ResolveException():
            row = await tx.one_or_none(SQL.payment_of_exception, tenant=tx.tenant, exception=act.exception_id)
            if row is None:
                raise ExceptionNotFound()
            return _id(row.payment_id)
        case SettleReversal():
            return (await reversals.find_reversal(tx, act.reversal_id)).payment_id
        case _:
            return act.payment_id


def _id(value: Any) -> UUID:
    assert isinstance(value, UUID)
    return value


async def do(tx: Tx, act: Act, doing: Doing) -> dict[str, Any]:
    """What came of it, for the record. Raises: whatever stands against it; nothing has moved then."""
    at: dict[str, Any] = {"now": doing.now, "today": doing.today, "meta": doing.meta}
    sanction = doing.sanction
    match act:
        case Settle():
            payment = await payments.settle(
                tx,
                act.attempt_id,
                paid=act.paid,
                receipt=act.receipt,
                moved_minor=act.moved_minor,
                sanction=sanction,
                **at,
            )
        case Release():
            payment = await payments.release(tx, act.payment_id, sanction=sanction, **at)
        case AcceptName():
            payment = await payments.accept_name(
                tx, act.payment_id, name=act.name, sanction=sanction, now=doing.now, meta=doing.meta
            )
        case BookAgain():
            payment = await payments.book_again(tx, act.payment_id, sanction=sanction, **at)
        case ResolveException():
            payment = await payments.resolve_exception(
                tx, act.exception_id, resolution=act.resolution, account_code=act.account, sanction=sanction, **at
            )
        case Reverse():
            reversal = await reversals.request(
                tx,
                act.payment_id,
                act.attempt_id,
                request_id=doing.request_id,
                sanction=sanction,
                rails=doing.rails,
                now=doing.now,
                meta=doing.meta,
            )
            return {"reversal_id": str(reversal.reversal_id)}
        case SettleReversal():
            reversal = await reversals.settle(tx, act.reversal_id, given_back=act.given_back, sanction=sanction, **at)
            return {"reversal_id": str(reversal.reversal_id), "state": reversal.state.value}
        case _:
            raise MalformedAct("there is no such act")
    return {"payment_state": payment.state.value, "payment_reason": payment.reason}

"""What needs eyes, over HTTP: payments whose outcome is unknown, exceptions, and what rails called us with."""

import base64
from typing import Annotated, Any, Literal

from msgspec import Meta

from omniroute.api.call import Call
from omniroute.api.operations import operation
from omniroute.api.payments_shapes import EXAMPLE, PaymentId, PaymentOut, age_s, payment_out
from omniroute.api.shapes import In, Instant, ListIn, Out, PageOut, page, parse_id, show_id
from omniroute.infra.postgres import Tx
from omniroute.kit import ids
from omniroute.money import payments
from omniroute.money.payments import AttemptState, PaymentException, ProviderEvent, Standing
from omniroute.parties.access import Permission

_EVENTS = "/v1/{tenant}/provider-events"
ExceptionKind = Literal[
    "late_success",
    "integrity_mismatch",
    "contradiction",
    "given_up_asking",
    "books_refused",
    "reversed_by_rail",
    "paid_more",
]


class UnknownPaymentsIn(ListIn):
    """Which page."""


class UnknownPaymentOut(Out):
    """A payment nobody knows the outcome of. `owner`: `worker` asks by itself at `next_query_at`; `operator`: asking
    was given up, a person must decide on evidence."""

    id: Annotated[str, Meta(description="Of the attempt.")]
    payment: PaymentOut
    our_ref: str
    provider_ref: str | None
    state: Literal["unknown", "manual"]
    owner: Literal["worker", "operator"]
    sent_at: Instant
    age_s: int
    query_count: int
    next_query_at: Instant | None
    message: str | None


class PaymentExceptionsIn(ListIn):
    """Which exceptions."""

    open: bool | None = None
    kind: ExceptionKind | None = None
    payment_id: PaymentId | None = None


class PaymentExceptionOut(Out):
    """Something that does not add up and waits, or waited, for a person."""

    id: str
    payment_id: str
    attempt_id: str | None
    kind: str
    detail: dict[str, Any]
    transaction_id: str | None
    opened_at: Instant
    resolved_at: Instant | None
    resolved_by: str | None
    resolution: str | None


class ProviderEventsIn(ListIn):
    """Which calls."""

    state: Literal["received", "processed", "rejected", "unreadable"] | None = None
    connection_id: Annotated[str, Meta(pattern="^con_[0-7][0-9a-hjkmnp-tv-z]{25}$")] | None = None
    ref: Annotated[str, Meta(min_length=1, max_length=128, description="Our reference that it is about.")] | None = None


class ProviderEventOut(Out):
    """What a rail called us with. `authentic`: it came under an address that only we can make."""

    id: str
    connection_id: str
    purpose: str
    ref: str
    authentic: bool
    state: str
    outcome: dict[str, Any] | None
    received_at: Instant
    repeats: int
    tries: int
    body_bytes: int


class ProviderEventDetailOut(ProviderEventOut):
    """A call with its bytes: as text if they are UTF-8, else in base 64."""

    headers: dict[str, Any]
    body: str | None
    body_base64: str | None


class ReplayEventIn(In):
    """Nothing is to be said."""


def _unknown_out(standing: Standing, call: Call) -> UnknownPaymentOut:
    attempt = standing.attempt
    assert attempt is not None
    assert attempt.sent_at is not None, "what was never sent is not unknown"
    manual = attempt.state is AttemptState.MANUAL
    return UnknownPaymentOut(
        payment=payment_out(standing),
        id=ids.show("att", attempt.attempt_id),
        our_ref=attempt.our_ref,
        provider_ref=attempt.provider_ref,
        state="manual" if manual else "unknown",
        owner="operator" if manual else "worker",
        sent_at=attempt.sent_at,
        age_s=age_s(attempt.sent_at, call.now),
        query_count=attempt.query_count,
        next_query_at=None if manual else attempt.next_query_at,
        message=attempt.message,
    )


def _exception_out(found: PaymentException) -> PaymentExceptionOut:
    return PaymentExceptionOut(
        id=ids.show("exc", found.exception_id),
        payment_id=ids.show("pay", found.payment_id),
        attempt_id=show_id("att", found.attempt_id),
        kind=found.kind,
        detail=dict(found.detail),
        transaction_id=show_id("txn", found.transaction_id),
        opened_at=found.opened_at,
        resolved_at=found.resolved_at,
        resolved_by=found.resolved_by,
        resolution=found.resolution,
    )


def _members(event: ProviderEvent) -> dict[str, Any]:
    return {
        "id": ids.show("pev", event.event_id),
        "connection_id": ids.show("con", event.connection_id),
        "purpose": event.purpose,
        "ref": event.ref,
        "authentic": event.authentic,
        "state": event.state,
        "outcome": None if event.outcome is None else dict(event.outcome),
        "received_at": event.received_at,
        "repeats": event.repeats,
        "tries": event.tries,
        "body_bytes": event.body_bytes,
    }


def _event_out(event: ProviderEvent) -> ProviderEventOut:
    return ProviderEventOut(**_members(event))


def _event_detail(event: ProviderEvent) -> ProviderEventDetailOut:
    body = event.body or b""
    try:
        text: str | None = body.decode()
    except UnicodeDecodeError:
        text = None
    coded = base64.b64encode(body).decode() if text is None else None
    return ProviderEventDetailOut(**_members(event), headers=dict(event.headers or {}), body=text, body_base64=coded)


_EXAMPLE_EVENT = {
    "id": "pev_01jd3m8q4vv8k8x2n0c5t7yh6r", "connection_id": "con_01jd3m8q4vv8k8x2n0c5t7yh6r", "purpose": "payout",
    "ref": "T0193", "authentic": True, "state": "processed", "outcome": {"told": ["asked"]},
    "received_at": "2026-11-21T08:00:00Z", "repeats": 0, "tries": 1, "body_bytes": 2,
}  # fmt: skip
_EXAMPLE_DETAIL = _EXAMPLE_EVENT | {"headers": {"content-type": "application/json"}, "body": "{}", "body_base64": None}


@operation(
    "GET", "/v1/{tenant}/payments/unknown", tag="Payments", permission=Permission.PAYMENTS_READ,
    query=UnknownPaymentsIn, reply=PageOut[UnknownPaymentOut], sorts=payments.UNKNOWN.sorts,
    example_reply={
        "items": [{
            "payment": EXAMPLE | {"status": "SENT_TO_BANK", "state": "executing", "reason": "UNKNOWN"},
            "id": "att_01jd3m8q4vv8k8x2n0c5t7yh6r", "our_ref": "999001261121080000000000000001",
            "provider_ref": None, "state": "unknown", "owner": "worker", "sent_at": "2026-11-21T08:00:00Z",
            "age_s": 61, "query_count": 1, "next_query_at": "2026-11-21T08:02:00Z", "message": "time-out"}],
        "next_cursor": None},
)  # fmt: skip
async def list_unknown(call: Call, tx: Tx, query: UnknownPaymentsIn) -> PageOut[UnknownPaymentOut]:
    """List payments whose outcome nobody knows, the longest waiting first: how old, who looks after it, when next."""
    found = await payments.list_unknown(tx, sort=query.sort, limit=query.limit, cursor=query.cursor)
    return page(found, lambda one: _unknown_out(one, call))


@operation(
    "GET", "/v1/{tenant}/payment-exceptions", tag="Payments", permission=Permission.PAYMENTS_READ,
    query=PaymentExceptionsIn, reply=PageOut[PaymentExceptionOut], sorts=payments.EXCEPTIONS.sorts,
    refusals=("kit.malformed_id",),
    example_query={"open": "true"},
    example_reply={
        "items": [{"id": "exc_01jd3m8q4vv8k8x2n0c5t7yh6r", "payment_id": "pay_01jd3m8q4vv8k8x2n0c5t7yh6r",
                   "attempt_id": "att_01jd3m8q4vv8k8x2n0c5t7yh6r", "kind": "late_success", "detail": {},
                   "transaction_id": None, "opened_at": "2026-11-21T08:00:00Z", "resolved_at": None,
                   "resolved_by": None, "resolution": None}],
        "next_cursor": None},
)  # fmt: skip
async def list_exceptions(call: Call, tx: Tx, query: PaymentExceptionsIn) -> PageOut[PaymentExceptionOut]:
    """List what does not add up: paid late, another amount, contradictions, given back."""
    found = await payments.list_exceptions(
        tx,
        is_open=query.open,
        kind=query.kind,
        payment_id=parse_id("pay", query.payment_id),
        sort=query.sort,
        limit=query.limit,
        cursor=query.cursor,
    )
    return page(found, _exception_out)


@operation(
    "GET", _EVENTS, tag="Payments", permission=Permission.PAYMENTS_READ, whole=True, query=ProviderEventsIn,
    reply=PageOut[ProviderEventOut], sorts=payments.PROVIDER_EVENTS.sorts, refusals=("kit.malformed_id",),
    example_query={"state": "rejected"}, example_reply={"items": [_EXAMPLE_EVENT], "next_cursor": None},
)  # fmt: skip
async def list_provider_events(call: Call, tx: Tx, query: ProviderEventsIn) -> PageOut[ProviderEventOut]:
    """List what rails called us with, the latest first."""
    found = await payments.list_provider_events(
        tx,
        state=query.state,
        connection_id=parse_id("con", query.connection_id),
        ref=query.ref,
        sort=query.sort,
        limit=query.limit,
        cursor=query.cursor,
    )
    return page(found, _event_out)


@operation(
    "GET", _EVENTS + "/{provider_event}", tag="Payments", permission=Permission.PAYMENTS_READ, whole=True,
    reply=ProviderEventDetailOut, refusals=("payments.provider_event_not_found",), example_reply=_EXAMPLE_DETAIL,
)  # fmt: skip
async def get_provider_event(call: Call, tx: Tx) -> ProviderEventDetailOut:
    """Show a call of a rail, with its bytes."""
    return _event_detail(await payments.find_provider_event(tx, call.id("provider_event")))


@operation(
    "POST", _EVENTS + "/{provider_event}/replay", tag="Payments", permission=Permission.PAYMENTS_REVIEW, whole=True,
    body=ReplayEventIn, reply=ProviderEventDetailOut, idempotent=True, refusals=("payments.provider_event_not_found",),
    example={}, example_reply=_EXAMPLE_DETAIL | {"state": "received"},
)  # fmt: skip
async def replay_provider_event(call: Call, tx: Tx, body: ReplayEventIn) -> ProviderEventDetailOut:
    """Look at a call once more, as if it had just come in.

    What it says does nothing a second time.
    """
    return _event_detail(await payments.replay_provider_event(tx, call.id("provider_event"), now=call.now))

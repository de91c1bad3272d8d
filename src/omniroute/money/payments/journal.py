"""How a change of payments is told: to the timeline, and to the event log."""

from omniroute.infra.events import Meta
from omniroute.money.payments import events
from omniroute.money.payments.model import Attempt, AttemptState, Payment, PaymentState, public_status

Told = tuple[events.PaymentEvent, Meta]

_OF_STATE: dict[PaymentState, type[events.PaymentEvent]] = {
    PaymentState.AWAITING_APPROVAL: events.PaymentInitiated,
    PaymentState.APPROVED: events.PaymentApproved,
    PaymentState.SCHEDULED: events.PaymentApproved,
    PaymentState.EXECUTING: events.PaymentSent,
    PaymentState.SUCCEEDED: events.PaymentConfirmed,
    PaymentState.FAILED: events.PaymentFailed,
    PaymentState.CANCELLED: events.PaymentCancelled,
    PaymentState.EXPIRED: events.PaymentExpired,
    PaymentState.NEEDS_REVIEW: events.PaymentNeedsReview,
    PaymentState.REVERSED: events.PaymentReversed,
}


def tell(
    payment: Payment, meta: Meta, attempt: Attempt | None = None, *, kind: type[events.PaymentEvent] | None = None
) -> Told:
    """The event of a payment as it stands now; `kind` None: the one of its state."""
    make = kind or _OF_STATE[payment.state]
    if kind is None and attempt is not None and attempt.state is AttemptState.UNKNOWN:
        make = events.PaymentUnknown
    status = public_status(payment.state, None if attempt is None else attempt.state, payment.reason)
    event = make(
        payment_id=payment.payment_id,
        reference=payment.reference,
        type=payment.type.value,
        status=status.value,
        state=payment.state.value,
        reason=payment.reason,
        amount_minor=payment.amount.amount_minor,
        currency=payment.amount.currency,
        fee_minor=payment.fee_minor,
        rail=payment.rail,
        connection_id=payment.connection_id,
        our_ref=None if attempt is None else attempt.our_ref,
        provider_ref=None if attempt is None else attempt.provider_ref,
        batch_id=payment.batch_id,
    )
    return event, meta

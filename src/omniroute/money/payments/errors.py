"""What payments refuse. Nothing has moved when one of these is raised."""

from omniroute.kit.refusal import Kind, Refusal


class MalformedPayment(Refusal):
    """The payment is not written as it must be; the detail names the field and what it must look like."""

    code = "payments.malformed"
    kind = Kind.INVALID


class PaymentExists(Refusal):
    """A payment with this reference exists, with another content.

    References are unique for ever in an organisation. Read the existing payment, or choose another reference.
    """

    code = "payments.reference_taken"
    kind = Kind.CONFLICT


class PaymentNotFound(Refusal):
    """There is no such payment."""

    code = "payments.not_found"
    kind = Kind.NOT_FOUND


class SourceNotFound(Refusal):
    """The account that should pay does not exist."""

    code = "payments.source_not_found"
    kind = Kind.REFUSED


class NoRoute(Refusal):
    """No connection of the organisation can carry this payment; `tried` tells why, one by one."""

    code = "payments.no_route"
    kind = Kind.REFUSED


class LimitExceeded(Refusal):
    """The payment would pass a limit of the organisation; `limit` names it, `left_minor` is what may still pass."""

    code = "payments.limit_exceeded"
    kind = Kind.REFUSED


class WrongState(Refusal):
    """The payment is not in a state in which this can be done; `state` tells where it stands."""

    code = "payments.wrong_state"
    kind = Kind.CONFLICT


class TooLateToCancel(Refusal):
    """The payment is already on its way: it may have left the house, so it cannot be cancelled.

    Wait for its outcome; a paid one can be asked back where the rail knows reversals.
    """

    code = "payments.too_late_to_cancel"
    kind = Kind.CONFLICT


class ApproverIsInitiator(Refusal):
    """Who initiated a payment does not approve it; somebody else must."""

    code = "payments.approver_is_initiator"
    kind = Kind.FORBIDDEN


class AlreadyDecided(Refusal):
    """This approver has already decided on this payment."""

    code = "payments.already_decided"
    kind = Kind.CONFLICT


class ApprovalExpired(Refusal):
    """The time to approve this payment is over; initiate it again under a new reference."""

    code = "payments.approval_expired"
    kind = Kind.REFUSED


class AttemptNotFound(Refusal):
    """There is no such attempt."""

    code = "payments.attempt_not_found"
    kind = Kind.NOT_FOUND


class ProviderEventNotFound(Refusal):
    """There is no such call of a rail."""

    code = "payments.provider_event_not_found"
    kind = Kind.NOT_FOUND


class ExceptionNotFound(Refusal):
    """There is no such open exception."""

    code = "payments.exception_not_found"
    kind = Kind.NOT_FOUND


class AttemptAlive(Refusal):
    """An attempt of this payment may still pay, or has; its outcome must be settled first."""

    code = "payments.attempt_alive"
    kind = Kind.CONFLICT


class RailContradicts(Refusal):
    """The rail's own word stands against this; `says` tells what it said. A payment that a rail says it made, or is
    making, never counts as not paid."""

    code = "payments.rail_contradicts"
    kind = Kind.REFUSED


class ExceptionOpen(Refusal):
    """An exception of this payment must be resolved first; `exception_kind` names it."""

    code = "payments.exception_open"
    kind = Kind.CONFLICT


class NothingToBook(Refusal):
    """The books have refused nothing of this payment that is still to be booked."""

    code = "payments.nothing_to_book"
    kind = Kind.CONFLICT


class ResolutionNotPossible(Refusal):
    """The exception cannot be resolved this way; the detail tells why."""

    code = "payments.resolution_not_possible"
    kind = Kind.REFUSED

"""What the desk refuses. Nothing has moved when one of these is raised."""

from omniroute.kit.refusal import Kind, Refusal


class MalformedAct(Refusal):
    """The act is not described as it must be; the detail names the field and what it must look like."""

    code = "desk.malformed"
    kind = Kind.INVALID


class RequestNotFound(Refusal):
    """There is no such approval request."""

    code = "desk.request_not_found"
    kind = Kind.NOT_FOUND


class AlreadyAsked(Refusal):
    """The same act is waiting for approval already; decide on that request first."""

    code = "desk.already_asked"
    kind = Kind.CONFLICT


class RequestClosed(Refusal):
    """This approval request is decided, withdrawn or expired; `state` tells which."""

    code = "desk.request_closed"
    kind = Kind.CONFLICT


class RequestExpired(Refusal):
    """The time to decide on this approval request is over; ask again."""

    code = "desk.request_expired"
    kind = Kind.REFUSED


class CheckerIsMaker(Refusal):
    """Who asks for an act does not decide on it; somebody else must."""

    code = "desk.checker_is_maker"
    kind = Kind.FORBIDDEN


class NotYours(Refusal):
    """Only who asked for an act may withdraw the request."""

    code = "desk.not_yours"
    kind = Kind.FORBIDDEN


class AlreadyDecided(Refusal):
    """You have already decided on this approval request."""

    code = "desk.already_decided"
    kind = Kind.CONFLICT


class NotReversible(Refusal):
    """This payment cannot be asked back from the rail; the detail tells why."""

    code = "desk.not_reversible"
    kind = Kind.REFUSED


class ReversalUnderWay(Refusal):
    """The rail was already asked to take this payment back; look at what became of that request."""

    code = "desk.reversal_under_way"
    kind = Kind.CONFLICT


class ReversalNotFound(Refusal):
    """There is no such reversal."""

    code = "desk.reversal_not_found"
    kind = Kind.NOT_FOUND

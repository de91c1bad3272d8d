"""What readers of the log and of its proofs may be told."""

from omniroute.kit.refusal import Kind, Refusal


class EventNotFound(Refusal):
    """There is no event at this position, or retention has removed it."""

    code = "events.not_found"
    kind = Kind.NOT_FOUND


class EventNotSealed(Refusal):
    """The event is not yet in a block; ask again in a few seconds."""

    code = "events.not_sealed"
    kind = Kind.CONFLICT

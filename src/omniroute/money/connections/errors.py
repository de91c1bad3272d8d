"""What connections refuse."""

from omniroute.kit.refusal import Kind, Refusal


class ConnectionNotFound(Refusal):
    """There is no such bank connection."""

    code = "connections.not_found"
    kind = Kind.NOT_FOUND


class ConnectionCodeTaken(Refusal):
    """Another bank connection of the organisation has this code."""

    code = "connections.code_taken"
    kind = Kind.CONFLICT


class UnknownRail(Refusal):
    """We have no connector for this rail; `known` lists those we have."""

    code = "connections.unknown_rail"
    kind = Kind.INVALID


class MalformedConnection(Refusal):
    """The bank connection is not written as it must be; the detail names the field and what it must look like."""

    code = "connections.malformed"
    kind = Kind.INVALID


class ConnectionChanged(Refusal):
    """The bank connection was changed by somebody else meanwhile; read it again."""

    code = "connections.changed"
    kind = Kind.PRECONDITION_FAILED


class OperationOff(Refusal):
    """This bank connection does not do this; its `operations` list what it does."""

    code = "connections.operation_off"
    kind = Kind.REFUSED


class RailSilent(Refusal):
    """The rail cannot be asked now; nothing was changed. Try again later."""

    code = "connections.rail_silent"
    kind = Kind.BUSY

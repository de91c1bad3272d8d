"""What a connector may raise. Everything else counts as unknown once the order may have left the house."""

from omniroute.kit.refusal import Fault, Kind, Refusal


class NotSent(Fault):
    """The rail provably did not get the order: no connection, no token, refused before any byte of it left."""


class RailAnswerUnreadable(Fault):
    """The rail answered something that is not its protocol. The outcome of a submit is unknown."""


class RailUnable(Refusal):
    """The rail cannot carry this: the amount has fractions it does not know, is outside its limits, or the currency,
    the kind of payee or the operation is not one of its own.

    Nothing was sent. Choose another rail, or change the payment as the detail says.
    """

    code = "rails.unable"
    kind = Kind.REFUSED

"""What reads refuse."""

from omniroute.kit.refusal import Kind, Refusal


class InstantInFuture(Refusal):
    """The instant lies in the future; what will be known then is not known now."""

    code = "ledger.instant_in_future"
    kind = Kind.REFUSED


class MalformedRange(Refusal):
    """The range is not one: give value dates or booking times, not both, the first not after the last."""

    code = "ledger.malformed_range"
    kind = Kind.INVALID


class MalformedGrouping(Refusal):
    """Group by type, branch, owner, parent, currency, or dimension:<name>."""

    code = "ledger.malformed_grouping"
    kind = Kind.INVALID

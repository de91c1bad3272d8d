"""What periods refuse."""

from omniroute.kit.refusal import Kind, Refusal


class PeriodNotFound(Refusal):
    """There is no such accounting period."""

    code = "ledger.period_not_found"
    kind = Kind.NOT_FOUND


class MalformedPeriod(Refusal):
    """A period has a name of 1 to 64 printable characters and does not end before it begins."""

    code = "ledger.malformed_period"
    kind = Kind.INVALID


class PeriodOverlap(Refusal):
    """A period with this name, or with some of these days, exists already."""

    code = "ledger.period_overlap"
    kind = Kind.CONFLICT


class PeriodChanged(Refusal):
    """The period was changed since you read it; read it again."""

    code = "ledger.period_changed"
    kind = Kind.PRECONDITION_FAILED


class PeriodTransition(Refusal):
    """The period cannot go from its present status to that one; a sealed period never changes."""

    code = "ledger.period_transition"
    kind = Kind.REFUSED


class PeriodOutOfOrder(Refusal):
    """An earlier period is not sealed yet; seal periods in their order."""

    code = "ledger.period_out_of_order"
    kind = Kind.REFUSED

"""What exchange refuses."""

from omniroute.kit.refusal import Kind, Refusal


class RateNotFound(Refusal):
    """No rate of this pair is known for that instant; record one first."""

    code = "ledger.rate_not_found"
    kind = Kind.NOT_FOUND


class MalformedRate(Refusal):
    """A rate is a decimal number above zero, of up to 18 digits before and after the point, with a source."""

    code = "ledger.malformed_rate"
    kind = Kind.INVALID


class SameCurrency(Refusal):
    """A pair is two different currencies."""

    code = "ledger.same_currency"
    kind = Kind.INVALID


class AmountTooSmall(Refusal):
    """The amount is worth less than one minor unit of the other currency."""

    code = "ledger.amount_too_small"
    kind = Kind.REFUSED


class QuoteNotFound(Refusal):
    """There is no such quote."""

    code = "ledger.quote_not_found"
    kind = Kind.NOT_FOUND


class QuoteExpired(Refusal):
    """The quote has expired; ask for a new one."""

    code = "ledger.quote_expired"
    kind = Kind.REFUSED

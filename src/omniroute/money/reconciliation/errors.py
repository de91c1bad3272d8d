"""What reconciliation refuses. Nothing has moved when one of these is raised."""

from omniroute.kit.refusal import Kind, Refusal


class MalformedReconciliation(Refusal):
    """It is not written as it must be; the detail names the field and what it must look like."""

    code = "reconciliation.malformed"
    kind = Kind.INVALID


class RangeTooLarge(Refusal):
    """There are too many postings or lines in this range for one run; ask for fewer days."""

    code = "reconciliation.range_too_large"
    kind = Kind.REFUSED


class ItemNotFound(Refusal):
    """A posting is not on the account of this connection, or the bank's statement has no such line."""

    code = "reconciliation.item_not_found"
    kind = Kind.NOT_FOUND


class ItemClaimed(Refusal):
    """An item has a match already, or somebody has proposed one; undo or reject that first."""

    code = "reconciliation.item_claimed"
    kind = Kind.CONFLICT


class AmountsDiffer(Refusal):
    """The bank moved another amount than the books say; name the account that bears the difference, or leave it."""

    code = "reconciliation.amounts_differ"
    kind = Kind.REFUSED


class NoDifference(Refusal):
    """An account for a difference is named, and there is no difference."""

    code = "reconciliation.no_difference"
    kind = Kind.REFUSED


class CurrenciesDiffer(Refusal):
    """The items are in several currencies; amounts in them cannot be compared."""

    code = "reconciliation.currencies_differ"
    kind = Kind.REFUSED


class DifferenceAccountNotFound(Refusal):
    """There is no such ledger account in this currency to bear the difference, or it is the connection's own."""

    code = "reconciliation.difference_account_not_found"
    kind = Kind.REFUSED


class MatchNotFound(Refusal):
    """There is no such match."""

    code = "reconciliation.match_not_found"
    kind = Kind.NOT_FOUND


class WrongMatchState(Refusal):
    """The match is not in a state in which this can be done; `state` tells where it stands."""

    code = "reconciliation.wrong_state"
    kind = Kind.CONFLICT


class ApproverIsProposer(Refusal):
    """Who proposes a match does not approve it; somebody else must."""

    code = "reconciliation.approver_is_proposer"
    kind = Kind.FORBIDDEN


class ReconciliationExceptionNotFound(Refusal):
    """There is no such exception, or it is resolved."""

    code = "reconciliation.exception_not_found"
    kind = Kind.NOT_FOUND


class RunNotFound(Refusal):
    """There is no such run."""

    code = "reconciliation.run_not_found"
    kind = Kind.NOT_FOUND

"""What collecting by authority refuses. Nothing has moved when one of these is raised."""

from omniroute.kit.refusal import Kind, Refusal


class MalformedCollection(Refusal):
    """The collection is not written as it must be; the detail names the field and what it must look like."""

    code = "atc.malformed_collection"
    kind = Kind.INVALID


class CollectionNotFound(Refusal):
    """There is no such collection."""

    code = "atc.collection_not_found"
    kind = Kind.NOT_FOUND


class CollectionExists(Refusal):
    """Another collection has this reference already; choose another."""

    code = "atc.collection_reference_taken"
    kind = Kind.CONFLICT


class CollectionsBusy(Refusal):
    """Too many collections are waiting to be recorded; nothing happened. Try again after `retry_after_s`."""

    code = "atc.busy"
    kind = Kind.BUSY


class NoAuthority(Refusal):
    """Nobody may collect this: no grant in force covers this payer, means, currency and what is paid for."""

    code = "atc.no_authority"
    kind = Kind.REFUSED


class AuthorityUnclear(Refusal):
    """Several grants would do; name one of `candidates`."""

    code = "atc.authority_unclear"
    kind = Kind.REFUSED


class NotInForce(Refusal):
    """The grant, or one that it comes from, is not in force; `grant` names it and `status` tells where it stands."""

    code = "atc.not_in_force"
    kind = Kind.REFUSED


class OutsideScope(Refusal):
    """The grant does not cover this: `reason` tells whether by means, currency or what the payer is or pays for."""

    code = "atc.outside_scope"
    kind = Kind.REFUSED


class WrongPayer(Refusal):
    """Nobody collects from this partner here: it is closed, or it is the one who collects or who is paid; or its
    purchases cannot pay, because what it is owed may still be in the hand of somebody who collects for it.

    Nothing was recorded. The detail says which.
    """

    code = "atc.wrong_payer"
    kind = Kind.REFUSED


class AboveMaximum(Refusal):
    """One collection under `grant` may be at most `max_minor`."""

    code = "atc.above_maximum"
    kind = Kind.REFUSED


class CumulativeLimitReached(Refusal):
    """With this, more would be collected under `grant` than its cumulative limit."""

    code = "atc.cumulative_limit_reached"
    kind = Kind.REFUSED


class CreditUnknown(Refusal):
    """No credit on a virtual account has this payment reference; leave it out if the collector has the money."""

    code = "atc.credit_unknown"
    kind = Kind.REFUSED


class CreditNotUsable(Refusal):
    """This credit is on the virtual account of somebody who neither pays, nor collects, nor is paid here."""

    code = "atc.credit_not_usable"
    kind = Kind.REFUSED


class NotCovered(Refusal):
    """There is less than this on the account that would pay: what we owe the payer, or the virtual account."""

    code = "atc.not_covered"
    kind = Kind.REFUSED


class AlreadyReversed(Refusal):
    """The collection was taken back already."""

    code = "atc.collection_reversed"
    kind = Kind.CONFLICT


class InSettlement(Refusal):
    """The collection is in a settlement, or has been settled; `settlement_status` tells where it stands."""

    code = "atc.collection_in_settlement"
    kind = Kind.CONFLICT


class AlreadyRemitted(Refusal):
    """The collector has paid in money of this collection, so it cannot be taken back."""

    code = "atc.collection_remitted"
    kind = Kind.CONFLICT


class AlreadySpent(Refusal):
    """What this collection brought has been paid out or used: it cannot be taken back; `account` tells whose."""

    code = "atc.collection_spent"
    kind = Kind.REFUSED

"""What settlement refuses."""

from omniroute.kit.refusal import Kind, Refusal


class SettlementNotFound(Refusal):
    """There is no such settlement."""

    code = "settlement.not_found"
    kind = Kind.NOT_FOUND


class RemittanceNotFound(Refusal):
    """There is no such remittance."""

    code = "settlement.remittance_not_found"
    kind = Kind.NOT_FOUND


class NotARootGrant(Refusal):
    """What is collected under a grant that comes from another is settled with that one; `root` names it."""

    code = "settlement.not_a_root_grant"
    kind = Kind.REFUSED


class NothingDue(Refusal):
    """There is nothing to settle under this grant: nothing that is with us, due, and in no settlement yet."""

    code = "settlement.nothing_due"
    kind = Kind.REFUSED


class MalformedRemittance(Refusal):
    """The remittance is not written as it must be; the detail names the field and what it must look like."""

    code = "settlement.malformed_remittance"
    kind = Kind.INVALID


class RemittanceExists(Refusal):
    """Another remittance of the organisation has this reference."""

    code = "settlement.remittance_exists"
    kind = Kind.CONFLICT


class MoreThanInHand(Refusal):
    """The collector does not have so much in hand; `in_hand_minor` is what they have. Nothing was booked."""

    code = "settlement.more_than_in_hand"
    kind = Kind.REFUSED


class KeptTooMuch(Refusal):
    """The collector has not earned so much commission of what is paid in; `earned_minor` is what they may keep."""

    code = "settlement.kept_too_much"
    kind = Kind.REFUSED


class CreditOfAnother(Refusal):
    """The credit came in on a virtual account that is not the collector's."""

    code = "settlement.credit_of_another"
    kind = Kind.REFUSED

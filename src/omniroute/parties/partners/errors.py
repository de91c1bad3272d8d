"""What partners refuse."""

from omniroute.kit.refusal import Kind, Refusal


class PartnerNotFound(Refusal):
    """There is no such partner."""

    code = "partners.not_found"
    kind = Kind.NOT_FOUND


class PartnerCodeTaken(Refusal):
    """Another partner of the organisation has this code."""

    code = "partners.code_taken"
    kind = Kind.CONFLICT


class MalformedPartner(Refusal):
    """The partner is not written as it must be; the detail names the field and what it must look like."""

    code = "partners.malformed"
    kind = Kind.INVALID


class PartnerChanged(Refusal):
    """The partner was changed by somebody else meanwhile; read it again."""

    code = "partners.changed"
    kind = Kind.PRECONDITION_FAILED


class PartnerClosed(Refusal):
    """The partner is closed; nothing new is begun with it."""

    code = "partners.closed"
    kind = Kind.REFUSED


class PartnerHasMoney(Refusal):
    """Money is still owed to the partner, or in its hands; `accounts` names where. Settle that first."""

    code = "partners.has_money"
    kind = Kind.REFUSED

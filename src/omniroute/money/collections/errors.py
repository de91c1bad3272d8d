"""What collections refuse. Nothing has moved when one of these is raised."""

from omniroute.kit.refusal import Kind, Refusal


class MalformedAccount(Refusal):
    """The virtual account is not written as it must be; the detail names the field and what it must look like."""

    code = "collections.malformed"
    kind = Kind.INVALID


class VirtualAccountNotFound(Refusal):
    """There is no such virtual account."""

    code = "collections.account_not_found"
    kind = Kind.NOT_FOUND


class CreditNotFound(Refusal):
    """There is no such credit; what has only just been paid may take a moment to arrive."""

    code = "collections.credit_not_found"
    kind = Kind.NOT_FOUND


class CreditAmbiguous(Refusal):
    """Several credits have this reference; name one by its own id, `credits` lists them."""

    code = "collections.credit_ambiguous"
    kind = Kind.CONFLICT


class ReferenceTaken(Refusal):
    """Another virtual account was requested under this reference; choose another."""

    code = "collections.reference_taken"
    kind = Kind.CONFLICT


class NoIssuer(Refusal):
    """No active bank connection opens virtual accounts in this currency; `connection` is the one asked for."""

    code = "collections.no_issuer"
    kind = Kind.REFUSED


class SeveralIssuers(Refusal):
    """Several bank connections open virtual accounts in this currency; name one of `connections`."""

    code = "collections.several_issuers"
    kind = Kind.REFUSED


class WrongState(Refusal):
    """This cannot be done as things stand; `state` tells how."""

    code = "collections.wrong_state"
    kind = Kind.CONFLICT


class CurrencyDiffers(Refusal):
    """The credit and the virtual account are in different currencies."""

    code = "collections.currency_differs"
    kind = Kind.REFUSED


class CreditSpent(Refusal):
    """Less than this is left of the credit: each can be spent once; `left_minor` tells how much is left."""

    code = "collections.credit_spent"
    kind = Kind.REFUSED


class PayerUnknown(Refusal):
    """The provider did not tell whose account the money came from; say where it shall go back to."""

    code = "collections.payer_unknown"
    kind = Kind.REFUSED


class FeeUnsteady(Refusal):
    """The fee of the payment back depends on what is left after the fee; change the fee rule for refunds."""

    code = "collections.fee_unsteady"
    kind = Kind.REFUSED

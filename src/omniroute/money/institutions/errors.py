"""What is wrong with a payee. Nothing has moved when one of these is raised."""

from omniroute.kit.refusal import Kind, Refusal


class MalformedPayee(Refusal):
    """The payee is not written as this kind of payee must be; the detail names the field and what it must look like."""

    code = "institutions.malformed_payee"
    kind = Kind.INVALID


class WrongCheckDigit(Refusal):
    """The account number is mistyped: its check digit does not fit the bank and the other digits.

    Ask the payee for the number again, or choose the right bank.
    """

    code = "institutions.wrong_check_digit"
    kind = Kind.REFUSED


class InstitutionUnknown(Refusal):
    """We know no bank or operator with this code in this country; GET /institutions lists those we know."""

    code = "institutions.unknown"
    kind = Kind.REFUSED


class InstitutionClosed(Refusal):
    """The bank or operator with this code takes no payments any more; `successor` is the code of who took over."""

    code = "institutions.closed"
    kind = Kind.REFUSED


class WrongCountry(Refusal):
    """The number belongs to another country than the payee is said to be in."""

    code = "institutions.wrong_country"
    kind = Kind.REFUSED


class OtherNetwork(Refusal):
    """The mobile number belongs to another network than the one that would have to pay it.

    Where numbers move between networks the digits prove little: name the payee's network as its `institution`, and
    that is believed.
    """

    code = "institutions.other_network"
    kind = Kind.REFUSED

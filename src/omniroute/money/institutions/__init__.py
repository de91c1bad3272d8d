"""Institutions and payees: banks and operators by their codes, account numbers and mobile numbers checked on paper.

Every payee is made into one form before a payment is initiated (`normalise_payee`): six digits for a Nigerian bank
(058 is 000013), a mobile number with its country's code and no plus. What is mistyped is refused here, before anything
is stored; whether an account exists only its bank can tell.

Knows no database: the tables come with us, as data.
"""

from omniroute.money.institutions.errors import (
    InstitutionClosed,
    InstitutionUnknown,
    MalformedPayee,
    OtherNetwork,
    WrongCheckDigit,
    WrongCountry,
)
from omniroute.money.institutions.nuban import check_digit, is_nuban
from omniroute.money.institutions.numbers import Number, country_of_currency, normalise_number, read_number
from omniroute.money.institutions.payees import check_payee, network_of, normalise_payee
from omniroute.money.institutions.register import Directory, InstitutionKind, PayeeInstitution, directory

__all__ = [
    "Directory",
    "InstitutionClosed",
    "InstitutionKind",
    "InstitutionUnknown",
    "MalformedPayee",
    "Number",
    "OtherNetwork",
    "PayeeInstitution",
    "WrongCheckDigit",
    "WrongCountry",
    "check_digit",
    "check_payee",
    "country_of_currency",
    "directory",
    "is_nuban",
    "network_of",
    "normalise_number",
    "normalise_payee",
    "read_number",
]

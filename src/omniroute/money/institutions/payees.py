"""Payees as people name them, made into payees a rail can pay; or refused with the reason."""

import re
from dataclasses import replace

from omniroute.money.institutions.errors import (
    InstitutionClosed,
    InstitutionUnknown,
    MalformedPayee,
    OtherNetwork,
    WrongCheckDigit,
    WrongCountry,
)
from omniroute.money.institutions.nuban import is_nuban
from omniroute.money.institutions.numbers import COUNTRIES, Number, country_of_currency, normalise_number, read_number
from omniroute.money.institutions.register import Directory, PayeeInstitution, directory
from omniroute.ports.rails import Party, PartyKind

_COUNTRY = re.compile(r"[A-Z]{2}", re.ASCII)
_TEN_DIGITS = re.compile(r"\d{10}", re.ASCII)
_ACCOUNT = re.compile(r"[A-Z0-9]{4,34}", re.ASCII)
_SHORT_NUMBER = re.compile(r"\d{4,9}", re.ASCII)
_FILLERS = str.maketrans("", "", " -.\u00a0")
IDENTIFIER_MAX = 64
NAME_MAX = 140
_NETWORK_NAMES = frozenset(network for numbering in COUNTRIES.values() for network in numbering.networks.values())


def normalise_payee(party: Party, *, currency: str, known: Directory | None = None) -> Party:
    """The payee with identifier, institution and country in the one way payments know them.

    Spaces, plus, leading zeros and three-digit bank codes are understood. `currency` tells the country where the payee
    does not and only one country has that money.

    Raises: MalformedPayee, InstitutionUnknown, InstitutionClosed, WrongCheckDigit, WrongCountry, OtherNetwork.
    """
    _check_form(party)
    country = party.country or country_of_currency(currency)
    match party.kind:
        case PartyKind.BANK_ACCOUNT:
            made = _bank_account(party, country, known or directory())
        case PartyKind.MSISDN:
            number = normalise_number(party.identifier, country)
            network = _network(party.institution)
            made = replace(party, identifier=number.digits, institution=network, country=number.country or country)
        case PartyKind.TILL | PartyKind.PAYBILL:
            made = replace(party, identifier=party.identifier.translate(_FILLERS), country=country)
        case _:
            made = party
    check_payee(made, currency=currency, known=known)
    return made


def check_payee(party: Party, *, currency: str, known: Directory | None = None) -> None:
    """Refuse a payee that is not written as payments know them; cheap enough for every payment.

    Raises: MalformedPayee, InstitutionUnknown, InstitutionClosed, WrongCheckDigit, WrongCountry, OtherNetwork.
    """
    match party.kind:
        case PartyKind.BANK_ACCOUNT:
            _check_bank_account(party, party.country or country_of_currency(currency), known or directory())
        case PartyKind.MSISDN:
            number = read_number(party.identifier)
            if party.country is not None and number.country not in (None, party.country):
                raise WrongCountry(
                    f"the number is of {number.country}, not of {party.country}",
                    number_country=number.country,
                    country=party.country,
                )
            _check_network(party, number)
        case PartyKind.TILL | PartyKind.PAYBILL:
            if _SHORT_NUMBER.fullmatch(party.identifier) is None:
                raise MalformedPayee("identifier: a till or paybill number has 4 to 9 digits", field="identifier")
        case _:
            pass


def network_of(party: Party) -> str | None:
    """The network that has to pay a mobile number: the one it was said to be of, else the one its digits tell."""
    if party.kind is not PartyKind.MSISDN:
        return None
    return party.institution or read_number(party.identifier).network


def _check_form(party: Party) -> None:
    if not 0 < len(party.identifier) <= IDENTIFIER_MAX or not party.identifier.isprintable():
        raise MalformedPayee(f"identifier: 1 to {IDENTIFIER_MAX} printable characters", field="identifier")
    if party.country is not None and _COUNTRY.fullmatch(party.country) is None:
        raise MalformedPayee("country: two capital letters (ISO 3166)", field="country")
    if party.name is not None and not (0 < len(party.name) <= NAME_MAX and party.name.isprintable()):
        raise MalformedPayee(f"name: 1 to {NAME_MAX} printable characters", field="name")


def _bank_account(party: Party, country: str | None, known: Directory) -> Party:
    account = party.identifier.translate(_FILLERS).upper()
    code = (party.institution or "").translate(_FILLERS).upper()
    if country is None or not known.knows(country):
        return replace(party, identifier=account, institution=code or None, country=country)
    institution = known.find(country, code)
    return replace(
        party, identifier=account, institution=code if institution is None else institution.code, country=country
    )


def _check_bank_account(party: Party, country: str | None, known: Directory) -> None:
    if _ACCOUNT.fullmatch(party.identifier) is None:
        raise MalformedPayee("identifier: an account number has 4 to 34 capital letters and digits", field="identifier")
    if not party.institution:
        raise MalformedPayee("institution: a bank account needs the code of its bank", field="institution")
    if country is None or not known.knows(country):
        return
    institution = known.find(country, party.institution)
    if institution is None or institution.code != party.institution:
        raise InstitutionUnknown(
            f"no institution {party.institution[:20]} in {country}",
            institution=party.institution[:20],
            country=country,
        )
    if institution.closed:
        raise InstitutionClosed(institution=institution.code, name=institution.name, successor=institution.successor)
    if country == "NG":
        _check_nuban(party.identifier, institution)


def _check_nuban(account: str, institution: PayeeInstitution) -> None:
    if _TEN_DIGITS.fullmatch(account) is None:
        raise MalformedPayee("identifier: a Nigerian account number has ten digits", field="identifier")
    code = institution.national_code
    if institution.check_digit and code is not None and not is_nuban(code, account):
        raise WrongCheckDigit(institution=institution.code, name=institution.name)


def _network(institution: str | None) -> str | None:
    network = None if institution is None else institution.strip().casefold()
    if network is not None and network not in _NETWORK_NAMES:
        raise MalformedPayee(
            f"institution: of a mobile number it is its network, one of {', '.join(sorted(_NETWORK_NAMES))}",
            field="institution",
        )
    return network


def _check_network(party: Party, number: Number) -> None:
    """What the payer says counts where numbers may have moved; elsewhere the digits do."""
    said = _network(party.institution)
    if said is None or number.network is None or number.portable or said == number.network:
        return
    raise OtherNetwork(
        f"the number belongs to {number.network}, not to {said}", network=number.network, institution=said
    )

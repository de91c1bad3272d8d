"""Mobile numbers: which country and, by its first digits, which network.

Where numbers may move between networks (`portable`) the first digits say who gave a number out, not who serves it: a
hint. Elsewhere they are a fact.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from importlib import resources

from omniroute.money.institutions.errors import MalformedPayee, WrongCountry


@dataclass(frozen=True, slots=True)
class Numbering:
    """How mobile numbers of a country are written. `networks`: first digits -> network."""

    country: str
    calling: str
    trunk: str
    mobile: re.Pattern[str]
    currency: str
    portable: bool
    networks: Mapping[str, str]

    def network_of(self, national: str) -> str | None:
        """The network that gave the number out; the longest first digits count."""
        for length in range(4, 0, -1):
            network = self.networks.get(national[:length])
            if network is not None:
                return network
        return None


@dataclass(frozen=True, slots=True)
class Number:
    """A mobile number. `country` None: we do not know the numbering there. `network` None: not known."""

    digits: str
    country: str | None
    network: str | None
    portable: bool


def _read() -> dict[str, Numbering]:
    text = resources.files("omniroute.money.institutions").joinpath("numbering.json").read_bytes()
    found = {}
    for country, row in json.loads(text)["countries"].items():
        networks = {first: network for network, firsts in row["networks"].items() for first in firsts}
        assert len(networks) == sum(map(len, row["networks"].values())), f"{country}: the same digits twice"
        mobile = re.compile(row["mobile"], re.ASCII)
        found[country] = Numbering(
            country, row["calling"], row["trunk"], mobile, row["currency"], row["portable"], networks
        )
    return found


COUNTRIES: Mapping[str, Numbering] = _read()
_BY_CALLING = {numbering.calling: numbering for numbering in COUNTRIES.values()}
_BY_CURRENCY = {numbering.currency: country for country, numbering in COUNTRIES.items() if numbering.currency}
_INTERNATIONAL = re.compile(r"[1-9]\d{7,14}", re.ASCII)
_FILLERS = str.maketrans("", "", " -./()\u00a0")


def country_of_currency(currency: str) -> str | None:
    """The country whose money this is; None where several share it."""
    return _BY_CURRENCY.get(currency)


@lru_cache(maxsize=50_000)
def read_number(digits: str) -> Number:
    """What the digits of a number in international form, without plus, tell.

    Raises: MalformedPayee.
    """
    if _INTERNATIONAL.fullmatch(digits) is None:
        raise MalformedPayee(
            "identifier: a mobile number is 8 to 15 digits with the country's code and no plus", field="identifier"
        )
    numbering = _BY_CALLING.get(digits[:3]) or _BY_CALLING.get(digits[:2])
    if numbering is None:
        return Number(digits, None, None, portable=True)
    national = digits[len(numbering.calling) :]
    if numbering.mobile.fullmatch(national) is None:
        raise MalformedPayee(f"identifier: no mobile number of {numbering.country} looks like this", field="identifier")
    return Number(digits, numbering.country, numbering.network_of(national), numbering.portable)


def normalise_number(text: str, country: str | None) -> Number:
    """A mobile number as people write it; `country` is where one without a country's code is looked for.

    Raises: MalformedPayee, WrongCountry.
    """
    bare = text.translate(_FILLERS)
    international = bare.startswith(("+", "00"))
    digits = bare.removeprefix("+") if bare.startswith("+") else bare.removeprefix("00") if international else bare
    if not (digits.isascii() and digits.isdigit()):
        raise MalformedPayee("identifier: a mobile number is made of digits", field="identifier")
    numbering = COUNTRIES.get(country or "")
    if not international and numbering is not None:
        digits = _with_calling_code(digits, numbering)
    number = read_number(digits)
    if country is not None and number.country is not None and number.country != country:
        raise WrongCountry(
            f"the number is of {number.country}, not of {country}", number_country=number.country, country=country
        )
    return number


def _with_calling_code(digits: str, numbering: Numbering) -> str:
    national = digits.removeprefix(numbering.calling)
    if national != digits and numbering.mobile.fullmatch(national):
        return digits
    for written in (digits, digits.removeprefix(numbering.trunk)):
        if numbering.mobile.fullmatch(written):
            return numbering.calling + written
    return digits

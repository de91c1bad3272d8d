"""Who can be paid: banks and operators by their codes.

In Nigeria an institution has the six digits it is known by on NIP (`code`) and, a bank at least, the three of the
Central Bank (`national_code`), which people know and account numbers are checked with. Payments carry `code` only.
"""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Literal, Self

InstitutionKind = Literal[
    "bank",
    "merchant_bank",
    "payment_service_bank",
    "mobile_money",
    "payment_provider",
    "microfinance_bank",
    "mortgage_bank",
    "finance_company",
]


@dataclass(frozen=True, slots=True)
class PayeeInstitution:
    """A bank or operator that holds accounts.

    `check_digit`: its account numbers carry the NUBAN check digit over `national_code`. Only deposit money banks
    promise that; wallets and many microfinance banks number accounts otherwise (often by telephone number).
    """

    code: str
    name: str
    country: str
    kind: InstitutionKind
    national_code: str | None = None
    check_digit: bool = False
    closed: bool = False
    successor: str | None = None


class Directory:
    """Institutions by country and code. Immutable."""

    def __init__(self, institutions: Iterable[PayeeInstitution]) -> None:
        self._all = tuple(sorted(institutions, key=lambda one: (one.country, one.code)))
        self._by_code = {(one.country, one.code): one for one in self._all}
        assert len(self._by_code) == len(self._all), "two institutions share a code"
        self._countries = frozenset(one.country for one in self._all)
        for one in self._all:  # A code wins over another institution's national code.
            if one.national_code is not None:
                self._by_code.setdefault((one.country, one.national_code), one)

    @classmethod
    def built_in(cls) -> Self:
        """The table that comes with us."""
        text = resources.files("omniroute.money.institutions").joinpath("institutions.json").read_bytes()
        return cls(PayeeInstitution(**row) for row in json.loads(text)["institutions"])

    def knows(self, country: str) -> bool:
        """Whether there is a list for this country at all."""
        return country in self._countries

    def find(self, country: str, code: str) -> PayeeInstitution | None:
        """By its code, or by its national one."""
        return self._by_code.get((country, code))

    def search(self, *, country: str | None = None, text: str | None = None) -> Sequence[PayeeInstitution]:
        """Those of a country, and with these letters in name or code; by country and code."""
        wanted = (text or "").casefold()
        return [
            one
            for one in self._all
            if (country is None or one.country == country)
            and (wanted in one.name.casefold() or wanted in (one.code, one.national_code))
        ]


@cache
def directory() -> Directory:
    """The institutions we know."""
    return Directory.built_in()

"""What `omniroute demo` pays: a file of payouts to banks and wallets in three countries, a fifth of them with bad luck.

Bad luck stands in the payee's number: its magic digits tell the sandbox what goes wrong, so that each run has the same.
"""

import csv
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from omniroute.money.institutions import check_digit, directory
from omniroute.sandbox import wallets
from omniroute.sandbox.faults import MAGIC
from omniroute.sandbox.nip import holder

FUNDS_MINOR = 500_000_000_00
AMOUNT_MINOR = (500_00, 20_000_00)
FAULTS_PERCENT = 20
BANKS = ("000004", "000007", "000013", "000014", "000015", "000016", "000017", "000018")
COLUMNS = (
    "reference", "amount_minor", "currency", "source", "payee_kind", "identifier", "institution", "payee_name",
    "country", "narration",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Corridor:
    """One rail of the file: who is paid over it, and how many in a hundred."""

    rail: str
    currency: str
    country: str
    share: int
    prefix: str = ""  # Of mobile numbers.

    @property
    def code(self) -> str:
        """Of its connection."""
        return self.rail.replace("_", "-")


CORRIDORS = (
    Corridor("nip", "NGN", "NG", 50),
    Corridor("mpesa", "KES", "KE", 20, "25471"),
    Corridor("mtn_momo", "UGX", "UG", 15, "25677"),
    Corridor("airtel", "KES", "KE", 15, "25473"),
)


def source_of(currency: str) -> str:
    """The account that pays in this currency."""
    return f"payroll:{currency}"


def accounts() -> list[dict[str, Any]]:
    """Bodies that open what pays, and the banks that stand behind it."""
    currencies = sorted({corridor.currency for corridor in CORRIDORS})
    return [
        body
        for currency in currencies
        for body in (
            {"code": f"bank:{currency}", "name": f"Bank, {currency}", "type": "asset", "currency": currency},
            {
                "code": source_of(currency), "name": f"Payroll, {currency}", "type": "liability", "currency": currency,
                "floor": 0,
            },
        )
    ]  # fmt: skip


def funding() -> list[dict[str, Any]]:
    """Bodies of the transactions that pay the payroll accounts in."""
    return [
        {
            "legs": [
                {"account": f"bank:{currency}", "side": "debit", "amount": FUNDS_MINOR, "currency": currency},
                {"account": source_of(currency), "side": "credit", "amount": FUNDS_MINOR, "currency": currency},
            ]
        }
        for currency in sorted({corridor.currency for corridor in CORRIDORS})
    ]


def write_payouts(path: Path, count: int, *, seed: int = 7) -> None:
    """A file of `count` payouts, always the same for a seed."""
    with path.open("w", newline="", encoding="utf-8") as file:
        rows = csv.writer(file)
        rows.writerow(COLUMNS)
        rows.writerows(_rows(count, random.Random(seed)))  # noqa: S311 - a story, not a secret


def _rows(count: int, chosen: random.Random) -> Iterator[Sequence[object]]:
    shares = [corridor.share for corridor in CORRIDORS]
    magic = sorted(MAGIC)
    for number in range(1, count + 1):
        (corridor,) = chosen.choices(CORRIDORS, shares)
        bad_luck = chosen.randrange(100) < FAULTS_PERCENT
        last = chosen.choice(magic) if bad_luck else f"{chosen.randrange(100, 800):03}"
        amount = chosen.randint(*AMOUNT_MINOR) // 100 * 100  # Whole units: M-Pesa carries no cents.
        identifier, institution, name = _payee(corridor, number, last, chosen)
        kind = "bank_account" if institution else "msisdn"
        yield (
            f"pay-{number:05}", amount, corridor.currency, source_of(corridor.currency), kind, identifier, institution,
            name, corridor.country, f"Wages, week 47, {number:05}",
        )  # fmt: skip


def _payee(corridor: Corridor, number: int, last: str, chosen: random.Random) -> tuple[str, str, str]:
    """Identifier, institution and name of somebody; half of the names are left out."""
    named = chosen.randrange(2) == 0
    if corridor.prefix:
        wallet = f"{corridor.prefix}{number % 10_000:04}{last}"
        known_as = f"{corridor.country}{wallet[3:]}" if corridor.rail == "airtel" else wallet
        return wallet, "", " ".join(wallets.holder(known_as)) if named else ""
    bank = chosen.choice(BANKS)
    account, name = account_at(bank, f"2{number:05}{last}")
    return account, bank, name if named else ""


def account_at(bank: str, serial: str) -> tuple[str, str]:
    """The number of an account at a Nigerian bank, with its check digit, and the name the bank knows its holder by."""
    known = directory().find("NG", bank)
    assert known is not None
    assert known.national_code is not None
    account = f"{serial}{check_digit(known.national_code, serial)}"
    return account, holder(bank, account).name

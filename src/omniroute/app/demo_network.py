"""What `omniroute demo` posts: a distribution network with branches, a chart of accounts, and a file of transfers."""

import csv
import random
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

CURRENCY = "NGN"
BRANCHES = (
    ("lagos", "Lagos depot", "south-west"),
    ("kano", "Kano depot", "north-west"),
    ("abuja", "Abuja depot", "centre"),
    ("enugu", "Enugu depot", "south-east"),
)
WALLETS_A_BRANCH = 100
OPENING_MINOR = 5_000_000_00
"""What each wallet starts with. No wallet can run dry by the ordinary transfers of a file."""
AMOUNT_MINOR_MAX = 20_000_00
OVERSPENT_MINOR = 100_000_000_000_00
"""More than there is in the whole network: a transfer of this is meant to be refused."""
FEE_MINOR = 10_00

BANK, FEES = "bank:settlement", "income:fees"
COLUMNS = ("key", "from", "to", "amount_minor", "fee_minor", "currency")


@dataclass(frozen=True, slots=True)
class Transfer:
    """One row of the file."""

    key: str
    source: str
    target: str
    amount_minor: int
    fee_minor: int
    currency: str

    @property
    def is_overspent(self) -> bool:
        """Whether it is meant to be refused."""
        return self.amount_minor >= OVERSPENT_MINOR


def wallets() -> list[tuple[str, str]]:
    """Code and branch of every wallet."""
    return [(f"wallet:{code}:{i:03}", code) for code, _, _ in BRANCHES for i in range(1, WALLETS_A_BRANCH + 1)]


def chart(branch_ids: dict[str, str]) -> list[dict[str, Any]]:
    """Bodies that open the chart of accounts; wallets belong to their branch and may not fall below zero."""
    bank = {"code": BANK, "name": "Settlement bank", "type": "asset", "currency": CURRENCY, "mode": "deferred"}
    fees = {"code": FEES, "name": "Transfer fees", "type": "income", "currency": CURRENCY, "mode": "deferred"}
    return [bank, fees] + [
        {
            "code": code, "name": f"Wallet {code.removeprefix('wallet:')}", "type": "liability", "currency": CURRENCY,
            "floor": 0, "branch_id": branch_ids[branch], "dimensions": {"branch": branch},
        }
        for code, branch in wallets()
    ]  # fmt: skip


def opening() -> dict[str, Any]:
    """The body of one batch that pays every wallet in, all or none."""
    return {
        "atomic": True,
        "items": [
            {"kind": "posting", "key": f"opening-{code}", "legs": _legs(BANK, code, OPENING_MINOR)}
            for code, _ in wallets()
        ],
    }


def write_transfers(path: Path, count: int, *, seed: int = 1) -> None:
    """A file of `count` transfers between wallets, always the same for a seed. One in a hundred is meant to fail."""
    chosen = random.Random(seed)  # noqa: S311 - a story, not a secret
    codes = [code for code, _ in wallets()]
    with path.open("w", newline="", encoding="utf-8") as file:
        rows = csv.writer(file)
        rows.writerow(COLUMNS)
        for number in range(1, count + 1):
            source, target = chosen.sample(codes, 2)
            amount = OVERSPENT_MINOR if chosen.randrange(100) == 0 else chosen.randint(1_00, AMOUNT_MINOR_MAX)
            fee = FEE_MINOR if chosen.randrange(4) == 0 else 0
            rows.writerow((f"row-{number:06}", source, target, amount, fee, CURRENCY))


def read_transfers(path: Path) -> list[Transfer]:
    """The rows of the file."""
    return list(_rows(path))


def _rows(path: Path) -> Iterator[Transfer]:
    with path.open(newline="", encoding="utf-8") as file:
        for row in csv.DictReader(file, strict=True):
            yield Transfer(
                row["key"], row["from"], row["to"], int(row["amount_minor"]), int(row["fee_minor"]), row["currency"]
            )


def posting(transfer: Transfer) -> dict[str, Any]:
    """The body that books a transfer; a fee goes to the fee account in the same transaction."""
    legs = _legs(transfer.source, transfer.target, transfer.amount_minor)
    if transfer.fee_minor:
        legs += _legs(transfer.source, FEES, transfer.fee_minor)
    return {"legs": legs, "metadata": {"file_row": transfer.key}}


def _legs(debit: str, credit: str, amount_minor: int) -> list[dict[str, Any]]:
    sides = (("debit", debit), ("credit", credit))
    return [{"account": code, "side": side, "amount": amount_minor, "currency": CURRENCY} for side, code in sides]

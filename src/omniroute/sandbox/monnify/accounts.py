"""Reserved accounts: what the rail wants to know before it opens one, and how it shows one."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from hashlib import blake2b
from typing import Any

from omniroute.sandbox.monnify.messages import failure
from omniroute.sandbox.wire import WireReply
from omniroute.sandbox.world import World

CONTRACT_CODE = "5867418298"
CURRENCY = "NGN"
BANKS: Mapping[str, str] = {
    "50515": "Moniepoint Microfinance Bank",
    "035": "Wema bank",
    "232": "Sterling bank",
}
"""Where accounts can be, by the rail's codes."""
NEEDED = ("accountReference", "accountName", "currencyCode", "contractCode", "customerEmail", "customerName")
NAME_MIN = 3


@dataclass(frozen=True, slots=True)
class Account:
    """A reserved account: one number at each of its banks."""

    reference: str
    name: str
    customer: Mapping[str, str]
    numbers: Mapping[str, str]  # By bank.
    created_at: datetime


def open_account(data: Mapping[str, Any], now: datetime) -> Account:
    """The account that is ordered by what `refusal` has nothing against."""
    reference = data["accountReference"]
    banks = list(BANKS) if data.get("getAllAvailableBanks", True) else data["preferredBanks"]
    customer = {"name": data["customerName"], "email": data["customerEmail"]}
    return Account(reference, data["accountName"], customer, {bank: _number(reference, bank) for bank in banks}, now)


def refusal(data: Mapping[str, Any]) -> WireReply | None:
    """Why no account is opened for this, as the rail's pages list it."""
    for name in NEEDED:
        if not isinstance(data.get(name), str) or not data[name]:
            return failure(400, f"Field {name} cannot be null")
    if min(len(data["accountName"]), len(data["customerName"])) < NAME_MIN:
        return failure(400, f"Names must have at least {NAME_MIN} characters")
    if "@" not in data["customerEmail"]:
        return failure(400, "Field customerEmail must be a well-formed email address")
    if data["contractCode"] != CONTRACT_CODE:
        return failure(422, "Invalid contract code supplied.")
    if data["currencyCode"] != CURRENCY:
        return failure(422, "Unknown currency code supplied.")
    banks = data.get("preferredBanks")
    if data.get("getAllAvailableBanks", True):
        return None
    if not isinstance(banks, list) or not banks:
        return failure(400, "Field preferredBanks cannot be null")
    strange = next((bank for bank in banks if bank not in BANKS), None)
    return (
        None if strange is None else failure(422, f"We do not support virtual accounts from banks with code {strange}.")
    )


def _number(reference: str, bank: str) -> str:
    """Ten digits, the same for the same account."""
    drawn = int.from_bytes(blake2b(f"{reference}:{bank}".encode(), digest_size=8).digest())
    return f"6{drawn % 10**9:09}"


def show(account: Account) -> dict[str, Any]:
    """An account in the rail's words."""
    return {
        "contractCode": CONTRACT_CODE,
        "accountReference": account.reference,
        "accountName": account.name,
        "currencyCode": CURRENCY,
        "customerEmail": account.customer["email"],
        "customerName": account.customer["name"],
        "accounts": [
            {"bankCode": bank, "bankName": BANKS[bank], "accountNumber": its_number, "accountName": account.name}
            for bank, its_number in account.numbers.items()
        ],
        "collectionChannel": "RESERVED_ACCOUNT",
        "reservationReference": World.make_ref("monnify", account.reference) * 2,
        "reservedAccountType": "GENERAL",
        "status": "ACTIVE",
        "createdOn": f"{account.created_at:%Y-%m-%d %H:%M:%S}.{account.created_at.microsecond // 1000:03}",
        "incomeSplitConfig": [],
        "restrictPaymentSource": False,
    }

"""The other side of an account number: somebody's bank sends money there, and something goes wrong on demand.

{
    "accountNumber": "6000140770",      the account that is paid
    "bankCode": "50515",                its bank; may be left out
    "amount": "2500.00",                what is sent
    "currency": "NGN",                  may be left out
    "narration": "Invoice 7",           may be left out
    "payer": {"accountName": ..., "accountNumber": ..., "bankCode": ...},   any of it may be left out
    "sessionId": "...",                 of the transfer; repeated, it is the same transfer
    "mishap": "duplicate-notification"  may be left out
}
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from hashlib import blake2b
from typing import Any

from omniroute.sandbox.wallets import holder, minor_of

LATE = timedelta(hours=6)
"""After which a late notification comes, a pending transfer is paid and an early one becomes known."""
REVERSAL = timedelta(days=1)
WRONG_BY_MINOR = 100_00


class Mishap(StrEnum):
    """What goes wrong with a transfer to an account."""

    NONE = "none"
    LOST_NOTIFICATION = "lost-notification"  # The money is there; nobody says so.
    LATE_NOTIFICATION = "late-notification"
    EARLY_NOTIFICATION = "early-notification"  # Notified at once; questions know nothing of it for a while.
    DUPLICATE_NOTIFICATION = "duplicate-notification"  # Three times in all.
    WRONG_SIGNATURE = "wrong-signature"
    WRONG_AMOUNT = "wrong-amount"  # The notification tells more than the books have.
    PENDING = "pending"  # Known as under way at first, paid and notified later.
    PARTIAL = "partial"  # Half of what was to be paid: state PARTIALLY_PAID.
    OVERPAID = "overpaid"
    REVERSED_LATER = "reversed-later"  # Paid, and given back the next day; nobody is notified of that.
    UNKNOWN_STATE = "unknown-state"  # A state that no page of the rail lists.


@dataclass(slots=True)
class Payment:
    """A transaction on an account number, as the rail's books have it."""

    reference: str
    session: str
    account_reference: str
    account_number: str
    bank_code: str
    bank_name: str
    amount_minor: int
    payable_minor: int
    fee_minor: int
    currency: str
    narration: str
    payer: Mapping[str, str]
    mishap: Mishap
    created_at: datetime
    visible_at: datetime
    customer: Mapping[str, str]
    paid_at: datetime | None = None
    reversed_at: datetime | None = None

    @property
    def state(self) -> str:
        """In the rail's words."""
        if self.reversed_at is not None:
            return "REVERSED"
        if self.paid_at is None:
            return "PENDING"
        said = {Mishap.PARTIAL: "PARTIALLY_PAID", Mishap.OVERPAID: "OVERPAID", Mishap.UNKNOWN_STATE: "HELD_FOR_REVIEW"}
        return said.get(self.mishap, "PAID")


@dataclass(frozen=True, slots=True)
class Sent:
    """What a payer's bank was told to send."""

    account_number: str
    bank_code: str | None
    amount_minor: int
    currency: str
    narration: str
    payer: Mapping[str, str]
    session: str | None
    mishap: Mishap


def read_transfer(data: Mapping[str, Any]) -> Sent:
    """A transfer as a payer's bank takes it. Raises: ValueError saying what is wrong."""
    number, currency = data.get("accountNumber"), data.get("currency", "NGN")
    amount_minor = minor_of(data.get("amount"), currency) if isinstance(currency, str) else None
    if not isinstance(number, str) or not number:
        raise ValueError("accountNumber: the account that is paid, as text")
    if amount_minor is None:
        raise ValueError('amount: decimals as text, such as "2500.00"')
    given = data.get("payer")
    payer = {name: str(value) for name, value in given.items()} if isinstance(given, dict) else {}
    source = payer.get("accountNumber", "2222002345")
    name = payer.get("accountName") or " ".join(holder(source))
    bank, session = data.get("bankCode"), data.get("sessionId")
    return Sent(
        number,
        str(bank) if bank is not None else None,
        amount_minor,
        currency,
        str(data.get("narration", "")),
        {"accountName": name.upper(), "accountNumber": source, "bankCode": payer.get("bankCode", "000013")},
        str(session) if session is not None else None,
        Mishap(data.get("mishap", Mishap.NONE)),
    )


def session_of(count: int, at: datetime) -> str:
    """A session id as NIP makes them: institution, time, twelve digits."""
    digits = int.from_bytes(blake2b(f"{count}:{at}".encode(), digest_size=8).digest()) % 10**12
    return f"000013{at:%y%m%d%H%M%S}{digits:012}"

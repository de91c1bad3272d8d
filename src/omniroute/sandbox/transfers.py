"""What the rails of the sandbox keep: accounts, orders and every movement of money. Integers of minor units."""

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any

from omniroute.sandbox.faults import Fault


class State(StrEnum):
    """Where an order stands, as the rail itself knows it."""

    ACCEPTED = "accepted"
    SUCCEEDED = "succeeded"
    DECLINED = "declined"
    REVERSED = "reversed"


class Reason(StrEnum):
    """Why an order was declined; each rail has its own code for it."""

    FUNDS = "funds"
    PAYEE_UNKNOWN = "payee_unknown"
    LIMIT = "limit"
    REFUSED = "refused"


@dataclass(frozen=True, slots=True)
class Order:
    """What somebody asked a rail to pay. `account` is theirs at the rail; `reference` is their name for the order."""

    rail: str
    reference: str
    account: str
    payee: str
    amount_minor: int
    currency: str
    fee_minor: int = 0
    data: dict[str, Any] = field(default_factory=dict)  # What the rail needs to answer in its own words.


@dataclass(slots=True)
class Transfer:
    """An order the rail took. Queries know it from `visible_at` on; `told_minor` is the amount the rail tells."""

    order: Order
    rail_ref: str
    fault: Fault
    accepted_at: datetime
    visible_at: datetime
    final_at: datetime
    told_minor: int
    state: State = State.ACCEPTED
    reason: Reason | None = None
    reversed_at: datetime | None = None
    times_asked: int = 0


@dataclass(frozen=True, slots=True)
class Movement:
    """Money that moved on an account of the rail: the truth against which books are compared."""

    number: int
    rail: str
    account: str
    reference: str
    rail_ref: str
    kind: str  # debit, fee, reversal; credit: came in
    amount_minor: int  # Negative: left the account.
    currency: str
    at: datetime
    balance_after_minor: int
    payee: str | None = None
